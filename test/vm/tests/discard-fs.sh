# SPDX-License-Identifier: GPL-2.0-only
# what: mkfs and fstrim of ext4 and xfs on a cache, passed down and not: what is trimmed goes, files
#       stay, new ones are cached without a read, over a restart too
# long: two minutes; discard is the short one
# needs: mem=1024
# timeout: 300
# stock: no

. /job/lib-cache.sh
modprobe -a ext4 xfs
devices 8 96 400

# files DIR N SEED: N files of 256 KiB, and their sums
files() {
	for _i in $(seq "$2"); do
		dd if=/dev/urandom of="$1/$3.$_i" bs=256k count=1 2> /dev/null
	done
	sync
	(cd "$1" && md5sum -- "$3".* > "/tmp/sums.$3")
}
whole() { (cd "$1" && md5sum -c --status "/tmp/sums.$2") || fail "$3: a file is not what it was"; }

mkdir -p /mnt/c
for fs in ext4 xfs; do
	for passdown in "" no_discard_passdown; do
		what="$fs ${passdown:-with passdown}"
		blank
		blkdiscard $ORIGIN
		make_cache c 64 "metadata2 $passdown" smq
		d=$(dev_discards $ORIGIN)
		if [ $fs = ext4 ]; then
			quietly mkfs.ext4 -q /dev/mapper/c
		else
			quietly mkfs.xfs -q -f /dev/mapper/c
		fi
		if [ -z "$passdown" ]; then
			assert_num "$(dev_discards $ORIGIN)" \
				-gt "$d" "discards that reached the origin, mkfs, $what"
		else
			assert_eq "$(dev_discards $ORIGIN)" "$d" \
				"discards that reached the origin, mkfs, $what"
		fi
		mount -t $fs /dev/mapper/c /mnt/c
		files /mnt/c 60 a
		rm /mnt/c/a.?
		(cd /mnt/c && md5sum -- a.* > /tmp/sums.a)
		d=$(dev_discards $ORIGIN)
		fstrim /mnt/c || busybox fstrim /mnt/c
		[ -n "$passdown" ] || assert_num "$(dev_discards $ORIGIN)" \
			-gt "$d" "discards that reached the origin, fstrim, $what"
		umount /mnt/c
		dmsetup remove c
		check_metadata $META
		# The bits are there again: what was trimmed is written to, and the cache need not
		# read the origin first.
		make_cache c 64 "metadata2 $passdown" smq migration_threshold 20480
		mount -t $fs /dev/mapper/c /mnt/c
		whole /mnt/c a "$what, after a restart"
		p=$(st_promotions c) r=$(dev_read_sectors $ORIGIN)
		files /mnt/c 40 b
		wait_for 'sync; [ $(($(st_promotions c) - p)) -ge 32 ]' 30
		r=$(($(dev_read_sectors $ORIGIN) - r)) p=$(($(st_promotions c) - p))
		note "$what: $p promotions, $r sectors read from the origin meanwhile"
		# Had each been copied, it were 64 sectors a promotion; a file system reads some of
		# its own.
		assert_num $r \
			-lt $((p * 32)) \
			"sectors read from the origin for promotions of discarded blocks, $what"
		whole /mnt/c b "$what, new files"
		umount /mnt/c
		if [ $fs = ext4 ]; then
			quietly e2fsck -fn /dev/mapper/c
		else
			quietly xfs_repair -n /dev/mapper/c
		fi
		clean_all c 64 "metadata2 $passdown"
		dmsetup remove c
		check_metadata $META
		mount -t $fs -o ro $ORIGIN /mnt/c
		whole /mnt/c a "$what, the origin alone"
		whole /mnt/c b "$what, the origin alone"
		umount /mnt/c
	done
done
