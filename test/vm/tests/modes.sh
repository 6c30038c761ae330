# SPDX-License-Identifier: GPL-2.0-only
# what: from each of the three modes to each other, live and by a new assembly, both formats: what
#       was written before and after is read
# long: a minute; data and passthrough are the short ones
# timeout: 240
# stock: no

. /job/lib-stack.sh
PIECES=8
devices 8 12 24 8

# to MODE live|anew
to() {
	if [ "$1" = passthrough ] && [ "$(st_dirty c)" != 0 ]; then
		# Refused with the reason; what runs goes on as it was.
		expect_fail "dirty blocks: clean them first" dmsetup reload c \
			--table "$(cache_table 64 "$f passthrough" smq)"
		assert_match "$(st_line c)" " $mode " "the mode after a switch that was refused"
		dmsetup clear c
		dmsetup resume c
		same /tmp/data /dev/mapper/c "after a switch that was refused"
		reload_cache c 64 "$f $mode" cleaner
		wait_for '[ "$(st_dirty c)" = 0 ]' 60
	fi
	if [ "$2" = live ]; then
		reload_cache c 64 "$f $1" smq migration_threshold 0
	else
		dmsetup remove c
		check_metadata $META
		make_cache c 64 "$f $1" smq migration_threshold 0
	fi
	mode=$1
	assert_match "$(st_line c)" " $1 " "the mode in the status"
}

for format in 1 2; do
	f=$(features_of $format)
	noise /tmp/data 4
	for how in live anew; do
		warm 64 100 $format /tmp/data
		mode=writeback
		make_cache c 64 "$f $mode" smq migration_threshold 0
		# Each ordered pair of modes once.
		for next in writethrough writeback passthrough writethrough passthrough \
			writeback; do
			agrees /tmp/data /dev/mapper/c "format $format, $how, in $mode"
			[ $mode != writeback ] || assert_num "$(st_dirty c)" \
				-ge 1 "dirty blocks in writeback"
			was=$mode
			to $next $how
			same /tmp/data /dev/mapper/c "format $format, $how, from $was to $next"
			[ $next != passthrough ] ||
				same /tmp/data $ORIGIN \
				"format $format, $how: the origin in passthrough"
		done
		agrees /tmp/data /dev/mapper/c "format $format, $how, at the end"
		clean_all c 64 "$f"
		dmsetup remove c
		check_metadata $META
		same /tmp/data $ORIGIN "format $format, $how: the origin alone"
	done
done
