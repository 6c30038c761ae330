# SPDX-License-Identifier: GPL-2.0-only
# what: with write_allocate a stream of writes is taken while there is room, whole blocks without a
#       map of their own; sequential_threshold leaves it to the origin
# durability: yes
# needs: smp=1 mem=512
# stock: no
# timeout: 120

. /job/lib-partial.sh
devices 8 16 40
noise /tmp/want 40
free_blocks() { echo $(($(st_total c) - $(st_used c))); }
# stream BLOCK COUNT SECTORS: writes in a row, of so many sectors each
stream() {
	head -c $(($2 * 32768)) /dev/urandom > /tmp/stream
	dd if=/tmp/stream of=/tmp/want bs=32k seek="$1" conv=notrunc 2> /dev/null
	dd if=/tmp/stream of=/dev/mapper/c bs=$(($3 * 512)) seek=$(($1 * 32768)) \
		oflag=direct,seek_bytes conv=notrunc 2> /dev/null || fail "a stream from block $1 on"
}
begin() { make_cache c 64 "metadata2 writeback" "$@" write_allocate 50 migration_threshold 0; }

for policy in default smq; do
	# --- an empty cache: whole blocks by 1 MiB and one by one, and granules ---
	blank
	put /tmp/want $ORIGIN
	begin $policy
	ios=$(origin_ios)
	stream 0 128 2048
	stream 128 32 64
	assert_eq "$(core_arg c partial_allocated) $(free_blocks)" "0 $((512 - 160))" \
		"$policy: partial blocks of a stream of whole ones, and free blocks"
	stream 160 32 8
	assert_eq "$(core_arg c partial_allocated) $(free_blocks)" "32 $((512 - 192))" \
		"$policy: partial blocks of a stream of granules, and free blocks"
	assert_eq "$(origin_ios)" "$ios" "$policy: reads and writes of the origin by streams"
	assert dd if=/dev/null of=/dev/mapper/c conv=notrunc,fsync 2> /dev/null
	assert_eq "$(partials)" 0 "$policy: partial blocks after streams and a FLUSH"
	stored && fail "$policy: stored, though all blocks are whole"
	same /tmp/want /dev/mapper/c "$policy: streams into an empty cache"
	clean_all c 64 "metadata2 writeback"
	dmsetup remove c
	same /tmp/want $ORIGIN "$policy: the origin, after streams"
	check_metadata $META

	# --- a cache full of clean blocks: a stream has all of the reserve ---
	warm 64 512 2 /tmp/want
	begin $policy
	wait_for '[ $(free_blocks) = 64 ]' 20
	ios=$(origin_ios)
	stream 600 50 64
	assert_eq "$(origin_ios)" "$ios" "$policy: reads and writes of the origin, full"
	assert_eq "$(core_arg c partial_allocated)" 0 "$policy: partial blocks, full"
	same /tmp/want /dev/mapper/c "$policy: a stream into a full cache"
	dmsetup remove c

	# --- sequential_threshold: what begins a stream comes in, and the rest does not ---
	put /tmp/want $ORIGIN
	blank
	begin $policy sequential_threshold 8
	w=$(dev_writes $ORIGIN)
	stream 100 64 64
	assert_eq "$(st_used c)" 8 "$policy: blocks of a stream, of which the first eight come in"
	stream 300 64 8
	assert_eq "$(core_arg c partial_allocated)" 8 "$policy: the same, in granules"
	assert_eq "$(($(dev_writes $ORIGIN) - w))" $((56 + 56 * 8)) "$policy: writes of the origin"
	# Downwards: what goes up with gaps may count as a stream.
	for b in $(seq 719 -1 700); do put_some $b 1; done
	assert_eq "$(core_arg c partial_allocated)" 28 "$policy: scattered writes come in as before"
	dmsetup message c 0 sequential_threshold 0
	stream 1000 64 8
	assert_eq "$(core_arg c partial_allocated)" 92 "$policy: a stream, with no threshold"
	same /tmp/want /dev/mapper/c "$policy: with sequential_threshold"
	clean_all c 64 "metadata2 writeback"
	dmsetup remove c
	same /tmp/want $ORIGIN "$policy: the origin, with sequential_threshold"
done
