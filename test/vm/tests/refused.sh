# SPDX-License-Identifier: GPL-2.0-only
# what: what is not passed on is refused: zoned devices, with the reason; DAX; secure erase; atomic
#       writes. Write zeroes are writes; a read-only table is read
# kernels-differ: atomic writes are newer than the first one
# needs: smp=1 mem=512
# stock: no
# files: test/vm/lib-cache.sh test/vm/lib-stack.sh
# builds: test/tools/rw-flags.c

. /job/lib-cache.sh
. /job/lib-stack.sh
devices 8 16 24
noise /tmp/data 16

# ----- zoned -----

z=/sys/kernel/config/nullb/zones
mkdir $z
for x in "size 64" "memory_backed 1" "blocksize 4096" "zoned 1" "zone_size 16" "power 1"; do
	echo "${x#* }" > "$z/${x% *}"
done
[ -b /dev/zones ] || ln -s "nullb$(cat $z/index)" /dev/zones
assert_ne "$(limit /dev/zones zoned)" none "null_blk's zones"
for which in META CACHE ORIGIN; do
	(
		eval "$which=/dev/zones"
		expect_fail 'Zoned devices cannot be cached, nor be used as a cache' \
			make_cache c 128 metadata2 smq
	) || fail "$which with zones"
done
[ ! -e /dev/mapper/c ] || dmsetup remove c

# ----- DAX, secure erase, write zeroes -----

warm 64 256 2 /tmp/data
make_cache c 64 metadata2 smq migration_threshold 0
[ ! -e "$(sysfs /dev/mapper/c)/queue/dax" ] || assert_eq "$(limit /dev/mapper/c dax)" 0 DAX
refute blkdiscard -s -l 1m /dev/mapper/c 2> /dev/null
same /tmp/data /dev/mapper/c "data after a secure erase that was refused"
blkdiscard -z -o 1m -l 3m /dev/mapper/c
blkdiscard -z -o 9m -l 3m /dev/mapper/c
for at in 1 9; do
	dd if=/dev/zero of=/tmp/data bs=1M seek=$at count=3 conv=notrunc 2> /dev/null
done
same /tmp/data /dev/mapper/c "zeroes, on cached blocks and on others"
clean_all c 64 metadata2
dmsetup remove c
same /tmp/data $ORIGIN "zeroes on the origin"

# ----- a read-only table -----

dmsetup create c --readonly --table "$(cache_table 64 metadata2 smq)"
assert_eq "$(blockdev --getro /dev/mapper/c)" 1 "read-only"
h=$(st_read_hits)
same /tmp/data /dev/mapper/c "data of a read-only table"
assert_num "$(st_read_hits)" -gt "$h" "read hits of a read-only table"
refute dd if=/dev/zero of=/dev/mapper/c bs=4k count=1 oflag=direct conv=notrunc 2> /dev/null
assert_eq "$(st_dirty)" 0 "dirty blocks of a read-only table"
dmsetup remove c
same /tmp/data $ORIGIN "the origin of a read-only table"
check_metadata $META

# ----- atomic writes -----
# Where dm-linear takes them, over a disk that does.

modprobe sd_mod
case $KERNEL in 7.*) atomic=atomic_wr=1 ;; *) atomic= ;; esac
modprobe scsi_debug dev_size_mb=32 $atomic
wait_for 'ls /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block/' 30 > /dev/null
disk=/dev/$(ls /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block/ | head -n 1)
wait_for '[ -b $disk ]' 10
linear am $disk 0 8192
linear af $disk 8192 16384
linear as $disk 24576 32768
META=/dev/mapper/am CACHE=/dev/mapper/af ORIGIN=/dev/mapper/as
page new > /tmp/new
if [ "$(/job/rw-flags write atomic $ORIGIN 0 4096 < /tmp/new || :)" = ok ]; then
	make_cache c 64 metadata2 smq
	assert_eq "$(limit /dev/mapper/c atomic_write_unit_max_bytes)" 0 "atomic writes"
	assert_eq "$(/job/rw-flags write atomic /dev/mapper/c 65536 4096 < /tmp/new || :)" \
		EOPNOTSUPP "an atomic write"
	assert_eq "$(/job/rw-flags write - /dev/mapper/c 65536 4096 < /tmp/new || :)" ok "a write"
	dmsetup remove c
else
	case $KERNEL in 7.*) fail "dm-linear takes no atomic write" ;; esac
	note "dm-linear takes no atomic writes in this kernel"
fi
for d in am af as; do dmsetup remove $d; done
rmmod scsi_debug
