# SPDX-License-Identifier: GPL-2.0-only
# what: a write that misses goes to a partial block and not to the origin; it is read, filled,
#       bounded, cleaned; while one is stored the kernel's own module refuses the metadata
# kernels-differ: the kernel's own dm-cache is another
# durability: yes
# needs: smp=1 mem=512
# stock: no
# timeout: 240

. /job/lib-partial.sh
devices 8 16 24
noise /tmp/want 24
put /tmp/want $ORIGIN
blank
tunables="default write_allocate 50 migration_threshold 0"
# shellcheck disable=SC2086 # words
make_cache c 64 "metadata2 writeback" $tunables
table=$(dmsetup table c)

# --- nothing of the origin is touched: granules, several of one block, whole blocks, many ---
ios=$(origin_ios)
put_some 0 100
put_at $((3 * 64 + 32)) 16
put_at $((120 * 64)) 64
put_at $((130 * 64)) 1024
assert_eq "$(origin_ios)" "$ios" "reads and writes of the origin"
assert_eq "$(core_arg c partial_allocated)" 100 "allocated"
same /tmp/want /dev/mapper/c "from the cache and the origin"

# --- a FLUSH records them: those that are whole are no longer partial ---
dd if=/dev/null of=/dev/mapper/c conv=notrunc,fsync 2> /dev/null
assert stored
assert_eq "$(partials)" 100 "partial blocks after a FLUSH"
put_at $((101 * 64)) 8 oflag=dsync
put_at $((101 * 64 + 8)) 56
dd if=/dev/null of=/dev/mapper/c conv=notrunc,fsync 2> /dev/null
assert_eq "$(partials)" 100 "partial blocks, after one more was written in two parts"

# --- a part of a granule: the block is filled first ---
put_at $((5 * 64 + 61)) 1
put_at $((6 * 64 + 13)) 22
assert_eq "$(core_arg c partial_filled) $(partials)" "2 98" "filled for writes, partial blocks"
# --- as many as may be, and no more ---
dmsetup message c 0 write_allocate 10
put_some 200 100
assert_num "$(core_arg c partial_no_room)" -gt 0 "refused at the bound"
dmsetup message c 0 write_allocate 0
n=$(core_arg c partial_allocated)
put_some 400 5
assert_eq "$(core_arg c partial_allocated)" "$n" "allocated when it is off"
expect_fail 'write_allocate: .51. is no percentage' dmsetup message c 0 write_allocate 51
expect_fail 'write_allocate: .x. is no percentage' dmsetup message c 0 write_allocate x
same /tmp/want /dev/mapper/c "at the bound"

# --- a read that comes again fills ---
keep_busy c 120
# A fill waits for its turn among the promotions that the threshold lets in now.
wait_for 'read_at /dev/mapper/c $((7 * 64)) > /dev/null; [ $(core_arg c partial_filled) -ge 3 ]' 20
dmsetup message c 0 migration_threshold 0
kill $reader
wait $reader || :
same /tmp/want /dev/mapper/c "after fills"

# --- loaded again, also by a table that does not allocate; refused by the kernel's own ---
dmsetup remove c
assert stored
dmsetup create c --table "$table"
same /tmp/want /dev/mapper/c "loaded again"
dmsetup remove c
# Nothing is copied: on a slow machine a cache is idle meanwhile.
make_cache c 64 "metadata2 writeback" smq migration_threshold 0
n=$(partials)
assert_num "$n" -gt 0 "partial blocks of a table that makes none"
same /tmp/want /dev/mapper/c "loaded without write_allocate"
dmsetup remove c
use_kernels
expect_fail 'incompat|unsupported' make_cache c 64 "metadata2 writeback" smq
use_ours

# --- the cleaner leaves none, and the kernel's own module takes it; and back ---
clean_all_made() {
	make_cache c 64 "metadata2 writeback" cleaner
	wait_for '[ $(st_dirty c) = 0 ]' 60
}
clean_all_made
assert_eq "$(partials) $(core_arg c partial_dropped)" "0 $n" "partial blocks after cleaning"
same /tmp/want /dev/mapper/c "after it was cleaned"
same /tmp/want $ORIGIN "the origin"
dmsetup remove c
stored && fail "still stored after cleaning"
check_metadata $META
use_kernels
make_cache c 64 "metadata2 writeback" smq
same /tmp/want /dev/mapper/c "by the kernel's own module"
dmsetup remove c
use_ours
dmsetup create c --table "$table"
put_some 300 20
same /tmp/want /dev/mapper/c "with ours again"

# --- idle: none is left ---
dmsetup message c 0 migration_threshold 2048
wait_for '[ "$(partials) $(st_dirty c)" = "0 0" ]' 60
dmsetup suspend c
stored && fail "still stored when idle"
same /tmp/want $ORIGIN "the origin, after idleness"
dmsetup resume c
