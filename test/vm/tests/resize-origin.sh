# SPDX-License-Identifier: GPL-2.0-only
# what: the origin grows under a live cache and shrinks; over a dirty block it may not, and the
#       refusal names it and the remedy
# needs: smp=1

. /job/lib-cache.sh
devices 24 16 64
SLOW0=$ORIGIN META0=$META FAST0=$CACHE
noise /tmp/data 24
noise /tmp/more 32
head -c $((24 * 1048576)) /tmp/data | dd of=/tmp/more conv=notrunc bs=1M 2> /dev/null

for format in 1 2; do
	f=$(features_of $format)
	linear s $SLOW0 0 49152
	linear m $META0 0 16384
	ORIGIN=/dev/mapper/s META=/dev/mapper/m
	warm 64 400 $format /tmp/data
	put /tmp/more $SLOW0
	make_cache c 64 "$f" smq migration_threshold 0
	dd if=/tmp/data of=/dev/mapper/c bs=32k count=20 oflag=direct conv=notrunc 2> /dev/null
	assert_num "$(st_dirty c)" -ge 20 "dirty blocks"

	# Grow under the live cache, as lvextend does: origin, then table.
	dmsetup reload s --table "0 65536 linear $SLOW0 0"
	dmsetup suspend c
	dmsetup suspend s
	dmsetup resume s
	dmsetup reload c --table "$(cache_table 64 "$f" smq migration_threshold 0)"
	dmsetup resume c
	assert_eq "$(sectors /dev/mapper/c)" 65536 "size after growing"
	assert_eq "$(st_used c)/$(st_dirty c)" 400/20 "blocks after growing"
	same /tmp/more /dev/mapper/c "data after growing the origin"
	dmsetup message c 0 migration_threshold 2048
	put /tmp/more /dev/mapper/c
	same /tmp/more /dev/mapper/c "data written after growing the origin"
	blkdiscard -o $((31 * 1048576)) -l 1048576 /dev/mapper/c
	clean_all c 64 "$f"
	dmsetup remove c
	check_metadata $META --cache-blocks 512

	# Shrink: blocks 0 to 399 are mapped; the cut is behind them.
	warm 64 400 $format /tmp/data
	dmsetup remove s
	linear s $SLOW0 0 $((400 * 64))
	make_cache c 64 "$f" smq migration_threshold 0
	assert_eq "$(st_used c) $(sectors /dev/mapper/c)" "400 25600" \
		"blocks and size after shrinking the origin"
	same /tmp/data /dev/mapper/c "data after shrinking the origin" 12
	dmsetup remove c
	check_metadata $META --cache-blocks 512
	# Over a clean block: its mapping goes. Over a dirty one: refused before anything is
	# written, and the log names the block and what to do.
	if [ "$STOCK" = 0 ]; then
		dmsetup remove s
		linear s $SLOW0 0 $((398 * 64))
		make_cache c 64 "$f" smq migration_threshold 0
		assert_eq "$(st_used c)" 398 "blocks after shrinking the origin over two clean ones"
		dd if=/tmp/more of=/dev/mapper/c bs=32k count=1 seek=397 oflag=direct conv=notrunc \
			2> /dev/null
		# Live: refused at the reload, and the old table goes on.
		linear s2 $SLOW0 0 $((397 * 64))
		expect_fail \
			'origin to 397 blocks: block 397, cached in block 397, is dirty; clean the cache' dmsetup reload c --table "$(ORIGIN=/dev/mapper/s2; cache_table 64 "$f" smq)"
		dmsetup remove s2
		dd if=/tmp/more bs=32k count=1 2> /dev/null > /tmp/want
		dd if=/dev/mapper/c bs=32k count=1 skip=397 iflag=direct 2> /dev/null |
			cmp - /tmp/want || fail "data after a refused reload"
		dmsetup remove c
		dmsetup remove s
		linear s $SLOW0 0 $((397 * 64))
		before=$(digest $META)
		expect_fail 'cache block 397 .*origin block 397.*former size' make_cache c 64 "$f" \
			smq
		if dmesg_new | grep -q cache_check; then
			fail "the log asks for cache_check, which could not help"
		fi
		dmsetup remove c 2> /dev/null || :
		assert_eq "$(digest $META)" "$before" \
			"metadata after a refused shrink of the origin"
	fi

	# The cache device, too small for a dirty block: which, and what to do.
	dmsetup remove s
	linear s $SLOW0 0 49152
	linear f $FAST0 0 $((15 * 64))
	CACHE=/dev/mapper/f
	[ "$STOCK" = 1 ] ||
		expect_fail 'from 512 to 15 cache blocks: block 397 is dirty; .*cleaner' \
		make_cache c 64 "$f" smq
	dmsetup remove c 2> /dev/null || :
	dmsetup remove f
	CACHE=$FAST0
	dmsetup remove m
	dmsetup remove s
done
[ "$STOCK" = 0 ] || exit 0

# The first ten of 400 cached blocks are the end of the origin, which is cut off: what comes in is
# put behind those that stay.
META=$META0
linear s $SLOW0 0 $((490 * 64))
meta_format $META 64 512 400 false
meta_dump $META | awk -F'"' -v OFS='"' '/<mapping / { $4 = 499 - $4 } 1' > /tmp/meta.xml
/tpt1/cache_restore -q --metadata-version 2 -i /tmp/meta.xml -o $META
make_cache c 64 metadata2 smq migration_threshold 0
assert_eq "$(st_used c)" 390 "blocks after the end of the origin went"
dd if=/tmp/more of=/dev/mapper/c bs=32k count=1 seek=5 oflag=direct conv=notrunc 2> /dev/null
assert_eq "$(st_used c)" 391 "blocks, with one that came in"
dmsetup remove c
assert_eq "$(meta_dump $META | sed -n 's/.*cache_block="\([0-9]*\)" origin_block="5".*/\1/p')" 400 \
	"the place of what came in"
check_metadata $META --cache-blocks 512
