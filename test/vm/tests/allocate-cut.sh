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
# keep FILE MB, kept FILE MB: a file on the disk that loses nothing, at this place
keep() { dd if="$1" of="$DISK3" bs=1M seek="$2" oflag=direct conv=notrunc 2> /dev/null; }
kept() { dd if="$DISK3" of="$1" bs=1M skip="$2" count=24 iflag=direct 2> /dev/null; }
# on_disk: how many partial blocks the superblock says there are
on_disk() {
	dd if="$META" bs=4096 count=1 iflag=direct 2> /dev/null | od -An -tu4 -j 120 -N 4 | tr -d ' '
}

modprobe dm-cache
if [ "$BOOT" = 1 ]; then
	noise /tmp/want 24
	put /tmp/want $ORIGIN
	keep /tmp/want 0
	# What lies on the cache must not come up.
	noise /tmp/junk 16
	put /tmp/junk $CACHE
	blank
	for d in $META $CACHE $ORIGIN; do
		dd if=/dev/null of=$d conv=notrunc,fsync 2> /dev/null
	done
	# shellcheck disable=SC2086 # words
	make_cache c 64 "metadata2 writeback" smq $tunables
	put_some 0 40
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
cp /tmp/old /tmp/want
b=0
while [ $b -lt 80 ]; do
	s=$(granule_of $b)
	read_at /dev/mapper/c $s > /tmp/got
	for f in new old; do
		dd if=/tmp/$f bs=512 skip=$s count=8 2> /dev/null | cmp -s - /tmp/got && break
		[ $f = new ] || fail "block $b holds neither what was written nor what was there"
	done
	[ $f = new ] || [ $b -ge 40 ] || fail "block $b was flushed, and is lost"
	dd if=/tmp/got of=/tmp/want bs=512 seek=$s conv=notrunc 2> /dev/null
	b=$((b + 1))
done
same /tmp/want /dev/mapper/c "as it was read"
clean_all c 64 "metadata2 writeback"
dmsetup remove c
same /tmp/want $ORIGIN "the origin"
check_metadata $META
