# SPDX-License-Identifier: GPL-2.0-only
# what: each allocation and each metadata I/O of load, resume, suspend, remove and status fails
#       once: no crash, no leak
# timeout: 300
# files: test/sanitizers/dm-fail-nth.py
# expect-dmesg: Call Trace:

# Call Trace: alone is what vmalloc prints when it gets no memory; all that is bad has a line of its
# own above it.
. /job/lib-cache.sh
[ -d /sys/kernel/debug/failslab ] || skip "this kernel cannot inject faults"
devices 8 16 48
noise /tmp/data 16

# fail-nth decides which; these say that any allocation may be the one, and keep the log quiet.
for f in failslab fail_page_alloc fail_make_request; do
	d=/sys/kernel/debug/$f
	echo 0 > $d/verbose
	[ ! -e $d/ignore-gfp-wait ] || echo N > $d/ignore-gfp-wait
	[ ! -e $d/ignore-gfp-highmem ] || echo N > $d/ignore-gfp-highmem
	[ ! -e $d/min-order ] || echo 0 > $d/min-order
done
modprobe dm-cache
modprobe dm-cache-smq
modprobe dm-cache-mq

# sweep OPERATION SECONDS FORMAT POLICY
sweep() {
	python3 -I /job/dm-fail-nth.py "$1" c "$2" "$(cache_table 64 "$(features_of "$3")" "$4")" \
		> /tmp/sweep 2>&1 || fail "$1, format $3: $(cat /tmp/sweep)"
	note "format $3, $4: $(cat /tmp/sweep)"
}

for io in 0 1; do
	# The second time metadata's I/O fails too, which may leave it with needs_check: so each
	# sweep has its own.
	echo $io > /sys/block/meta/make-it-fail
	for format in 1 2; do
		blank
		sweep load 40 $format smq
		warm 64 256 $format /tmp/data true
		sweep load 40 $format mq
		[ $io = 0 ] || continue
		for op in resume suspend remove status; do
			warm 64 256 $format /tmp/data true
			sweep $op 40 $format smq
		done
	done
done
echo 0 > /sys/block/meta/make-it-fail

# After all that it works.
warm 64 256 2 /tmp/data
make_cache c 64 metadata2 smq
same /tmp/data /dev/mapper/c "data after the faults"
dmsetup remove c
check_metadata $META
