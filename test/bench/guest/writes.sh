# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# what: what a write waits for: bursts, first writes, fdatasync, a stream; beside dm-writecache and
#       bcache
# needs: mem=2048
# timeout: 2400
# files: test/bench/build/iocost test/bench/build/make-bcache test/bench/guest.sh

. /job/lib-cache.sh
. /job/guest.sh

# An origin of 8 ms a request, one at a time; a cache a quarter as large, and metadata, of 0.1 ms,
# with volatile write caches.  8,192 blocks of 64 KiB.
nb slow 2048 8000000 1 1
nb fast 514 100000 16 1
nb meta 16 100000 16 1
linear cd /dev/fast 0 1048576
META=/dev/meta CACHE=/dev/mapper/cd ORIGIN=/dev/slow BS=128 NR=8192

# load ROW FIO-OPTION...: what it serves a second
load() {
	_row=$1
	shift
	timeout 300 fio --name=z --filename="$DEV" --direct=1 --ioengine=libaio --thread \
		--norandommap --random_generator=tausworthe64 --randseed=4711 --output-format=json \
		--output=/tmp/fio.json "$@" > /tmp/fio.out 2>&1 ||
		fail "$WHO, $_row: fio: status $? (143: more than 300 s): $(tail -n 5 /tmp/fio.out)"
	result "$_row" "$(python3 -I -c 'import json
j = json.load(open("/tmp/fio.json"))["jobs"][0]
print(round(j["read"]["iops"] + j["write"]["iops"]))')"
	case $WHO in kernel | ours | allocate) note "$WHO $_row: $(dmsetup status c)" ;; esac
}

# drained ROW: what the origin is written a second, from now on until nothing is dirty
drained() {
	_writes=$(dev_writes $ORIGIN) _ns=$(virtual_ns)
	wait_for '[ "$(st_dirty c)" = 0 ]' 240
	result "$1" $((($(dev_writes $ORIGIN) - _writes) * 1000000000 / ($(virtual_ns) - _ns)))
	note "$WHO $1: $(dmsetup status c)"
}

# With a write cache of 1 MiB, as the others have, null_blk hangs under bcache: with many writes
# under way and one CPU it looks for room in it for good. 256 MiB are never full between two
# flushes.
roomy() {
	dmsetup remove cd
	echo 0 > /sys/kernel/config/nullb/fast/power
	rmdir /sys/kernel/config/nullb/fast
	nb roomy 514 100000 16 256
	linear cd /dev/roomy 0 1048576
	modprobe bcache
}
# bcache_begin empty|full: in writeback mode, and nothing goes past the cache
bcache_begin() {
	[ -b /dev/roomy ] || roomy
	for d in $ORIGIN $CACHE; do zero $d 1; done
	/job/make-bcache -b 64k -w 4k --writeback -C $CACHE -B $ORIGIN > /tmp/make-bcache.out ||
		fail "make-bcache: $(cat /tmp/make-bcache.out)"
	echo $CACHE > /sys/fs/bcache/register
	echo $ORIGIN > /sys/fs/bcache/register
	wait_for '[ -e "$(sysfs $ORIGIN)/bcache/cache" ]' 60
	_set=$(sysfs $ORIGIN)/bcache/cache
	echo 0 > "$_set/congested_read_threshold_us"
	echo 0 > "$_set/congested_write_threshold_us"
	echo 0 > "$(sysfs $ORIGIN)/bcache/sequential_cutoff"
	assert_match "$(cat "$(sysfs $ORIGIN)/bcache/cache_mode")" '\[writeback\]' "mode of bcache"
	DEV=/dev/$(basename "$(readlink -f "$(sysfs $ORIGIN)/bcache/dev")")
	wait_for '[ -b $DEV ]' 60
	# What the others are told, it has to read: a little more than it can keep.
	[ "$1" = empty ] ||
		timeout 300 dd if="$DEV" of=/dev/null bs=1M count=512 iflag=direct 2> /dev/null ||
		fail "bcache: to read 512 MiB: status $? (143: more than 300 s)"
}
bcache_end() {
	_set=$(readlink -f "$(sysfs $ORIGIN)/bcache/cache")
	echo 1 > "$(sysfs $ORIGIN)/bcache/stop"
	wait_for '[ ! -e "$(sysfs $ORIGIN)/bcache" ]' 60
	echo 1 > "$_set/stop"
	wait_for '[ ! -e "$_set" ]' 60
}

# begin empty|full: each cache block holds what the origin has in the same place, or nothing
begin() {
	case $WHO in
	raw) DEV=$ORIGIN ;;
	writecache)
		dd if=/dev/zero of=$CACHE bs=1M count=1 oflag=direct conv=notrunc 2> /dev/null
		dmsetup create w --table "0 $(sectors $ORIGIN) writecache s $ORIGIN $CACHE 4096 0"
		DEV=/dev/mapper/w
		;;
	bcache) bcache_begin "$1" ;;
	*)
		if [ "$1" = full ]; then meta_format $META $BS $NR $NR false 2; else blank; fi
		make_cache c $BS "metadata2 writeback" "$POLICY" $TUNABLES
		DEV=/dev/mapper/c
		;;
	esac
}
end() {
	case $WHO in
	raw) ;;
	writecache) dmsetup remove w ;;
	bcache) bcache_end ;;
	*) dmsetup remove c ;;
	esac
}

# In the part of the origin that is not cached at first: at 768 MiB, 1 GiB long.
OUTSIDE="--offset=768m --size=1g" INSIDE="--size=512m"
BURST="--rw=randwrite --bs=4k --iodepth=16 --number_ios=4000"
SYNC="--rw=randwrite --bs=4k --number_ios=300 --fdatasync=1"
all() {
	WHO=$1 POLICY=${2:-} TUNABLES=${3:-}
	# shellcheck disable=SC2086 # words
	{
		begin empty
		load writes-burst-empty $BURST $OUTSIDE
		[ $WHO != allocate ] || drained writes-drain
		end
		begin full
		load writes-burst-full $BURST $OUTSIDE
		end
		for depth in 1 16; do
			begin full
			load writes-first-$depth --rw=randwrite --bs=4k --blockalign=64k \
				--iodepth=$depth --number_ios=4000 $INSIDE
			end
		done
		begin full
		load writes-sync-cached $SYNC $INSIDE
		load writes-sync-missed $SYNC $OUTSIDE
		end
		begin full
		load writes-stream --rw=write --bs=1m --iodepth=4 --number_ios=200 $OUTSIDE
		end
		begin full
		load writes-zipf --rw=randrw --rwmixread=70 --bs=4k --iodepth=16 --time_based \
			--runtime=60 --random_distribution=zipf:1.1 --size=2000m
		end
	}
}

all raw
# As many writes as are left of that burst, or nearly, and in order.
load writes-drain --rw=write:176128 --bs=4k --iodepth=16 --number_ios=3900 $OUTSIDE
use_kernels
all kernel smq
use_ours
all ours default
all allocate default "write_allocate 50"
all writecache
all bcache
