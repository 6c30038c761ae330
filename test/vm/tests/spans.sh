# SPDX-License-Identifier: GPL-2.0-only
# what: bios over many blocks go through in one piece where blocks lie in a row; right data where
#       they do not
# kernels-differ: how bios are split
# needs: mem=512
# timeout: 240

. /job/lib-cache.sh
devices 8 32 48
noise /tmp/data 48

# big_reads COUNT_MB SKIP_MB: one bio of 1 MiB after the other
big_reads() {
	dd if=/dev/mapper/c of=/dev/null bs=1M count="$1" skip="$2" iflag=direct 2> /dev/null
}

# In a row: cblock i holds oblock i. 32 blocks in each MiB.
warm 64 512 2 /tmp/data
make_cache c 64 metadata2 smq migration_threshold 0
r=$(dev_reads $CACHE) h=$(st_read_hits c)
big_reads 8 4
r=$(($(dev_reads $CACHE) - r))
note "8 reads of 1 MiB, 256 blocks in a row: $r requests to the cache device"
# The kernel's own cuts at each block.
[ "$STOCK" = 1 ] || assert_num "$r" -le 128 "requests to the cache device for 256 blocks in a row"
assert_eq "$(st_read_hits c)" $((h + 256)) "read hits, in blocks"
# Half in the cache, half not: hits, then misses, in one request.
h=$(st_read_hits c) m=$(st_read_misses c) o=$(dev_reads $ORIGIN)
dd if=/dev/mapper/c of=/tmp/got bs=1M iflag=direct,skip_bytes skip=$((15 * 1048576 + 16384)) \
	count=2 2> /dev/null
dd if=/tmp/data of=/tmp/want bs=1M iflag=skip_bytes skip=$((15 * 1048576 + 16384)) count=2 \
	2> /dev/null
assert cmp /tmp/got /tmp/want
assert_eq "$(st_read_hits c) $(st_read_misses c)" "$((h + 32)) $((m + 34))" \
	"blocks hit and missed across the border"
o=$(($(dev_reads $ORIGIN) - o))
[ "$STOCK" = 1 ] || assert_num "$o" -le 20 "requests to the origin for 33 blocks in a row"
# Writes over the border: the cached part stays in the cache, the rest goes to the origin; no block
# more is dirty.
dmsetup message c 0 migration_threshold 2048
noise /tmp/new 2
dd if=/tmp/new of=/dev/mapper/c bs=1M seek=15 oflag=direct conv=notrunc 2> /dev/null
dd if=/tmp/new of=/tmp/data bs=1M seek=15 conv=notrunc 2> /dev/null
dd if=/tmp/new of=/dev/mapper/c bs=1M seek=15 oflag=direct conv=notrunc 2> /dev/null
same /tmp/data /dev/mapper/c "data after writes across the border"
dmsetup remove c
make_cache c 64 metadata2 cleaner
wait_for '[ "$(st_dirty c)" = 0 ]' 30
dmsetup remove c
same /tmp/data $ORIGIN "origin, all written back"

# Writethrough: runs go to both devices.
warm 64 512 2 /tmp/data
make_cache c 64 "metadata2 writethrough" smq
noise /tmp/new 4
for i in 1 2; do
	dd if=/tmp/new of=/dev/mapper/c bs=1M seek=14 oflag=direct conv=notrunc 2> /dev/null
done
dd if=/tmp/new of=/tmp/data bs=1M seek=14 conv=notrunc 2> /dev/null
same /tmp/data /dev/mapper/c "writethrough, through the cache"
same /tmp/data $ORIGIN "writethrough, origin"
dmsetup remove c

# Everything at once: sizes from one sector to 1 MiB, unaligned, while blocks come and go; verified.
for bs in 64 192; do
	blank
	make_cache c $bs "" default migration_threshold 20480
	quiet_fio --name=v --filename=/dev/mapper/c --direct=1 --rw=randrw --bsrange=512-1m \
		--size=40m --io_size=20m \
		--ioengine=libaio --iodepth=8 --verify=crc32c --verify_fatal=1 --do_verify=1 \
		--serialize_overlap=1
	note \
		"blocks of $((bs / 2)) KiB: $(st_promotions c) promotions, $(st_used c) blocks used, $(st_dirty c) dirty"
	assert_num "$(st_promotions c)" -gt 20 "promotions meanwhile"
	dmsetup remove c
done

# A bad sector of the cache device under clean blocks: read from the origin; what shared the bio is
# dropped. The bios are longer than what the devices take at once, so they were split below before
# they failed, and are again.
n=$(sectors $CACHE) fast=$CACHE
linear frail $CACHE 0 "$n"
for bs in 64 1024; do
	warm $bs $((32768 / bs)) 2 /tmp/data
	bad=$((64 * 40 + 8))
	CACHE=/dev/mapper/frail
	make_cache c $bs metadata2 smq migration_threshold 0
	dmsetup suspend frail
	printf '0 %d linear %s 0\n%d 8 error\n%d %d linear %s %d\n' $bad $fast $bad $((bad + 8)) \
		$((n - bad - 8)) $fast $((bad + 8)) |
		dmsetup load frail
	dmsetup resume frail
	u=$(st_used c)
	same /tmp/data /dev/mapper/c "data with a bad sector in the cache"
	wait_for "[ \$(st_used c) -lt $u ]" 10
	sleep 1
	note "blocks of $((bs / 2)) KiB: $((u - $(st_used c))) dropped"
	[ "$STOCK" = 1 ] || assert_num $((u - $(st_used c))) \
		-le 64 "blocks dropped for one bad sector"
	same /tmp/data /dev/mapper/c "data afterwards"
	dmsetup remove c
	CACHE=$fast
	dmsetup suspend frail
	echo "0 $n linear $fast 0" | dmsetup load frail
	dmsetup resume frail
done
