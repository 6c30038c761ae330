# SPDX-License-Identifier: GPL-2.0-only
# what: a power cut loses what was not flushed, and nothing else
# selftest: PASS
# disks: 8M:lose,8M:tear,8M:lose
# boots: 3
put() {
	yes "$1" | dd of="$2" bs=1M count=4 iflag=fullblock oflag=direct conv=notrunc"${3:-}" \
		2> /dev/null
}

case $BOOT in
1)
	for d in $DISK0 $DISK1 $DISK2; do put flushed "$d" ,fsync; done
	put later "$DISK0"
	put later "$DISK1"
	power_cut
	;;
2)
	assert_eq "$(head -c 7 "$DISK0")" flushed "what was on the losing disk"
	n=$(dd if="$DISK1" bs=4096 count=1024 iflag=direct 2> /dev/null | tr -s '\n' |
		grep -c '^later$')
	assert_num "$n" -gt 100000 "lines of the unflushed write that the tearing disk kept"
	assert_num "$n" -lt 500000 "lines of the unflushed write that the tearing disk kept"
	put later "$DISK2"
	;;
3)
	assert_eq "$(head -c 5 "$DISK2")" later \
		"what was written before an orderly shutdown, without a flush"
	;;
esac
