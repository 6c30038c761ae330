# SPDX-License-Identifier: GPL-2.0-only
# what: writethrough: FLUSHes that the cache device fails while all its 16,384 blocks may be lost
#       cost one look at each block, not one for each block and bio
# timeout: 240
# stock: no

. /job/lib-fail.sh
BLOCKS=${BLOCKS:-16384} SYNCS=${SYNCS:-8}
T=/sys/kernel/tracing
[ -d $T/events ] || mount -t tracefs trace $T
# Without kprobe events (the debug kernels) no call is counted. What remains is that the blocks go,
# and that all goes on; for that few will do.
counted=1
[ -e $T/kprobe_events ] || counted= BLOCKS=2048
# calls FUNCTION: how often it was called since it is probed
calls() { awk -v p="p_$1" '$1 == p { print $2 }' $T/kprobe_profile; }

# Devices of any size, that forget all: only the calls, and how often they come, are looked at.
n=$((BLOCKS * 64))
nb m0 32 0
nb x0 1 0 64 1
dmsetup create s --table "0 $n zero"
# The cache device: each FLUSH fails.
dmsetup create f --table "0 $n zero
$n 8 flakey /dev/x0 0 0 1 1 error_writes"
META=/dev/m0 CACHE=/dev/mapper/f ORIGIN=/dev/mapper/s
meta_format $META 64 "$BLOCKS" "$BLOCKS" false
make_cache c 64 "metadata2 writethrough" smq
assert_eq "$(st_used)" "$BLOCKS" "cached blocks"
# One write in each: the cache device may forget all of them.
dd if=/dev/zero of=/dev/mapper/c bs=1M oflag=direct 2> /dev/null || :

if [ -n "$counted" ]; then
	for p in mg_alloc table_remove; do echo "p:p_$p $p"; done > $T/kprobe_events
	for p in mg_alloc table_remove; do echo 1 > $T/events/kprobes/p_$p/enable; done
	echo 0 > $T/tracing_on
fi
begin=$(cut -d" " -f1 /proc/uptime)
pids=
i=0
while [ $i -lt "$SYNCS" ]; do
	sync_of c &
	pids="$pids $!"
	i=$((i + 1))
done
for p in $pids; do assert wait "$p"; done
note "$BLOCKS blocks, $SYNCS FLUSHes: from $begin s to $(cut -d" " -f1 /proc/uptime) s"
# The policy may have taken some in again.
assert_num "$(st_used)" -le $((BLOCKS / 2)) "blocks that are still cached"
if [ -n "$counted" ]; then
	note "$(calls mg_alloc) migrations wanted, $(calls table_remove) made"
	assert_num "$(calls table_remove)" -ge $((BLOCKS / 2)) "blocks dropped"
	# The policy may want some of its own meanwhile.
	assert_num "$(calls mg_alloc)" -le $((4 * BLOCKS)) "migrations that were asked for"
	for p in mg_alloc table_remove; do echo 0 > $T/events/kprobes/p_$p/enable; done
	echo > $T/kprobe_events
fi
assert_eq "$(st_mode)" rw "mode"
dmsetup remove c
check_metadata $META
