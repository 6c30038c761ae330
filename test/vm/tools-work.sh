# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# The body of tools-old.sh and tools-new.sh: the tools in folder $T, of version $VERSION (0.9 or 1),
# on metadata of ours.

. /job/lib-cache.sh
devices 10 16 32
META0=$META
linear meta $META0 0 10240
META=/dev/mapper/meta
noise /tmp/data 24
noise /tmp/new 2
assert_match "$($T/cache_check -V)" "^$VERSION" "version of $T/cache_check"

# dumped DEV WHAT: how many mappings the XML has, or dirty ones
dumped() {
	$T/cache_dump "$1" > /tmp/dump.xml || fail "cache_dump $1"
	case $2 in
	mapped) grep -c '<mapping ' /tmp/dump.xml || : ;;
	dirty) grep -c 'dirty="true"' /tmp/dump.xml || : ;;
	hints) grep -c '<hint ' /tmp/dump.xml || : ;;
	esac
}

# in_use FORMAT: 400 blocks cached, 64 of them dirty, in /tmp/now what the cache holds then
in_use() {
	warm 64 400 "$1" /tmp/data
	cp /tmp/data /tmp/now
	make_cache c 64 "$(features_of "$1")" smq migration_threshold 0
	put /tmp/new /dev/mapper/c 3
	dd if=/tmp/new of=/tmp/now bs=1M seek=3 conv=notrunc 2> /dev/null
}

for format in 1 2; do
	f=$(features_of $format)
	in_use $format
	dmsetup suspend c
	used=$(st_used c) dirty=$(st_dirty c)
	dmsetup remove c
	assert_eq "$used $dirty" "400 64" "cached and dirty blocks"

	# Looked at.
	assert $T/cache_check $META > /dev/null
	assert_eq "$(dumped $META mapped) $(dumped $META hints)" "400 400" \
		"mappings and hints that cache_dump shows (format $format)"
	# 0.9 does not read the dirty bits of format 2, and shows every block as clean: not for us
	# to mend.
	[ $VERSION.$format = 0.9.2 ] ||
		assert_eq "$(dumped $META dirty)" 64 "dirty blocks that cache_dump shows"
	assert grep -q 'block_size="64" nr_cache_blocks="512" policy="smq" hint_width="4"' \
		/tmp/dump.xml

	# Put back, elsewhere: of the XML, and as a repair.
	if [ $VERSION.$format != 0.9.2 ]; then
		for how in restore repair; do
			linear m $META0 10240 10240
			zero /dev/mapper/m
			case $how in
			restore)
				if [ $VERSION = 1 ]; then
					set -- --metadata-version $format
				else
					set --
				fi
				assert $T/cache_restore -q "$@" -i /tmp/dump.xml -o /dev/mapper/m
				;;
			repair) assert $T/cache_repair -i $META -o /dev/mapper/m > /dev/null ;;
			esac
			META=/dev/mapper/m
			make_cache c 64 "$f" smq migration_threshold 0
			assert_eq "$(st_used c) $(st_dirty c)" "400 64" \
				"cached and dirty blocks after cache_$how"
			same /tmp/now /dev/mapper/c "data after cache_$how"
			dmsetup remove c
			assert $T/cache_check $META > /dev/null
			dmsetup remove m
			META=/dev/mapper/meta
		done
	fi

	# Written back with no kernel in between: the origin has everything, and the metadata says
	# so. 0.9 may only copy: when it changes metadata it breaks off and leaves them damaged,
	# those that cache_restore 1.x made too; and it finds no dirty block in format 2.
	if [ $VERSION.$format != 0.9.2 ]; then
		if [ $VERSION = 1 ]; then set --; else set -- --no-metadata-update; fi
		quietly $T/cache_writeback "$@" --metadata-device $META --fast-device $CACHE \
			--origin-device $ORIGIN
		same /tmp/now $ORIGIN "the origin after cache_writeback (format $format)"
		make_cache c 64 "$f" smq migration_threshold 0
		assert_eq "$(st_used c)" 400 "cached blocks after cache_writeback"
		if [ $VERSION = 1 ]; then want=0; else want=64; fi
		assert_eq "$(st_dirty c)" $want "dirty blocks after cache_writeback"
		same /tmp/now /dev/mapper/c "data after cache_writeback"
		dmsetup remove c
		check_metadata $META
	fi

	# needs_check, set by a cache whose metadata device fails: all writes but those of the
	# superblock.
	in_use $format
	sleep 1.5
	printf '0 8 linear %s 0\n8 10232 flakey %s 8 0 3600 1 error_writes\n' $META0 $META0 \
		> /tmp/failing
	dmsetup reload meta /tmp/failing
	dmsetup suspend meta
	dmsetup resume meta
	dmsetup message c 0 migration_threshold 2048
	read_blocks c 64 410 100
	wait_for '[ "$(st_mode c)" != rw ]' 30
	assert_eq "$(st_needs_check c)" needs_check "the status of a cache whose metadata failed"
	dmsetup reload meta --table "0 10240 linear $META0 0"
	dmsetup suspend meta
	dmsetup resume meta
	dmsetup remove c
	expect_fail 'cache_check' make_cache c 64 "$f" smq
	dmsetup remove c 2> /dev/null || :
	assert $T/cache_check --clear-needs-check-flag $META > /dev/null
	make_cache c 64 "$f" smq
	assert_eq "$(st_mode c) $(st_needs_check c)" "rw -" \
		"the mode after cache_check --clear-needs-check-flag"
	same /tmp/now /dev/mapper/c "data after cache_check --clear-needs-check-flag"
	dmsetup remove c
	check_metadata $META
done
dmsetup remove meta

# The size that cache_metadata_size names is enough, and what it is for: a cache all of whose blocks
# are in use.
size=$($T/cache_metadata_size --block-size 64 --device-size "$(sectors $CACHE)" |
	awk '{ print $1 }')
assert_match "$size" '^[0-9]+$' "what cache_metadata_size says"
linear m $META0 0 "$size"
META=/dev/mapper/m
for format in 1 2; do
	blank
	make_cache c 64 "$(features_of $format)" smq
	put /tmp/data /dev/mapper/c 0 32k
	wait_for '[ $(st_used c) -ge 500 ]' 30
	dmsetup suspend c
	dmsetup resume c
	assert_eq "$(st_mode c)" rw "mode"
	note \
		"format $format: cache_metadata_size says $((size / 8)) blocks; $(st_metadata_used c) are in use"
	same /tmp/data /dev/mapper/c "data"
	dmsetup remove c
	assert $T/cache_check $META > /dev/null
done
dmsetup remove m
