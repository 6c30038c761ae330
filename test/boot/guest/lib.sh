# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# What a test may use. Sourced before it, in the guest; the test runs as root, under `set -eu`, with
# dash, when the system has booted. README.md says how a test is written.
#
# Set for a test:  $BOOT $BOOTS   which boot this is, of how many; disk NAME is
#                  /dev/disk/by-id/virtio-NAME

D=/dev/disk/by-id/virtio
export LC_ALL=C PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin

# shellcheck source-path=SCRIPTDIR source=../../lib/asserts.sh
. /run/job/asserts.sh

# wait_for 'CONDITION' SECONDS
wait_for() {
	_n=$(($2 * 5))
	until eval "$1"; do
		_n=$((_n - 1))
		[ $_n -gt 0 ] || fail "waited $2 s in vain for: $1"
		sleep 0.2
	done
}

# A disk goes, and comes again, as when it is pulled and plugged: the driver lets go of it.
virtio_of() {
	basename "$(readlink -f "/sys/class/block/$(basename "$(readlink -f "$1")")/device")"
}
unplug() { # NAME...
	for _d in "$@"; do
		_v=$(virtio_of "$D-$_d")
		echo "$_v" > "/run/job/at-$_d"
		echo "$_v" > /sys/bus/virtio/drivers/virtio_blk/unbind
	done
	udevadm settle
}
plug() { # NAME...
	for _d in "$@"; do
		cat "/run/job/at-$_d" > /sys/bus/virtio/drivers/virtio_blk/bind
		udevadm settle
	done
}

# udev_has DEV REGEX: a property of the device, in udev's own words
udev_of() { udevadm info --query=property "$1"; }

# journal [ARGS]: of this boot
journal() { journalctl -b -o cat --no-pager "$@"; }

# The host kills the machine, as a power cut does; the next boot has the same disks. Never returns.
power_cut() {
	echo "@@$TOKEN POWER_CUT;"
	sleep 600
	fail "the host did not cut the power"
}
