# SPDX-License-Identifier: GPL-2.0-only
# what: what was written back to an origin that then loses its cache, and fails one FLUSH for it, is
#       dirty again and not lost (R13); 8,192 blocks
# needs: smp=1 mem=512
# timeout: 180
# stock: no

. /job/lib-fail.sh
below_all "8 4" "256 8" "300 16"
noise /tmp/old 2
noise /tmp/new 2

for format in 1 2; do
	f=$(features_of $format)
	put /tmp/old $ORIGIN
	blank
	make_cache c 64 "$f" smq
	assert_eq "$(st_total)" 8192 "cache blocks"
	# Nothing that was written to the origin waits for a FLUSH; from here on each one fails.
	assert sync_of c
	unflushable s
	w=$(dev_write_sectors /dev/s0)
	dmesg_mark
	dd if=/tmp/new of=/dev/mapper/c bs=32k oflag=direct conv=notrunc 2> /dev/null
	assert_num "$(st_dirty)" -eq 64 "dirty blocks, format $format"
	# All are written back, perhaps more than once.
	wait_for '[ $(($(dev_write_sectors /dev/s0) - w)) -ge 4096 ]' 60
	# The drive loses them, and says so.
	dd if=/tmp/old of=/dev/s0 bs=1M oflag=direct conv=notrunc 2> /dev/null
	refute sync_of c
	assert_num "$(st_dirty)" -eq 64 "dirty blocks after a FLUSH that failed, format $format"
	wait_for 'dmesg_new | grep -q "written back to it are dirty again"' 30
	assert_num "$(core_arg c origin_errors)" -ge 1 \
		"errors of the origin in the status, format $format"
	back s
	same /tmp/new /dev/mapper/c "the cached device, format $format"
	wait_for '[ "$(st_dirty)" = 0 ]' 90
	same /tmp/new $ORIGIN "the origin when clean, format $format"
	dmsetup remove c
	check_metadata $META
	same /tmp/new $ORIGIN "the origin, format $format"
done

# More than a flush can make clean: all get clean, and the origin has them.
make_cache c 64 metadata2 smq migration_threshold 2048
noise /tmp/many 80
dd if=/tmp/many of=/dev/mapper/c bs=32k oflag=direct conv=notrunc 2> /dev/null
n=$(dev_flushes /dev/s0)
ev=$(events c)
clean_all c 64 metadata2
assert_num "$(dev_flushes /dev/s0)" -gt "$n" "FLUSHes of the origin until all was clean"
assert_num "$(events c)" -gt "$ev" "events when all was clean"
same /tmp/many $ORIGIN "the origin after many blocks"
dmsetup remove c
check_metadata $META
