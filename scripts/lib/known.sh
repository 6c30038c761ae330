# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# known.sh - what was known last of each set: is its origin complete without the cache? For when the
# cache device, whose label says that, is gone for good.
#
# It is kept in $STATE/NAME beside the tab, on the root filesystem, which can be written to before
# any other is mounted. Before the cache runs in writeback mode, "may be dirty" is written there; it
# stays until the set was stopped or cleaned. So an old file may say that too much is lost, never
# too little. If $RUN/known/NAME exists, it is the same for this boot, and counts instead: an
# initramfs has an older copy of $STATE only, which is not trusted.
#
# Of the set that was read: K_of (its UUID) K_dirty (0: complete) K_mode K_bs K_id (of the origin)
# K_since K_alone (1: the origin is in use without the cache since then, and was complete; 2: the
# cache was given up then) K_copy (1: the copy of an initramfs)

STATE=${DMCACHE_STATE:-$TAB.state}
KNOWN_MAGIC="dm-cache known "
# Where initramfs-tools and dracut say that this is one
in_initramfs() {
	[ -e "${DMCACHE_ROOT:-}/etc/initrd-release" ] ||
		[ -e "${DMCACHE_ROOT:-}/conf/initramfs.conf" ]
}

# known_read NAME: status 1: nothing is known of it
known_read() {
	K_of= K_dirty=unknown K_mode=writeback K_bs=128 K_id= K_since=0 K_alone=0 K_copy= K_text=
	name_ok "$1" || return 1
	if [ -e "$RUN/known/$1" ]; then
		K_text=$(cat "$RUN/known/$1" 2> /dev/null)
	elif [ -e "$STATE/$1" ]; then
		K_text=$(cat "$STATE/$1" 2> /dev/null)
		! in_initramfs || K_copy=1
	else
		return 1
	fi
	# A damaged file does not say that the origin is complete.
	known_words "$K_text" || return 0
	get of "$R"; _of=$R
	for _k in dirty mode bs id since alone; do
		get "$_k" "$K_words" && eval "K_$_k=\$R"
	done
	K_of=$_of
}
known_words() {
	text_words "$KNOWN_MAGIC" "$1$NL" || return 1
	K_words=$R
	for _k in of dirty mode bs id since alone; do get "$_k" "$K_words" || return 1; done
	get since "$K_words" && is_number "$R" && R=$K_words
}

# known_put NAME WORDS: for good. Status 1: not beside the tab, where nothing wrong is said; 2:
# where something wrong stays
known_put() {
	text_of "$KNOWN_MAGIC" "$2" || return 1
	_text=$R
	# Without it, what is beside the tab counts.
	mkdir -p "$RUN/known" 2> /dev/null && file_put "$RUN/known/$1" "$_text" ||
		rm -f "$RUN/known/$1"
	mkdir -p "$STATE" 2> /dev/null && file_put "$STATE/$1" "$_text" && return 0
	get dirty "$2"
	[ "$R" != 0 ] && [ -e "$STATE/$1" ] && known_words "$(cat "$STATE/$1" 2> /dev/null)" &&
		get dirty "$R" && [ "$R" = 0 ] || return 1
	return 2
}

# known_say NAME OF DIRTY ALONE MODE BLOCK-SIZE ORIGIN-ID: K_since stays as long as it is incomplete
known_say() {
	known_read "$1" || :
	_since=$K_since
	[ "$K_of" = "$2" ] && [ "$K_dirty" != 0 ] && [ "$3" != 0 ] || _since=$(date +%s)
	known_put "$1" " of=$2 dirty=$3 alone=$4 mode=$5 bs=$6 id=${7:--} since=${_since:-0} "
}
# known_set DIRTY [ALONE]: of the set at hand
known_set() {
	_id=${S_newid:-${S_oid:-}}
	[ -n "$_id" ] || { ids_of "$S_origin"; _id=${R%% *}; }
	known_say "$S_name" "$S_uuid" "$1" "${2:-0}" "$S_mode" "$S_bs" "$_id"
}
# known_change NAME DIRTY [MODE]: of one that runs, or has just been stopped
known_change() {
	known_read "$1" && [ -n "$K_of" ] || return 1
	known_say "$1" "$K_of" "$2" "$K_alone" "${3:-$K_mode}" "$K_bs" "$K_id"
}

# known_undo NAME [NEXT]: what was known is known again if a later step fails
known_undo() {
	known_read "$1" || :
	K_before=$K_text
	undo_add "known_back '$1'" "$STATE/$1 may say that blocks of $1 are dirty" \
		"${2:-dmcache assemble $1; dmcache stop $1}"
}
known_back() {
	if [ -n "$K_before" ]; then
		known_words "$K_before" && known_put "$1" "$R"
	else
		rm -f "$RUN/known/$1" "$STATE/$1"
	fi
}

# known_open: before the cache of the set at hand is there: $1 as for its label. If it cannot be
# written down that blocks may become dirty where it says that none is, none may become so.
known_open() {
	known_undo "$S_name"
	known_set "$1"
	case $? in
	0 | 1) return 0 ;;
	esac
	[ "$_dirty" = 0 ] || [ -n "$COLD" ] || {
		R="$STATE/$S_name says that $S_origin is complete, and cannot be written"
		return 1
	}
	R="$S_name: $STATE/$S_name cannot be written: in writethrough mode this time"
	warn "$R; next, when it can: dmcache set $S_name --mode writeback"
	S_mode=writethrough
}

# known_complete: does what was read say that S_origin has everything?
known_complete() {
	[ -z "$K_copy" ] && [ "$K_dirty" = 0 ] || return 1
	case $K_id in -* | PATH=*) ;; *) is_id "$S_origin" "$K_id" || return 1 ;; esac
}

# known_loss NAME: what is lost without the cache, in R
known_loss() {
	known_read "$1" || { R="what only it has is lost, and it is not known how much"; return; }
	_when=$(date -d "@$K_since" '+%Y-%m-%d %H:%M:%S' 2> /dev/null) || _when="@$K_since"
	case $K_dirty in
	0) R="nothing is lost: all was on the origin at $_when" ;;
	unknown)
		R="all is lost that was written since $_when and was not on the origin yet"
		R="$R, as it was in use in writeback mode"
		;;
	*)
		human $((K_dirty * K_bs))
		R="$K_dirty blocks, $R, are lost, which it has had alone since $_when" ;;
	esac
	[ -z "$K_copy" ] || R="$R (as this initramfs knows it, which may be older than what is so)"
}

# known_tab NAME: as a line of the tab, in T_*: of a set that has none, and whose labels are gone
known_tab() {
	known_read "$1" && [ -n "$K_of" ] && [ "$K_id" != - ] || return 1
	T_origin=${K_id#PATH=} T_cache=- T_metadata=- T_options=-
}

# dirty_of NAME: blocks that only the cache has, in R; unknown if the status does not tell
dirty_of() {
	# shellcheck disable=SC2046 # fields
	set -- $(dmsetup status --noflush "$1" 2> /dev/null)
	R=unknown
	[ $# -lt 14 ] || ! is_number "${14}" || R=${14}
}

# clean_now: of one that runs, in another mode than writeback: with no dirty block its origin is
# complete, and stays so
clean_now() {
	dirty_of "$1"
	[ "$R" != 0 ] || known_change "$1" 0 "${2-}" || :
}

# cmd_remember: what an initramfs noted, beside the tab, before what is mounted can write to a set
cmd_remember() {
	[ $# = 0 ] || usage_error "remember: too many words"
	lock
	WORST=0
	for _f in "$RUN"/known/*; do
		[ -e "$_f" ] || continue
		NAME=${_f##*/}
		known_read "$NAME" && [ "$(cat "$STATE/$NAME" 2> /dev/null)" != "$K_text" ] &&
			known_words "$K_text" || continue
		known_put "$NAME" "$R" || {
			warn "$STATE/$NAME cannot be written; next: mount -o remount,rw /"
			WORST=1
		}
	done
	exit $WORST
}
