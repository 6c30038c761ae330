# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# Load, resume, suspend and memory of a cache of a million mapped blocks. Sourced by the two guests, which have
# one module each: memory that one gives back late would be counted to the other's advantage.

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

# took ROW CMD...: its virtual time, without that of starting a program. Whatever is read from a disk first is
# not measured: the clock jumps while a guest waits.
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

rows() {
	WHO=$1
	gunzip -c /job/million.img.gz | dd of=$META bs=1M iflag=fullblock oflag=direct 2> /dev/null
	modprobe -a dm-bufio
	dmsetup create c --notable
	# Memory of what ran before is given back late.
	for _i in 1 2 3; do free_kb > /dev/null; sleep 1; done
	_m=$(free_kb)
	took load dmsetup load c --table "$(cache_table 64 writeback smq migration_threshold 0)"
	took resume dmsetup resume c
	_m=$((_m - $(free_kb)))
	result bytes-per-1024-blocks $((_m * 1024 * 1024 / NR))
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
