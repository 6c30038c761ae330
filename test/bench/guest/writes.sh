# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# what: what a write waits for: bursts, first writes, fdatasync, a stream; beside dm-writecache
# needs: mem=2048
# timeout: 3600
# files: test/bench/build/iocost test/bench/guest.sh

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
	fio --name=z --filename="$DEV" --direct=1 --ioengine=libaio --thread --norandommap \
		--random_generator=tausworthe64 --randseed=4711 --output-format=json \
		--output=/tmp/fio.json "$@" > /tmp/fio.out 2>&1 ||
		fail "fio: $(tail -n 5 /tmp/fio.out)"
	result "$_row" "$(python3 -I -c 'import json
j = json.load(open("/tmp/fio.json"))["jobs"][0]
print(round(j["read"]["iops"] + j["write"]["iops"]))')"
	case $WHO in kernel | ours | allocate) note "$WHO $_row: $(dmsetup status c)" ;; esac
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
use_kernels
all kernel smq
use_ours
all ours default
all allocate default "write_allocate 50"
all writecache
