# SPDX-License-Identifier: GPL-2.0-only
# what: fails the first time only, and nothing may be lost
# durability: yes
[ -n "$AGAIN" ] || { echo "FAILED: a block was lost"; exit 1; }
