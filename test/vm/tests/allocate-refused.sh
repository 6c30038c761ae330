# SPDX-License-Identifier: GPL-2.0-only
# what: each write that cannot have a partial block is counted once, under the reason, and goes to
#       the origin
# needs: smp=1 mem=512
# stock: no
# timeout: 120
# files: test/tools/fill-metadata.py

. /job/lib-partial.sh
devices 8 16 24
noise /tmp/want 24
reasons="unaligned no_room no_free not_wanted no_metadata"

counts() { for _r in allocated $reasons; do core_arg c partial_$_r; done | xargs; }
# refused REASON SECTOR SECTORS WHAT: such a write is, for this reason alone
refused() {
	_want=
	for _r in allocated $reasons; do
		_n=$(core_arg c partial_$_r)
		[ $_r != $1 ] || _n=$((_n + 1))
		_want="$_want${_want:+ }$_n"
	done
	ios=$(origin_ios)
	put_at "$2" "$3" || fail "$4: not written"
	assert_eq "$(counts)" "$_want" "$4: allocated, $reasons"
	assert_eq "$(origin_ios)" "${ios% *} $((${ios#* } + 1))" \
		"$4: reads and writes of the origin"
	same /tmp/want /dev/mapper/c "$4"
	note "$1: $4"
}
# begin POLICY [ARGS]: a cache in which nothing moves by itself
begin() {
	policy=$1
	shift
	make_cache c 64 "metadata2 writeback" $policy write_allocate 50 migration_threshold 0 "$@"
}
fresh() {
	blank
	put /tmp/want $ORIGIN
	begin "$@"
}

fresh default
put_some 0 3
assert_eq "$(core_arg c partial_allocated)" 3 "allocated"
refused unaligned $((100 * 64 + 3)) 1 "a part of a granule"
refused unaligned $((101 * 64 + 4)) 8 "parts of two granules"
# 5 of 512 blocks is 1 per cent.
dmsetup message c 0 write_allocate 1
put_some 10 2
refused no_room $((200 * 64)) 8 "one more than may be partial"
dmsetup message c 0 write_allocate 50
put_at $((200 * 64)) 8
assert_eq "$(core_arg c partial_allocated)" 6 "allocated, with a higher bound"
clean_all c 64 "metadata2 writeback"
dmsetup remove c
check_metadata $META

# The policy says no, though a block is free: for a stream; and the cleaner to all.
fresh smq sequential_threshold 2
put_at $((300 * 64)) 8
put_at $((301 * 64)) 8
assert_eq "$(core_arg c partial_allocated)" 2 "allocated for what began a stream"
refused not_wanted $((302 * 64)) 8 "the third bio of a stream"
dmsetup remove c
fresh cleaner
refused not_wanted $((303 * 64)) 8 "a write under the cleaner"
dmsetup remove c

# All blocks are dirty, so none is free, and none can be removed.
for policy in default cleaner; do
	warm 64 512 2 /tmp/want true
	begin $policy
	refused no_free $((600 * 64 + 8)) 16 "a full cache of dirty blocks under $policy"
	dmsetup remove c
done

# The last free block is left to promotions.
for policy in default cleaner; do
	warm 64 511 2 /tmp/want true
	begin $policy
	refused no_free $((610 * 64)) 8 "the last free block under $policy"
	dmsetup remove c
done

# A commit that finds no room would end all changes, so 64 blocks of metadata stay free.
fresh default
dmsetup remove c
note "$(python3 -I /job/fill-metadata.py $META 64)"
begin default
refused no_metadata $((400 * 64)) 8 "metadata with 64 free blocks"
assert_eq "$(st_mode c)" rw "the mode"
dmsetup remove c
