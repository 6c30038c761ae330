# SPDX-License-Identifier: GPL-2.0-only
# what: a hit takes no lock beyond those of a dm-linear device, and no atomic that a hit on another
#       block takes: seen with ftrace and kprobes; the kernel's own takes seven
# kernels-differ: what a bio passes before and after the target
# needs: smp=1 mem=768
# timeout: 240
# stock: no
# builds: test/bench/iocost.c test/tools/locked-instructions.sh

. /job/lib-cache.sh
T=/sys/kernel/tracing
[ -d $T/events ] || mount -t tracefs trace $T
grep -qw function $T/available_tracers || skip "no function tracer in this kernel"
# iocost does a tenth more, to warm up. So many that what a process takes to start, 170 page faults,
# is not half of that.
COUNT=500 IOS=550

ram 3 128
META=/dev/ram2 CACHE=/dev/ram1 ORIGIN=/dev/ram0
linear l $ORIGIN 0 131072

# locks DEV read|write: /tmp/locks has a line for each lock taken by these requests: what, and the
# caller
locks() {
	# Once before: the first hit of a block in a second is counted, and may be told to the
	# policy.
	/job/iocost "$1" "$2" 4096 1 $COUNT 0 131072 > /dev/null
	echo 16384 > $T/buffer_size_kb
	echo '_raw_*lock*' > $T/set_ftrace_filter
	# Which of these there are depends on the kernel: the last ones are PREEMPT_RT's.
	for _f in 'mutex_lock*' 'down_read*' 'down_write*' 'rwsem_*' 'rt_spin_*lock*' \
		'rt_read_*lock*' 'rt_write_*lock*' 'rwbase_*'; do
		echo "$_f" >> $T/set_ftrace_filter || :
	done 2> /dev/null
	echo function > $T/current_tracer
	echo 1 > $T/options/function-fork 2> /dev/null || true
	echo > $T/trace
	sh -c \
		"echo \$\$ > $T/set_ftrace_pid; echo 1 > $T/tracing_on; exec /job/iocost $1 $2 4096 1 $COUNT 0 131072" > /dev/null
	echo 0 > $T/tracing_on
	sed -n 's/.*: \([^ ]*\) <-\([^ ]*\).*/\1 \2/p' $T/trace | grep -v unlock > /tmp/locks ||
		true
	echo nop > $T/current_tracer
	echo > $T/set_ftrace_pid
}

# per_io: those that come with every request; timers and the like do not
per_io() {
	sort /tmp/locks | uniq -c |
		awk -v n=$IOS '$1 >= n / 2 { sum += int($1 / n + 0.5) } END { print sum + 0 }'
}

# Each atomic instruction of the modules that are loaded gets a kprobe, which notes the registers
# that make its address. probe_atomics LIST: as locked-instructions.sh made it.
probe_atomics() {
	: > $T/kprobe_events
	_i=0
	while read -r module section offset fn base index scale displacement what; do
		start=$(cat "/sys/module/$module/sections/$section" 2> /dev/null) || continue
		# The shell's numbers have a sign; those of addresses differ below the upper 16 bits
		# only.
		start=0x${start#0xffff}
		_i=$((_i + 1))
		_args=
		[ "$base" = rip ] || _args=" b=%$base"
		[ "$index" = - ] || _args="$_args i=%$index"
		echo "p:atomics/a$_i $(printf '0xffff%x' $((start + offset)))$_args" \
			>> $T/kprobe_events || fail "no kprobe at $module $section+$offset: $what"
		eval "scale_a$_i=$scale displacement_a$_i=$displacement"
		eval "what_a$_i=\$module:\$fn:\$what"
	done < "$1"
	assert_num $_i -ge 10 "atomic instructions that are watched"
}

# atomics read|write FIRST OUT: the words that hits on 64 blocks from sector FIRST on changed by an
# atomic instruction, and which. Only what runs in the process that asks for I/O counts: the ticks
# of policies are not hits.
atomics() {
	/job/iocost /dev/mapper/c "$1" 4096 1 500 "$2" 8192 > /dev/null
	echo > $T/trace
	echo 1 > $T/events/atomics/enable
	echo 1 > $T/tracing_on
	/job/iocost /dev/mapper/c "$1" 4096 1 $COUNT "$2" 8192 > /dev/null
	echo 0 > $T/tracing_on
	echo 0 > $T/events/atomics/enable
	sed -n \
		's/^ *iocost-.* \(a[0-9]*\): ([^)]*)\( b=\([^ ]*\)\)\?\( i=\([^ ]*\)\)\?$/\1 \3. \5./p' $T/trace |
		while read -r event base index; do
			base=${base%.} index=${index%.}
			[ "$base" = "${base#0xffff}" ] || base=0x${base#0xffff}
			eval \
				"scale=\$scale_$event displacement=\$displacement_$event what=\$what_$event"
			# shellcheck disable=SC2154 # what eval sets
			if [ "$scale" = bit ]; then
				offset=$(((${index:-0} >> 6) * 8))
			else
				offset=$((${index:-0} * scale))
			fi
			printf '%x %s\n' $((${base:-0} + displacement + offset)) "$what"
		done > "$3"
}

# both_parts read|write: sets SHARED, how many atomics a request, in tenths, are on words that hits
# on another part of the device change too, and ALL of them; /tmp/shared.how says which these are
both_parts() {
	atomics "$1" 0 /tmp/words.1
	atomics "$1" 65536 /tmp/words.2
	cut -d' ' -f1 /tmp/words.1 | sort -u > /tmp/one
	cut -d' ' -f1 /tmp/words.2 | sort -u |
		awk 'NR == FNR { in_one[$1]; next } $1 in in_one' /tmp/one - > /tmp/shared
	awk 'NR == FNR { shared[$1]; next } $1 in shared { print $2 }' /tmp/shared /tmp/words.1 |
		sort | uniq -c > /tmp/shared.how
	SHARED=$(awk -v n=$IOS '{ sum += $1 } END { print int(10 * sum / n + 0.5) }' \
		/tmp/shared.how)
	ALL=$(awk -v n=$IOS 'END { print int(10 * NR / n + 0.5) }' /tmp/words.1)
}

count() { # WHO DIRTY "FEATURES"
	meta_format $META 128 1024 1024 "$2" 2
	make_cache c 128 "$3" smq migration_threshold 0
	locks /dev/mapper/c read
	eval "$1_read=$(per_io)"
	cp /tmp/locks /tmp/locks.read
	locks /dev/mapper/c write
	eval "$1_write=$(per_io)"
	probe_atomics "/job/locked-instructions.$1"
	for _how in read write; do
		both_parts $_how
		eval "$1_shared_$_how=$SHARED $1_all_$_how=$ALL"
		note \
			"$1, $_how: $ALL atomics in 10 requests, $SHARED of them on words that other hits change too: $(tr -s ' \n' ' ' < /tmp/shared.how)"
	done
	: > $T/kprobe_events
	dmsetup remove c
}

# The first time does not count: what only the first process of its kind faults in takes locks, too.
locks /dev/mapper/l read
locks /dev/mapper/l read
linear_read=$(per_io)
locks /dev/mapper/l write
linear_write=$(per_io)
use_kernels
count kernel true metadata2
use_ours
count ours true metadata2
# shellcheck disable=SC2154 # set by count
note \
	"locks a request, reads and writes: dm-linear $linear_read $linear_write, the kernel's own $kernel_read $kernel_write, ours $ours_read $ours_write"
sort /tmp/locks | uniq -c | sort -rn | head -n 12
# That the counting sees locks:
assert_num "$kernel_read" -ge $((linear_read + 4)) "locks of a read hit with the kernel's own"
assert_num "$kernel_write" -ge $((linear_write + 4)) "locks of a write hit with the kernel's own"
assert_num "$ours_read" -eq "$linear_read" "locks of a read hit, beside those of dm-linear"
assert_num "$ours_write" -eq "$linear_write" "locks of a write hit, beside those of dm-linear"
refute grep \
	-E \
	' (cache_(map|end_io)|map_(bio|any|data|end_io|read|write)|mg_[a-z]|engine_[a-z]|smq_|(dmc_)?mqc_|dirty_(set|clear)|flush_(map|note|device))' /tmp/locks.read
# shellcheck disable=SC2154 # set by count
assert_num "$kernel_shared_read" \
	-ge 10 "atomics in 10 read hits on shared words with the kernel's own"
for how in read write; do
	eval "all=\$ours_all_$how shared=\$ours_shared_$how"
	# A hit counts itself in its block, and takes that back.
	assert_num "$all" -ge 20 "atomics that were seen in 10 hits"
	assert_eq "$shared" 0 \
		"atomics in 10 hits (${how}s) on words that hits on other blocks change"
done
