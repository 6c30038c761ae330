# SPDX-License-Identifier: GPL-2.0-only
# what: a warning in the kernel log, though the script is content
# selftest: kernel log complains
echo "WARNING: something is wrong" > /dev/kmsg
