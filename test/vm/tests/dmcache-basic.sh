# SPDX-License-Identifier: GPL-2.0-only
# what: dmcache create, assemble, stop, list, probe; adopted and labelled origins; with busybox sh
#       too
# needs: smp=1
# disks: 64M,24M,16M
# files: scripts/dmcache scripts/lib test/vm/lib-dmcache.sh
# builds: tools/settle/Makefile
# timeout: 240

. /job/lib-dmcache.sh

mkfs.ext4 -q $DISK0
mount $DISK0 /mnt; echo before > /mnt/file; umount /mnt

# ----- an adopted origin -----
run 0 dmcache create c --origin $DISK0 --cache $DISK1 --yes
assert_match "$(cat $OUT)" 'ext4 on it stays' "what create says"
assert [ -b /dev/mapper/c ]
mount /dev/mapper/c /mnt
assert_eq "$(cat /mnt/file)" before "the adopted file"
echo after > /mnt/file2

# ----- its numbers, as Prometheus gets them -----
# What the kernel says of the set and of its slices: nothing else changes it meanwhile.
kernel_says() {
	dmsetup status c
	for _x in $(dmsetup table c | cut -d ' ' -f 4-6); do cat "/sys/dev/block/$_x/stat"; done
}
sample() { assert_match "$(cat $OUT)" "^dmcache_$1 $2\$" "dmcache metrics"; }
sync
said=
until [ "$said" = "$(kernel_says)" ]; do
	said=$(kernel_says)
	run 0 dmcache metrics
done
# Of what was said then: dirty blocks are written back meanwhile.
field() { echo "$said" | awk -v n="$1" 'NR == 1 { sub("/.*", "", $n); print $n }'; }
sample 'up\{name="c"\}' 1
sample 'state\{name="c",state="running"\}' 1
sample 'cache_hits_total\{name="c",operation="read"\}' "$(field 8)"
sample 'cache_misses_total\{name="c",operation="write"\}' "$(field 11)"
sample 'promotions_total\{name="c"\}' "$(field 13)"
sample 'dirty_data_bytes\{name="c"\}' $(($(field 14) * 65536))
sample 'metadata_used_bytes\{name="c"\}' $(($(field 5) * 4096))
assert_num "$(field 13)" -gt 0 "promotions"
sectors=$(echo "$said" | sed -n 3p | awk '{ print $7 }')
assert_num "$sectors" -gt 0 "sectors written to the cache"
sample 'device_written_bytes_total\{name="c",device="cache"\}' $((sectors * 512))

run 0 dmcache assemble c
assert_match "$(cat $OUT)" 'already there' "a second assemble"
run 5 dmcache stop c
assert_match "$(cat $OUT)" 'mounted on /mnt' "stop of a mounted set"
assert [ -b /dev/mapper/c ]
run 0 dmcache list
assert_match "$(cat $OUT)" '^c +running +64 MiB on .*cache 1' "list"
umount /mnt
run 0 dmcache stop c
refute [ -e /dev/mapper/c ]
assert_eq "$(dmsetup ls)" "No devices found" "devices after a stop"
run 0 dmcache stop c
run 0 dmcache label $DISK1
assert_match "$(cat $OUT)" 'state +closed' "the label after a stop"

run 0 dmcache probe $DISK1
assert_match "$(cat $OUT)" '^DMCACHE_ROLE=cache$' probe
assert_match "$(cat $OUT)" '^DMCACHE_STATE=closed$' probe
run 0 dmcache probe $DISK0
assert_match "$(cat $OUT)" '^DMCACHE_ROLE=origin$' "probe of an adopted origin"
run 0 dmcache probe $DISK2
assert_eq "$(cat $OUT)" "" "probe of a device that is none of ours"

# With no tab, by any member, and with busybox.
rm $DMCACHE_TAB
run 0 dmcache assemble --device $DISK1
run 0 dmcache stop --all
run 0 bb_dmcache assemble --all
mount -o ro /dev/mapper/c /mnt
assert_eq "$(cat /mnt/file2)" after "what was written"
umount /mnt
run 0 bb_dmcache probe $DISK1
assert_match "$(cat $OUT)" '^DMCACHE_STATE=open$' "probe, running"
assert_match "$(cat $OUT)" '^DMCACHE_CLEAN=0$' "probe, running"
run 0 bb_dmcache stop c
run 6 dmcache assemble --device $DISK2
run 6 dmcache assemble nonesuch
