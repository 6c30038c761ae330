# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# Devices that fail, for the fail-* tests.
#
# dm-dust, which was made for this, is in no Debian kernel before 6.12; what is here works on all.

. /job/lib-cache.sh

# below NAME MB [WRITE_CACHE_MB]: /dev/mapper/NAME over a null_blk /dev/NAME0
below() {
	nb "${1}0" "$2" 0 64 ${3:+"$3"}
	linear "$1" "/dev/${1}0" 0 "$(sectors "/dev/${1}0")"
}

# below_all M F S, each "MB [WRITE_CACHE_MB]": the usual three; sets META CACHE ORIGIN
below_all() {
	# shellcheck disable=SC2086 # two words
	{
		below m $1
		below f $2
		below s $3
	}
	META=/dev/mapper/m CACHE=/dev/mapper/f ORIGIN=/dev/mapper/s
}

# below_table NAME TABLE: another one for it
below_table() {
	dmsetup reload "$1" --table "$2" && dmsetup suspend --noflush --nolockfs "$1" &&
		dmsetup resume "$1"
}
# gone NAME [FLAKEY FEATURE]: all I/O fails, FLUSHes too (the error target lets those pass); back
# NAME: it works
gone() { below_table "$1" "0 $(sectors "/dev/${1}0") flakey /dev/${1}0 0 0 1${2:+ 1 $2}"; }
back() { below_table "$1" "0 $(sectors "/dev/${1}0") linear /dev/${1}0 0"; }
# fails NAME FIRST COUNT: I/O to these sectors of it fails, but no FLUSH
fails() {
	_n=$(sectors "/dev/${1}0") _end=$(($2 + $3))
	{
		[ "$2" = 0 ] || echo "0 $2 linear /dev/${1}0 0"
		echo "$2 $3 error"
		[ $_end = "$_n" ] || echo "$_end $((_n - _end)) linear /dev/${1}0 $_end"
	} > /tmp/table
	below_table "$1" "$(cat /tmp/table)"
}
# slow NAME MS: its writes take so long
slow() {
	modprobe dm-delay &&
		below_table "$1" "0 $(sectors "/dev/${1}0") delay /dev/${1}0 0 0 /dev/${1}0 0 $2"
}
# bad NAME FIRST COUNT, good NAME FIRST COUNT: sectors of the null_blk below that fail, or work
# again
bad() { echo "+$2-$(($2 + $3 - 1))" > "/sys/kernel/config/nullb/${1}0/badblocks"; }
good() { echo "-$2-$(($2 + $3 - 1))" > "/sys/kernel/config/nullb/${1}0/badblocks"; }

# core_arg NAME WORD: that of the core's pairs in the status; 0 if it is not there
core_arg() {
	st_line "$1" |
		awk -v w="$2" \
		'{ n = 15 + $15 + 1; for (i = n + 1; i < n + $n; i += 2) if ($i == w) v = $(i + 1) } END { print v + 0 }'
}
events() { dmsetup info -c --noheadings -o events "$1"; }

# busy SECONDS: per cent of all CPUs that were in use
busy() {
	awk '/^cpu / { print $5 + $6, $2 + $3 + $4 + $5 + $6 + $7 + $8 }' /proc/stat > /tmp/cpu1
	sleep "$1"
	awk '/^cpu / { print $5 + $6, $2 + $3 + $4 + $5 + $6 + $7 + $8 }' /proc/stat |
		paste /tmp/cpu1 - |
		awk '{ print 100 - int(100 * ($3 - $1) / ($4 - $2)) }'
}

# block FILE N [COUNT]: blocks of 32 KiB of a file, to stdout
block() { dd if="$1" bs=32k skip="$2" count="${3:-1}" 2> /dev/null; }
# change FILE N [COUNT]: other contents for them in the file, and in /tmp/change
change() {
	dd if=/dev/urandom of=/tmp/change bs=32k count="${3:-1}" iflag=fullblock 2> /dev/null
	dd if=/tmp/change of="$1" bs=32k seek="$2" conv=notrunc 2> /dev/null
}

# unflushable NAME, which has a write cache: it reads and writes, all but its last 4 KiB, and each
# FLUSH fails
unflushable() {
	_n=$(($(sectors "/dev/${1}0") - 8))
	below_table "$1" "0 $_n linear /dev/${1}0 0
$_n 8 flakey /dev/${1}0 $_n 0 1 1 error_writes"
}
# ios NAME: reads and writes that the null_blk below was given so far
ios() { echo $(($(dev_reads "/dev/${1}0") + $(dev_writes "/dev/${1}0"))); }
# sync_of NAME: a FLUSH, with its status
sync_of() { dd if=/dev/null of="/dev/mapper/$1" conv=notrunc,fsync 2> /dev/null; }
# opened NAME: how often it is held open
opened() { dmsetup info -c --noheadings -o open "$1"; }

# What metadata at the null_blk below says, on the disk now. u64 NAME BLOCK OFFSET: a number in it
u64() {
	dd if="/dev/${1}0" bs=4096 count=1 skip="$2" iflag=direct 2> /dev/null |
		od -An -tu8 -j "$3" -N 8 | tr -d ' '
}
# Offsets in block 0: of the roots of the space map, and of the arrays.
SM_INDEX=80 MAPPINGS=192 HINTS=200 DISCARDS=208 DIRTY=284
# leaf_of NAME OFFSET: the first block of the array whose root is there
leaf_of() { u64 "$1" "$(u64 "$1" 0 "$2")" 2048; }

# ----- metadata on /dev/mapper/m that fails below the cache c -----

# bad_leaf: the one block with the mappings cannot be read, and is not in memory
bad_leaf() {
	dmsetup suspend --noflush --nolockfs m
	leaf=$(leaf_of m $MAPPINGS)
	echo 0 > /sys/module/dm_bufio/parameters/retain_bytes
	bad m $((leaf * 8)) 8
	echo 3 > /proc/sys/vm/drop_caches
	sleep 0.5
	dmsetup resume m
}
metadata_works() {
	[ -z "${leaf:-}" ] || good m $((leaf * 8)) 8
	leaf=
	back m
}

# metadata_failed MODE WHAT: it has, since dmesg_mark and $ev; that is told, nothing hangs, and the
# cache is gone
metadata_failed() {
	wait_for '[ "$(st_mode c)" != rw ]' 20
	assert_eq "$(st_mode c)" "$1" "mode, $2"
	[ "$1" = Fail ] || assert_eq "$(st_needs_check c)" needs_check "needs_check, $2"
	assert_dmesg "cache: [0-9:]+: metadata device $(dmsetup info -c --noheadings --separator : \
		-o major,minor m): [a-z ]+ failed \(-[0-9]+\)"
	assert_dmesg 'run cache_check|, then run cache_check or cache_repair'
	assert_num "$(events c)" -gt "$ev" "events, $2"
	for x in suspend resume remove; do assert timeout 30 dmsetup $x c; done
	assert_eq "$(opened m) $(opened f) $(opened s)" "0 0 0" "devices held, $2"
}
# metadata_again MODE FEATURES: it is loaded again, as the message said
metadata_again() {
	metadata_works
	[ "$1" = Fail ] || expect_fail 'needs_check|cache_check' make_cache c 64 "$2" lru
	dmsetup remove c 2> /dev/null || :
	quietly /tpt1/cache_check --clear-needs-check-flag $META
	make_cache c 64 "$2" lru
	assert_eq "$(st_mode c) $(st_needs_check c)" "rw -" "mode, loaded again"
}
