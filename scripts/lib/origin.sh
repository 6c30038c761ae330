# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# origin.sh - the id by which labels, the tab and what is known last name an origin. One of its file
# system (UUID=, LABEL=) is another one after mkfs, pvcreate or tune2fs -U: it is renewed here, for
# all commands.

# best_id DEV: its id for a label, in R: the best that no other device has. A path is not better
# than an id that a copy has, too: it may name the copy at the next boot. Status 1: a copy has each;
# one of them is in COPY; 2: it has none
best_id() {
	COPY=
	ids_of "$1"
	_all=$R
	[ -n "$R" ] || return 2
	for _id in $_all; do
		case $COPY$_id in ?*PATH=*) continue ;; esac
		spec_devices "$_id"
		case $R in *"$NL"?*) ;; *) R=$_id; return 0 ;; esac
		while IFS= read -r _d; do
			[ -z "$_d" ] || same_device "$_d" "$1" || COPY=$_d
		done << END
$R
END
	done
	R=${_all%% *}
	return 1
}

# live_origin: if the set at hand runs, the origin in its table, in R: that is the one, whatever its
# id is now. Status 1: it does not run, or its origin has a label, which tells
live_origin() {
	already "$S_name" || return 1
	[ "$S_kind" = tab ] || { running_set "$S_name"; [ "$R" = "$S_uuid" ]; } || return 1
	# shellcheck disable=SC2046 # fields
	set -- $(dmsetup table "$S_name" 2> /dev/null)
	case ${3-} in
	cache) set -- "$6" ;;
	linear) [ "$5" = 0 ] || return 1
		set -- "$4" ;;
	*) return 1 ;;
	esac
	if read_line "/sys/dev/block/$1/dm/uuid"; then
		case $R in DMCACHE-*) return 1 ;; esac
	fi
	node_of "/sys/dev/block/$1"
}

# origin_device SPEC: the device of the origin, in R, or why there is none. GIVEN, of assemble
# --origin, counts if SPEC names none.
origin_device() {
	! live_origin || return 0
	member_device origin "$1"
	_st=$? _dev=$R
	[ -n "${GIVEN:-}" ] || return $_st
	case $_st in
	0) same_device "$_dev" "$GIVEN" || {
			R="its origin ($1) is there: $_dev, not $GIVEN"
			return $E_REFUSED
		}
		R=$_dev ;;
	"$E_MISSING")
		label_read "$GIVEN"
		[ $? = 1 ] || { R="$GIVEN has a label of dmcache"; return $E_REFUSED; }
		R=$GIVEN ;;
	*) return $_st ;;
	esac
}

# id_lost ID: is it one of a file system that S_origin had before?
id_lost() {
	case $1 in UUID=* | LABEL=*) ;; *) return 1 ;; esac
	! is_id "$S_origin" "$1"
}

# origin_changed: do labels (N_label), the tab (N_tab) or what is known (N_known) of the set at hand
# name S_origin by such an id? Its best one is in S_newid then. Status 1: no
origin_changed() {
	S_newid= N_label= N_tab= N_known=
	[ -n "$S_origin" ] && [ "$S_ostart" = 0 ] || return 1
	# What was read of it is old: what the set writes to it goes past that.
	blockdev --flushbufs "$S_origin" 2> /dev/null
	! id_lost "$S_oid" || N_label=1
	# A line that names another device was changed on purpose.
	if tab_find "$S_name" && id_lost "$T_origin"; then
		spec_devices "$T_origin"
		if [ -z "$R" ] || [ "$T_origin" = "$S_oid" ]; then N_tab=1; fi
	fi
	if known_read "$S_name" && [ -n "$K_of" ] && id_lost "$K_id"; then N_known=1; fi
	[ -n "$N_label$N_tab$N_known" ] || return 1
	# One that a copy has, too, is better than one that no device has.
	best_id "$S_origin" || [ $? = 1 ] || return 1
	S_newid=$R
}

# origin_noted: the labels have S_newid: the tab and what is known get it
origin_noted() {
	[ -n "$S_newid" ] || return 0
	if [ -n "$N_tab" ] && tab_find "$S_name"; then
		N_line="$S_name ${S_newid#PATH=} $T_cache $T_metadata $T_options"
		tab_write "$N_line" "$S_name" || {
			R="$TAB cannot be written, and does not name the origin of $S_name any more"
			warn "$R; next: make it: $N_line"
		}
	fi
	[ -z "$N_known" ] || ! known_read "$S_name" ||
		known_say "$S_name" "$K_of" "$K_dirty" "$K_alone" "$K_mode" "$K_bs" "$S_newid" || :
	[ -n "$N_label" ] || return 0
	file_of "$S_oid"
	rm -f "$R"
	S_oid=$S_newid
	remember_origin
}

# origin_renew NAME: the same for one that runs, its labels first
origin_renew() {
	[ -n "$S_members" ] || {
		S_name=$1 S_kind=tab S_oid= S_ostart=0
		live_origin || return 0
		S_origin=$R
	}
	origin_changed || return 0
	[ -z "$N_label" ] || origin_relabel || {
		warn "$1: $R, and names no origin; next: dmcache flush $1"
		return 0
	}
	origin_noted
}
origin_relabel() {
	S_gen=$((S_gen + 1))
	labels_each origin_words
}
origin_words() {
	put "$_l" origin_id "$S_newid"
	put "$R" generation "$S_gen"
}
