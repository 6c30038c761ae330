# SPDX-License-Identifier: GPL-2.0-only
# what: dmcache attach with an SSD that has bad sectors: the target refuses at its resume, and the
#       mounted device goes on without it
# needs: smp=1
# disks: 64M
# files: scripts/dmcache scripts/lib test/vm/lib-dmcache.sh test/vm/lib-cache.sh test/vm/lib-fail.sh
# builds: tools/settle/Makefile
# timeout: 120
# expect-dmesg: (device-mapper|Buffer I/O error|blk_update_request|I/O error).*

. /job/lib-cache.sh
. /job/lib-fail.sh
. /job/lib-dmcache.sh

mkfs.ext4 -q $DISK0
below f 24
run 0 dmcache create c --origin $DISK0 --yes
mount /dev/mapper/c /mnt
(
	i=0
	while [ ! -e /tmp/enough ]; do
		i=$((i + 1))
		dd if=/dev/zero of=/mnt/busy bs=64k count=8 conv=fsync,notrunc 2> /dev/null
		echo $i > /tmp/rounds.new
		mv /tmp/rounds.new /tmp/rounds
	done
) &
writer=$!
# goes_on WHAT: it is as it was, nothing is left, and the writer gets on
goes_on() {
	assert_match "$(dmsetup table c)" ' linear ' "the table, $1"
	assert_eq "$(dmsetup info -c --noheadings -o suspended c)" Active "the device, $1"
	assert_eq "$(dmsetup ls | awk '{ print $1 }' | sort | paste -sd' ')" "c f" "devices, $1"
	assert_match "$(cat $DMCACHE_TAB)" '^c .* none - -$' "the tab, $1"
	r=$(cat /tmp/rounds)
	wait_for '[ "$(cat /tmp/rounds)" -gt $((r + 1)) ]' 60
}
wait_for '[ -e /tmp/rounds ]' 60

# The superblock of the metadata can be written, and what is behind it cannot.
fails f 2056 4096
run 1 dmcache attach c --cache /dev/mapper/f --yes
said 'the kernel refuses the cache: ' attach
said '; next: dmesg' attach
goes_on "after an attach that failed"
# So is the table that the target itself finds wrong, before it is swapped.
back f
run 1 dmcache attach c --cache /dev/mapper/f --policy nonesuch --yes
goes_on "after a policy that there is not"
run 0 dmcache attach c --cache /dev/mapper/f --yes
assert_match "$(dmsetup table c)" ' cache ' "after attach"
: > /tmp/enough
wait $writer
umount /mnt
run 0 dmcache stop c
