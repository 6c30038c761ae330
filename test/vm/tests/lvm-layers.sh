# SPDX-License-Identifier: GPL-2.0-only
# what: lvm2: a cached volume with a snapshot, renamed, extended, moved, split off; a thin pool on a
#       cache
# needs: smp=1
# timeout: 240

. /job/lib-lvm.sh
modprobe -a dm-snapshot dm-mirror dm-thin-pool
for d in slow fast slow2 fast2; do nb $d 32 0; done
lvm_use 13 /dev/slow /dev/fast /dev/slow2 /dev/fast2
# Thin pools here are small and new; no thin_check is needed.
sed -i 's/^\tglobal {/& thin_check_executable=""/' $LVM_SYSTEM_DIR/lvm.conf
noise /tmp/now 8
at=/dev/mapper/vg-data
quietly vgcreate -y -s 1m vg /dev/slow /dev/fast

# fast_pool: a cache pool joins vg/$1
fast_pool() {
	quietly lvcreate -y --type cache-pool --poolmetadataspare n --chunksize 64k \
		--cachemode writeback -L 4m -n pool vg /dev/fast
	quietly lvconvert -y --type cache --cachepool vg/pool --poolmetadataspare n "vg/$1"
}
# holds AFTER [DM-NAME]: all data is there, and the cache (that device, if it is not $at) still has
# the blocks that it had
holds() {
	assert_num "$(st_used "${2:-${at##*/}}")" -ge "$used" "cached blocks after $1"
	same /tmp/now $at "data after $1"
	seed=$((seed + 1))
	scribble /tmp/now $at $seed
	same /tmp/now $at "data written after $1"
	used=$(st_used "${2:-${at##*/}}")
}
used=0 seed=0

quietly lvcreate -y -L 8m -n data vg /dev/slow
put /tmp/now $at
fast_pool data
ours_is_loaded
warm_lv $at 8
holds "the pool was joined"
assert_num "$used" -gt 20 "cached blocks"

# A snapshot: the cache moves below another device, and back.
cp /tmp/now /tmp/then
quietly lvcreate -y -s -L 8m -n snap vg/data /dev/slow
holds "lvcreate -s" vg-data-real
same /tmp/then /dev/mapper/vg-snap "the snapshot"
quietly lvremove -y vg/snap
holds "the snapshot was removed"

# Names: of the volume, of its pool, of the group.
quietly lvm lvrename vg/data vg/named
at=/dev/mapper/vg-named
holds "lvrename"
quietly lvm lvrename vg/pool_cpool vg/fastest
holds "lvrename of the pool"
quietly lvm vgrename vg group
at=/dev/mapper/group-named
holds "vgrename"
quietly lvm vgrename group vg
at=/dev/mapper/vg-named
holds "vgrename back"

# The origin grows, and both devices move to others, live.
quietly lvextend -y -L 12m vg/named /dev/slow
noise /tmp/more 4
put /tmp/more $at 8
cat /tmp/more >> /tmp/now
holds "lvextend"
quietly vgextend vg /dev/slow2 /dev/fast2
for d in fast slow; do
	quietly pvmove -i 0 /dev/$d /dev/${d}2
	left=$(lvm pvs --noheadings -o pv_used --nosuffix --units b /dev/$d | tr -d ' ')
	assert_eq "$left" 0 "bytes left on /dev/$d"
	holds "pvmove of /dev/$d"
done

# It goes to a group of its own, and comes back.
quietly lvchange -an vg/named
quietly lvm vgsplit vg other /dev/slow2 /dev/fast2
quietly vgchange -ay other
at=/dev/mapper/other-named
holds "vgsplit"
quietly vgchange -an other
quietly lvm vgmerge vg other
quietly vgchange -ay vg
at=/dev/mapper/vg-named
holds "vgmerge"

quietly lvremove -y vg/named

# A thin pool whose data is cached; the cache comes and goes while the pool is in use.
truncate -s 6M /tmp/now
quietly lvcreate -y --type thin-pool --poolmetadataspare n -c 64k -L 10m -n thin vg /dev/slow
fast_pool thin
assert_eq "$(dmsetup ls --target cache | cut -f1)" vg-thin_tdata "the cache"
quietly lvcreate -y -V 6m -n data --thinpool thin vg
at=/dev/mapper/vg-data used=0
put /tmp/now $at
holds "a thin volume was made" vg-thin_tdata
cp /tmp/now /tmp/then
quietly lvcreate -y -s -n snap vg/data
quietly lvchange -ay -K vg/snap
holds "its snapshot was made" vg-thin_tdata
same /tmp/then /dev/mapper/vg-snap "the thin snapshot"
quietly lvextend -y -L 12m vg/thin /dev/slow
holds "the pool was extended" vg-thin_tdata
quietly lvconvert -y --uncache vg/thin
same /tmp/now $at "data after --uncache"
same /tmp/then /dev/mapper/vg-snap "the thin snapshot after --uncache"
fast_pool thin
used=0
holds "the pool's data was cached again" vg-thin_tdata
quietly vgchange -an vg
quietly vgchange -ay -K vg
holds "vgchange -an and -ay" vg-thin_tdata
same /tmp/then /dev/mapper/vg-snap "the thin snapshot at last"
quietly lvm vgremove -y vg
quietly lvm pvremove -y /dev/slow /dev/fast /dev/slow2 /dev/fast2
