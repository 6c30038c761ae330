# SPDX-License-Identifier: GPL-2.0-only
# what: a cache device with bad blocks, or gone: what the origin has goes on; what only it has is an
#       error, and said; nothing stale comes back
# durability: yes
# timeout: 240
# stock: no

. /job/lib-fail.sh
below_all 8 "8 8" "16 16"
noise /tmp/data 16

# all_right WHAT: the cached device holds the data; in pieces of 1 MiB, and of 4 KiB in some blocks
all_right() {
	same /tmp/data /dev/mapper/c "$1"
	for b in 0 3 60 127 128 300; do
		read_at /dev/mapper/c $((b * 64)) > /tmp/got || fail "$1: block $b was not read"
		block /tmp/data $b | head -c 4096 | cmp - /tmp/got || fail "$1: block $b"
	done
}
# write_all WHAT: parts of blocks, whole ones, several at a time; the last time with a FLUSH
write_all() {
	change /tmp/data 10
	write_at /dev/mapper/c $((10 * 64)) < /tmp/change ||
		fail "$1: a whole block was not written"
	for b in 11 12 200; do
		change /tmp/data $b
		dd if=/tmp/change of=/dev/mapper/c bs=4k seek=$((b * 8)) oflag=direct conv=notrunc \
			2> /dev/null || fail "$1: block $b was not written"
	done
	change /tmp/data 20 16
	dd if=/tmp/change of=/dev/mapper/c bs=512k count=1 seek=$((20 * 32768)) \
		oflag=direct,seek_bytes conv=notrunc,fsync 2> /dev/null ||
		fail "$1: 16 blocks were not written and flushed"
}

# unflushed MODE BLOCK...: a cache c, and writes to these blocks that are acknowledged, and flushed
# by none: not by the cache either, which on a slow machine is idle afterwards and flushes. What its
# device had before is in /tmp/old.
unflushed() {
	warm 64 200 2 /tmp/data
	make_cache c 64 "metadata2 $1" smq
	dd if=/dev/f0 of=/tmp/old bs=1M iflag=direct 2> /dev/null
	unflushable f
	shift
	for b in "$@"; do
		change /tmp/data $b
		write_at /dev/mapper/c $((b * 64)) < /tmp/change
	done
}

# --- a bad block in a run that is read at once: that one goes, and no other ---
warm 64 128 2 /tmp/data
make_cache c 64 metadata2 smq migration_threshold 0
bad f $((32 * 64 + 8)) 1
read_at /dev/mapper/c $((30 * 64)) $((6 * 64)) > /tmp/got ||
	fail "a run of clean blocks with a bad sector was not read"
block /tmp/data 30 6 | cmp - /tmp/got || fail "a run of clean blocks with a bad sector"
wait_for '[ "$(st_used c)" -lt 128 ]' 10
hits=$(st_read_hits c)
for b in 30 31 33 34 35; do read_at /dev/mapper/c $((b * 64)) > /dev/null; done
assert_eq "$(st_used c) $(st_read_hits c) $(core_arg c retired_blocks)" "127 $((hits + 5)) 1" \
	"cached blocks, hits of the others, blocks retired"
good f $((32 * 64 + 8)) 1
# Many errors are over after a while: a minute later the place is tried again.
wait_for 'sleep 1; [ "$(core_arg c retired_blocks)" = 0 ]' 12
dmsetup remove c

# --- writeback: one bad block ---
warm 64 128 2 /tmp/data
make_cache c 64 metadata2 smq
assert_match "$(st_line c)" ' 1?2 (metadata2 )?writeback 2 migration_threshold 2048 smq ' \
	"the status when all is well"
ev=$(events c)
used=$(st_used c)
dmesg_mark
bad f $((5 * 64 + 8)) 1
read_at /dev/mapper/c $((5 * 64)) 64 > /tmp/got ||
	fail "a clean block with a bad sector was not read"
block /tmp/data 5 | cmp - /tmp/got || fail "a clean block with a bad sector"
wait_for '[ "$(core_arg c retired_blocks)" = 1 ]' 10
wait_for '[ "$(events c)" -gt '"$ev"' ]' 10
# It may be told before the block is given up.
assert_dmesg 'cache device [0-9:]+: 1 I/O errors, [01] of its blocks'
assert_eq "$(core_arg c cache_errors) $(core_arg c dirty_read_errors)" "1 0" "errors in the status"
read_at /dev/mapper/c $((5 * 64)) 64 > /tmp/got
block /tmp/data 5 | cmp - /tmp/got || fail "the block, once more"
assert_num "$(core_arg c cache_errors)" -le 2 "errors of the block that was dropped"
assert_num "$(st_used c)" -le "$used" "cached blocks"

# A dirty one: a reader gets the error, it stays dirty, and the log says so.
dmsetup message c 0 migration_threshold 0
change /tmp/data 7
write_at /dev/mapper/c $((7 * 64)) < /tmp/change
# Without a FLUSH a small write may be acknowledged before its block is dirty.
assert sync_of c
dirty=$(st_dirty c)
assert_num "$dirty" -ge 1 "dirty blocks"
ev=$(events c)
dmesg_mark
bad f $((7 * 64)) 8
refute read_at /dev/mapper/c $((7 * 64)) > /dev/null
read_at /dev/mapper/c $((7 * 64 + 8)) > /tmp/got ||
	fail "a good part of the dirty block was not read"
refute read_at /dev/mapper/c $((6 * 64)) 128 > /dev/null
assert_num "$(st_dirty c)" -eq "$dirty" "dirty blocks after the error"
assert_num "$(core_arg c dirty_read_errors)" -ge 1 "errors of dirty blocks in the status"
wait_for '[ "$(events c)" -gt '"$ev"' ]' 10
assert_dmesg 'reads of dirty blocks failed, the last of cache block [0-9]+\. Nothing else'
good f $((7 * 64)) 8
good f $((5 * 64 + 8)) 1
all_right "the device after bad blocks"
dmsetup message c 0 migration_threshold 2048
clean_all c 64 metadata2
same /tmp/data $ORIGIN "the origin after the dirty block was readable again"
dmsetup remove c
check_metadata $META

# --- writethrough: if the cache device fails a FLUSH, that of the origin is enough ---
# What the cache may have lost is not used.
unflushed writethrough 40 41 90
sync_of c || fail "a FLUSH that only the cache device did not do"
dd if=/tmp/old of=/dev/f0 bs=1M oflag=direct conv=fsync 2> /dev/null
all_right "writethrough, when the cache device has lost what it did not flush"
back f
dmsetup remove c
check_metadata $META

# --- writethrough: the cache device is gone; and what it has when it comes back is older ---
for mode in writethrough passthrough; do
	unflushed $mode 40
	gone f
	write_all "$mode, cache device gone"
	all_right "$mode, cache device gone"
	assert_num "$(busy 2)" -le 80 "busy CPUs in $mode, with the cache device gone"
	assert_eq "$(st_mode c)" rw "mode, with the cache device gone"
	write_all "$mode, cache device still gone"
	same /tmp/data $ORIGIN "the origin, $mode, cache device gone"
	dd if=/tmp/old of=/dev/f0 bs=1M oflag=direct conv=fsync 2> /dev/null
	back f
	all_right "$mode, cache device back"
	note "$mode: $(st_line c | cut -d' ' -f 7-)"
	dmsetup remove c
	check_metadata $META
	make_cache c 64 "metadata2 $mode" smq
	assert_eq "$(st_dirty c)" 0 "dirty blocks, loaded again after $mode"
	all_right "loaded again after $mode"
	dmsetup remove c
done

# --- writethrough: gone at the shutdown, with what was not flushed ---
dmesg_mark
unflushed writethrough 50 51 90
# Idle, it tries to make that durable, in vain, and has to know of it all the same.
wait_for "dmesg_new | grep -q 'cannot flush the data devices'" 60
gone f
dmesg_mark
dmsetup suspend c
assert_dmesg 'cannot be flushed: [0-9]+ blocks .* dropped'
dmsetup resume c
assert timeout 60 dmsetup remove c
dd if=/tmp/old of=/dev/f0 bs=1M oflag=direct conv=fsync 2> /dev/null
back f
check_metadata $META
make_cache c 64 "metadata2 writethrough" smq
assert_eq "$(st_dirty c)" 0 "dirty blocks, loaded again"
# Two groups of 64 blocks were written to, so might be lost; the others were not.
assert_num "$(st_used c)" \
	-ge 72 "blocks cached before and after the shutdown without the cache device"
all_right "loaded again after a shutdown without the cache device"

# --- what comes back is used again, nearly all of it ---
# The device failed, not its blocks: of these at most 8 are given up in a second, however many fail.
up() { cut -d. -f1 /proc/uptime; }
retired=$(core_arg c retired_blocks)
began=$(up)
gone f
write_all "cache device gone again"
read_blocks c 64 128 400
nr=$(($(core_arg c retired_blocks) - retired))
most=$((8 * ($(up) - began + 2)))
note "gone again: $nr blocks retired, $most at most"
assert_num "$nr" -le "$most" "blocks retired while the device was gone"
back f
wait_for 'read_blocks c 64 0 400; [ "$(st_used c)" -ge 200 ]' 90
note "back again: $(st_used c) of 256 blocks used, $(core_arg c retired_blocks) retired"
all_right "used again"
dmsetup remove c
check_metadata $META
