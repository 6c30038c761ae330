# SPDX-License-Identifier: GPL-2.0-only
# what: writethrough: origin and cache are equal after every write, nothing is ever dirty; both
#       formats
# needs: smp=1
# timeout: 240

. /job/lib-cache.sh
devices 8 16 24
noise /tmp/old 16

for format in 1 2; do
	cp /tmp/old /tmp/now
	warm 64 256 $format /tmp/old
	make_cache c 64 "$(features_of $format writethrough)" smq
	# Cached, half cached and uncached; aligned and not; one sector up to many blocks.
	i=0
	for at in 0 71 500 16380 20000; do
		for len in 1 63 300; do
			i=$((i + 1))
			yes "$format $at $len" | head -c $((len * 512)) > /tmp/piece
			write_at /dev/mapper/c $at < /tmp/piece
			dd if=/tmp/piece of=/tmp/now bs=512 seek=$at conv=notrunc 2> /dev/null
			read_at $ORIGIN $at $len | cmp - /tmp/piece ||
				fail "origin differs after write $i: $len sectors at $at"
			read_at /dev/mapper/c $at $len | cmp - /tmp/piece ||
				fail "cache differs after write $i: $len sectors at $at"
			assert_num "$(st_dirty c)" \
				-eq 0 "dirty blocks after write $i in writethrough"
		done
	done
	assert_num "$(st_write_hits c)" -gt 10 "write hits"
	same /tmp/now $ORIGIN "the origin after all writes"
	same /tmp/now /dev/mapper/c "the cache after all writes"

	# In parallel, over the same blocks.
	quiet_fio --name=w --filename=/dev/mapper/c --direct=1 --ioengine=libaio --iodepth=16 \
		--rw=randwrite --bs=4k --size=12m \
		--io_size=8m --verify=crc32c --do_verify=1
	assert_num "$(st_dirty c)" -eq 0 "dirty blocks in writethrough after load"
	assert_eq "$(digest /dev/mapper/c)" "$(digest $ORIGIN)" \
		"cache and origin after parallel writes"
	dmsetup remove c
	check_metadata $META
	meta_dump $META > /tmp/xml
	refute grep -q 'dirty="true"' /tmp/xml
done
