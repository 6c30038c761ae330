# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# resize.sh - dmcache resize: take over what the origin or the cache device have grown by, while
# they are in use or stopped.
#
# Order, so that a crash at any point leaves what can be assembled: the label says the new sizes
# before the kernel does. A label that says more than the kernel has used costs nothing, as the
# target grows its metadata when it is loaded.

cmd_resize() {
	[ $# = 1 ] || usage_error "resize: name one set"
	need_name "$1"
	NAME=$1 ANY_SIZE=1 Z_runs=
	lock
	is_ours "$NAME"
	if dm_exists "$NAME"; then
		need_cache "$NAME"
		flush_free "$NAME"
		Z_runs=1
	fi
	set_need "$NAME"
	[ -n "$S_cache" ] || die $E_REFUSED "$NAME has no cache" "dmcache status $NAME"
	# If the set is stopped, the sizes in its labels count.
	[ -n "$Z_runs" ] || { X_sectors=$S_osize X_bs=$S_bs X_total=$((S_clen / S_bs)); }
	# Nothing would count the blocks of a set of the tab again: its cache device is used whole.
	[ "$S_kind" = label ] || S_cstart=0 S_ostart=0
	[ -z "$Z_runs" ] || origin_renew "$NAME"
	size_of "$S_origin"; Z_osize=$((R - S_ostart))
	Z_live=$X_sectors
	if [ "$Z_osize" -lt "$Z_live" ]; then
		human $((Z_live - Z_osize))
		die $E_REFUSED \
			"$S_origin has become smaller by $R: what is cached of that would be lost" \
			"make it larger again"
	fi
	resize_cache
	Z_clive=$((X_total * X_bs))
	if [ "$Z_osize" = "$Z_live" ] && [ "$Z_clen" = "$Z_clive" ]; then
		say "$NAME: nothing has become larger"
		exit 0
	fi
	[ "$S_kind" != label ] || resize_labels
	# Once the device is larger, nothing is undone.
	hold_signals
	[ -z "$Z_runs" ] || resize_do
	undo_forget
	human "$Z_osize"; _o=$R
	human "$Z_clen"
	say "$NAME: $_o, cache of $R; next, if it is larger: resize its file system"
	pass_signals
}

# resize_cache: Z_clen, the length of the cache data from now on: whole blocks, no more than the
# metadata has room for
resize_cache() {
	size_of "$S_cache"; Z_csize=$R
	Z_clen=$(((R - S_cstart) / S_bs * S_bs))
	[ "$Z_clen" -ge $((X_total * X_bs)) ] || {
		human $(((X_total * X_bs) - Z_clen))
		die $E_REFUSED "$S_cache has become smaller by $R" "make it larger again"
	}
	[ "$Z_clen" != $((X_total * X_bs)) ] || return 0
	metadata_sectors $((Z_clen / S_bs))
	[ "$R" -gt "$S_mlen" ] || return 0
	_fit=$(((S_mlen - 8192) * 512 / 28 * S_bs))
	[ "$_fit" -gt $((X_total * X_bs)) ] || {
		human "$S_mlen"
		die $E_REFUSED "$NAME: its metadata, $R, has no room for a larger cache" \
			"dmcache stop --flush $NAME; dmcache label --erase $S_cache; dmcache create"
	}
	Z_clen=$_fit
	warn "$NAME: its metadata has room for a part of the larger $S_cache only"
}

# resize_labels: the sizes, on all members; back again if a later step fails
resize_labels() {
	get origin_size "$NEWEST"; Z_oldo=$R
	Z_oldc=$S_clen Z_oldcsize=
	get cache_member "$NEWEST"
	! member_line "$R" || { get size "$R"; Z_oldcsize=$R; }
	undo_add "resize_write '$Z_oldo' '$Z_oldc' '$Z_oldcsize'" \
		"the labels of $NAME may say its new sizes" "dmcache resize $NAME"
	resize_write "$Z_osize" "$Z_clen" "$Z_csize" || die $E_FAIL "$R" "dmesg | tail"
}
# resize_write ORIGIN-SIZE CACHE-LENGTH CACHE-SIZE
resize_write() { labels_each resize_words "$@"; }
resize_words() {
	put "$_l" origin_size "$1"; _lw=$R
	get role "$_lw"
	case $R in
	cache) put "$_lw" length "$2"; [ -z "$3" ] || put "$R" size "$3" ;;
	origin) put "$_lw" length "$1"; put "$R" size $(($1 + S_ostart)) ;;
	*) R=$_lw ;;
	esac
}

# resize_do: slices first, which may be longer than what is used of them; then the cached device
resize_do() {
	if [ "$S_ostart" != 0 ] && [ "$Z_osize" != "$Z_live" ]; then
		undo_add "dm_reload '$NAME-corig' '0 $Z_live linear $S_origin $S_ostart'" \
			"/dev/mapper/$NAME-corig is longer than what is used of it" \
			"dmcache resize $NAME"
		dm_reload "$NAME-corig" "0 $Z_osize linear $S_origin $S_ostart" ||
			die $E_FAIL "$NAME-corig: $R" "dmesg | tail"
	fi
	if [ "$S_kind" = label ] && [ "$Z_clen" != "$Z_clive" ]; then
		undo_add "dm_reload '$NAME-cdata' '0 $Z_clive linear $S_cache $S_cstart'" \
			"/dev/mapper/$NAME-cdata is longer than what is used of it" \
			"dmcache resize $NAME"
		dm_reload "$NAME-cdata" "0 $Z_clen linear $S_cache $S_cstart" ||
			die $E_FAIL "$NAME-cdata: $R" "dmesg | tail"
	fi
	table_with "$NAME" '' '' '' ||
		die $E_FAIL "$NAME: its table cannot be read" "dmsetup table $NAME"
	_t=${R#* }
	dm_reload "$NAME" "0 $Z_osize ${_t#* }" || {
		_why=$R
		kernel_says
		die $E_FAIL "$NAME: ${R:-$_why}" "dmesg | tail"
	}
}
