# SPDX-License-Identifier: GPL-2.0-only
# what: a flush of the cache's own that fails, when no FLUSH of the user's waits for it, fails the
#       next one that comes, if the user has written to that device; writethrough: what it may have
#       lost is dropped
# durability: yes
# needs: smp=1 mem=512
# timeout: 180
# stock: no

. /job/lib-fail.sh
below_all 8 "16 16" "24 16"
noise /tmp/data 24

# again MODE: 64 cached, clean blocks of 512, and /tmp/want is what c has to hold
again() {
	dmsetup remove c 2> /dev/null || :
	cp /tmp/data /tmp/want
	warm 64 64 2 /tmp/data
	make_cache c 64 "metadata2 $1" smq
	assert sync_of c
}
# change_at SECTOR: 4 KiB, in c and in /tmp/want
change_at() {
	head -c 4096 /dev/urandom > /tmp/put
	dd if=/tmp/put of=/tmp/want bs=512 seek="$1" conv=notrunc 2> /dev/null
	write_at /dev/mapper/c "$1" < /tmp/put
}
# fail_promotion: what the user wrote is not touched, but the flush for a promotion fails. The
# device is unflushable() before the write: an idle cache flushes, too, and then nothing is lost.
fail_promotion() {
	dmesg_mark
	i=64
	wait_for 'read_at /dev/mapper/c $((i * 64)) > /dev/null; i=$((i + 1))
		dmesg_new | grep -q "cannot flush the cache device"' 60
}

# --- the cache device ---
again writeback
unflushable f
change_at $((3 * 64))
# Acknowledged at once; it is not on the device before.
wait_for '[ $(st_dirty c) = 1 ]' 20
fail_promotion
back f
refute sync_of c
assert sync_of c
same /tmp/want /dev/mapper/c "after a flush for a promotion that failed"

again writeback
unflushable f
fail_promotion
back f
assert sync_of c

# --- the origin ---
again writeback
dmesg_mark
unflushable s
# No copy: so this one goes to the origin.
dmsetup message c 0 migration_threshold 0
change_at $((300 * 64))
dmsetup message c 0 migration_threshold 2048
change_at $((3 * 64))
wait_for 'dmesg_new | grep -q "cannot flush the origin device"' 60
back s
refute sync_of c
assert sync_of c
same /tmp/want /dev/mapper/c "after a flush for a writeback that failed"

again writeback
dmesg_mark
unflushable s
change_at $((3 * 64))
wait_for 'dmesg_new | grep -q "cannot flush the origin device"' 60
back s
assert sync_of c

# --- writethrough: the origin has it all; the next FLUSH, or the shutdown, drops the block ---
for how in sync_of shutdown; do
	again writethrough
	read_at /dev/mapper/f $((3 * 64)) > /tmp/before
	unflushable f
	change_at $((3 * 64))
	fail_promotion
	# The drive loses it.
	write_at /dev/f0 $((3 * 64)) < /tmp/before
	back f
	if [ $how = sync_of ]; then
		# It is idle longer than it waits after a failure before it clears marks: it may not
		# clear those that tell what to drop.
		sleep 12
		assert sync_of c
	else
		dmsetup remove c
		make_cache c 64 "metadata2 writethrough" smq
	fi
	read_at /dev/mapper/c $((3 * 64)) | cmp - /tmp/put ||
		fail "$how: old data of a block that the cache device has lost"
	same /tmp/want /dev/mapper/c "after a flush that failed, writethrough, $how"
done
dmsetup remove c
check_metadata $META
