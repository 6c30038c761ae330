# SPDX-License-Identifier: GPL-2.0-only
# what: block sizes 32 KiB, 96 KiB, 160 KiB, 1 MiB; a cache larger than the origin
# needs: smp=1
# timeout: 240

. /job/lib-cache.sh
devices 8 24 20

for bs in 64 192 320 2048; do
	blank
	make_cache c $bs metadata2 smq
	assert_num "$(st_block_size c)" -eq $bs "block size in the status"
	assert_num "$(st_total c)" -eq $((24 * 2048 / bs)) "cache blocks in the status"
	# Whole blocks go to a cold cache at once; smaller I/O follows, hits and misses.
	quiet_fio --name=w --filename=/dev/mapper/c --direct=1 --ioengine=libaio --iodepth=8 \
		--rw=randwrite \
		--bs=$((bs * 512)) --size=8m --verify=crc32c --do_verify=1
	quiet_fio --name=v --filename=/dev/mapper/c --direct=1 --ioengine=libaio --iodepth=8 \
		--rw=randwrite \
		--bsrange=4k-256k --blockalign=4k --size=16m --verify=crc32c --do_verify=1
	assert_num "$(st_used c)" -gt 0 "blocks in use with $bs sectors a block"
	d=$(digest /dev/mapper/c)
	dmsetup remove c
	make_cache c $bs metadata2 smq
	assert_eq "$(digest /dev/mapper/c)" "$d" "data after a restart, $bs sectors a block"
	clean_all c $bs metadata2
	dmsetup remove c
	assert_eq "$(digest $ORIGIN)" "$d" "data on the origin after cleaning, $bs sectors a block"
	check_metadata $META --block-size $bs
done
