# SPDX-License-Identifier: GPL-2.0-only
# what: an origin that ends in mid-block: its last block is read, written and discarded within its
#       end, and never cached
# needs: smp=1
# timeout: 240

. /job/lib-cache.sh
# The origin is a slice: any access beyond it is refused by the block layer and complained about in
# the log.
devices 16 16 48
META0=$META SLOW0=$ORIGIN
noise /tmp/data 21

for t in "8 1 writeback" "37 2 writeback" "63 1 writethrough" "1 2 writethrough"; do
	# shellcheck disable=SC2086 # three words
	set -- $t
	tail=$1 format=$2 mode=$3
	size=$((20 * 2048 + tail)) last=$((20 * 2048))
	linear tail $SLOW0 4096 $size
	ORIGIN=/dev/mapper/tail META=$META0
	head -c $((size * 512)) /tmp/data > /tmp/now
	dd if=/tmp/now of=$ORIGIN bs=1M oflag=direct conv=fsync,notrunc 2> /dev/null
	blank
	make_cache c 64 "$(features_of $format $mode)" smq
	assert_eq "$(sectors /dev/mapper/c)" "$size" "size of the cache device"

	# Reads that would make it hot; the last sector alone; across its begin.
	i=0
	while [ $i -lt 4 ]; do
		i=$((i + 1))
		read_at /dev/mapper/c $last $tail > /tmp/got
		read_at /dev/mapper/c $((size - 1)) 1 > /dev/null
		read_at /dev/mapper/c $((last - 8)) $((tail + 8)) > /dev/null
	done
	dd if=/tmp/now bs=512 skip=$last 2> /dev/null | cmp - /tmp/got ||
		fail "tail $tail, format $format, $mode: wrong data at the end"

	# Writes: the whole tail, its last sector, and across.
	yes "tail $tail $format $mode" | head -c $(((tail + 8) * 512)) > /tmp/piece
	dd if=/tmp/piece bs=512 count=$tail 2> /dev/null | write_at /dev/mapper/c $last
	dd if=/tmp/piece of=/tmp/now bs=512 count=$tail seek=$last conv=notrunc 2> /dev/null
	dd if=/tmp/piece bs=512 count=1 2> /dev/null | write_at /dev/mapper/c $((size - 1))
	dd if=/tmp/piece of=/tmp/now bs=512 count=1 seek=$((size - 1)) conv=notrunc 2> /dev/null
	dd if=/tmp/piece of=/dev/mapper/c bs=$(((tail + 8) * 512)) seek=$(((last - 8) * 512)) \
		oflag=direct,seek_bytes conv=notrunc 2> /dev/null
	dd if=/tmp/piece of=/tmp/now bs=512 seek=$((last - 8)) conv=notrunc 2> /dev/null
	refute dd if=/dev/zero of=/dev/mapper/c bs=512 seek=$size count=1 oflag=direct \
		conv=notrunc 2> /dev/null
	want=$(md5_of /tmp/now)
	assert_eq "$(digest /dev/mapper/c)" "$want" "data (tail $tail, format $format, $mode)"
	h=$(st_read_hits c) w=$(st_write_hits c)
	read_at /dev/mapper/c $last $tail > /dev/null
	dd if=/tmp/piece bs=512 count=$tail 2> /dev/null | write_at /dev/mapper/c $last
	dd if=/tmp/piece of=/tmp/now bs=512 count=$tail seek=$last conv=notrunc 2> /dev/null
	want=$(md5_of /tmp/now)
	assert_eq "$(st_read_hits c) $(st_write_hits c)" "$h $w" \
		"hits of the partial block (tail $tail, format $format, $mode)"

	# Clean shutdown, the metadata as every tool wants it, and what is dirty is found again.
	dmsetup remove c
	check_metadata $META
	make_cache c 64 "$(features_of $format $mode)" smq
	assert_eq "$(digest /dev/mapper/c)" "$want" "data after a restart"
	clean_all c 64 "$(features_of $format $mode)"
	assert_eq "$(digest $ORIGIN)" "$want" "the origin when clean"

	# A discard up to the end.
	blkdiscard -o $(((last - 64) * 512)) -l $(((64 + tail) * 512)) /dev/mapper/c
	read_at /dev/mapper/c $((last - 64)) $((64 + tail)) > /dev/null
	dd if=/tmp/piece bs=512 count=$tail 2> /dev/null | write_at /dev/mapper/c $last
	dd if=/tmp/piece bs=512 count=$tail 2> /dev/null > /tmp/want
	read_at /dev/mapper/c $last $tail | cmp - /tmp/want || fail "a write to the discarded tail"
	dmsetup remove c
	dmsetup remove tail
	check_metadata $META
done
