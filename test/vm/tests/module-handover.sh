# SPDX-License-Identifier: GPL-2.0-only
# what: a cache made by ours is used by the kernel's own dm-cache, and back; both formats; data and
#       warmth kept
# kernels-differ: the kernel's own dm-cache is another
# needs: smp=1
# stock: no
# timeout: 240

. /job/lib-cache.sh
devices 8 16 32
noise /tmp/data 12
LAST=$((32 * 2048 / 64 - 1))

# write_some SEED: whole blocks, then small writes to them that stay dirty; /tmp/data follows
write_some() {
	dmsetup message c 0 migration_threshold 204800
	for i in 1 2 3; do
		b=$((($1 * 97 + i * 61) % 350))
		head -c 98304 /dev/urandom > /tmp/piece
		dd if=/tmp/piece of=/dev/mapper/c bs=32k seek=$b oflag=direct conv=notrunc \
			2> /dev/null
		dd if=/tmp/piece of=/tmp/data bs=32k seek=$b conv=notrunc 2> /dev/null
	done
	# What was read before may be on its way into the cache, in front of this.
	wait_for '[ $(st_used c) -gt 0 ]' 10
	sleep 0.3
	dmsetup message c 0 migration_threshold 0
	for i in 1 2 3; do
		b=$((($1 * 97 + i * 61) % 350))
		head -c 4096 /dev/urandom > /tmp/piece
		dd if=/tmp/piece of=/dev/mapper/c bs=4k seek=$((b * 8 + i)) oflag=direct \
			conv=notrunc 2> /dev/null
		dd if=/tmp/piece of=/tmp/data bs=4k seek=$((b * 8 + i)) conv=notrunc 2> /dev/null
	done
}

for format in 1 2; do
	f=$(features_of $format)
	put /tmp/data $ORIGIN
	blank
	used=0 dirty=0 n=0
	for who in ours kernels ours; do
		n=$((n + 1))
		use_$who
		dmesg_mark
		make_cache c 64 "$f" smq migration_threshold 0
		# If the other module happened to take in the last one, which our superblock tells
		# nothing of then: we drop it.
		! dmesg_new | grep -q "mapping of origin block $LAST is dropped" ||
			used=$((used - 1))
		note \
			"format $format, $who: $(st_used c) blocks cached, $(st_dirty c) dirty, $(st_read_hits c) read hits"
		assert_eq "$(st_used c) $(st_dirty c)" "$used $dirty" \
			"blocks cached and dirty, as the other module left them"
		same /tmp/data /dev/mapper/c "data seen by $who (round $n)" 12
		write_some $n
		blkdiscard -o $((25 * 1048576)) -l 1048576 /dev/mapper/c
		same /tmp/data /dev/mapper/c "data written by $who (round $n)" 12
		dmsetup suspend c
		used=$(st_used c) dirty=$(st_dirty c)
		assert_num "$used" -gt 0 "blocks cached"
		assert_num "$dirty" -gt 0 "dirty blocks, to be handed over"
		dmsetup remove c
		check_metadata $META
	done
	# Promotions and demotions by either, with what the other left.
	for who in kernels ours; do
		use_$who
		make_cache c 64 "$f" smq
		write_some 20
		dmsetup message c 0 migration_threshold 2048
		for i in 1 2 3; do read_blocks c 64 0 380; done
		same /tmp/data /dev/mapper/c "data after promotions by $who" 12
		dmsetup remove c
		check_metadata $META
	done
	use_kernels
	make_cache c 64 "$f" smq
	same /tmp/data /dev/mapper/c "data at last" 12
	dmsetup remove c
	use_ours
	make_cache c 64 "$f" cleaner
	wait_for '[ $(st_dirty c) = 0 ]' 30
	dmsetup remove c
	same /tmp/data $ORIGIN "the origin after cleaning" 12
done
