# SPDX-License-Identifier: GPL-2.0-only
# what: a complaint that the test announces is forgiven
# selftest: PASS
# expect-dmesg: WARNING: this is wanted
echo "WARNING: this is wanted" > /dev/kmsg
nb d 16 0
expect_fail 'too small for target' dmsetup create bad --table "0 8 linear /dev/d 99999999"
