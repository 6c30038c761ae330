# SPDX-License-Identifier: GPL-2.0-only
# what: the lines of doc/admin/failures.md about a cache device that died, or a slow disk that fails
# needs: smp=1
# disks: 24M,64M,64M
# files: doc/admin/failures.md scripts/dmcache scripts/lib test/vm/lib-dmcache.sh
#        test/vm/lib-fail.sh
# builds: tools/settle/Makefile
# timeout: 300

. /job/lib-dmcache.sh
. /job/lib-fail.sh
unset DMCACHE_TAB
DOCUMENT=/job/failures.md
PATH=$PATH:/deb12/bin
mkdir -p /var/tmp
new=$DISK0 origin=$DISK1 copy=$DISK2
make_want

# ----- the cache device dies, and the metadata with it, in writethrough mode -----
below f 24
fresh --cache /dev/mapper/f --mode writethrough
gone f
cp /tmp/want /mnt/while 2> /dev/null || :
sync
run 1 dmcache status data
said 'FAILED.*|next .*dmcache detach --lost data' "the status of a set whose devices died"
run 0 dmcache metrics
said '^dmcache_state.*"failed"\} 1$' "the numbers of a set whose devices died"
section lost 5
assert_match "$(dmsetup table data)" ' cache ' "the device with its new cache"
umount /mnt
run 0 dmcache stop data
# It works again.
back f
old=/dev/mapper/f
run 4 dmcache assemble data
said 'two sets are called data: .*next: dmcache label --erase' "assemble beside the old cache"
section old 1
run 0 dmcache assemble data
mount /dev/mapper/data /mnt
removed $new

# ----- only the cache device dies, in writeback mode: what it had alone is lost -----
below m 8
fresh --cache /dev/mapper/f --metadata /dev/mapper/m
only_cached data /mnt/dirty
gone f
section lost 5
refute cmp -s /tmp/want /mnt/dirty
removed $new /dev/mapper/m
back f
run 0 dmcache label --erase /dev/mapper/f --yes

# ----- the slow disk fails: what the cache has is copied, too -----
nb s0 64 0
# With an identity of its own, which a copy of what is on it does not have.
dmsetup create s --uuid s --table "0 $(sectors /dev/s0) linear /dev/s0 0"
origin=/dev/mapper/s cache=$new
fresh --cache $cache
only_cached data /mnt/dirty
# All of that file, and a place that holds nothing.
debugfs -R 'blocks /dirty' /dev/mapper/data 2> /dev/null > /tmp/blocks
first=$(awk '{ print $1 }' /tmp/blocks)
fails s $((first * 8)) $(($(wc -w < /tmp/blocks) * 8))
bad s 130000 8
dmesg_mark
run 0 dmcache set data migration_threshold=2048
wait_for 'dmesg_new | grep -q "origin device .* I/O errors"' 60
refute dd if=$origin of=/dev/null bs=4096 skip="$first" count=1 iflag=direct
section copy 6
dmsetup remove s
zero /dev/s0 1
section new-disk 2
assert grep -q ' -$' /var/tmp/data.map
cmp /tmp/want /mnt/dirty || fail "what only the cache had"
assert_match "$(dmsetup table data)" ' cache ' "the device on the new disk"
removed $cache
