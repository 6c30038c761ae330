# SPDX-License-Identifier: GPL-2.0-only
# what: passthrough, then a power cut: what was written and flushed is there in every mode, and no
#       block that was dropped comes back; both formats
# durability: yes
# needs: smp=1
# disks: 32M:lose,32M:lose,64M:lose
# boots: 2

. /job/lib-cache.sh
# In format 1 and in format 2.
for i in 1 2; do
	linear m$i "$DISK0" $(((i - 1) * 32768)) 32768
	linear f$i "$DISK1" $(((i - 1) * 32768)) 32768
	linear s$i "$DISK2" $(((i - 1) * 65536)) 65536
done
use() { META=/dev/mapper/m$1 CACHE=/dev/mapper/f$1 ORIGIN=/dev/mapper/s$1; }
# The same in each boot: 192 blocks, all cached, and what becomes of them: a part of a block, a
# block, three blocks, and the last one are written.
BLOCKS=192 DROPPED=6
seq 1 2000000 | head -c $((BLOCKS * 32768)) > /tmp/old
seq 5000001 7000000 | head -c $((BLOCKS * 32768)) > /tmp/new
# write_new FLAGS DEV: "page, pages" of 4 KiB each
write_new() {
	for x in 59,1 160,8 400,24 1528,8; do
		dd if=/tmp/new of="$2" bs=$((${x#*,} * 4096)) count=1 skip=$((${x%,*} * 4096)) \
			seek=$((${x%,*} * 4096)) iflag=skip_bytes oflag="seek_bytes$1" \
			conv=notrunc 2> /dev/null
	done
}
cp /tmp/old /tmp/now
write_new '' /tmp/now

if [ "$BOOT" = 1 ]; then
	for i in 1 2; do
		use $i
		warm 64 $BLOCKS $i /tmp/old
		make_cache c$i 64 "$(features_of $i passthrough)" smq
		assert_eq "$(st_used c$i)" $BLOCKS "cached blocks, format $i"
		write_new ,direct,dsync /dev/mapper/c$i
		same /tmp/now /dev/mapper/c$i "before the power cut, format $i"
	done
	power_cut
fi

for i in 1 2; do
	use $i
	same /tmp/now $ORIGIN "the origin after the power cut, format $i"
	check_metadata $META
	for mode in writeback writethrough passthrough; do
		make_cache c 64 "$(features_of $i $mode)" smq
		same /tmp/now /dev/mapper/c "$mode after the power cut, format $i"
		[ $mode != writeback ] || {
			assert_num "$(st_used c)" -ge $((BLOCKS - DROPPED)) \
				"blocks cached, format $i"
			clean_all c 64 "$(features_of $i)"
		}
		dmsetup remove c
	done
	check_metadata $META
done
