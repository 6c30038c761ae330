# SPDX-License-Identifier: GPL-2.0-only
# what: a module from outside the tree (doc/example-array) on the persistent-data library, beside
#       the kernel's own dm-cache, thin and era: it survives power cuts; one that was built against
#       another interface is refused, a policy too
# kernels-differ: how modules are built and versioned; dm-bufio
# durability: yes
# needs: smp=1 mem=384
# disks: 4M:lose,4M:any,1M
# timeout: 180
# boots: 3
# stock: no
# files: test/vm/lib-cache.sh
# builds: doc/example-array doc/example-policy
# stale: doc/example-array doc/example-policy

. /job/lib-cache.sh
LOG=$DISK2
SOME="0 300 600 999"

open() { dmsetup create "$1" --table "0 1 counters $2 1000"; }
say() { dmsetup message "$1" 0 "$2" ${3-} ${4-}; }

# both_add N, both_commit: in both devices
both_add() { for c in c0 c1; do for i in $SOME; do say $c add "$i" "$1"; done; done; }
both_commit() { for c in c0 c1; do say $c commit; done; }

# all_are NAME: sets value to what all counters have
all_are() {
	value=$(say "$1" get 0)
	for i in $SOME; do assert_eq "$(say "$1" get "$i")" "$value" "$1: counter $i"; done
}

if [ "$BOOT" = 1 ]; then
	# The kernel's own are there first.
	use_kernels
	for m in dm-thin-pool dm-era dm-persistent-data; do assert modprobe $m; done
	assert modprobe dm-cache-persistent-data
	expect_fail 'dm_cache_counters: .*dmc_bm_create_abi0' insmod /job/stale-dm-cache-counters.ko
	assert insmod /job/dm-cache-counters.ko
	for m in dm_cache dm_cache_smq dm_thin_pool dm_era dm_persistent_data \
		dm_cache_persistent_data dm_cache_counters; do
		assert grep -q "^$m " /proc/modules
	done

	open c0 "$DISK0"
	all_are c0
	assert_eq "$value" 0 "a counter of a device that was formatted"
	say c0 add 300 7
	say c0 commit
	say c0 add 300 1
	assert_eq "$(say c0 get 300)" 8 "a counter, before the commit"
	refute say c0 add 1000 1 2> /dev/null
	# What was not committed is dropped.
	dmsetup remove c0
	open c0 "$DISK0"
	assert_eq "$(say c0 get 300)" 7 "a counter, opened again"
	refute rmmod dm_cache_counters 2> /dev/null
	refute rmmod dm_cache_persistent_data 2> /dev/null
	# One user of a device at a time; and what is not blank is not formatted.
	expect_fail 'Another table has the counters of this device' open again "$DISK0"
	dd if=/dev/urandom of="$DISK1" bs=4k count=1 oflag=direct 2> /dev/null
	expect_fail 'dm-cache-persistent-data [0-9:]+: block 0: not a counters superblock' \
		open c1 "$DISK1"
	zero "$DISK1"
	open c1 "$DISK1"

	# First cut: the last thing that was done is one commit, and then changes without one.
	for c in 0 100 200; do for d in c0 c1; do say $d add $c 3; done; done
	say c0 add 0 7 && say c0 add 600 7 && say c0 add 999 7
	both_commit
	both_add 1
	power_cut
fi

assert modprobe dm-cache-persistent-data
assert insmod /job/dm-cache-counters.ko
open c0 "$DISK0"
open c1 "$DISK1"
if [ "$BOOT" = 2 ]; then
	assert_eq "$(say c0 get 0) $(say c0 get 100) $(say c0 get 300) $(say c0 get 999)" "10 3 7 7" \
		"the counters of the last commit"
	assert_eq "$(say c1 get 0) $(say c1 get 200) $(say c1 get 300)" "3 3 0" \
		"the counters of the last commit, second device"

	# All the same from here on; then rounds, the last of which is in the log.
	say c0 add 0 90 && say c0 add 300 93 && say c0 add 600 93 && say c0 add 999 93
	say c1 add 0 97 && say c1 add 300 100 && say c1 add 600 100 && say c1 add 999 100
	both_commit
	(
		round=100
		while :; do
			both_add 1
			both_commit
			round=$((round + 1))
			printf '%-511s\n' $round | dd of="$LOG" oflag=direct,sync 2> /dev/null
		done
	) &
	wait_for '[ "$(dd if=$LOG count=1 iflag=direct 2> /dev/null | grep -ac "^1[0-9][0-9] ")" = 1 ] &&
		[ "$(dd if=$LOG count=1 iflag=direct 2> /dev/null | tr -d " ")" -ge 104 ]' 60
	power_cut
fi

round=$(dd if="$LOG" count=1 iflag=direct 2> /dev/null | tr -d ' ')
for c in c0 c1; do
	all_are $c
	note "$c: round $value; $round was acknowledged"
	assert_num "$value" -ge "$round" "$c: what was committed"
	assert_num "$value" -le $((round + 1)) "$c: what was begun"
	dmsetup remove $c
done

# A policy for another interface; one for this.
use_ours
expect_fail 'dm_cache_twice: .*dmc_policy_register_abi0' insmod /job/stale-dm-cache-twice.ko
assert insmod /job/dm-cache-twice.ko
