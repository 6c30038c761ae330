# SPDX-License-Identifier: GPL-2.0-only
# what: while blocks are free, a write that misses waits for its block and is one request to the
#       origin, not two
# needs: mem=512
# timeout: 180

. /job/lib-fail.sh
below_all 8 16 32
noise /tmp/data 32
put /tmp/data $ORIGIN

# write BLOCK: 4 KiB somewhere in it, to the cache and to what it should hold
write() {
	page "block $1" > /tmp/page
	dd if=/tmp/page of=/tmp/data bs=4k seek=$(($1 * 8 + 3)) conv=notrunc 2> /dev/null
	dd if=/tmp/page of=/dev/mapper/c bs=4k seek=$(($1 * 8 + 3)) oflag=direct conv=notrunc \
		2> /dev/null || fail "write to block $1"
}
# origin_saw: since the last call, "READS WRITES". Of the writes only those of 4 KiB, as made here: on a slow host dirty
# blocks are written back meanwhile, 64 sectors each. Of w small and b whole ones, 64 * (w + b) - (8
# * w + 64 * b) = 56 * w. All of one look, and of one at which nothing changes.
origin_saw() {
	_was=
	until _now=$(awk '{ print $1, 64 * $5 - $7 }' "$(sysfs /dev/s0)/stat") &&
			[ "$_now" = "$_was" ]; do
		_was=$_now
		sleep 0.1
	done
	# shellcheck disable=SC2086 # two words
	set -- $_now
	saw="$(($1 - ${reads:-0})) $((($2 - ${writes:-0}) / 56))"
	reads=$1 writes=$2
}
fresh() { # MODE [POLICY...]
	blank
	mode=$1
	shift
	make_cache c 64 "metadata2 $mode" "${@:-smq}"
	origin_saw
}

# --- one request each, and the block is in ---
fresh writeback
for b in $(seq 1 3 60); do write "$b"; done
origin_saw
assert_eq "$saw" "20 0" "reads and writes of the origin by 20 writes that missed"
assert_eq "$(st_promotions c) $(st_used c) $(st_write_misses c) $(st_write_hits c)" "20 20 20 0" \
	"promotions, blocks, write misses and hits"
for b in $(seq 1 3 60); do write "$b"; done
origin_saw
assert_eq "$saw" "0 0" "the same blocks once more"
assert_eq "$(st_write_misses c) $(st_write_hits c)" "20 20" \
	"write misses and hits, the same blocks once more"
same /tmp/data /dev/mapper/c "with 20 held writes"
clean_all c 64 "metadata2 writeback"
same /tmp/data $ORIGIN "the origin, after 20 held writes were written back"
dmsetup remove c

# --- not where it has to reach the origin all the same, or nothing is to be copied ---
fresh writethrough
for b in 2 5 8; do write $b; done
wait_for '[ $(st_promotions c) = 3 ]' 10
origin_saw
assert_eq "$saw" "3 3" "reads and writes of the origin in writethrough mode"
dmsetup remove c
fresh writeback smq migration_threshold 0
for b in 3 6 9; do write $b; done
origin_saw
assert_eq "$saw" "0 3" "reads and writes of the origin without a copy"
dmsetup remove c

# --- what cannot come in is written where it was ---
bad s 640 8
fresh writeback
write 10
assert_eq "$(st_promotions c)" 0 "promotions of a block that cannot be read as a whole"
wait_for 'origin_saw; [ "$saw" = "0 0" ]' 5
write 11
assert_eq "$(st_promotions c)" 1 "promotions of the next one"
dmsetup remove c
good s 640 8
dd if=/tmp/data of=$ORIGIN bs=32k seek=11 skip=11 count=1 oflag=direct conv=notrunc 2> /dev/null

fresh writeback
gone f
for b in 12 13 14 15; do write $b; done
assert_eq "$(st_promotions c)" 0 "promotions to a cache device that is gone"
back f
same /tmp/data /dev/mapper/c "writes beside a cache device that was gone"
dmsetup remove c

# --- as many as the threshold has room for; and a suspend waits for them ---
# A suspended origin answers nothing, so all are under way at once, however slow the host.
stop() { dmsetup suspend --noflush --nolockfs s; }
under_way() {
	awk -v n="$1" '{ found = $2 == n } END { exit !found }' "$(sysfs /dev/mapper/c)/inflight"
}
fresh writeback smq migration_threshold 128
stop
quiet_fio --name=w --filename=/dev/mapper/c --direct=1 --rw=write --bs=4k --zonemode=strided \
	--zonesize=4k --zonerange=64k --size=384k \
	--ioengine=libaio --iodepth=6 --number_ios=6 --zero_buffers &
wait_for 'under_way 6' 20
dmsetup resume s
wait $!
origin_saw
assert_eq "${saw#* }" 4 "writes of the origin by six at a time, of which two may wait"
for b in 0 2 4 6 8 10; do
	dd if=/dev/zero of=/tmp/data bs=4k seek=$((b * 8)) count=1 conv=notrunc 2> /dev/null
done

dmsetup message c 0 migration_threshold 2048
stop
(
	page "suspend" > /tmp/suspend
	dd if=/tmp/suspend of=/dev/mapper/c bs=4k seek=$((20 * 8)) oflag=direct conv=notrunc \
	2> /dev/null
	: > /tmp/written
) &
writer=$!
wait_for 'under_way 1' 20
(
	dmsetup suspend c
	: > /tmp/suspended
) &
sleep 1
[ ! -e /tmp/suspended ] || fail "suspended while a write waits for its block"
dmsetup resume s
wait $!
wait $writer
origin_saw
assert_eq "${saw#* }" 0 "writes of the origin by one that waited, while a suspend did"
dmsetup resume c
page "suspend" | dd of=/tmp/data bs=4k seek=$((20 * 8)) conv=notrunc 2> /dev/null
same /tmp/data /dev/mapper/c "all that was written"
dmsetup remove c
