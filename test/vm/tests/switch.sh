# SPDX-License-Identifier: GPL-2.0-only
# what: policy and mode switched by reload while fio writes and verifies; both formats
# timeout: 240

. /job/lib-cache.sh
devices 8 8 24
policies="smq cleaner smq mq smq cleaner mq default"
[ "$STOCK" = 0 ] || policies="smq cleaner smq cleaner default"

for format in 1 2; do
	blank
	make_cache c 64 "$(features_of $format)" mq
	verify_load 8 8
	for p in $policies; do
		reload_cache c 64 "$(features_of $format)" $p
		[ $p = default ] || assert_eq "$(st_policy c)" $p "policy after a reload"
		sleep 0.3
	done
	for mode in writethrough writeback writethrough writeback; do
		reload_cache c 64 "$(features_of $format $mode)" smq
		sleep 0.3
		if [ $mode = writethrough ]; then
			# What was dirty before gets clean in time, nothing new gets dirty.
			n=$(st_dirty c)
			sleep 0.3
			assert_num "$(st_dirty c)" -le "$n" \
				"dirty blocks some time after the switch to writethrough"
		fi
	done
	verify_end
	note "format $format: $(dmsetup status c | cut -d' ' -f4-14)"
	d=$(digest /dev/mapper/c)
	clean_all c 64 "$(features_of $format)"
	assert_eq "$(digest $ORIGIN)" "$d" "the origin when clean"
	dmsetup remove c
	check_metadata $META
done
