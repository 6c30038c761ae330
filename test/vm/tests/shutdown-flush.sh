# SPDX-License-Identifier: GPL-2.0-only
# what: a suspend that cannot flush the origin or the cache device is no clean shutdown, and says so (R4); both formats
# timeout: 240
# files: test/vm/lib-cache.sh

. /job/lib-cache.sh
devices 8 16 32 4
modprobe dm-flakey
FAST0=$CACHE SLOW0=$ORIGIN
noise /tmp/data 16

# flushes DEV ok|fail: below the cache, without waiting for anything
flushes() {
	case $1 in f) _d=$FAST0 ;; s) _d=$SLOW0 ;; esac
	case $2 in ok) _t="3600 0" ;; fail) _t="0 3600 1 error_writes" ;; esac
	dmsetup reload $1 --table "0 $(sectors $_d) flakey $_d 0 $_t"
	dmsetup suspend --noflush --nolockfs $1
	dmsetup resume $1
}
dmsetup create f --table "0 $(sectors $FAST0) flakey $FAST0 0 3600 0"
dmsetup create s --table "0 $(sectors $SLOW0) flakey $SLOW0 0 3600 0"
CACHE=/dev/mapper/f ORIGIN=/dev/mapper/s

for format in 1 2; do
	f=$(features_of $format)
	for which in none s f; do
		warm 64 256 $format /tmp/data
		make_cache c 64 "$f" smq migration_threshold 0
		# One write to each device that no FLUSH has followed.
		page "hit $which" | write_at /dev/mapper/c $((9 * 64))
		page "miss $which" | write_at /dev/mapper/c $((300 * 64))
		[ $which = none ] || flushes $which fail
		dmsetup suspend c || :
		[ $which = none ] || flushes $which ok
		dmsetup remove c
		check_metadata $META
		dmesg_mark
		make_cache c 64 "$f" smq migration_threshold 0
		if [ $which = none ]; then
			if dmesg_new | grep -q 'not shut down cleanly'; then fail "a clean shutdown was not: $(dmesg_new)"; fi
		elif [ "$STOCK" = 0 ]; then
			assert_dmesg 'not shut down cleanly'
		fi
		assert_num "$(st_dirty c)" -ge 1 "dirty blocks"
		page "hit $which" > /tmp/want
		read_at /dev/mapper/c $((9 * 64)) | cmp - /tmp/want || fail "$which: the write that hit"
		page "miss $which" > /tmp/want
		read_at /dev/mapper/c $((300 * 64)) | cmp - /tmp/want || fail "$which: the write that missed"
		clean_all c 64 "$f"
		dmsetup remove c
		check_metadata $META
	done
done
dmsetup remove f
dmsetup remove s
