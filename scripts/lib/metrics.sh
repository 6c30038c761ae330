# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# metrics.sh - dmcache metrics: the numbers of all sets in the text format of Prometheus, on the
# standard output, in a file for the textfile collector of node_exporter, or as the answer to one
# HTTP request.

# All families: name, type, help. doc/admin/metrics.md has the same list; test/cli compares them.
metrics_families() {
	cat << 'END'
dmcache_info gauge Always 1; what the set is made of.
dmcache_up gauge 1 if the set runs with its cache and has not failed, else 0.
dmcache_state gauge 1 for the state that the set is in, 0 for the others.
dmcache_size_bytes gauge Size of the cached device.
dmcache_cache_size_bytes gauge Size of the cache.
dmcache_block_size_bytes gauge Size of a cache block.
dmcache_used_data_bytes gauge Cache blocks that hold a block of the origin.
dmcache_dirty_data_bytes gauge Cached data that the origin does not have yet.
dmcache_partial_blocks gauge Cache blocks of which only some parts hold data.
dmcache_metadata_size_bytes gauge Size of the metadata.
dmcache_metadata_used_bytes gauge Metadata that is in use.
dmcache_read_only gauge 1 if the metadata cannot be changed any more.
dmcache_needs_check gauge 1 if the metadata wants a check.
dmcache_retired_blocks gauge Cache blocks that are not used any more, after I/O errors.
dmcache_cache_hits_total counter Requests for cached blocks.
dmcache_cache_misses_total counter Requests for other blocks.
dmcache_promotions_total counter Blocks copied into the cache since its table was loaded.
dmcache_demotions_total counter Blocks that left the cache since its table was loaded.
dmcache_partial_allocated_total counter Partial blocks that writes made.
dmcache_partial_filled_total counter Partial blocks that became whole.
dmcache_partial_dropped_total counter Partial blocks that were written back and left the cache.
dmcache_partial_refused_total counter Writes that could not make a partial block.
dmcache_errors_total counter I/O errors of the devices below.
dmcache_device_read_bytes_total counter Bytes read from a device below.
dmcache_device_written_bytes_total counter Bytes written to a device below.
dmcache_device_busy_seconds_total counter Time in which a device below had requests.
dmcache_scrape_duration_seconds gauge Time that it took to read these numbers.
dmcache_scrape_timestamp_seconds gauge When these numbers were read, since 1970.
END
}

# sample FAMILY LABELS VALUE: one more line of that family, in M_FAMILY; without its dmcache_
sample() { eval "M_$1=\"\${M_$1-}dmcache_$1\$2 \$3\$NL\""; }
# of_set FAMILY VALUE [LABELS]: for the set NAME
of_set() { sample "$1" "{name=\"$NAME\"${3:+,$3}}" "$2"; }
# core_count FAMILY KEY [LABELS]: one of the core's numbers
core_count() { count "$2"; of_set "$1" "$R" "${3-}"; }

# seconds_of NUMBER DIGITS: R = NUMBER, of which so many digits are behind the point
seconds_of() {
	R=$1
	while [ ${#R} -le "$2" ]; do R=0$R; done
	_after=$R
	while [ ${#_after} -gt "$2" ]; do _after=${_after#?}; done
	R=${R%"$_after"}.$_after
}

# metrics_device ROLE MAJOR:MINOR: what the kernel counts for that device. If it is a slice of a
# larger one: for the slice.
metrics_device() {
	_role=$1
	read_line "/sys/dev/block/$2/stat" || return 0
	# shellcheck disable=SC2086 # fields: sectors read (3) and written (7), busy for ms (10)
	set -- $R
	[ $# -ge 10 ] || return 0
	of_set device_read_bytes_total $(($3 * 512)) "device=\"$_role\""
	of_set device_written_bytes_total $(($7 * 512)) "device=\"$_role\""
	seconds_of "${10}" 3
	of_set device_busy_seconds_total "$R" "device=\"$_role\""
}
metrics_devices() {
	# shellcheck disable=SC2086 # words
	set -- $L_numbers
	while [ $# -ge 2 ]; do
		metrics_device "$1" "$2"
		shift 2
	done
}

# metrics_state STATE: of the set NAME
metrics_state() {
	for _x in running no_cache failed stopped; do
		_is=0
		[ $_x != "$1" ] || _is=1
		of_set state $_is "state=\"$_x\""
	done
	if [ "$1" = running ]; then of_set up 1; else of_set up 0; fi
}

# metrics_running: of the set NAME, whose status is in X_*
metrics_running() {
	_labels="mode=\"$X_mode\",policy=\"$X_policy\",origin=\"$L_origin\""
	of_set info 1 "$_labels,cache=\"$L_cache\",metadata=\"$L_meta\""
	of_set size_bytes $((X_sectors * 512))
	of_set cache_size_bytes $((X_total * X_bs * 512))
	of_set block_size_bytes $((X_bs * 512))
	of_set used_data_bytes $((X_used * X_bs * 512))
	of_set dirty_data_bytes $((X_dirty * X_bs * 512))
	of_set metadata_size_bytes $((X_mtotal * 4096))
	of_set metadata_used_bytes $((X_mused * 4096))
	if [ "$X_rw" = rw ]; then of_set read_only 0; else of_set read_only 1; fi
	if [ "$X_check" = - ]; then of_set needs_check 0; else of_set needs_check 1; fi
	of_set cache_hits_total "$X_rh" 'operation="read"'
	of_set cache_hits_total "$X_wh" 'operation="write"'
	of_set cache_misses_total "$X_rm" 'operation="read"'
	of_set cache_misses_total "$X_wm" 'operation="write"'
	of_set promotions_total "$X_prom"
	of_set demotions_total "$X_dem"
	metrics_partial
	core_count retired_blocks retired_blocks
	core_count errors_total cache_errors 'device="cache"'
	core_count errors_total origin_errors 'device="origin"'
	core_count errors_total dirty_read_errors 'device="cache_dirty"'
}
metrics_partial() {
	core_count partial_blocks partial_blocks
	for _y in allocated filled dropped; do core_count "partial_${_y}_total" partial_$_y; done
	for _y in $REFUSALS; do
		core_count partial_refused_total partial_$_y "reason=\"$_y\""
	done
}

# metrics_set: all of the set NAME
metrics_set() {
	stat_of "$NAME"
	_st=$?
	if [ $_st != 1 ]; then
		members_of "$NAME"
		metrics_devices
	fi
	case $_st in
	0) metrics_state running; metrics_running ;;
	1) metrics_state stopped ;;
	2) metrics_state no_cache; of_set size_bytes $((X_sectors * 512)) ;;
	*) metrics_state failed; of_set size_bytes $((X_sectors * 512)) ;;
	esac
}

# hundredths: of a second since the start of the machine, in R
hundredths() {
	read_line /proc/uptime || R=1.00
	R=${R%% *}
	R=${R%.*}${R#*.}
}

# metrics_text: all there is to say of the sets in M_names, in R
metrics_text() {
	hundredths; _began=$R
	for NAME in $M_names; do metrics_set; done
	hundredths
	seconds_of $((R - _began)) 2
	sample scrape_duration_seconds '' "$R"
	sample scrape_timestamp_seconds '' "$(date +%s)"
	M_text=
	while read -r _family _type _help; do
		eval "_samples=\${M_${_family#dmcache_}-}"
		[ -n "$_samples" ] || continue
		M_text="$M_text# HELP $_family $_help$NL# TYPE $_family $_type$NL$_samples"
	done << END
$(metrics_families)
END
	R=$M_text
}

# http_answer: one request on the standard input, its answer on the standard output
http_answer() {
	read -r _method _path _ || exit 0
	_cr=$(printf '\r')
	while read -r _line && [ "$_line" != "$_cr" ] && [ -n "$_line" ]; do :; done
	H_status="200 OK" H_type="text/plain; version=0.0.4; charset=utf-8"
	case $_method:$_path in
	GET:/metrics | GET:/metrics\?* | HEAD:/metrics) metrics_text ;;
	GET:/ | HEAD:/) R="The numbers are at /metrics.$NL" ;;
	GET:* | HEAD:*) H_status="404 Not Found" R="The numbers are at /metrics.$NL" ;;
	*) H_status="405 Method Not Allowed" R="Only GET is answered.$NL" ;;
	esac
	printf 'HTTP/1.1 %s\r\nContent-Type: %s\r\n' "$H_status" "$H_type"
	printf 'Content-Length: %d\r\nConnection: close\r\n\r\n' ${#R}
	[ "$_method" = HEAD ] || printf '%s' "$R"
}

# textfile_put FILE: readable for all, and never half of it; the collector reads what ends in .prom
textfile_put() {
	metrics_text
	_tmp=$1.new.$$
	{
		printf '%s' "$R" > "$_tmp" && chmod 644 "$_tmp" && mv "$_tmp" "$1"
	} 2> /dev/null || {
		rm -f "$_tmp"
		die $E_FAIL "$1 cannot be written" "ls -ld ${1%/*}"
	}
}

cmd_metrics() {
	M_names= M_file= M_http=
	while [ $# -gt 0 ]; do
		case $1 in
		--textfile)
			case ${2-} in
			/*.prom) ;;
			*) usage_error "metrics: --textfile wants an absolute path of a .prom" ;;
			esac
			M_file=$2
			shift ;;
		--http) M_http=1 ;;
		-*) usage_error "metrics: no option $1" ;;
		*) need_name "$1"; M_names="$M_names $1" ;;
		esac
		shift
	done
	need_root
	sets_and_running
	for NAME in $M_names; do
		case $_sets in
		*" $NAME "*) ;;
		*) die $E_UNKNOWN "no set is called $NAME" "dmcache list" ;;
		esac
	done
	[ -n "$M_names" ] || M_names=$_sets
	if [ -n "$M_http" ]; then
		http_answer
	elif [ -n "$M_file" ]; then
		textfile_put "$M_file"
	else
		metrics_text
		printf '%s' "$R"
	fi
}
