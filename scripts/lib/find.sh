# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# find.sh - find the members of a set and judge them. doc/dev/label-format.md says when a member is
# refused.
#
# What is known of the set at hand:
#   S_name S_uuid S_kind(label|tab)  S_members (label words, a line each)
#   S_origin S_ostart S_osize   S_cache S_cstart S_clen   S_meta S_mstart S_mlen   devices and
#                               slices
#   S_bs S_mode S_policy S_args S_features   S_gen S_state S_dirty S_crc
# A check that finds something sets R to what and returns the exit status that it means.

# set_labels NAME: the labels of that set in S_members, the newest one in NEWEST; status 6: none; 4:
# two sets
set_labels() {
	S_members= NEWEST= _uuid= _top=-1 S_hint=
	while IFS= read -r _l; do
		[ -n "$_l" ] || continue
		get set "$_l"; _lu=$R
		get name "$_l"
		[ "$R" = "$1" ] || [ "$_lu" = "$1" ] || continue
		get state "$_l"
		[ "$R" != detached ] || continue
		if [ -n "$_uuid" ] && [ "$_lu" != "$_uuid" ]; then
			get dev "$_l"
			R="two sets are called $1: $_uuid on $_udev, and $_lu on $R"
			S_hint="dmcache label --erase DEVICE, with that of the set you gave up"
			return $E_REFUSED
		fi
		_uuid=$_lu
		get dev "$_l"; _udev=$R
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

set_only_member() {
	_m=$1
	set_labels "$S_uuid" && member_line "$_m" || return $?
	S_members=$R$NL
}

# newest_says: of the set, what NEWEST says of it as a whole
newest_says() {
	get name "$NEWEST"; S_name=$R
	get set "$NEWEST"; S_uuid=$R
	get generation "$NEWEST"; S_gen=$R
	get state "$NEWEST"; S_state=$R
	get policy "$NEWEST"; S_policy=$R
	S_args=
	if get policy_args "$NEWEST" && [ "$R" != - ]; then words_of "$R"; S_args=$R; fi
}

# lone_label UUID: S_* of a set from the label of its origin, which is used alone: its only member.
# Status 1: it has no label; 2: R says why it cannot be used
lone_label() {
	set_labels "$1" && get origin_member "$NEWEST" && [ "$R" != - ] || return 1
	_om=$R
	newest_says
	get mode "$NEWEST"; S_labelmode=$R
	R="the label of its origin cannot be found"
	set_only_member "$_om" || return 2
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
		R="$_dev is stale: its label is of generation $R, that of the set is $NEW_GEN"
		R="$R; the set ran without it"
		return $E_REFUSED
	fi
	get role "$_words"
	[ "$R" = "$1" ] || {
		R="$_dev: its label says $R, the others say it is the $1"
		return $E_REFUSED
	}
	get size "$_words"; _want=$R
	size_of "$_dev" || { R="$_dev cannot be read"; return $E_MISSING; }
	[ "$R" -ge "$_want" ] || {
		R="$_dev has $R sectors, its label says $_want"
		return $E_REFUSED
	}
	get start "$_words"; _s=$R
	get length "$_words"
	[ $((_s + R)) -le "$_want" ] && [ "$R" -gt 0 ] || {
		R="$_dev: its label names sectors beyond its end"
		return $E_REFUSED
	}
	R=$_words
}

# set_from_labels: S_* from NEWEST and the members it names; a missing fast member gives 3, and
# S_origin is known then
set_from_labels() {
	S_kind=label S_origin= S_cache= S_meta= S_ostart=0 S_oid= S_newid=
	newest_says
	NEW_GEN=$S_gen
	get dirty "$NEWEST"; S_dirty=$R
	get origin_crc "$NEWEST"; S_crc=$R
	get block_size "$NEWEST"; S_bs=$R
	get mode "$NEWEST"; S_mode=$R
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
		get metadata_start "$_words" && S_mstart=$R && get metadata_length "$_words" &&
			S_mlen=$R ||
			{ R="$S_cache: its label names no metadata"; return $E_REFUSED; }
		[ $((S_mstart + S_mlen)) -le "$S_cstart" ] || {
			R="$S_cache: metadata and cache overlap in its label"
			return $E_REFUSED
		}
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
	origin_device "$S_oid" || return $?
	S_origin=$R
	size_of "$S_origin" || {
		R="the origin ($S_oid) is missing: $S_origin has just gone"
		return $E_MISSING
	}
	[ "$R" = "$S_osize" ] || [ -n "${ANY_SIZE:-}" ] || {
		R="$S_origin has $R sectors, the origin of $S_name had $S_osize"
		R="$R; if it was resized on purpose: dmcache resize $S_name"
		return $E_REFUSED
	}
}

words_of() {
	R=$1
	while case $R in *,*) true ;; *) false ;; esac; do R="${R%%,*} ${R#*,}"; done
}

commas_of() {
	R=$1
	while case $R in *' '*) true ;; *) false ;; esac; do R="${R%% *},${R#* }"; done
	R=${R:--}
}

# set_from_tab NAME: a set without labels, or one that has no cache any more
set_from_tab() {
	S_kind=tab S_name=$1 S_uuid=tab-$1 S_members= S_state=closed S_dirty=unknown S_crc=- \
		S_ostart=0 S_cstart=0 S_mstart=0
	S_origin= S_cache= S_meta= S_oid= S_newid=
	options_parse "$T_options" || { R="$TAB: $1: $R"; return $E_USAGE; }
	S_mode=${O_mode:-writeback} S_policy=${O_policy:-default} S_args=$O_args \
		S_bs=${O_block:-128} S_features=$O_features
	tab_member origin "$T_origin" || return $?
	S_origin=$R
	size_of "$S_origin"; S_osize=$R
	case $T_cache in none) S_state=nocache; return 0 ;; esac
	[ "$T_cache" != - ] && [ "$T_metadata" != - ] || {
		R="no label of the set $1 was found"
		return $E_MISSING
	}
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
	case $1 in
	origin) origin_device "$2" || return $? ;;
	*) member_device "$1" "$2" || return $? ;;
	esac
	_dev=$R
	# A label says which set it is of.
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
	if [ $_st = 0 ] && tab_find "$1" &&
		[ "$T_cache" = none ] && get origin_member "$NEWEST" && [ "$R" = - ]; then
		_st=$E_UNKNOWN
	fi
	case $_st in
	0) get name "$NEWEST"
		_name=$R
		set_from_labels || {
			_st=$? _why=$R
			S_why=$R
			tab_options "$_name"
			R=$_why
			return $_st
		}
		tab_options "$_name" || return $? ;;
	"$E_REFUSED") return $E_REFUSED ;;
	*)
		tab_find "$1" || known_tab "$1" || {
			R="no label and no line of $TAB names a set '$1'"
			R="$R${DAMAGED:+; ${DAMAGED%"$NL"}}"
			return $E_UNKNOWN
		}
		set_from_tab "$1" ;;
	esac
}

tab_options() {
	tab_find "$1" || return 0
	options_parse "$T_options" || { R="$TAB: $1: $R"; return $E_USAGE; }
	S_mode=${O_mode:-$S_mode} S_policy=${O_policy:-$S_policy} S_args=${O_args:-$S_args} \
		S_features=${O_features:-$S_features}
}

# next_for STATUS: what to do about it, in R
next_for() {
	[ -z "${S_hint:-}" ] || { R=$S_hint; return 0; }
	case $1 in
	"$E_MISSING")
		if dm_exists "$2"; then
			R="dmcache detach $2, if that is gone for good"
			R="$R; else attach the device, then: dmcache stop $2; dmcache assemble $2"
			return 0
		fi
		R="attach the device, then: dmcache assemble $2"
		[ -n "$S_origin" ] || {
			case ${S_oid:-${T_origin:-}} in UUID=* | LABEL=*)
				R="$R; if a new file system was made on it"
				R="$R since: dmcache assemble --origin DEVICE $2" ;;
			esac
			return 0
		}
		_next=$R
		known_loss "$2"
		case $K_dirty$K_copy in
		0) R="$_next; or without it: dmcache assemble --degraded $2 ($R)" ;;
		*) R="$_next; if it is gone for good: dmcache assemble --drop-cache $2 ($R)" ;;
		esac ;;
	"$E_REFUSED") R="dmcache label DEVICE shows its label" ;;
	"$E_UNKNOWN") R="dmcache list" ;;
	"$E_BUSY") R="end that use, then: dmcache assemble $2" ;;
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

# ----- what runs, what there is -----

# already NAME: is it there? Status 0: yes, ours; 1: no; 5: the name is taken
already() {
	dm_exists "$1" || return 1
	dm_uuid "$1"
	case $R in DMCACHE-*) is_slice "$R" || return 0 ;; esac
	R="/dev/mapper/$1 exists, and was not made by dmcache"
	return $E_BUSY
}

# running_set NAME: the UUID of the set that runs there, in R. A device keeps the UUID that it was
# made with; one that got its cache later has slices of another set.
running_set() {
	dm_exists "$1-cmeta" && dm_uuid "$1-cmeta" || dm_uuid "$1"
	R=${R#DMCACHE-}
	R=${R%-cmeta}
}

# running_names: devices of sets that are there, words in R
running_names() {
	_list=
	for _sys in /sys/class/block/dm-*; do
		[ -e "$_sys/dm/uuid" ] && read_line "$_sys/dm/uuid" || continue
		case $R in DMCACHE-*) ! is_slice "$R" || continue ;; *) continue ;; esac
		read_line "$_sys/dm/name"; _list="$_list $R"
	done
	R=${_list# }
}

# all_names [auto]: of the tab (auto: without noauto) and of labels, words in R
all_names() {
	_list=' ' _skip=' '
	tab_names
	for _x in $R; do
		tab_find "$_x"
		if [ -n "${1-}" ] && option "$T_options" noauto; then
			_skip="$_skip$_x "
			continue
		fi
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
