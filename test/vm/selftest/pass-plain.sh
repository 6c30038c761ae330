# SPDX-License-Identifier: GPL-2.0-only
# what: a device comes and goes
# selftest: PASS
nb d 16 0
linear l /dev/d 0 8
assert_eq "$(sectors /dev/mapper/l)" 8 "size of the slice"
