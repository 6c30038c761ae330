# SPDX-License-Identifier: GPL-2.0-only
# what: partial blocks over devices that fail: a write that the cache refuses reaches the origin; a
#       FLUSH whose commit fails, fails; a fill that fails costs nothing
# durability: yes
# needs: smp=1 mem=512
# stock: no
# timeout: 240

. /job/lib-partial.sh
below_all 8 "16 16" "24 16"
noise /tmp/want 24
put /tmp/want $ORIGIN
tunables="write_allocate 50 migration_threshold 0"
again() {
	dmsetup remove c 2> /dev/null || :
	blank
	put /tmp/want $ORIGIN
	# shellcheck disable=SC2086 # words
	make_cache c 64 "metadata2 writeback" smq $tunables
}

# --- the cache device refuses writes: of a new block, and of new granules of one ---
again
put_some 0 10
fails f 0 $((16 * 2048 - 8))
put_at $((3 * 64 + 40)) 8 || fail "a new granule was not written"
put_at $((50 * 64)) 8 || fail "a new block was not written"
if put_at $((4 * 64 + 4 * 8)) 8; then fail "old data of the granule is all that can be read"; fi
back f
# That one write failed: either content.
read_at /dev/mapper/c $((4 * 64 + 4 * 8)) |
	dd of=/tmp/want bs=512 seek=$((4 * 64 + 4 * 8)) conv=notrunc 2> /dev/null
same /tmp/want /dev/mapper/c "after writes that the cache refused"
assert_num "$(core_arg c cache_errors)" -ge 2 "errors of the cache device"
clean_all c 64 "metadata2 writeback"
dmsetup remove c
same /tmp/want $ORIGIN "the origin, after writes that the cache refused"

# --- the cache device cannot flush: the FLUSH fails, nothing is stored; later it is ---
again
# Before the writes: what was written is recorded within a second.
unflushable f
put_some 0 10
if sync_of c; then fail "a FLUSH that the cache device failed"; fi
stored && fail "stored, though it is not durable"
back f
assert sync_of c
assert stored
same /tmp/want /dev/mapper/c "after a FLUSH that failed"

# --- no FLUSH waits when it fails: the next one does ---
unflushable f
dmesg_mark
put_some 40 10
wait_for 'dmesg_new | grep -q "partial blocks are not durable"' 30
back f
refute sync_of c
assert sync_of c

# --- a FLUSH fails while others write: so does theirs, though the device has done it ---
put_at "$(granule_of 1)" 8
assert sync_of c
# The last sectors have their own FLUSH, which takes its time, and fails.
n=$(($(sectors /dev/f0) - 8))
modprobe dm-delay
dmsetup create e --table "0 8 flakey /dev/f0 $n 0 1 1 error_writes"
below_table f "0 $n linear /dev/f0 0
$n 8 delay /dev/mapper/e 0 0 /dev/mapper/e 0 100000"
put_at "$(granule_of 1)" 8
w=$(dev_flushes /dev/f0)
sync_of c & pid=$!
wait_for '[ "$(dev_flushes /dev/f0)" -gt "$w" ]' 30
put_some 60 1
back f
if wait $pid; then fail "a FLUSH that the cache device failed"; fi
refute sync_of c
assert sync_of c
assert stored
dmsetup remove e
same /tmp/want /dev/mapper/c "after a FLUSH that failed beside a write"

# --- the same, and the table goes: nothing that was written is forgotten ---
put_some 20 10
unflushable f
dmsetup suspend --noflush --nolockfs c
back f
dmsetup resume c
table=$(dmsetup table c)
dmsetup remove c
dmsetup create c --table "$table"
same /tmp/want /dev/mapper/c "after a suspend with a cache device that cannot flush"

# --- a FLUSH comes when a fill commits what was written before: it waits for that commit ---
again
# No commit ends.
dmsetup suspend --noflush --nolockfs m
trace_start "$(sysfs /dev/mapper/m)"
put_at $((7 * 64)) 8
put_at $((7 * 64 + 17)) 1 &
write=$!
wait_for '[ $(queued W) -gt 0 ]' 8
trace_stop
n=$(waiting)
rm -f /tmp/ended
{ rc=0; sync_of c || rc=1; echo $rc > /tmp/ended; } &
flush=$!
wait_for "[ \$(waiting) -gt $n ] || [ -e /tmp/ended ]" 20
[ ! -e /tmp/ended ] || fail "a FLUSH did not wait for the commit of a fill"
dmsetup resume m
wait $write || fail "a part of a granule"
wait $flush
assert_eq "$(cat /tmp/ended)" 0 "status of a FLUSH beside a fill"
same /tmp/want /dev/mapper/c "after a FLUSH beside a fill"

# --- the origin cannot be read: a part of a granule is written all the same ---
again
put_at $((5 * 64)) 8
fails s $((5 * 64 + 48)) 8
put_at $((5 * 64 + 9)) 1 || fail "a part of a granule, in a block that cannot be filled"
back s
same /tmp/want /dev/mapper/c "after a fill that failed"

# --- the origin cannot be written: the block stays as it is, and goes when that works ---
again
put_some 0 10
assert sync_of c
fails s $((3 * 64)) 64
reload_cache c 64 "metadata2 writeback" cleaner
wait_for '[ "$(st_dirty c) $(core_arg c partial_dropped)" = "1 9" ]' 30
assert_eq "$(partials)" 1 "partial blocks that cannot be written back"
s=$(granule_of 3)
read_at /dev/mapper/c "$s" > /tmp/got || fail "a granule that cannot be written back"
dd if=/tmp/want bs=512 skip="$s" count=8 2> /dev/null | cmp - /tmp/got ||
	fail "wrong data of a granule that cannot be written back"
assert sync_of c
assert stored
back s
wait_for '[ "$(st_dirty c) $(partials)" = "0 0" ]' 60
dmsetup remove c
stored && fail "stored after the last one went"
same /tmp/want $ORIGIN "the origin, after a writeback that failed"

# --- a commit fails, and the metadata can be brought back: each FLUSH fails from then on, for what
# was written is not recorded; and it is still read ---
again
put_some 0 10
assert sync_of c
# Before the writes, as above.
bad_leaf
put_some 20 5
if sync_of c; then fail "a FLUSH whose commit failed"; fi
assert_eq "$(st_mode c)" ro "the mode, when a commit failed"
if sync_of c; then fail "a FLUSH when nothing can be recorded any more"; fi
same /tmp/want /dev/mapper/c "when a commit failed"
metadata_works

# --- the metadata device fails: so does a FLUSH, and what was flushed before is there ---
again
put_some 0 10
assert sync_of c
cp /tmp/want /tmp/flushed
# Before the write: what was written is recorded within a second.
gone m
put_some 20 1
if sync_of c; then fail "a FLUSH that could not be recorded"; fi
dmsetup remove c
back m
# shellcheck disable=SC2086 # words
make_cache c 64 "metadata2 writeback" smq $tunables || fail "loaded again"
same /tmp/flushed /dev/mapper/c "what had been flushed"
