# SPDX-License-Identifier: GPL-2.0-only
# what: hits count and leave the origin alone; a cold cache fills; whole blocks are cached without a
#       read
# needs: smp=1 mem=512
# timeout: 240

. /job/lib-cache.sh
devices 8 16 48
noise /tmp/data 24

# A warm cache: 256 of 512 blocks hold the first 8 MB.
warm 64 256 2 /tmp/data
make_cache c 64 metadata2 smq
assert_num "$(st_used c)" -eq 256 "blocks in use after loading a warm cache"
r=$(dev_reads $ORIGIN) w=$(dev_writes $ORIGIN) h=$(st_read_hits c)
quiet_fio --name=r --filename=/dev/mapper/c --direct=1 --rw=randread --bs=4k --size=8m \
	--number_ios=500
assert_num "$(st_read_hits c)" -ge $((h + 500)) "read hits after 500 reads of cached blocks"
assert_num "$(dev_reads $ORIGIN)" -eq "$r" "reads of the origin after hits only"
h=$(st_write_hits c)
quiet_fio --name=w --filename=/dev/mapper/c --direct=1 --rw=randwrite --bs=4k --size=8m \
	--number_ios=500 --norandommap=1
assert_num "$(st_write_hits c)" -ge $((h + 500)) "write hits after 500 writes to cached blocks"
assert_num "$(dev_reads $ORIGIN)" -eq "$r" "reads of the origin after write hits"
m=$(st_read_misses c)
read_blocks c 64 512 100
assert_num "$(st_read_misses c)" -ge $((m + 60)) "read misses after 100 reads of uncached blocks"
assert_num "$(dev_reads $ORIGIN)" -ge $((r + 60)) "reads of the origin after misses"
same /tmp/data /dev/mapper/c "last third of a half-warm cache" 8 16
dmsetup remove c

# Cold: a working set half as large as the cache is read in random order until it is cached. All
# free blocks are there to be filled: a few passes must do.
blank
put /tmp/data $ORIGIN
make_cache c 64 "" default migration_threshold 0
quiet_fio --name=r --filename=/dev/mapper/c --direct=1 --rw=randread --bs=4k --size=8m --io_size=4m
sleep 0.5
assert_num "$(st_promotions c)" -eq 0 "promotions with a migration_threshold of 0"
dmsetup message c 0 migration_threshold 2048
for i in 1 2 3 4 5 6; do
	quiet_fio --name=r --filename=/dev/mapper/c --direct=1 --rw=randread --bs=4k --size=8m \
		--io_size=4m --randseed=$i
	sleep 0.2
done
note "cold cache after 24 MB of random reads over 8 MB: $(st_used c) of 256 blocks"
assert_num "$(st_used c)" -ge 200 "cached blocks of a hot 8 MB"
h=$(st_read_hits c)
quiet_fio --name=r --filename=/dev/mapper/c --direct=1 --rw=randread --bs=4k --size=8m \
	--number_ios=1000
assert_num "$(st_read_hits c)" -ge $((h + 750)) "hits of 1000 reads in a hot working set"
same /tmp/data /dev/mapper/c "data after promotions" 24
dmsetup remove c

# Whole blocks, aligned, into a cold cache: promoted by the write itself; the origin is not read.
# Enough threshold: once background cleaning uses all of it up, a whole block may come in as any
# other.
blank
make_cache c 64 "" default migration_threshold 204800
r=$(dev_read_sectors $ORIGIN) w=$(dev_write_sectors $ORIGIN)
dd if=/tmp/data of=/tmp/data12 bs=1M count=12 2> /dev/null
put /tmp/data12 /dev/mapper/c 0 32k
note "whole-block writes: $(st_used c) of 512 blocks cached, $(st_dirty c) dirty"
assert_num "$(st_used c)" -ge 300 "blocks cached by whole-block writes"
assert_num "$(dev_read_sectors $ORIGIN)" -eq "$r" \
	"sectors read from the origin by whole-block writes"
same /tmp/data /dev/mapper/c "data of whole-block writes" 24
