# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# What the tests of the cache target share. A test that wants it sources /job/lib-cache.sh.
#
# The usual stage: null_blk devices /dev/meta, /dev/fast, /dev/slow in $META, $CACHE, $ORIGIN.

# devices META_MB CACHE_MB ORIGIN_MB [WRITE_CACHE_MB]: all of them with a volatile write cache if
# asked for
devices() {
	nb meta "$1" 0 64 ${4:+"$4"}
	nb fast "$2" 0 64 ${4:+"$4"}
	nb slow "$3" 0 64 ${4:+"$4"}
	META=/dev/meta CACHE=/dev/fast ORIGIN=/dev/slow
}

# The feature words that make a format: features_of 2 writethrough -> "metadata2 writethrough"
features_of() {
	_f=$1
	shift
	if [ "$_f" = 2 ]; then echo "metadata2${*:+ $*}"; else echo "${*:-}"; fi
}

# noise FILE MB: bytes that no two files share
noise() { dd if=/dev/urandom of="$1" bs=1M count="$2" iflag=fullblock 2> /dev/null; }

# put FILE DEV [SEEK_MB [BS]]: past the page cache
put() {
	dd if="$1" of="$2" bs="${4:-1M}" seek="$((${3:-0} * 1048576))" oflag=direct,seek_bytes \
		conv=notrunc,fsync 2> /dev/null
}

# same FILE DEV WHAT [MB [SKIP_MB]]: the device holds what the file holds (from SKIP_MB of both)
same() {
	_mb=${4:-$(($(stat -c %s "$1") / 1048576))}
	read_mb "$2" "$_mb" "${5:-0}"
	_first=$(cmp -i "$((${5:-0} * 1048576)):0" -n $((_mb * 1048576)) "$1" /tmp/read 2>&1) ||
		fail "$3: $2 differs from what was written: $_first"
	rm /tmp/read
}

# differs FILE DEV WHAT: the opposite; proves that a test would notice
differs() {
	read_mb "$2" $(($(stat -c %s "$1") / 1048576)) 0
	if cmp -s "$1" /tmp/read; then fail "$3: $2 holds the new data already"; fi
	rm /tmp/read
}

# read_mb DEV MB SKIP_MB: past the page cache, to /tmp/read
read_mb() {
	dd if="$1" of=/tmp/read bs=1M count="$2" skip="$3" iflag=direct 2> /dev/null || :
	[ "$(stat -c %s /tmp/read)" = $(($2 * 1048576)) ] ||
		fail "cannot read $2 MB of $1 from MB $3 on"
}

# warm BLOCK_SECTORS BLOCKS FORMAT FILE [DIRTY]: origin = FILE, and its first BLOCKS blocks in the
# cache, block i in cache block i. Clean, unless DIRTY is true: then the metadata says dirty.
warm() {
	put "$4" "$ORIGIN"
	dd if="$4" of="$CACHE" bs=$(($1 * 512)) count="$2" oflag=direct conv=fsync 2> /dev/null
	meta_format "$META" "$1" $(($(sectors "$CACHE") / $1)) "$2" "${5:-false}" "$3"
}

# blank: the next table load formats
blank() { dd if=/dev/zero of="$META" bs=4096 count=1 oflag=direct 2> /dev/null; }

# clean_all NAME BLOCK_SECTORS "FEATURES": write everything back with the cleaner policy
clean_all() {
	reload_cache "$1" "$2" "$3" cleaner
	wait_for "[ \$(st_dirty $1) = 0 ]" 30
}

# fio that says what went wrong, and else nothing
quiet_fio() {
	fio --minimal --thread "$@" > /tmp/fio.$$.out 2>&1 || {
		grep -v '^[0-9];fio' /tmp/fio.$$.out | tail -n 15
		fail "fio $*"
	}
	rm -f /tmp/fio.$$.out
}

# verify_load SECONDS DEPTH: fio writes to /dev/mapper/c for so long, beside the test, and verifies.
verify_load() {
	fio --thread --name=v --filename=/dev/mapper/c --direct=1 --ioengine=libaio \
		--iodepth="$2" --rw=randwrite --bsrange=4k-64k --blockalign=4k --size=16m \
		--verify=crc32c --do_verify=1 --loops=100 --time_based --runtime="$1" \
		--verify_fatal=1 > /tmp/fio.out 2>&1 &
	fio=$!
}
verify_end() { wait $fio || fail "fio: $(grep -v '^ ' /tmp/fio.out | tail -n 12)"; }

# parts N META SECTORS CACHE SECTORS ORIGIN SECTORS: devices m1 f1 s1 to mN fN sN, for so many
# caches, on parts of these three.
parts() {
	_i=1
	while [ $_i -le "$1" ]; do
		linear m$_i "$2" $(((_i - 1) * $3)) "$3"
		linear f$_i "$4" $(((_i - 1) * $5)) "$5"
		linear s$_i "$6" $(((_i - 1) * $7)) "$7"
		_i=$((_i + 1))
	done
}

# keep_busy NAME BLOCK [FIO-OPTION...]: a cache with a migration_threshold of 0 gets the usual one,
# and is never idle from before that on: nothing is written back in the background. Reads one of its
# cached blocks of 32 KiB until $reader is killed.
keep_busy() {
	_c=$1 _b=$2 _h=$(st_read_hits "$1")
	shift 2
	fio --minimal --name=b --thread --filename="/dev/mapper/$_c" --direct=1 --rw=randread \
		--bs=4k --offset=$((_b * 32768)) --size=32k \
		--time_based --runtime=600 "$@" > /dev/null 2>&1 &
	reader=$!
	wait_for '[ $(st_read_hits $_c) -gt $((_h + 10)) ]' 30
	dmsetup message "$_c" 0 migration_threshold 2048
}

# quietly CMD...: it must succeed; what it says is shown only if it does not
quietly() { "$@" > /tmp/quietly.out 2>&1 || fail "$*: $(cat /tmp/quietly.out)"; }

# read_blocks NAME BLOCK_SECTORS FIRST COUNT: one 4 KiB read in each block, not in order
read_blocks() {
	fio --minimal --name=r --filename="/dev/mapper/$1" --direct=1 --rw=randread --bs=4k \
		--blockalign="$(($2 * 512))" --norandommap=1 \
		--offset="$(($3 * $2 * 512))" --size="$(($4 * $2 * 512))" \
		--io_size="$(($4 * 4096))" --randrepeat=0 > /dev/null 2>&1
}

# read_at DEV SECTOR [SECTORS]: to stdout; write_at DEV SECTOR: from stdin. One I/O, past the page
# cache.
read_at() {
	dd if="$1" bs=$((512 * ${3:-8})) count=1 skip=$(($2 * 512)) iflag=direct,skip_bytes \
		2> /dev/null
}
# reads SECTOR SECTORS N: as many reads of c, of which the last is compared with /tmp/now
reads() {
	_i=0
	while [ $_i -lt "$3" ]; do
		_i=$((_i + 1))
		read_at /dev/mapper/c "$1" "$2" > /tmp/got
	done
	dd if=/tmp/now bs=512 skip="$1" count="$2" 2> /dev/null | cmp - /tmp/got ||
		fail "wrong data from sector $1 on"
}
write_at() {
	cat > /tmp/write_at
	dd if=/tmp/write_at of="$1" bs="$(stat -c %s /tmp/write_at)" seek=$(($2 * 512)) \
		oflag=direct,seek_bytes conv=notrunc 2> /dev/null
}

# page TEXT: 4 KiB of it
# By the shell itself: processes are what a guest spends most on.
page() {
	printf '%-511s\n%-511s\n%-511s\n%-511s\n%-511s\n%-511s\n%-511s\n%-511s\n' "$1" "$1" "$1" \
		"$1" "$1" "$1" "$1" "$1"
}

# ----- what the block layer saw -----
#
# trace_start DEV...; ...; trace_stop: /tmp/trace has one line an I/O that was queued to one of the
# devices: "NAME FLAGS SECTOR SECTORS", in order of submission. FLAGS as blktrace has them: R, W, D, with
# F before for a preflush, F behind W for FUA, S sync, M metadata.

TRACEFS=/sys/kernel/debug/tracing

trace_start() {
	[ -d $TRACEFS/events ] || TRACEFS=/sys/kernel/tracing
	[ -d $TRACEFS/events ] || mount -t tracefs trace $TRACEFS
	_filter= TRACE_NAMES=
	for _d in "$@"; do
		_mm=$(cat "/sys/class/block/$(basename "$(readlink -f "$_d")")/dev")
		TRACE_NAMES="$TRACE_NAMES ${_mm%:*},${_mm#*:}=$(basename "$_d")"
		_filter="$_filter${_filter:+ || }dev == $(((${_mm%:*} << 20) + ${_mm#*:}))"
	done
	echo 0 > $TRACEFS/tracing_on
	echo 8192 > $TRACEFS/buffer_size_kb
	echo > $TRACEFS/trace
	echo "$_filter" > $TRACEFS/events/block/block_bio_queue/filter
	echo 1 > $TRACEFS/events/block/block_bio_queue/enable
	echo 1 > $TRACEFS/tracing_on
}

trace_stop() {
	echo 0 > $TRACEFS/tracing_on
	echo 0 > $TRACEFS/events/block/block_bio_queue/enable
	awk -v names="$TRACE_NAMES" 'BEGIN { n = split(names, a, " "); for (i = 1; i <= n; i++) { split(a[i], b, "="); name[b[1]] = b[2] } }
		/block_bio_queue:/ { sub(/.*block_bio_queue: /, ""); print name[$1], $2, $3, $5 }' $TRACEFS/trace > /tmp/trace
	echo > $TRACEFS/trace
}

# traced NAME REGEX-FOR-FLAGS: how many
traced() { awk -v n="$1" -v f="$2" '$1 == n && $2 ~ f { c++ } END { print c + 0 }' /tmp/trace; }

# check_suspended DEV: check_metadata for a device that a suspended cache still holds open. Of a
# copy, below a loop device: cache_check 0.9 wants O_DIRECT, which a tmpfs may not have.
check_suspended() {
	dd if="$1" of=/tmp/suspended.img bs=1M iflag=direct 2> /dev/null
	modprobe loop
	_loop=$(losetup -f)
	losetup "$_loop" /tmp/suspended.img
	check_metadata "$_loop"
	losetup -d "$_loop"
	rm -f /tmp/suspended.img
}

# ----- ours, or the kernel's own, in the same guest -----

# No cache may be active.
unload() {
	while grep -q '^dm_cache' /proc/modules; do
		for m in $(awk '/^dm_cache/ && $3 == 0 { print $1 }' /proc/modules); do rmmod "$m"; done
	done
}
use_ours() { unload; modprobe dm-cache; }
use_kernels() {
	unload
	modprobe -a dm-bufio dm-persistent-data dm-bio-prison
	for m in dm-cache dm-cache-smq; do insmod "$(find "/lib/modules/$KERNEL/kernel" -name "$m.ko*" | head -n 1)"; done
	refute grep -q dm_cache_persistent_data /proc/modules
}
