# SPDX-License-Identifier: GPL-2.0-only
# what: the lines of doc/admin/failures.md: a cache device that died is replaced, damaged metadata is repaired
# needs: smp=1
# disks: 24M,64M
# files: doc/admin/failures.md scripts/dmcache scripts/lib test/vm/lib-dmcache.sh test/vm/lib-fail.sh
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

# ----- the metadata is damaged -----
# The index of the space map: its block's number is at byte 80 of the superblock, which is 1 MiB behind the label.
damage() {
	[ "$1" = "dmcache stop data" ] || return 0
	_b=$(dd if=$new bs=1M skip=1 count=1 2> /dev/null | od -An -tu8 -j80 -N8 | tr -d ' ')
	assert_num "$_b" -gt 0 "block of the space map's index"
	echo damaged | dd of=$new bs=4096 seek=$((256 + _b)) conv=notrunc,fsync 2> /dev/null
	run 4 dmcache check data
	said 'metadata on .* is damaged.*next: dmcache repair data' "check"
}
tested_lines repair /job/failures.md > /tmp/commands
assert_num "$(grep -c '^dmcache' /tmp/commands)" -ge 4 "tested lines about damaged metadata"
run_lines /tmp/commands damage
cmp /tmp/want /mnt/before || fail "the file after the repair"
umount /mnt
run 0 dmcache stop data
run 0 dmcache check data
e2fsck -fn $origin > /tmp/fsck 2>&1 || fail "e2fsck: $(cat /tmp/fsck)"
