# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# what: how a cache warms up and what it serves then: an origin of 8 ms a request, a cache a quarter
#       as large of 0.1 ms
# needs: mem=1536
# timeout: 7200
# files: test/bench/build/iocost test/bench/guest.sh

. /job/lib-cache.sh
. /job/guest.sh

nb slow 512 8000000 1
nb fast 130 100000 8
nb meta 16 100000 16
linear cd /dev/fast 0 262144
META=/dev/meta CACHE=/dev/mapper/cd ORIGIN=/dev/slow WINDOW=30

# load SECONDS FIO-OPTION...: 4 KiB requests, 16 at a time, over the whole device $DEV; leaves
# /tmp/windows, a line for each $WINDOW seconds: requests a second; and /tmp/fio.json
load() {
	_seconds=$1
	shift
	rm -f /tmp/z_*
	fio --name=z --filename="$DEV" --direct=1 --bs=4k --ioengine=libaio --iodepth=16 \
		--size=500m --norandommap \
		--random_generator=tausworthe64 --randseed=4711 --time_based --runtime="$_seconds" --thread --write_iops_log=/tmp/z \
		--log_avg_msec=$((WINDOW * 1000)) --per_job_logs=0 --output-format=json \
		--output=/tmp/fio.json "$@" > /tmp/fio.out 2>&1 ||
		fail "fio: $(tail -n 5 /tmp/fio.out)"
	awk -F, \
		-v w=$((WINDOW * 1000)) \
		'{ sum[int($1 / w + 0.5)] += $2 } END { for (t in sum) print t, sum[t] }' \
		/tmp/z_iops*.log | sort -n | cut -d' ' -f2 > /tmp/windows
}

hits() { st_line c | awk '{ print $8 + $10, $8 + $9 + $10 + $11 }'; }

# The first window, what the second half of them says, and the slowest request of all.
report() {
	note "$WHO $1: $(tr '\n' ' ' < /tmp/windows)"
	awk \
		'{ v[NR] = $1 } END { for (i = int(NR / 2) + 1; i <= NR; i++) { s += v[i]; n++; if (n == 1 || v[i] < least) least = v[i] }
		printf "%d %d\n", s / n + 0.5, least * 100 * n / s }' /tmp/windows > /tmp/half
	read -r mean least < /tmp/half
	result "$1-first" "$(head -n 1 /tmp/windows)"
	result "$1-iops" "$mean"
	result "$1-least" "$least"
	result "$1-slowest" "$(python3 -I -c 'import json
j = json.load(open("/tmp/fio.json"))["jobs"][0]
print(max(j[d]["clat_ns"]["max"] for d in ("read", "write")) // 1000000)')"
}

# workload NAME BLOCK_SECTORS SECONDS FIO-OPTION...
workload() {
	_row=$1 _bs=$2 _run=$3
	shift 3
	blank
	make_cache c "$_bs" writeback "$POLICY"
	DEV=/dev/mapper/c
	(
		sleep $((_run / 2))
		hits > /tmp/half-way
	) &
	load "$_run" "$@"
	wait $!
	hits | paste -d' ' - /tmp/half-way > /tmp/hits
	report "$_row"
	result "$_row-hits" "$(awk '{ printf "%d", ($1 - $3) * 1000 / ($2 - $4) }' /tmp/hits)"
	note "$WHO $_row: $(dmsetup status c)"
	dmsetup remove c
}

# minute NAME: what the load hit in it, per mille. The same requests each time: so the hot ones are
# the same.
minute() {
	hits > /tmp/before
	load 60 --rw=randrw --rwmixread=70 --random_distribution=zipf:1.1
	result "restart-$1" "$(hits | paste -d' ' - /tmp/before |
		awk '{ printf "%d", ($1 - $3) * 1000 / ($2 - $4) }')"
}

# The minute before a clean restart, and the first one after it.
restart() {
	blank
	make_cache c 128 writeback "$POLICY"
	DEV=/dev/mapper/c
	load 180 --rw=randrw --rwmixread=70 --random_distribution=zipf:1.1
	minute before
	dmsetup remove c
	make_cache c 128 writeback "$POLICY"
	minute after
	note "$WHO restart: $(dmsetup status c)"
	dmsetup remove c
}

all() {
	WHO=$1 POLICY=$2
	workload zipf-64k 128 360 --rw=randrw --rwmixread=70 --random_distribution=zipf:1.1
	workload zipf-256k 512 360 --rw=randrw --rwmixread=70 --random_distribution=zipf:1.1
	workload zoned 128 360 --rw=randrw --rwmixread=70 --random_distribution=zoned:90/10:10/90
	WINDOW=10
	workload uniform-writes 128 60 --rw=randwrite
	WINDOW=30
	restart
}

WHO=raw DEV=$ORIGIN WINDOW=10
load 60 --rw=randwrite
report uniform-writes
WINDOW=30
use_kernels
all kernel smq
use_ours
all ours default
