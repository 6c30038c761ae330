# SPDX-License-Identifier: GPL-2.0-only
# what: a first write to a clean block is acknowledged before its mark is recorded: what is read is
#       what was written, nothing clean is overwritten, a FLUSH waits for it, or fails if it is lost
# durability: yes
# needs: mem=1024
# stock: no
# timeout: 240

. /job/lib-partial.sh
# Cache blocks of 32 KiB, mapped and clean, block i in cache block i.
below_all "8 8" "42 16" "40 16"
noise /tmp/old 38

# again BLOCKS [FORMAT]: the cache anew, with so many; /tmp/want has them, to the next MiB
again() {
	dmsetup remove c 2> /dev/null || :
	head -c $((($1 / 32 + 1) * 1048576)) /tmp/old > /tmp/want
	warm 64 "$1" "${2:-2}" /tmp/want
	# shellcheck disable=SC2046 # words
	make_cache c 64 "$(features_of "${2:-2}" writeback)" smq migration_threshold 0
}
# Blocks that no other commit marks on the way are 64 apart (write-intent.c).
# No commit ends between these two: the metadata device takes requests, and does none of them.
hold() { dmsetup suspend --noflush --nolockfs m; }
go_on() { dmsetup resume m; }
trap '{ dmsetup resume f; go_on; } 2> /dev/null || :' EXIT
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
# many FIRST NUMBER KIB: a write to each of so many blocks in a row, to c and into /tmp/want
many() {
	for _to in "/dev/mapper/c --direct=1 --iodepth=16 --ioengine=libaio" "/tmp/want"; do
		# shellcheck disable=SC2086 # words
		quiet_fio --name=m --filename=$_to --rw=write:$((32 - $3))k --bs=$3k \
			--offset=$(($1 * 32))k --size=$(($2 * 32))k --number_ios=$2 \
			--buffer_pattern=0xa$1 --allow_file_create=0
	done
}
# in_suspend: the suspend of c has begun to wait for what is under way
in_suspend() { grep -qs postsuspend /proc/$job/stack; }
# How often the superblock was written, says the trace.
commits() { awk '$1 == "m0" && $2 ~ "W" && $3 == 0 && $4 > 0 { n++ } END { print n + 0 }' /tmp/trace; }
read_one() { granule_on /dev/mapper/c "$1" > /tmp/one; }

# --- acknowledged, though nothing can be recorded; and nothing on the cache device has changed ---
again 130
hold
put_at $((5 * 64 + 8)) 8 || fail "a first write, with the metadata held"
put_at $((100 * 64)) 32 || fail "a first write of 16 KiB, with the metadata held"
granule_on /dev/f0 $((5 * 64 + 8)) | holds $((5 * 64 + 8)) /tmp/old ||
	fail "a block that the metadata calls clean was overwritten"
# --- a read of it waits, and sees it; another block's does not wait ---
read_one $((6 * 64)) || fail "a read of another block"
waits "a read of a posted write" read_one $((5 * 64 + 8))
go_on
ended 0
holds $((5 * 64 + 8)) /tmp/want < /tmp/one ||
	fail "what is read is not what was written"
# The other may still be under way.
wait_for '[ $(st_dirty c) = 2 ]' 8
same /tmp/want /dev/mapper/c "after two posted writes"

# --- more writes to the block: beside it, and within; but not one that reaches beyond another ---
again 130
hold
put_at $((5 * 64 + 8)) 32 || fail "a first write, with the metadata held"
put_at $((5 * 64 + 48)) 8 || fail "a write beside a posted one"
put_at $((5 * 64 + 16)) 8 || fail "a write within a posted one"
put_at $((5 * 64 + 48)) 8 || fail "the same write again"
granule_on /dev/f0 $((5 * 64 + 48)) | holds $((5 * 64 + 48)) /tmp/old ||
	fail "a block that the metadata calls clean was overwritten"
waits "a write that reaches beyond a posted one" put_at $((5 * 64 + 44)) 8
go_on
ended 0
same /tmp/want /dev/mapper/c "after more writes to a posted block"
assert sync_of c
granule_on /dev/f0 $((5 * 64 + 16)) | holds $((5 * 64 + 16)) /tmp/want ||
	fail "a block with several posted writes, after a FLUSH"
assert_num "$(st_write_hits c)" -eq 5 "write hits"
# --- not while it is sent ---
hold
put_at $((70 * 64 + 8)) 8 || fail "a first write"
dmsetup suspend --noflush --nolockfs f
trace_start "$(sysfs /dev/mapper/f)"
go_on
wait_for '[ $(queued W) -gt 0 ]' 8
waits "a write to a block that is being written" put_at $((70 * 64 + 8)) 8
trace_stop
dmsetup resume f
ended 0
same /tmp/want /dev/mapper/c "after a write to a block that was being written"
# --- and not too many are sent at once: 32, and what else the last of these blocks has ---
again 460
hold
for to in "/dev/mapper/c --direct=1 --iodepth=16 --ioengine=libaio" /tmp/want; do
	# shellcheck disable=SC2086 # words
	quiet_fio --name=m --filename=$to --rw=write --bs=4k --size=2m --buffer_pattern=0xc1
done
dmsetup suspend --noflush --nolockfs f
trace_start "$(sysfs /dev/mapper/f)"
go_on
wait_for '[ $(queued W) -ge 32 ]' 8
assert_num "$(queued W)" -le 39 "writes that were sent at once"
trace_stop
dmsetup resume f
assert sync_of c
assert_num "$(st_dirty c)" -eq 64 "dirty blocks after eight posted writes to each of 64"
same /tmp/want /dev/f0 "a FLUSH after many posted writes to a block" 2

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
jobs=
for at in $((340 * 64)) $((270 * 64 + 16)); do
	n=$(waiting)
	put_at "$at" 8 &
	jobs="$jobs $!"
	wait_for "[ \$(waiting) -gt $n ]" 8
done
go_on
ended 0
for job in $jobs; do
	wait "$job" || fail "a write while a FLUSH waits"
done
granule_on /dev/f0 $((270 * 64)) | holds $((270 * 64)) /tmp/want ||
	fail "flushed, and not on the cache device"

# --- bounded: 16 MiB at once, none of it on the device before its mark; the next waits ---
again 1200
hold
many 0 1024 16
waits "one write more than is posted at once" put_at $((1100 * 64)) 8
same /tmp/old /dev/f0 "1,024 blocks that the metadata calls clean" 32
go_on
ended 0
assert sync_of c
assert_num "$(st_dirty c)" -eq 1025 "dirty blocks after 1,024 posted writes and one"
assert_num "$(st_write_hits c)" -eq 1025 "write hits"
same /tmp/want /dev/f0 "a FLUSH after as many posted writes as may be" 35
# --- what was posted makes room again ---
hold
rm -f /tmp/ended
{ many 1101 90 16 && : > /tmp/ended; } &
wait_for '[ -e /tmp/ended ]' 10
go_on
assert sync_of c
assert_num "$(st_dirty c)" -eq 1115 "dirty blocks after 90 posted writes more"
same /tmp/want /dev/mapper/c "after as many posted writes as may be, and 90 more"

# --- many are in one commit: of changes of mappings, one has room for 512 beside other marks ---
again 1200
hold
trace_start "$(sysfs /dev/mapper/m)"
put_at $((1199 * 64)) 8 || fail "a first write"
wait_for '[ $(queued W) -gt 0 ]' 8
trace_stop
many 0 1199 4
trace_start /dev/m0
go_on
assert sync_of c
trace_stop
same /tmp/want /dev/f0 "a FLUSH after 1,200 posted writes" 37
assert_num "$(commits)" -ge 2 "commits that were traced"
# That of the first write, which was held; one for all others; and one that may follow it.
assert_num "$(commits)" -le 3 "commits for 1,200 marks"

# --- a suspend, also one that flushes nothing, leaves none of many behind ---
for how in "" --noflush; do
	again 130
	hold
	many 0 100 16
	dmsetup suspend $how c &
	job=$!
	wait_for 'in_suspend' 8
	go_on
	wait $job || fail "suspend $how, with many posted writes"
	same /tmp/want /dev/f0 "a suspend $how, with many posted writes" 3
	dmsetup resume c
	same /tmp/want /dev/mapper/c "after a suspend $how, with many posted writes"
done

# --- a suspend leaves none behind ---
again 130
slow m 100
put_at $((40 * 64)) 8 || fail "a first write"
dmsetup suspend c
granule_on /dev/f0 $((40 * 64)) | holds $((40 * 64)) /tmp/want ||
	fail "a suspend left a posted write behind"
back m
dmsetup resume c
same /tmp/want /dev/mapper/c "after a suspend"

# --- the cache device refuses it: the origin gets it, and the block goes ---
again 130
hold
put_at $((50 * 64 + 16)) 8 || fail "a first write"
fails f $((50 * 64 + 16)) 8
go_on
assert sync_of c
assert_num "$(st_used c)" -eq 129 "blocks, one of which could not be written"
assert_num "$(st_dirty c)" -eq 0 "dirty blocks"
back f
same /tmp/want /dev/mapper/c "after a posted write that the cache refused"
dmsetup remove c
same /tmp/want $ORIGIN "the origin, after a posted write that the cache refused"

# --- both refuse it: each FLUSH that waits tells, and the cache goes on; nothing is hidden ---
again 130
hold
put_at $((60 * 64 + 40)) 8 || fail "a first write"
put_at $((60 * 64 + 16)) 8 || fail "a second write"
fails f $((60 * 64)) 64
fails s $((60 * 64 + 16)) 8
dmesg_mark
jobs=
for i in 1 2; do
	n=$(waiting)
	sync_of c &
	jobs="$jobs $!"
	wait_for "[ \$(waiting) -gt $n ]" 8
done
go_on
for job in $jobs; do
	rc=0
	wait "$job" || rc=1
	assert_eq $rc 1 "status of one of two FLUSHes behind a write that is lost"
done
assert_dmesg 'a write to block 60 that was acknowledged is lost'
back f
back s
assert sync_of c
assert_num "$(st_used c)" -eq 129 "blocks, one of which could not be written anywhere"
read_one $((60 * 64 + 40)) && holds $((60 * 64 + 40)) /tmp/want < /tmp/one ||
	fail "a posted write that only the origin took, beside one that is lost"
put_at $((61 * 64)) 8 || fail "a write after one that was lost"
assert sync_of c

# --- one of two is refused by the cache device: the origin gets both ---
again 130
hold
put_at $((50 * 64 + 16)) 8 || fail "a first write"
put_at $((50 * 64 + 40)) 8 || fail "a second write"
fails f $((50 * 64 + 40)) 8
go_on
assert sync_of c
assert_num "$(st_used c)" -eq 129 "blocks, one of which could not be written as a whole"
back f
same /tmp/want /dev/mapper/c "after two posted writes of which the cache refused one"
dmsetup remove c
same /tmp/want $ORIGIN "the origin, after two posted writes of which the cache refused one"

# --- both devices refuse one of two: what the cache has of the other is not lost ---
again 130
hold
put_at $((60 * 64 + 16)) 8 || fail "a first write"
put_at $((60 * 64 + 40)) 8 || fail "a second write"
fails f $((60 * 64 + 16)) 8
fails s $((60 * 64)) 64
go_on
refute sync_of c
back f
back s
assert_num "$(st_dirty c)" -eq 1 "dirty blocks, one of which lost a write"
read_one $((60 * 64 + 40)) && holds $((60 * 64 + 40)) /tmp/want < /tmp/one ||
	fail "a posted write that the cache device took, beside one that is lost"

# --- the origin gets it, and fails a FLUSH before the block is dropped: the next FLUSH tells ---
# Without neighbours: a mark more, which an idle cache takes away, with a FLUSH of the origin.
again 65
put_at $((1250 * 64)) 8 || fail "a write to the origin"
dmsetup suspend --noflush --nolockfs s
trace_start "$(sysfs /dev/mapper/s)"
{ rc=0; sync_of c || rc=1; echo $rc > /tmp/flushed; } &
flush_job=$!
wait_for '[ $(queued F) -gt 0 ]' 8
fails f $((64 * 64 + 16)) 8
put_at $((64 * 64 + 16)) 8 || fail "a first write"
wait_for '[ $(queued W) -gt 0 ]' 8
trace_stop
# The commit that is to drop the block comes after another one.
hold
trace_start "$(sysfs /dev/mapper/m)"
put_at $((20 * 64)) 8 || fail "another first write"
wait_for '[ $(queued W) -gt 0 ]' 8
trace_stop
unflushable s
wait $flush_job
assert_eq "$(cat /tmp/flushed)" 1 "status of the FLUSH that the origin failed"
back s
dmesg_mark
go_on
refute sync_of c
assert_dmesg 'a write to block 64 that was acknowledged is lost'
back f
assert sync_of c
# The block goes all the same, as soon as it can.
wait_for '[ $(st_used c) = 64 ]' 20
read_one $((64 * 64 + 16)) && holds $((64 * 64 + 16)) /tmp/want < /tmp/one ||
	fail "a posted write that only the origin took, behind a FLUSH that failed"

# --- neighbours that are marked along are in the same metadata block: 509 of them, in format 1 ---
for b in 600 510; do
	again 640 1
	trace_start /dev/m0
	put_at $((b * 64)) 8 || fail "a first write"
	assert sync_of c
	trace_stop
	n=$(awk '$1 == "m0" && $2 ~ "W" { n++; if ($3 == 0) exit } END { print n + 0 }' /tmp/trace)
	[ $b = 600 ] || assert_num "$n" -eq "$before" "metadata blocks of a mark near the end of one"
	before=$n
done

# --- its mark cannot be recorded: it is written as any write is then ---
again 130
hold
put_at $((70 * 64)) 8 || fail "a first write"
gone m
wait_for '[ "$(st_mode c)" != rw ]' 30
if [ "$(st_mode c)" = Fail ]; then
	refute sync_of c
else
	same /tmp/want /dev/mapper/c "after a commit that failed"
fi
