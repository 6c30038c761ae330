# SPDX-License-Identifier: GPL-2.0-only
# what: while the metadata device stalls, no whole-block write is acknowledged and no block of the
#       cache is reused (R1, R3)
# durability: yes
# timeout: 240

. /job/lib-cache.sh
# A suspended device below the metadata lets a commit begin and not end. What would need it must
# wait.
devices 8 8 32
META0=$META
linear m "$META0" 0 "$(sectors "$META0")"
META=/dev/mapper/m
# A test that fails shall not hang as well.
trap 'dmsetup resume m 2> /dev/null || :' EXIT
noise /tmp/data 16

for format in 1 2; do
	f=$(features_of $format)

	# --- R1: a write that fills a block makes a mapping, so it is acknowledged after the commit
	# ---
	blank
	make_cache c 64 "$f" smq
	w=$(dev_write_sectors $CACHE)
	dmsetup suspend m
	dd if=/tmp/data of=/dev/mapper/c bs=32k count=1 seek=100 oflag=direct conv=notrunc \
		2> /dev/null &
	dd=$!
	wait_for "[ \$(dev_write_sectors $CACHE) -ge $((w + 64)) ]" 30
	sleep 1
	kill -0 $dd 2> /dev/null ||
		fail \
		"format $format: a whole-block write was acknowledged before the commit of its mapping"
	dmsetup resume m
	wait $dd || fail "format $format: the write after the commit"
	assert_num "$(st_promotions c)" -eq 1 "promotions"
	dmsetup remove c

	# --- R3: all blocks in use and clean; what the policy lets go is not overwritten before its
	# removal is committed ---
	warm 64 256 $format /tmp/data
	make_cache c 64 "$f" default
	dmsetup suspend m
	for i in 1 2 3 4 5 6 7 8; do
		read_blocks c 64 300 12
		read_blocks c 64 300 12
		sleep 0.5
	done
	same /tmp/data $CACHE \
		"format $format: the cache device, while removals cannot be committed" 8
	assert_num "$(st_promotions c)" -eq 0 "promotions while nothing can be committed"
	dmsetup resume m
	# Else nothing was tried above.
	wait_for '[ $(st_demotions c) -gt 0 ]' 30
	for i in 1 2 3 4; do
		read_blocks c 64 300 12
		sleep 0.5
	done
	note \
		"format $format: $(st_demotions c) demotions, $(st_promotions c) promotions once the metadata device answered"
	same /tmp/data /dev/mapper/c "format $format: all data afterwards"
	dmsetup remove c
	check_metadata $META
done
dmsetup remove m
