# SPDX-License-Identifier: GPL-2.0-only
# what: a hit takes no lock beyond those of a dm-linear device: counted with ftrace; the kernel's own takes seven
# needs: mem=768
# timeout: 240
# stock: no
# files: test/vm/lib-cache.sh
# builds: test/bench/iocost.c

. /job/lib-cache.sh
T=/sys/kernel/tracing
[ -d $T/events ] || mount -t tracefs trace $T
grep -qw function $T/available_tracers || skip "no function tracer in this kernel"
# iocost does a tenth more, to warm up.
COUNT=200 IOS=220

ram 3 128
META=/dev/ram2 CACHE=/dev/ram1 ORIGIN=/dev/ram0
linear l $ORIGIN 0 131072

# locks DEV read|write: /tmp/locks has a line for each lock taken by these requests: what, and who called
locks() {
	# Once before: the first hit of a block in a second is counted, and may be told to the policy.
	/job/iocost "$1" "$2" 4096 1 $COUNT 0 131072 > /dev/null
	echo 16384 > $T/buffer_size_kb
	echo '_raw_*lock* mutex_lock* down_read* down_write* rwsem_*' > $T/set_ftrace_filter
	echo function > $T/current_tracer
	echo 1 > $T/options/function-fork 2> /dev/null || true
	echo > $T/trace
	sh -c "echo \$\$ > $T/set_ftrace_pid; echo 1 > $T/tracing_on; exec /job/iocost $1 $2 4096 1 $COUNT 0 131072" > /dev/null
	echo 0 > $T/tracing_on
	sed -n 's/.*: \([^ ]*\) <-\([^ ]*\).*/\1 \2/p' $T/trace | grep -v unlock > /tmp/locks || true
	echo nop > $T/current_tracer
	echo > $T/set_ftrace_pid
}

# per_io: those that come with every request; timers and the like do not
per_io() { sort /tmp/locks | uniq -c | awk -v n=$IOS '$1 >= n / 2 { sum += int($1 / n + 0.5) } END { print sum + 0 }'; }

count() { # WHO DIRTY "FEATURES"
	meta_format $META 128 1024 1024 "$2" 2
	make_cache c 128 "$3" smq migration_threshold 0
	locks /dev/mapper/c read
	eval "$1_read=$(per_io)"
	cp /tmp/locks /tmp/locks.read
	locks /dev/mapper/c write
	eval "$1_write=$(per_io)"
	dmsetup remove c
}

locks /dev/mapper/l read
linear_read=$(per_io)
locks /dev/mapper/l write
linear_write=$(per_io)
use_kernels
count kernel true metadata2
use_ours
count ours true metadata2
# shellcheck disable=SC2154 # set by count
note "locks a request, reads and writes: dm-linear $linear_read $linear_write, the kernel's own $kernel_read $kernel_write, ours $ours_read $ours_write"
sort /tmp/locks | uniq -c | sort -rn | head -n 12
# That the counting sees locks:
assert_num "$kernel_read" -ge $((linear_read + 4)) "locks of a read hit with the kernel's own"
assert_num "$kernel_write" -ge $((linear_write + 4)) "locks of a write hit with the kernel's own"
assert_num "$ours_read" -eq "$linear_read" "locks of a read hit, beside those of dm-linear"
assert_num "$ours_write" -eq "$linear_write" "locks of a write hit, beside those of dm-linear"
refute grep -E ' (cache_(map|end_io)|map_(bio|any|data|end_io|read|write)|mg_[a-z]|engine_[a-z]|smq_|resident_|dirty_(set|clear)|flush_(map|note|device))' /tmp/locks.read
