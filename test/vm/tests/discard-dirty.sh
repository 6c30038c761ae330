# SPDX-License-Identifier: GPL-2.0-only
# what: dirty blocks that were discarded are not written back; what needs no copy comes in with a
#       migration_threshold of 0
# needs: smp=1

. /job/lib-cache.sh
devices 8 16 32
noise /tmp/data 18
noise /tmp/piece 1
MB=1048576

# A dirty block that is discarded is not written back: not in the background, not by the cleaner,
# not when it is demoted, even after a restart. One that was written again since is.
put /tmp/data $ORIGIN
for f in no_discard_passdown ""; do
	blank
	make_cache c 64 "metadata2 $f" smq migration_threshold 0
	put /tmp/piece /dev/mapper/c 0 32k
	put /tmp/piece /dev/mapper/c 4 32k
	[ "$STOCK" = 1 ] ||
		assert_eq "$(st_dirty c)" 64 \
		"dirty blocks, of whole blocks written with a migration_threshold of 0"
	blkdiscard -o 0 -l $MB /dev/mapper/c
	blkdiscard -o $((4 * MB)) -l $MB /dev/mapper/c
	page "written again" | write_at /dev/mapper/c $((4 * 2048 + 40))
	w=$(dev_write_sectors $ORIGIN)
	dmsetup message c 0 migration_threshold 2048
	wait_for '[ $(st_dirty c) = 0 ]' 60
	assert_eq $(($(dev_write_sectors $ORIGIN) - w)) 64 \
		"sectors written back to the origin, of 63 discarded blocks and one written again ($f)"
	dmsetup message c 0 migration_threshold 0
	read_at $ORIGIN $((4 * 2048 + 40)) > /tmp/got
	page "written again" | cmp - /tmp/got ||
		fail "a block that was written again after its discard, on the origin ($f)"
	[ -z "$f" ] || { dmsetup remove c; continue; }

	put /tmp/piece /dev/mapper/c 0 32k
	blkdiscard -o 0 -l $MB /dev/mapper/c
	n=$(st_dirty c)
	dmsetup remove c
	w=$(dev_write_sectors $ORIGIN)
	make_cache c 64 "metadata2 $f" smq migration_threshold 0
	assert_eq "$(st_dirty c)" "$n" "dirty blocks after a restart"
	assert_num "$n" -ge 32 "dirty blocks"
	clean_all c 64 "metadata2 $f"
	assert_eq "$(dev_write_sectors $ORIGIN)" "$w" \
		"sectors of discarded blocks that the cleaner wrote to the origin ($f)"
	dmsetup remove c
	check_metadata $META
done
# Demoted: a cache of 32 blocks, all dirty and discarded, that has to make room for what is read.
linear small $CACHE 0 2048
(
	CACHE=/dev/mapper/small
	blank
	make_cache c 64 metadata2 fifo migration_threshold 0
	put /tmp/piece /dev/mapper/c 0 32k
	blkdiscard -o 0 -l $MB /dev/mapper/c
	w=$(dev_write_sectors $ORIGIN)
	assert_num "$(st_dirty c)" -ge 16 "dirty blocks"
	dmsetup message c 0 migration_threshold 2048
	wait_for 'read_blocks c 64 128 64; [ $(st_demotions c) -ge 8 ]' 60
	assert_eq "$(dev_write_sectors $ORIGIN)" "$w" \
	"sectors of discarded blocks that were written to the origin when they were demoted"
	dmsetup remove c
)
dmsetup remove small

# Reads that wait for as many blocks as are free, and for ever, do not keep whole blocks out.
linear small $CACHE 0 4096
(
	CACHE=/dev/mapper/small
	blank
	for policy in smq default lru; do
		[ "$STOCK" = 0 ] || [ $policy = smq ] || continue
		make_cache c 64 metadata2 $policy migration_threshold 0
		read_blocks c 64 128 400
		put /tmp/piece /dev/mapper/c 2 32k
		[ "$STOCK" = 1 ] ||
		assert_eq "$(st_used c) $(st_dirty c)" "32 32" \
		"$policy: whole blocks taken in behind reads that wait"
		dmsetup remove c
		blank
	done
)
dmsetup remove small

# A migration_threshold of 0 stops copies; what needs none comes in: whole blocks, and small writes
# to discarded ones.
blank
put /tmp/data $ORIGIN
make_cache c 64 metadata2 smq migration_threshold 0
r=$(dev_read_sectors $ORIGIN) w=$(dev_write_sectors $ORIGIN)
put /tmp/piece /dev/mapper/c 2 32k
put /tmp/piece /dev/mapper/c 8
[ "$STOCK" = 1 ] ||
	assert_eq "$(st_used c) $(st_dirty c)" "64 64" \
	"whole blocks taken in with a migration_threshold of 0"
assert_eq "$(dev_read_sectors $ORIGIN) $(dev_write_sectors $ORIGIN)" "$r $w" \
	"sectors of the origin read and written for that"
blkdiscard -o $((12 * MB)) -l 65536 /dev/mapper/c
r=$(dev_read_sectors $ORIGIN) # it looks for signatures
page "into a discarded one" | write_at /dev/mapper/c $((12 * 2048 + 16))
[ "$STOCK" = 1 ] || assert_eq "$(st_used c)" 65 "blocks with a write to a discarded one"
page "into any other" | write_at /dev/mapper/c $((16 * 2048 + 16))
assert_eq "$(dev_read_sectors $ORIGIN)" "$r" "sectors read from the origin by small writes"
read_blocks c 64 450 60
[ "$STOCK" = 1 ] || assert_eq "$(st_used c)" 65 "blocks, with a small write and reads of others"
for i in 2 8; do dd if=/tmp/piece of=/tmp/data bs=1M seek=$i conv=notrunc 2> /dev/null; done
page "into any other" | dd of=/tmp/data bs=512 seek=$((16 * 2048 + 16)) conv=notrunc 2> /dev/null
same /tmp/data /dev/mapper/c "data written with a migration_threshold of 0" 12
same /tmp/data /dev/mapper/c "data written with a migration_threshold of 0, behind" 2 16
dmsetup remove c
