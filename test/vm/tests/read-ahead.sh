# SPDX-License-Identifier: GPL-2.0-only
# what: a device that refuses to read ahead has no I/O error: nothing is dropped, retired or told
# needs: smp=1

. /job/lib-cache.sh
# The zero target refuses to read ahead, and does nothing else wrong.
modprobe dm-zero
nb meta 8 0
dmsetup create fast --table "0 8192 zero"
dmsetup create slow --table "0 16384 zero"
META=/dev/meta CACHE=/dev/mapper/fast ORIGIN=/dev/mapper/slow
make_cache c 64 metadata2 smq
# The first half is cached; then all is read again, as a file system reads a file.
dd if=/dev/mapper/c of=/dev/null bs=32k count=128 iflag=direct 2> /dev/null
if [ "$STOCK" = 0 ]; then wait_for '[ $(st_used c) = 128 ]' 30; fi
dmsetup message c 0 migration_threshold 0
used=$(st_used c)
hits=$(st_read_hits c)
dmesg_mark
# Read-aheads of less than a block, and of several.
for kib in 16 256; do
	blockdev --setra $((kib * 2)) /dev/mapper/c
	echo 3 > /proc/sys/vm/drop_caches
	n=$(dev_reads /dev/mapper/c)
	dd if=/dev/mapper/c of=/tmp/got bs=4k 2> /dev/null || fail "a read fails, $kib KiB ahead"
	cmp -n 8388608 /tmp/got /dev/zero || fail "what was read with $kib KiB ahead"
	# What was refused is read again page by page.
	assert_num $(($(dev_reads /dev/mapper/c) - n)) -ge 2048 "reads with $kib KiB ahead"
done
if [ "$STOCK" = 0 ]; then assert_num "$(st_read_hits c)" -gt "$hits" "read hits"; fi
assert_eq "$(st_used c)" "$used" "cached blocks after read-aheads"
said=$(st_line c | grep -Eo '(cache|origin|dirty_read)_errors [0-9]+|retired_blocks [0-9]+' || :)
assert_eq "$said" "" "errors in the status line"
refute_dmesg 'I/O errors'
dmsetup remove c
check_metadata $META
