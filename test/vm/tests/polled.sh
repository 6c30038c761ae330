# SPDX-License-Identifier: GPL-2.0-only
# what: polled I/O (io_uring, hipri) ends in each mode, also what no submitter polls: the second
#       half of a writethrough pair, and reads that are sent again after an error
# kernels-differ: polling is the core's, and the block layer's
# needs: mem=512
# stock: no
# timeout: 240
# files: test/vm/lib-cache.sh test/vm/lib-stack.sh

. /job/lib-cache.sh
. /job/lib-stack.sh
case $KERNEL in 5.*) skip "device-mapper polls no device in this kernel" ;; esac
# The cache device has one queue more, so that its queues have numbers that the origin's have not.
NB_POLL=1
nb meta 8 0
nb slow 24 0
NB_POLL=2
nb fast 16 0
META=/dev/meta CACHE=/dev/fast ORIGIN=/dev/slow
noise /tmp/data 16

# polled FIO-OPTION...: what is sent to be polled, and is not, ends when it times out: the driver
# says so.
polled() {
	dmesg_mark
	quiet_fio --name=p --filename=/dev/mapper/c --direct=1 --ioengine=io_uring --hipri=1 "$@"
	case $(dmesg_new) in *"timed out"*) fail "$mode: I/O that was not polled: $(dmesg_new)" ;; esac
}

for mode in writethrough writeback passthrough; do
	warm 64 256 2 /tmp/data		# half of it is cached
	make_cache c 64 "metadata2 $mode" smq
	assert_eq "$(limit /dev/mapper/c io_poll)" 1 "io_poll of the cached device, $mode"
	polled --rw=randrw --bsrange=4k-64k --blockalign=4k --size=16m --io_size=8m \
		--iodepth=8 --serialize_overlap=1 --verify=crc32c --verify_backlog=32
	[ $mode != writeback ] || clean_all c 64 metadata2
	dmsetup remove c
	check_metadata $META
done

# The cache device cannot be read: each block is read from the origin, whose poll queue has another
# number, by the engine, while the submitter polls.
mode=writethrough
put /tmp/data $ORIGIN
warm 64 256 2 /tmp/data
make_cache c 64 "metadata2 $mode" smq migration_threshold 0
echo "+0-16383" > /sys/kernel/config/nullb/fast/badblocks
polled --rw=read --bs=4k --zonesize=4k --zonerange=32k --zoneskip=28k --zonemode=strided --size=8m \
	--cpus_allowed=1
echo "-0-16383" > /sys/kernel/config/nullb/fast/badblocks
same /tmp/data /dev/mapper/c "data of a cache device that could not be read"
dmsetup remove c
