# SPDX-License-Identifier: GPL-2.0-only
# what: a policy from outside the tree (doc/example-policy), built against the installed headers:
#       loaded by its name, used, let go
# stock: no
# kernels: 5.10 6.1
# long: it builds a module first; the unit tests drive the policy in every `make test`
# builds: doc/example-policy

. /job/lib-cache.sh
devices 8 4 16
noise /tmp/data 16
put /tmp/data $ORIGIN

expect_fail "policy 'twice'|twice" make_cache c 64 metadata2 twice
mkdir -p "/lib/modules/$KERNEL/updates"
cp /job/dm-cache-twice.ko "/lib/modules/$KERNEL/updates/"
depmod "$KERNEL"

make_cache c 64 metadata2 twice
assert grep -q '^dm_cache_twice .* 1 ' /proc/modules
assert_eq "$(st_policy c)" twice "policy"
refute rmmod dm_cache_twice
# 128 cache blocks. What is read once stays out, what is read twice comes in, until the first must
# leave.
read_blocks c 64 0 64
same /tmp/data /dev/mapper/c "data" 4
wait_for 'read_blocks c 64 0 200; [ "$(st_demotions c)" -ge 5 ]' 60
assert_num "$(st_promotions c)" -ge 133 "promotions"
noise /tmp/new 8
put /tmp/new /dev/mapper/c
cp /tmp/new /tmp/want
dd if=/tmp/data of=/tmp/want bs=1M skip=8 seek=8 conv=notrunc 2> /dev/null
same /tmp/want /dev/mapper/c "data, half of it new"
# Idle, it writes back what it can.
wait_for '[ "$(st_dirty c)" = 0 ]' 30
same /tmp/want $ORIGIN "the origin when all is clean"

# Another policy, live, and back.
reload_cache c 64 metadata2 smq
assert_eq "$(st_policy c)" smq "policy"
rmmod dm_cache_twice
reload_cache c 64 metadata2 twice
same /tmp/want /dev/mapper/c "data under the third policy"
dmsetup remove c
check_metadata $META
rmmod dm_cache_twice
