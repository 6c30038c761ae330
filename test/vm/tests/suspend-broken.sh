# SPDX-License-Identifier: GPL-2.0-only
# what: writethrough: blocks that wait to be dropped when a suspend comes are not served by the next
#       table; if dropping fails, that is told (R9, R7)
# timeout: 120
# stock: no

. /job/lib-fail.sh
below_all "8 4" "16 4" "32 4"
noise /tmp/data 16
noise /tmp/again 16
warm 64 400 2 /tmp/data
make_cache c 64 "metadata2 writethrough" smq
# No write has to wait for a commit any more; nor later, since the cache is not idle.
keep_busy c 399
dd if=/tmp/data of=/dev/mapper/c bs=32k count=390 oflag=direct conv=notrunc,fsync 2> /dev/null

# More blocks than there are migrations get different on both sides, while nothing can be committed.
fails s 0 25600
dmsetup suspend --noflush --nolockfs m
fio --minimal --thread --name=w --filename=/dev/mapper/c --direct=1 --rw=write --bs=32k \
	--size=$((390 * 32768)) --ioengine=libaio --iodepth=64 --continue_on_error=write \
	> /dev/null 2>&1 &
writer=$!
# On a machine that is slow enough some wait for the commit all the same: then these are all that
# there will be.
i=0
while [ "$(core_arg c origin_errors)" -lt 390 ] && [ $i -lt 100 ]; do
	i=$((i + 1))
	sleep 0.1
done
kill $reader
wait $reader || :
dmsetup suspend --noflush --nolockfs c &
pid=$!
wait_for 'grep -Eq "postsuspend|wait_for_completion" /proc/$pid/stack' 30
dmsetup resume m
assert wait $pid
back s
dmsetup reload c --table "$(cache_table 64 "metadata2 writethrough" smq)"
dmsetup resume c
wait $writer || :
note "$(st_used) blocks cached after the suspend"
dd if=/dev/s0 of=/tmp/origin bs=1M count=12 iflag=direct 2> /dev/null
same /tmp/origin /dev/mapper/c "what is served, and the origin"
dmsetup remove c
check_metadata $META

# --- the metadata fails while what an unflushed cache device may have lost is dropped: no shutdown
# at all ---
warm 64 200 2 /tmp/data
make_cache c 64 "metadata2 writethrough" smq migration_threshold 0
unflushable f
dd if=/tmp/again of=/dev/mapper/c bs=32k count=1 seek=5 oflag=direct conv=notrunc 2> /dev/null
bad_leaf
dmesg_mark
dmsetup suspend c
assert_dmesg 'metadata device [0-9:]+: clean shutdown failed'
assert_ne "$(st_mode c)" rw "mode after the metadata failed at a suspend"
metadata_works
back f
dmsetup remove c
