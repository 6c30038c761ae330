# SPDX-License-Identifier: GPL-2.0-only
# what: time per request: the raw device, dm-linear, the kernel's own dm-cache and ours, one after
#       the other
# needs: mem=1536
# timeout: 3600
# files: test/bench/build/iocost test/bench/guest.sh

. /job/lib-cache.sh
. /job/guest.sh

# 64 MiB of cache over 64 MiB of the origin, block i at cblock i; the origin goes on behind. The
# cache is a partition, since RAM disks are all of one size, and a dm device in its place would cost
# something itself.
modprobe brd rd_nr=3 rd_size=393216 max_part=4
for i in 0 1; do
	dd if=/dev/zero of=/dev/ram$i bs=1M count=$((i ? 80 : 192)) oflag=direct 2> /dev/null
done
printf 'o\nn\np\n1\n2048\n+64M\nw\n' | busybox fdisk -u /dev/ram1 > /dev/null 2>&1
META=/dev/ram2 CACHE=/dev/ram1p1 ORIGIN=/dev/ram0 BS=128 NR=1024
[ -b $CACHE ] || fail "no partition on /dev/ram1"
assert_eq "$(sectors $CACHE)" 131072 "sectors of the cache device"

cached() { # NAME READ|WRITE "BYTES DEPTH COUNT FIRST SECTORS" DIRTY "FEATURES" POLICY...
	_row=$1 _op=$2 _io=$3 _d=$4
	shift 4
	meta_format $META $BS $NR $NR "$_d" 2
	make_cache c $BS "$@"
	measure "$_row" "$_op" "$_io" /dev/mapper/c
	dmsetup remove c
}

rows() { # WHO
	WHO=$1
	cached hit-read read "$SMALL" false metadata2 smq migration_threshold 0
	cached hit-write-dirty write "$SMALL" true metadata2 smq migration_threshold 0
	cached hit-write-writethrough write "$SMALL" false "metadata2 writethrough" smq \
		migration_threshold 0
	cached miss-read read "$MISS" false metadata2 cleaner
	cached miss-write write "$MISS" false metadata2 cleaner
	cached miss-write-all-dirty write "$MISS16" true metadata2 smq migration_threshold 0
	cached hit-read-1m read "$LARGE" false metadata2 smq migration_threshold 0
	cached hit-write-1m write "$LARGE" true metadata2 smq migration_threshold 0
	cached miss-read-1m read "$LARGEMISS" false metadata2 cleaner
}

SMALL="4096 1 6000 0 131072" MISS="4096 1 3000 131072 262144" MISS16="4096 16 3000 131072 262144"
LARGE="1048576 1 100 0 131072" LARGEMISS="1048576 1 100 131072 262144"

plain() { # WHO DEV
	WHO=$1
	for _row in hit-read:read:"$SMALL" hit-write-dirty:write:"$SMALL" \
		hit-write-writethrough:write:"$SMALL" miss-read:read:"$MISS" \
		miss-write:write:"$MISS" miss-write-all-dirty:write:"$MISS16" hit-read-1m:read:"$LARGE" hit-write-1m:write:"$LARGE" \
		miss-read-1m:read:"$LARGEMISS"; do
		IFS=: read -r _name _op _io <<- E
		$_row
		E
		measure "$_name" "$_op" "$_io" "$2"
	done
}
plain raw $ORIGIN
linear l $ORIGIN 0 393216
plain linear /dev/mapper/l
dmsetup remove l

use_kernels
rows kernel
use_ours
rows ours
