# SPDX-License-Identifier: GPL-2.0-only
# what: suspend to RAM ten times, under load and with copies under way: no I/O of ours meets a disk
#       that sleeps, and all goes on
# needs: mem=256
# disks: 16M,24M,97M,64M
# timeout: 90
# files: test/vm/hibernate-stage.sh
# builds: test/tools/power-load.c

. /job/hibernate-stage.sh
[ -e /sys/power/pm_test ] || skip "this kernel has no /sys/power/pm_test"
stage
sleep_load 1024
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
st_line
sleep_check
