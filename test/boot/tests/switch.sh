# SPDX-License-Identifier: GPL-2.0-only
# what: dmcache.assemble= on the kernel's command line: off (a dirty origin stays hidden, a complete
#       one does not), passthrough, writethrough
# disks: slow:64M,fast:24M
# boots: 4
# timeout: 240
# boot2: append dmcache.assemble=off
# boot3: append dmcache.assemble=passthrough
# boot4: append dmcache.assemble=writethrough
mode() { dmsetup table c | grep -Eo ' (writeback|writethrough|passthrough) '; }
dirty() { dmsetup status c | awk '{ print $14 }'; }
up() { wait_for '[ -b /dev/mapper/c ]' 60; }

case $BOOT in
1)
	mkfs.ext4 -q -L data $D-slow
	assert dmcache create c --origin $D-slow --cache $D-fast --yes
	mount /dev/mapper/c /mnt
	for i in 1 2 3; do
		dd if=/dev/urandom of=/mnt/hot bs=64k count=32 conv=notrunc,fsync 2> /dev/null
	done
	(cd /mnt && md5sum hot > sum)
	sync -f /mnt
	# The labels say open: what is dirty is not known.
	power_cut
	;;
2)
	refute [ -e /dev/mapper/c ]
	p=$(udev_of $D-slow)
	assert_match "$p" '^SYSTEMD_READY=0$' "udev, a dirty origin"
	refute [ -e /dev/disk/by-label/data ]
	if dmcache assemble c; then
		fail "assembled though switched off"
	else
		assert_eq $? 9 "status"
	fi
	# Everything written back, and stopped: the origin is complete.
	assert dmcache assemble --force c
	dmsetup reload c --table "$(dmsetup table c |
		sed -E 's/ (default|payback) [0-9]+.*/ cleaner 0/')"
	dmsetup suspend c
	dmsetup resume c
	wait_for '[ "$(dirty)" = 0 ]' 60
	assert dmcache stop c
	udevadm trigger \
		--settle --action=change "/sys/class/block/$(basename "$(readlink -f $D-slow)")"
	wait_for '[ -e /dev/disk/by-label/data ]' 30
	assert mount -o ro LABEL=data /mnt
	assert_eq "$(readlink -f "$(findmnt -no SOURCE /mnt)")" "$(readlink -f $D-slow)" \
		"what is mounted"
	(cd /mnt && assert md5sum -c --quiet sum)
	umount /mnt
	refute [ -e /dev/mapper/c ]
	;;
3)
	up
	assert_eq "$(mode)" ' passthrough ' "mode"
	mount /dev/mapper/c /mnt
	(cd /mnt && assert md5sum -c --quiet sum)
	;;
4)
	up
	assert_eq "$(mode)" ' writethrough ' "mode"
	assert_match "$(dmcache label $D-fast)" '^mode +writeback' "the mode for the next time"
	mount /dev/mapper/c /mnt
	(cd /mnt && assert md5sum -c --quiet sum)
	;;
esac
