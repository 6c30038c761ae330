#!/bin/dash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# The demo's guest: its first process. ttyS0 goes to the host, which draws what it reads: lines of
# load.c, and "@ WHAT VALUE..." of this script. The kernel command line says which boot this is:
#
#   demo.boot=1   origin alone; cache created, warming up, warm; then records until the power is cut
#   demo.boot=2   the same disks: assemble, measure, verify, remove; then the kernel's own module
#
# vda: origin  vdb: cache  vdc: metadata.

export PATH=/usr/sbin:/usr/bin:/sbin:/bin DM_DISABLE_UDEV=1 LC_ALL=C
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
$b mount -t tmpfs tmp /tmp
exec > /dev/ttyS0 2>&1 < /dev/null

arg() { sed -n "s/.*demo\.$1=\([^ ]*\).*/\1/p" /proc/cmdline; }
at() { echo "@ $*"; }
sectors() { cat "/sys/class/block/$1/size"; }
end() { at END "$@"; sleep 600; }

# The slow disk: every request takes some milliseconds longer. It is a layer in the guest, so that
# what it holds is in a file of the host and outlives the guest.
make_slow() { dmsetup create slow --table "0 $(sectors vda) delay /dev/vda 0 $(arg delay)"; }

table() {
	echo \
		"0 $(sectors vda) cache /dev/vdc /dev/vdb /dev/mapper/slow 128 2 metadata2 writeback $1 2 migration_threshold $(arg threshold)"
}

slow_reads() {
	awk '{ print $1 }' \
		"/sys/dev/block/$(dmsetup info -c --noheadings --separator : -o major,minor slow)/stat"
}

boot_1() {
	at PHASE fast
	load run /dev/vdb 2 1 7 || return 1
	at PHASE before
	load run /dev/mapper/slow "$(arg before)" 1 1 || return 1

	# As for any new cache: only zeroes are formatted.
	dd if=/dev/zero of=/dev/vdc bs=4096 count=1 conv=fsync 2> /dev/null
	t=$(table default)
	at TABLE "$t"
	dmsetup create cached --table "$t" || return 1
	at MODULE "$(modinfo -F filename dm-cache) $(modinfo -F version dm-cache)"
	at PHASE warming
	load run /dev/mapper/cached "$(arg warming)" 1 2 cached || return 1
	at PHASE after
	reads=$(slow_reads)
	load run /dev/mapper/cached "$(arg after)" 1 3 cached || return 1
	at SLOW_READS $(($(slow_reads) - reads))
	at STATUS "$(dmsetup status --noflush cached)"

	at PHASE records
	load run /dev/mapper/cached 600 1 4 cached > /dev/null &
	load records /dev/mapper/cached
}

boot_2() {
	t=$(table default)
	dmsetup create cached --table "$t" || return 1
	at ASSEMBLED "$(dmsetup status --noflush cached)"
	at PHASE again
	load run /dev/mapper/cached "$(arg again)" 1 5 cached || return 1
	at PHASE verify
	load verify /dev/mapper/cached "$(arg acked)"
	at STATUS "$(dmsetup status --noflush cached)"
	dmsetup remove cached || return 1

	# No lock-in: the same three devices under the module that the kernel came with.
	at PHASE own
	for m in $(sed -n 's/^\(dm_cache_[a-z]*\) .*/\1/p' /proc/modules) dm_cache_policy_lib \
		dm_cache dm_cache_persistent_data; do
		# Users first; what is not there, or went with another, is fine.
		[ ! -d "/sys/module/$m" ] || rmmod "$m" || return 1
	done
	rm -rf "/lib/modules/$(uname -r)/updates"
	depmod
	modprobe -a dm-cache dm-cache-smq || return 1
	at MODULE "$(modinfo -F filename dm-cache)"
	dmsetup create cached --table "$(table smq)" || return 1
	load verify /dev/mapper/cached "$(arg acked)"
	dmsetup remove cached || return 1
}

modprobe -a virtio_pci virtio_blk dm-mod dm-delay
i=0
until [ -b /dev/vdc ] || [ $i -ge 100 ]; do sleep 0.05; i=$((i + 1)); done
at KERNEL "$(uname -r)"
if ! make_slow || ! modprobe dm-cache; then end 1; fi
"boot_$(arg boot)"
end $?
