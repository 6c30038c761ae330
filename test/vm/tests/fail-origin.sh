# SPDX-License-Identifier: GPL-2.0-only
# what: origin errors fail only bios that need the origin; copies that fail change nothing, and come
#       later, without spinning
# timeout: 180
# long: some fifteen states of the origin, each watched for seconds; 45 s of CPU
# stock: no

. /job/lib-fail.sh
below_all 8 "8 8" "16 16"
noise /tmp/data 16

# whole BLOCK WHAT: it is read in one piece, and right
whole() {
	read_at /dev/mapper/c $(($1 * 64)) 64 > /tmp/got || fail "$2: block $1 was not read"
	block /tmp/data "$1" | cmp - /tmp/got || fail "$2: block $1"
}
# put_page BLOCK SECTOR: 4 KiB of news to that sector of the block; into the file only if that
# succeeds
put_page() {
	page "news of $1" | write_at /dev/mapper/c $(($1 * 64 + $2)) || return 1
	page "news of $1" | dd of=/tmp/data bs=512 seek=$(($1 * 64 + $2)) conv=notrunc 2> /dev/null
}
threshold() { dmsetup message c 0 migration_threshold "$1"; }
# calm NAME MOST WHAT: so many I/Os in 4 s at most, and no CPU that is always busy
calm() {
	_n=$(ios "$1")
	assert_num "$(busy 4)" -le 80 "busy CPUs, $3"
	assert_num $(($(ios "$1") - _n)) -le "$2" "I/Os in 4 s, $3"
}

# --- reads and writes: a bad block that is not cached, and one that is ---
warm 64 64 2 /tmp/data
make_cache c 64 metadata2 lru
dmesg_mark
bad s $((300 * 64 + 8)) 8
bad s $((5 * 64)) 64
refute read_at /dev/mapper/c $((300 * 64 + 8)) > /dev/null
refute put_page 300 8
assert put_page 300 0
whole 5 "cached, bad on the origin"
assert put_page 5 16
whole 5 "written, bad on the origin"
# Each of these asks for a promotion of block 300, which cannot be copied.
for i in 1 2 3 4 5 6 7 8; do
	read_at /dev/mapper/c $((300 * 64)) > /tmp/got ||
		fail "a good sector of a bad block was not read"
	page "news of 300" | cmp - /tmp/got || fail "a good sector of a bad block"
	sleep 0.2
done
calm s 40 "promotions failing"
assert_eq "$(st_used c) $(st_mode c) $(core_arg c cache_errors)" "64 rw 0" \
	"blocks cached, mode, errors of the cache device"
assert_num "$(core_arg c origin_errors)" -ge 3 "errors of the origin"
wait_for 'dmesg_new | grep -Eq "origin device [0-9:]+: [0-9]+ I/O errors: requests to it fail"' 10
assert_num "$(st_dirty c)" -ge 1 "dirty blocks over a bad origin block"
good s $((5 * 64)) 64
good s $((300 * 64 + 8)) 8
wait_for 'read_at /dev/mapper/c $((300 * 64)) > /dev/null; [ "$(st_used c)" -ge 65 ]' 40
gone s
whole 300 "promoted when the origin was good again"
refute read_at /dev/mapper/c $((400 * 64)) > /dev/null
back s

# --- FLUSH: an error until the origin has done it, and none after writes to the cache device alone
# ---
threshold 0
sleep 0.5
assert sync_of c
put_page 450 0
unflushable s
refute sync_of c
refute sync_of c
back s
assert sync_of c
unflushable s
put_page 6 0
assert sync_of c
back s

# --- DISCARD: what failed is not taken for discarded, or this write would be cached in a block of
# zeroes ---
bad s $((400 * 64)) 8
refute blkdiscard -o $((400 * 32768)) -l 32768 /dev/mapper/c 2> /dev/null
good s $((400 * 64)) 8
threshold 2048
put_page 400 24
wait_for 'read_at /dev/mapper/c $((400 * 64)) > /dev/null; [ "$(st_used c)" -ge 66 ]' 20
whole 400 "written after a discard that failed"

# --- writeback: the block that cannot be written stays dirty, and no other, though null_blk fails
# merged requests as a whole ---
threshold 0
change /tmp/data 0 32
dd if=/tmp/change of=/dev/mapper/c bs=32k oflag=direct conv=notrunc 2> /dev/null
bad s $((7 * 64 + 8)) 1
reload_cache c 64 metadata2 cleaner
wait_for '[ "$(st_dirty c)" = 1 ]' 30
calm s 40 "one writeback failing"
assert_eq "$(st_dirty c)" 1 "dirty blocks, one bad on the origin"
same /tmp/data /dev/mapper/c "with a block that cannot be written back"
good s $((7 * 64 + 8)) 1
wait_for '[ "$(st_dirty c)" = 0 ]' 30
dmsetup remove c
same /tmp/data $ORIGIN "the origin, good again"

# --- demotions whose copies the origin cannot make durable: no block leaves ---
warm 64 256 2 /tmp/data true
dd if=/dev/zero of=$ORIGIN bs=1M count=8 oflag=direct conv=notrunc 2> /dev/null
# From before the first writeback on: what is written back and flushed may go.
unflushable s
make_cache c 64 metadata2 lru
dmesg_mark
for i in 1 2 3 4; do
	read_blocks c 64 256 200
	sleep 0.5
done
# All 256 may fail; a policy lets 32 do so in a second.
calm s 200 "demotions failing"
assert_eq "$(st_demotions c) $(st_used c)" "0 256" \
	"demotions, and blocks cached, over an origin that does not flush"
assert_dmesg 'cannot flush the origin device \(-[0-9]+\): not demoting'
same /tmp/data /dev/mapper/c "with demotions that failed"
back s
wait_for 'read_blocks c 64 256 200; [ "$(st_demotions c)" -ge 10 ]' 60
same /tmp/data /dev/mapper/c "after demotions, the origin good again"
clean_all c 64 metadata2
dmsetup remove c
same /tmp/data $ORIGIN "the origin, all clean"
check_metadata $META
