# SPDX-License-Identifier: GPL-2.0-only
# what: fails the first time only, and is one that cuts the power
[ -z "$AGAIN" ] || exit 0
echo "FAILED: a block was lost"
exit 1
power_cut
