# SPDX-License-Identifier: GPL-2.0-only
# what: an origin on a RAID1 that loses a leg and gets it back, loop devices, devices with sectors
#       of 4 KiB
# long: two minutes
# needs: mem=1024
# timeout: 300
# stock: no
# expect-dmesg: md/raid1:.*

. /job/lib-stack.sh
noise /tmp/data 24

# around FEATURES WHAT [ALIGN]: pieces, mixed requests; written back; the origin alone
around() {
	blank
	make_cache c 64 "$1" smq
	put /tmp/data /dev/mapper/c
	agrees /tmp/data /dev/mapper/c "$2" ${3:+"$3"}
	mixed /dev/mapper/c 24 5 $((${3:-1} * 512))
	put /tmp/data /dev/mapper/c
	${4:-:}
	agrees /tmp/data /dev/mapper/c "$2, once more" ${3:+"$3"}
	assert_num "$(st_promotions c)" -ge 1 "promotions, $2"
	clean_all c 64 "$1"
	dmsetup remove c
	check_metadata $META
	same /tmp/data $ORIGIN "the origin alone, $2"
}

# --- RAID1 ---
nb meta 8 0 64 8
nb fast 8 0 64 8
nb leg1 40 0 64 8
nb leg2 40 0 64 8
modprobe raid1
mkdir -p /run/mdadm
quietly mdadm --create /dev/md7 --run --assume-clean --metadata=1.2 --bitmap=none --level=1 \
	--raid-devices=2 /dev/leg1 /dev/leg2
META=/dev/meta CACHE=/dev/fast ORIGIN=/dev/md7
lose_leg() {
	quietly mdadm /dev/md7 --fail /dev/leg2
	agrees /tmp/data /dev/mapper/c "one leg is gone"
	quietly mdadm /dev/md7 --remove /dev/leg2
	quietly mdadm --zero-superblock /dev/leg2
	quietly mdadm /dev/md7 --add /dev/leg2
	agrees /tmp/data /dev/mapper/c "a leg is rebuilt"
	wait_for '! grep -qE "recovery|resync" /proc/mdstat' 60
}
around metadata2 "origin on a RAID1" 1 lose_leg
quietly mdadm /dev/md7 --fail /dev/leg1
same /tmp/data /dev/md7 "the leg that was rebuilt"
quietly mdadm --stop /dev/md7

# --- loop devices ---
modprobe loop
n=0
for f in meta:8 fast:8 slow:40; do
	n=$((n + 1))
	truncate -s ${f#*:}M /tmp/${f%:*}.img
	losetup /dev/loop$n /tmp/${f%:*}.img
done
META=/dev/loop1 CACHE=/dev/loop2 ORIGIN=/dev/loop3
around "" "loop devices"
for l in 1 2 3; do losetup -d /dev/loop$l; done

# --- sectors of 4 KiB: of all three, and of the origin alone ---
NB_SECTOR=4096
nb meta4 8 0
nb fast4 8 0
nb slow4 40 0
for set in "meta4 fast4 slow4" "meta fast slow4" "meta4 fast4 leg1"; do
	# shellcheck disable=SC2086 # three words
	set -- $set
	META=/dev/$1 CACHE=/dev/$2 ORIGIN=/dev/$3
	blank
	make_cache c 64 metadata2 smq
	assert_eq "$(limit /dev/mapper/c logical_block_size)" 4096 \
		"logical block size of a cache on $set"
	refute write_at /dev/mapper/c 8 < /dev/null
	head -c 512 /dev/urandom > /tmp/sector
	refute write_at /dev/mapper/c 8 < /tmp/sector
	dmsetup remove c
	around metadata2 "4 KiB sectors: $set" 8
done
