# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# What the benchmarks share, in the guest. A result is a line "BENCH <who> <row> <number>" in its
# output.

result() { echo "BENCH $WHO $1 $2"; }

# measure ROW read|write|sync "BYTES DEPTH COUNT FIRST SECTORS" DEV
measure() {
	# shellcheck disable=SC2086 # words
	result "$1" "$(/job/iocost "$4" "$2" $3)"
}

virtual_ns() { awk '/^now at/ { print $3; exit }' /proc/timer_list; }
