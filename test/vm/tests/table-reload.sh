# SPDX-License-Identifier: GPL-2.0-only
# what: two caches at once; metadata used twice refused; a bad reload leaves the live table running;
#       a table preloaded elsewhere takes over
# kernels-differ: how devices are opened and claimed
# needs: smp=1
# timeout: 240

. /job/lib-cache.sh
devices 16 16 32
len=$(sectors $ORIGIN)
parts 2 $META 16384 $CACHE 16384 $ORIGIN 32768
table() { echo "0 32768 cache /dev/mapper/m$1 /dev/mapper/f$2 /dev/mapper/s$3 64 ${4:-0 smq 0}"; }

dmsetup create c1 --table "$(table 1 1 1)"
quiet_fio --name=v1 --filename=/dev/mapper/c1 --direct=1 --rw=randwrite --bs=32k --size=6m \
	--verify=crc32c --do_verify=1

# The same metadata under another cache: refused, at the latest by resume, and the first is
# unharmed.
dmesg_mark
if dmsetup create c2 --table "$(table 1 2 2)" 2> /dev/null; then
	fail "two caches on one metadata device"
fi
assert_dmesg 'cache|metadata'
dmsetup remove c2 2> /dev/null || :
assert_eq "$(st_mode c1)" rw "mode of the first cache"
quiet_fio --name=v1 --filename=/dev/mapper/c1 --direct=1 --rw=randwrite --bs=32k --size=6m \
	--verify=crc32c --verify_only=1

# Two real ones, at the same time.
dmsetup create c2 --table "$(table 2 2 2 '1 metadata2 smq 0')"
quiet_fio --direct=1 --ioengine=libaio --iodepth=8 --rw=randwrite --bsrange=4k-64k --blockalign=4k \
	--size=8m --verify=crc32c --do_verify=1 \
	--name=v1 --filename=/dev/mapper/c1 --name=v2 --filename=/dev/mapper/c2
assert_num "$(st_used c2)" -gt 0 "blocks of the second cache in use"

# Reloads that must fail, under a live table that must go on.
d1=$(digest /dev/mapper/c1)
for bad in "$(table 1 1 1 '0 nosuch 0')" "$(table 1 1 1 '1 nosuch smq 0')" \
	"0 32768 cache /dev/mapper/m1 /dev/none /dev/mapper/s1 64 0 smq 0" \
	"0 32768 cache /dev/mapper/m1 /dev/mapper/f1 /dev/mapper/s1 63 0 smq 0" \
	"0 99999999 cache /dev/mapper/m1 /dev/mapper/f1 /dev/mapper/s1 64 0 smq 0"; do
	expect_fail . dmsetup reload c1 --table "$bad"
	dmsetup suspend c1
	dmsetup resume c1
	assert_eq "$(dmsetup table c1 | cut -d' ' -f7-)" "64 0 smq 0" \
		"live table after a bad reload"
done
# These are seen when the table is loaded or, at the latest, when it would replace the live one.
for bad in "$(table 2 1 1)" \
	"0 32768 cache /dev/mapper/m1 /dev/mapper/f1 /dev/mapper/s1 128 0 smq 0"; do
	dmesg_mark
	if dmsetup reload c1 --table "$bad" 2> /dev/null; then
		dmsetup suspend c1
		refute dmsetup resume c1 2> /dev/null
		dmsetup reload c1 --table "$(table 1 1 1)"
		dmsetup resume c1
	fi
	assert_dmesg 'cache'
done
assert_eq "$(digest /dev/mapper/c1)" "$d1" "data after bad reloads"
# A table loaded and dropped, 10 times, while the live one has dirty blocks; then one that is kept.
for i in 0 1 2 3 4 5 6 7 8 9; do
	dmsetup reload c1 --table "$(table 1 1 1)"
	dmsetup clear c1
done
dmsetup reload c1 --table "$(table 1 1 1)"
dmsetup suspend c1
dmsetup resume c1
assert_eq "$(digest /dev/mapper/c1)" "$d1" "data after reloads"
dmsetup remove c2

# A volume manager loads the table on another device while the live one is in use, suspends that,
# and resumes the other: nothing that may have gone by then is held against the table before. But
# two never run at once.
dmsetup message c1 0 migration_threshold 0
dd if=/dev/urandom of=/dev/mapper/c1 bs=32k count=8 oflag=direct 2> /dev/null
d1=$(digest /dev/mapper/c1)
dirty=$(st_dirty c1)
assert_num "$dirty" -gt 0 "dirty blocks"
# goes_on AFTER: the live cache is as it was
goes_on() {
	assert_eq "$(st_mode c1) $(st_dirty c1)" "rw $dirty" "the live cache after $1"
	assert_eq "$(digest /dev/mapper/c1)" "$d1" "its data after $1"
}
dmsetup create c3 --notable
for new in "0 smq 0" "1 passthrough smq 0" "0 mq 0" "1 writethrough default 0"; do
	dmsetup load c3 --table "$(table 1 1 1 "$new")" ||
		fail "not accepted beside the live cache: $new"
	goes_on "loading '$new' beside it"
	dmesg_mark
	refute dmsetup resume c3 2> /dev/null
	assert_dmesg 'in use by'
	refute_dmesg 'cache_check|cache_repair'
	goes_on "the refused resume of '$new'"
	dmsetup clear c3
done

# What would lose data or make no sense is refused when it is to run, and leaves all as it was.
for new in "64 1 passthrough smq 0" "128 0 smq 0"; do
	dmsetup load c3 --table "0 32768 cache /dev/mapper/m1 /dev/mapper/f1 /dev/mapper/s1 $new" ||
		fail "not accepted beside the live cache: $new"
	dmsetup suspend c1
	quiet=$(digest /dev/mapper/m1)
	dmesg_mark
	refute dmsetup resume c3 2> /dev/null
	refute_dmesg 'cache_check|cache_repair'
	assert_eq "$(digest /dev/mapper/m1)" "$quiet" "metadata after the refused resume of '$new'"
	dmsetup clear c3
	dmsetup resume c1
	goes_on "the refused resume of '$new'"
done

# answers DEV: it reads. If it stays suspended, nothing in this guest ends that, so the guest ends.
answers() {
	{ dd if="$1" of=/dev/null bs=4k count=1 iflag=direct 2> /dev/null && : > /tmp/answered; } &
	(wait_for '[ -e /tmp/answered ]' 30) || echo b > /proc/sysrq-trigger
}

# So a volume gets a snapshot, and loses it: the cache moves below the device that it was, and back.
for policy in mq smq; do
	# Nothing is written back, however long the host takes for the rest.
	dmsetup load c3 --table "$(table 1 1 1 "0 $policy 2 migration_threshold 0")"
	dmsetup load c1 \
		--table "0 32768 linear $(dmsetup info -c --noheadings --separator : \
		-o major,minor c3) 0"
	dmsetup suspend c1
	dmsetup resume c3
	dmsetup resume c1
	assert_eq "$(digest /dev/mapper/c1) $(st_dirty c3)" "$d1 $dirty" \
		"data and dirty blocks, the cache below"
	dd if=/dev/urandom of=/dev/mapper/c1 bs=32k count=4 seek=2 oflag=direct 2> /dev/null
	d1=$(digest /dev/mapper/c1)
	dmsetup load c1 --table "$(table 1 1 1 "0 $policy 2 migration_threshold 0")"
	dmsetup suspend c1
	dmsetup suspend c3
	if [ $policy = mq ]; then
		dmsetup resume c1
		# The one that was suspended cannot come back beside it.
		refute dmsetup resume c3 2> /dev/null
	else
		# lvm2 resumes the one that it is about to remove, too; it has no users, and is
		# taken over from. If that fails it goes on.
		dmsetup resume c3
		dmsetup load c1 --table "$(table 1 1 1 "1 passthrough smq 0")"
		dmesg_mark
		refute dmsetup resume c1 2> /dev/null
		assert_dmesg 'takes over from'
		answers /dev/mapper/c3
		assert_eq "$(digest /dev/mapper/c3) $(st_dirty c3)" "$d1 $dirty" \
			"the cache that was to be taken over from"
		dmsetup load c1 --table "0 32768 linear /dev/mapper/c3 0"
		dmsetup resume c1
		dmsetup load c1 --table "$(table 1 1 1 "0 $policy 2 migration_threshold 0")"
		dmsetup suspend c1
		dmsetup resume c1
	fi
	assert_eq "$(digest /dev/mapper/c1) $(st_dirty c1)" "$d1 $dirty" \
		"data and dirty blocks, the cache above"
	dmsetup remove c3
	dmsetup create c3 --notable
done
dmsetup remove c3
dmsetup remove c1
check_metadata /dev/mapper/m1
check_metadata /dev/mapper/m2
