# SPDX-License-Identifier: GPL-2.0-only
# what: a suspend flushes what was written back before it records that (R2); one that cannot flush
#       the origin or the cache device is no clean shutdown, and says so (R4); both formats
# kernels-differ: suspend, and how devices are told to flush
# durability: yes
# timeout: 240

. /job/lib-fail.sh
below_all "8 4" "16 4" "32 4"
noise /tmp/data 16

for format in 1 2; do
	f=$(features_of $format)
	# What is written back while the suspend waits for it is flushed before it is recorded
	# clean: writes to the origin hang until it waits.
	warm 64 256 $format /tmp/data true
	slow s 600000
	trace_start /dev/s0 /dev/m0
	make_cache c 64 "$f" cleaner
	wait_for '[ "$(dmsetup status --noflush s | cut -d" " -f5)" -ge 4 ]' 30
	dmsetup suspend c &
	suspending=$!
	wait_for 'grep -q "^State:.D" /proc/$suspending/status' 30
	back s
	assert wait $suspending
	trace_stop
	awk '$1 == "s0" && $2 ~ /W/ && $4 > 0 { unsafe = 1; n++ }
		$1 == "s0" && $2 ~ /^F/ { unsafe = 0 }
		$1 == "m0" && $2 ~ /W/ && $3 == 0 && $4 > 0 { commits++; bad = unsafe }
		END { print n + 0, commits + 0, bad + 0 }' /tmp/trace > /tmp/sum
	read -r n commits bad < /tmp/sum
	note "format $format: $n writes to the origin, $commits commits"
	assert_num "$n" -ge 4 "writes to the origin by cleaning"
	assert_num "$commits" -ge 1 "commits"
	assert_eq "$bad" 0 "commits at the suspend before the origin was flushed"
	dmsetup resume c
	dmsetup remove c
	check_metadata $META

	for which in none s f; do
		warm 64 256 $format /tmp/data
		make_cache c 64 "$f" smq migration_threshold 0
		# One write to each device that no FLUSH follows: not an idle cache's own either,
		# which a slow machine gives time for.
		[ $which = none ] || unflushable $which
		page "hit $which" | write_at /dev/mapper/c $((9 * 64))
		page "miss $which" | write_at /dev/mapper/c $((300 * 64))
		dmsetup suspend c || :
		[ $which = none ] || back $which
		dmsetup remove c
		check_metadata $META
		dmesg_mark
		make_cache c 64 "$f" smq migration_threshold 0
		if [ $which = none ]; then
			if dmesg_new | grep -q 'not shut down cleanly'; then
				fail "a clean shutdown was not: $(dmesg_new)"
			fi
		elif [ "$STOCK" = 0 ]; then
			assert_dmesg 'not shut down cleanly'
		fi
		assert_num "$(st_dirty c)" -ge 1 "dirty blocks"
		page "hit $which" > /tmp/want
		read_at /dev/mapper/c $((9 * 64)) | cmp - /tmp/want ||
			fail "$which: the write that hit"
		page "miss $which" > /tmp/want
		read_at /dev/mapper/c $((300 * 64)) | cmp - /tmp/want ||
			fail "$which: the write that missed"
		clean_all c 64 "$f"
		dmsetup remove c
		check_metadata $META
	done
done
