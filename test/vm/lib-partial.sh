# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# What the tests of partial blocks share. Cache blocks are of 32 KiB: eight granules of 4 KiB.
# /tmp/want is what c has to hold.

. /job/lib-fail.sh

# put_at SECTOR SECTORS [DD-OPTION...]: new data, to c and into /tmp/want
put_at() {
	_s=$1 _n=$2
	shift 2
	head -c $((_n * 512)) /dev/urandom > /tmp/put
	dd if=/tmp/put of=/tmp/want bs=512 seek="$_s" conv=notrunc 2> /dev/null
	dd if=/tmp/put of=/dev/mapper/c bs=$((_n * 512)) seek=$((_s * 512)) \
		oflag=direct,seek_bytes conv=notrunc "$@" 2> /dev/null
}
# granule_of BLOCK: the first sector of the granule that put_some writes there
granule_of() { echo $(($1 * 64 + $1 % 8 * 8)); }
# put_some FIRST COUNT: a granule in each of so many blocks, another one in each
put_some() {
	_b=$1
	while [ "$_b" -lt $(($1 + $2)) ]; do
		put_at "$(granule_of $_b)" 8 || fail "block $_b was not written"
		_b=$((_b + 1))
	done
}
# partials: how many blocks are
partials() { core_arg c partial_blocks; }
# origin_ios: reads and writes of the origin so far
origin_ios() { echo "$(dev_reads "$ORIGIN") $(dev_writes "$ORIGIN")"; }
# waiting: requests that c has not ended
waiting() { awk '{ print $1 + $2 }' "$(sysfs /dev/mapper/c)/inflight"; }
# queued FLAGS: how many of these the trace shows by now
queued() { grep -c "block_bio_queue: [0-9,]* $1" $TRACEFS/trace || :; }
# stored: are there partial blocks in the metadata, on disk?
stored() {
	[ "$(dd if="$META" bs=4096 count=1 iflag=direct 2> /dev/null | tail -c +256 | head -c 1 |
		od -An -tu1)" -ge 128 ]
}

# ----- power cuts, over $META $CACHE $ORIGIN that lose what was not flushed -----

# keep FILE MB, kept FILE MB: a file on the disk that loses nothing, at this place
keep() { dd if="$1" of="$DISK3" bs=1M seek="$2" oflag=direct conv=notrunc 2> /dev/null; }
kept() { dd if="$DISK3" of="$1" bs=1M skip="$2" count=24 iflag=direct 2> /dev/null; }
# partials_to_cut: the cache c with $tunables, and partial blocks 0 to 39; the origin before is kept
# at 0 MB, and is /tmp/want with what was written
partials_to_cut() {
	noise /tmp/want 24
	put /tmp/want $ORIGIN
	keep /tmp/want 0
	# What lies on the cache must not come up.
	noise /tmp/junk 16
	put /tmp/junk $CACHE
	blank
	for d in $META $CACHE $ORIGIN; do
		dd if=/dev/null of="$d" conv=notrunc,fsync 2> /dev/null
	done
	# shellcheck disable=SC2086 # words
	make_cache c 64 "metadata2 writeback" smq $tunables
	put_some 0 40
}
# noted DEV: blocks 0 to 39 of it hold what was written, others that or what was there before: so
# /tmp/want
noted() {
	cp /tmp/old /tmp/want
	b=0
	while [ $b -lt 80 ]; do
		s=$(granule_of $b)
		read_at "$1" "$s" > /tmp/got
		for f in new old; do
			dd if=/tmp/$f bs=512 skip="$s" count=8 2> /dev/null |
				cmp -s - /tmp/got && break
			[ $f = new ] ||
				fail "block $b holds neither what was written nor what was there"
		done
		[ $f = new ] || [ $b -ge 40 ] || fail "block $b was flushed, and is lost"
		dd if=/tmp/got of=/tmp/want bs=512 seek="$s" conv=notrunc 2> /dev/null
		b=$((b + 1))
	done
}
