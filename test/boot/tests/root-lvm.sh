# SPDX-License-Identifier: GPL-2.0-only
# what: / on a logical volume with a cache pool, activated by lvm2 in the initramfs, with our
#       modules: clean shutdown, power cut
# disks: old:root,slow:2G,fast:96M
# boots: 4
# timeout: 400
# boot2: initrd=tools without=root,old append root=/dev/mapper/vg-root
# boot3: initrd=tools without=root,old append root=/dev/mapper/vg-root
# boot4: initrd=tools without=root,old append root=/dev/mapper/vg-root
# files: test/boot/root-files.sh

. /run/job/root-files.sh
on_cache() {
	assert_eq "$(findmnt -no SOURCE /)" /dev/mapper/vg-root "what is mounted as /"
	assert_eq "$(dmsetup table vg-root | awk '{ print $3 }')" cache "its target"
	assert_eq "$(cat /sys/module/dm_cache/srcversion)" \
		"$(modinfo -F srcversion "$(modinfo -n dm-cache)")" \
		"the dm-cache that the initramfs loaded"
	assert_match "$(modinfo -n dm-cache)" /updates/ "where dm-cache is from"
	assert_eq "$(lvs --noheadings -o kernel_cache_policy,cache_mode vg/root | tr -s ' ')" \
		" smq writeback" "what lvs says of it"
	assert_eq "$(systemctl --failed --no-legend --plain | awk '{ print $1 }')" "" \
		"units that failed"
}

case $BOOT in
1)
	vgcreate -q -y vg $D-slow $D-fast
	lvcreate -q -y -L 1600m -n root vg $D-slow
	dd if=$D-old of=/dev/vg/root bs=1M conv=sparse,fsync 2> /dev/null
	mount /dev/vg/root /mnt
	echo "/dev/mapper/vg-root / ext4 errors=remount-ro 0 1" > /mnt/etc/fstab
	umount /mnt
	lvcreate -q -y --type cache-pool --poolmetadataspare n --chunksize 64k \
		--cachemode writeback --cachepolicy smq -L 72m -n pool vg $D-fast
	lvconvert -q -y --type cache --cachepool vg/pool --poolmetadataspare n vg/root
	assert_eq "$(dmsetup table vg-root | awk '{ print $3 }')" cache \
		"the target of what will be /"
	;;
2)
	on_cache
	root_write
	dmsetup status vg-root
	;;
3)
	on_cache
	root_same
	root_cut
	;;
4)
	on_cache
	root_same_after_cut
	[ "$(lvs --noheadings -o cache_read_hits vg/root)" -gt 0 ] ||
		fail "no read of / was a hit: $(dmsetup status vg-root)"
	assert lvconvert -q -y --uncache vg/root
	assert_eq "$(dmsetup table vg-root | awk '{ print $3 }')" linear \
		"the target of / without its cache"
	(cd /root && echo 3 > /proc/sys/vm/drop_caches && assert md5sum -c --quiet sum)
	;;
esac
