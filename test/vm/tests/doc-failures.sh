# SPDX-License-Identifier: GPL-2.0-only
# what: the lines of doc/admin/failures.md about a cache device that died: given up, replaced
# needs: smp=1
# disks: 24M,64M
# files: doc/admin/failures.md scripts/dmcache scripts/lib test/vm/lib-dmcache.sh
#        test/vm/lib-fail.sh
# timeout: 300

. /job/lib-dmcache.sh
. /job/lib-fail.sh
new=$DISK0 origin=$DISK1
# As a user would answer: mend it. 1: it was mended.
fsck() { e2fsck -fy "$@" > /tmp/fsck 2>&1 || [ $? = 1 ] || fail "e2fsck: $(cat /tmp/fsck)"; }
nothing() { :; }

# ----- the cache device dies, and the metadata with it, in writethrough mode -----
mkfs.ext4 -q $origin
below f 24
run 0 dmcache create data --origin $origin --cache /dev/mapper/f --mode writethrough --yes
mount /dev/mapper/data /mnt
seq 100000 > /tmp/want
cp /tmp/want /mnt/before
sync
gone f
cp /tmp/want /mnt/while 2> /dev/null || :
sync
tested_lines lost /job/failures.md > /tmp/commands
assert_num "$(wc -l < /tmp/commands)" -eq 5 "tested lines about a lost cache device"
run_lines /tmp/commands nothing
cmp /tmp/want /mnt/before || fail "what was there before the cache device died"
assert_match "$(dmsetup table data)" ' cache ' "the device with its new cache"
umount /mnt
e2fsck -fn /dev/mapper/data > /tmp/fsck 2>&1 || fail "e2fsck: $(cat /tmp/fsck)"
run 0 dmcache stop data
