# SPDX-License-Identifier: GPL-2.0-only
# what: a labelled set with no tab: hidden members, `change` events, another order with repeated
#       events, the origin late; mounted at shutdown
# disks: slow:64M,fast:24M,meta:8M
# boots: 2
# timeout: 400

hidden() { # NAME
	wait_for "udev_of $D-$1 | grep -q ^ID_FS_TYPE=dm_cache_member" 60
	_p=$(udev_of "$D-$1")
	assert_match "$_p" '^ID_FS_TYPE=dm_cache_member$' "udev, $1"
	assert_match "$_p" '^SYSTEMD_READY=0$' "udev, $1"
	refute_match "$_p" '^ID_FS_(UUID|LABEL)=' "udev, $1"
	refute_match "$_p" 'by-(uuid|label)/' "udev, $1"
	# systemd hears of it after udev's database has it.
	_unit=$(systemd-escape -p --suffix=device "$D-$1")
	wait_for '[ "$(systemctl is-active "$_unit")" = inactive ]' 60
	assert_match "$(systemctl is-active "$_unit")" inactive "the device unit of $1"
}
seen() { # LABEL: by that name there is the cached device, and nothing else
	udevadm settle
	assert_eq "$(readlink -f "/dev/disk/by-label/$1")" "$(readlink -f "/dev/mapper/$2")" \
		"by-label/$1"
	assert_eq "$(blkid -c /dev/null -t LABEL="$1" -o device | grep -c mapper)" 1 "blkid"
}
up() { wait_for "[ -b /dev/mapper/$1 ]" 60; udevadm settle; }
said() { wait_for "journalctl -b -o cat --no-pager -u 'dmcache@*' | grep -Eq -- '$1'" "${2:-60}"; }

case $BOOT in
1)
	# An adopted filesystem: its origin gets no label.
	mkfs.ext4 -q -L data $D-slow
	wait_for '[ -e /dev/disk/by-label/data ]' 60
	assert dmcache create c --origin $D-slow --cache $D-fast --metadata $D-meta --no-tab --yes
	hidden slow
	hidden fast
	hidden meta
	seen data c
	mount LABEL=data /mnt
	echo kept > /mnt/file
	umount /mnt
	assert dmcache stop c
	# `change` events come from what stop wrote: they must not undo it.
	udevadm trigger --settle --subsystem-match=block --action=change
	sleep 3
	refute [ -e /dev/mapper/c ]

	note "another order, repeated events"
	unplug slow fast meta
	plug meta slow fast
	udevadm trigger --settle --subsystem-match=block --action=add
	up c
	hidden slow
	hidden fast
	seen data c
	assert_eq "$(dmsetup ls --target cache | wc -l)" 1 "caches"
	assert dmcache stop c

	note "the origin comes when the time is over"
	unplug slow fast
	plug fast
	said 'not all there after 30 s: .*origin' 120
	refute [ -e /dev/mapper/c ]
	plug slow
	up c
	mount LABEL=data /mnt
	assert_eq "$(cat /mnt/file)" kept "what was written"
	# Left mounted: shutdown has to do it.
	;;
2)
	up c
	hidden slow
	hidden fast
	seen data c
	assert_match "$(dmcache label $D-fast)" '^state +open' "label"
	refute_match "$(dmesg)" 'not shut down cleanly' "the kernel log"
	mount LABEL=data /mnt
	assert_eq "$(cat /mnt/file)" kept "after the reboot"
	;;
esac
