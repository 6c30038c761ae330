# SPDX-License-Identifier: GPL-2.0-only
# what: sectors of 4 KiB on the cache device, an origin that ends within one: no error is counted
# needs: smp=1
# timeout: 180

. /job/lib-cache.sh
devices 16 16 40
noise /tmp/now 40
put /tmp/now $ORIGIN
linear tail $ORIGIN 0 $((40960 + 37))
ORIGIN=/dev/mapper/tail

# A disk, unlike null_blk, refuses what is no multiple of its sectors. A copy of the origin's last
# 37 would count as an error of this disk, would retire its good blocks, and stop promotions for a
# while.
modprobe sd_mod
modprobe scsi_debug sector_size=4096 dev_size_mb=64 delay=0
found() {
	# shellcheck disable=SC2012 # the kernel's own names
	CACHE=$(cd /sys/bus/pseudo/drivers/scsi_debug &&
		ls -d adapter*/host*/target*/*/block/* 2> /dev/null)
	CACHE=/dev/${CACHE##*/}
	[ -b "$CACHE" ]
}
wait_for found 60

# no_errors WHEN
no_errors() {
	line=$(st_line c)
	case $line in *errors* | *retired*) fail "what went wrong, $1: $line" ;; esac
}

# Beside the mode in which a write is a hit or a miss, and that in which it goes to both devices.
for mode in writeback writethrough; do
	blank
	# The table ends where a sector of the disk does, in the middle of block 640; the origin is
	# longer.
	table=$(cache_table 64 "metadata2 $mode" smq | awk '{ $2 = 40992; print }')
	dmsetup create c --table "$table"
	# More often than the whole block that is promoted below: this one would be, too, if it
	# could be.
	reads 40960 32 40
	{ page "new 1"; page "new 2"; page "$mode"; } > /tmp/new
	dd if=/tmp/new of=/tmp/now bs=4096 seek=5120 conv=notrunc 2> /dev/null
	write_at /dev/mapper/c 40960 < /tmp/new
	reads 40960 32 20
	# A whole block is taken in: nothing is paused, and its place is a good one.
	wait_for \
		'reads 40960 32 2; reads 40896 64 1; no_errors "$mode"; [ $(st_promotions c) -ge 1 ]' 60
	reads 40896 64 2
	no_errors "after a promotion, $mode"
	dmsetup remove c
	check_metadata $META
done
