# SPDX-License-Identifier: GPL-2.0-only
# what: dmcache status, set and flush on a cache that is mounted; a flush that is interrupted, and
#       one that is killed
# long: a minute; doc-dmcache does most of it once
# needs: smp=1
# disks: 64M,24M
# files: scripts/dmcache scripts/lib test/vm/lib-dmcache.sh
# builds: tools/settle/Makefile
# timeout: 240
# expect-dmesg: device-mapper: .*nonesuch.*
# expect-dmesg: device-mapper: .*sideways.*
# expect-dmesg: device-mapper: ioctl: error adding target to table

. /job/lib-dmcache.sh
json() {
	python3 \
		-c \
		'import json, sys; print(json.load(open("/tmp/dmcache.out"))[0].get(sys.argv[1]))' \
		"$1"
}
flush_bg() {
	dash /job/dmcache flush c > /tmp/flush.out 2>&1 &
	pid=$!
	wait_for '[ "$(st_policy c)" = cleaner ]' 30
}

mkfs.ext4 -q $DISK0
run 0 dmcache create c --origin $DISK0 --cache $DISK1 --policy smq --yes
mount /dev/mapper/c /mnt
# What is written twice is in the cache the second time, as it has room.
dd if=/dev/urandom of=/mnt/a bs=64k count=64 conv=fsync 2> /dev/null
sync
# Idle blocks are written back: not here.
run 0 dmcache set c migration_threshold=0
dd if=/dev/urandom of=/mnt/a bs=64k count=64 conv=fsync,notrunc 2> /dev/null
sum=$(md5sum < /mnt/a)
dirty=$(st_dirty c)
assert_num "$dirty" -gt 10 "dirty blocks"
run 0 dmcache status --json c
assert_eq "$(json cache)" $DISK1 "the cache device in json"
# The filesystem may write some more by itself; nothing is written back.
assert_num "$(json dirty_blocks)" -ge "$dirty" "dirty blocks in json"
assert_eq "$(json bytes_at_risk)" $(($(json dirty_blocks) * 65536)) "bytes at risk in json"
run 0 dmcache status c
said 'iB would be lost if the cache device died now' "status"

# ----- set: all or nothing -----
run 4 dmcache set c --mode passthrough
said 'blocks are dirty' "passthrough while dirty"
run 1 dmcache set c --policy nonesuch
assert_eq "$(st_policy c)" smq "the policy after one that there is not"
run 1 dmcache set c --mode writethrough --policy mq sequential_threshold=7 sideways=1
assert_eq "$(st_policy c)" smq "the policy after a tunable that is refused"
assert_match "$(st_line c)" ' writeback .* migration_threshold 0 ' \
	"mode and threshold after a tunable that is refused"
run 0 dmcache label $DISK1
said '^policy +smq$' "the label after a tunable that is refused"
run 0 dmcache set c --policy mq sequential_threshold=7
assert_match "$(st_line c)" ' writeback .* migration_threshold 0 .*mq .*sequential_threshold 7 ' \
	"after set"
run 0 dmcache label $DISK1
said '^policy_args +migration_threshold,0,write_allocate,25,sequential_threshold,7$' "the label after set"
assert_num "$(st_dirty c)" -ge "$dirty" "dirty blocks after set"

# ----- flush -----
# Interrupted at the first moment, or done already: the same in the end.
flush_bg
kill -INT $pid 2> /dev/null || :
kill -TERM $pid 2> /dev/null || :
wait $pid || :
assert_eq "$(st_policy c)" mq "the policy after an interrupted flush"
dd if=/dev/urandom of=/mnt/a bs=64k count=64 conv=fsync,notrunc 2> /dev/null
sum=$(md5sum < /mnt/a)
flush_bg
kill -KILL $pid 2> /dev/null || :
wait $pid || :
sleep 1.5
run 0 dmcache flush c
said 'all dirty blocks are written back' flush
assert_eq "$(st_policy c)" mq "the policy after a flush"
assert_match "$(st_line c)" ' writeback .* migration_threshold 0 .*sequential_threshold 7 ' \
	"mode and tunables after a flush"
# As set said above what comes before passthrough
run 0 dmcache set c --mode writethrough
run 0 dmcache flush c
run 0 dmcache set c --mode passthrough
umount /mnt
run 0 dmcache stop --flush c
said 'the origin is complete' stop
mount -o ro $DISK0 /mnt
assert_eq "$(md5sum < /mnt/a)" "$sum" "the file on the origin alone"
umount /mnt
