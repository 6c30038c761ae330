# SPDX-License-Identifier: GPL-2.0-only
# what: fails the first time only, too
[ -n "$AGAIN" ] || { echo "FAILED: too late"; exit 1; }
