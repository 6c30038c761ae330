# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# assemble.sh - dmcache assemble: makes /dev/mapper/NAME and its slices from the members of a set,
# and writes to their labels that it runs.

# While labels are being made, a failure is undone by the code that makes them.
NEW_LABELS=

# ----- labels of a running set -----

# relabel STATE GENERATION DIRTY CRC: on every member, one after the other
relabel() {
	labels_each relabel_words "$@"
	L_st=$?
	[ $L_st != 2 ] || return 1
	S_gen=$2 S_state=$1
	return $L_st
}
relabel_words() {
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
}

relabel_back() { relabel "$1" $((S_gen + 1)) "$2" "$3"; }

# origin_sum: cksum of the first MiB of the origin's data, in R
origin_sum() {
	blockdev --flushbufs "$S_origin" 2> /dev/null
	R=$(dd if="$S_origin" bs=65536 skip=$((S_ostart / 128)) count=16 2> /dev/null | cksum)
	R=${R%% *}
}

# ----- what /run knows, for probe -----

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
	mkdir -p "$RUN/origin" 2> /dev/null && printf '%s\n' "$1" 2> /dev/null > "$_f.$$" &&
		mv "$_f.$$" "$_f"
}

remember_origin() {
	[ "$S_kind" = label ] || return 0
	remember "${S_members%%"$NL"*}"
}

# mark_up: its labels say open until stop closes them. Others may remove the device meanwhile
# (blkdeactivate of LVM).
mark_up() {
	[ "$S_kind" = label ] || return 0
	mkdir -p "$RUN/up" 2> /dev/null && : > "$RUN/up/$S_name"
}

# ----- what the kernel gets -----

# switch_mode: S_mode by the kernel's command line
switch_mode() {
	read_line /proc/cmdline || return 0
	case " $R " in
	*' dmcache.assemble=off '*)
		[ -n "$FORCE" ] || {
			R="dmcache.assemble=off is on the kernel's command line"
			return $E_OFF
		} ;;
	*' dmcache.assemble=passthrough '*) S_mode=passthrough ;;
	*' dmcache.assemble=writethrough '*) [ "$S_mode" = passthrough ] || S_mode=writethrough ;;
	esac
}

# split_args "KEY VALUE ...": what it says of write_allocate, in A_allocate; the rest in A_table
split_args() {
	A_table= A_allocate= _k=
	for _y in $1; do
		case $_k in
		'') _k=$_y; continue ;;
		write_allocate) A_allocate=$_y ;;
		*) A_table="$A_table${A_table:+ }$_k $_y" ;;
		esac
		_k=
	done
}

# cache_table META CACHE ORIGIN: without write_allocate, which not every dm-cache knows; that is for
# tell_allocate
cache_table() {
	split_args "$S_args"
	# shellcheck disable=SC2086 # words
	set -- "$1" "$2" "$3" "$(set -- $S_mode metadata2 $S_features; echo $# "$@")" \
		"$(set -- $A_table; echo $# "$@")"
	R="0 $S_osize cache $1 $2 $3 $S_bs $4 $S_policy $5"
}

# tell_allocate: what cache_table left out, to the cache that has just started
tell_allocate() {
	case $A_allocate in '' | 0) return 0 ;; esac
	_w="write_allocate $A_allocate"
	dmsetup message "$S_name" 0 write_allocate "$A_allocate" 2> /dev/null ||
		warn "$S_name: $_w is refused by the dm-cache that is loaded: off"
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
		[ "$R" = "DMCACHE-$S_uuid-$1" ] || {
			R="/dev/mapper/$S_name-$1 is there, and not of this set"
			return 1
		}
		# Left by a command that was killed. If it is in use, it cannot be removed.
		dm_remove "$S_name-$1" || { R="/dev/mapper/$S_name-$1 is in use"; return 1; }
	fi
	dm_create "$S_name-$1" "DMCACHE-$S_uuid-$1" "0 $2 linear $3 $4" || { R="$3: $R"; return 1; }
}

# zero_metadata DEV: the target formats it then, and the cache is empty
zero_metadata() { dd if=/dev/zero of="$1" bs=4096 count=1 conv=notrunc,fsync 2> /dev/null; }

# Nothing else may use the members. The set at hand does not run: that was checked.
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
		is_slice "$R" && [ "${R%-c????}" = "DMCACHE-$S_uuid" ] || return 1
	done
}

# ----- assemble -----

# check_origin: was an unlabelled origin changed while the set was closed? COLD=1 if the cache has
# to start empty
check_origin() {
	COLD=
	if known_read "$S_name" && [ "$K_of" = "$S_uuid" ] && [ "$K_alone" != 0 ]; then
		if [ "$K_alone" = 1 ] || [ "$S_dirty" = 0 ] || [ -n "$DROP" ]; then
			COLD=1
			warn "$S_name: $S_origin was used without its cache; the cache starts empty"
			return 0
		fi
		known_loss "$S_name"
		R="$S_origin was used without its cache since, so the cache does not fit any more"
		S_hint="dmcache assemble --drop-cache $S_name"
		return $E_REFUSED
	fi
	[ "$S_kind" = label ] || return 0
	if [ -n "$K_of" ] && [ "$K_of" != "$S_uuid" ] && [ -z "$K_copy$NEW_LABELS$DROP" ] &&
		is_id "$S_origin" "$K_id"; then
		R="$S_origin was used with another cache since, that of the set $K_of"
		R="$R, so $S_cache does not fit any more"
		S_hint="attach that one; dmcache label --erase $S_cache, if it has no use"
		return $E_REFUSED
	fi
	[ "$S_state" = closed ] && [ "$S_crc" != - ] || return 0
	origin_sum
	[ "$R" != "$S_crc" ] || return 0
	if [ "$S_dirty" = 0 ]; then
		COLD=1
		warn "$S_name: $S_origin was written to without its cache; the cache starts empty"
	elif [ -n "$DROP" ]; then
		COLD=1
	else
		R="$S_origin was written to without its cache"
		R="$R, which holds $S_dirty blocks that it lacks"
		return $E_REFUSED
	fi
}

# assemble_cache: makes the device from members that were judged. Every step is on the undo list.
assemble_cache() {
	members_free || return $?
	check_origin || return $?
	if [ -n "$DROP" ]; then
		COLD=1
		known_loss "$S_name"
		[ "$K_dirty" != 0 ] || [ "$S_kind" != label ] || [ "$S_dirty" = 0 ] ||
			R="what only it has is lost (blocks by its label: $S_dirty)"
		warn "$S_name: the cache starts empty: $R"
	fi
	_state=$S_state _dirty=$S_dirty _crc=$S_crc
	may_be_dirty
	known_open "$_may" || return $?
	# The kernel's command line may ask for another mode.
	may_be_dirty
	if [ "$S_kind" = label ]; then
		case $_state in opening) _state=closed ;; closing) _state=closed _crc=- ;; esac
		# New ones go as a whole, by what create has on the list.
		[ -n "$NEW_LABELS" ] ||
			undo_add "relabel_back $_state $_dirty $_crc" \
				"the labels of $S_name may say that it runs" \
				"dmcache assemble $S_name"
		relabel opening $((S_gen + 1)) "$_dirty" "$_crc" || return 1
	fi
	slices || return 1
	[ -z "$COLD" ] || zero_metadata "$MAP_meta" || {
		R="$MAP_meta cannot be written"
		return 1
	}
	if [ "$S_kind" = label ]; then
		relabel open $((S_gen + 1)) $_may - || return 1
	fi
	cache_table "$MAP_meta" "$MAP_cache" "$MAP_origin"
	start_cache "$R" || return 1
	tell_allocate
}

# start_cache TABLE: of the set at hand. The kernel's own dm-cache refuses metadata with partial
# blocks: these are written back then, so that a machine starts without the module, too.
start_cache() {
	_table=$1
	dm_create "$S_name" "DMCACHE-$S_uuid" "$_table" && return 0
	_why=$R
	kernel_says
	_why="the kernel refuses the cache: ${_why%%"$NL"*}${R:+; its log says: $R}"
	if [ -z "$NEW_LABELS" ] && has_partial "$MAP_meta"; then
		S_hint="dmcache settle $S_name"
		if [ ! -d /sys/module/dm_cache_persistent_data ] && settle_refused; then
			dm_create "$S_name" "DMCACHE-$S_uuid" "$_table" && return 0
			_why="$_why; after its partial blocks were written back: ${R%%"$NL"*}"
		fi
	fi
	R=$_why
	return 1
}

# settle_refused: status 1: they stay, or some do
settle_refused() {
	settle_there || { warn "$S_name: $LIB/settle is missing"; return 1; }
	warn "$S_name: the dm-cache that is loaded refuses partial blocks: they are written back"
	settle_devices "$MAP_meta" "$MAP_cache" "$MAP_origin" || return 1
	human "$ST_sectors"
	warn "$S_name: $ST_settled partial blocks, $R, are on the origin now"
}

# may_be_dirty: 0 in _may if no block is dirty, and none can become dirty
may_be_dirty() {
	_may=unknown
	case $S_mode in writeback) ;; *) [ "$_dirty" != 0 ] && [ -z "$COLD" ] || _may=0 ;; esac
}

# assemble_alone: the origin without a cache, under the same name
assemble_alone() {
	if use_of "$S_origin"; then R="$S_origin: $R"; return $E_BUSY; fi
	dm_create "$S_name" "DMCACHE-$S_uuid" "0 $S_osize linear $S_origin $S_ostart"
}

# assemble_without: the same while the cache is missing. A label of the origin moves on, so that the
# cache is stale from then on.
assemble_without() {
	if use_of "$S_origin"; then R="$S_origin: $R"; return $E_BUSY; fi
	if [ "$S_kind" = label ] && [ "$S_ostart" != 0 ]; then
		S_members=
		get origin_member "$NEWEST"
		set_only_member "$R" || return $?
		undo_add "relabel_back closed 0 -" \
			"the label of $S_origin may say that it is in use" \
			"dmcache assemble $S_name"
		relabel opening $((S_gen + 1)) 0 - && relabel open $((S_gen + 1)) 0 - || return 1
	fi
	# From here on the content of the cache device is old, if it comes back.
	known_undo "$S_name"
	known_lone || { R="$STATE/$S_name cannot be written"; return 1; }
	assemble_alone
}

# known_lone: the origin of the set at hand is used alone. A set of the tab may have been one with
# labels.
known_lone() {
	known_read "$S_name" || K_of=
	_of=${K_of:-$S_uuid}
	ids_of "$S_origin"
	_alone=1
	[ -z "$DROP" ] || _alone=2
	known_say "$S_name" "$_of" 0 $_alone "$S_mode" "$S_bs" "${R%% *}" || in_initramfs
}

# lone_for_good: the tab, or the label of the origin, says that the set has no cache any more
lone_for_good() {
	if [ "$S_kind" = label ] && [ "$S_ostart" != 0 ]; then S_nocache=1; return 0; fi
	tab_undo "$S_name"
	if ! tab_find "$S_name"; then
		known_tab "$S_name" || {
			ids_of "$S_origin"
			R=${R%% *}
			T_origin=${R#PATH=} T_options=-
		}
	fi
	tab_write "$S_name $T_origin none - $T_options" "$S_name" || {
		R="$TAB cannot be written"
		return 1
	}
}

# origin_complete: is the origin known to be complete, though the cache is missing?
origin_complete() {
	[ -n "$S_origin" ] || return 1
	if [ "$S_kind" = label ]; then
		# Only the origin's own label may speak for it: it is the newest that there is.
		[ "$S_dirty" = 0 ] && { [ "$S_state" = closed ] || [ "$S_mode" != writeback ]; } ||
			return 1
		! known_read "$S_name" || [ -n "$K_copy" ] || [ "$K_of" != "$S_uuid" ] ||
			[ "$K_dirty" = 0 ]
	elif known_read "$S_name" && [ -z "$K_copy" ]; then
		known_complete
	else
		# By the tab it is always assembled so, and dmcache set changes no such one; a copy
		# must not say otherwise.
		[ "$S_mode" != writeback ] && { [ -z "$K_text" ] || [ "$K_dirty" = 0 ]; }
	fi
}

# assemble_one NAME: R says what was wrong, or what was made
assemble_one() {
	FOUND= S_hint= S_newid=
	if name_ok "$1"; then
		already "$1"
		case $? in 0) R="already there"; return 0 ;; "$E_BUSY") return $E_BUSY ;; esac
	fi
	S_why=
	set_find "$1"
	_st=$? _why=$R
	if [ -n "${S_name:-}" ] && [ "$S_name" != "$1" ] && already "$S_name"; then
		R="already there"
		return 0
	fi
	S_labelmode=${S_mode:-writeback}
	[ -z "${GIVEN:-}" ] || [ -z "${S_origin:-}" ] || origin_changed || :
	if [ $_st != 0 ]; then
		[ $_st = $E_MISSING ] && [ -n "$S_origin" ] && [ -n "$DEGRADED$DROP" ] || {
			R=$_why
			return $_st
		}
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
	_made=$R
	origin_noted
	R=$_made
}

# assemble_lone: makes the device without its cache, which is missing ($_why)
assemble_lone() {
	S_nocache=
	_lost=
	if [ -n "$DROP" ]; then
		known_loss "$S_name"
		_lost="; $R"
	else
		origin_complete || {
			known_loss "$S_name"
			R="$_why, and $S_origin alone is not known to be complete"
			return $E_MISSING
		}
	fi
	switch_mode || return $?
	[ -z "$DROP" ] || lone_for_good || return $?
	assemble_without || return $?
	undo_forget
	origin_noted
	R="made from the origin alone: $_why$_lost"
}

cmd_assemble() {
	FORCE= DEGRADED= DROP= GIVEN= _what= _names=
	while [ $# -gt 0 ]; do
		case $1 in
		--all) _what=all ;;
		--device)
			[ $# -gt 1 ] || usage_error "--device wants a device"
			_what=device _device=$2
			shift ;;
		--origin)
			[ $# -gt 1 ] || usage_error "--origin wants a device"
			GIVEN=$2
			shift ;;
		--force) FORCE=1 ;;
		--degraded) DEGRADED=1 ;;
		--drop-cache) DROP=1 ;;
		-*) usage_error "assemble: no option $1" ;;
		*) _names="$_names $1" ;;
		esac
		shift
	done
	[ -n "$_what$_names" ] || usage_error "assemble: name a set, or --all"
	[ -z "$DROP" ] || [ -z "$_what" ] ||
		usage_error "assemble: --drop-cache wants the name of one set"
	[ -z "$GIVEN" ] || case $_what$_names in
	' '*' '* | all* | device*) usage_error "assemble: --origin wants the name of one set" ;;
	esac
	lock
	tab_check || die $E_USAGE "$R" "correct that line: NAME ORIGIN CACHE METADATA OPTIONS"
	[ -z "$GIVEN" ] || { take_device "$GIVEN" "the origin"; GIVEN=$R; }
	case $_what in
	all) all_names auto; _names=$R ;;
	device) take_device "$_device" "the device"; _device=$R
		name_of_device "$_device" ||
			die $E_UNKNOWN "$_device is a member of no set" "dmcache list"
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
