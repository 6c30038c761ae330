# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC2034 # used where it is sourced
#
# Of the test hibernate, and of the kernel that is about to resume it: an origin that takes 50 ms
# for a request.
stage() {
	META=$DISK0 CACHE=$DISK1 ORIGIN=/dev/mapper/slow
	modprobe -a dm-mod dm-delay
	dmsetup create slow --table "0 $(sectors "$DISK2") delay $DISK2 0 50"
}
