# SPDX-License-Identifier: GPL-2.0-only
# what: power cut under load, twice: metadata checks clean, every acknowledged write is there, still
#       warm; both formats
# kernels-differ: dm-bufio, which writes the metadata
# durability: yes
# needs: mem=512
# disks: 32M:tear,32M:lose,128M:lose,4M
# timeout: 240
# boots: 3
# files: test/tools/pwriter.py

. /job/lib-cache.sh
# Two caches, one of each format, on halves of the same disks; the log of acknowledged writes on a
# fourth.
modprobe dm-mod
parts 2 "$DISK0" 32768 "$DISK1" 32768 "$DISK2" 131072
table() {
	echo "0 131072 cache /dev/mapper/m$1 /dev/mapper/f$1 /dev/mapper/s$1 64 $(test $1 = 2 &&
		echo 1 metadata2 || echo 0) smq 0"
}

if [ "$BOOT" -gt 1 ]; then
	# Before anything opens it for writing: what the cut left.
	check_metadata /dev/mapper/m1
	check_metadata /dev/mapper/m2
fi
dmsetup create c1 --table "$(table 1)"
dmsetup create c2 --table "$(table 2)"
if [ "$BOOT" -gt 1 ]; then
	note \
		"boot $BOOT: $(st_used c1) and $(st_used c2) blocks cached, $(st_dirty c1) and $(st_dirty c2) dirty"
	assert_num "$(st_used c1)" -gt 0 "blocks cached after the power cut, format 1"
	assert_num "$(st_used c2)" -gt 0 "blocks cached after the power cut, format 2"
	assert_eq "$(st_mode c1) $(st_mode c2) $(st_needs_check c1) $(st_needs_check c2)" \
		"rw rw - -" "modes"
	python3 -I /job/pwriter.py check "$DISK3" /dev/mapper/c1 /dev/mapper/c2 ||
		fail "writes that were acknowledged are lost (boot $BOOT)"
fi
if [ "$BOOT" -lt "$BOOTS" ]; then
	# Whole blocks first: the caches fill at once.
	[ "$BOOT" -gt 1 ] || for c in c1 c2; do dd if=/dev/zero of=/dev/mapper/$c bs=32k count=300 \
		oflag=direct 2> /dev/null; done
	if [ "$BOOT" = 1 ]; then
		# First cut: all writes are acknowledged and flushed; then reads alone, with no
		# FLUSH any more, make blocks come and dirty ones go. A commit that names copies
		# which are still in a volatile write cache loses them here.
		python3 -I /job/pwriter.py write "$DISK3" 5 /dev/mapper/c1 /dev/mapper/c2
		fio --thread --direct=1 --rw=randread --bs=4k --random_distribution=zipf:1.2 \
			--randseed=7 --time_based --runtime=60 \
			--ioengine=libaio --iodepth=4 --name=r1 --filename=/dev/mapper/c1 \
			--name=r2 --filename=/dev/mapper/c2 > /dev/null 2>&1 &
		# A status that does not say --noflush is one of the reasons to commit, for the
		# kernel's own module at least.
		for i in 1 2 3 4 5; do
			sleep 1
			dmsetup status c1 > /dev/null
			dmsetup status c2 > /dev/null
		done
	else
		# Second cut: in the midst of writes.
		python3 -I /job/pwriter.py write "$DISK3" 600 /dev/mapper/c1 /dev/mapper/c2 &
		sleep 6
	fi
	note \
		"boot $BOOT, when the power goes: $(st_promotions c1) and $(st_promotions c2) promotions, $(st_used c1) and $(st_used c2) blocks cached, $(st_dirty c1) and $(st_dirty c2) dirty"
	power_cut
fi

# The last boot: all clean, then the origins alone.
for c in c1 c2; do
	dmsetup reload $c --table "$(table ${c#c} | sed 's/smq/cleaner/')"
	dmsetup suspend $c
	dmsetup resume $c
	wait_for "[ \$(st_dirty $c) = 0 ]" 60
done
dmsetup remove c1
dmsetup remove c2
check_metadata /dev/mapper/m1
check_metadata /dev/mapper/m2
python3 -I /job/pwriter.py check "$DISK3" /dev/mapper/s1 /dev/mapper/s2 ||
	fail "the origins lack writes after cleaning"
