# SPDX-License-Identifier: GPL-2.0-only
# what: power cuts with partial blocks on disks that lose what was not flushed: what was flushed is
#       there, what was only recorded holds old data or new, and stays as it was read
# durability: yes
# needs: smp=1 mem=512
# stock: no
# disks: 8M:lose,16M:lose,24M:lose,64M
# timeout: 240
# boots: 2
# files: test/vm/lib-cache.sh test/vm/lib-fail.sh test/vm/lib-partial.sh

. /job/lib-cache.sh
. /job/lib-fail.sh
. /job/lib-partial.sh
META=$DISK0 CACHE=$DISK1 ORIGIN=$DISK2
tunables="write_allocate 50 migration_threshold 0"
# on_disk: how many partial blocks the superblock says there are
on_disk() {
	dd if="$META" bs=4096 count=1 iflag=direct 2> /dev/null | od -An -tu4 -j 120 -N 4 | tr -d ' '
}

modprobe dm-cache
if [ "$BOOT" = 1 ]; then
	partials_to_cut
	assert dd if=/dev/null of=/dev/mapper/c conv=notrunc,fsync 2> /dev/null
	assert_eq "$(on_disk)" 40 "recorded by a FLUSH"
	# No FLUSH comes after these; they are recorded all the same.
	put_some 40 40
	keep /tmp/want 32
	wait_for '[ "$(on_disk)" = 80 ]' 20
	power_cut
fi

kept /tmp/old 0
kept /tmp/new 32
# shellcheck disable=SC2086 # words
make_cache c 64 "metadata2 writeback" smq $tunables
assert_eq "$(partials)" 80 "partial blocks after the cut"
noted /dev/mapper/c
same /tmp/want /dev/mapper/c "as it was read"
clean_all c 64 "metadata2 writeback"
dmsetup remove c
same /tmp/want $ORIGIN "the origin"
check_metadata $META
