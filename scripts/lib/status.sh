# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# status.sh - dmcache status: what sets do, and what would be lost if the cache device died now; for
# people and for programs.

# bar PART WHOLE: 20 characters in R
bar() {
	# Not with ?: busybox divides in both branches.
	_fill=0 R=
	[ "$2" = 0 ] || _fill=$(($1 * 20 / $2))
	[ $_fill -le 20 ] || _fill=20
	while [ ${#R} -lt $_fill ]; do R="$R#"; done
	while [ ${#R} -lt 20 ]; do R="$R."; done
	R="[$R]"
}
row() { printf '  %-10s %s\n' "$1" "$2"; }
# row_bar WHAT PART WHOLE TEXT
row_bar() {
	bar "$2" "$3"; _bar=$R
	percent "$2" "$3"
	printf '  %-10s %s %5s %%  %s\n' "$1" "$_bar" "$R" "$4"
}

# at_risk BLOCKS SECTORS: a sentence in R
at_risk() {
	case $1 in
	0) R="nothing would be lost if the cache device died now"; return ;;
	unknown) R="it is not known how much would be lost if the cache device died now"; return ;;
	esac
	human $(($1 * $2))
	R="$R would be lost if the cache device died now"
}

# drain_time BLOCKS ORIGIN: seconds to write so many back, in R, by what each request has taken the
# origin so far; status 1: that is not known
drain_time() {
	R=0
	[ "$1" != 0 ] || return 0
	sysfs_of "$2" && read_line "$R/stat" || { R=; return 1; }
	# shellcheck disable=SC2086 # fields: requests read (1) and written (5), busy for ms (10)
	set -- "$1" $R
	R=
	[ $# -ge 11 ] && [ $(($2 + $6)) != 0 ] && [ "${11}" != 0 ] || return 1
	R=$((($1 * ${11} / ($2 + $6) + 999) / 1000))
}

# refusal WHY: in words, in R
refusal() {
	case $1 in
	no_room) R="as many as may be" ;;
	no_free) R="no block free" ;;
	unaligned) R="not whole 4 KiB" ;;
	no_metadata) R="metadata nearly full" ;;
	not_wanted) R="not wanted by the policy" ;;
	esac
}

# status_partial: what write_allocate does and did
status_partial() {
	count partial_blocks; _n=$R
	count write_allocate; _most=$R
	count partial_allocated; _a=$R
	[ "$_n$_most$_a" != 000 ] || return 0
	if drain_time "$_n" "$L_origin"; then _drain="about $R s"; else _drain=unknown; fi
	bar "$_n" "$X_total"; _bar=$R
	percent "$_n" "$X_total"
	row partial "$(printf '%s %5s %%' "$_bar" "$R")  $_n blocks, at most $_most %"
	[ "$_n" = 0 ] || row '' "time to write them back: $_drain"
	count partial_filled; _f=$R
	count partial_dropped
	row '' "$_a made for writes, $_f filled, $R written back"
	_why=
	for _x in $REFUSALS; do
		count "partial_$_x"
		_count=$R
		refusal "$_x"
		[ "$_count" = 0 ] || _why="$_why${_why:+, }$_count $R"
	done
	[ -z "$_why" ] || row '' "refused: $_why"
}

status_running() {
	human "$X_sectors"
	say "$1: $R on $L_origin, $X_mode, policy $X_policy${X_args:+ ($X_args)}"
	human $((X_total * X_bs)); _c=$R
	human "$X_bs"
	row cache "$_c on $L_cache, $X_total blocks of $R; metadata on $L_meta"
	row_bar used "$X_used" "$X_total" "$X_used blocks"
	at_risk "$X_dirty" "$X_bs"
	row_bar dirty "$X_dirty" "$X_total" "$R"
	row_bar metadata "$X_mused" "$X_mtotal" "$X_mused of $X_mtotal blocks"
	row_bar reads "$X_rh" $((X_rh + X_rm)) "$X_rh of $((X_rh + X_rm)) from the cache"
	row_bar writes "$X_wh" $((X_wh + X_wm)) "$X_wh of $((X_wh + X_wm)) to the cache"
	row moved "$X_prom blocks in, $X_dem out, since its table was loaded"
	status_partial
	set -- "$1" $X_core
	_name=$1
	shift
	while [ $# -ge 2 ]; do
		case $1 in
		*_errors | retired_blocks) row health "$1: $2; next: dmesg" ;;
		esac
		shift 2
	done
	_check="dmcache stop $_name; dmcache check $_name"
	[ "$X_rw" = rw ] ||
		row health "READ-ONLY: its metadata cannot be changed; next: dmesg; $_check"
	[ "$X_check" = - ] ||
		row health "its metadata wants a check; next: $_check"
}

# status_stopped NAME: what labels and tab say
status_stopped() {
	set_find "$1" || { _st=$?; say "$1: not running; $R"; return $_st; }
	human "$S_osize"
	if [ -z "$S_cache" ]; then say "$1: not running; $R on $S_origin, no cache"; return 0; fi
	say "$1: not running; $R on $S_origin, $S_mode, policy $S_policy"
	human "$S_clen"; _c=$R
	human "$S_bs"
	row cache "$_c on $S_cache, $((S_clen / S_bs)) blocks of $R; metadata on $S_meta"
	at_risk "$S_dirty" "$S_bs"
	row dirty "$R"
	case $S_kind:$S_state in
	label:closed | tab:*) ;;
	*) row state "not stopped cleanly; the next assembly goes on from what is on disk" ;;
	esac
}

status_one() {
	stat_of "$1"
	_st=$? _why=$R
	if [ $_st = 1 ]; then status_stopped "$1"; return; fi
	members_of "$1"
	case $_st in
	0) status_running "$1" ;;
	2) human "$X_sectors"; say "$1: $R on $L_origin, no cache" ;;
	*)
		human "$X_sectors"
		say "$1: $R on $L_origin: FAILED: $_why"
		failed_next "$1"
		row next "$R"
		return $E_FAIL ;;
	esac
}

# ----- the same as JSON -----

# json_text KEY TEXT, json_bare KEY VALUE: one member each, after the first
json_text() {
	_t=$2 _e=
	while case $_t in *[\\\"]*) true ;; *) false ;; esac; do
		_c=${_t%%[\\\"]*}
		_t=${_t#"$_c"}
		_e="$_e$_c\\${_t%"${_t#?}"}"
		_t=${_t#?}
	done
	printf ',"%s":"%s"' "$1" "$_e$_t"
}
json_bare() { printf ',"%s":%s' "$1" "$2"; }
# json_dirty BLOCKS SECTORS
json_dirty() {
	if is_number "$1"; then
		json_bare dirty_blocks "$1"
		json_bare bytes_at_risk $(($1 * $2 * 512))
	else
		json_bare dirty_blocks null
		json_bare bytes_at_risk null
	fi
}

json_running() {
	json_text state running
	json_text cache "$L_cache"
	json_text metadata "$L_meta"
	json_text mode "$X_mode"
	json_text policy "$X_policy"
	json_bare block_sectors "$X_bs"
	json_bare cache_blocks "$X_total"
	json_bare used_blocks "$X_used"
	json_dirty "$X_dirty" "$X_bs"
	json_bare metadata_used "$X_mused"; json_bare metadata_blocks "$X_mtotal"
	json_bare read_hits "$X_rh"
	json_bare read_misses "$X_rm"
	json_bare write_hits "$X_wh"
	json_bare write_misses "$X_wm"
	json_bare demotions "$X_dem"; json_bare promotions "$X_prom"
	if [ "$X_rw" = rw ]; then json_bare read_only false; else json_bare read_only true; fi
	if [ "$X_check" = - ]; then json_bare needs_check false; else json_bare needs_check true; fi
	json_partial
	printf ',"tunables":{'
	# shellcheck disable=SC2086 # words
	set -- $X_core $X_args
	_sep=
	while [ $# -ge 2 ]; do printf '%s"%s":"%s"' "$_sep" "$1" "$2"; _sep=,; shift 2; done
	printf '}'
}

# json_partial: what write_allocate does and did
json_partial() {
	count partial_blocks; _n=$R
	drain_time "$_n" "$L_origin" || R=null
	printf ',"partial":{"blocks":%s,"drain_seconds":%s' "$_n" "$R"
	count write_allocate; json_bare limit_percent "$R"
	for _x in allocated filled dropped; do count "partial_$_x"; json_bare "$_x" "$R"; done
	printf ',"refused":{'
	_sep=
	for _x in $REFUSALS; do
		count "partial_$_x"
		printf '%s"%s":%s' "$_sep" "$_x" "$R"
		_sep=,
	done
	printf '}}'
}

json_stopped() {
	json_text state stopped
	set_find "$1" || { json_text problem "$R"; return; }
	json_bare sectors "$S_osize"; json_text origin "$S_origin"
	[ -n "$S_cache" ] || return 0
	json_text cache "$S_cache"
	json_text metadata "$S_meta"
	json_text mode "$S_mode"
	json_text policy "$S_policy"
	json_bare block_sectors "$S_bs"; json_bare cache_blocks $((S_clen / S_bs))
	json_dirty "$S_dirty" "$S_bs"
}

json_one() {
	stat_of "$1"
	_st=$?
	printf '{"name":"%s"' "$1"
	if [ $_st = 1 ]; then json_stopped "$1"; else
		members_of "$1"
		json_bare sectors "$X_sectors"; json_text origin "$L_origin"
		case $_st in
		0) json_running ;;
		2) json_text state "no cache" ;;
		*) json_text state failed ;;
		esac
	fi
	printf '}'
}

cmd_status() {
	_json= _names=
	for _x in "$@"; do
		case $_x in
		--json) _json=1 ;;
		-*) usage_error "status: no option $_x" ;;
		*) need_name "$_x"
			_names="$_names $_x" ;;
		esac
	done
	need_root
	N_names=$_names WORST=0
	for NAME in $N_names; do
		is_ours "$NAME"
		! dm_exists "$NAME" || continue
		all_names
		case $R in
		*" $NAME "*) ;;
		*) die $E_UNKNOWN "no set is called $NAME" "dmcache list" ;;
		esac
	done
	[ -n "$N_names" ] || { running_names; N_names=$R; }
	if [ -n "$_json" ]; then
		printf '['
		J_sep=
		for NAME in $N_names; do printf '%s' "$J_sep"; json_one "$NAME"; J_sep=,; done
		echo ']'
		exit 0
	fi
	[ -n "$N_names" ] || say "nothing is running; next: dmcache list"
	for NAME in $N_names; do status_one "$NAME" || WORST=$?; done
	exit $WORST
}
