# SPDX-License-Identifier: GPL-2.0-only
# what: the lines of doc/admin/failures.md about a cache device that is missing at the assembly
# needs: smp=1
# disks: 24M,64M,24M
# files: doc/admin/failures.md scripts/dmcache scripts/lib test/vm/lib-dmcache.sh
# builds: tools/settle/Makefile
# timeout: 300

. /job/lib-dmcache.sh
unset DMCACHE_TAB
DOCUMENT=/job/failures.md
cache=$DISK0 origin=$DISK1 new=$DISK2
make_want

# unplug DISK, plug DISK: its driver lets go of it, and takes it again
unplug() {
	virtio=$(basename "$(readlink -f "/sys/class/block/${1#/dev/}/device")")
	echo "$virtio" > /sys/bus/virtio/drivers/virtio_blk/unbind
	wait_for "[ ! -e $1 ]" 30
}
plug() {
	echo "$virtio" > /sys/bus/virtio/drivers/virtio_blk/bind
	wait_for "[ -b $1 ]" 30
}

# ----- missing at boot, nothing lost; it comes back, or it does not -----
fresh --cache $cache
umount /mnt
run 0 dmcache stop --flush data
unplug $cache
run 3 dmcache assemble data
said 'nothing is lost' "assemble without the cache device"
section degraded 2
cp /tmp/want /mnt/while
umount /mnt
run 0 dmcache stop data
plug $cache
run 0 dmcache assemble data
said 'starts empty' "assemble with the cache device that came back"
mount /dev/mapper/data /mnt
cmp /tmp/want /mnt/while || fail "what was written without the cache device"
umount /mnt
run 0 dmcache stop --flush data
unplug $cache
section degraded 2
run 3 dmcache attach data --cache $new --yes
said 'next: dmcache detach data, if that is gone for good' "attach while the old cache is awaited"
run 0 dmcache detach data
run 0 dmcache attach data --cache $new --yes
removed $new
plug $cache
run 0 dmcache label --erase $cache --yes

# ----- missing at boot, with dirty blocks -----
fresh --cache $cache
only_cached data /mnt/dirty
umount /mnt
run 0 dmcache stop data
unplug $cache
run 3 dmcache assemble data
said '[0-9]+ blocks, .*, are lost, .*' "assemble without the cache device"
run 3 dmcache assemble --degraded data
section dropped 4
refute cmp -s /tmp/want /mnt/dirty
assert_match "$(dmsetup table data)" ' cache ' "the device with its new cache"
removed $new
