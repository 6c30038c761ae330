# SPDX-License-Identifier: GPL-2.0-only
# what: promotions that no bio waits for share metadata commits; a write that waits for one gets
#       its commit
# durability: yes
# needs: mem=512
# timeout: 120

. /job/lib-cache.sh
nb meta 8 0 64 8
nb fast 32 0 64 8
nb slow 48 5000000 64 8
META=/dev/meta CACHE=/dev/fast ORIGIN=/dev/slow
noise /tmp/data 48
put /tmp/data $ORIGIN
blank
make_cache c 64 metadata2 default

# One read at a time, 5 ms each: a promotion is long over when the next one begins.
f=$(dev_flushes $META) p=$(st_promotions c)
quiet_fio --name=r --filename=/dev/mapper/c --direct=1 --rw=randread --bs=4k --size=16m \
	--number_ios=400 --norandommap=1
sleep 0.3
p=$(($(st_promotions c) - p)) f=$(($(dev_flushes $META) - f))
note "$p promotions by reads, $f flushes of the metadata device"
assert_num "$p" -ge 100 "promotions by reads"
# Two flushes a commit, so one commit a promotion would be twice as many flushes as promotions.
assert_num "$f" -le $((p / 2)) "metadata flushes of those promotions"

# Whole blocks written: each write is acknowledged after its own commit only, so power cuts lose
# nothing.
f=$(dev_flushes $META) p=$(st_promotions c)
dd if=/tmp/data of=/dev/mapper/c bs=32k count=64 seek=1024 oflag=direct conv=notrunc 2> /dev/null
p=$(($(st_promotions c) - p)) f=$(($(dev_flushes $META) - f))
note "$p promotions by whole-block writes, one at a time: $f flushes of the metadata device"
assert_num "$p" -ge 32 "promotions by whole-block writes"
assert_num "$f" -ge "$p" "metadata flushes of promotions that a write waits for"
