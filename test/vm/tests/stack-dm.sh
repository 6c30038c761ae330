# SPDX-License-Identifier: GPL-2.0-only
# what: dm-crypt above and below a cache, lvm2 and a snapshot above, a thin pool with its data on a
#       cache: all sizes and places of I/O
# long: three minutes
# needs: mem=1024
# timeout: 400
# stock: no

. /job/lib-lvm.sh
. /job/lib-stack.sh
devices 8 16 48 8
mkdir -p /run/cryptsetup
head -c 64 /dev/urandom > /tmp/key
crypt() {
	cryptsetup open --type plain --cipher aes-xts-plain64 --key-size 512 \
		--key-file /tmp/key "$1" "$2"
}
uncrypt() { cryptsetup close "$1"; }
noise /tmp/data 40

# down: written back and removed; the metadata are right, and the origin alone holds what the
# cached device did
down() {
	assert_num "$(st_promotions c)" -ge 1 "promotions"
	clean_all c 64 metadata2
	dmsetup remove c
	check_metadata "$META"
}

# --- crypt above: of the whole device ---
blank
make_cache c 64 metadata2 smq
crypt /dev/mapper/c e
put /tmp/data /dev/mapper/e
agrees /tmp/data /dev/mapper/e "dm-crypt above"
mixed /dev/mapper/e 40 1
put /tmp/data /dev/mapper/e
uncrypt e
down
crypt $ORIGIN e
same /tmp/data /dev/mapper/e "dm-crypt on the origin alone"
uncrypt e

# --- crypt below: all three devices ---
RAW_META=$META RAW_CACHE=$CACHE RAW_ORIGIN=$ORIGIN
crypt $RAW_META em
crypt $RAW_CACHE ef
crypt $RAW_ORIGIN es
META=/dev/mapper/em CACHE=/dev/mapper/ef ORIGIN=/dev/mapper/es
blank
make_cache c 64 metadata2 smq
put /tmp/data /dev/mapper/c
agrees /tmp/data /dev/mapper/c "dm-crypt below"
mixed /dev/mapper/c 40 2
put /tmp/data /dev/mapper/c
down
same /tmp/data $ORIGIN "the encrypted origin alone"
differs /tmp/data $RAW_ORIGIN "what is below the encryption"
for d in em ef es; do uncrypt $d; done
META=$RAW_META CACHE=$RAW_CACHE ORIGIN=$RAW_ORIGIN

# --- a volume group above, and a snapshot ---
blank
make_cache c 64 metadata2 smq
lvm_use 12 /dev/mapper/c
sed -i 's/types=\["nullb", 16\]/types=["nullb", 16, "device-mapper", 16]/' /tmp/lvm/lvm.conf
quietly pvcreate /dev/mapper/c
quietly vgcreate g /dev/mapper/c
quietly lvcreate -Wn -an -L 24M -n v g
quietly lvchange -ay g/v
dd if=/tmp/data of=/tmp/lvdata bs=1M count=24 2> /dev/null
put /tmp/lvdata /dev/mapper/g-v
quietly lvcreate -s -L 8M -n s g/v
cp /tmp/lvdata /tmp/before
dd if=/dev/urandom of=/tmp/lvdata bs=1M count=2 conv=notrunc iflag=fullblock 2> /dev/null
dd if=/tmp/lvdata of=/dev/mapper/g-v bs=512 count=4096 oflag=direct conv=notrunc 2> /dev/null
same /tmp/lvdata /dev/mapper/g-v "a volume on a cache"
same /tmp/before /dev/mapper/g-s "its snapshot"
quietly lvremove -f g/s
agrees /tmp/lvdata /dev/mapper/g-v "the volume, in pieces"
mixed /dev/mapper/g-v 24 3
put /tmp/lvdata /dev/mapper/g-v
quietly vgchange -an g
down
lvm_use 12 $ORIGIN
quietly vgchange -ay g
same /tmp/lvdata /dev/mapper/g-v "the volume, from the origin alone"
quietly vgchange -an g
PATH=$OLDPATH

# --- a thin pool, its data on the cache ---
modprobe dm-thin-pool
nb tmeta 8 0
blank
make_cache c 64 metadata2 smq
zero /dev/tmeta 1
pool="0 $(sectors /dev/mapper/c) thin-pool /dev/tmeta /dev/mapper/c 128 0"
dmsetup create pool --table "$pool"
dmsetup message pool 0 "create_thin 0"
dmsetup create thin --table "0 131072 thin /dev/mapper/pool 0"
put /tmp/data /dev/mapper/thin
agrees /tmp/data /dev/mapper/thin "a thin volume, its pool on a cache"
mixed /dev/mapper/thin 40 4
put /tmp/data /dev/mapper/thin
d=$(dev_discards $ORIGIN)
blkdiscard -o 33554432 -l 8388608 /dev/mapper/thin
wait_for '[ "$(dev_discards $ORIGIN)" -gt '"$d"' ]' 20
dd if=/dev/zero of=/tmp/data bs=1M seek=32 count=8 conv=notrunc 2> /dev/null
same /tmp/data /dev/mapper/thin "the thin volume, a part of it discarded"
dmsetup remove thin
dmsetup remove pool
down
dmsetup create pool --table "0 $(sectors $ORIGIN) thin-pool /dev/tmeta $ORIGIN 128 0"
dmsetup create thin --table "0 131072 thin /dev/mapper/pool 0"
same /tmp/data /dev/mapper/thin "the thin volume, its pool on the origin alone"
dmsetup remove thin
dmsetup remove pool
