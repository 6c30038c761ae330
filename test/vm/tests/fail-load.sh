# SPDX-License-Identifier: GPL-2.0-only
# what: device errors while a cache is loaded or resumed: refused with a reason, nothing changed on
#       disk, nothing held; then good again
# timeout: 180
# long: a dozen loads that fail, all devices compared after each; 50 s of CPU
# stock: no

. /job/lib-fail.sh
below_all "2 2" 4 6
noise /tmp/data 6

# Nothing moves by itself.
format=2
table() { cache_table 64 "$(features_of $format)" smq migration_threshold 0; }
create() { dmsetup create c --table "$(table)"; }
on_disk() { for d in m f s; do digest /dev/${d}0; done | md5sum; }
# refused REGEX WHAT: creating the cache fails and says why; nothing was written, nothing is held
refused() {
	before=$(on_disk)
	$hurt
	expect_fail "$1" create
	[ ! -e /dev/mapper/c ] || dmsetup remove c ||
		fail "$2: what failed to load cannot be removed"
	assert_eq "$(opened m) $(opened f) $(opened s)" "0 0 0" "devices held, $2"
	$heal
	assert_eq "$(on_disk)" "$before" "all three devices, $2"
}
# loads WHAT: with its blocks, all dirty, and data
loads() {
	create
	assert_eq "$(st_mode c) $(st_used c) $(st_dirty c)" "rw 100 100" \
		"mode, blocks cached and dirty, $1"
	same /tmp/data /dev/mapper/c "$1"
}
hurt_block() { bad m $((b * 8)) 8; }
heal_block() { good m $((b * 8)) 8; }

# --- a block of the metadata that cannot be read; the next time it can ---
hurt=hurt_block heal=heal_block
for format in 1 2; do
	warm 64 100 $format /tmp/data true
	# Format 1 has its dirty bits with the mappings.
	for what in superblock space-map mapping-root mapping-leaf $(test $format = 1 ||
		echo dirty-root dirty-leaf) discards; do
		reason='cannot load \(-5\)|not activated \(-5\)'
		case $what in
		superblock)
			b=0 reason='metadata device [0-9:]+: I/O error on the metadata device'
			;;
		space-map)
			b=$(u64 m 0 $SM_INDEX) \
				reason='metadata device [0-9:]+: I/O error on the metadata device'
			;;
		mapping-root) b=$(u64 m 0 $MAPPINGS) ;;
		mapping-leaf) b=$(leaf_of m $MAPPINGS) ;;
		dirty-root) b=$(u64 m 0 $DIRTY) ;;
		dirty-leaf) b=$(leaf_of m $DIRTY) ;;
		discards) b=$(leaf_of m $DISCARDS) ;;
		esac
		refused "$reason" "$what unreadable, format $format"
		loads "$what readable again, format $format"
		dmsetup remove c
	done
done

# Hints are not worth it.
b=$(leaf_of m $HINTS)
hurt_block
dmesg_mark
loads "hints unreadable"
heal_block
assert_dmesg 'hints cannot be read \(-5\): continuing without'
dmsetup remove c

# --- metadata that can be read, but not written, or not flushed; blank metadata that is to be
# formatted ---
hurt="gone m error_writes" heal="back m"
refused 'not activated \(-5\)' "metadata unwritable"
loads "metadata writable again"
dmsetup remove c
# Here the superblock may have been written; it says no more than a crash would leave.
unflushable m
expect_fail 'not activated \(-5\)' create
[ ! -e /dev/mapper/c ] || dmsetup remove c
back m
loads "metadata flushable again"
dmsetup remove c
dd if=/dev/m0 of=/tmp/metadata bs=1M iflag=direct 2> /dev/null
blank
hurt="gone m error_writes"
refused 'metadata device [0-9:]+: ' "blank metadata, unwritable"
dd if=/tmp/metadata of=/dev/m0 bs=1M oflag=direct 2> /dev/null

# --- origin or cache device gone: that is no reason to refuse; a bio that needs it fails ---
gone s
create
read_at /dev/mapper/c $((5 * 64)) 64 > /tmp/got || fail "a hit while the origin is gone"
block /tmp/data 5 | cmp - /tmp/got || fail "a hit while the origin is gone"
refute read_at /dev/mapper/c $((150 * 64)) > /dev/null
back s
same /tmp/data /dev/mapper/c "loaded while the origin was gone"
dmsetup remove c
gone f
create
refute read_at /dev/mapper/c $((5 * 64)) > /dev/null
read_at /dev/mapper/c $((150 * 64)) 64 > /tmp/got || fail "a miss while the cache device is gone"
block /tmp/data 150 | cmp - /tmp/got || fail "a miss while the cache device is gone"
back f
same /tmp/data /dev/mapper/c "loaded while the cache device was gone"
assert_eq "$(st_mode c) $(st_used c) $(st_dirty c)" "rw 100 100" \
	"mode, blocks cached and dirty, the cache device back"

# --- resume without a new table, and with one ---
dmsetup suspend c
bad m 0 8
expect_fail 'I/O error on the metadata device' dmsetup resume c
expect_fail 'I/O error on the metadata device' dmsetup resume c
good m 0 8
dmsetup resume c
same /tmp/data /dev/mapper/c "resumed at the third try"
change /tmp/data 9
write_at /dev/mapper/c $((9 * 64)) < /tmp/change
dmsetup reload c --table "$(table)"
dmsetup suspend c
b=$(leaf_of m $MAPPINGS)
hurt_block
expect_fail 'cannot load \(-5\)' dmsetup resume c
heal_block
expect_fail 'an earlier load failed: reload the table' dmsetup resume c
dmsetup reload c --table "$(table)"
dmsetup resume c
same /tmp/data /dev/mapper/c "another table after one that failed"

# --- a table that is refused at once leaves the live one in use ---
below n 2
bad n 0 8
META=/dev/mapper/n
expect_fail 'I/O error on the metadata device' dmsetup reload c --table "$(table)"
META=/dev/mapper/m
same /tmp/data /dev/mapper/c "the live table after one that was refused"
clean_all c 64 metadata2
dmsetup remove c
same /tmp/data $ORIGIN "the origin, all clean"
check_metadata $META
