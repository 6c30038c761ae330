# SPDX-License-Identifier: GPL-2.0-only
# what: a complaint beside the announced one
# selftest: kernel log complains
# expect-dmesg: WARNING: this is wanted
echo "WARNING: this is wanted" > /dev/kmsg
echo "BUG: this is not" > /dev/kmsg
