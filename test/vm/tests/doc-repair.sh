# SPDX-License-Identifier: GPL-2.0-only
# what: the lines of doc/admin/failures.md about metadata that is damaged; with tools 0.9 and 1.x
# needs: smp=1
# disks: 24M,64M,96M
# files: doc/admin/failures.md scripts/dmcache scripts/lib test/vm/lib-dmcache.sh
#        test/vm/lib-fail.sh
# builds: tools/settle/Makefile
# timeout: 300
# expect-dmesg: device-mapper: .*

. /job/lib-dmcache.sh
. /job/lib-fail.sh
unset DMCACHE_TAB
DOCUMENT=/job/failures.md
cache=$DISK0 origin=$DISK1
below m 8
metadata=/dev/mapper/m
# Where repaired metadata is written to: the newer tools want no tmpfs.
mkdir -p /var/tmp
mkfs.ext4 -q $DISK2
mount $DISK2 /var/tmp
copy=/var/tmp/copy file=/var/tmp/metadata
make_want

# files NAME...: they are as they were flushed
files() { for f in "$@"; do cmp /tmp/want "/mnt/$f" || fail "/mnt/$f"; done; }
# noise_at DEV SECTOR SECTORS
noise_at() {
	dd if=/dev/urandom of="$1" bs=512 seek="$2" count="$3" conv=notrunc,fsync 2> /dev/null
}
# overwrite WHAT SECTOR: the first leaf of that array of the metadata, which begins at that sector
overwrite() {
	root=$(u64 m $(($2 / 8)) "$1")
	leaf=$(u64 m $(($2 / 8 + root)) 2048)
	noise_at $metadata $(($2 + leaf * 8)) 8
}

# ----- bytes of it are overwritten: dirty bits, which only the newer tools look at -----
fresh --cache $cache --metadata $metadata
only_cached data /mnt/dirty
start=$(dmcache label $metadata | awk '$1 == "start" { print $2 }')
umount /mnt
run 0 dmcache stop data
overwrite $DIRTY "$start"
old_path=$PATH
PATH=/tpt1:$PATH
run 4 dmcache check data
said 'is damaged: .*next: dmcache repair data' "check of metadata with an overwritten block"
section repair 6
assert_num "$(st_dirty data)" -ge $WANT_BLOCKS "dirty blocks after a repair"
files before dirty
PATH=$old_path

# ----- the metadata device fails, and works again: read-only, or failed -----
gone m
cp /tmp/want /mnt/late 2> /dev/null || :
sync
wait_for '[ "$(st_mode data)" != rw ]' 60
dmcache status data > $OUT 2>&1 || :
said 'READ-ONLY|wants a check|FAILED' "the status of a set whose metadata device died"
back m
section repair 6
assert_num "$(st_dirty data)" -ge $WANT_BLOCKS "dirty blocks after a repair"
files before dirty

# ----- hints, of which the newer tools repair none, and the cache needs none -----
umount /mnt
run 0 dmcache stop data
overwrite $HINTS "$start"
PATH=/tpt1:$PATH
run 4 dmcache repair data --yes
said 'cannot be repaired: .*next: dmcache assemble data; if it runs: dmcache detach data' hints
section as-it-is 4
files before dirty
PATH=$old_path

# ----- beyond repair -----
umount /mnt
run 0 dmcache stop data
start=$(dmcache label $cache | awk '$1 == "metadata_start" { print $2 }')
noise_at $cache "$start" 2048
run 4 dmcache repair data --yes
said 'cannot be repaired: .*else: dmcache assemble --drop-cache data' "repair of noise"
run 1 dmcache assemble data
section emptied 3
files before
umount /mnt
run 0 dmcache stop data
for d in $cache $metadata; do run 0 dmcache label --erase $d --yes; done
rm -rf /etc/dmcachetab /etc/dmcachetab.state

# ----- by hand: with each version of the tools -----
table() {
	echo "0 $(sectors $origin) cache $metadata $cache $origin 128 2 metadata2 writeback" \
		"default 2 migration_threshold 0"
}
old_origin
zero $metadata
dmsetup create cached --table "$(table)"
mount /dev/mapper/cached /mnt
for tools in 1.x 0.9; do
	note "tools $tools"
	dd if=/tmp/want of=/mnt/dirty.$tools bs=64k oflag=direct conv=fsync 2> /dev/null
	assert_num "$(st_dirty cached)" -ge $WANT_BLOCKS "dirty blocks"
	umount /mnt
	dmsetup remove cached
	what=$HINTS
	[ $tools = 0.9 ] || what=$DIRTY
	overwrite $what 0
	# Something that the first two lines can take away: the cache itself would write new hints.
	dmsetup create cached --table "0 8 zero"
	mount -t tmpfs tmp /mnt
	rm -f $file
	(
		[ $tools = 0.9 ] || PATH=/tpt1:$PATH
		section by-hand 4
		[ $tools != 0.9 ] || section all-dirty 2
		section put-back 2
	)
	dmsetup create cached --table "$(table)"
	# Clean ones would be read from the cache, too, and never be written back.
	assert_num "$(st_dirty cached)" -ge $WANT_BLOCKS "dirty blocks after a repair by hand"
	mount /dev/mapper/cached /mnt
	files before
	for f in /mnt/dirty.*; do files "${f#/mnt/}"; done
done

# ----- by hand: the cache is gone, and the origin is all that there is -----
umount /mnt
dmsetup remove cached
section origin-alone 3
files before
umount /mnt
intact $origin
rm $copy
umount /var/tmp
