# SPDX-License-Identifier: GPL-2.0-only
# what: I/O errors and failed allocations at random while fio runs, reloads and suspends in between:
#       no hang, no crash, no leak
# needs: smp=2
# timeout: 300
# expect-dmesg: Call Trace:

# Call Trace: alone is what vmalloc prints when it gets no memory; all that is bad has a line of its
# own above it.
. /job/lib-cache.sh
[ -d /sys/kernel/debug/fail_make_request ] || skip "this kernel cannot inject faults"
devices 8 16 48 4
noise /tmp/data 32

# faults PERCENT-OF-I/O PERCENT-OF-ALLOCATIONS DEV...: on these devices, and for allocations that
# must not wait
FAULTS=/sys/kernel/debug
faults() {
	for _d in meta fast slow; do echo 0 > /sys/block/$_d/make-it-fail; done
	echo 0 > $FAULTS/fail_make_request/verbose
	echo -1 > $FAULTS/fail_make_request/times
	echo "$1" > $FAULTS/fail_make_request/probability
	echo 0 > $FAULTS/failslab/verbose
	echo -1 > $FAULTS/failslab/times
	# Those that may wait hit the shell too.
	echo Y > $FAULTS/failslab/ignore-gfp-wait
	echo "$2" > $FAULTS/failslab/probability
	shift 2
	for _d in "$@"; do echo 1 > /sys/block/$_d/make-it-fail; done
}

# work SECONDS: fio that takes errors as they come
work() {
	fio --thread --direct=1 --ioengine=libaio --time_based --runtime="$1" \
		--filename=/dev/mapper/c --continue_on_error=all \
		--name=mixed --rw=randrw --bsrange=4k-128k --blockalign=4k --iodepth=16 --size=16m \
		--name=whole --rw=randwrite --bs=32k --iodepth=4 --offset=16m --size=16m \
		--fsync=32 > /tmp/fio.out 2>&1 &
	fio=$!
	while kill -0 $fio 2> /dev/null; do
		sleep 0.5
		dmsetup suspend c || :
		dmsetup resume c || :
		reload_cache c 64 "$features" $policy 2> /dev/null || dmsetup resume c || :
		blkdiscard -o 8388608 -l 1048576 /dev/mapper/c 2> /dev/null || :
		dmsetup status c > /dev/null
	done
	wait $fio || :
	grep -q 'err=' /tmp/fio.out || fail "fio did not run: $(tail -n 5 /tmp/fio.out)"
}

for t in "writeback smq fast" "writeback mq slow" "writethrough smq fast slow" \
	"writeback smq meta" "writeback smq meta fast slow"; do
	# shellcheck disable=SC2086 # words
	set -- $t
	features="metadata2 $1" policy=$2
	shift 2
	warm 64 256 2 /tmp/data
	make_cache c 64 "$features" $policy
	faults 2 10 "$@"
	work 15
	note "$t: $(dmsetup status c | cut -d' ' -f4-)"
	faults 0 0
	# What could not be written stays, but nothing may stay in the way of removing it all.
	timeout 120 dmsetup suspend c || note "suspend says no"
	timeout 120 dmsetup remove --retry c || fail "the cache cannot be removed after $t"
done

# After all that it works.
warm 64 256 2 /tmp/data
make_cache c 64 metadata2 smq
same /tmp/data /dev/mapper/c "data after the faults"
dmsetup remove c
check_metadata $META
