# SPDX-License-Identifier: GPL-2.0-only
# what: wrong block size, too small or full metadata, needs_check: refused or read-only, with a
#       reason, data right
# needs: smp=1
# timeout: 240

. /job/lib-cache.sh
devices 8 48 96
META0=$META
noise /tmp/data 16

# refused REGEX CMD: creating fails, at the latest at resume, a reason is logged, and the metadata
# is as it was
refused() {
	_d=$(digest $META)
	_r=$1
	shift
	expect_fail "$_r" "$@"
	dmsetup remove c 2> /dev/null || :
	[ "$STOCK" = 1 ] || assert_eq "$(digest $META)" "$_d" "metadata after a refused '$*'"
}

# Another block size than the metadata's.
warm 64 256 2 /tmp/data
refused 'block size' make_cache c 128 metadata2 smq
refused 'block size' make_cache c 192 "" smq
make_cache c 64 metadata2 smq
same /tmp/data /dev/mapper/c "data after refusals"
dmsetup remove c

# Metadata that ends before what its space map says.
linear short $META0 0 8192
META=/dev/mapper/short
[ "$STOCK" = 1 ] || refused 'small|space map|size|block' make_cache c 64 metadata2 smq
dmsetup remove short

# Blank, but too small for anything.
for n in 1 7 8 16; do
	linear tiny $META0 0 $n
	META=/dev/mapper/tiny
	dd if=/dev/zero of=$META bs=512 count=$n oflag=direct 2> /dev/null
	[ "$STOCK" = 1 ] || refused '.' make_cache c 64 metadata2 smq
	dmsetup remove tiny
done
META=$META0

# Neither metadata nor zeroes: a file system, or anything else, is not formatted over.
mkfs.ext4 -q -F $META
echo junk | dd of=$META bs=512 conv=notrunc,sync oflag=direct 2> /dev/null
refused '.' make_cache c 64 metadata2 smq
# One byte that is not zero, anywhere in the first block.
for at in 0 100 511 4095; do
	blank
	printf 'x' | dd of=$META bs=1 seek=$at conv=notrunc,fsync 2> /dev/null
	refused '.' make_cache c 64 metadata2 smq
done

# needs_check: only the tools clear it, so it must be honoured until then. The flag is bit 1 of
# byte 4.
warm 64 256 2 /tmp/data
python3 -I - $META <<-'END'
	import sys, struct, os
	table = []
	for n in range(256):
	    for _ in range(8): n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
	    table.append(n)
	fd = os.open(sys.argv[1], os.O_RDWR)
	b = bytearray(os.pread(fd, 4096, 0))
	struct.pack_into("<I", b, 4, struct.unpack_from("<I", b, 4)[0] | 2)
	c = 0xFFFFFFFF
	for x in b[4:]: c = table[(c ^ x) & 255] ^ (c >> 8)
	struct.pack_into("<I", b, 0, c ^ 9031977)
	os.pwrite(fd, b, 0)
	os.fsync(fd)
	END
dmesg_mark
if make_cache c 64 metadata2 smq 2> /dev/null; then
	assert_match "$(st_mode c) $(st_needs_check c)" '^(ro|Fail) ' \
		"mode of a cache that needs a check"
	dmsetup remove c
else
	dmsetup remove c 2> /dev/null || :
fi
assert_dmesg 'check|repair'
/tpt1/cache_check --clear-needs-check-flag $META > /dev/null 2>&1 ||
	cache_check --clear-needs-check-flag $META > /dev/null
make_cache c 64 metadata2 smq
same /tmp/data /dev/mapper/c "data after needs_check was cleared"
dmsetup remove c

# As small a metadata device as is taken for 1500 blocks: how full it gets depends on the number of
# array blocks that a commit must copy. Whatever happens, data is right, and the word "space" or
# "full" or "small" is in the log.
loaded=0
for blocks in 12 16 20 24 26 28 30 32 36 40 48 64; do
	[ $loaded = 0 ] || break
	linear tiny $META0 0 $((blocks * 8))
	META=/dev/mapper/tiny
	blank
	dmesg_mark
	if ! make_cache c 64 metadata2 smq 2> /dev/null; then
		dmsetup remove c 2> /dev/null || :
		note "$blocks metadata blocks: refused: $(dmesg_new | grep -i cache | head -n 1 |
			cut -c1-150)"
		assert_dmesg '[Ss]pace|full|small|allocat'
		dmsetup remove tiny
		continue
	fi
	loaded=1
	# Writes may fail once the metadata is read-only and a block cannot be used; none may be
	# wrong.
	i=0
	: > /tmp/said
	while [ $i -lt 3 ]; do
		i=$((i + 1))
		fio --name=w --filename=/dev/mapper/c --direct=1 --ioengine=libaio --iodepth=8 \
			--rw=randwrite --bs=32k --size=40m --fsync=64 \
			--randseed=$i --verify=crc32c --do_verify=1 > /tmp/said 2>&1 || break
		dmsetup suspend c 2>> /tmp/said || :
		dmsetup resume c 2>> /tmp/said || break
	done
	refute grep -q 'verify: bad' /tmp/said
	line=$(st_line c)
	note "$blocks metadata blocks: $(st_mode c) $(st_needs_check c), $(st_metadata_used c \
		2> /dev/null) used"
	case $line in
	*"rw -"*) ;;
	*) assert_dmesg '[Ss]pace|full|read-only|abort' ;;
	esac
	dmsetup remove c
	dmsetup remove tiny
done
assert_eq $loaded 1 "a small metadata device was taken"
