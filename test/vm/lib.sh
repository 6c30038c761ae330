# SPDX-License-Identifier: GPL-2.0-only
#
# What a VM test may use. Sourced before the test, in the guest; the test runs under `set -eu`, as
# root, with dash. README.md in this folder says how a test is written.
#
# Set for a test:  $BOOT $BOOTS   which boot this is, of how many ("# boots: N")
#                  $DISK0 $DISK1  block devices that survive reboots ("# disks: 64M,256M")
#                  $STOCK         1: the kernel's own dm-cache, not ours      $KERNEL  as in uname
#                                 -r

KERNEL=$(uname -r)
NEWLINE='
'
DMESG_MARKS=0

# shellcheck source-path=SCRIPTDIR source=../lib/asserts.sh
. /job/asserts.sh

# wait_for 'CONDITION' SECONDS: evaluated 10 times a second. The limit is only there to end a wait
# for what never comes: it grows with the runner's --patience.
wait_for() {
	_n=$(($2 * 10 * ${PATIENCE:-1}))
	until eval "$1"; do
		_n=$((_n - 1))
		[ $_n -gt 0 ] || fail "waited $(($2 * ${PATIENCE:-1})) s in vain for: $1"
		sleep 0.1
	done
}

# ----- the kernel log -----

# A mark is a line in the log itself: to count the lines would go wrong once the log has dropped its
# oldest ones.
dmesg_mark() {
	DMESG_MARKS=$((DMESG_MARKS + 1))
	echo "test: mark $DMESG_MARKS" > /dev/kmsg
}
# What came since the last mark; all there is, if there was none or it has been dropped, too.
dmesg_new() {
	dmesg | awk -v mark="test: mark $DMESG_MARKS" '
		substr($0, length($0) - length(mark) + 1) == mark { n = 0; next }
		{ line[n++] = $0 }
		END { for (i = 0; i < n; i++) print line[i] }'
}

# assert_dmesg REGEX: in the lines since the last dmesg_mark
assert_dmesg() { dmesg_new | grep -Eq -- "$1" ||
	fail "kernel log: expected a line like /$1/ after mark $DMESG_MARKS, got:
$(dmesg_new)
and the log ends
$(dmesg | tail -n 5)"; }

# refute_dmesg REGEX: not in them
refute_dmesg() {
	if dmesg_new | grep -E -- "$1"; then
		fail "kernel log: a line like /$1/ after mark $DMESG_MARKS"
	fi
}

# expect_fail REGEX CMD...: CMD must fail, and say why in the kernel log lines it causes
expect_fail() {
	_re=$1
	shift
	dmesg_mark
	if "$@" > /tmp/expect_fail.out 2>&1; then fail "must fail, but succeeded: $*"; fi
	dmesg_new | grep -Eq -- "$_re" ||
		fail "'$*' failed, as it must, but no new kernel log line is like /$_re/:
$(dmesg_new)
it printed: $(cat /tmp/expect_fail.out)"
}

# ----- devices -----

# sysfs DEV: its folder there; dm nodes are not links to /dev/dm-N here
sysfs() {
	# shellcheck disable=SC2046 # two numbers, in hex
	set -- $(stat -L -c '%t %T' "$1")
	echo "/sys/dev/block/$((0x$1)):$((0x$2))"
}

# sectors DEV
sectors() { cat "$(sysfs "$1")/size"; }

# nb NAME SIZE_MB LATENCY_NS [QUEUE_DEPTH [WRITE_CACHE_MB]]: a null_blk /dev/NAME, kept in memory.
# Latency is per I/O; serial if the depth is 1. With a write cache it is volatile and wants FLUSH.
# Its sectors have $NB_SECTOR bytes, 512 if that is not set; it takes discards unless $NB_DISCARD
# is 0. With $NB_POLL it has that many queues whose I/O is polled for.
nb() {
	[ -d /sys/module/null_blk ] || modprobe null_blk nr_devices=0
	[ -d /sys/kernel/config/nullb ] || mount -t configfs config /sys/kernel/config
	_d=/sys/kernel/config/nullb/$1
	mkdir "$_d"
	echo "$2" > "$_d/size"
	echo 1 > "$_d/memory_backed"
	echo "${NB_SECTOR:-512}" > "$_d/blocksize"
	echo "${4:-64}" > "$_d/hw_queue_depth"
	echo 1 > "$_d/submit_queues"
	if [ "$3" -gt 0 ]; then
		echo 2 > "$_d/irqmode"
		echo "$3" > "$_d/completion_nsec"
		echo 2 > "$_d/queue_mode"
	else
		echo 0 > "$_d/irqmode"
		echo 2 > "$_d/queue_mode"
	fi
	[ -z "${5:-}" ] || echo "$5" > "$_d/cache_size"
	echo "${NB_DISCARD:-1}" > "$_d/discard" 2> /dev/null || :
	[ -z "${NB_POLL:-}" ] || echo "$NB_POLL" > "$_d/poll_queues"
	echo 1 > "$_d/power"
	# Before 5.19 or so it is named by number.
	[ -b "/dev/$1" ] || ln -s "nullb$(cat "$_d/index")" "/dev/$1"
	[ -b "/dev/$1" ] || wait_for "[ -b /dev/$1 ]" 5
}

# ram COUNT SIZE_MB: /dev/ram0 ...
ram() { modprobe brd rd_nr="$1" rd_size=$(($2 * 1024)); }

# linear NAME DEV START SECTORS: a slice of DEV as /dev/mapper/NAME
linear() { dmsetup create "$1" --table "0 $4 linear $2 $3"; }

# zero DEV [MB]: all of it, or its first MB
zero() {
	dd if=/dev/zero of="$1" bs=1M ${2:+count=$2} oflag=direct 2> /dev/null || [ -z "${2:-}" ]
}

# Requests a device has completed, since it is there.
dev_stat() { awk -v f="$2" '{ print $f }' "$(sysfs "$1")/stat"; }
dev_reads() { dev_stat "$1" 1; }
dev_read_sectors() { dev_stat "$1" 3; }
dev_writes() { dev_stat "$1" 5; }
dev_write_sectors() { dev_stat "$1" 7; }
dev_discards() { dev_stat "$1" 12; }
dev_flushes() { dev_stat "$1" 16; }

# md5_of FILE
md5_of() { _sum=$(md5sum "$1") && echo "${_sum%% *}"; }

# digest DEV [SKIP_MB [MB]]: of what is really on it, not in the page cache. By way of a file, here
# and elsewhere: a pipe between two programs takes a guest several times as long as both of them.
digest() {
	dd if="$1" of=/tmp/digest bs=1M skip="${2:-0}" ${3:+count=$3} iflag=direct 2> /dev/null ||
		echo "cannot read all of $1" >&2
	md5_of /tmp/digest
	rm /tmp/digest
}

# ----- caches -----
#
# make_cache and its like use /dev/mapper/NAME over $META, $CACHE and $ORIGIN, which the test sets.

# cache_table BLOCK_SECTORS "FEATURES" POLICY [POLICY ARGS...]
cache_table() {
	_bs=$1 _feat=$2 _policy=$3
	shift 3
	# shellcheck disable=SC2086 # features are words
	_nfeat=$(set -- $_feat && echo $#)
	echo \
		"0 $(sectors "$ORIGIN") cache $META $CACHE $ORIGIN $_bs $_nfeat${_feat:+ $_feat} $_policy $# $*" | sed 's/ *$//'
}

# make_cache NAME BLOCK_SECTORS "FEATURES" POLICY [POLICY ARGS...]
make_cache() {
	_name=$1
	shift
	dmsetup create "$_name" --table "$(cache_table "$@")"
}

# reload_cache NAME BLOCK_SECTORS "FEATURES" POLICY [POLICY ARGS...]: load the new table, suspend,
# resume
reload_cache() {
	_name=$1
	shift
	dmsetup reload "$_name" --table "$(cache_table "$@")"
	dmsetup suspend "$_name"
	dmsetup resume "$_name"
}

# Fields of the status line, by name. With one cache only, the name may be left out. Few programs:
# tests ask often.
st_line() {
	[ -z "${1:-}" ] || { dmsetup status --noflush "$1"; return; }
	_line=$(dmsetup status --noflush --target cache)
	case $_line in *": "*) _line=${_line%%"$NEWLINE"*}; echo "${_line#*: }" ;; *) return 1 ;; \
		esac
}
# st N [NAME]: the Nth word
st() {
	# shellcheck disable=SC2046 # words
	set -- "$1" $(st_line "${2:-}")
	if [ $# -gt "$1" ]; then shift "$1"; else set --; fi
	echo "${1-}"
}
# st_left, st_right N [NAME]: what is before and behind the slash in it
st_left() { _word=$(st "$@"); echo "${_word%/*}"; }
st_right() { _word=$(st "$@"); echo "${_word#*/}"; }
st_metadata_block_size() { st 4 "$@"; }
st_metadata_used() { st_left 5 "$@"; }
st_metadata_total() { st_right 5 "$@"; }
st_block_size() { st 6 "$@"; }
st_used() { st_left 7 "$@"; }
st_total() { st_right 7 "$@"; }
st_read_hits() { st 8 "$@"; }
st_read_misses() { st 9 "$@"; }
st_write_hits() { st 10 "$@"; }
st_write_misses() { st 11 "$@"; }
st_demotions() { st 12 "$@"; }
st_promotions() { st 13 "$@"; }
st_dirty() { st 14 "$@"; }
# The last two words: mode (rw, ro; Fail stands alone) and needs_check or -
st_mode() { st_line "$@" | awk '{ if ($NF == "Fail") print $NF; else print $(NF - 1) }'; }
st_needs_check() { st_line "$@" | awk '{ print $NF }'; }
st_policy() { st_line "$@" | awk '{ n = 15; n += $n + 1; n += $n + 1; print $n }'; }

# meta_format DEV BLOCK_SECTORS CACHE_BLOCKS NR_MAPPED DIRTY(true|false) [1|2]: metadata made by
# cache_restore 1.x (0.9 leaks blocks), where cache block i holds origin block i
meta_format() {
	awk -v b="$2" -v n="$3" -v m="$4" -v d="$5" 'BEGIN {
		printf "<superblock uuid=\"\" block_size=\"%d\" nr_cache_blocks=\"%d\" policy=\"smq\" hint_width=\"4\">\n<mappings>\n", b, n
		for (i = 0; i < m; i++) printf "<mapping cache_block=\"%d\" origin_block=\"%d\" dirty=\"%s\"/>\n", i, i, d
		print "</mappings>\n<hints>"
		for (i = 0; i < m; i++) printf "<hint cache_block=\"%d\" data=\"AAAAAA==\"/>\n", i
		print "</hints>\n</superblock>" }' > /tmp/meta.xml
	dd if=/dev/zero of="$1" bs=4096 count=1 oflag=direct 2> /dev/null
	/tpt1/cache_restore -q --metadata-version "${6:-2}" -i /tmp/meta.xml -o "$1"
	rm /tmp/meta.xml
}

# check_metadata DEV [decoder options]: cache_check of Debian 12 and 13, and the project's own
# decoder. The cache over it must be gone or suspended.
check_metadata() {
	_dev=$1
	shift
	cache_check "$_dev" > /tmp/check.out 2>&1 ||
		fail "cache_check 0.9 refuses $_dev: $(cat /tmp/check.out)"
	/tpt1/cache_check "$_dev" > /tmp/check.out 2>&1 ||
		fail "cache_check 1.x refuses $_dev: $(cat /tmp/check.out)"
	# Only what is in use: the image may be large, the decoder is slow here.
	dd if="$_dev" of=/tmp/check.img bs=1M iflag=direct conv=sparse 2> /dev/null
	python3 -I /decode_cache_metadata.pyc --summary "$@" /tmp/check.img > /tmp/check.out 2>&1 ||
		fail "decode_cache_metadata.py refuses $_dev: $(tail -n 5 /tmp/check.out)"
	rm -f /tmp/check.img
}

# meta_dump DEV: the mappings as XML, by cache_dump 1.x (0.9 shows every format 2 mapping as clean)
meta_dump() { /tpt1/cache_dump "$1"; }

# ----- power -----

# The host kills the machine, as a power cut does; the next boot has the same disks. Never returns.
power_cut() {
	echo "@@$TOKEN POWER_CUT"
	sleep 600
	fail "the host did not cut the power"
}

# hibernate: the machine's memory goes to the swap that is on, and its power goes; in the next boot of the test it comes
# back, and the test goes on here. For tests with "# hibernates: diskN", where the swap is.
hibernate() {
	echo shutdown > /sys/power/disk
	echo "@@$TOKEN HIBERNATE"
	if echo disk > /sys/power/state; then _st=0; else _st=1; fi
	echo "@@$TOKEN AWAKE"
	return $_st
}
