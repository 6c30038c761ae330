# SPDX-License-Identifier: GPL-2.0-only
# what: lvm2 of Debian 12 and 13: origin and cache extended, each device moved away (pvmove) under a
#       live cache in use
# long: a minute or two a version of lvm2
# timeout: 400

. /job/lib-lvm.sh
nb slow 48 0
nb fast 48 0
nb slow2 48 0
nb fast2 48 0
noise /tmp/first 16
noise /tmp/more 24
LV=/dev/mapper/vg-data

for debian in 12 13; do
	lvm_use $debian /dev/slow /dev/fast /dev/slow2 /dev/fast2
	cp /tmp/first /tmp/now
	quietly vgcreate -y -s 1m vg /dev/slow /dev/fast /dev/slow2 /dev/fast2
	quietly lvcreate -y -L 16m -n data vg /dev/slow
	put /tmp/now $LV
	quietly lvcreate -y --type cache-pool --poolmetadataspare n --chunksize 64k \
		--cachemode writeback -L 8m -n pool vg /dev/fast
	quietly lvconvert -y --type cache --cachepool vg/pool --poolmetadataspare n vg/data
	warm_lv $LV 16
	scribble /tmp/now $LV 1

	# Both devices move, while something writes; fio finds what it wrote.
	fio --name=m --thread --filename=$LV --direct=1 --offset=8m --size=8m --rw=randwrite \
		--bs=4k --ioengine=libaio --iodepth=2 --verify=crc32c \
		--verify_fatal=1 --time_based --runtime=40 --loops=1000 --rate_iops=200 \
		> /tmp/fio.log 2>&1 &
	pid=$!
	for d in fast slow; do
		quietly pvmove -i 1 /dev/$d /dev/${d}2
		assert_eq "$(lvm pvs --noheadings -o pv_used --nosuffix --units b /dev/$d |
			tr -d ' ')" 0 "what is left on /dev/$d"
		scribble /tmp/now $LV 2 8388608
	done
	kill -INT $pid
	wait $pid || : # 128: it was interrupted
	refute grep -E 'verify:|err=[^:]*[1-9]' /tmp/fio.log
	assert grep -q 'err= 0' /tmp/fio.log
	same /tmp/now $LV "data after pvmove" 8
	lvs_agrees vg/data
	dd if=$LV of=/tmp/now bs=1M iflag=direct 2> /dev/null

	# The origin grows.
	quietly lvextend -y -L 24m vg/data /dev/slow2
	assert_eq "$(sectors $LV)" 49152 "size of the extended volume"
	same /tmp/now $LV "data after lvextend" 16
	put /tmp/more $LV
	same /tmp/more $LV "data, written to the extended volume"

	# A cache pool lvm2 does not resize: a larger one takes its place.
	lvm_refuses "Can't resize internal logical volume" lvextend -y -L 12m vg/pool_cpool_cdata
	quietly lvconvert -y --uncache vg/data
	same /tmp/more $LV "data after --uncache"
	quietly lvcreate -y --type cache-pool --poolmetadataspare n --chunksize 64k \
		--cachemode writeback -L 12m -n pool vg /dev/fast2
	quietly lvconvert -y --type cache --cachepool vg/pool --poolmetadataspare n vg/data
	assert_eq "$(st_total vg-data)" 192 "blocks of the larger cache"
	warm_lv $LV 24
	scribble /tmp/more $LV 3
	quietly vgchange -an vg
	quietly vgchange -ay vg
	same /tmp/more $LV "data after vgchange -an and -ay"
	quietly lvconvert -y --uncache vg/data
	same /tmp/more $LV "data after --uncache"

	# A cache volume it does, while it is split off.
	quietly lvcreate -y -L 8m -n cv vg /dev/fast2
	cachevol="lvconvert -y --type cache --cachevol vg/cv --chunksize 64k --cachemode writeback --cachepolicy smq vg/data"
	quietly $cachevol
	small=$(st_total vg-data)
	warm_lv $LV 24
	scribble /tmp/more $LV 4
	lvm_refuses "Can't resize internal logical volume" lvextend -y -L 16m vg/cv_cvol
	quietly lvconvert -y --splitcache vg/data
	same /tmp/more $LV "data after --splitcache"
	quietly lvextend -y -L 16m vg/cv /dev/fast2
	quietly $cachevol
	assert_num "$(st_total vg-data)" -ge $((small + 100)) \
		"blocks of the extended cache: 8 MiB more, some of them for metadata, than $small"
	warm_lv $LV 24
	scribble /tmp/more $LV 5
	same /tmp/more $LV "data on the extended cache"
	quietly lvconvert -y --uncache vg/data
	same /tmp/more $LV "data after the last --uncache"
	quietly lvm vgremove -y vg
	quietly lvm pvremove -y /dev/slow /dev/fast /dev/slow2 /dev/fast2
done
