# SPDX-License-Identifier: GPL-2.0-only
# what: queue limits of a cache are those of its devices together: sectors, write cache, FUA,
#       discard; whatever is below
# long: few seconds, and what it shows seldom changes
# needs: mem=768
# stock: no

. /job/lib-stack.sh
# With a volatile write cache, and without.
for d in m f s; do
	nb ${d}v 16 0 64 4
	nb ${d}n 16 0 64
done
modprobe dm-mod
n=0
# As the kernel's own does, a cache wants FLUSH whatever is below; whether a device has a use for
# one is seen there.
for set in "mn fn sn" "mn fv sn" "mn fn sv" "mv fv sv"; do
	# shellcheck disable=SC2086 # three words
	set -- $set
	META=/dev/$1 CACHE=/dev/$2 ORIGIN=/dev/$3
	blank
	make_cache c 128 metadata2 smq
	assert_eq "$(limit /dev/mapper/c write_cache)" "write back" "write cache of a cache on $set"
	linear l $ORIGIN 0 "$(sectors $ORIGIN)"
	for x in logical_block_size physical_block_size dma_alignment; do
		[ -e "$(sysfs $ORIGIN)/queue/$x" ] || continue
		assert_eq "$(limit /dev/mapper/c $x)" "$(limit /dev/mapper/l $x)" \
			"$x of a cache on $set, against dm-linear"
	done
	# What file systems align to: whole cache blocks.
	assert_eq "$(limit /dev/mapper/c minimum_io_size) $(limit /dev/mapper/c optimal_io_size)" \
		"65536 65536" "minimum and optimal I/O size"
	assert_eq "$(limit /dev/mapper/c rotational)" "$(limit $ORIGIN rotational)" "rotational"
	# Discards are passed down: what the origin takes. Else they end here, as bits for whole
	# blocks.
	for x in discard_granularity discard_max_bytes; do
		assert_eq "$(limit /dev/mapper/c $x)" "$(limit $ORIGIN $x)" "$x of a cache on $set"
	done
	reload_cache c 128 "metadata2 no_discard_passdown" smq
	assert_eq "$(limit /dev/mapper/c discard_granularity)" 65536 \
		"discard_granularity without passdown: a cache block"
	assert_num "$(limit /dev/mapper/c discard_max_bytes)" \
		-ge 65536 "discard_max_bytes without passdown"
	_was=$(dev_flushes $CACHE)$(dev_flushes $ORIGIN)
	dd if=/dev/zero of=/dev/mapper/c bs=4k count=1 seek=9 oflag=direct conv=fsync,notrunc \
		2> /dev/null || fail "write and FLUSH"
	case $2$3 in
	fnsn)
		assert_eq "$(dev_flushes $CACHE)$(dev_flushes $ORIGIN)" "$_was" \
			"FLUSHes of devices without a write cache"
		;;
	*sv) assert_ne "$(dev_flushes $CACHE)$(dev_flushes $ORIGIN)" "$_was" \
		"FLUSHes of a device with a write cache that was written to" ;;
	esac
	dmsetup remove l
	dmsetup remove c
	check_metadata $META
	n=$((n + 1))
done
assert_eq $n 4 "sets of devices"
# A cache above a cache: limits and data pass through both.
nb f2 8 0 64 4
nb m2 8 0 64 4
META=/dev/mv CACHE=/dev/fv ORIGIN=/dev/sv
noise /tmp/data 12
blank
make_cache inner 64 metadata2 smq
META=/dev/m2 CACHE=/dev/f2 ORIGIN=/dev/mapper/inner
blank
make_cache c 128 metadata2 smq
put /tmp/data /dev/mapper/c
agrees /tmp/data /dev/mapper/c "a cache above a cache"
assert_eq "$(limit /dev/mapper/c write_cache)" "write back" "write cache of two caches"
clean_all c 128 metadata2
dmsetup remove c
same /tmp/data /dev/mapper/inner "the inner cache alone"
META=/dev/mv CACHE=/dev/fv ORIGIN=/dev/sv
clean_all inner 64 metadata2
dmsetup remove inner
same /tmp/data /dev/sv "the origin alone"
