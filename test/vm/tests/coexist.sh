# SPDX-License-Identifier: GPL-2.0-only
# what: beside the kernel's own: thin pool, era and snapshot work; its dm-cache and ours cannot be
#       mixed, and the log says what to do
# kernels-differ: its neighbours in device-mapper are others
# needs: smp=1
# stock: no
# timeout: 240

. /job/lib-cache.sh
devices 8 8 48
noise /tmp/data 12
linear s $ORIGIN 0 32768
linear pool $ORIGIN 32768 32768
linear pmeta $ORIGIN 65536 4096
linear ometa $ORIGIN 69632 4096
linear cow $ORIGIN 73728 16384
FAST0=$ORIGIN ORIGIN=/dev/mapper/s

use_ours
put /tmp/data $ORIGIN
make_cache c 64 metadata2 mq
dd if=/tmp/data of=/dev/mapper/c bs=32k count=64 oflag=direct conv=notrunc 2> /dev/null

# Each of the kernel's targets that use what ours has a namesake of, over the cache or beside it.
zero /dev/mapper/pmeta
zero /dev/mapper/ometa
dmsetup create tp --table "0 32768 thin-pool /dev/mapper/pmeta /dev/mapper/pool 128 0"
dmsetup message tp 0 create_thin 0
dmsetup create thin --table "0 24576 thin /dev/mapper/tp 0"
dmsetup create era --table "0 32768 era /dev/mapper/ometa /dev/mapper/c 64"
dmsetup create snap --table "0 32768 snapshot /dev/mapper/era /dev/mapper/cow N 16"
for m in dm_persistent_data dm_thin_pool dm_era dm_snapshot dm_cache dm_cache_persistent_data; do
	assert grep -q "^$m " /proc/modules
done
put /tmp/data /dev/mapper/thin
dmsetup message tp 0 create_snap 1 0
dmsetup create thin1 --table "0 24576 thin /dev/mapper/tp 1"
noise /tmp/later 4
put /tmp/later /dev/mapper/thin
same /tmp/data /dev/mapper/thin1 "a thin snapshot beside a cache"
same /tmp/later /dev/mapper/thin "a thin volume beside a cache"
same /tmp/data /dev/mapper/era "the era target over a cache"
put /tmp/later /dev/mapper/snap
same /tmp/data /dev/mapper/c "a cache below a snapshot that was written to"
same /tmp/later /dev/mapper/snap "a snapshot of a cache"
for d in snap era thin1 thin tp; do dmsetup remove $d; done
# What they stored is theirs: taken up again.
dmsetup create tp --table "0 32768 thin-pool /dev/mapper/pmeta /dev/mapper/pool 128 0"
dmsetup create thin1 --table "0 24576 thin /dev/mapper/tp 1"
same /tmp/data /dev/mapper/thin1 "a thin snapshot, loaded again"
dmsetup remove thin1
dmsetup remove tp

# The kernel's own policy does not go into our core, and the kernel's own core not beside it.
own() { find "/lib/modules/$KERNEL/kernel" -name "$1.ko*" | head -n 1; }
expect_fail 'dm_cache_smq: Unknown symbol' insmod "$(own dm-cache-smq)"
refute insmod "$(own dm-cache)" 2> /dev/null
dmsetup remove c
make_cache c 64 metadata2 smq
same /tmp/data /dev/mapper/c "the cache after all this"
dmsetup remove c

# The other way: the kernel's own is there first, and in use.
use_kernels
make_cache c 64 metadata2 smq
# The library is for any module, and has no quarrel with them.
assert modprobe dm-cache-persistent-data
for m in dm_cache_persistent_data dm_persistent_data dm_thin_pool dm_era dm_cache dm_cache_smq; do
	assert grep -q "^$m " /proc/modules
done
for m in dm-cache-mq dm-cache-s3fifo; do
	expect_fail \
		"kernel's own dm-cache is loaded.*rmmod dm_cache_smq dm_cache.*modprobe dm-cache" \
		modprobe $m
done
refute insmod "$(modinfo -n dm-cache)" 2> /dev/null
refute grep -q '^dm_cache_policy_lib ' /proc/modules
same /tmp/data /dev/mapper/c "the kernel's own cache, undisturbed"
# What the message says is what helps.
dmsetup remove c
rmmod dm_cache_smq dm_cache
modprobe dm-cache
assert_match "$(modinfo -F filename dm-cache)" /updates/ "the dm-cache that modprobe takes"
make_cache c 64 metadata2 mq
same /tmp/data /dev/mapper/c "the cache, back with ours"
dmsetup remove c
