# SPDX-License-Identifier: GPL-2.0-only
# what: dmcache resize of origin and cache, live and stopped; check and repair of damaged metadata
# long: a minute; test/cli/run shows most of it
# needs: smp=1
# disks: 64M,48M,32M
# files: scripts/dmcache scripts/lib test/vm/lib-dmcache.sh
# builds: tools/settle/Makefile
# timeout: 240
# expect-dmesg: device-mapper: .*

. /job/lib-dmcache.sh

grow() { dmsetup reload $1 --table "0 $3 linear $2 0"; dmsetup suspend $1; dmsetup resume $1; }

linear o $DISK0 0 65536
linear f $DISK1 0 49152
mkfs.ext4 -q /dev/mapper/o
run 0 dmcache create c --origin /dev/mapper/o --cache /dev/mapper/f --yes
mount /dev/mapper/c /mnt
dd if=/dev/urandom of=/mnt/a bs=64k count=64 conv=fsync 2> /dev/null
sum=$(md5sum < /mnt/a)
run 0 dmcache resize c
said 'nothing has become larger' "resize of what is as it was"
before=$(st_total c)

# ----- live -----
grow o $DISK0 98304
grow f $DISK1 81920
run 0 dmcache resize c
said '48 MiB, cache of' "resize"
assert_eq "$(sectors /dev/mapper/c)" 98304 "the cached device"
assert_num "$(st_total c)" -gt $((before + 200)) "cache blocks"
resize2fs /dev/mapper/c > /dev/null 2>&1
assert_num "$(df -P /mnt | awk 'NR == 2 { print $2 }')" -gt 36000 "the filesystem"
dd if=/dev/urandom of=/mnt/b bs=64k count=200 conv=fsync 2> /dev/null
sum2=$(md5sum < /mnt/b)
umount /mnt
run 0 dmcache stop c

# ----- stopped -----
grow o $DISK0 131072
run 4 dmcache assemble c
said 'dmcache resize c' "assemble of a set with a larger origin"
run 0 dmcache resize c
run 0 dmcache assemble c
assert_eq "$(sectors /dev/mapper/c)" 131072 "the cached device after resize and assemble"
mount -o ro /dev/mapper/c /mnt
assert_eq "$(md5sum < /mnt/a) $(md5sum < /mnt/b)" "$sum $sum2" "the files"
umount /mnt

# ----- check, repair -----
run 5 dmcache check c
run 0 dmcache stop --flush c
grow o $DISK0 98304
run 4 dmcache resize c
said 'has become smaller by 16 MiB' "an origin that became smaller"
grow o $DISK0 131072
run 0 dmcache check c
said 'is in order' check
assert_eq "$(dmsetup ls | wc -l)" 2 "devices after check"
start=$(dmcache label /dev/mapper/f | awk '$1 == "metadata_start" { print $2 }')
# A block that cache_check 1.x finds damaged: of what the metadata say of themselves, or of the
# mappings
PATH=/tpt1:$PATH
for b in 1 2 3 4 5 6 7 8 9 10 11 12; do
	dd if=/dev/mapper/f of=/tmp/block bs=4096 skip=$((start / 8 + b)) count=1 2> /dev/null
	dd if=/dev/urandom of=/dev/mapper/f bs=512 seek=$((start + b * 8)) count=1 \
		conv=notrunc,fsync 2> /dev/null
	! dmcache check c > $OUT 2>&1 || {
		dd if=/tmp/block of=/dev/mapper/f bs=4096 seek=$((start / 8 + b)) \
			conv=notrunc,fsync 2> /dev/null
		continue
	}
	break
done
note "block $b: $(cat $OUT)"
run 4 dmcache check c
said 'is damaged: .*dmcache repair c' "check of damaged metadata"
run 1 dmcache repair --yes c
said 'TMPDIR=FOLDER' "repair on a tmpfs, with tools that cannot"
mkfs.ext4 -q $DISK2
mkdir -p /tmp/disk
mount $DISK2 /tmp/disk
export TMPDIR=/tmp/disk
run 8 dmcache repair c
run 4 dmcache check c
run 0 dmcache repair --yes c
said 'repaired; next: dmcache assemble c' repair
run 0 dmcache check c
run 0 dmcache assemble c
assert_eq "$(ls /tmp/disk/dmcache.* /tmp/dmcache.?????? 2> /dev/null)" "" "temporary files"
umount /tmp/disk
mount -o ro /dev/mapper/c /mnt
assert_eq "$(md5sum < /mnt/a) $(md5sum < /mnt/b)" "$sum $sum2" "the files after a repair"
umount /mnt
run 0 dmcache stop c
