# SPDX-License-Identifier: GPL-2.0-only
# what: 20 suspends and resumes, with and without flush, while fio writes and verifies; nothing in
#       flight
# kernels-differ: what device-mapper calls in which order
# timeout: 240

. /job/lib-cache.sh
devices 8 8 24

for format in 1 2; do
	blank
	make_cache c 64 "$(features_of $format)" smq
	verify_load 6 16
	n=0
	while [ $n -lt 20 ]; do
		n=$((n + 1))
		sleep 0.1
		if [ $((n % 2)) = 0 ]; then dmsetup suspend c; else dmsetup suspend --noflush c; fi
		# Quiet means quiet: no I/O of ours or theirs on any device.
		a=$(cat "$(sysfs /dev/meta)/stat" "$(sysfs /dev/fast)/stat" \
			"$(sysfs /dev/slow)/stat")
		sleep 0.05
		b=$(cat "$(sysfs /dev/meta)/stat" "$(sysfs /dev/fast)/stat" \
			"$(sysfs /dev/slow)/stat")
		assert_eq "$b" "$a" "I/O counters while suspended (round $n)"
		assert_eq "$(cat "$(sysfs /dev/meta)/inflight" "$(sysfs /dev/fast)/inflight" \
			"$(sysfs /dev/slow)/inflight" | tr -s ' \n' ' ')" " 0 0 0 0 0 0 " \
			"I/O in flight while suspended"
		# Status of a suspended cache must not hang.
		timeout 20 dmsetup status c > /tmp/status || fail "status of a suspended cache"
		# Every commit is complete: the metadata checks while suspended.
		[ $((n % 10)) != 0 ] || check_suspended $META
		dmsetup resume c
	done
	verify_end
	assert_eq "$(st_mode c) $(st_needs_check c)" "rw -" "mode"
	# Twice in a row, and a resume of what is not suspended.
	dmsetup suspend c
	dmsetup suspend c
	dmsetup resume c
	dmsetup resume c
	# Removing a suspended cache.
	dmsetup suspend c
	dmsetup remove c
	check_metadata $META
done
