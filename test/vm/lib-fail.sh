# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# Devices that fail, for the fail-* tests: `# files: test/vm/lib-cache.sh test/vm/lib-fail.sh`, in this order.
#
# dm-dust, which was made for this, is in no Debian kernel before 6.12; what is here works on all.

# below NAME MB [WRITE_CACHE_MB]: /dev/mapper/NAME over a null_blk /dev/NAME0
below() {
	nb "${1}0" "$2" 0 64 ${3:+"$3"}
	linear "$1" "/dev/${1}0" 0 "$(sectors "/dev/${1}0")"
}

_below_table() { dmsetup reload "$1" --table "$2" && dmsetup suspend --noflush --nolockfs "$1" && dmsetup resume "$1"; }
# gone NAME [FLAKEY FEATURE]: all I/O fails, FLUSHes too (the error target lets those pass); back NAME: it works
gone() { _below_table "$1" "0 $(sectors "/dev/${1}0") flakey /dev/${1}0 0 0 1${2:+ 1 $2}"; }
back() { _below_table "$1" "0 $(sectors "/dev/${1}0") linear /dev/${1}0 0"; }
# slow NAME MS: its writes take so long
slow() { modprobe dm-delay && _below_table "$1" "0 $(sectors "/dev/${1}0") delay /dev/${1}0 0 0 /dev/${1}0 0 $2"; }
# bad NAME FIRST COUNT, good NAME FIRST COUNT: sectors of the null_blk below that fail, or work again
bad() { echo "+$2-$(($2 + $3 - 1))" > "/sys/kernel/config/nullb/${1}0/badblocks"; }
good() { echo "-$2-$(($2 + $3 - 1))" > "/sys/kernel/config/nullb/${1}0/badblocks"; }

# core_arg NAME WORD: that of the core's pairs in the status; 0 if it is not there
core_arg() { st_line "$1" | awk -v w="$2" '{ n = 15 + $15 + 1; for (i = n + 1; i < n + $n; i += 2) if ($i == w) v = $(i + 1) } END { print v + 0 }'; }
events() { dmsetup info -c --noheadings -o events "$1"; }

# busy SECONDS: per cent of all CPUs that were in use
busy() {
	awk '/^cpu / { print $5 + $6, $2 + $3 + $4 + $5 + $6 + $7 + $8 }' /proc/stat > /tmp/cpu1
	sleep "$1"
	awk '/^cpu / { print $5 + $6, $2 + $3 + $4 + $5 + $6 + $7 + $8 }' /proc/stat | paste /tmp/cpu1 - |
		awk '{ print 100 - int(100 * ($3 - $1) / ($4 - $2)) }'
}

# block FILE N [COUNT]: blocks of 32 KiB of a file, to stdout
block() { dd if="$1" bs=32k skip="$2" count="${3:-1}" 2> /dev/null; }
# change FILE N [COUNT]: other contents for them in the file, and in /tmp/change
change() {
	dd if=/dev/urandom of=/tmp/change bs=32k count="${3:-1}" iflag=fullblock 2> /dev/null
	dd if=/tmp/change of="$1" bs=32k seek="$2" conv=notrunc 2> /dev/null
}
