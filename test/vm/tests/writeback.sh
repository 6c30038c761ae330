# SPDX-License-Identifier: GPL-2.0-only
# what: writeback: dirty -> cleaner -> dm event -> dirty 0 -> the origin has it all; both formats
# timeout: 240

. /job/lib-cache.sh
devices 8 16 24
noise /tmp/old 16
noise /tmp/new 8

for format in 1 2; do
	f=$(features_of $format)
	warm 64 256 $format /tmp/old
	# No background writeback yet, however slow this goes.
	make_cache c 64 "$f" smq migration_threshold 0
	put /tmp/new /dev/mapper/c
	assert_num "$(st_dirty c)" \
		-eq 256 "dirty blocks after writing 256 cached ones (format $format)"
	differs /tmp/new $ORIGIN "with 256 dirty blocks"
	same /tmp/new /dev/mapper/c "read back while dirty"
	same /tmp/old /dev/mapper/c "what was not written" 8 8

	# The event that says that all is clean. Of the table that is live: a reload makes one of
	# its own.
	reload_cache c 64 "$f" cleaner migration_threshold 2048
	ev=$(dmsetup info -c --noheadings -o events c)
	if [ "$(st_dirty c)" -gt 0 ]; then
		timeout 30 dmsetup wait c "$ev" > /dev/null || [ "$(st_dirty c)" = 0 ] ||
			fail "no event within 30 s; dirty: $(st_dirty c)"
	fi
	wait_for '[ $(st_dirty c) = 0 ]' 5
	assert_num "$(dmsetup info -c --noheadings -o events c)" -ge 1 "dm events after cleaning"
	same /tmp/new $ORIGIN "the origin when dirty is 0 (format $format)"
	same /tmp/new /dev/mapper/c "the cache when dirty is 0"
	assert_num "$(st_used c)" -ge 256 "cleaning keeps the mappings"

	# Nothing is written back twice.
	w=$(dev_writes $ORIGIN)
	sleep 1
	assert_num "$(dev_writes $ORIGIN)" -eq "$w" "writes to the origin with nothing dirty"
	dmsetup remove c
	check_metadata $META
	meta_dump $META > /tmp/xml
	assert_num "$(grep -c "<mapping .*dirty=.false" /tmp/xml)" \
		-ge 256 "clean mappings in the dump"
	refute grep -q "dirty=.true" /tmp/xml
done

# A write to a block that is being written back waits for that: else it would not be known
# that the origin lacks it.
modprobe dm-delay
warm 64 16 2 /tmp/old
n=$(sectors $ORIGIN)
dmsetup create late --table "0 $n delay $ORIGIN 0 0 $ORIGIN 0 5000"
ORIGIN=/dev/mapper/late
make_cache c 64 metadata2 smq migration_threshold 0
page first | write_at /dev/mapper/c $((3 * 64))
r=$(dev_reads $CACHE)
reload_cache c 64 metadata2 cleaner migration_threshold 2048
# Read for the copy, which takes the origin five seconds.
wait_for '[ "$(dev_reads $CACHE)" -gt '"$r ]" 20
assert_eq "$(st_dirty c)" 1 "dirty blocks while one is written back"
page second > /tmp/second
write_at /dev/mapper/c $((3 * 64)) < /tmp/second
wait_for '[ $(st_dirty c) = 0 ]' 60
read_at /dev/mapper/c $((3 * 64)) | cmp - /tmp/second ||
	fail "the cache has lost what was written during a writeback"
read_at $ORIGIN $((3 * 64)) | cmp - /tmp/second ||
	fail "all is clean, and the origin lacks what was written during a writeback"
dmsetup remove c
dmsetup remove late
check_metadata $META
