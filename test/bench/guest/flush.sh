# SPDX-License-Identifier: GPL-2.0-only
# what: a 4 KiB write and fdatasync, over a fast device of 0.1 ms and an origin of 8 ms with
#       volatile write caches
# needs: mem=768
# timeout: 3600
# files: test/bench/build/iocost test/bench/guest.sh

. /job/lib-cache.sh
. /job/guest.sh

nb slow 96 8000000 1 1
nb fast 64 100000 16 1
nb meta 16 100000 16 1
META=/dev/meta CACHE=/dev/fast ORIGIN=/dev/slow BS=128 NR=1024
FAST="4096 1 300 0 65536" SLOW="4096 1 60 0 65536"

WHO=raw measure sync-dirty sync "$FAST" $CACHE
WHO=raw measure sync-writethrough sync "$SLOW" $ORIGIN
linear l $CACHE 0 131072
WHO=linear measure sync-dirty sync "$FAST" /dev/mapper/l
dmsetup remove l
linear l $ORIGIN 0 131072
WHO=linear measure sync-writethrough sync "$SLOW" /dev/mapper/l
dmsetup remove l

rows() {
	WHO=$1
	meta_format $META $BS $NR $NR true 2
	make_cache c $BS metadata2 smq migration_threshold 0
	measure sync-dirty sync "$FAST" /dev/mapper/c
	dmsetup remove c
	meta_format $META $BS $NR $NR false 2
	make_cache c $BS "metadata2 writethrough" smq migration_threshold 0
	measure sync-writethrough sync "$SLOW" /dev/mapper/c
	dmsetup remove c
}
use_kernels
rows kernel
use_ours
rows ours
