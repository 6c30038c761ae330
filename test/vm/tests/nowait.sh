# SPDX-License-Identifier: GPL-2.0-only
# what: RWF_NOWAIT and io_uring: hits, misses and what waits for a migration are taken at once, in
#       each mode, and the submitter goes on; a device that is busy has not failed
# kernels-differ: what a target passes on is the core's
# needs: smp=1 mem=512
# stock: no
# timeout: 240
# files: test/vm/lib-cache.sh test/vm/lib-stack.sh
# builds: test/tools/rw-flags.c

. /job/lib-cache.sh
. /job/lib-stack.sh
rw=/job/rw-flags
devices 8 16 24
noise /tmp/data 16
page new > /tmp/new
for _i in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do page new; done > /tmp/pages

# try WANTED read|write SECTOR [BYTES]
try() {
	_got=$($rw "$2" nowait /dev/mapper/c $(($3 * 512)) "${4:-4096}" < /tmp/pages) || :
	assert_eq "$_got" "$1" "$mode: $2 at sector $3"
}
no_errors() { case $(st_line) in *_errors*) fail "$mode: a busy device had errors: $(st_line)" ;; esac; }

# ----- taken -----

TRACE=/sys/kernel/tracing
[ -d $TRACE/events ] || mount -t tracefs trace $TRACE
PUNTED=$TRACE/events/io_uring/io_uring_queue_async_work
for mode in writeback writethrough passthrough; do
	warm 64 256 2 /tmp/data
	make_cache c 64 "metadata2 $mode" smq migration_threshold 0
	f=$(dev_reads $CACHE) s=$(dev_reads $ORIGIN) h=$(st_read_hits)
	try ok read 64
	try ok read 20000
	assert_eq "$(st_read_hits)" $((h + 1)) "$mode: read hits"
	[ $mode = passthrough ] || assert_eq "$(dev_reads $CACHE) $(dev_reads $ORIGIN)" \
		"$((f + 1)) $((s + 1))" "$mode: reads of cache and origin"
	try ok read 48 32768
	try ok write 64
	try ok write 64
	try ok write 20000
	cp /tmp/data /tmp/now
	for at in 64 20000; do
		dd if=/tmp/new of=/tmp/now bs=512 seek=$at conv=notrunc 2> /dev/null
	done
	same /tmp/now /dev/mapper/c "$mode: data"

	# io_uring tries each without waiting.  What was refused goes to a thread that may wait.
	dmsetup message c 0 migration_threshold 2048
	echo > $TRACE/trace
	echo 1 > $PUNTED/enable
	quiet_fio --name=u --filename=/dev/mapper/c --direct=1 --rw=randrw --bsrange=4k-64k \
		--blockalign=4k --size=16m --io_size=4m --ioengine=io_uring --iodepth=8 \
		--serialize_overlap=1 --verify=crc32c --verify_backlog=32
	echo 0 > $PUNTED/enable
	assert_eq "$(grep -c io_uring_queue_async_work: $TRACE/trace || :)" 0 \
		"$mode: requests that a thread had to wait for"
	dd if=/dev/mapper/c of=/tmp/now bs=1M count=16 iflag=direct 2> /dev/null
	[ $mode != writeback ] || clean_all c 64 metadata2
	dmsetup remove c
	same /tmp/now $ORIGIN "$mode: the origin, once clean"
	check_metadata $META
done

# ----- what a busy device does -----

# The origin takes one request at a time, for three seconds, in writethrough mode: the second write
# waits for the first, its submitter does not.  The blocks are dirty, so that no write waits for a
# mark before.
nb one 24 3000000000 1
echo none > "$(sysfs /dev/one)/queue/scheduler"
mode=writethrough ORIGIN=/dev/one
meta_format $META 64 512 256 true 2
make_cache c 64 "metadata2 $mode" smq migration_threshold 0
assert_eq "$($rw submit nowait /dev/mapper/c 0 8192)" "submitted, 0 ended
ok
ok" "two writes to a busy origin"
dmsetup remove c

# A suspended device has no place for what must not wait.
busy() { dmsetup suspend --noflush --nolockfs "$1"; }
linear fast2 $CACHE 0 "$(sectors $CACHE)"
linear slow2 /dev/slow 0 "$(sectors /dev/slow)"
CACHE=/dev/mapper/fast2 ORIGIN=/dev/mapper/slow2

# The origin.  Of the long ones none covers a block, which would be cached.
meta_format $META 64 512 256 false 2
make_cache c 64 "metadata2 $mode" smq migration_threshold 0
busy slow2
try EAGAIN read 20000
try EAGAIN write 20000
try EAGAIN read 20000 65536
try EAGAIN write 20000 32768
dmsetup resume slow2
no_errors
assert_eq "$(st_used) $(st_dirty)" "256 0" "blocks and dirty ones of a busy origin"
dmsetup remove c

# The cache device, with dirty blocks.
mode=writeback
meta_format $META 64 512 256 true 2
make_cache c 64 "metadata2 $mode" smq migration_threshold 0
busy fast2
try EAGAIN read 64
try EAGAIN write 64
try EAGAIN read 64 65536
try EAGAIN write 64 65536
dmsetup resume fast2
no_errors
assert_eq "$(st_used) $(st_dirty)" "256 256" "blocks and dirty ones of a busy cache device"
# A partial block: the write that came to nothing makes none of it valid.  The cache device holds
# nothing of what the origin does.
noise /tmp/data 16
put /tmp/data /dev/slow
dmsetup message c 0 write_allocate 25
read_at /dev/mapper/c 20000 > /tmp/old
busy fast2
try EAGAIN write 20000
dmsetup resume fast2
no_errors
read_at /dev/mapper/c 20000 | cmp - /tmp/old || fail "a write that came to nothing is read"
dmsetup remove c
