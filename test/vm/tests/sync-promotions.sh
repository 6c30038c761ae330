# SPDX-License-Identifier: GPL-2.0-only
# what: fdatasync of cached, dirty blocks while blocks are promoted: no sync waits for a metadata commit
# needs: mem=512
# timeout: 180
# files: test/vm/lib-cache.sh

. /job/lib-cache.sh
devices 16 32 64 4
noise /tmp/data 48
modprobe dm-delay
S=$(sectors $META)
linear m $META 0 "$S"
RAW=$META META=/dev/mapper/m

# Each sync in milliseconds, the longest last.
cat > /tmp/sync.py << 'P'
import mmap, os, sys, time
buf = mmap.mmap(-1, 4096)
fd = os.open("/dev/mapper/c", os.O_RDWR | os.O_DIRECT)
took = []
for i in range(int(sys.argv[1])):
    t = time.monotonic()
    os.pwritev(fd, [buf], i * 7 % 64 * 32768)
    os.fdatasync(fd)
    took.append(int((time.monotonic() - t) * 1000))
print(*sorted(took))
P
syncs() { python3 /tmp/sync.py "$1" > /tmp/took; }

warm 64 64 2 /tmp/data true
make_cache c 64 metadata2 smq migration_threshold 20480
assert_eq "$(st_dirty c)" 64 "dirty blocks"
syncs 20

# From now on each write of the metadata takes a second and a half, so each commit three or more.
dmsetup reload m --table "0 $S delay $RAW 0 0 $RAW 0 1500"
dmsetup suspend --noflush m
dmsetup resume m
i=64
while [ ! -e /tmp/enough ] && [ $i -lt 900 ]; do
	read_at /dev/mapper/c $((i * 64)) > /dev/null
	i=$((i + 1))
	sleep 0.1
done &
reads=$!
wait_for '[ "$(cat "$(sysfs $META)"/inflight | awk "{ print \$2 }")" -gt 0 ]' 30
w=$(dev_writes $META) p=$(st_promotions c) n=0
: > /tmp/all
# Until commits have begun and ended among the syncs.
while [ $(($(dev_writes $META) - w)) -lt 6 ] && [ $n -lt 100 ]; do
	syncs 50
	cat /tmp/took >> /tmp/all
	n=$((n + 1))
done
: > /tmp/enough
w=$(($(dev_writes $META) - w)) p=$(($(st_promotions c) - p))
max=$(tr ' ' '\n' < /tmp/all | sort -n | tail -n 1)
note "$((n * 50)) syncs, the longest took $max ms; meanwhile $w metadata writes of 1500 ms each, and $p promotions were done"
wait $reads
assert_num "$w" -ge 6 "metadata writes meanwhile"
assert_num "$p" -ge 10 "promotions meanwhile"
# One that waits for a commit waits for two writes at least, one after the other.
assert_num "$max" -lt 1500 "milliseconds of the longest sync"
dmsetup remove c
