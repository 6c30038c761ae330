# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# What the tests of a / on a cache write to it, and find again after a shutdown and a power cut.

# root_write: a file with its sum, and blocks that get hot
root_write() {
	(cd /root && dd if=/dev/urandom of=file bs=1M count=8 conv=fsync 2> /dev/null &&
		md5sum file > sum)
	for i in 1 2 3; do
		dd if=/dev/urandom of=/root/hot bs=64k count=32 conv=notrunc,fsync 2> /dev/null
	done
}

root_same() { (cd /root && assert md5sum -c --quiet sum); }

# root_cut: the power goes, right after something was flushed
root_cut() {
	echo before > /root/acked
	sync /root/acked
	power_cut
}

root_same_after_cut() {
	root_same
	assert_eq "$(cat /root/acked)" before "what was flushed before the power cut"
}
