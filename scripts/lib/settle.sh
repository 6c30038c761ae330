# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# settle.sh - dmcache settle: writes the partial blocks of a set that is stopped back to its origin,
# so that any dm-cache module opens its cache. The program that does it needs none.

# settle_there: the program, in SETTLE
settle_there() {
	SETTLE=${DMCACHE_SETTLE:-$LIB/settle}
	[ -x "$SETTLE" ] || SETTLE=$LIB/../../tools/settle/build/dmcache-settle
	[ -x "$SETTLE" ]
}
settle_program() {
	settle_there ||
		die $E_FAIL "$LIB/settle is missing" \
			"install dmcache again, or make -C tools/settle"
}

# has_partial DEV: is that metadata with partial blocks? They are the highest bit of the
# superblock's incompatible features. Without its magic number, 0x18c403, it is no metadata.
has_partial() {
	R=$(dd if="$1" bs=8 skip=4 count=1 2> /dev/null | LC_ALL=C tr '\003\304\030\000' '1234')
	[ "$R" = 12344444 ] &&
		[ -n "$(dd if="$1" bs=256 count=1 2> /dev/null | tail -c 1 | tr -d '\000-\177')" ]
}

# settle_devices META CACHE ORIGIN: ST_partial ST_settled ST_dirty (blocks) ST_sectors ST_bs; status
# as the program's
settle_devices() {
	ST_partial=0 ST_settled=0 ST_dirty=unknown ST_sectors=0 ST_bs=0
	# It must not keep the lock if it outlives us.
	_out=$("$SETTLE" "$1" "$2" "$3" 9>&-)
	_st=$?
	# shellcheck disable=SC2086 # pairs
	set -- $_out
	while [ $# -ge 2 ]; do
		case $1 in
		partial) ST_partial=$2 ;;
		settled) ST_settled=$2 ;;
		dirty) ST_dirty=$2 ;;
		sectors) ST_sectors=$2 ;;
		block) ST_bs=$2 ;;
		esac
		shift 2
	done
	return $_st
}

# settle_said WHAT: what was done, and what is left to do
settle_said() {
	human "$ST_sectors"
	if [ "$ST_partial" = 0 ]; then
		say "$1: it has no partial blocks"
	else
		say "$1: $ST_settled partial blocks, $R, are on the origin now"
	fi
	[ "$ST_dirty" = 0 ] || {
		human $((ST_dirty * ST_bs))
		say "$1: whole blocks that count as dirty stay in the cache: $ST_dirty, $R"
	}
}

# settle_failed WHAT STATUS
settle_failed() {
	[ "$2" != 5 ] || die $E_BUSY "$1: its devices are in use" "dmcache status; lsblk"
	# Nothing could be read, so nothing was changed.
	[ "$2 $ST_partial" != "1 0" ] || {
		[ -z "$NAME" ] || settle_undo
		R="mend what is said above"
		[ -z "$NAME" ] || {
			R="$R; if that is not possible: dmcache assemble --drop-cache $NAME"
			R="$R (what only the cache has is lost)"
		}
		_why="$1: its partial blocks cannot be found, and nothing was changed"
		die $E_REFUSED "$_why" "$R"
	}
	die $E_FAIL "$1: $((ST_partial - ST_settled)) partial blocks stay as they were" \
		"mend what is said above, then the same again"
}

# settle_begin: the labels say, until it is done, that the origin may change
settle_begin() {
	ST_state=$S_state ST_crc=$S_crc S_labelmode=$S_mode
	[ "$S_kind" = label ] && [ "$S_crc" != - ] || return 0
	relabel "$S_state" $((S_gen + 1)) "$S_dirty" - || die $E_FAIL "$R" "dmesg | tail"
}

# settle_undo: the labels say again what the origin was like
settle_undo() {
	[ "$S_kind" = label ] && [ "$ST_crc" != - ] || return 0
	relabel "$ST_state" $((S_gen + 1)) "$S_dirty" "$ST_crc" || :
}

# settle_end: what is dirty now, in the labels and in what is known
settle_end() {
	_dirty=$((ST_dirty + ST_partial - ST_settled))
	known_read "$S_name" && [ "$K_of" = "$S_uuid" ] && known_change "$S_name" "$_dirty" || :
	[ "$S_kind" = label ] && [ "$ST_state" = closed ] || return 0
	_crc=-
	[ "$ST_crc" = - ] || { origin_sum; _crc=$R; }
	relabel closed $((S_gen + 1)) "$_dirty" "$_crc" || die $E_FAIL "$R" "dmcache settle $S_name"
	remember_origin
}

settle_set() {
	lock
	set_need "$1"
	! dm_exists "$S_name" ||
		die $E_BUSY "$S_name is running" \
			"dmcache stop $S_name, which writes partial blocks back"
	[ -n "$S_cache" ] || die $E_REFUSED "$S_name has no cache" "dmcache status $S_name"
	members_free || { _st=$? _why=$R; die $_st "$_why" "lsblk"; }
	DROP=
	check_origin || { _st=$? _why=$R; next_for $_st "$1"; die $_st "$S_name: $_why" "$R"; }
	[ -z "$COLD" ] ||
		die $E_REFUSED "$S_name: what its cache holds is older than its origin" \
			"dmcache assemble $S_name"
	slices || die $E_FAIL "$R" "dmesg | tail"
	has_partial "$MAP_meta" || {
		undo_all
		say "$S_name: it has no partial blocks"
		exit 0
	}
	settle_begin
	settle_devices "$MAP_meta" "$MAP_cache" "$MAP_origin"
	_st=$?
	[ $_st = 0 ] || settle_failed "$S_name" $_st
	settle_end
	undo_all
	settle_said "$S_name"
	exit 0
}

# settle_member DEV WHAT: its path in R; it has no label, or die
settle_member() {
	take_device "$1" "the $2"
	_path=$R
	if use_of "$_path"; then die $E_BUSY "the $2 $_path: $R" "lsblk $_path"; fi
	if label_read "$_path"; then
		get name "$R"
		die $E_REFUSED "the $2 $_path has a label of the set $R" "dmcache settle $R"
	fi
	R=$_path
}

cmd_settle() {
	NAME= ST_meta= ST_cache= ST_origin=
	while [ $# -gt 0 ]; do
		case $1 in
		--metadata | --cache | --origin)
			[ $# -gt 1 ] || usage_error "settle: $1 wants a device"
			case $1 in
			--metadata) ST_meta=$2 ;;
			--cache) ST_cache=$2 ;;
			*) ST_origin=$2 ;;
			esac
			shift ;;
		-*) usage_error "settle: no option $1" ;;
		*) take_name "$1" ;;
		esac
		shift
	done
	[ -z "$NAME" ] || [ -z "$ST_meta$ST_cache$ST_origin" ] ||
		usage_error "settle: a name, or devices"
	[ -n "$NAME" ] || { [ -n "$ST_meta" ] && [ -n "$ST_cache" ] && [ -n "$ST_origin" ]; } ||
		usage_error "settle: name a set, or --metadata, --cache and --origin"
	settle_program
	[ -z "$NAME" ] || settle_set "$NAME"
	lock
	settle_member "$ST_meta" "metadata device"; ST_meta=$R
	settle_member "$ST_cache" "cache device"; ST_cache=$R
	settle_member "$ST_origin" "origin"; ST_origin=$R
	settle_devices "$ST_meta" "$ST_cache" "$ST_origin" || settle_failed "$ST_origin" $?
	settle_said "$ST_origin"
}
