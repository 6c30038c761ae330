# SPDX-License-Identifier: GPL-2.0-only
# what: write and fdatasync of cached, dirty blocks go on while the metadata commit of promotions
#       hangs
# durability: yes
# needs: mem=512
# timeout: 120

. /job/lib-cache.sh
devices 16 32 64 4
noise /tmp/data 48
linear m $META 0 "$(sectors $META)"
RAW=$META META=/dev/mapper/m

warm 64 64 2 /tmp/data true
make_cache c 64 metadata2 smq migration_threshold 0
p=$(st_promotions c)
# Dirty blocks would be written back else, and a write to one of those waits.
keep_busy c 63 --rate_iops=40
dmsetup message c 0 migration_threshold 20480

# syncs FILE: writes of 4 KiB all over the dirty blocks, a sync after each; FILE is there when they
# are done
syncs() {
	rm -f "$1"
	{ quiet_fio --name=s --filename=/dev/mapper/c --direct=1 --rw=randwrite --bs=4k \
		--size=2016k --number_ios=64 --fdatasync=1 && : > "$1"; } &
}
syncs /tmp/before
wait_for '[ -e /tmp/before ]' 30
assert_eq "$(st_dirty c)" 64 "dirty blocks"

# From now on whatever goes to the metadata device waits. (The status would wait too.)
dmsetup suspend --noflush --nolockfs m
w=$(dev_writes $CACHE) m=$(dev_writes $RAW)
for i in $(seq 64 95); do read_at /dev/mapper/c $((i * 64)) > /dev/null; done
wait_for '[ $(($(dev_writes $CACHE) - w)) -ge 16 ]' 30
# The copies are there; a commit that no bio waits for begins within a second.
sleep 2
syncs /tmp/during
for _ in $(seq $((300 * PATIENCE))); do
	[ ! -e /tmp/during ] || break
	sleep 0.1
done
ended=$([ -e /tmp/during ] && echo yes) || ended=no
assert_eq "$(dev_writes $RAW)" "$m" "metadata writes while its device was suspended"
dmsetup resume m
kill $reader
wait
assert_eq $ended yes "the syncs ended while a commit hung"

wait_for '[ $(($(st_promotions c) - p)) -ge 16 ]' 30
note \
	"64 syncs beside a commit of $(($(st_promotions c) - p)) promotions that hung; then $(($(dev_writes $RAW) - m)) metadata writes"
dmsetup remove c
