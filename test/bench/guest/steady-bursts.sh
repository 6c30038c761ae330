# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# what: bursts of scattered writes beside a full cache, one after the other, with time to drain in
#       between; beside dm-writecache
# needs: mem=1536
# timeout: 3600
# files: test/bench/guest.sh

. /job/lib-cache.sh
. /job/guest.sh

# As in steady.sh, 2,048 blocks of 64 KiB; but with volatile write caches.
nb slow 512 8000000 1 1
nb fast 130 100000 8 1
nb meta 16 100000 16 1
linear cd /dev/fast 0 262144
META=/dev/meta CACHE=/dev/mapper/cd ORIGIN=/dev/slow BURSTS=6

# burst N: 600 writes beside what was cached at first; adds a line to /tmp/bursts: requests a
# second, the slowest in ms, milliseconds in all
burst() {
	timeout 300 fio --name=z --filename="$DEV" --direct=1 --ioengine=libaio --thread \
		--norandommap --random_generator=tausworthe64 --randseed="$1" \
		--output-format=json --output=/tmp/fio.json --rw=randwrite --bs=4k --iodepth=16 \
		--number_ios=600 --offset=128m --size=384m > /tmp/fio.out 2>&1 ||
		fail "$WHO, burst $1: fio: status $?: $(tail -n 5 /tmp/fio.out)"
	python3 -I -c 'import json
j = json.load(open("/tmp/fio.json"))["jobs"][0]["write"]
print(round(j["iops"]), j["clat_ns"]["max"] // 1000000, j["runtime"])' >> /tmp/bursts
}

# drain: the next burst comes when nothing is dirty; dm-writecache keeps all of them
drain() {
	case $WHO in
	raw | writecache) ;;
	*)
		wait_for '[ "$(st_dirty c)" = 0 ]' 120
		note "$WHO: $(dmsetup status c)"
		;;
	esac
}

bursts() { # WHO DEV
	WHO=$1 DEV=$2
	rm -f /tmp/bursts
	for i in $(seq $BURSTS); do
		burst "$i"
		drain
	done
	note "$WHO: $(tr '\n' ';' < /tmp/bursts)"
	result bursts-first "$(awk 'NR == 1 { print $1 }' /tmp/bursts)"
	result bursts-iops "$(awk 'NR > 1 { n += 600; t += $3 } END { printf "%d", n * 1000 / t }' \
		/tmp/bursts)"
	result bursts-least "$(sort -n /tmp/bursts | awk 'NR == 1 { print $1 }')"
	result bursts-slowest "$(awk '$2 > m { m = $2 } END { print m + 0 }' /tmp/bursts)"
}

cached() { # WHO POLICY...
	_who=$1
	shift
	meta_format $META 128 2048 2048 false 2
	make_cache c 128 "metadata2 writeback" "$@"
	bursts "$_who" /dev/mapper/c
	dmsetup remove c
}

bursts raw $ORIGIN
use_kernels
cached kernel smq
use_ours
cached ours default
cached allocate default write_allocate 50
dd if=/dev/zero of=$CACHE bs=1M count=1 oflag=direct conv=notrunc 2> /dev/null
dmsetup create w --table "0 $(sectors $ORIGIN) writecache s $ORIGIN $CACHE 4096 0"
bursts writecache /dev/mapper/w
dmsetup remove w
