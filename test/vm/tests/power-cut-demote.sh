# SPDX-License-Identifier: GPL-2.0-only
# what: dirty blocks are cleaned and demoted, then a power cut loses what the origin was not told to flush: no data is lost (R2); both formats
# needs: mem=512
# disks: 32M,32M,64M:lose
# timeout: 240
# boots: 2
# files: test/vm/lib-cache.sh

. /job/lib-cache.sh
# Nobody sends a FLUSH here: what makes the demoted data durable is the demotion, before its commit.
for i in 1 2; do
	linear m$i "$DISK0" $(((i - 1) * 32768)) 32768
	linear f$i "$DISK1" $(((i - 1) * 16384)) 16384
	linear s$i "$DISK2" $(((i - 1) * 65536)) 65536
done
table() { echo "0 65536 cache /dev/mapper/m$1 /dev/mapper/f$1 /dev/mapper/s$1 64 $(test $1 = 2 && echo 1 metadata2 || echo 0) ${2:-default 0}"; }
# The same in each boot.
seq 1 2000000 | head -c 8388608 > /tmp/data

if [ "$BOOT" = 1 ]; then
	for i in 1 2; do
		META=/dev/mapper/m$i CACHE=/dev/mapper/f$i ORIGIN=/dev/mapper/s$i
		# All 256 blocks dirty: the origin has nothing of it.
		put /tmp/data $CACHE
		meta_format $META 64 256 256 true $i
		dmsetup create c$i --table "$(table $i)"
		assert_num "$(st_dirty c$i)" -eq 256 "dirty blocks of c$i"
		n=0
		while [ "$(st_demotions c$i)" -lt 10 ]; do
			n=$((n + 1))
			[ $n -lt 200 ] || fail "c$i: $(st_demotions c$i) demotions after $n rounds of reading"
			read_blocks c$i 64 400 20
			sleep 0.2
		done
		note "c$i: $(st_demotions c$i) demotions, $(st_dirty c$i) of 256 blocks dirty when the power goes"
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
