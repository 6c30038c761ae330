# SPDX-License-Identifier: GPL-2.0-only
# what: with write_allocate a cache full of clean blocks keeps a reserve of free ones, made by a
#       hundred and more removals in one commit; a burst of writes goes there, not to the origin
# durability: yes
# needs: smp=2 mem=768
# stock: no
# timeout: 240

. /job/lib-partial.sh
devices 8 64 112
noise /tmp/want 112
free_blocks() { echo $(($(st_total c) - $(st_used c))); }

for policy in default smq s3fifo; do
	warm 64 2048 2 /tmp/want
	# Nothing is written back by the way: then only what is meant to touches the origin.
	make_cache c 64 "metadata2 writeback" $policy migration_threshold 0
	put_some 2048 5
	assert_eq "$(free_blocks) $(st_demotions c)" "0 0" "free blocks, and blocks removed, without it"

	# --- the reserve: a quarter of what may be partial, at most 256 ---
	f=$(dev_flushes $META) ios=$(origin_ios)
	dmsetup message c 0 write_allocate 50
	wait_for '[ $(free_blocks) = 256 ]' 20
	f=$(($(dev_flushes $META) - f))
	note "$policy: 256 blocks removed, $f flushes of the metadata device"
	assert_num "$f" -le 6 "metadata flushes for so many removals"
	# What is smaller has a smaller one; and it is not filled beyond what is asked for.
	dmsetup message c 0 write_allocate 10
	put_some 2060 60
	assert_eq "$(free_blocks)" 196 "free blocks, when a quarter of 204 are to be"

	# --- a burst, larger than the reserve ---
	dmsetup message c 0 write_allocate 50
	f=$(dev_flushes $META) d=$(st_demotions c)
	assert_eq "$(origin_ios)" "$ios" "reads and writes of the origin"
	quiet_fio --name=w --filename=/dev/mapper/c --direct=1 --ioengine=libaio --iodepth=16 \
		--rw=randwrite --bs=4k --blockalign=32k --offset=70m --size=30m --norandommap=0 \
		--randseed=1
	n=$(core_arg c partial_allocated)
	note "$policy: $n allocated, $(($(st_demotions c) - d)) removed, $(($(dev_flushes $META) - f)) flushes"
	assert_num "$n" -ge 700 "allocated"
	assert_eq "$(origin_ios)" "$ios" "reads and writes of the origin, after a burst"
	dmsetup suspend c
	assert stored
	dmsetup resume c
	dd if=/dev/mapper/c of=/tmp/now bs=1M iflag=direct 2> /dev/null
	dmsetup remove c
	make_cache c 64 "metadata2 writeback" cleaner
	wait_for '[ "$(partials) $(st_dirty c)" = "0 0" ]' 60
	dmsetup remove c
	dd if=$ORIGIN bs=1M iflag=direct 2> /dev/null | cmp - /tmp/now ||
		fail "$policy: the origin differs from what was there"
	stored && fail "still stored after cleaning"
	check_metadata $META
done

# --- the cleaner has none to name, and a cache that allocates none loses none ---
warm 64 2048 2 /tmp/want
make_cache c 64 "metadata2 writeback" cleaner write_allocate 50
put_some 2048 5
assert_eq "$(free_blocks)" 0 "free blocks of the cleaner"
