# SPDX-License-Identifier: GPL-2.0-only
# what: the dmcache lines of doc/admin/first-cache.md and of README.md, in their order
# needs: smp=1
# disks: 24M,64M
# files: README.md doc/admin/first-cache.md scripts/dmcache scripts/lib test/vm/lib-dmcache.sh
# builds: tools/settle/Makefile
# timeout: 300

. /job/lib-dmcache.sh
unset DMCACHE_TAB
cache=$DISK0 origin=$DISK1

mkfs.ext4 -q $origin
mount $origin /mnt; echo "was there before the cache" > /mnt/before; umount /mnt
tested_lines dmcache /job/first-cache.md > /tmp/commands
assert_num "$(grep -c '^dmcache' /tmp/commands)" -ge 10 "tested lines in first-cache.md"
n=0
# Life on the filesystem after each line, while it is mounted.
alive() { ! grep -q ' /mnt ' /proc/mounts || { n=$((n + 1)); seq 20000 > /mnt/after.$n; sync; }; }
run_lines /tmp/commands alive

# The last lines removed the cache: the origin alone has everything.
assert_eq "$(awk '$2 == "/mnt" { print $1 }' /proc/mounts)" "$origin" "what is mounted"
assert_eq "$(dmsetup ls)" "No devices found" "devices after the removal"
assert_eq "$(cat /etc/dmcachetab)" "" "the tab after the removal"
assert_num $n -ge 6 "files written while the cache was there"
whole() {
	assert_eq "$(cat /mnt/before)" "was there before the cache" "the file that was there before"
	seq 20000 > /tmp/want
	for f in /mnt/after.*; do cmp /tmp/want $f || fail "$f"; done
	umount /mnt
}
whole

tested_lines dmcache /job/README.md > /tmp/commands
assert_num "$(grep -c '^dmcache' /tmp/commands)" -ge 3 "tested lines in README.md"
run_lines /tmp/commands alive
whole
run 0 dmcache stop data
e2fsck -fn $origin > /tmp/fsck 2>&1 || fail "e2fsck: $(cat /tmp/fsck)"
