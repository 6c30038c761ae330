# SPDX-License-Identifier: GPL-2.0-only
# what: passthrough: reads come from the origin, write hits invalidate; invalidate_cblocks; not with
#       dirty blocks
# needs: smp=1
# timeout: 240

. /job/lib-cache.sh
devices 8 16 24
noise /tmp/old 16

for format in 1 2; do
	p=$(features_of $format passthrough)

	# Dirty blocks: refused, and nothing is changed by that.
	warm 64 256 $format /tmp/old true
	d=$(digest $META)
	expect_fail 'passthrough|clean|dirty' make_cache c 64 "$p" smq
	dmsetup remove c 2> /dev/null || :
	[ "$STOCK" = 1 ] ||
		assert_eq "$(digest $META)" "$d" "metadata after a refused passthrough table"

	warm 64 256 $format /tmp/old
	# Something else on the origin than in the cache: only the origin counts in this mode.
	make_cache c 64 "$p" smq
	assert_num "$(st_used c)" -eq 256 "blocks in use"
	r=$(dev_reads $CACHE)
	same /tmp/old /dev/mapper/c "reading in passthrough"
	assert_num "$(dev_reads $CACHE)" -eq "$r" "reads of the cache device in passthrough"

	cp /tmp/old /tmp/now
	page new > /tmp/piece
	for block in 0 1 17 255; do
		write_at /dev/mapper/c $((block * 64 + 8)) < /tmp/piece
		dd if=/tmp/piece of=/tmp/now bs=512 seek=$((block * 64 + 8)) conv=notrunc \
			2> /dev/null
	done
	wait_for '[ $(st_used c) = 252 ]' 10
	write_at /dev/mapper/c $((300 * 64)) < /tmp/piece
	dd if=/tmp/piece of=/tmp/now bs=512 seek=$((300 * 64)) conv=notrunc 2> /dev/null
	assert_num "$(st_used c)" -eq 252 "blocks in use after 4 write hits and a write miss"
	assert_num "$(st_dirty c)" -eq 0 "dirty blocks in passthrough"
	# Many writes at once to each of four cached blocks: one of them drops it, all go on.
	quiet_fio --name=p --filename=/dev/mapper/c --direct=1 --rw=randwrite --bs=4k \
		--offset=640k --size=128k --loops=8 --ioengine=libaio --iodepth=64 \
		--buffer_pattern=0x5a
	tr '\0' Z < /dev/zero | dd of=/tmp/now bs=32k count=4 seek=20 iflag=fullblock \
		conv=notrunc 2> /dev/null
	wait_for '[ $(st_used c) = 248 ]' 10
	same /tmp/now $ORIGIN "the origin after writes"
	same /tmp/now /dev/mapper/c "reading after writes"
	[ "$STOCK" = 1 ] || assert_eq "$(st_demotions c)" 8 "demotions: blocks dropped for a write"

	# Messages; once is enough for the bad ones, which change nothing, even behind a good range.
	bads=
	[ $format = 2 ] || bads='512 600-700 5-5 7-3 0-513 -1 1- x 3-x 99999999999999999999 1-2-3'
	for bad in $bads; do
		dmesg_mark
		refute dmsetup message -- c 0 invalidate_cblocks 20-30 "$bad" 2> /dev/null
		assert_dmesg 'cache'
		[ "$STOCK" = 1 ] || assert_num "$(st_used c)" \
			-eq 248 "blocks in use after the bad range '$bad'"
	done
	assert dmsetup message c 0 invalidate_cblocks 2
	assert dmsetup message c 0 invalidate_cblocks 100-110 120 130-131 400-500
	[ "$STOCK" = 1 ] || assert_num "$(st_used c)" -eq 235 "blocks in use after invalidating 13"
	assert dmsetup message c 0 invalidate_cblocks 2 0-512
	assert_num "$(st_used c)" -eq 0 "blocks in use after invalidating everything"
	same /tmp/now /dev/mapper/c "reading after invalidation"
	dmsetup remove c
	check_metadata $META

	# What was written in passthrough is what a later mode sees: no stale block came back.
	make_cache c 64 "$(features_of $format)" smq
	same /tmp/now /dev/mapper/c "reading in writeback, after passthrough"
	[ "$STOCK" = 1 ] || expect_fail 'passthrough' dmsetup message c 0 invalidate_cblocks 1
	if [ "$STOCK" = 0 ]; then
		# From the start nothing is written back, so that the number of dirty blocks stays.
		dmsetup remove c
		make_cache c 64 "$(features_of $format)" smq migration_threshold 0
	fi
	put /tmp/old /dev/mapper/c 0 32k
	[ "$STOCK" = 0 ] || { dmsetup message c 0 migration_threshold 0; sleep 0.5; }
	assert_num "$(st_dirty c)" -gt 0 "dirty blocks"

	# Reload into passthrough over dirty blocks: refused; the cache goes on as it was.
	n=$(st_dirty c)
	dmesg_mark
	if dmsetup reload c --table "$(cache_table 64 "$p" smq)" 2> /dev/null; then
		dmsetup suspend c
		refute dmsetup resume c 2> /dev/null
		assert_dmesg 'passthrough|clean|dirty'
		dmsetup clear c 2> /dev/null || :
		reload_cache c 64 "$(features_of $format)" smq migration_threshold 0
	else
		assert_dmesg 'passthrough|clean|dirty'
	fi
	assert_num "$(st_dirty c)" -eq "$n" "dirty blocks after a refused passthrough table"
	same /tmp/old /dev/mapper/c "data after a refused passthrough table"
	clean_all c 64 "$(features_of $format)"
	reload_cache c 64 "$p" smq
	same /tmp/old /dev/mapper/c "data in passthrough, once clean"
	dmsetup remove c
done

# --- a suspend does not wait until a whole range is dropped: the rest stays ---
if [ "$STOCK" = 0 ]; then
	warm 64 256 2 /tmp/old
	linear m "$META" 0 "$(sectors "$META")"
	META=/dev/mapper/m
	make_cache c 64 "$p" smq
	# No commit ends.
	trap 'dmsetup resume m 2> /dev/null || :' EXIT
	dmsetup suspend --noflush --nolockfs m
	rm -f /tmp/ended
	dmesg_mark
	{
		rc=0
		dmsetup message c 0 invalidate_cblocks 0-256 2> /dev/null || rc=1
		echo $rc > /tmp/ended
	} &
	wait_for 'grep -qs cache_message /proc/[0-9]*/stack' 10
	dmsetup suspend c &
	suspend=$!
	wait_for '[ -e /tmp/ended ]' 20
	dmsetup resume m
	wait $suspend || fail "a suspend while a range is being dropped"
	assert_eq "$(cat /tmp/ended)" 1 "status of the message"
	assert_dmesg 'invalidate_cblocks: stopped at block [0-9]*, since the cache is being suspended'
	assert_num "$(st_used c)" -gt 100 "blocks in use after a message that a suspend ended"
	dmsetup resume c
	assert dmsetup message c 0 invalidate_cblocks 0-256
	assert_num "$(st_used c)" -eq 0 "blocks in use after the same message again"
	same /tmp/old /dev/mapper/c "reading after that"
	dmsetup remove c
fi
