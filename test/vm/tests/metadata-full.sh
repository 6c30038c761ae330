# SPDX-License-Identifier: GPL-2.0-only
# what: the metadata device gets full while the cache runs: read-only, said so, data right,
#       repairable; tables that it is too full or too damaged for do not end a live cache
# needs: smp=1
# timeout: 120
# stock: no
# files: test/tools/fill-metadata.py

. /job/lib-cache.sh
devices 1 16 48
noise /tmp/data 16

# A table for a larger cache, for which there is no room, is refused while the smaller one goes on.
nb larger 1024 0
warm 64 64 2 /tmp/data
note "$(python3 -I /job/fill-metadata.py $META 60)"
make_cache c 64 metadata2 mq
expect_fail 'no room for 32768 cache blocks' dmsetup reload c \
	--table "$(CACHE=/dev/larger; cache_table 64 metadata2 mq)"
dmsetup suspend c
dmsetup resume c
assert_eq "$(st_mode c) $(st_used c)/$(st_total c)" "rw 64/512" "the smaller cache"
same /tmp/data /dev/mapper/c "data of the smaller cache" 4
dmsetup remove c

for format in 1 2; do
	features=$(features_of "$format")
	# 64 of 512 blocks are cached and clean; hardly a metadata block is left.
	warm 64 64 "$format" /tmp/data
	note "format $format: $(python3 -I /job/fill-metadata.py $META 6)"

	make_cache c 64 "$features" mq
	assert_eq "$(st_mode c) $(st_needs_check c)" "rw -" "the mode before anything moves"
	dmesg_mark
	# Each block of the data is read: promotions, until one does not fit.
	read_blocks c 64 64 400
	wait_for "[ \"\$(st_mode c)\" = ro ]" 20
	assert_eq "$(st_needs_check c)" needs_check "needs_check in the status"
	assert_dmesg 'metadata device .* failed .*it is full'
	assert_dmesg 'cache_check or cache_repair'

	# Hits and misses go on, written data included; nothing moves any more.
	same /tmp/data /dev/mapper/c "data on a read-only cache"
	promoted=$(st_promotions c)
	noise /tmp/more 4
	put /tmp/more /dev/mapper/c 1
	assert_eq "$(digest /dev/mapper/c 1 4)" "$(md5_of /tmp/more)" \
		"what was written to a read-only cache"
	read_blocks c 64 64 400
	assert_eq "$(st_promotions c)" "$promoted" "promotions on read-only metadata"

	# Another table would need the metadata: it is refused while this one goes on.
	expect_fail 'needs_check is set' dmsetup reload c \
		--table "$(cache_table 64 "$features" mq)"

	# Suspend and resume do not need the metadata; the table can be taken down.
	dmsetup suspend c
	dmsetup resume c
	assert_eq "$(st_mode c)" ro "the mode after suspend and resume"
	dd if=/tmp/more of=/tmp/data bs=1M seek=1 conv=notrunc 2> /dev/null
	same /tmp/data /dev/mapper/c "data after a refused reload, suspend and resume"
	dmsetup remove c

	# It is not used again before a tool has checked it. The tool finds the leaks we made,
	# and frees them.
	expect_fail 'needs_check|cache_check' make_cache c 64 "$features" mq
	/tpt1/cache_check --auto-repair $META > /tmp/said 2>&1 ||
		fail "cache_check --auto-repair: $(cat /tmp/said)"
	make_cache c 64 "$features" mq
	assert_eq "$(st_mode c) $(st_needs_check c)" "rw -" "the mode after the repair"

	assert_eq "$(digest /dev/mapper/c 1 4)" "$(md5_of /tmp/more)" \
		"what was written while read-only"
	dmsetup remove c
	check_metadata $META
done
