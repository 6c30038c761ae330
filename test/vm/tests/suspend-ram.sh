# SPDX-License-Identifier: GPL-2.0-only
# what: suspend to RAM ten times, under load and with copies under way: no I/O of ours meets a disk
#       that sleeps, and all goes on
# needs: mem=256
# disks: 16M,24M,97M,64M
# timeout: 90
# builds: test/tools/power-load.c

META=$DISK0 CACHE=$DISK1
[ -e /sys/power/pm_test ] || skip "this kernel has no /sys/power/pm_test"
modprobe -a dm-mod dm-delay
dmsetup create slow --table "0 $(sectors "$DISK2") delay $DISK2 0 50"
ORIGIN=/dev/mapper/slow
# All is zeroes, and all blocks are dirty: there is always something to copy.
meta_format "$META" 64 768 768 true
make_cache c 64 metadata2 lru
dmsetup message c 0 migration_threshold 1024
/job/power-load run "$DISK3" "$SEED" 1000 /dev/mapper/c &
load=$!
# All of a suspend but its end: the firmware is not called, and after a moment everything is woken.
echo 0 > /sys/module/suspend/parameters/pm_test_delay
echo core > /sys/power/pm_test
i=0
while [ $i -lt 10 ]; do
	_p=$(st_promotions) _h=$(st_read_hits)
	wait_for '[ "$(st_promotions)" -gt $_p ] && [ "$(st_read_hits)" -gt $_h ]' 30
	dmesg_mark
	echo mem > /sys/power/state
	assert_dmesg 'suspend exit'
	assert_num "$(st_dirty)" -gt 0 "dirty blocks: there was work to do meanwhile"
	i=$((i + 1))
done
kill $load
wait $load || :
st_line
assert_eq "$(st_mode) $(st_needs_check)" "rw -" "mode after ten suspends"
dmsetup remove c
check_metadata "$META"
dmsetup remove slow
ORIGIN=$DISK2
make_cache c 64 metadata2 lru
/job/power-load check "$DISK3" /dev/mapper/c || fail "what is read is not what was written"
