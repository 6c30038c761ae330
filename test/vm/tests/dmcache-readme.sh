# SPDX-License-Identifier: GPL-2.0-only
# what: the lines that README.md tells the reader of dmcache to type, in its order
# needs: smp=1
# disks: 24M,64M
# files: README.md scripts/dmcache scripts/lib test/vm/lib-dmcache.sh
# timeout: 240

. /job/lib-dmcache.sh
cache=$DISK0 origin=$DISK1

mkfs.ext4 -q $origin
mount $origin /mnt; echo "was there before the cache" > /mnt/before; umount /mnt
awk '/^<!-- tested: dmcache -->$/ { wanted = 1; next } /^```/ { on = !on && wanted; wanted = 0; next } on' /job/README.md > /tmp/commands
assert_num "$(grep -c '^dmcache' /tmp/commands)" -ge 9 "tested lines in README.md"
# Life on the filesystem after each line, while it is mounted.
n=0
while IFS= read -r line; do
	n=$((n + 1))
	note "$line"
	eval "$line" < /dev/null || fail "README.md: $line"
	! grep -q ' /mnt ' /proc/mounts || { seq 20000 > /mnt/after.$n; sync; }
done < /tmp/commands

mount /dev/mapper/data /mnt
assert_eq "$(cat /mnt/before)" "was there before the cache" "the file that was there before"
assert_num "$(ls /mnt/after.* | wc -l)" -ge 5 "files written while it was mounted"
seq 20000 > /tmp/want
for f in /mnt/after.*; do cmp /tmp/want $f || fail "$f"; done
umount /mnt
assert_match "$(st_line data)" ' writethrough ' "the mode of the second cache"
run 0 dmcache stop data
e2fsck -fn $origin > /tmp/fsck 2>&1 || fail "e2fsck: $(cat /tmp/fsck)"
