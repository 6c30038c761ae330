# SPDX-License-Identifier: GPL-2.0-only
# what: blocks that were written back, and dropped for a read error before any flush of the
#       origin, survive a power cut (R13); 8,200 blocks, an odd origin
# disks: 16M,257M,300M:lose
# boots: 2
# timeout: 120
# stock: no

. /job/lib-cache.sh
linear m "$DISK0" 0 32768
linear f "$DISK1" 0 524800
linear s "$DISK2" 0 600001
META=/dev/mapper/m CACHE=/dev/mapper/f ORIGIN=/dev/mapper/s
# The same in each boot: 8 blocks, of which the origin has zeroes.
seq 1 2000000 | head -c 262144 > /tmp/new
# blocks_of DEV: what it has of them
blocks_of() { dd if="$1" bs=32k skip=100 count=8 iflag=direct 2> /dev/null; }

if [ "$BOOT" = 1 ]; then
	make_cache c 64 metadata2 smq
	assert_eq "$(st_total)" 8200 "cache blocks"
	dd if=/tmp/new of=/dev/mapper/c bs=32k seek=100 oflag=direct conv=notrunc,fsync 2> /dev/null
	wait_for '[ "$(st_used) $(st_dirty)" = "8 0" ]' 60
	# From here on the first blocks of the cache device, which are these, cannot be read. Some
	# are read alone, some in a run.
	dmsetup reload f --table "0 4096 error
4096 520704 linear $DISK1 4096"
	dmsetup suspend --noflush --nolockfs f
	dmsetup resume f
	for b in 100 101; do read_at /dev/mapper/c $((b * 64)) 64; done > /tmp/got
	read_at /dev/mapper/c $((102 * 64)) $((6 * 64)) >> /tmp/got
	cmp /tmp/new /tmp/got || fail "blocks that cannot be read from the cache"
	wait_for '[ "$(st_used)" = 0 ]' 60
	power_cut
fi

check_metadata $META
blocks_of $ORIGIN | cmp - /tmp/new ||
	fail "the origin has lost what was written back before its blocks were dropped"
make_cache c 64 metadata2 smq
blocks_of /dev/mapper/c | cmp - /tmp/new || fail "the cached device"
