# SPDX-License-Identifier: GPL-2.0-only
# what: hits on different blocks write nothing in common: no word of the core's or the policy's own memory
# needs: mem=768
# timeout: 300
# stock: no
# files: test/vm/lib-cache.sh
# builds: test/tools/watch-words.c

. /job/lib-cache.sh
[ -e /proc/kcore ] || skip "no /proc/kcore in this kernel"
ram 3 128
META=/dev/ram2 CACHE=/dev/ram1 ORIGIN=/dev/ram0

# words read|write: what requests to all blocks of the cache write
words() {
	/job/watch-words smq_type /dev/mapper/c "$1" 0 4096 32768 > /tmp/words
	tail -n 1 /tmp/words
	grep -v watched /tmp/words || true
}

# That this sees something: the first write to a block makes it dirty, and is told to everyone.
meta_format $META 64 4096 4096 false 2
make_cache c 64 metadata2 smq migration_threshold 0
words write > /tmp/first
assert_num "$(wc -l < /tmp/first)" -ge 4 "words written by first writes, and a line of what was watched"
note "first writes: $(grep -c '^cache' /tmp/first) words of the cache, $(grep -c '^policy' /tmp/first) of the policy"
dmsetup remove c

meta_format $META 64 4096 4096 true 2
make_cache c 64 metadata2 smq migration_threshold 0
assert_eq "$(st_dirty c)" 4096 "dirty blocks"
# The first write of all notes that the cache device has something to flush.
page x | write_at /dev/mapper/c 0
for rw in read write; do
	words $rw > /tmp/hits
	note "$rw hits: $(head -n 1 /tmp/hits)"
	assert_num "$(head -n 1 /tmp/hits | cut -d' ' -f1)" -ge 128 "words watched"
	# A timer of the cache that goes off meanwhile writes its own words, once or twice.
	awk '!/watched/ && $3 >= 12' /tmp/hits > /tmp/shared
	[ ! -s /tmp/shared ] || fail "$rw hits write memory that all hits share (offset, times of 24): $(cat /tmp/shared)"
done
assert_num "$(st_read_hits c)" -ge 1000 "read hits"
dmsetup remove c
