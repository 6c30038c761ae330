# SPDX-License-Identifier: GPL-2.0-only
# what: dmcache create switches write_allocate on; dmcache flush, stop and detach, the cleaner,
#       writethrough mode and an idle cache each leave no partial block on disk, and lose nothing
# needs: smp=1
# stock: no
# disks: 64M,24M
# files: scripts/dmcache scripts/lib
# builds: tools/settle/Makefile
# timeout: 240

. /job/lib-fail.sh
. /job/lib-dmcache.sh

# on_disk: does the metadata say, on disk, that there are partial blocks? It may be in use.
on_disk() {
	[ "$(dd if=$DISK1 bs=512 skip="$start" count=1 iflag=direct 2> /dev/null | tail -c +256 |
		head -c 1 | od -An -tu1)" -ge 128 ]
}
none_on_disk() { ! on_disk; }
flushed() { dd if=/dev/null of=/dev/mapper/c conv=notrunc,fsync 2> /dev/null; }
# granule N: 4 KiB that are its alone
granule() { printf 'granule %06d\n%4081s' "$1" ''; }
# make_partial: ten more partial blocks, on disk; none is written back meanwhile
nr=0
make_partial() {
	run 0 dmcache set c migration_threshold=0
	_end=$((nr + 10))
	while [ $nr -lt $_end ]; do
		granule $nr | dd of=/dev/mapper/c bs=4096 seek=$((nr * 17)) iflag=fullblock \
			oflag=direct conv=notrunc 2> /dev/null || fail "granule $nr"
		nr=$((nr + 1))
	done
	assert flushed
	assert_num "$(core_arg c partial_blocks)" -ge 10 "partial blocks"
	assert on_disk
	run 0 dmcache status c
	said 'partial  .*, at most 25 %' "status with partial blocks"
}
# whole DEV: every granule that was written is there
whole() {
	i=0
	while [ $i -lt $nr ]; do
		granule $i > /tmp/granule
		dd if="$1" bs=4096 skip=$((i * 17)) count=1 iflag=direct 2> /dev/null |
			cmp -s - /tmp/granule || fail "granule $i on $1"
		i=$((i + 1))
	done
}
# drained WHAT
drained() {
	on_disk && fail "partial blocks are on disk after $1"
	[ ! -e /dev/mapper/c ] || [ "$(core_arg c partial_blocks)" = 0 ] ||
		fail "there are partial blocks after $1"
	whole $DISK0
	note "$1"
}

run 0 dmcache create c --origin $DISK0 --cache $DISK1 --yes
said 'policy default, write_allocate 25$' "what create says"
said 'After a crash, only this module or dmcache settle can open the cache' "what create says"
assert_eq "$(core_arg c write_allocate)" 25 "write_allocate"
start=$(dmcache label $DISK1 | awk '/^metadata_start/ { print $2 }')
assert_num "$start" -gt 0 "where the metadata begins"
assert none_on_disk

make_partial
run 0 dmcache flush c
drained "dmcache flush"

make_partial
run 0 dmcache set c --policy cleaner migration_threshold=2048
wait_for none_on_disk 60
drained cleaner
run 0 dmcache set c --policy default

make_partial
run 0 dmcache set c migration_threshold=2048
wait_for none_on_disk 60
drained "an idle time"

make_partial
run 0 dmcache set c --mode writethrough migration_threshold=2048
wait_for none_on_disk 60
drained "writethrough mode"
assert_eq "$(core_arg c write_allocate)" 25 "write_allocate in writethrough mode"
had=$(core_arg c partial_allocated)
granule 0 | dd of=/dev/mapper/c bs=4096 seek=16000 iflag=fullblock oflag=direct conv=notrunc \
	2> /dev/null || fail "a write in writethrough mode"
assert_eq "$(core_arg c partial_allocated)" "$had" "blocks made for writes in writethrough mode"
run 0 dmcache set c --mode writeback

make_partial
run 0 dmcache stop --keep-partial c
assert on_disk
run 4 dmcache check c
said 'has partial blocks' "check of a set with partial blocks"
run 0 dmcache assemble c
assert_eq "$(core_arg c write_allocate)" 25 "write_allocate after an assembly"
run 0 dmcache stop c
drained "dmcache stop"
run 0 dmcache check c
run 0 dmcache assemble c

make_partial
run 0 dmcache detach c --yes
drained "dmcache detach"
run 0 dmcache attach c --cache $DISK1 --mode writethrough --yes
assert_eq "$(core_arg c write_allocate)" 0 "write_allocate in a set of writethrough mode"
run 0 dmcache set c --mode writeback write_allocate=25
make_partial
run 0 dmcache detach c --yes
run 0 dmcache attach c --cache $DISK1 --set write_allocate=0 --yes
assert_eq "$(core_arg c write_allocate)" 0 "write_allocate that was switched off"
run 0 dmcache detach c --yes
run 0 dmcache attach c --cache $DISK1 --yes
assert_eq "$(core_arg c write_allocate)" 25 "write_allocate after attach"
make_partial
run 0 dmcache stop --flush c
drained "dmcache stop --flush"
