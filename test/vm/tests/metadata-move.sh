# SPDX-License-Identifier: GPL-2.0-only
# what: the metadata moves to a larger device, with cache_repair, and with cache_dump and
#       cache_restore; both formats
# long: 20 s, and what it shows seldom changes

. /job/lib-cache.sh
devices 24 16 24
META0=$META
noise /tmp/data 24
noise /tmp/new 1

for format in 1 2; do
	f=$(features_of $format)
	linear m $META0 0 16384
	META=/dev/mapper/m
	warm 64 400 $format /tmp/data
	make_cache c 64 "$f" smq migration_threshold 0
	put /tmp/new /dev/mapper/c 2
	cp /tmp/data /tmp/now
	dd if=/tmp/new of=/tmp/now bs=1M seek=2 conv=notrunc 2> /dev/null
	assert_eq "$(st_dirty c)" 32 "dirty blocks"
	dmsetup remove c
	for how in repair restore; do
		linear larger $META0 16384 32768
		zero /dev/mapper/larger
		case $how in
		repair) assert /tpt1/cache_repair -i $META -o /dev/mapper/larger > /dev/null ;;
		restore)
			/tpt1/cache_dump $META > /tmp/meta.xml
			assert /tpt1/cache_restore -q --metadata-version $format -i /tmp/meta.xml \
				-o /dev/mapper/larger
			;;
		esac
		META=/dev/mapper/larger
		make_cache c 64 "$f" smq migration_threshold 0
		assert_eq "$(st_metadata_total c)" 4096 \
			"metadata blocks on the larger device ($how)"
		assert_eq "$(st_used c)/$(st_dirty c)" 400/32 "blocks, metadata moved with $how"
		same /tmp/now /dev/mapper/c "data, metadata moved with $how"
		dmsetup remove c
		check_metadata $META --cache-blocks 512
		dmsetup remove larger
		META=/dev/mapper/m
	done
	dmsetup remove m
done
