# SPDX-License-Identifier: GPL-2.0-only
# what: a first write to a clean block is acknowledged before its mark is recorded: what is read is
#       what was written, nothing clean is overwritten, a FLUSH waits for it, or fails if it is lost
# durability: yes
# needs: mem=512
# stock: no
# timeout: 240

. /job/lib-partial.sh
# Cache blocks of 32 KiB: 768, all of them mapped and clean, block i in cache block i.
below_all "8 8" "25 16" "24 16"
noise /tmp/old 24

# again: the cache anew
again() {
	dmsetup remove c 2> /dev/null || :
	warm 64 768 2 /tmp/old
	cp /tmp/old /tmp/want
	make_cache c 64 "metadata2 writeback" smq migration_threshold 0
}
# Blocks that no other commit marks on the way are 64 apart (write-intent.c).
# No commit ends between these two: the metadata device takes requests, and does none of them.
hold() { dmsetup suspend --noflush --nolockfs m; }
go_on() { dmsetup resume m; }
trap 'go_on 2> /dev/null || :' EXIT
# waiting: requests that c has not ended
waiting() { awk '{ print $1 + $2 }' "$(sysfs /dev/mapper/c)/inflight"; }
# waits WHAT COMMAND...: in the background; it does not end as long as the metadata is held
waits() {
	what=$1 before=$(waiting)
	shift
	rm -f /tmp/ended
	{ rc=0; "$@" || rc=1; echo $rc > /tmp/ended; } &
	job=$!
	wait_for "[ \$(waiting) -gt $before ]" 8
	[ ! -e /tmp/ended ] || fail "$what did not wait: status $(cat /tmp/ended)"
}
# ended STATUS: now it does
ended() {
	wait $job
	assert_eq "$(cat /tmp/ended)" "$1" "status of $what"
}
# granule_on DEV SECTOR: its 4 KiB
granule_on() { dd if="$1" bs=4096 skip=$(($2 / 8)) count=1 iflag=direct 2> /dev/null; }
# holds SECTOR FILE: what comes in is what FILE has there
holds() { cmp -s -i 0:$(($1 * 512)) -n 4096 - "$2"; }
read_one() { granule_on /dev/mapper/c "$1" > /tmp/one; }

# --- acknowledged, though nothing can be recorded; and nothing on the cache device has changed ---
again
hold
put_at $((5 * 64 + 8)) 8 || fail "a first write, with the metadata held"
put_at $((700 * 64)) 32 || fail "a first write of 16 KiB, with the metadata held"
granule_on /dev/f0 $((5 * 64 + 8)) | holds $((5 * 64 + 8)) /tmp/old ||
	fail "a block that the metadata calls clean was overwritten"
# --- a read of it waits, and sees it; another block's does not wait ---
read_one $((6 * 64)) || fail "a read of another block"
waits "a read of a posted write" read_one $((5 * 64 + 8))
go_on
ended 0
holds $((5 * 64 + 8)) /tmp/want < /tmp/one ||
	fail "what is read is not what was written"
assert_num "$(st_dirty c)" -eq 2 "dirty blocks"
same /tmp/want /dev/mapper/c "after two posted writes"

# --- what must be durable is not posted; nor is what is large ---
hold
waits "a write with FUA" put_at $((130 * 64)) 8 oflag=dsync,direct,seek_bytes
go_on
ended 0
trace_start /dev/f0
put_at $((450 * 64)) 8 oflag=dsync,direct,seek_bytes || fail "a write with FUA"
trace_stop
assert_num "$(traced f0 "^WF")" -ge 1 "writes with FUA to the cache device"
hold
waits "a write of 20 KiB" put_at $((200 * 64)) 40
go_on
ended 0
same /tmp/want /dev/mapper/c "after writes that were not posted"

# --- a FLUSH waits for it; meanwhile no more are posted; afterwards the data is durable ---
hold
put_at $((270 * 64)) 8 || fail "a first write"
waits "a FLUSH behind a posted write" sync_of c
flush_job=$job
n=$(waiting)
put_at $((340 * 64)) 8 &
job=$!
wait_for "[ \$(waiting) -gt $n ]" 8
go_on
wait $flush_job $job || fail "a FLUSH, or a write while it waits"
granule_on /dev/f0 $((270 * 64)) | holds $((270 * 64)) /tmp/want ||
	fail "flushed, and not on the cache device"

# --- bounded: 512 at once; the next waits ---
again
hold
quiet_fio --name=b --filename=/dev/mapper/c --direct=1 --rw=write:28k --bs=4k --size=24m \
	--number_ios=512
waits "one write more than is posted at once" put_at $((600 * 64)) 8
go_on
ended 0
assert sync_of c
assert_num "$(st_dirty c)" -eq 513 "dirty blocks after 512 posted writes and one"
assert_num "$(st_write_hits c)" -eq 513 "write hits"

# --- a suspend leaves none behind ---
again
slow m 100
put_at $((40 * 64)) 8 || fail "a first write"
dmsetup suspend c
granule_on /dev/f0 $((40 * 64)) | holds $((40 * 64)) /tmp/want ||
	fail "a suspend left a posted write behind"
back m
dmsetup resume c
same /tmp/want /dev/mapper/c "after a suspend"

# --- the cache device refuses it: the origin gets it, and the block goes ---
again
hold
put_at $((50 * 64 + 16)) 8 || fail "a first write"
fails f $((50 * 64 + 16)) 8
go_on
assert sync_of c
assert_num "$(st_used c)" -eq 767 "blocks, one of which could not be written"
assert_num "$(st_dirty c)" -eq 0 "dirty blocks"
back f
same /tmp/want /dev/mapper/c "after a posted write that the cache refused"
dmsetup remove c
same /tmp/want $ORIGIN "the origin, after a posted write that the cache refused"

# --- both refuse it: one FLUSH tells, and the cache goes on ---
again
hold
put_at $((60 * 64 + 16)) 8 || fail "a first write"
fails f $((60 * 64 + 16)) 8
fails s $((60 * 64 + 16)) 8
dmesg_mark
go_on
refute sync_of c
assert_dmesg 'a write to block 60 that was acknowledged is lost'
back f
back s
assert sync_of c
put_at $((61 * 64)) 8 || fail "a write after one that was lost"
assert sync_of c

# --- its mark cannot be recorded: it is written as any write is then ---
again
hold
put_at $((70 * 64)) 8 || fail "a first write"
gone m
wait_for '[ "$(st_mode c)" != rw ]' 30
if [ "$(st_mode c)" = Fail ]; then
	refute sync_of c
else
	same /tmp/want /dev/mapper/c "after a commit that failed"
fi
