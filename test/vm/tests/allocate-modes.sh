# SPDX-License-Identifier: GPL-2.0-only
# what: partial blocks when the table, the mode, the policy or the size changes, and under discards:
#       nothing is lost, and no old data comes back
# durability: yes
# needs: smp=1 mem=512
# stock: no
# timeout: 240

. /job/lib-partial.sh
devices 8 16 24
noise /tmp/want 24
put /tmp/want $ORIGIN
tunables="write_allocate 50 migration_threshold 0"

for format in 1 2; do
	f=$(features_of $format writeback)
	blank
	put /tmp/want $ORIGIN
	# shellcheck disable=SC2086 # words
	make_cache c 64 "$f" default $tunables
	put_some 0 40
	dmsetup suspend c
	stored || fail "not stored when suspended"
	dmsetup resume c
	put_some 30 20
	dmsetup suspend --noflush --nolockfs c
	dmsetup resume c
	same /tmp/want /dev/mapper/c "format $format, suspended and resumed"
	# Other policies take them over.
	for policy in smq mq cleaner default; do
		# shellcheck disable=SC2086 # words
		reload_cache c 64 "$f" $policy $tunables
		same /tmp/want /dev/mapper/c "format $format, under $policy"
		put_some 60 5
	done
	n=$(partials)
	assert_num "$n" -gt 20 "partial blocks, format $format"
	expect_fail 'dirty blocks' dmsetup reload c --table \
		"$(cache_table 64 "$(features_of $format passthrough)" smq)"
	dmsetup clear c

	# writethrough: a write to a partial block reaches the origin, and so does what it held
	# shellcheck disable=SC2086 # words
	reload_cache c 64 "$(features_of $format writethrough)" smq $tunables
	put_at $((10 * 64)) 8
	put_at $((11 * 64 + 3)) 2
	put_at $((12 * 64)) 64
	for b in 10 11 12; do
		block /tmp/want $b > /tmp/block
		read_at $ORIGIN $((b * 64)) 64 | cmp - /tmp/block ||
			fail "writethrough: block $b of the origin"
	done
	assert_eq "$(partials)" $((n - 3)) "partial blocks, after writes in writethrough mode"
	same /tmp/want /dev/mapper/c "format $format, in writethrough mode"

	# shellcheck disable=SC2086 # words
	reload_cache c 64 "$f" default $tunables
	# Discards: of a part, of the whole; what is written afterwards is read, and what was not
	# discarded stays.
	for b in 13 14 15; do put_at $((b * 64)) 24; done
	blkdiscard -o $((13 * 32768)) -l 8192 /dev/mapper/c
	blkdiscard -o $((14 * 32768)) -l 32768 /dev/mapper/c
	blkdiscard -o $((15 * 32768)) -l 32768 /dev/mapper/c
	blkdiscard -o $((500 * 32768)) -l 65536 /dev/mapper/c
	put_at $((13 * 64)) 16
	put_at $((14 * 64)) 64
	put_at $((15 * 64)) 40
	put_at $((15 * 64 + 40)) 24
	put_at $((500 * 64)) 8
	put_at $((500 * 64 + 8)) 56
	put_at $((501 * 64)) 64
	same /tmp/want /dev/mapper/c "format $format, after discards"

	# A smaller cache: refused while blocks beyond it are dirty, as all partial ones are.
	clean_all c 64 "$f"
	assert_eq "$(partials)" 0 "partial blocks after cleaning, format $format"
	dmsetup remove c
	same /tmp/want $ORIGIN "format $format, the origin"
	stored && fail "still stored after cleaning"
	check_metadata $META
done

# --- many writes at once to partial blocks that have to go, more than there are migrations ---
blank
# shellcheck disable=SC2086 # words
make_cache c 64 "metadata2 writeback" smq $tunables
# many AT PATTERN: 4 KiB at this place of each of 200 blocks, to c and into /tmp/want
many() {
	for to in "/dev/mapper/c --direct=1 --ioengine=libaio --iodepth=256 --iodepth_batch=256" \
		/tmp/want; do
		# shellcheck disable=SC2086 # words
		quiet_fio --name=m --filename=$to --rw=write:28k --bs=4k --offset=$((3200 + $1))k \
			--size=6400k --number_ios=200 --buffer_pattern=$2 --allow_file_create=0
	done
}
many 0 0x61
assert_eq "$(partials)" 200 "partial blocks"
# shellcheck disable=SC2086 # words
reload_cache c 64 "metadata2 writethrough" smq $tunables
many 4 0x62
assert_eq "$(partials)" 0 "partial blocks that were written to in writethrough mode"
same /tmp/want /dev/mapper/c "many writes at once to partial blocks"
dmsetup remove c
same /tmp/want $ORIGIN "the origin, many writes at once to partial blocks"
