# SPDX-License-Identifier: GPL-2.0-only
# what: errors of origin, cache and metadata reach the bios they concern, and nothing else; no data lost, no spinning
# timeout: 300
# files: test/vm/lib-cache.sh

. /job/lib-cache.sh
nb m0 8 0
nb f0 16 0
nb s0 32 0
noise /tmp/data 24
noise /tmp/new 4
META=/dev/mapper/m CACHE=/dev/mapper/f ORIGIN=/dev/mapper/s
for d in m f s; do linear $d /dev/${d}0 0 "$(sectors /dev/${d}0)"; done

swap_table() { dmsetup reload "$1" --table "$2" && dmsetup suspend --noflush --nolockfs "$1" && dmsetup resume "$1"; }
# fails NAME FIRST SECTORS: that range of it gives errors; works NAME: not any more
fails() {
	_n=$(sectors /dev/${1}0)
	{
		[ "$2" = 0 ] || echo "0 $2 linear /dev/${1}0 0"
		echo "$2 $3 error"
		[ $(($2 + $3)) = "$_n" ] || echo "$(($2 + $3)) $((_n - $2 - $3)) linear /dev/${1}0 $(($2 + $3))"
	} > /tmp/table
	swap_table "$1" "$(cat /tmp/table)"
}
works() { swap_table "$1" "0 $(sectors /dev/${1}0) linear /dev/${1}0 0"; }
# idle_share SECONDS: per cent of all CPUs
idle_share() {
	awk '/^cpu / { print $5 + $6, $2 + $3 + $4 + $5 + $6 + $7 + $8 }' /proc/stat > /tmp/cpu1
	sleep "$1"
	awk '/^cpu / { print $5 + $6, $2 + $3 + $4 + $5 + $6 + $7 + $8 }' /proc/stat | paste /tmp/cpu1 - | awk '{ print int(100 * ($3 - $1) / ($4 - $2)) }'
}

# --- a clean block that cannot be read from the cache is read from the origin ---
warm 64 256 2 /tmp/data
make_cache c 64 metadata2 smq
fails f $((5 * 64)) 64
if [ "$STOCK" = 0 ]; then
	read_at /dev/mapper/c $((5 * 64)) 64 > /tmp/got || fail "a clean block with a read error was not read from the origin"
	dd if=/tmp/data bs=512 skip=$((5 * 64)) count=64 2> /dev/null | cmp - /tmp/got || fail "wrong data for a clean block with a read error"
fi
for b in 4 6 100 300; do
	read_at /dev/mapper/c $((b * 64)) 64 > /tmp/got || fail "block $b, which has no error, was not read"
	dd if=/tmp/data bs=512 skip=$((b * 64)) count=64 2> /dev/null | cmp - /tmp/got || fail "wrong data for block $b"
done
works f
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
works f
dd if=/dev/mapper/c bs=32k skip=7 count=1 iflag=direct 2> /dev/null > /tmp/got
dd if=/tmp/new bs=32k count=1 2> /dev/null | cmp - /tmp/got || fail "the dirty block after the error went away"
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
idle=$(idle_share 3)
note "with a failing origin: $idle% idle, $(st_dirty c) of $n dirty"
assert_num "$(st_dirty c)" -eq "$n" "dirty blocks over a failing origin"
assert_num "$idle" -ge 20 "idle share of CPUs over a failing origin"
same /tmp/new /dev/mapper/c "dirty data over a failing origin"
works s
wait_for '[ $(st_dirty c) = 0 ]' 60
same /tmp/new $ORIGIN "the origin when it works again"
dmsetup remove c
check_metadata $META

# --- failing promotions: the reader gets the error of the origin, later the data; nothing wrong is cached ---
put /tmp/data $ORIGIN
blank
make_cache c 64 "" default
fails s $((50 * 64)) 64
for i in 1 2 3 4 5 6; do
	refute dd if=/dev/mapper/c of=/dev/null bs=4k skip=$((50 * 8)) count=1 iflag=direct 2> /dev/null
	read_at /dev/mapper/c $((49 * 64)) > /dev/null || fail "a neighbour of a bad block was not read"
done
works s
# ... and of the cache: reads go on, from the origin.
fails f 0 32768
for i in 1 2 3 4; do
	read_blocks c 64 0 200
	sleep 0.1
done
dd if=/dev/mapper/c bs=1M count=8 iflag=direct 2> /dev/null > /tmp/got || fail "reads of uncached blocks with a failing cache device"
dd if=/tmp/data bs=1M count=8 2> /dev/null | cmp - /tmp/got || fail "wrong data with a failing cache device"
assert_num "$(idle_share 2)" -ge 20 "idle share with a failing cache device"
works f
same /tmp/data /dev/mapper/c "data after failed promotions" 24
for i in 1 2 3 4; do read_blocks c 64 0 200; done
same /tmp/data /dev/mapper/c "data after later promotions" 24
assert_eq "$(st_mode c)" rw "mode after failed promotions"
dmsetup remove c
check_metadata $META

# --- metadata that cannot be written: a message, read-only or Fail, tear-down, and the data is there afterwards ---
warm 64 256 2 /tmp/data
make_cache c 64 metadata2 default
put /tmp/new /dev/mapper/c
dmesg_mark
ev=$(dmsetup info -c --noheadings -o events c)
fails m 0 16384
# Promotions want to change the metadata. The writes themselves may fail or go through.
timeout 60 dd if=/tmp/data of=/dev/mapper/c bs=32k count=200 seek=500 oflag=direct conv=notrunc 2> /dev/null || :
for i in 1 2 3; do timeout 60 dd if=/dev/mapper/c of=/dev/null bs=4k count=1000 skip=4000 iflag=direct 2> /dev/null || :; done
wait_for 'case "$(st_mode c)" in ro | Fail) true ;; *) false ;; esac' 10
note "metadata failing: $(st_mode c), $(st_line c | awk '{ print $NF }')"
assert_dmesg 'read-only|[Ff]ail|abort'
assert_num "$(dmsetup info -c --noheadings -o events c)" -gt "$ev" "dm events, after the metadata mode changed"
if [ "$(st_mode c)" = ro ]; then same /tmp/new /dev/mapper/c "cached, dirty data with read-only metadata"; fi
assert_num "$(idle_share 2)" -ge 20 "idle share with failing metadata"
assert timeout 60 dmsetup remove c
works m
if cache_check $META > /dev/null 2>&1; then :; else note "cache_check after it: $(cache_check $META 2>&1 | head -n 1)"; fi
cache_check --clear-needs-check-flag $META > /dev/null 2>&1 || :
make_cache c 64 metadata2 smq
assert_num "$(st_dirty c)" -ge 128 "dirty blocks after the metadata came back"
same /tmp/new /dev/mapper/c "dirty data after the metadata came back"
same /tmp/data /dev/mapper/c "clean data after the metadata came back" 8 6
dmsetup remove c
check_metadata $META
