# SPDX-License-Identifier: GPL-2.0-only
# what: the cache device grows and shrinks; over dirty blocks it does not, and nothing is changed by
#       the attempt
# kernels-differ: how devices change their size under a target
# needs: smp=1
# timeout: 240

. /job/lib-cache.sh
devices 8 48 64
FAST0=$CACHE
noise /tmp/data 32
noise /tmp/new 2

for format in 1 2; do
	f=$(features_of $format)
	linear f $FAST0 0 32768
	CACHE=/dev/mapper/f
	# 512 blocks, 400 mapped, all clean.
	warm 64 400 $format /tmp/data
	make_cache c 64 "$f" smq
	assert_eq "$(st_used c)/$(st_total c)" 400/512 "blocks at first"

	# Grow under the live cache: a reload with the same table, the device having grown
	# meanwhile.
	dmsetup reload f --table "0 81920 linear $FAST0 0"
	dmsetup suspend c
	dmsetup suspend f
	dmsetup resume f
	dmsetup reload c --table "$(cache_table 64 "$f" smq)"
	dmsetup resume c
	assert_eq "$(st_used c)/$(st_total c)" 400/1280 "blocks after growing"
	same /tmp/data /dev/mapper/c "data after growing"
	# The new blocks are used.
	dd if=/tmp/data of=/dev/mapper/c bs=32k skip=400 seek=400 count=600 oflag=direct \
		conv=notrunc 2> /dev/null
	assert_num "$(st_used c)" -gt 512 "blocks in use after filling a grown cache"
	same /tmp/data /dev/mapper/c "data in a grown cache"
	clean_all c 64 "$f"
	dmsetup remove c
	check_metadata $META --cache-blocks 1280
	dmsetup remove f

	# Shrink over clean blocks: their mappings are dropped, the rest stays.
	linear f $FAST0 0 32768
	make_cache c 64 "$f" smq
	assert_eq "$(st_total c)" 512 "blocks after shrinking"
	assert_num "$(st_used c)" -le 512 "blocks in use after shrinking"
	assert_num "$(st_used c)" -ge 400 "blocks in use after shrinking"
	same /tmp/data /dev/mapper/c "data after shrinking"
	dmsetup remove c
	check_metadata $META --cache-blocks 512
	dmsetup remove f

	# Shrink over dirty blocks: refused with a reason; metadata untouched, so that the right
	# device loads again.
	linear f $FAST0 0 32768
	warm 64 400 $format /tmp/data true
	dmsetup remove f
	linear f $FAST0 0 16384
	before=$(digest $META)
	expect_fail 'dirty|shrink|small' make_cache c 64 "$f" smq
	dmsetup remove c 2> /dev/null || :
	assert_eq "$(digest $META)" "$before" "metadata after a refused shrink"
	dmsetup remove f
	linear f $FAST0 0 32768
	make_cache c 64 "$f" smq migration_threshold 0
	assert_eq "$(st_used c)/$(st_dirty c)" 400/400 "blocks after a refused shrink"

	# Likewise under a live cache: reload with a smaller device is refused, the live table runs
	# on.
	linear f2 $FAST0 0 16384
	dmesg_mark
	if dmsetup reload c --table "$(CACHE=/dev/mapper/f2; cache_table 64 "$f" smq)" \
			2> /dev/null; then
		dmsetup suspend c
		refute dmsetup resume c 2> /dev/null
		dmsetup reload c --table "$(cache_table 64 "$f" smq migration_threshold 0)"
		dmsetup resume c
	fi
	assert_dmesg 'dirty|shrink|small'
	assert_eq "$(st_used c)/$(st_dirty c)" 400/400 "blocks after a refused reload"
	same /tmp/data /dev/mapper/c "data after a refused reload"
	put /tmp/new /dev/mapper/c
	clean_all c 64 "$f"
	dmsetup remove c
	same /tmp/new $ORIGIN "origin"
	dmsetup remove f2
	dmsetup remove f
	check_metadata $META
done
