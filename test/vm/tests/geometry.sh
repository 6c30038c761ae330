# SPDX-License-Identifier: GPL-2.0-only
# what: sizes are the table's: a longer origin with another device on the rest, tables that end in
#       mid-block, preloaded ones, devices that change size
# needs: smp=1
# timeout: 240

. /job/lib-cache.sh
devices 16 260 40
SLOW0=$ORIGIN FAST0=$CACHE
noise /tmp/data 40

# table SECTORS "FEATURES" POLICY [ARG...]: of that length, whatever the origin's
table() {
	_len=$1
	shift
	cache_table 64 "$@" | awk -v n="$_len" '{ $2 = n; print }'
}
# resize_linear NAME DEV SECTORS: below a device that is suspended, or has no I/O
resize_linear() {
	dmsetup reload "$1" --table "0 $3 linear $2 0"
	dmsetup suspend "$1"
	dmsetup resume "$1"
}
# load NAME TABLE
load() { dmsetup reload "$1" --table "$2" && dmsetup suspend "$1" && dmsetup resume "$1"; }
clean_up() {
	load c "$(table "$1" "$2" cleaner)"
	wait_for '[ $(st_dirty c) = 0 ]' 60
	dmsetup remove c
	check_metadata $META
}
# pages TEXT N: N of 4 KiB
pages() { _i=0; while [ $_i -lt "$2" ]; do _i=$((_i + 1)); page "$1"; done; }

for format in 1 2; do
	f=$(features_of $format)

	# The table covers a part of the origin; another device begins behind it, in the middle of
	# block 500. The cache holds that block, of a time when it was whole.
	linear other $SLOW0 32040 24
	warm 64 501 $format /tmp/data
	dmsetup create c --table "$(table 32040 "$f" smq migration_threshold 0)"
	assert_eq "$(sectors /dev/mapper/c)" 32040 "size"
	[ "$STOCK" = 1 ] ||
		assert_eq "$(st_used c)" 500 "blocks, without the one that ends beyond the table"
	pages "the tail" 5 | write_at /dev/mapper/c 32000
	pages "the other's" 3 | write_at /dev/mapper/other 0
	pages "over the border" 10 | write_at /dev/mapper/c 31960
	{ pages "over the border" 10; pages "the other's" 3; } > /tmp/want
	read_at /dev/mapper/c 31960 80 | cmp - /tmp/want -n 40960 ||
		fail "data before the end of the table"
	refute dd if=/dev/zero of=/dev/mapper/c bs=512 seek=32040 count=1 oflag=direct \
		conv=notrunc 2> /dev/null
	clean_up 32040 "$f"
	read_at $SLOW0 31960 104 | cmp - /tmp/want ||
		fail "origin, and what is another device's, after cleaning"
	dmsetup remove other

	# A shorter table, as lvm2 preloads it. Over blocks that are dirty now: refused at once.
	# Over one that gets dirty
	# later: at the resume, with nothing changed; and the device goes on with a table that fits.
	warm 64 502 $format /tmp/data
	dmsetup create c --table "$(table 65536 "$f" smq migration_threshold 0)"
	pages "dirty" 8 | write_at /dev/mapper/c 32000
	if [ "$STOCK" = 0 ]; then
		expect_fail \
			'origin to 500 blocks: block 500, cached in block 500, is dirty; clean the cache' dmsetup reload c --table "$(table 32040 "$f" smq)"
		assert_match "$(cat /tmp/expect_fail.out)" 'File too large' "what dmsetup says"
	fi
	dmsetup message c 0 migration_threshold 2048
	wait_for '[ $(st_dirty c) = 0 ]' 60
	dmsetup message c 0 migration_threshold 0
	dmsetup reload c --table "$(table 32040 "$f" smq)"
	pages "dirty again" 8 | write_at /dev/mapper/c 32000
	dmsetup suspend c
	before=$(digest $META)
	if [ "$STOCK" = 0 ]; then
		expect_fail 'cache block 500 .*origin block 500.*former size' dmsetup resume c
		assert_match "$(cat /tmp/expect_fail.out)" 'File too large' "what dmsetup says"
	else
		refute dmsetup resume c
	fi
	[ "$STOCK" = 1 ] || assert_eq "$(digest $META)" "$before" "metadata after a refused resume"
	dmsetup reload c --table "$(table 65536 "$f" smq migration_threshold 0)"
	dmsetup resume c
	pages "dirty again" 8 > /tmp/want
	read_at /dev/mapper/c 32000 64 | cmp - /tmp/want || fail "data after a refused resume"
	dmsetup message c 0 migration_threshold 2048
	wait_for '[ $(st_dirty c) = 0 ]' 60
	load c "$(table 32040 "$f" smq)"
	[ "$STOCK" = 1 ] || assert_eq "$(st_used c) $(sectors /dev/mapper/c)" "500 32040" \
		"blocks and size of a shorter table over clean blocks"
	dmsetup remove c
	check_metadata $META
	put /tmp/data $SLOW0
done
cp /tmp/data /tmp/now

# An origin that ends in mid-block grows, after a clean shutdown, a crash, live, and after the
# kernel's module wrote there. What the cache device holds behind the former end is not seen, nor
# written back.
noise /tmp/poison 16
linear tail $SLOW0 0 40984
ORIGIN=/dev/mapper/tail
n=0
for how in clean crash live kernels; do
	n=$((n + 1))
	[ $how != kernels ] || [ "$STOCK" = 0 ] || continue
	resize_linear tail $SLOW0 40984
	put /tmp/poison $FAST0
	blank
	make_cache c 64 metadata2 smq
	assert_num "$(st_total c)" -ge 8192 "cache blocks"
	# Often enough to be cached, if it could be.
	reads 40960 24 8
	pages "written $n" 3 | write_at /dev/mapper/c 40960
	pages "written $n" 3 | dd of=/tmp/now bs=512 seek=40960 conv=notrunc 2> /dev/null
	case $how in
	crash)
		sync
		dd if=$META of=/tmp/crashed bs=1M iflag=direct 2> /dev/null
		dmsetup remove c
		put /tmp/crashed $META
		;;
	kernels)
		dmsetup remove c
		use_kernels
		make_cache c 64 metadata2 smq
		pages "the kernel's" 3 | write_at /dev/mapper/c 40960
		pages "the kernel's" 3 | dd of=/tmp/now bs=512 seek=40960 conv=notrunc 2> /dev/null
		dmsetup remove c
		use_ours
		;;
	esac
	if [ $how = live ]; then
		dmsetup suspend c
		resize_linear tail $SLOW0 65536
		dmsetup reload c --table "$(cache_table 64 metadata2 smq)"
		dmsetup resume c
	else
		[ $how = crash ] || dmsetup remove c 2> /dev/null || :
		resize_linear tail $SLOW0 65536
		make_cache c 64 metadata2 smq
	fi
	reads 40960 64 1
	pages "whole $n" 8 | write_at /dev/mapper/c 40960
	pages "whole $n" 8 | dd of=/tmp/now bs=512 seek=40960 conv=notrunc 2> /dev/null
	reads 40960 64 1
	clean_up 65536 metadata2
	same /tmp/now $SLOW0 "origin after growing ($how)"
done

# A discard of all of it: what comes behind when it grows was not discarded.
for features in "" no_discard_passdown; do
	resize_linear tail $SLOW0 40984
	put /tmp/data $SLOW0
	blank
	make_cache c 64 "metadata2 $features" smq
	blkdiscard /dev/mapper/c
	dmsetup remove c
	resize_linear tail $SLOW0 65536
	make_cache c 64 "metadata2 $features" smq
	page "in the new part" | write_at /dev/mapper/c $((40960 + 32))
	wait_for '[ $(st_used c) -ge 1 ]' 30
	dd if=/tmp/data bs=512 skip=41000 count=24 2> /dev/null > /tmp/want
	read_at /dev/mapper/c 41000 24 | cmp - /tmp/want ||
		fail "what came behind a discarded end (${features:-passed down})"
	dmsetup remove c
	check_metadata $META
done
dmsetup remove tail
put /tmp/data $SLOW0

# Devices that change their size while the cache is suspended, without a new table.
[ "$STOCK" = 0 ] || exit 0
linear f $FAST0 0 16384
CACHE=/dev/mapper/f ORIGIN=$SLOW0
warm 64 256 2 /tmp/data
linear tail $SLOW0 0 65536
ORIGIN=/dev/mapper/tail
make_cache c 64 metadata2 smq migration_threshold 0
pages "dirty" 8 | write_at /dev/mapper/c $((255 * 64))
dmsetup suspend c
resize_linear f $FAST0 32768
dmesg_mark
dmsetup resume c
assert_dmesg 'cache device .* has grown to 512 blocks, of which 256 are used: reload the table'
assert_eq "$(st_used c)/$(st_total c) $(st_dirty c)" "256/256 1" \
	"blocks after a resume over a larger cache device"
dmsetup suspend c
resize_linear f $FAST0 8192
before=$(digest $META)
expect_fail 'cache device .* has shrunk to 128 blocks, the table was loaded for 256: ' dmsetup \
	resume c
resize_linear f $FAST0 16384
resize_linear tail $SLOW0 65528
expect_fail 'origin device .* has shrunk to 65528 sectors, the table needs 65536: ' dmsetup resume c
assert_eq "$(digest $META)" "$before" "metadata after refused resumes"
resize_linear tail $SLOW0 65536
dmsetup resume c
pages "dirty" 8 > /tmp/want
read_at /dev/mapper/c $((255 * 64)) 64 | cmp - /tmp/want || fail "data after refused resumes"
dmsetup remove c
