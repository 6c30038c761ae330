# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC2034 # used where it is sourced
#
# Of the tests that put the machine to sleep, and of the kernel that is about to resume one: an
# origin that takes 50 ms for a request.
stage() {
	META=$DISK0 CACHE=$DISK1 ORIGIN=/dev/mapper/slow
	modprobe -a dm-mod dm-delay
	dmsetup create slow --table "0 $(sectors "$DISK2") delay $DISK2 0 50"
}

# sleep_load THRESHOLD: a cache in which all is zeroes and all blocks are dirty, so that there is
# always something to copy; and $load, which writes to it.
sleep_load() {
	meta_format "$META" 64 768 768 true
	make_cache c 64 metadata2 lru
	dmsetup message c 0 migration_threshold "$1"
	/job/power-load run "$DISK3" "$SEED" 1000 /dev/mapper/c &
	load=$!
}

# sleep_check: the load ends; metadata and data are right. The origin is not slow any more.
sleep_check() {
	kill $load
	wait $load || :
	assert_eq "$(st_mode) $(st_needs_check)" "rw -" "mode after all that sleep"
	dmsetup remove c
	check_metadata "$META"
	dmsetup remove slow
	ORIGIN=$DISK2
	make_cache c 64 metadata2 lru
	/job/power-load check "$DISK3" /dev/mapper/c ||
		fail "what is read is not what was written"
}
