# SPDX-License-Identifier: GPL-2.0-only
# what: a write to a clean block after suspend and resume, then a power cut: the write is not lost;
#       both formats
# durability: yes
# needs: mem=512
# disks: 32M:lose,32M:lose,64M:lose
# timeout: 240
# boots: 2

. /job/lib-cache.sh
# The kernel's own module leaves the clean-shutdown flag on disk set when a suspend is followed by a
# resume without a new table; what is written then is forgotten by a crash. Four caches, of formats
# 1 and 2: suspended, suspended with --noflush, reloaded, and never suspended.
linear_of() { linear $1$2 "$3" $((($2 - 1) * $4)) $4; }
for i in 1 2 3 4; do
	linear_of m $i "$DISK0" 16384
	linear_of f $i "$DISK1" 16384
	linear_of s $i "$DISK2" 32768
done
feature() { [ $(($1 % 2)) = 0 ] && echo "1 metadata2" || echo 0; }
table() {
	echo \
		"0 32768 cache /dev/mapper/m$1 /dev/mapper/f$1 /dev/mapper/s$1 64 $(feature $1) smq 2 migration_threshold 0"
}

if [ "$BOOT" = 1 ]; then
	noise /tmp/old 8
	for i in 1 2 3 4; do
		META=/dev/mapper/m$i CACHE=/dev/mapper/f$i ORIGIN=/dev/mapper/s$i
		warm 64 256 $((2 - i % 2)) /tmp/old
		dmsetup create c$i --table "$(table $i)"
		case $i in
		1 | 2)
			dmsetup suspend c$i
			dmsetup resume c$i
			dmsetup suspend --noflush c$i
			dmsetup resume c$i
			;;
		3)
			dmsetup reload c$i --table "$(table $i)"
			dmsetup suspend c$i
			dmsetup resume c$i
			;;
		esac
		assert_num "$(st_dirty c$i)" -eq 0 "dirty blocks of c$i before the write"
		page "new $i" |
			dd of=/dev/mapper/c$i bs=4096 seek=80 oflag=direct conv=fdatasync,notrunc \
			2> /dev/null
		assert_num "$(st_dirty c$i)" -eq 1 "dirty blocks of c$i after the write"
	done
	power_cut
fi

for i in 1 2 3 4; do
	check_metadata /dev/mapper/m$i
	dmsetup create c$i --table "$(table $i)"
	assert_num "$(st_used c$i)" -eq 256 "blocks cached in c$i after the power cut"
	note "c$i: $(st_dirty c$i) of 256 blocks count as dirty"
	assert_num "$(st_dirty c$i)" -ge 1 "dirty blocks of c$i after the power cut"
	page "new $i" > /tmp/want
	read_at /dev/mapper/c$i 640 8 | cmp - /tmp/want ||
		fail "c$i: the write before the power cut is not read back"
	dmsetup reload c$i --table "$(table $i | sed 's/smq.*/cleaner 0/')"
	dmsetup suspend c$i
	dmsetup resume c$i
	wait_for "[ \$(st_dirty c$i) = 0 ]" 30
	read_at /dev/mapper/s$i 640 8 | cmp - /tmp/want ||
		fail "c$i: the write before the power cut never reached the origin"
	dmsetup remove c$i
	check_metadata /dev/mapper/m$i
done
