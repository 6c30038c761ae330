# SPDX-License-Identifier: GPL-2.0-only
# what: the dmsetup lines of doc/admin/first-cache.md, in its order, on a filesystem that exists
#       already
# needs: smp=1
# stock: no
# timeout: 180
# disks: 16M,64M,256M
# files: doc/admin/first-cache.md

metadata=$DISK0 cache=$DISK1 origin=$DISK2

mkfs.ext4 -q $origin
mount $origin /mnt
echo "was there before the cache" > /mnt/before
umount /mnt
head -c 65536 /dev/urandom | dd of=$metadata oflag=direct bs=65536 2> /dev/null

# Each fenced block behind a line "<!-- tested -->".
awk \
	'/^<!-- tested -->$/ { wanted = 1; next } /^```/ { on = !on && wanted; wanted = 0; if (on) print "echo ---"; next } on' \
	/job/first-cache.md > /tmp/commands
assert_num "$(grep -c '^echo ---' /tmp/commands)" -ge 7 "tested blocks in first-cache.md"

# Between the blocks: some life on the filesystem.
echo 'n=0' > /tmp/all
sed \
	's/^echo ---$/n=$((n + 1)); if [ -e \/mnt\/before ]; then seq 20000 > \/mnt\/after.$n; sync; fi/' /tmp/commands >> /tmp/all
set -x
# shellcheck source=/dev/null
. /tmp/all
set +x

# Undone: the origin alone, with all that was written.
assert_eq "$(dmsetup ls --target cache | grep -vc '^No devices' || :)" 0 "caches left"
assert_eq "$(awk '$2 == "/mnt" { print $1 }' /proc/mounts)" "$origin" "what is mounted"
assert_eq "$(cat /mnt/before)" "was there before the cache" "the file that was there before"
assert_num "$(ls /mnt/after.* | wc -l)" -ge 4 "files written while the cache was there"
seq 20000 > /tmp/want
for f in /mnt/after.*; do cmp /tmp/want $f || fail "$f"; done
umount /mnt
e2fsck -fn $origin > /tmp/fsck 2>&1 || fail "e2fsck: $(cat /tmp/fsck)"
check_metadata $metadata
