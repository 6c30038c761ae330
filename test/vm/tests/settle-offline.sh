# SPDX-License-Identifier: GPL-2.0-only
# what: dmcache settle after a power cut, with no module loaded: the kernel's own module refuses the
#       metadata before and opens it afterwards, and what was flushed is there; and back
# kernels-differ: the kernel's own dm-cache is another
# durability: yes
# needs: smp=1 mem=512
# stock: no
# disks: 8M:lose,16M:lose,24M:lose,64M,24M:lose,32M:lose
# timeout: 240
# boots: 2
# expect-dmesg: device-mapper: .*
# files: test/vm/lib-cache.sh test/vm/lib-fail.sh test/vm/lib-partial.sh test/vm/lib-dmcache.sh
#        scripts/dmcache scripts/lib
# builds: tools/settle/Makefile

. /job/lib-cache.sh
. /job/lib-fail.sh
. /job/lib-partial.sh
. /job/lib-dmcache.sh
META=$DISK0 CACHE=$DISK1 ORIGIN=$DISK2
tunables="write_allocate 50 migration_threshold 0"
devices="--metadata $META --cache $CACHE --origin $ORIGIN"
flushed() { dd if=/dev/null of="/dev/mapper/$1" conv=notrunc,fsync 2> /dev/null; }
# write_granules FIRST END: into the set, each in a block of its own
write_granules() {
	i=$1
	while [ $i -lt "$2" ]; do
		printf 'block %04d\n%4085s' $i "" | dd of=/dev/mapper/set bs=4096 seek=$((i * 17)) \
			oflag=direct conv=notrunc 2> /dev/null
		i=$((i + 1))
	done
}
if [ "$BOOT" = 1 ]; then
	modprobe dm-cache
	partials_to_cut
	assert flushed c
	put_some 40 40
	keep /tmp/want 32
	# shellcheck disable=SC2086 # words
	run 5 dmcache settle $devices
	said "used by dm-" "settle of a cache that is active"
	run 5 $DMCACHE_SETTLE $META $CACHE $ORIGIN
	said "is in use" "the program, of a cache that is active"

	# A set with labels, in 64 KiB blocks: a granule in each of 30.
	run 0 dmcache create set --origin $DISK5 --cache $DISK4 --yes --set write_allocate=50 \
		--set migration_threshold=0
	write_granules 0 30
	assert flushed set
	assert_eq "$(core_arg set partial_blocks)" 30 "partial blocks of the set"
	run 5 dmcache settle set
	said "set is running" "settle of a set that runs"
	power_cut
fi

kept /tmp/old 0
kept /tmp/new 32
assert stored
# --- no module of dm-cache is loaded ---
refute [ -e /sys/module/dm_cache ]
# shellcheck disable=SC2086 # words
run 0 dmcache settle $devices
said '[0-9]+ partial blocks, .* KiB, are on the origin now' "settle"
note "$(cat $OUT)"
refute [ -e /sys/module/dm_cache ]
stored && fail "still stored after it was settled"
check_metadata $META
noted $ORIGIN
same /tmp/want $ORIGIN "the origin"
# shellcheck disable=SC2086 # words
run 0 dmcache settle $devices
said 'it has no partial blocks' "a second settle"

run 4 dmcache check set
said 'has partial blocks, which cache_check does not know; next: dmcache settle set' check
run 4 dmcache repair --yes set
said 'next: dmcache settle set.*dmcache assemble --drop-cache set' repair
run 0 dmcache settle set
said '30 partial blocks, 120 KiB, are on the origin now' "settle of the set"
assert_eq "$(dmsetup ls)" "No devices found" "devices after it"
run 0 dmcache settle set
said 'it has no partial blocks' "a second settle of the set"
run 0 dmcache check set
refute [ -e /sys/module/dm_cache ]

# --- the kernel's own module takes both ---
use_kernels
make_cache c 64 "metadata2 writeback" smq
same /tmp/want /dev/mapper/c "by the kernel's own module"
dmsetup remove c
run 0 dmcache assemble set
i=0
while [ $i -lt 30 ]; do
	dd if=/dev/mapper/set bs=4096 skip=$((i * 17)) count=1 iflag=direct 2> /dev/null |
		grep -q "^block 00*$i\$" || fail "block $i of the set"
	i=$((i + 1))
done
run 0 dmcache stop set

# --- and back ---
use_ours
# shellcheck disable=SC2086 # words
make_cache c 64 "metadata2 writeback" smq $tunables
put_some 200 20
assert flushed c
same /tmp/want /dev/mapper/c "with ours again"
dmsetup remove c
assert stored
use_kernels
expect_fail 'incompat|unsupported' make_cache c 64 "metadata2 writeback" smq
modprobe -r dm-cache-smq dm-cache || :
# shellcheck disable=SC2086 # words
run 0 dmcache settle $devices
same /tmp/want $ORIGIN "the origin, after all of it"
check_metadata $META

# --- a kernel that lacks ours: dmcache assemble settles by itself ---
run 0 dmcache assemble set
write_granules 100 110
assert flushed set
run 0 dmcache stop --keep-partial set
use_kernels
run 0 dmcache assemble set
said 'refuses partial blocks: they are written back' "assemble with the kernel's own module"
said '10 partial blocks, 40 KiB, are on the origin now' "assemble with the kernel's own module"
assert grep -q '^dm_cache ' /proc/modules
refute grep -q dm_cache_persistent_data /proc/modules
while [ $i -gt 100 ]; do
	i=$((i - 1))
	dd if=/dev/mapper/set bs=4096 skip=$((i * 17)) count=1 iflag=direct 2> /dev/null |
		grep -q "^block 00*$i\$" || fail "block $i of the set"
done
run 0 dmcache stop set
