# SPDX-License-Identifier: GPL-2.0-only
# what: an origin that is served by nbdkit: slow, and with errors for a while; what is cached is
#       quick and right, what failed comes later
# long: a minute
# needs: mem=768
# timeout: 240
# stock: no
# expect-dmesg: .*(nbd0|I/O error, dev nbd|Buffer I/O error on dev).*

. /job/lib-stack.sh
modprobe nbd nbds_max=1
serve() { # FILTERS AND THEIR PARAMETERS...
	nbdkit -f -U /tmp/nbd.sock /deb12/real/nbdkit-memory-plugin.so 40M "$@" > /tmp/nbdkit.out \
		2>&1 &
	NBD=$!
	wait_for '[ -S /tmp/nbd.sock ]' 10
	nbd-client -unix /tmp/nbd.sock /dev/nbd0 -nofork > /tmp/nbd.out 2>&1 &
	wait_for '[ "$(sectors /dev/nbd0)" = 81920 ]' 10
}
nb meta 8 0 64 8
nb fast 8 0 64 8
META=/dev/meta CACHE=/dev/fast ORIGIN=/dev/nbd0
noise /tmp/data 24

# Each read and write of the origin takes 5 ms; while /tmp/broken is there, all give errors.
serve --filter=/deb12/real/nbdkit-error-filter.so \
	--filter=/deb12/real/nbdkit-delay-filter.so delay-read=5ms delay-write=5ms \
	error=EIO error-rate=100% error-file=/tmp/broken
blank
make_cache c 64 metadata2 smq
put /tmp/data /dev/mapper/c
agrees /tmp/data /dev/mapper/c "an origin behind NBD"
read_blocks c 64 0 64
read_blocks c 64 0 64
wait_for 'read_blocks c 64 0 64; [ "$(st_used c)" -ge 64 ]' 60
dmsetup message c 0 migration_threshold 0
used=$(st_used c)

: > /tmp/broken
hits=$(st_read_hits c) good=0 bad=0
for b in $(seq 0 4 200); do
	if read_at /dev/mapper/c $((b * 64)) > /tmp/got; then
		good=$((good + 1))
		dd if=/tmp/data bs=32k skip="$b" count=1 2> /dev/null | head -c 4096 |
			cmp - /tmp/got || fail "block $b, while the origin fails"
	else
		bad=$((bad + 1))
	fi
done
note "while the origin fails: $good reads of cached blocks, $bad errors; $used blocks are cached"
assert_num $good -ge 8 "reads from the cache while the origin fails"
assert_num $bad -ge 8 "reads that need the origin, while it fails"
assert_eq "$(($(st_read_hits c) - hits))" $good "read hits"
# Cached blocks take writes, and nothing is lost when they cannot be written back yet.
w=0
for b in $(seq 0 4 100); do
	page "while broken $b" > /tmp/page
	if write_at /dev/mapper/c $((b * 64)) < /tmp/page; then
		w=$((w + 1))
		dd if=/tmp/page of=/tmp/data bs=32k seek="$b" conv=notrunc 2> /dev/null
	fi
done
assert_num $w -ge 8 "writes to the cache while the origin fails"
# A small write may be acknowledged before its block is dirty.
wait_for '[ $(st_dirty c) -ge $w ]' 8
dmsetup message c 0 migration_threshold 2048
sleep 2
assert_num "$(st_dirty c)" -ge $w "dirty blocks, while they cannot be written back"
assert_eq "$(st_mode c) $(st_needs_check c)" "rw -" "mode"
rm /tmp/broken
same /tmp/data /dev/mapper/c "all data when the origin works again"
clean_all c 64 metadata2
dmsetup remove c
check_metadata $META
same /tmp/data $ORIGIN "the origin alone"
nbd-client -d /dev/nbd0 > /dev/null 2>&1
kill $NBD
wait
