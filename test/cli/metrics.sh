# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC2154 # W, D, OUT and what it calls are those of commands.sh
#
# metrics.sh - dmcache metrics: what it prints, writes and answers. Sourced by commands.sh. What it
# says of a real cache: test/vm/tests/dmcache-basic.sh; what Prometheus makes of it:
# test/metrics/run.

# sample SERIES VALUE: is among what was said
sample() {
	grep -qxF -- "dmcache_$1 $2" $OUT ||
		bad "not 'dmcache_$1 $2' but: $(grep "^dmcache_${1%%[\{ ]*}" $OUT)"
}
# valid: what was said is in order: the format, no series twice, and the families of the document
valid() {
	python3 "$HERE/check-metrics.py" "$HERE/../../doc/admin/metrics.md" < $OUT > $OUT.check ||
		bad "metrics: $(cat $OUT.check)"
}
# answer REQUEST: of --http, in $OUT, with the head in $OUT.head
answer() {
	printf '%b' "$1" | PATH=$W/bin:$PATH $SH "$HERE/../../scripts/dmcache" metrics --http \
		> $OUT.http || bad "--http: status $?"
	sed -n "/^$(printf '\r')\$/q;s/$(printf '\r')\$//p" $OUT.http > $OUT.head
	sed "1,/^$(printf '\r')\$/d" $OUT.http > $OUT
}

metrics() {
	run 0 metrics
	valid
	! grep -q name= $OUT || bad "no set is there, but: $(cat $OUT)"
	run 0 create c --origin $D/hdd --cache $D/ssd --yes --policy smq
	run 0 create plain --origin $D/hdd2 --yes
	# Of the kernel: reads, merged, sectors, ms; the same of writes; now, busy ms.
	read -r _ _ _ _ slice _ < $W/dm/c/table
	echo "1 2 3000 4 5 6 7000 8 9 12345 11" > $W/sys/dev/block/$slice/stat
	read -r _ _ _ _ _ origin _ < $W/dm/c/table
	echo "1 2 30 4 5 6 70 8 9 1 11" > $W/sys/dev/block/$origin/stat
	echo 55 > $W/dirty
	run 0 metrics
	valid
	sample 'up{name="c"}' 1
	sample 'state{name="c",state="running"}' 1
	sample 'state{name="c",state="failed"}' 0
	sample 'cache_hits_total{name="c",operation="read"}' 16
	sample 'cache_misses_total{name="c",operation="read"}' 4
	sample 'cache_hits_total{name="c",operation="write"}' 8
	sample 'cache_misses_total{name="c",operation="write"}' 2
	sample 'demotions_total{name="c"}' 3
	sample 'promotions_total{name="c"}' 7
	sample 'dirty_data_bytes{name="c"}' $((55 * 65536))
	sample 'used_data_bytes{name="c"}' $((10 * 65536))
	sample 'metadata_used_bytes{name="c"}' $((11 * 4096))
	sample 'errors_total{name="c",device="origin"}' 0
	sample 'device_read_bytes_total{name="c",device="cache"}' $((3000 * 512))
	sample 'device_written_bytes_total{name="c",device="cache"}' $((7000 * 512))
	sample 'device_busy_seconds_total{name="c",device="cache"}' 12.345
	sample 'device_busy_seconds_total{name="c",device="origin"}' 0.001
	sample 'state{name="plain",state="no_cache"}' 1
	sample 'up{name="plain"}' 0
	sample "info{$(printf '%s="%s",' name c mode writeback policy smq origin $D/hdd \
		cache $D/ssd)metadata=\"$D/ssd\"}" 1
	grep -q '^dmcache_scrape_timestamp_seconds 1[0-9]*$' $OUT || bad "no time: $(cat $OUT)"
	run 0 metrics plain
	valid
	! grep -q 'name="c"' $OUT || bad "one name, but: $(cat $OUT)"
	run 6 metrics nonesuch
	run 2 metrics --nonsense

	# ----- a file for the textfile collector -----
	mkdir -p $DIR/collector
	run 0 metrics --textfile $DIR/collector/x.prom
	[ ! -s $OUT ] || bad "--textfile says: $(cat $OUT)"
	[ "$(command stat -c %A $DIR/collector/x.prom)" = -rw-r--r-- ] || bad "its rights"
	cp $DIR/collector/x.prom $OUT
	valid
	sample 'up{name="c"}' 1
	run 1 metrics --textfile $DIR/nonesuch/x.prom
	said 'x.prom cannot be written; next: ls -ld'
	[ "$(ls $DIR/collector)" = x.prom ] || bad "left: $(ls $DIR/collector)"
	for x in x.prom /x ''; do run 2 metrics --textfile "$x"; done

	# ----- HTTP -----
	answer 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'
	valid
	sample 'up{name="c"}' 1
	grep -qx "HTTP/1.1 200 OK" $OUT.head || bad "$(cat $OUT.head)"
	grep -qx "Content-Type: text/plain; version=0.0.4; charset=utf-8" $OUT.head ||
		bad "$(cat $OUT.head)"
	grep -qx "Content-Length: $(($(wc -c < $OUT)))" $OUT.head || bad "length: $(cat $OUT.head)"
	answer 'GET / HTTP/1.0\n\n'
	said 'at /metrics'
	answer 'HEAD /metrics HTTP/1.0\r\n\r\n'
	[ ! -s $OUT ] || bad "a HEAD has a body"
	answer 'GET /etc/passwd HTTP/1.0\r\n\r\n'
	grep -q ' 404 ' $OUT.head || bad "$(cat $OUT.head)"
	answer 'POST /metrics HTTP/1.0\r\n\r\n'
	grep -q ' 405 ' $OUT.head || bad "$(cat $OUT.head)"

	run 0 stop c
	run 0 metrics
	valid
	sample 'state{name="c",state="stopped"}' 1
	sample 'up{name="c"}' 0
	run 0 stop plain
	none
}
