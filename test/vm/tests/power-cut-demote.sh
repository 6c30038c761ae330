# SPDX-License-Identifier: GPL-2.0-only
# what: dirty blocks are demoted, then a power cut loses what the origin was not told to flush: no
#       data is lost (R2); both formats
# durability: yes
# needs: mem=512
# disks: 32M,32M,64M:lose
# timeout: 240
# boots: 2

. /job/lib-cache.sh
# There is no FLUSH here: the demotion makes the demoted data durable, before its commit.
parts 2 "$DISK0" 32768 "$DISK1" 16384 "$DISK2" 65536
table() {
	echo "0 65536 cache /dev/mapper/m$1 /dev/mapper/f$1 /dev/mapper/s$1 64 $(test $1 = 2 &&
		echo 1 metadata2 || echo 0) ${2:-fifo 0}"
}
# The same in each boot. Of 256 cached blocks the first 32 are new.
seq 1 2000000 | head -c 8388608 > /tmp/old
{ seq 3000000 4000000 | head -c 1048576; tail -c +1048577 /tmp/old; } > /tmp/data

if [ "$BOOT" = 1 ]; then
	for i in 1 2; do
		META=/dev/mapper/m$i CACHE=/dev/mapper/f$i ORIGIN=/dev/mapper/s$i
		warm 64 256 $i /tmp/old
		dmsetup create c$i --table "$(table $i 'fifo 2 migration_threshold 0')"
		dd if=/tmp/data of=/dev/mapper/c$i bs=32k count=32 oflag=direct conv=notrunc,fsync \
			2> /dev/null
		assert_num "$(st_dirty c$i)" -eq 32 "dirty blocks of c$i"
		# They would be written back in the background else, and the origin flushed for
		# that.
		keep_busy c$i 255
		n=0
		while [ "$(st_dirty c$i)" -gt 20 ]; do
			n=$((n + 1))
			[ $n -lt 200 ] ||
				fail "c$i: $(st_demotions c$i) demotions after $n rounds of reading"
			read_blocks c$i 64 300 700
		done
		assert_num "$(st_demotions c$i)" -ge 10 "demotions of c$i"
		note \
			"c$i: $(st_demotions c$i) demotions, $(st_dirty c$i) of 32 blocks dirty when the power goes"
	done
	power_cut
fi

for i in 1 2; do
	check_metadata /dev/mapper/m$i
	dmsetup create c$i --table "$(table $i)"
	same /tmp/data /dev/mapper/c$i "c$i: data that was dirty in the cache"
	dmsetup reload c$i --table "$(table $i 'cleaner 0')"
	dmsetup suspend c$i
	dmsetup resume c$i
	wait_for "[ \$(st_dirty c$i) = 0 ]" 60
	dmsetup remove c$i
	same /tmp/data /dev/mapper/s$i "c$i: the origin when clean"
done
