# SPDX-License-Identifier: GPL-2.0-only
# what: dmcache attach and detach on a device that is mounted and written to; a power cut after a
#       detach, and the old cache is there again
# durability: yes
# long: 40 s; doc-dmcache does it once
# needs: smp=1
# disks: 64M,24M,32M
# boots: 2
# files: scripts/dmcache scripts/lib test/vm/lib-dmcache.sh
# builds: tools/settle/Makefile
# timeout: 240

. /job/lib-dmcache.sh

tab="c $DISK0 none - -"
if [ "$BOOT" = 2 ]; then
	# The tab is the one thing that a real machine keeps and this guest does not.
	echo "$tab" > $DMCACHE_TAB
	dd if=$DISK2 of=$DISK1 bs=1M skip=4 count=24 conv=fsync 2> /dev/null
	run 0 dmcache assemble c
	assert_match "$(dmsetup table c)" ' linear ' \
		"a set whose cache was detached, the old cache being there"
	mount -o ro /dev/mapper/c /mnt
	assert_eq "$(cat /mnt/last)" "after the detach" "what was written after the detach"
	umount /mnt
	run 0 dmcache stop c
	exit 0
fi

mkfs.ext4 -q $DISK0
run 0 dmcache create c --origin $DISK0 --yes
assert_match "$(dmsetup table c)" linear "a device without a cache"
mount /dev/mapper/c /mnt
(
	i=0
	while [ ! -e /tmp/enough ]; do
		i=$((i + 1))
		dd if=/dev/zero of=/mnt/busy bs=64k count=8 conv=fsync,notrunc 2> /dev/null
		echo $i > /tmp/rounds
	done
) &
writer=$!
run 0 dmcache attach c --cache $DISK1 --yes --policy smq
assert_match "$(dmsetup table c)" ' cache .* smq ' "after attach"
dd if=/dev/urandom of=/mnt/a bs=64k count=64 conv=fsync 2> /dev/null
sum=$(md5sum < /mnt/a)
run 4 dmcache attach c --cache $DISK2 --yes
# The cache as it is now, for the second boot; its label not where labels are, or there would be two
# of it
dd if=$DISK1 of=$DISK2 bs=1M seek=4 conv=fsync 2> /dev/null
r=$(cat /tmp/rounds)
run 0 dmcache detach c --yes
assert_match "$(dmsetup table c)" linear "after detach"
assert_eq "$(dmsetup ls | wc -l)" 1 "devices after detach"
assert_num "$(cat /tmp/rounds)" -ge "$r" "rounds of the writer"
: > /tmp/enough
wait $writer
assert_eq "$(md5sum < /mnt/a)" "$sum" "the file after detach"
assert_match "$(cat $DMCACHE_TAB)" '^c .* none - -$' "the tab after detach"
echo "after the detach" > /mnt/last
sync
power_cut
