# SPDX-License-Identifier: GPL-2.0-only
# what: after a power cut few clean blocks count as dirty and no dirty one is missed; the kernel's
#       module in between; both formats
# durability: yes
# needs: smp=1 mem=512
# disks: 40M:lose,60M:lose,80M:lose,32M
# timeout: 300
# boots: 3
# stock: no

. /job/lib-cache.sh
# Ten caches of 192 blocks, 160 of them mapped, odd ones in format 1, even ones in format 2. What
# happens to each after the first power cut:
#   1 2  ours opens it; blocks were written and cleaned before, and nothing was flushed since; some
#        were not flushed to the cache device either, by whatever wrote them
#   9 10 ours opens it
#   3 4  the kernel's own module opens it, writes to a cached block, and the power goes again
#   5 6  the same, but it also commits
#   7 8  the kernel's own module opens it, writes, and shuts down
NR=192 MAPPED=160 BUDGET=9
DIRTY="3 17 40 77 110 150"
MANY="0 5 10 15 20 25 30 35 40 45 50 55 60 65 70 75 80 85 90 95 100 105 110 115 120 125 130 135 140 145 150 155"
LATER="1 6 11 16 21 26 31 36"
KERNELS=90

modprobe dm-mod
parts 10 "$DISK0" 8192 "$DISK1" 12288 "$DISK2" 16384
format_of() { echo $((2 - $1 % 2)); }
table() {
	echo "0 16384 cache /dev/mapper/m$1 /dev/mapper/f$1 /dev/mapper/s$1 64" \
		"$([ "$(format_of "$1")" = 2 ] && echo 1 metadata2 || echo 0) $2"
}
create() { dmsetup create c$1 --table "$(table "$1" "${2:-smq 2 migration_threshold 0}")"; }
# change FILE DEV WORD BLOCKS...: 4 KiB in each of the blocks, in the device and in the file that
# says what it holds
change() {
	_f=$1 _d=$2 _w=$3
	shift 3
	for _b in "$@"; do
		page "$_w $_b" > /tmp/page
		dd if=/tmp/page of="$_d" bs=4096 seek=$((_b * 8 + 1)) oflag=direct \
			conv=notrunc,fdatasync 2> /dev/null
		dd if=/tmp/page of="$_f" bs=4096 seek=$((_b * 8 + 1)) conv=notrunc 2> /dev/null
	done
}
# write_later CACHE, and no FLUSH
write_later() {
	for _b in $LATER; do page "later $_b" | write_at /dev/mapper/c$1 $((_b * 64 + 8)); done
}
# as_read CACHE FILE: of those blocks either content is right, but one for good: FILE has it from
# now on
as_read() {
	for _b in $LATER; do
		read_at /dev/mapper/c$1 $((_b * 64 + 8)) > /tmp/either
		page "later $_b" | cmp -s - /tmp/either ||
			dd if="$2" bs=4096 skip=$((_b * 8 + 1)) count=1 2> /dev/null |
			cmp - /tmp/either ||
				fail "c$1: block $_b is neither what it was nor what was written"
		dd if=/tmp/either of="$2" bs=4096 seek=$((_b * 8 + 1)) conv=notrunc 2> /dev/null
	done
}
# What caches should hold is kept on the last disk: for 1 and 2, then for the others.
keep() {
	put /tmp/want12 "$DISK3"
	put /tmp/want "$DISK3" 8
}
recall() {
	dd if="$DISK3" of=/tmp/want12 bs=1M count=8 iflag=direct 2> /dev/null
	dd if="$DISK3" of=/tmp/want bs=1M skip=8 count=8 iflag=direct 2> /dev/null
}
# What the superblock holds in bytes that only ours uses
live_mark() {
	dd if="$1" bs=4096 count=1 iflag=direct 2> /dev/null |
		dd bs=1 skip=96 count=16 2> /dev/null | od -An -v -tx1 | tr -d ' \n'
}
NO_MARK=00000000000000000000000000000000
# All of it is read right, written back, and then on the origin alone: so no block was wrongly taken
# for clean.
verify() {
	same "$2" /dev/mapper/c$1 "c$1, $3"
	reload_table="$(table $1 'cleaner 0')"
	dmsetup reload c$1 --table "$reload_table"
	dmsetup suspend c$1
	dmsetup resume c$1
	wait_for "[ \$(st_dirty c$1) = 0 ]" 60
	dmsetup remove c$1
	same "$2" /dev/mapper/s$1 "the origin of c$1, $3"
	check_metadata /dev/mapper/m$1
}

if [ "$BOOT" = 1 ]; then
	noise /tmp/want 8
	for i in 1 2 3 4 5 6 7 8 9 10; do
		META=/dev/mapper/m$i CACHE=/dev/mapper/f$i ORIGIN=/dev/mapper/s$i
		warm 64 $MAPPED "$(format_of $i)" /tmp/want
	done
	cp /tmp/want /tmp/want12
	for i in 1 2; do
		# Their bits may stay for a while, but not all of them; and those that go, go after
		# a flush of the origin.
		create $i "cleaner 0"
		cp /tmp/want /tmp/want12
		dmsetup message c$i 0 migration_threshold 0
		change /tmp/want12 /dev/mapper/c$i cleaned $MANY
		assert_num "$(st_dirty c$i)" -eq 32 "dirty blocks of c$i"
	done
	cp /tmp/want /tmp/clean
	for i in 3 4 5 6 7 8 9 10; do
		create $i
		cp /tmp/clean /tmp/want
		change /tmp/want /dev/mapper/c$i dirty $DIRTY
		assert_num "$(st_dirty c$i)" -eq 6 "dirty blocks of c$i"
	done
	keep
	# Only now: the disk below is the others', too, and each FLUSH of theirs would make durable
	# what was cleaned.
	for i in 1 2; do
		write_later $i
		# Without a FLUSH a write may be acknowledged before its block is dirty.
		wait_for "[ \$(st_dirty c$i) = 40 ]" 60
	done
	for i in 1 2; do dmsetup message c$i 0 migration_threshold 2048; done
	for i in 1 2; do wait_for "[ \$(st_dirty c$i) = 0 ]" 60; done
	sleep 3
	power_cut
fi

recall
if [ "$BOOT" = 2 ]; then
	for i in 1 2 3 4 5 6 7 8 9 10; do
		check_metadata /dev/mapper/m$i
		assert_ne "$(live_mark /dev/mapper/m$i)" "$NO_MARK" \
			"the mark of a running cache, c$i"
	done
	for i in 1 2 9 10; do
		n=6 want=/tmp/want
		[ $i -gt 2 ] || n=0 want=/tmp/want12
		dmesg_mark
		create $i
		note "c$i: $(st_dirty c$i) of $(st_used c$i) blocks count as dirty, $n are"
		assert_num "$(st_used c$i)" -eq $MAPPED "blocks cached in c$i after the power cut"
		assert_num "$(st_dirty c$i)" -ge $n "dirty blocks of c$i after the power cut"
		assert_num "$(st_dirty c$i)" -le $((n + BUDGET)) \
			"dirty blocks of c$i after the power cut"
		said="not shut down cleanly: $(st_dirty c$i) of $MAPPED cached blocks count as dirty"
		assert_dmesg "$said"
		[ $i -gt 2 ] || {
			cp /tmp/want12 /tmp/want12.now
			want=/tmp/want12.now
			as_read $i $want
		}
		verify $i $want "after the power cut"
	done

	# The kernel's own module, on images of a crash of ours.
	for m in $(awk '/^dm_cache/ { print $1 }' /proc/modules); do
		rmmod "$m" 2> /dev/null || :
	done
	for m in $(awk '/^dm_cache/ { print $1 }' /proc/modules); do rmmod "$m"; done
	modprobe -a dm-bufio dm-persistent-data dm-bio-prison
	for m in dm-cache dm-cache-smq; do
		insmod "$(find "/lib/modules/$KERNEL/kernel" -name "$m.ko*" | head -n 1)"
	done
	refute grep -q dm_cache_persistent_data /proc/modules
	for i in 3 4 5 6 7 8; do
		create $i
		note \
			"c$i under the kernel's module: $(st_dirty c$i) of $(st_used c$i) blocks count as dirty, 6 are"
		assert_num "$(st_used c$i)" -eq $MAPPED "blocks cached in c$i"
		assert_num "$(st_dirty c$i)" -ge 6 "dirty blocks of c$i under the kernel's module"
		assert_num "$(st_dirty c$i)" -le $((6 + BUDGET)) \
			"dirty blocks of c$i under the kernel's module"
		same /tmp/want /dev/mapper/c$i "c$i under the kernel's module"
		# A clean block; the kernel's module need not write anything to the metadata for
		# that.
		cp /tmp/want /tmp/want.next
		change /tmp/want.next /dev/mapper/c$i kernel $KERNELS
	done
	cp /tmp/want.next /tmp/want
	for i in 5 6; do
		dmsetup message c$i 0 migration_threshold 204800
		head -c 32768 /dev/zero > /tmp/zero
		wait_for \
			"dd if=/tmp/zero of=/dev/mapper/c$i bs=32k seek=200 oflag=direct conv=notrunc,fsync 2> /dev/null; [ \$(st_used c$i) -gt $MAPPED ]" 60
		dmsetup message c$i 0 migration_threshold 0
		dmsetup status c$i > /dev/null
		note "c$i: $(st_used c$i) blocks cached"
	done
	for i in 7 8; do
		d=$(st_dirty c$i)
		dmsetup remove c$i
		assert_eq "$(live_mark /dev/mapper/m$i)" "$NO_MARK" \
			"the mark after a clean shutdown of the kernel's module, c$i"
		check_metadata /dev/mapper/m$i
		echo "$d" | dd of="$DISK3" bs=512 seek=$((40000 + i)) conv=sync,notrunc,fsync \
			2> /dev/null
	done
	keep
	power_cut
fi

for i in 3 4; do
	# Whether the kernel's module commits after it was opened and written to is its own affair:
	# CLEAN is what tells.
	if [ "$(live_mark /dev/mapper/m$i)" = "$NO_MARK" ]; then _m=gone; else _m="still there"; fi
	note "c$i, written to under the kernel's module before the power cut: the mark is $_m"
	create $i
	assert_num "$(st_dirty c$i)" \
		-eq $MAPPED \
		"dirty blocks of c$i, that the kernel's module had open when the power went"
	verify $i /tmp/want "after a crash under the kernel's module"
done
cp /tmp/want /tmp/want56
dd if=/dev/zero of=/tmp/want56 bs=32k count=1 seek=200 conv=notrunc 2> /dev/null
for i in 5 6; do
	assert_eq "$(live_mark /dev/mapper/m$i)" "$NO_MARK" \
		"the mark after a commit of the kernel's module, c$i"
	create $i
	assert_num "$(st_used c$i)" -gt $MAPPED "blocks cached in c$i"
	assert_num "$(st_dirty c$i)" -eq "$(st_used c$i)" \
		"dirty blocks of c$i, that the kernel's module had open when the power went"
	verify $i /tmp/want56 "after a commit and a crash under the kernel's module"
done
for i in 7 8; do
	d=$(dd if="$DISK3" bs=512 skip=$((40000 + i)) count=1 2> /dev/null | tr -d '\0')
	create $i
	assert_num "$(st_dirty c$i)" \
		-eq "$d" "dirty blocks of c$i after a clean shutdown of the kernel's module"
	assert_num "$d" -lt 20 "the same"
	verify $i /tmp/want "after a clean shutdown of the kernel's module"
done
