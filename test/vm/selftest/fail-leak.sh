# SPDX-License-Identifier: GPL-2.0-only
# what: a cache that something still holds when the test ends: device and modules leak
# selftest: LEAK: dm device held
nb o 64 0
nb c 16 0
ram 1 8
META=/dev/ram0 CACHE=/dev/c ORIGIN=/dev/o
make_cache held 128 writeback smq
modprobe loop
losetup /dev/loop0 /dev/mapper/held
