# SPDX-License-Identifier: GPL-2.0-only
# what: random reloads, suspends, messages, statuses and discards on 4 CPUs while fio writes and
#       verifies
# kernels-differ: workqueues, timers, memory pressure
# needs: smp=4 mem=768
# timeout: 300

. /job/lib-cache.sh
devices 8 8 32 2
blank
make_cache c 64 metadata2 smq
policies="smq cleaner default mq smq"
[ "$STOCK" = 0 ] || policies="smq cleaner default smq smq"
# Two loads: one of mixed sizes, one of whole blocks; the third area is discarded and written
# without verification.
fio --thread --direct=1 --ioengine=libaio --verify=crc32c --verify_fatal=1 --do_verify=1 \
	--time_based --loops=1000 --runtime=20 \
	--filename=/dev/mapper/c --name=mixed --rw=randwrite --bsrange=4k-128k --blockalign=4k \
	--iodepth=16 --size=12m \
	--name=whole --rw=randwrite --bs=32k --iodepth=4 --offset=12m --size=8m --fsync=32 \
	> /tmp/fio.out 2>&1 &
fio=$!
fio --thread --direct=1 --ioengine=libaio --time_based --runtime=20 --filename=/dev/mapper/c \
	--name=noise --rw=randrw --bs=16k --iodepth=8 \
	--offset=20m --size=8m > /tmp/fio2.out 2>&1 &
fio2=$!

n=0
rnd() { head -c 2 /dev/urandom | od -An -tu2 | awk -v m="$1" '{ print $1 % m }'; }
word() { shift "$(rnd $#)"; echo "$1"; }
while kill -0 $fio 2> /dev/null; do
	case $(rnd 9) in
	0) reload_cache c 64 metadata2 "$(word $policies)" ;;
	1) reload_cache c 64 "metadata2 $(word writeback writethrough)" "$(word $policies)" ;;
	2) dmsetup suspend c; dmsetup resume c ;;
	3) dmsetup suspend --noflush c; dmsetup resume c ;;
	4) dmsetup message c 0 migration_threshold "$(word 0 64 2048 204800)" ;;
	5) dmsetup message c 0 nosuch 1 2> /dev/null || : ;;
	6) dmsetup status c > /dev/null; dmsetup table c > /dev/null ;;
	7) blkdiscard -o $(((20 + $(rnd 8)) * 1048576)) -l 1048576 /dev/mapper/c ;;
	8) dmsetup reload c --table "0 8 cache nonsense" 2> /dev/null || : ;;
	esac
	n=$((n + 1))
	sleep 0.1
done
wait $fio || fail "fio: $(grep -v '^ ' /tmp/fio.out | tail -n 12)"
wait $fio2 || fail "fio: $(grep -v '^ ' /tmp/fio2.out | tail -n 12)"
note "after $n random steps: $(dmsetup status c | cut -d' ' -f4-14)"
assert_eq "$(st_mode c) $(st_needs_check c)" "rw -" "mode"
# Not the last area: what a discard leaves is not defined, and may differ between cache and
# origin.
d=$(digest /dev/mapper/c 0 20)
dmsetup suspend c
dmsetup resume c
clean_all c 64 metadata2
assert_eq "$(digest /dev/mapper/c 0 20)" "$d" "data when clean"
dmsetup remove c
assert_eq "$(digest $ORIGIN 0 20)" "$d" "the origin when clean"
check_metadata $META
