# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# What the tests of partial blocks share: `# files: test/vm/lib-cache.sh test/vm/lib-fail.sh
# test/vm/lib-partial.sh`, in this order. Cache blocks are of 32 KiB: eight granules of 4 KiB.
# /tmp/want is what c has to hold.

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
# stored: are there partial blocks in the metadata, on disk?
stored() {
	[ "$(dd if="$META" bs=4096 count=1 iflag=direct 2> /dev/null | tail -c +256 | head -c 1 |
		od -An -tu1)" -ge 128 ]
}
