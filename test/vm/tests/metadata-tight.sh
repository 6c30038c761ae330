# SPDX-License-Identifier: GPL-2.0-only
# what: many changes in one commit, with less free metadata than they need: it is split, and the
#       cache stays writable
# needs: mem=512
# timeout: 120
# stock: no
# files: test/tools/fill-metadata.py

. /job/lib-cache.sh
# 32768 blocks, whose mappings are in 65 metadata blocks; in each of those one cache block is free.
# A commit takes long, so all promotions that come meanwhile join the next one, and change as many
# metadata blocks.
nb meta 2 20000000
nb fast 1024 0
nb slow 2048 0
META=/dev/meta CACHE=/dev/fast ORIGIN=/dev/slow
awk 'BEGIN {
	print "<superblock uuid=\"\" block_size=\"64\" nr_cache_blocks=\"32768\" policy=\"smq\" hint_width=\"4\">\n<mappings>"
	for (i = 0; i < 32768; i++) if (i % 509) printf "<mapping cache_block=\"%d\" origin_block=\"%d\" dirty=\"false\"/>\n", i, i
	print "</mappings>\n<hints>\n</hints>\n</superblock>" }' > /tmp/meta.xml
dd if=/dev/zero of=$META bs=4096 count=1 oflag=direct 2> /dev/null
/tpt1/cache_restore -q --metadata-version 2 -i /tmp/meta.xml -o $META
note "$(python3 -I /job/fill-metadata.py $META 36)"

make_cache c 64 metadata2 default
assert_eq "$(st_used c)/$(st_total c)" 32703/32768 "cached blocks"
quiet_fio --name=w --filename=/dev/mapper/c --direct=1 --rw=randwrite --bs=32k --offset=1g \
	--size=512m --ioengine=libaio --iodepth=64 \
	--number_ios=64
note "$(st_promotions c) promotions, $(st_metadata_used c) metadata blocks in use"
assert_eq "$(st_mode c) $(st_needs_check c)" "rw -" "the mode after many changes at a time"
assert_num "$(st_promotions c)" -ge 60 "promotions"
dmsetup remove c
# What was made to look used is leaked; nothing else is wrong.
/tpt1/cache_check --auto-repair $META > /tmp/said 2>&1 ||
	fail "cache_check --auto-repair: $(cat /tmp/said)"
