# SPDX-License-Identifier: GPL-2.0-only
# what: the harness itself: Debian boots, our modules come first, disks come and go, shutdown, a
#       power cut
# disks: slow:64M,fast:16M,meta:8M
# boots: 3
case $BOOT in
1)
	assert_match "$(modinfo -F filename dm-cache)" '/updates/' "the module that modprobe finds"
	size=$(blockdev --getsz $D-slow)
	dmsetup create c \
		--table "0 $size cache $D-meta $D-fast $D-slow 128 2 metadata2 writeback default 0"
	echo one | dd of=/dev/mapper/c bs=4096 conv=sync,fsync 2> /dev/null
	# udev looks at what was written to.
	udevadm settle
	dmsetup remove --retry c
	unplug slow fast
	refute [ -e $D-slow ]
	plug fast slow
	assert [ -b $D-slow ]
	assert [ -b $D-fast ]
	;;
2)
	assert_match "$(journalctl -b -1 -o cat --no-pager)" 'Reached target.*[Pp]ower' \
		"the journal of the first boot's end"
	size=$(blockdev --getsz $D-slow)
	dmsetup create c \
		--table "0 $size cache $D-meta $D-fast $D-slow 128 2 metadata2 writeback default 0"
	assert_eq "$(head -c 3 /dev/mapper/c)" one "what the first boot wrote"
	echo two | dd of=/dev/mapper/c bs=4096 conv=sync,fsync 2> /dev/null
	power_cut
	;;
3)
	size=$(blockdev --getsz $D-slow)
	dmsetup create c \
		--table "0 $size cache $D-meta $D-fast $D-slow 128 2 metadata2 writeback default 0"
	assert_eq "$(head -c 3 /dev/mapper/c)" two "what was flushed before the power cut"
	;;
esac
