# SPDX-License-Identifier: GPL-2.0-only
# what: discards: passed down or not, remembered over a restart, partial ones harmless, discarded
#       blocks cached without a read
# kernels-differ: the limits of a discard
# needs: smp=1
# timeout: 240

. /job/lib-cache.sh
devices 8 16 32
noise /tmp/data 24
noise /tmp/piece 1
MB=1048576
# discarded: number of discarded blocks of the metadata of a removed cache
discarded() { dd if=$META of=/tmp/d.img bs=1M conv=sparse iflag=direct 2> /dev/null; python3 -I /decode_cache_metadata.pyc /tmp/d.img > /tmp/d.json 2>&1 || cat /tmp/d.json; python3 -I - <<-'END'
	import json
	d = json.load(open("/tmp/d.json"))
	def find(o):
	    if isinstance(o, dict):
	        for k, v in o.items():
	            if k in ("discarded", "discards", "nr_discarded", "discarded_blocks"): return v if isinstance(v, int) else len(v) if not v or not isinstance(v[0], list) else sum(e - b for b, e in v)
	            r = find(v)
	            if r is not None: return r
	    return None
	print(find(d))
	END
}

for format in 1 2; do
	warm 64 256 $format /tmp/data
	f=$(features_of $format)
	make_cache c 64 "$f" smq
	# Passed down by default: null_blk forgets what is discarded.
	n=$(dev_discards $ORIGIN)
	blkdiscard -o $((20 * MB)) -l $((2 * MB)) /dev/mapper/c
	assert_num "$(dev_discards $ORIGIN)" -gt "$n" "discards that reached the origin"
	dd if=/dev/zero of=/tmp/zeroes bs=1M count=2 2> /dev/null
	assert_eq "$(digest /dev/mapper/c 20 2)" "$(md5_of /tmp/zeroes)" \
		"data after a discard that reached the origin"

	# A discard of a part of a block: the rest of it stays readable, cached (block 0) and not
	# (block 300), even if a write brings the block in.
	dmsetup message c 0 migration_threshold 204800
	for b in 0 300; do
		blkdiscard -o $((b * 32768 + 8192)) -l 8192 /dev/mapper/c
		page "in the hole" | write_at /dev/mapper/c $((b * 64 + 16))
		read_at /dev/mapper/c $((b * 64)) 16 > /tmp/got
		dd if=/tmp/data bs=512 skip=$((b * 64)) count=16 2> /dev/null | cmp - /tmp/got ||
			fail "data before a partial discard of block $b"
		read_at /dev/mapper/c $((b * 64 + 32)) 32 > /tmp/got
		dd if=/tmp/data bs=512 skip=$((b * 64 + 32)) count=32 2> /dev/null |
			cmp - /tmp/got || fail "data behind a partial discard of block $b"
	done

	# A write to a discarded block needs no read of the origin to be cached: 4 KiB into each of
	# 16 blocks. (The blocks read above may be cached already.)
	blkdiscard -o $((22 * MB)) -l $MB /dev/mapper/c
	r=$(dev_read_sectors $ORIGIN) p=$(st_promotions c) u=$(st_used c)
	for b in 704 705 706 707 708 709 710 711 712 713 714 715 716 717 718 719; do
		dd if=/tmp/piece of=/dev/mapper/c bs=4096 count=1 seek=$((b * 8)) oflag=direct \
			conv=notrunc 2> /dev/null
	done
	note \
		"format $format: 16 small writes to discarded blocks: $(($(st_used c) - u)) more blocks cached, $(($(dev_read_sectors $ORIGIN) - r)) sectors read from the origin"
	[ "$STOCK" = 1 ] || assert_num $(($(st_used c) - u)) \
		-ge 12 "blocks cached by small writes to discarded blocks"
	assert_num "$(dev_read_sectors $ORIGIN)" -eq "$r" "sectors read from the origin for that"
	b=710
	read_at /dev/mapper/c $((b * 64)) 8 > /tmp/got
	dd if=/tmp/piece bs=4096 count=1 2> /dev/null | cmp - /tmp/got ||
		fail "a small write to a discarded block"

	# Discard bits survive a clean restart, those of blocks written since do not.
	blkdiscard -o $((23 * MB)) -l $MB /dev/mapper/c
	dmsetup remove c
	check_metadata $META
	n=$(discarded)
	note "format $format: $n discarded blocks on disk"
	assert_match "$n" '^[0-9]+$' "number of discarded blocks on disk"
	assert_num "$n" -ge 32 "discarded blocks on disk"
	assert_num "$n" -le $((128 - 16)) "discarded blocks on disk, after writing to 16 of them"
	make_cache c 64 "$f" smq
	dmsetup remove c
	assert_eq "$(discarded)" "$n" "discarded blocks on disk after a restart"

	# A discard of a dirty block, whole: it may be lost, but the rest must be right, and nothing
	# else.
	make_cache c 64 "$f" smq
	dd if=/tmp/piece of=/dev/mapper/c bs=32k count=4 seek=10 oflag=direct conv=notrunc \
		2> /dev/null
	blkdiscard -o $((11 * 32768)) -l 32768 /dev/mapper/c
	dd if=/tmp/piece bs=32k count=1 2> /dev/null > /tmp/want
	dd if=/dev/mapper/c bs=32k skip=10 count=1 iflag=direct 2> /dev/null | cmp - /tmp/want ||
		fail "dirty block before a discarded one"
	dd if=/tmp/piece bs=32k skip=2 count=1 2> /dev/null > /tmp/want
	dd if=/dev/mapper/c bs=32k skip=12 count=1 iflag=direct 2> /dev/null | cmp - /tmp/want ||
		fail "dirty block behind a discarded one"
	dmsetup remove c

	# Not passed down: nothing of it reaches the origin.
	put /tmp/data $ORIGIN
	make_cache c 64 "$(features_of $format no_discard_passdown)" smq
	n=$(dev_discards $ORIGIN)
	blkdiscard -o $((20 * MB)) -l $((2 * MB)) /dev/mapper/c
	blkdiscard /dev/mapper/c
	assert_num "$(dev_discards $ORIGIN)" -eq "$n" \
		"discards that reached the origin with no_discard_passdown"
	dmsetup remove c
	assert_num "$(discarded)" -eq 1024 "discarded blocks after discarding all of a 32 MB origin"
	check_metadata $META
done

# A file system's fstrim.
modprobe ext4
blank
make_cache c 64 metadata2 smq
mkfs.ext4 -q -F /dev/mapper/c
mkdir -p /mnt/e
mount /dev/mapper/c /mnt/e
head -c $((8 * MB)) /tmp/data > /mnt/e/a
sync
cp /tmp/piece /mnt/e/b
rm /mnt/e/a
sync
fstrim /mnt/e
cmp /tmp/piece /mnt/e/b || fail "a file after fstrim"
umount /mnt/e
e2fsck -fn /dev/mapper/c > /tmp/fsck 2>&1 || fail "fsck after fstrim: $(tail -n 5 /tmp/fsck)"
