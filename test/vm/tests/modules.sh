# SPDX-License-Identifier: GPL-2.0-only
# what: all modules load, unload and describe themselves; policies come by name; ours, not the
#       kernel's
# kernels-differ: how modules are built, named and pinned
# needs: smp=1 mem=384
# stock: no
# timeout: 240

. /job/lib-cache.sh
ALL="dm-cache-persistent-data dm-cache dm-cache-policy-lib dm-cache-mq dm-cache-smq dm-cache-cleaner
	dm-cache-payback dm-cache-s3fifo dm-cache-sieve dm-cache-tinylfu dm-cache-basic"

for m in $ALL; do
	for field in description author license version vermagic srcversion; do
		[ -n "$(modinfo -F $field "$m")" ] || fail "modinfo $m: $field is missing"
	done
	assert_match "$(modinfo -F license "$m")" '^GPL' "license of $m"
	assert_match "$(modinfo -n "$m")" '/updates/' "modprobe takes $m from"
done
for p in mq smq cleaner payback s3fifo sieve tinylfu basic; do
	assert_match "$(modinfo -F depends dm-cache-$p)" 'dm[-_]cache(,|$)' "dm-cache-$p depends on"
	assert_match "$(modinfo -F depends dm-cache-$p)" 'dm[-_]cache[-_]policy[-_]lib' \
		"dm-cache-$p depends on"
done

# Loading and unloading, all and one by one, leaves nothing.
i=0
while [ $i -lt 5 ]; do
	for m in $ALL; do assert modprobe "$m"; done
	for m in dm_cache_mq dm_cache_smq dm_cache_cleaner dm_cache_payback dm_cache_s3fifo \
		dm_cache_sieve dm_cache_tinylfu dm_cache_basic dm_cache_policy_lib dm_cache \
		dm_cache_persistent_data; do
		assert rmmod $m
	done
	i=$((i + 1))
done
refute grep -q '^dm_cache' /proc/modules

devices 8 16 32
# A table line loads the policy that it names, under the module's name or an alias.
for p in mq smq cleaner default; do
	blank
	modprobe dm-cache
	refute grep -q "^dm_cache_${p}[ ]" /proc/modules
	make_cache c 64 writeback $p
	[ $p = default ] || assert grep -q "^dm_cache_${p} " /proc/modules
	assert_match "$(st_policy c)" . "policy in the status of '$p'"
	[ $p = default ] || assert_eq "$(st_policy c)" $p "policy in the status"
	# In use: neither core nor policy may go.
	for m in $(awk '/^dm_cache/ { print $1 }' /proc/modules); do
		case $m in
		dm_cache | dm_cache_persistent_data | dm_cache_policy_lib | "dm_cache_$p")
			refute rmmod "$m" 2> /dev/null
			;;
		esac
	done
	assert_eq "$(cat /sys/module/dm_cache/srcversion)" \
		"$(modinfo -F srcversion "$(modinfo -n dm-cache)")" "the module that is loaded"
	refute grep -q '^dm_persistent_data ' /proc/modules
	dmsetup remove c
	while grep -q '^dm_cache' /proc/modules; do
		for m in $(awk '/^dm_cache/ && $3 == 0 { print $1 }' /proc/modules); do
			assert rmmod "$m"
		done
	done
done

# dm itself asks for the target by name, with nothing loaded.
blank
refute grep -q '^dm_cache' /proc/modules
make_cache c 64 writeback default
assert_match "$(dmsetup targets)" '^cache ' "dmsetup targets"

# Our modules leave the kernel's library to the targets that need it.
dmsetup remove c
modprobe dm-persistent-data
make_cache c 64 writeback default
assert grep -q '^dm_persistent_data ' /proc/modules
dmsetup remove c
