# SPDX-License-Identifier: GPL-2.0-only
# what: remove and re-create: warm, dirty, statistics and hints as before, data right; both formats
# needs: smp=1
# timeout: 240

. /job/lib-cache.sh
devices 8 16 32
noise /tmp/old 24
noise /tmp/new 4

hints() { meta_dump $META | grep '<hint '; }
mappings() { meta_dump $META | grep '<mapping '; }

for format in 1 2; do
	f=$(features_of $format)
	for policy in smq mq; do
		[ "$STOCK" = 0 ] || [ $policy = smq ] || continue
		warm 64 200 $format /tmp/old
		make_cache c 64 "$f" $policy
		put /tmp/new /dev/mapper/c 2
		for i in 1 2 3; do read_blocks c 64 $((i * 20)) 40; done
		put /tmp/new /dev/mapper/c 16 32k
		dmsetup suspend c
		before=$(dmsetup status c | cut -d' ' -f6-)
		before_hits="$(st_read_hits c) $(st_read_misses c) $(st_write_hits c) $(st_write_misses c)"
		dmsetup remove c
		check_metadata $META
		hints > /tmp/hints1
		mappings > /tmp/map1
		assert_num "$(grep -c 'dirty="true"' /tmp/map1)" \
			-eq "$(echo "$before" | awk '{ print $9 }')" "dirty mappings on disk"
		make_cache c 64 "$f" $policy migration_threshold 0 \
			# or it might clean before we look
		note "format $format, $policy: $(dmsetup status c | cut -d' ' -f4-14)"
		assert_eq \
			"$(st_read_hits c) $(st_read_misses c) $(st_write_hits c) $(st_write_misses c)" "$before_hits" "statistics after a restart"
		assert_eq "$(st_used c)/$(st_total c)" "$(echo "$before" | awk '{ print $2 }')" \
			"blocks in use after a restart"
		assert_eq "$(st_dirty c)" "$(echo "$before" | awk '{ print $9 }')" \
			"dirty blocks after a restart"
		dmsetup remove c
		check_metadata $META
		mappings > /tmp/map2
		cmp /tmp/map1 /tmp/map2 || fail "mappings changed by a restart"
		hints > /tmp/hints2
		assert_eq "$(wc -l < /tmp/hints2)" "$(wc -l < /tmp/hints1)" "number of hints"
		# The kernel's smq moves blocks between its levels while it loads them.
		[ "$STOCK" = 1 ] || cmp /tmp/hints1 /tmp/hints2 ||
			fail "hints changed by a restart ($policy): $(diff /tmp/hints1 /tmp/hints2 |
			grep -c '^[<>]') lines"
		if [ $policy = mq ]; then
			assert_num "$(sort -u -t= -k3 /tmp/hints1 | wc -l)" \
				-gt 1 "different hints of mq (hit counts)"
		fi

		# Warm: blocks that were cached are hits at once.
		make_cache c 64 "$f" $policy
		h=$(st_read_hits c)
		r=$(dev_reads $ORIGIN)
		read_blocks c 64 20 100
		assert_num "$(st_read_hits c)" -ge $((h + 100)) "hits right after a restart"
		assert_num "$(dev_reads $ORIGIN)" -eq "$r" \
			"reads of the origin right after a restart"
		[ "$(digest /dev/mapper/c 2 4)" = "$(md5_of /tmp/new)" ] ||
			fail "dirty data at 2 MB after restarts"
		[ "$(digest /dev/mapper/c 16 4)" = "$(md5_of /tmp/new)" ] ||
			fail "dirty data at 16 MB after restarts"
		same /tmp/old /dev/mapper/c "clean data after a restart" 8 8
		clean_all c 64 "$f"
		dmsetup remove c
		[ "$(digest $ORIGIN 2 4)" = "$(md5_of /tmp/new)" ] ||
			fail "origin at 2 MB after cleaning"
		[ "$(digest $ORIGIN 16 4)" = "$(md5_of /tmp/new)" ] ||
			fail "origin at 16 MB after cleaning"
	done
done

# A format 2 device opened by a table without the feature stays format 2, and the other way around.
for format in 1 2; do
	warm 64 100 $format /tmp/old
	make_cache c 64 "$(features_of $((3 - format)))" smq
	assert_num "$(st_used c)" -eq 100 "blocks in use, format $format opened as $((3 - format))"
	dmsetup remove c
	assert_eq "$(dd if=$META bs=1 skip=40 count=1 2> /dev/null | od -An -tu1 | tr -d ' ')" \
		$format "format on disk"
done
