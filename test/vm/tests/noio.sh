# SPDX-License-Identifier: GPL-2.0-only
# what: memory is never had by I/O where bios wait: suspended, in engine and commit, in messages (a
#       swap above would wait for itself)
# needs: mem=384
# stock: no

. /job/lib-fail.sh
# There the trace shows the flags that were asked for, before those of the task are looked at.
case $(uname -r) in 5.*) skip \
	"this kernel's trace does not tell what memalloc_noio_save() changed" ;; esac
# Each page that is taken with leave to write others out (__GFP_IO, a bit that no kernel has moved),
# with the stack.
[ -d $TRACEFS/events ] || mount -t tracefs trace $TRACEFS
event=$TRACEFS/events/kmem/mm_page_alloc
noio_start() {
	echo > $TRACEFS/trace
	echo 1 > $TRACEFS/tracing_on
}
# noio_stop: stacks with an entry point of ours, a line each, to /tmp/stacks
noio_stop() {
	echo 0 > $TRACEFS/tracing_on
	awk -v \
		ours=' (cache_(ctr|dtr|map|end_io|preresume|resume|presuspend|postsuspend|message|status)|(engine|commit|tick)_work_fn|dmc_[a-z_]*)(\\.|$| )' '
		/<stack trace>/ { if (s ~ ours) print s; s = ""; next }
		/ => / { sub(/.* => /, ""); s = s " " $0 }
		END { if (s ~ ours) print s }' $TRACEFS/trace > /tmp/stacks
}
# none WHAT
none() {
	noio_stop
	[ ! -s /tmp/stacks ] ||
		fail "$1: $(wc -l < /tmp/stacks) pages with leave to do I/O, the first: $(head -n 1 /tmp/stacks)"
}
echo 0 > $TRACEFS/tracing_on
echo 16384 > $TRACEFS/buffer_size_kb
echo 'stacktrace if gfp_flags & 0x40' > $event/trigger

below_all 8 16 64
modprobe -a dm-cache dm-cache-basic
blank

# A table that is loaded before anything is suspended may: so the trace sees what it is for.
noio_start
dmsetup create c --notable
dmsetup load c --table "$(cache_table 64 metadata2 lru)"
noio_stop
assert_match "$(cat /tmp/stacks)" 'cache_ctr' "pages taken while a table is loaded"

noio_start
dmsetup resume c
none "the first resume"

noio_start
quiet_fio --name=w --filename=/dev/mapper/c --direct=1 --rw=randwrite --bs=4k --size=32m \
	--io_size=8m --iodepth=8 --ioengine=libaio
wait_for '[ "$(st_demotions)" -gt 0 ]' 20
none "promotions, demotions, commits"

noio_start
dmsetup message c 0 ghost_bytes 1048576
none "a message"

noio_start
dmsetup suspend c
none "suspend"
noio_start
dmsetup reload c --table "$(cache_table 64 metadata2 lru)"
none "a table that is loaded while the device is suspended"
noio_start
dmsetup resume c
none "resume"

# The commit fails, and the metadata is opened again.
noio_start
gone m error_writes
fio --minimal --name=w --filename=/dev/mapper/c --direct=1 --rw=randread --bs=4k --offset=32m \
	--size=16m --io_size=1m > /tmp/fio.out 2>&1 || :
wait_for '[ "$(st_mode)" != rw ]' 30
none "a commit that fails"
note "after a commit that failed: $(st_mode) $(st_needs_check)"
noio_start
back m
dmsetup remove c
none "removal"
echo '!stacktrace' > $event/trigger
