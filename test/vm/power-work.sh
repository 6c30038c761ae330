# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# The load and the checks of the power-random and power-partial tests, which source it. ALWAYS: the
# caches of each boot have partial blocks, not only those of three boots in four.

. /job/lib-cache.sh
. /job/lib-fail.sh
# Three caches on slices of the same disks: format 1 and 2 in writeback, format 2 in writethrough,
# or in writeback too. Each origin ends within a block. Load on all three, with promotions,
# demotions, cleaning and discards, while tables are suspended, reloaded, and switched between
# policies and modes; $SEED decides what, and when the power goes: a part of the cuts falls into
# assembly, cleaning or tear-down. test/soak runs the same for longer.
COUNT='' ORIGIN_SECTORS=$((32 * 2048 + 24)) FAST_SECTORS=$((7 * 2048))
# What this boot leaves the next one may find with other tunables, and in another mode.
THIRD=writethrough TUNABLES=0
draw=$(((SEED + BOOT) % 4))
if [ "$STOCK" = 1 ]; then
	# Its module cannot load a partial last block that is dirty; what it loses is counted.
	COUNT=1 ORIGIN_SECTORS=$((32 * 2048))
else
	[ $((draw % 2)) = 1 ] || THIRD=writeback
	[ $draw = 3 ] && [ -z "${ALWAYS:-}" ] || TUNABLES="2 write_allocate 50"
fi
STATE=$((SEED * 31 + BOOT * 7919))
# rnd N: into $R, 0 to N - 1
rnd() {
	STATE=$(((STATE * 1103515245 + 12345) & 0x7fffffff))
	R=$((STATE / 65536 % $1))
}
rnd 2
rnd 2

modprobe dm-mod
parts 3 "$DISK0" 8192 "$DISK1" $FAST_SECTORS "$DISK2" $ORIGIN_SECTORS
caches="/dev/mapper/c1 /dev/mapper/c2 /dev/mapper/c3"
mode() { [ "$1" = 3 ] && echo $THIRD || echo writeback; }
# table N POLICY [MODE]
table() {
	echo "0 $ORIGIN_SECTORS cache /dev/mapper/m$1 /dev/mapper/f$1 /dev/mapper/s$1 64" \
		"$([ "$1" = 1 ] && echo 1 || echo "2 metadata2") ${3:-$(mode "$1")} $2 $TUNABLES"
}
switch() {
	dmsetup reload c$1 --table "$(table "$@")" && dmsetup suspend c$1 && dmsetup resume c$1
}
check() {
	/job/power-load check "$DISK3" ${COUNT:+-k} "$@" ||
		fail "boot $BOOT, seed $SEED: what is read is not what may be there"
}
assemble() { for i in 1 2 3; do dmsetup create c$i --table "$(table $i smq)"; done; }
all_clean() {
	for i in 1 2 3; do switch $i cleaner; done
	for i in 1 2 3; do wait_for "[ \$(st_dirty c$i) = 0 ]" 60; done
}

# The feature in the superblock that says so: the last byte of incompat_flags
has_partial() {
	[ "$(dd if=/dev/mapper/$1 bs=1 skip=255 count=1 2> /dev/null | od -An -tu1)" -ge 128 ]
}

if [ "$BOOT" -gt 1 ]; then
	partials=
	for i in 1 2 3; do
		# The tools cannot open metadata with partial blocks.
		has_partial m$i && continue
		/tpt1/cache_check /dev/mapper/m$i > /tmp/check.out 2>&1 ||
			fail "boot $BOOT, seed $SEED: cache_check of m$i: $(cat /tmp/check.out)"
	done
	assemble
	for i in 1 2 3; do partials="$partials $(core_arg c$i partial_blocks)"; done
	note \
		"boot $BOOT, blocks cached and dirty: $(st_used c1) $(st_dirty c1), $(st_used c2) $(st_dirty c2), $(st_used c3) $(st_dirty c3); partial:$partials"
	for i in 1 2 3; do
		assert_eq "$(st_mode c$i) $(st_needs_check c$i)" "rw -" \
			"mode of c$i, boot $BOOT, seed $SEED"
	done
	check $caches
	if [ "$BOOT" = "$BOOTS" ] || [ $((BOOT % 3)) = 0 ]; then
		# Cleaned, and from the origins alone, all must be as it was read from the caches.
		all_clean
		dmsetup remove c1
		dmsetup remove c2
		dmsetup remove c3
		check /dev/mapper/s1 /dev/mapper/s2 /dev/mapper/s3
		if [ "$BOOT" = "$BOOTS" ]; then
			for i in 1 2 3; do check_metadata /dev/mapper/m$i; done
			exit 0
		fi
		assemble
	fi
else
	assemble
fi

rnd 100
(
	sleep "$((R / 40 + 1)).$((R % 10))"
	power_cut
) &
/job/power-load run "$DISK3" $((SEED + BOOT)) 1000 $caches &
load=$!
while :; do
	kill -0 $load 2> /dev/null || fail "the load ended, boot $BOOT, seed $SEED"
	rnd 3
	i=$((R + 1))
	rnd 12
	case $R in
	0) dmsetup suspend c$i && dmsetup resume c$i ;;
	1) dmsetup suspend --noflush --nolockfs c$i && dmsetup resume c$i ;;
	2) switch $i smq ;;
	3) switch $i mq ;;
	4) switch $i cleaner ;;
	5) switch $i smq writethrough ;;
	6) switch $i mq writeback ;;
	7) dmsetup message c$i 0 migration_threshold 204800 ;;
	8)
		# Down in good order, and up again: the power may go at any point of it.
		kill -9 $load
		wait $load || :
		dmsetup remove c$i
		dmsetup create c$i --table "$(table $i smq)"
		/job/power-load run "$DISK3" $((SEED + BOOT)) 1000 $caches &
		load=$!
		;;
	*)
		dmsetup status c$i > /dev/null
		sleep 0.4
		;;
	esac
done
