# SPDX-License-Identifier: GPL-2.0-only
# what: errors of origin, cache and metadata reach the bios they concern, and nothing else; no data
#       lost, no spinning
# kernels-differ: how dm-io, dm-kcopyd and dm-bufio report errors
# timeout: 300

. /job/lib-fail.sh
below_all 8 16 32
noise /tmp/data 24
noise /tmp/new 4

# --- a clean block that cannot be read from the cache is read from the origin ---
warm 64 256 2 /tmp/data
make_cache c 64 metadata2 smq
fails f $((5 * 64)) 64
if [ "$STOCK" = 0 ]; then
	read_at /dev/mapper/c $((5 * 64)) 64 > /tmp/got ||
		fail "a clean block with a read error was not read from the origin"
	dd if=/tmp/data bs=512 skip=$((5 * 64)) count=64 2> /dev/null | cmp - /tmp/got ||
		fail "wrong data for a clean block with a read error"
fi
for b in 4 6 100 300; do
	read_at /dev/mapper/c $((b * 64)) 64 > /tmp/got ||
		fail "block $b, which has no error, was not read"
	dd if=/tmp/data bs=512 skip=$((b * 64)) count=64 2> /dev/null | cmp - /tmp/got ||
		fail "wrong data for block $b"
done
back f
assert_eq "$(st_mode c) $(st_needs_check c)" "rw -" "mode after a read error of the cache device"
same /tmp/data /dev/mapper/c "all data after a read error" 24

# --- a dirty block that cannot be read: an error for the reader, and it stays dirty ---
dmsetup message c 0 migration_threshold 0
dd if=/tmp/new of=/dev/mapper/c bs=32k count=1 seek=7 oflag=direct conv=notrunc 2> /dev/null
n=$(st_dirty c)
assert_num "$n" -ge 1 "dirty blocks"
fails f 0 32768
refute dd if=/dev/mapper/c of=/tmp/got bs=32k skip=7 count=1 iflag=direct 2> /dev/null
assert_num "$(st_dirty c)" -eq "$n" "dirty blocks after a read error"
# Nor is it cleaned by a failing writeback.
dmsetup message c 0 migration_threshold 2048
sleep 1
assert_num "$(st_dirty c)" -eq "$n" "dirty blocks after failing writebacks"
back f
dd if=/dev/mapper/c bs=32k skip=7 count=1 iflag=direct 2> /dev/null > /tmp/got
dd if=/tmp/new bs=32k count=1 2> /dev/null | cmp - /tmp/got ||
	fail "the dirty block after the error went away"
same /tmp/data /dev/mapper/c "the rest after the error went away" 16 8
clean_all c 64 metadata2
dmsetup remove c
check_metadata $META

# --- writeback to a failing origin: stays dirty, does not spin; done when it works again ---
warm 64 256 2 /tmp/data
make_cache c 64 metadata2 smq migration_threshold 0
put /tmp/new /dev/mapper/c
n=$(st_dirty c)
assert_num "$n" -eq 128 "dirty blocks"
fails s 0 65536
reload_cache c 64 metadata2 cleaner
sleep 0.5
w=$(dev_writes /dev/f0)
busy=$(busy 3)
note "with a failing origin: $busy% busy, $(st_dirty c) of $n dirty"
assert_num "$(st_dirty c)" -eq "$n" "dirty blocks over a failing origin"
assert_num "$busy" -le 80 "busy share of CPUs over a failing origin"
same /tmp/new /dev/mapper/c "dirty data over a failing origin"
back s
wait_for '[ $(st_dirty c) = 0 ]' 60
same /tmp/new $ORIGIN "the origin when it works again"
dmsetup remove c
check_metadata $META

# --- failing promotions: the reader gets the error of the origin, later the data; nothing wrong is
# cached ---
put /tmp/data $ORIGIN
blank
make_cache c 64 "" default
fails s $((50 * 64)) 64
for i in 1 2 3 4 5 6; do
	refute dd if=/dev/mapper/c of=/dev/null bs=4k skip=$((50 * 8)) count=1 iflag=direct \
		2> /dev/null
	read_at /dev/mapper/c $((49 * 64)) > /dev/null ||
		fail "a neighbour of a bad block was not read"
done
back s
# ... and of the cache: reads go on, from the origin.
fails f 0 32768
for i in 1 2 3 4; do
	read_blocks c 64 0 200
	sleep 0.1
done
dd if=/dev/mapper/c bs=1M count=8 iflag=direct 2> /dev/null > /tmp/got ||
	fail "reads of uncached blocks with a failing cache device"
dd if=/tmp/data bs=1M count=8 2> /dev/null | cmp - /tmp/got ||
	fail "wrong data with a failing cache device"
assert_num "$(busy 2)" -le 80 "busy share with a failing cache device"
back f
same /tmp/data /dev/mapper/c "data after failed promotions" 24
for i in 1 2 3 4; do read_blocks c 64 0 200; done
same /tmp/data /dev/mapper/c "data after later promotions" 24
assert_eq "$(st_mode c)" rw "mode after failed promotions"
dmsetup remove c
check_metadata $META

# --- metadata that cannot be written: a message, read-only or Fail, tear-down, and the data is
# there afterwards ---
warm 64 256 2 /tmp/data
# Nothing is written back before the metadata fails, however slow this goes, and nothing when they
# are back.
make_cache c 64 metadata2 default migration_threshold 0
put /tmp/new /dev/mapper/c
dmesg_mark
ev=$(events c)
fails m 0 16384
dmsetup message c 0 migration_threshold 2048
# Promotions want to change the metadata. The writes themselves may fail or go through.
timeout 60 dd if=/tmp/data of=/dev/mapper/c bs=32k count=200 seek=500 oflag=direct conv=notrunc \
	2> /dev/null || :
for i in 1 2 3; do
	timeout 60 dd if=/dev/mapper/c of=/dev/null bs=4k count=1000 skip=4000 iflag=direct \
		2> /dev/null || :
done
wait_for 'case "$(st_mode c)" in ro | Fail) true ;; *) false ;; esac' 10
note "metadata failing: $(st_mode c), $(st_line c | awk '{ print $NF }')"
assert_dmesg 'read-only|[Ff]ail|abort'
assert_num "$(events c)" -gt "$ev" "dm events, after the metadata mode changed"
if [ "$(st_mode c)" = ro ]; then
	same /tmp/new /dev/mapper/c "cached, dirty data with read-only metadata"
fi
assert_num "$(busy 2)" -le 80 "busy share with failing metadata"
assert timeout 60 dmsetup remove c
back m
if cache_check $META > /dev/null 2>&1; then
	:
else
	note "cache_check after it: $(cache_check $META 2>&1 | head -n 1)"
fi
cache_check --clear-needs-check-flag $META > /dev/null 2>&1 || :
make_cache c 64 metadata2 smq migration_threshold 0
assert_num "$(st_dirty c)" -ge 128 "dirty blocks after the metadata came back"
same /tmp/new /dev/mapper/c "dirty data after the metadata came back"
same /tmp/data /dev/mapper/c "clean data after the metadata came back" 8 6
dmsetup remove c
check_metadata $META
