# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# set.sh - find the members of a set, judge them, assemble and stop. doc/label-format.md says when a member is refused.
#
# What is known of the set at hand:
#   S_name S_uuid S_kind(label|tab)  S_members (label words, a line each)
#   S_origin S_ostart S_osize   S_cache S_cstart S_clen   S_meta S_mstart S_mlen     devices and their slices
#   S_bs S_mode S_policy S_args S_features   S_gen S_state S_dirty S_crc
# A check that finds something sets R to what and returns the exit status that it means.

NEW_LABELS=

# ----- finding -----

# set_labels NAME: the labels of that set in S_members, the newest one in NEWEST; status 6: none; 4: two sets
set_labels() {
	S_members= NEWEST= _uuid= _top=-1
	while IFS= read -r _l; do
		[ -n "$_l" ] || continue
		get set "$_l"; _lu=$R
		get name "$_l"
		[ "$R" = "$1" ] || [ "$_lu" = "$1" ] || continue
		get state "$_l"
		[ "$R" != detached ] || continue
		if [ -n "$_uuid" ] && [ "$_lu" != "$_uuid" ]; then
			R="two sets are called $1: $_uuid and $_lu"
			return $E_REFUSED
		fi
		_uuid=$_lu
		S_members="$S_members$_l$NL"
		get generation "$_l"
		[ "$R" -le "$_top" ] || { _top=$R NEWEST=$_l; }
	done << END
$MEMBERS
END
	[ -n "$NEWEST" ] || return $E_UNKNOWN
}

# member_line UUID: the words of the one member with that UUID in R; status 3: missing; 4: duplicate
member_line() {
	_hit= _more=
	while IFS= read -r _l; do
		[ -n "$_l" ] || continue
		get member "$_l" && [ "$R" = "$1" ] || continue
		[ -z "$_hit" ] || _more=1
		_hit="$_hit$_l$NL"
	done << END
$S_members
END
	[ -n "$_hit" ] || return $E_MISSING
	if [ -n "$_more" ]; then
		running_line "$_hit" && return 0
		# Paths of one device are held by what joins them.
		_free= _n=
		while IFS= read -r _l; do
			[ -n "$_l" ] || continue
			get dev "$_l"; _n="$_n $R"
			holders_of "$R" && [ -n "$R" ] && ! our_holder "$R" && continue
			_free="$_free$_l$NL"
		done << END
$_hit
END
		case $_free in
		'' | *"$NL"?*) R="duplicate: the same member is on$_n"; return $E_REFUSED ;;
		esac
		_hit=$_free
	fi
	R=${_hit%"$NL"}
}

# judge ROLE UUID: the member of that role in R, if it is there, current and whole
judge() {
	member_line "$2" || {
		_st=$?
		[ $_st != $E_MISSING ] || R="the $1 member is missing"
		return $_st
	}
	_words=$R
	get dev "$_words"; _dev=$R
	get generation "$_words"
	if [ $((NEW_GEN - R)) -gt 1 ]; then
		R="$_dev is stale: its label is of generation $R, that of the set is $NEW_GEN; the set ran without it"
		return $E_REFUSED
	fi
	get role "$_words"
	[ "$R" = "$1" ] || { R="$_dev: its label says $R, the others say it is the $1"; return $E_REFUSED; }
	get size "$_words"; _want=$R
	size_of "$_dev" || { R="$_dev cannot be read"; return $E_MISSING; }
	[ "$R" -ge "$_want" ] || { R="$_dev has $R sectors, its label says $_want"; return $E_REFUSED; }
	get start "$_words"; _s=$R
	get length "$_words"
	[ $((_s + R)) -le "$_want" ] && [ "$R" -gt 0 ] || { R="$_dev: its label names sectors beyond its end"; return $E_REFUSED; }
	R=$_words
}

# set_from_labels: S_* from NEWEST and the members it names; a missing fast member gives 3, and S_origin is known then
set_from_labels() {
	S_kind=label S_origin= S_cache= S_meta= S_ostart=0
	get name "$NEWEST"; S_name=$R
	get set "$NEWEST"; S_uuid=$R
	get generation "$NEWEST"; NEW_GEN=$R S_gen=$R
	get state "$NEWEST"; S_state=$R
	get dirty "$NEWEST"; S_dirty=$R
	get origin_crc "$NEWEST"; S_crc=$R
	get block_size "$NEWEST"; S_bs=$R
	get mode "$NEWEST"; S_mode=$R
	get policy "$NEWEST"; S_policy=$R
	S_args=
	if get policy_args "$NEWEST" && [ "$R" != - ]; then words_of "$R"; S_args=$R; fi
	S_features=
	if get features "$NEWEST" && [ "$R" != - ]; then words_of "$R"; S_features=$R; fi
	get origin_size "$NEWEST"; S_osize=$R
	get cache_member "$NEWEST"; _cm=$R
	get metadata_member "$NEWEST"; _mm=$R
	get origin_member "$NEWEST"; _om=$R
	_used=
	if [ "$_om" != - ]; then
		judge origin "$_om" || return $?
		_used="$_used$R$NL"
		get start "$R"; S_ostart=$R
		get dev "$_words"; S_origin=$R
	else
		get origin_id "$NEWEST"; S_oid=$R
		adopted_origin || return $?
	fi
	[ "$_cm" != - ] || { S_members=$_used S_state=nocache; return 0; }
	judge cache "$_cm" || return $?
	_used="$_used$R$NL"
	get dev "$_words"; S_cache=$R
	get start "$_words"; S_cstart=$R
	get length "$_words"; S_clen=$R
	if [ "$_mm" = "$_cm" ]; then
		get metadata_start "$_words" && S_mstart=$R && get metadata_length "$_words" && S_mlen=$R ||
			{ R="$S_cache: its label names no metadata"; return $E_REFUSED; }
		[ $((S_mstart + S_mlen)) -le "$S_cstart" ] || { R="$S_cache: metadata and cache overlap in its label"; return $E_REFUSED; }
		S_meta=$S_cache
	else
		judge metadata "$_mm" || return $?
		_used="$_used$R$NL"
		get dev "$_words"; S_meta=$R
		get start "$_words"; S_mstart=$R
		get length "$_words"; S_mlen=$R
	fi
	S_members=$_used
}

# member_device ROLE SPEC: the device in R, or why there is none
member_device() {
	spec_device "$2" "the $1" || {
		_st=$?
		[ $_st != $E_MISSING ] || R="the $1 ($2) is missing"
		return $_st
	}
}

# adopted_origin: the device that S_oid means, of the right size, in S_origin
adopted_origin() {
	member_device origin "$S_oid" || return $?
	S_origin=$R
	size_of "$S_origin" || { R="the origin ($S_oid) is missing: $S_origin has just gone"; return $E_MISSING; }
	[ "$R" = "$S_osize" ] || [ -n "${ANY_SIZE:-}" ] || {
		R="$S_origin has $R sectors, the origin of $S_name had $S_osize; if it was resized on purpose: dmcache resize $S_name"
		return $E_REFUSED
	}
}

words_of() { R=$1; while case $R in *,*) true ;; *) false ;; esac; do R="${R%%,*} ${R#*,}"; done; }
commas_of() { R=$1; while case $R in *' '*) true ;; *) false ;; esac; do R="${R%% *},${R#* }"; done; R=${R:--}; }

# set_from_tab NAME: a set without labels, or one that has no cache any more
set_from_tab() {
	S_kind=tab S_name=$1 S_uuid=tab-$1 S_members= S_state=closed S_dirty=unknown S_crc=- S_ostart=0 S_cstart=0 S_mstart=0
	S_origin= S_cache= S_meta=
	options_parse "$T_options" || { R="$TAB: $1: $R"; return $E_USAGE; }
	S_mode=${O_mode:-writeback} S_policy=${O_policy:-default} S_args=$O_args S_bs=${O_block:-128} S_features=$O_features
	tab_member origin "$T_origin" || return $?
	S_origin=$R
	size_of "$S_origin"; S_osize=$R
	case $T_cache in none) S_state=nocache; return 0 ;; esac
	[ "$T_cache" != - ] && [ "$T_metadata" != - ] || { R="no label of the set $1 was found"; return $E_MISSING; }
	tab_member cache "$T_cache" || return $?
	S_cache=$R
	size_of "$S_cache"; S_clen=$R
	tab_member metadata "$T_metadata" || return $?
	S_meta=$R
	size_of "$S_meta"; S_mlen=$R
	# Only create formats: a device that is blank is not the metadata of this set.
	[ -n "$(dd if="$S_meta" bs=4096 count=1 2> /dev/null | tr -d '\0')" ] ||
		{ R="$S_meta was never formatted as metadata"; return $E_REFUSED; }
}

tab_member() {
	member_device "$1" "$2" || return $?
	_dev=$R
	# A label says whose it is.
	if label_read "$_dev"; then
		get name "$R"
		R="$_dev, the $1 in $TAB, has the label of the set $R"
		return $E_REFUSED
	fi
	R=$_dev
}

# set_find NAME: all of the above. Labels first; the tab's options win over those of the label.
set_find() {
	label_scan
	R=
	set_labels "$1"
	_st=$?
	# A cache that was given up, and comes back: the origin went on without it.
	if [ $_st = 0 ] && tab_find "$1" && [ "$T_cache" = none ] && get origin_member "$NEWEST" && [ "$R" = - ]; then _st=$E_UNKNOWN; fi
	case $_st in
	0) get name "$NEWEST"
		_name=$R
		set_from_labels || { _st=$? _why=$R; S_why=$R; tab_options "$_name"; R=$_why; return $_st; }
		tab_options "$_name" || return $? ;;
	"$E_REFUSED") return $E_REFUSED ;;
	*) tab_find "$1" || known_tab "$1" || { R="no label and no line of $TAB names a set '$1'${DAMAGED:+; ${DAMAGED%"$NL"}}"; return $E_UNKNOWN; }
		set_from_tab "$1" ;;
	esac
}

tab_options() {
	tab_find "$1" || return 0
	options_parse "$T_options" || { R="$TAB: $1: $R"; return $E_USAGE; }
	S_mode=${O_mode:-$S_mode} S_policy=${O_policy:-$S_policy} S_args=${O_args:-$S_args} S_features=${O_features:-$S_features}
}

# next_for STATUS: what to do about it, in R
next_for() {
	[ -z "${S_hint:-}" ] || { R=$S_hint; return 0; }
	case $1 in
	"$E_MISSING")
		if dm_exists "$2"; then
			R="dmcache detach $2, if that is gone for good; else attach the device, then: dmcache stop $2; dmcache assemble $2"
			return 0
		fi
		R="attach the device, then: dmcache assemble $2"
		[ -n "$S_origin" ] || return 0
		_next=$R
		known_loss "$2"
		case $K_dirty$K_copy in
		0) R="$_next; or without it: dmcache assemble --degraded $2 ($R)" ;;
		*) R="$_next; if it is gone for good: dmcache assemble --drop-cache $2 ($R)" ;;
		esac ;;
	"$E_REFUSED") R="dmcache label DEVICE shows its label" ;;
	"$E_UNKNOWN") R="dmcache list" ;;
	*) R="dmesg; dmcache list" ;;
	esac
}

# set_need NAME: set_find, or die with its status
set_need() {
	set_find "$1" || {
		_st=$? _why=$R
		next_for $_st "$1"
		die $_st "$1: $_why" "$R"
	}
}

# ----- labels of a running set -----

# relabel STATE GENERATION DIRTY CRC: on every member, one after the other
relabel() {
	labels_begin
	while IFS= read -r _l; do
		[ -n "$_l" ] || continue
		put "$_l" state "$1"
		put "$R" generation "$2"
		put "$R" dirty "$3"
		put "$R" origin_crc "$4"
		put "$R" mode "$S_labelmode"
		put "$R" policy "$S_policy"; _w=$R
		commas_of "$S_args"
		put "$_w" policy_args "$R"
		[ -z "${S_newid:-}" ] || put "$R" origin_id "$S_newid"
		[ -z "${S_nocache:-}" ] || { put "$R" cache_member -; put "$R" metadata_member -; }
		labels_put "$R" || return 1
	done << END
$S_members
END
	S_members=$L_new S_gen=$2 S_state=$1
	labels_end
}
relabel_back() { relabel "$1" $((S_gen + 1)) "$2" "$3"; }

# origin_sum: cksum of the first MiB of the origin's data, in R
origin_sum() {
	blockdev --flushbufs "$S_origin" 2> /dev/null
	R=$(dd if="$S_origin" bs=65536 skip=$((S_ostart / 128)) count=16 2> /dev/null | cksum)
	R=${R%% *}
}

# ----- assemble -----

# switch_mode: S_mode by the kernel's command line
switch_mode() {
	read_line /proc/cmdline || return 0
	case " $R " in
	*' dmcache.assemble=off '*) [ -n "$FORCE" ] || { R="dmcache.assemble=off is on the kernel's command line"; return $E_OFF; } ;;
	*' dmcache.assemble=passthrough '*) S_mode=passthrough ;;
	*' dmcache.assemble=writethrough '*) [ "$S_mode" = passthrough ] || S_mode=writethrough ;;
	esac
}

cache_table() {
	# shellcheck disable=SC2086 # words
	set -- "$1" "$2" "$3" "$(set -- $S_mode metadata2 $S_features; echo $# "$@")" "$(set -- $S_args; echo $# "$@")"
	R="0 $S_osize cache $1 $2 $3 $S_bs $4 $S_policy $5"
}

# slices: make what the kernel gets: MAP_meta MAP_cache MAP_origin
slices() {
	MAP_origin=$S_origin MAP_cache=$S_cache MAP_meta=$S_meta
	[ "$S_kind" = label ] || return 0
	if [ "$S_ostart" != 0 ]; then
		slice corig "$S_osize" "$S_origin" "$S_ostart" || return 1
		MAP_origin=/dev/mapper/$S_name-corig
	fi
	[ -n "$S_cache" ] || return 0
	slice cmeta "$S_mlen" "$S_meta" "$S_mstart" || return 1
	slice cdata "$S_clen" "$S_cache" "$S_cstart" || return 1
	MAP_meta=/dev/mapper/$S_name-cmeta MAP_cache=/dev/mapper/$S_name-cdata
}
slice() {
	if dm_exists "$S_name-$1"; then
		dm_uuid "$S_name-$1"
		[ "$R" = "DMCACHE-$S_uuid-$1" ] || { R="/dev/mapper/$S_name-$1 is there, and not of this set"; return 1; }
		# Left by something that was killed; nothing uses it, or it cannot be removed.
		dm_remove "$S_name-$1" || { R="/dev/mapper/$S_name-$1 is in use"; return 1; }
	fi
	dm_create "$S_name-$1" "DMCACHE-$S_uuid-$1" "0 $2 linear $3 $4" || { R="$3: $R"; return 1; }
}

# zero_metadata DEV: so that the target formats it: an empty cache
zero_metadata() { dd if=/dev/zero of="$1" bs=4096 count=1 conv=notrunc,fsync 2> /dev/null; }

# Nothing else may use the members. Those of the set at hand are not running: its device was looked for.
members_free() {
	for _d in $S_origin $S_cache $S_meta; do
		if use_of "$_d"; then
			case $R in "used by"*) our_leftover "${R#used by }" && continue ;; esac
			R="$_d: $R"
			return $E_BUSY
		fi
	done
}
our_leftover() {
	for _x in $1; do
		read_line "/sys/class/block/$_x/dm/uuid" || return 1
		case $R in "DMCACHE-$S_uuid-c"*) ;; *) return 1 ;; esac
	done
}

# check_origin: was an unlabelled origin changed while the set was closed? COLD=1 if the cache has to start empty
check_origin() {
	COLD=
	if known_read "$S_name" && [ "$K_of" = "$S_uuid" ] && [ "$K_alone" != 0 ]; then
		if [ "$K_alone" = 1 ] || [ "$S_dirty" = 0 ] || [ -n "$DROP" ]; then
			COLD=1
			warn "$S_name: $S_origin was in use without its cache; the cache starts empty"
			return 0
		fi
		known_loss "$S_name"
		R="$S_origin was in use without its cache since, and what the cache has does not fit any more"
		S_hint="dmcache assemble --drop-cache $S_name"
		return $E_REFUSED
	fi
	[ "$S_kind" = label ] && [ "$S_state" = closed ] && [ "$S_crc" != - ] || return 0
	origin_sum
	[ "$R" != "$S_crc" ] || return 0
	if [ "$S_dirty" = 0 ]; then
		COLD=1
		warn "$S_name: $S_origin was written to without its cache; the cache starts empty"
	elif [ -n "$DROP" ]; then
		COLD=1
	else
		R="$S_origin was written to without its cache, which holds $S_dirty blocks that it lacks"
		return $E_REFUSED
	fi
}

# assemble_cache: from members that were judged to a device. Every step is on the undo list.
assemble_cache() {
	members_free || return $?
	check_origin || return $?
	[ -z "$DROP" ] || COLD=1
	_state=$S_state _dirty=$S_dirty _crc=$S_crc
	may_be_dirty
	known_open "$_may" || return $?
	# It may have to be another mode.
	may_be_dirty
	if [ "$S_kind" = label ]; then
		case $_state in opening) _state=closed ;; closing) _state=closed _crc=- ;; esac
		# New ones go as a whole, by what create has on the list.
		[ -n "$NEW_LABELS" ] || undo_add "relabel_back $_state $_dirty $_crc" "the labels of $S_name may say that it runs" "dmcache assemble $S_name"
		relabel opening $((S_gen + 1)) "$_dirty" "$_crc" || return 1
	fi
	slices || return 1
	[ -z "$COLD" ] || zero_metadata "$MAP_meta" || { R="$MAP_meta cannot be written"; return 1; }
	if [ "$S_kind" = label ]; then
		relabel open $((S_gen + 1)) $_may - || return 1
	fi
	cache_table "$MAP_meta" "$MAP_cache" "$MAP_origin"
	dm_create "$S_name" "DMCACHE-$S_uuid" "$R" || {
		_why=$R
		kernel_says
		R="the kernel refuses the cache: ${_why%%"$NL"*}${R:+; its log says: $R}"
		return 1
	}
}

# may_be_dirty: 0 in _may if no block can be dirty or become so
may_be_dirty() {
	_may=unknown
	case $S_mode in writeback) ;; *) [ "$_dirty" != 0 ] && [ -z "$COLD" ] || _may=0 ;; esac
}

# clean_now: of one that runs, in another mode than writeback: with no dirty block its origin is complete, and stays so
clean_now() {
	dirty_of "$1"
	[ "$R" != 0 ] || known_change "$1" 0 "${2-}" || :
}

# assemble_alone: the origin without a cache, under the same name
assemble_alone() {
	if use_of "$S_origin"; then R="$S_origin: $R"; return $E_BUSY; fi
	dm_create "$S_name" "DMCACHE-$S_uuid" "0 $S_osize linear $S_origin $S_ostart"
}

# assemble_without: the same while the cache is missing. A label of the origin moves on, so that the cache is stale from then on.
assemble_without() {
	if use_of "$S_origin"; then R="$S_origin: $R"; return $E_BUSY; fi
	if [ "$S_kind" = label ] && [ "$S_ostart" != 0 ]; then
		S_members=
		get origin_member "$NEWEST"
		set_only_member "$R" || return $?
		undo_add "relabel_back closed 0 -" "the label of $S_origin may say that it is in use" "dmcache assemble $S_name"
		relabel opening $((S_gen + 1)) 0 - && relabel open $((S_gen + 1)) 0 - || return 1
	fi
	# From here on, what a cache that comes back has is old.
	known_undo "$S_name"
	known_lone || { R="$STATE/$S_name cannot be written"; return 1; }
	assemble_alone
}
# known_lone: the origin of the set at hand is used alone. A set of the tab may have been one with labels.
known_lone() {
	known_read "$S_name" || K_of=
	_of=${K_of:-$S_uuid}
	ids_of "$S_origin"
	_alone=1
	[ -z "$DROP" ] || _alone=2
	known_say "$S_name" "$_of" 0 $_alone "$S_mode" "$S_bs" "${R%% *}" || in_initramfs
}
# lone_for_good: it has no cache any more, by the tab or by the label of the origin
lone_for_good() {
	if [ "$S_kind" = label ] && [ "$S_ostart" != 0 ]; then S_nocache=1; return 0; fi
	tab_undo "$S_name"
	if ! tab_find "$S_name"; then known_tab "$S_name" || { ids_of "$S_origin"; R=${R%% *}; T_origin=${R#PATH=} T_options=-; }; fi
	tab_write "$S_name $T_origin none - $T_options" "$S_name" || { R="$TAB cannot be written"; return 1; }
}
set_only_member() {
	_m=$1
	set_labels "$S_uuid" && member_line "$_m" || return $?
	S_members=$R$NL
}

# origin_complete: known to lack nothing, though the cache is not there?
origin_complete() {
	[ -n "$S_origin" ] || return 1
	if [ "$S_kind" = label ]; then
		# Only the origin's own label may speak for it: it is the newest that there is.
		[ "$S_dirty" = 0 ] && { [ "$S_state" = closed ] || [ "$S_mode" != writeback ]; } || return 1
		! known_read "$S_name" || [ -n "$K_copy" ] || [ "$K_of" != "$S_uuid" ] || [ "$K_dirty" = 0 ]
	elif known_read "$S_name" && [ -z "$K_copy" ]; then
		known_complete
	else
		# By the tab it is always assembled so, and dmcache set changes no such one; a copy must not say otherwise.
		[ "$S_mode" != writeback ] && { [ -z "$K_text" ] || [ "$K_dirty" = 0 ]; }
	fi
}

# already NAME: is it there? Status 0: yes, ours; 1: no; 5: the name is taken
already() {
	dm_exists "$1" || return 1
	dm_uuid "$1"
	case $R in
	DMCACHE-*-c????) ;;
	DMCACHE-*) return 0 ;;
	esac
	R="/dev/mapper/$1 is there, and is not a device of dmcache"
	return $E_BUSY
}

# assemble_one NAME: R says what was wrong, or what was made
assemble_one() {
	FOUND= S_hint=
	if name_ok "$1"; then
		already "$1"
		case $? in 0) R="already there"; return 0 ;; "$E_BUSY") return $E_BUSY ;; esac
	fi
	S_why=
	set_find "$1"
	_st=$? _why=$R
	if [ -n "${S_name:-}" ] && [ "$S_name" != "$1" ] && already "$S_name"; then R="already there"; return 0; fi
	S_labelmode=${S_mode:-writeback}
	if [ $_st != 0 ]; then
		[ $_st = $E_MISSING ] && [ -n "$S_origin" ] && [ -n "$DEGRADED$DROP" ] || { R=$_why; return $_st; }
		assemble_lone
		return $?
	fi
	switch_mode || return $?
	already "$S_name"
	case $? in 0) R="already there"; return 0 ;; "$E_BUSY") return $E_BUSY ;; esac
	if [ "$S_state" = nocache ]; then
		assemble_alone || return $?
		R="made; it has no cache"
	else
		assemble_cache || return $?
		remember_origin
		mark_up
		[ "$S_mode" = writeback ] || clean_now "$S_name"
		R="assembled: $S_mode, policy $S_policy"
	fi
	undo_forget
}

# assemble_lone: the cache is missing ($_why), and it is to be made without it
assemble_lone() {
	S_nocache=
	_lost=
	if [ -n "$DROP" ]; then
		known_loss "$S_name"
		_lost="; $R"
	else
		origin_complete || { known_loss "$S_name"; R="$_why, and $S_origin alone is not known to be complete"; return $E_MISSING; }
	fi
	switch_mode || return $?
	[ -z "$DROP" ] || lone_for_good || return $?
	assemble_without || return $?
	undo_forget
	R="made from the origin alone: $_why$_lost"
}

cmd_assemble() {
	FORCE= DEGRADED= DROP= _what= _names=
	while [ $# -gt 0 ]; do
		case $1 in
		--all) _what=all ;;
		--device) [ $# -gt 1 ] || usage_error "--device wants a device"; _what=device _device=$2; shift ;;
		--force) FORCE=1 ;;
		--degraded) DEGRADED=1 ;;
		--drop-cache) DROP=1 ;;
		-*) usage_error "assemble: no option $1" ;;
		*) _names="$_names $1" ;;
		esac
		shift
	done
	[ -n "$_what$_names" ] || usage_error "assemble: name a set, or --all"
	[ -z "$DROP" ] || [ -z "$_what" ] || usage_error "assemble: --drop-cache wants the name of one set"
	lock
	tab_check || die $E_USAGE "$R" "correct that line: NAME ORIGIN CACHE METADATA OPTIONS"
	case $_what in
	all) all_names auto; _names=$R ;;
	device) take_device "$_device" "the device"; _device=$R
		name_of_device "$_device" || die $E_UNKNOWN "$_device is a member of no set" "dmcache list"
		_names=$R ;;
	esac
	WORST=0
	for NAME in $_names; do
		assemble_one "$NAME"
		_st=$?
		if [ $_st = 0 ]; then
			say "$NAME: $R"
		else
			_why=$R
			next_for $_st "$NAME"
			warn "$NAME: $_why; next: $R"
			undo_all
			[ $_st -le $WORST ] || WORST=$_st
		fi
	done
	exit $WORST
}

# all_names [auto]: of the tab (auto: without noauto) and of labels, words in R
all_names() {
	_list=' ' _skip=' '
	tab_names
	for _x in $R; do
		tab_find "$_x"
		if [ -n "${1-}" ] && option "$T_options" noauto; then _skip="$_skip$_x "; continue; fi
		_list="$_list$_x "
	done
	label_scan
	while IFS= read -r _l; do
		[ -n "$_l" ] || continue
		get state "$_l"
		[ "$R" != detached ] || continue
		get name "$_l"
		case "$_list$_skip" in *" $R "*) ;; *) _list="$_list$R " ;; esac
	done << END
$MEMBERS
END
	R=$_list
}

# name_of_device DEV: the set that it is a member of
name_of_device() {
	_device=$1
	if label_read "$_device"; then
		_w=$R
		get state "$_w"
		[ "$R" != detached ] || return 1
		get set "$_w"
		return 0
	fi
	tab_names
	for _n in $R; do
		tab_find "$_n"
		for _spec in "$T_origin" "$T_cache" "$T_metadata"; do
			case $_spec in - | none) continue ;; esac
			if is_id "$_device" "$_spec"; then R=$_n; return 0; fi
		done
	done
	# The origin that a label names.
	ids_of "$_device"; _ids=$R
	label_scan
	while IFS= read -r _l; do
		[ -n "$_l" ] && get origin_id "$_l" || continue
		case " $_ids " in *" $R "*) get set "$_l"; return 0 ;; esac
	done << END
$MEMBERS
END
	return 1
}

# ----- stop -----

# stop_one NAME
stop_one() {
	dm_exists "$1" || {
		# By UUID?
		_n=$(dmsetup info -c --noheadings -o name -u "DMCACHE-$1" 2> /dev/null)
		[ -n "$_n" ] || { R="not running"; return 0; }
		set -- "$_n"
	}
	already "$1" || return $?
	dm_uuid "$1"; _u=${R#DMCACHE-}
	dm_open_count "$1"
	if [ "${R:-0}" != 0 ]; then
		use_of "/dev/mapper/$1" || R="in use"
		R="/dev/mapper/$1: $R"
		return $E_BUSY
	fi
	_table=$(dmsetup table "$1" 2> /dev/null)
	case $_table in
	*' linear '*) dm_remove "$1" || return 1
		R=stopped
		stop_alone "$_u"
		return ;;
	esac
	_have=
	label_scan
	# A device that got its cache later is still called by the set it was then.
	{ set_labels "$_u" || set_labels "$1"; } && set_from_labels && _have=1
	S_labelmode=${S_mode:-}
	hold_signals
	take_down "$1"
	_st=$?
	pass_signals
	[ $_st = 0 ] || return 1
	# A flush that was killed noted there what to put back.
	rm -f "$RUN/flush.$1"
	warn_duplicates "$1"
	_wrong=
	[ "$_u" = "tab-$1" ] && [ -z "$_have" ] || stop_labels "$1"
	stop_known "$1"
	[ -z "$_wrong" ] || {
		R="it is stopped, but $_wrong: its labels may say that it runs"
		STOP_next="dmcache assemble $1; dmcache stop $1"
		return 1
	}
	case $_dirty in 0) R="stopped; the origin is complete" ;; unknown) R="stopped" ;; *) R="stopped; $_dirty blocks are only in the cache" ;; esac
}

# take_down NAME: its device is gone, with its last count of dirty blocks in _dirty; or it goes on
take_down() {
	# Nothing is dirtied or written back any more from here on: the count is the final one.
	R=$(dmsetup suspend "$1" 2>&1) && { dirty_of "$1"; _dirty=$R; dm_remove "$1"; } && return 0
	_why=$R
	dmsetup resume "$1" > /dev/null 2>&1
	dm_active "$1" || stuck_add "$1" "dmsetup resume $1"
	R=$_why
	return 1
}

# lone_label UUID: of a set whose origin is used alone: S_* of the label of the origin, its only member. Status 1: it has none; 2: R says why
# it cannot be used
lone_label() {
	set_labels "$1" && get origin_member "$NEWEST" && [ "$R" != - ] || return 1
	_om=$R
	get name "$NEWEST"; S_name=$R
	get set "$NEWEST"; S_uuid=$R
	get generation "$NEWEST"; S_gen=$R
	get state "$NEWEST"; S_state=$R
	get mode "$NEWEST"; S_labelmode=$R
	get policy "$NEWEST"; S_policy=$R
	S_args=
	get policy_args "$NEWEST" && [ "$R" != - ] && { words_of "$R"; S_args=$R; }
	R="the label of its origin cannot be found"
	set_only_member "$_om" || return 2
}

# stop_alone UUID: a device without a cache is gone; a label of the origin that says open gets closed
stop_alone() {
	label_scan
	lone_label "$1"
	_st=$?
	[ $_st != 1 ] && [ "$S_state" = open ] || { R=stopped; return 0; }
	[ $_st = 0 ] && relabel closing $((S_gen + 1)) 0 - && relabel closed $((S_gen + 1)) 0 - || {
		R="it is stopped, but $R: its label may say that it runs"
		STOP_next="dmcache assemble --degraded $S_name; dmcache stop $S_name"
		return 1
	}
	R=stopped
}

# stop_known NAME: how many blocks only the cache has; what says "may be dirty" stays if it cannot be written
stop_known() {
	if known_read "$1" && [ -n "$K_of" ]; then
		known_change "$1" "$_dirty"
	elif [ -n "$_have" ]; then
		known_set "$_dirty"
	fi || :
}

# stop_labels NAME: slices go and labels are closed; _wrong is what hindered that
stop_labels() {
	_name=$1
	if [ -z "$_have" ]; then
		_wrong="its labels cannot be found or do not fit"
	else
		relabel closing $((S_gen + 1)) "$_dirty" - || _wrong=$R
	fi
	for _s in cmeta cdata corig; do
		! dm_exists "$_name-$_s" || dm_remove "$_name-$_s" || warn "/dev/mapper/$_name-$_s is left: $R; next: dmsetup remove $_name-$_s"
	done
	[ -z "$_wrong" ] || return 0
	origin_sum; _crc=$R
	# A filesystem that was made anew has another UUID.
	case ${S_oid:-} in
	UUID=*) ids_of "$S_origin"
		for _x in $R; do case $_x in UUID=*) S_newid=$_x ;; esac; done ;;
	esac
	relabel closed $((S_gen + 1)) "$_dirty" "$_crc" || _wrong=$R
	S_newid=
	remember_origin
	rm -f "$RUN/up/$_name"
}

# dirty_of NAME: blocks that only the cache has, in R; unknown if the status does not tell
dirty_of() {
	# shellcheck disable=SC2046 # fields
	set -- $(dmsetup status --noflush "$1" 2> /dev/null)
	R=unknown
	[ $# -lt 14 ] || ! is_number "${14}" || R=${14}
}

# stop_flush: write back what the sets of N_names hold, while they are still in use
stop_flush() {
	for NAME in $N_names; do
		dm_exists "$NAME" || continue
		is_ours "$NAME"
		stat_of "$NAME"
		[ $? = 2 ] || flush_wait "$NAME"
	done
}

cmd_stop() {
	_what= _names= _flush= ANY_SIZE=1
	while [ $# -gt 0 ]; do
		case $1 in
		--all) _what=all ;;
		--flush) _flush=1 ;;
		-*) usage_error "stop: no option $1" ;;
		*) _names="$_names $1" ;;
		esac
		shift
	done
	[ -n "$_what$_names" ] || usage_error "stop: name a set, or --all"
	[ "$_what" != all ] || { running_names; _names=$R; }
	N_names=$_names
	[ -z "$_flush" ] || stop_flush
	lock
	WORST=0
	for NAME in $N_names; do
		S_newid= STOP_next=
		stop_one "$NAME"
		_st=$?
		if [ $_st = 0 ]; then
			say "$NAME: $R"
		else
			_why=$R
			[ $_st != $E_BUSY ] || R="umount it, or fuser -vm /dev/mapper/$NAME"
			[ $_st = $E_BUSY ] || R=${STOP_next:-"dmcache status $NAME"}
			warn "$NAME: $_why; next: $R"
			stuck_say
			[ $_st -le $WORST ] || WORST=$_st
		fi
	done
	exit $WORST
}

# running_names: devices of sets that are there, words in R
running_names() {
	_list=
	for _sys in /sys/class/block/dm-*; do
		[ -e "$_sys/dm/uuid" ] && read_line "$_sys/dm/uuid" || continue
		case $R in
		DMCACHE-*-cdata | DMCACHE-*-cmeta | DMCACHE-*-corig) ;;
		DMCACHE-*) read_line "$_sys/dm/name"; _list="$_list $R" ;;
		esac
	done
	R=${_list# }
}

# ----- for probe -----

# file_of ID: where an origin is remembered
file_of() {
	R=$1
	while case $R in */*) true ;; *) false ;; esac; do R=${R%%/*}%${R#*/}; done
	R=$RUN/origin/$R
}

# remember WORDS: the origin that a label names, so that its probe knows, though it has no label
remember() {
	get origin_member "$1" && [ "$R" = - ] || return 0
	get origin_id "$1" || return 0
	file_of "$R"; _f=$R
	get state "$1"
	if [ "$R" = detached ]; then rm -f "$_f"; return 0; fi
	mkdir -p "$RUN/origin" 2> /dev/null && printf '%s\n' "$1" 2> /dev/null > "$_f.$$" && mv "$_f.$$" "$_f"
}
remember_origin() {
	[ "$S_kind" = label ] || return 0
	remember "${S_members%%"$NL"*}"
}

# mark_up: its labels say open until stop closes them. Others may remove the device meanwhile (blkdeactivate of LVM).
mark_up() {
	[ "$S_kind" = label ] || return 0
	mkdir -p "$RUN/up" 2> /dev/null && : > "$RUN/up/$S_name"
}
