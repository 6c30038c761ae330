# SPDX-License-Identifier: GPL-2.0-only
# what: reads wrong data the first time only
[ -n "$AGAIN" ] || { echo "FAILED: /dev/c differs from what was written"; exit 1; }
