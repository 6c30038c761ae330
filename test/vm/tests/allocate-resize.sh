# SPDX-License-Identifier: GPL-2.0-only
# what: the cache device grows below partial blocks, live; it does not shrink over one, and does
#       when they are gone
# durability: yes
# needs: smp=1 mem=512
# stock: no
# timeout: 180

. /job/lib-partial.sh
devices 8 40 24
FAST0=$CACHE
noise /tmp/want 24
tunables="write_allocate 50 migration_threshold 0"

for format in 1 2; do
	f=$(features_of $format writeback)
	linear f $FAST0 0 16384
	CACHE=/dev/mapper/f
	blank
	put /tmp/want $ORIGIN
	# shellcheck disable=SC2086 # words
	make_cache c 64 "$f" default $tunables
	put_some 0 40
	assert sync_of c
	put_some 100 10

	# --- grown under the live cache: 256 blocks, then 1,280 ---
	dmsetup reload f --table "0 81920 linear $FAST0 0"
	dmsetup suspend c
	dmsetup suspend f
	dmsetup resume f
	# shellcheck disable=SC2086 # words
	dmsetup reload c --table "$(cache_table 64 "$f" default $tunables)"
	dmsetup resume c
	assert_eq "$(st_total c) $(partials)" "1280 50" "format $format: blocks, and partial ones"
	same /tmp/want /dev/mapper/c "format $format, grown"
	# More than could be partial before.
	put_some 200 150
	assert_eq "$(partials)" 200 "format $format: partial blocks of a grown cache"
	same /tmp/want /dev/mapper/c "format $format, written after it has grown"
	dmsetup remove c

	# --- smaller than the partial blocks are many: refused, and nothing is changed ---
	dmsetup remove f
	linear f $FAST0 0 512
	before=$(digest $META)
	# shellcheck disable=SC2086 # words
	expect_fail 'dirty|shrink|small' make_cache c 64 "$f" default $tunables
	dmsetup remove c 2> /dev/null || :
	assert_eq "$(digest $META)" "$before" "format $format: metadata after a refused shrink"
	dmsetup remove f
	linear f $FAST0 0 81920
	# shellcheck disable=SC2086 # words
	make_cache c 64 "$f" default $tunables
	assert_eq "$(partials)" 200 "format $format: partial blocks after a refused shrink"
	same /tmp/want /dev/mapper/c "format $format, after a refused shrink"

	# --- without them it shrinks ---
	clean_all c 64 "$f"
	assert_eq "$(partials)" 0 "format $format: partial blocks after cleaning"
	dmsetup remove c
	dmsetup remove f
	linear f $FAST0 0 512
	# shellcheck disable=SC2086 # words
	make_cache c 64 "$f" default $tunables
	assert_eq "$(st_total c)" 8 "format $format: blocks after shrinking"
	put_some 400 3
	same /tmp/want /dev/mapper/c "format $format, shrunk"
	clean_all c 64 "$f"
	dmsetup remove c
	dmsetup remove f
	same /tmp/want $ORIGIN "format $format, the origin"
	check_metadata $META
done
