# SPDX-License-Identifier: GPL-2.0-only
# what: lvm2 and a cache with partial blocks after a crash: an older one refuses to activate the
#       volume, and the two ways out of doc/admin/lvm.md lose nothing; a newer one frees their maps
# long: a minute
# needs: smp=1
# stock: no
# disks: 48M,32M
# boots: 2
# timeout: 240
# files: doc/admin/lvm.md scripts/dmcache scripts/lib
# builds: tools/settle/Makefile

. /job/lib-fail.sh
. /job/lib-lvm.sh
. /job/lib-dmcache.sh
DOCUMENT=/job/lvm.md
granule() { printf 'granule %06d\n%4081s' "$1" ''; }
# make_partial FIRST COUNT: partial blocks, on disk
make_partial() {
	# lvm2 sets no threshold this low. An idle cache would write them back.
	dmsetup message vg-data 0 migration_threshold 0
	i=$1
	while [ $i -lt $(($1 + $2)) ]; do
		granule $i | dd of=/dev/mapper/vg-data bs=4096 seek=$((i * 17)) iflag=fullblock \
			oflag=direct conv=notrunc 2> /dev/null || fail "granule $i"
		i=$((i + 1))
	done
	dd if=/dev/null of=/dev/mapper/vg-data conv=notrunc,fsync 2> /dev/null
	assert_num "$(core_arg vg-data partial_blocks)" -ge "$2" "partial blocks"
}
# whole COUNT
whole() {
	i=0
	while [ $i -lt "$1" ]; do
		granule $i > /tmp/granule
		dd if=/dev/mapper/vg-data bs=4096 skip=$((i * 17)) count=1 iflag=direct \
			2> /dev/null | cmp -s - /tmp/granule || fail "granule $i"
		i=$((i + 1))
	done
}
# Of all the links to it the image has the ones that most tests use.
vgcfgbackup() { lvm vgcfgbackup "$@"; }
refused() {
	lvm_use 12 $DISK0 $DISK1
	lvm_refuses 'Check of pool|[Rr]epair' lvchange -ay vg/data
	section lvm-left 2
}

lvm_use 12 $DISK0 $DISK1
if [ "$BOOT" = 1 ]; then
	quietly pvcreate $DISK0 $DISK1
	quietly vgcreate vg $DISK0 $DISK1
	quietly lvcreate -l 100%PVS -n data vg $DISK0
	quietly lvcreate -l 100%PVS -n fast vg $DISK1
	quietly lvconvert --yes --type cache --cachevol fast --cachemode writeback \
		--cachepolicy smq --chunksize 64k vg/data
	ours_is_loaded
	quietly lvchange -y --cachesettings write_allocate=25 vg/data
	assert_eq "$(core_arg vg-data write_allocate)" 25 "write_allocate by lvm2"
	make_partial 0 20
	power_cut
fi

refused
section lvm-settle 12
ours_is_loaded
assert_eq "$(core_arg vg-data partial_blocks)" 0 "partial blocks after dmcache settle"
whole 20
make_partial 20 10
quietly lvchange -an vg/data

note "the newer lvm2 has cache_check repair it, which frees the maps"
lvm_use 13 $DISK0 $DISK1
quietly lvchange -ay vg/data
assert_match "$(dmesg)" 'free in the space map, taken back' "the kernel log"
assert_eq "$(core_arg vg-data partial_blocks)" 10 "partial blocks after cache_check"
whole 30
make_partial 30 10
quietly lvchange -an vg/data

refused
section lvm-unchecked 1
assert_eq "$(core_arg vg-data partial_blocks)" 20 "partial blocks without a check"
whole 40
dmsetup message vg-data 0 migration_threshold 2048
wait_for '[ "$(core_arg vg-data partial_blocks)" = 0 ]' 60
quietly lvchange -an vg/data
quietly lvchange -ay vg/data
whole 40
