# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# Load, resume, suspend and memory of a cache of a million mapped blocks. Sourced by the two guests,
# which have one module each: memory that one gives back late would be counted to the other's
# advantage.

. /job/lib-cache.sh
. /job/guest.sh

NR=1048576
modprobe dm-zero
ram 1 64
dmsetup create o --table "0 $((NR * 128)) zero"
dmsetup create f --table "0 $((NR * 64)) zero"
META=/dev/ram0 CACHE=/dev/mapper/f ORIGIN=/dev/mapper/o

free_kb() {
	sync
	echo 3 > /proc/sys/vm/drop_caches
	awk '/^MemFree:/ { print $2 }' /proc/meminfo
}

# Until it stays the same: memory that dm-bufio and others let go of comes back late.
settled_kb() {
	_was=$(free_kb)
	for _i in 1 2 3 4 5 6 7 8 9 10; do
		sleep 1
		_now=$(free_kb)
		[ $((_now - _was)) -gt 64 ] || [ $((_was - _now)) -gt 64 ] || break
		_was=$_now
	done
	echo "$_now"
}

# took ROW CMD...: its virtual time, without that of starting a program. Whatever is read from a
# disk first is not measured: the clock jumps while a guest waits.
took() {
	_row=$1
	shift
	dmsetup version > /dev/null
	_a=$(virtual_ns)
	dmsetup version > /dev/null
	_b=$(virtual_ns)
	"$@"
	_c=$(virtual_ns)
	result "$_row" $((_c - _b - (_b - _a)))
}

image() {
	gunzip -c /job/million.img.gz | dd of=$META bs=1M iflag=fullblock oflag=direct 2> /dev/null
}

# start SUFFIX POLICY: as a machine that boots does
start() {
	modprobe -a dm-bufio "dm-cache-$2"
	dmsetup create c --notable
	_m=$(settled_kb)
	took "load$1" dmsetup load c \
		--table "$(cache_table 64 writeback "$2" migration_threshold 0)"
	took "resume$1" dmsetup resume c
	_m=$((_m - $(settled_kb)))
	result "bytes-per-1024-blocks$1" $((_m * 1024 * 1024 / NR))
}

rows() {
	WHO=$1
	image
	start '' smq
	# The first one may write hints, if those of the image were another version's.
	took suspend-first dmsetup suspend c
	dmsetup resume c
	took suspend-unchanged dmsetup suspend c
	dmsetup resume c
	# A hundredth of the blocks, all over the cache: each is made dirty.
	/job/iocost /dev/mapper/c write 4096 1 $((NR / 100)) 0 $((NR * 128)) > /dev/null
	took suspend-some-changed dmsetup suspend c
	dmsetup resume c
	dmsetup remove c
}

# The policy that the kernel's own has not, in a guest of its own: first with another's hints, then
# with its own. The second time, memory of the first is given back meanwhile.
rows_of_default() {
	WHO=$1
	image
	start -default-first default
	dmsetup remove c
	start -default default
	dmsetup remove c
}
