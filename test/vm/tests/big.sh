# SPDX-License-Identifier: GPL-2.0-only
# what: origin and cache beyond 2 TiB, and an origin of more than 2^32 blocks: all are read,
#       written, cached and cleaned where they belong
# needs: smp=1 mem=768
# timeout: 240

. /job/lib-cache.sh
# Sparse devices of 3 TiB: snapshots of nothing. Blocks of 16 MiB, 196608 of them.
SIZE=6442450944 BLOCK=32768
modprobe dm-zero
modprobe dm-snapshot
nb meta 16 0
nb cow1 200 0
nb cow2 200 0
dmsetup create nothing --table "0 $SIZE zero"
dmsetup create slow --table "0 $SIZE snapshot /dev/mapper/nothing /dev/cow1 N 128"
dmsetup create fast --table "0 $SIZE snapshot /dev/mapper/nothing /dev/cow2 N 128"
META=/dev/meta CACHE=/dev/mapper/fast ORIGIN=/dev/mapper/slow

# Clean mappings: low and high cache blocks hold high and low origin blocks. Hot: uncached.
{
	echo \
		"<superblock uuid=\"\" block_size=\"$BLOCK\" nr_cache_blocks=\"196608\" policy=\"smq\" hint_width=\"4\"><mappings>"
	echo '<mapping cache_block="2" origin_block="195000" dirty="false"/>'
	echo '<mapping cache_block="131072" origin_block="0" dirty="false"/>'
	echo '<mapping cache_block="190000" origin_block="150000" dirty="false"/>'
	echo '<mapping cache_block="196607" origin_block="1" dirty="true"/>'
	echo '</mappings><hints></hints></superblock>'
} > /tmp/meta.xml
/tpt1/cache_restore -q --metadata-version 2 -i /tmp/meta.xml -o $META
at() { echo $(($1 * BLOCK + ${2:-0})); }

for p in "2 195000" "131072 0" "190000 150000" "196607 1"; do
	page "block ${p#* }" | write_at $CACHE "$(at "${p% *}" 24)"
done
page "hot 140000" | write_at $ORIGIN "$(at 140000 24)"
page "hot 9" | write_at $ORIGIN "$(at 9 24)"

make_cache c $BLOCK metadata2 smq
assert_eq "$(st_used c)/$(st_total c) $(st_dirty c)" "4/196608 1" "blocks used, all, dirty"
check() {
	read_at "$1" "$(at "$2" "${4:-24}")" > /tmp/got
	page "$3" | cmp - /tmp/got || fail "$1: block $2 does not hold '$3'"
}
for b in 195000 0 150000 1; do check /dev/mapper/c $b "block $b"; done
check /dev/mapper/c 140000 "hot 140000"
# Had a product been cut to 32 bits, one of these would hold something.
for b in 63928 18928 65528; do
	dd if=/dev/mapper/c bs=512 skip="$(at $b 24)" count=8 iflag=direct 2> /dev/null |
		cmp - /dev/zero -n 4096 || fail "block $b holds something"
done

for b in 195000 0 150000 1; do page "new $b" | write_at /dev/mapper/c "$(at $b 40)"; done
assert_num "$(st_dirty c)" -ge 1 "dirty blocks"
# Make some uncached high blocks hot, so that they are promoted; the block layer complains about a
# wrong sector.
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
	check /dev/mapper/c 140000 "hot 140000"
	check /dev/mapper/c 9 "hot 9"
done
sleep 1
note "$(dmsetup status c | cut -d' ' -f4-14)"
dmsetup remove c
check_metadata $META
make_cache c $BLOCK metadata2 smq
for b in 195000 0 150000 1; do check /dev/mapper/c $b "new $b" 40; done
check /dev/mapper/c 140000 "hot 140000"
clean_all c $BLOCK metadata2
dmsetup remove c
for b in 195000 0 150000 1; do
	check $ORIGIN $b "new $b" 40
	check $ORIGIN $b "block $b"
done
for d in slow fast nothing; do dmsetup remove $d; done

# --- 384 TiB in blocks of 32 KiB: the mapping table holds the upper bits of a block's number
# elsewhere ---
BLOCK=64 M=4294967296
# cache_check reserves a bit for each of them, and uses few.
echo 1 > /proc/sys/vm/overcommit_memory
SIZE=$((3 * M * BLOCK))
dmsetup create nothing --table "0 $SIZE zero"
dmsetup create slow --table "0 $SIZE snapshot /dev/mapper/nothing /dev/cow1 N 128"
nb small 8 0
CACHE=/dev/small
# All the same in their lower 32 bits, or with all of those set.
blocks="5 $((M + 5)) $((2 * M + 5)) $((M - 1)) $((2 * M - 1)) $((3 * M - 1))"
{
	echo \
		"<superblock uuid=\"\" block_size=\"$BLOCK\" nr_cache_blocks=\"256\" policy=\"smq\" hint_width=\"4\"><mappings>"
	i=0
	for b in $blocks; do
		echo "<mapping cache_block=\"$i\" origin_block=\"$b\" dirty=\"false\"/>"
		page "block $b" | write_at $CACHE $((i * BLOCK + 24))
		i=$((i + 1))
	done
	echo '</mappings><hints></hints></superblock>'
} > /tmp/meta.xml
/tpt1/cache_restore -q --metadata-version 2 -i /tmp/meta.xml -o $META
hot="6 $((M + 6)) $((2 * M + 6))"
for b in $hot; do page "block $b" | write_at $ORIGIN "$(at "$b" 24)"; done
make_cache c $BLOCK metadata2 smq
assert_eq "$(st_used c)" 6 "blocks used"
for b in $blocks $hot; do check /dev/mapper/c "$b" "block $b"; done
for b in $blocks; do page "new $b" | write_at /dev/mapper/c "$(at "$b" 40)"; done
hot_read() { for b in $hot; do check /dev/mapper/c "$b" "block $b"; done; }
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do hot_read; done
wait_for 'hot_read; [ "$(st_promotions c)" -ge 1 ]' 30
note "$(dmsetup status c | cut -d' ' -f4-14)"
for b in $blocks; do check /dev/mapper/c "$b" "new $b" 40; done
dmsetup remove c
check_metadata $META
make_cache c $BLOCK metadata2 smq
for b in $blocks; do check /dev/mapper/c "$b" "new $b" 40; done
for b in $hot; do check /dev/mapper/c "$b" "block $b"; done
clean_all c $BLOCK metadata2
dmsetup remove c
for b in $blocks; do check $ORIGIN "$b" "new $b" 40; done
# Their other halves were written to the cache device alone, for this test.
for b in $hot; do check $ORIGIN "$b" "block $b"; done
