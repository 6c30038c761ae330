# SPDX-License-Identifier: GPL-2.0-only
# what: which device is flushed when: fdatasync on cached blocks spares the origin; data is durable
#       before metadata names it
# kernels-differ: how the block layer sends flushes
# durability: yes
# needs: mem=512
# timeout: 240

. /job/lib-cache.sh
# All three with a volatile write cache, so that every FLUSH reaches them.
devices 8 16 32 4
noise /tmp/data 16

show() { head -n 300 /tmp/trace; fail "$*"; }

# settled NAME: nothing is dirty, and no metadata has been written for 1.5 s: a commit is at most 1
# s late
settled() {
	wait_for "[ \$(st_dirty $1) = 0 ]" 30
	_now=
	until [ "$_now" = "$(dev_writes $META)" ]; do
		_now=$(dev_writes $META)
		sleep 1.5
	done
}

# A superblock write is one to sector 0 of the metadata: that is a commit.
for format in 1 2; do
	f=$(features_of $format)

	# --- 1. fdatasync on a cached, dirty block: no I/O on the origin, no metadata write ---
	warm 64 256 $format /tmp/data
	make_cache c 64 "$f" smq migration_threshold 0
	page x | dd of=/dev/mapper/c bs=4096 seek=3 oflag=direct conv=fdatasync,notrunc 2> /dev/null
	# The first write to a clean block makes its dirty bit known on disk (write-intent.c); after
	# that there is nothing to tell.
	dd if=/tmp/data of=/dev/mapper/c bs=1M count=4 oflag=direct conv=notrunc,fdatasync \
		2> /dev/null
	assert_num "$(st_dirty c)" -ge 128 "dirty blocks"
	sleep 2.5 # a commit for what activation changed may still be due
	trace_start $META $CACHE $ORIGIN
	quiet_fio --name=s --filename=/dev/mapper/c --direct=1 --rw=randwrite --bs=4k --size=4m \
		--number_ios=50 --fdatasync=1
	trace_stop
	assert_num "$(traced fast '^W')" -ge 50 "writes to the cache device"
	assert_num "$(traced fast 'F')" \
		-ge 49 "flushes of the cache device by 50 fdatasyncs (fio leaves the last out)"
	assert_num "$(traced meta 'W')" \
		-eq 0 "metadata writes by fdatasync on cached blocks (format $format)"
	assert_num "$(traced slow '.')" \
		-eq 0 "I/O and flushes on the origin by fdatasync on cached blocks (format $format)"

	# FUA likewise.
	trace_start $META $CACHE $ORIGIN
	quiet_fio --name=s --filename=/dev/mapper/c --direct=1 --rw=randwrite --bs=4k --size=4m \
		--number_ios=20 --sync=dsync
	trace_stop
	assert_num "$(traced fast 'WF')" -ge 20 "FUA writes to the cache device"
	assert_num "$(traced slow '.')" -eq 0 "I/O on the origin by FUA writes to cached blocks"

	# A write to the origin, though, must be flushed there.
	trace_start $META $CACHE $ORIGIN
	page y | dd of=/dev/mapper/c bs=4096 seek=3500 oflag=direct conv=fdatasync,notrunc \
		2> /dev/null
	trace_stop
	assert_num "$(traced slow '^W')" -ge 1 "writes to the origin by a miss"
	assert_num "$(traced slow 'F')" -ge 1 "flushes of the origin after a miss"
	dmsetup remove c

	# --- 2. promotions (R2): cache device written, then flushed, then the commit that names the
	# block --- One migration at a time, so that the order in the trace is its order: copies
	# first, then whole-block writes. The trace does not tell what a commit names: each step
	# waits for what the one before has left to commit, an idle writeback above all.
	put /tmp/data $ORIGIN
	blank
	make_cache c 64 "$f" default
	settled c
	trace_start $META $CACHE $ORIGIN
	for b in 3 77 200 310 450; do
		for i in 1 2 3 4 5 6 7 8 9 10; do
			read_at /dev/mapper/c $((b * 64)) > /dev/null
		done
		settled c
	done
	copied=$(st_promotions c)
	for b in 5 90 220 330 480; do
		dd if=/tmp/data of=/dev/mapper/c bs=32k count=1 seek=$b oflag=direct conv=notrunc \
			2> /dev/null
		settled c
	done
	trace_stop
	p=$(st_promotions c)
	note "format $format: $copied promotions by copying, $((p - copied)) by whole-block writes"
	assert_num "$p" -ge 5 "promotions"
	awk '$1 == "fast" && $2 ~ /W/ && $4 == 64 { unsafe = 1; n++ }
		$1 == "fast" && $2 ~ /^F/ { unsafe = 0 }
		$1 == "meta" && $2 ~ /W/ && $3 == 0 && $4 > 0 { commits++; if (unsafe) bad++ }
		END { print n + 0, commits + 0, bad + 0 }' /tmp/trace > /tmp/sum
	read -r n commits bad < /tmp/sum
	note \
		"format $format: $n whole blocks written to the cache, $commits commits, $bad of them with unflushed copies"
	assert_num "$n" -ge "$p" "whole blocks written to the cache device"
	assert_num "$commits" -ge 1 "commits"
	[ "$bad" = 0 ] ||
		show \
		"$bad of $commits commits were written with copies that were not flushed on the cache device"
	# And each commit is itself ordered: metadata flushed before the superblock, and with or
	# after it.
	awk '$1 == "meta" && $2 ~ /W/ && $4 > 0 && $3 > 0 { unsafe = 1 }
		$1 == "meta" && $2 ~ /^F/ { unsafe = 0 }
		$1 == "meta" && $2 ~ /W/ && $3 == 0 && $4 > 0 { if (unsafe) bad++; last = NR; fua = $2 ~ /WF/ }
		$1 == "meta" && $2 ~ /^F/ && NR > last { flushed = NR }
		END { print bad + 0, (fua || flushed > last) ? 0 : 1 }' /tmp/trace > /tmp/sum
	assert_eq "$(cat /tmp/sum)" "0 0" \
		"superblock writes before the flush of what they point to, and last one not flushed"

	# --- 3. cleaning (R2): the origin written, then flushed, then the commit that says clean
	# ---
	dmsetup message c 0 migration_threshold 0 # nothing else may clean
	for b in 3 77 200 310 450; do page z | write_at /dev/mapper/c $((b * 64)); done
	# Without a FLUSH a write may be acknowledged before its block is dirty.
	wait_for '[ $(st_dirty c) -ge 5 ]' 8
	dmsetup suspend c
	dmsetup resume c
	trace_start $META $CACHE $ORIGIN
	clean_all c 64 "$f"
	dmsetup suspend c
	trace_stop
	awk '$1 == "slow" && $2 ~ /W/ && $4 > 0 { unsafe = 1; n++ }
		$1 == "slow" && $2 ~ /^F/ { unsafe = 0 }
		$1 == "meta" && $2 ~ /W/ && $3 == 0 && $4 > 0 { commits++; bad = unsafe }
		END { print n + 0, commits + 0, bad + 0 }' /tmp/trace > /tmp/sum
	read -r n commits bad < /tmp/sum
	note "format $format: $n writes to the origin by cleaning, $commits commits"
	assert_num "$n" -ge 5 "writes to the origin by cleaning"
	[ "$bad" = 0 ] || show "blocks were recorded clean before the origin was flushed"
	dmsetup resume c
	dmsetup remove c
	check_metadata $META
done
