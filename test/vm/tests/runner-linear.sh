# SPDX-License-Identifier: GPL-2.0-only
# what: the runner itself: disks survive a power cut, dm-linear works, helpers count what they
#       should
# needs: smp=1 mem=512
# disks: 16M
# timeout: 60
# boots: 2

if [ "$BOOT" = 1 ]; then
	nb fast 64 100000
	linear lin /dev/fast 2048 65536
	r=$(dev_reads /dev/fast)
	fio --name=t --filename=/dev/mapper/lin --direct=1 --rw=randread --bs=4k --number_ios=50 \
		--size=16m > /dev/null
	assert_num $(($(dev_reads /dev/fast) - r)) -ge 50 "reads that reached the device"
	refute dmsetup create bad --table "0 8 linear /dev/fast 99999999"
	echo kept | dd of="$DISK0" bs=512 count=1 conv=sync oflag=direct 2> /dev/null
	power_cut
fi

assert_eq "$(head -c 4 "$DISK0")" kept "what was written before the power cut"
