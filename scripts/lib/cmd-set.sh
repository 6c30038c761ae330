# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# cmd-set.sh - dmcache set: mode, policy and tunables of a cache that runs, in its table and in its
# labels. All or nothing.

cmd_set() {
	NAME= W_mode= W_policy= W_keys=
	while [ $# -gt 0 ]; do
		case $1 in
		--mode)
			case ${2-} in
			writeback | writethrough | passthrough) W_mode=$2 ;;
			*) usage_error "--mode: writeback, writethrough or passthrough" ;;
			esac
			shift ;;
		--policy)
			case ${2-} in
			'' | -* | *[!A-Za-z0-9_-]*) usage_error "--policy wants a name" ;;
			esac
			W_policy=$2
			shift ;;
		-*) usage_error "set: no option $1" ;;
		*=*) tunable_ok "$1" || usage_error "set: '$1' is not key=value"
			W_keys="$W_keys $1" ;;
		*) take_name "$1" ;;
		esac
		shift
	done
	[ -n "$NAME" ] && [ -n "$W_mode$W_policy$W_keys" ] ||
		usage_error "set: a name, and --mode, --policy or key=value"
	SET_CLEAN="dmcache set $NAME --mode writethrough; dmcache flush $NAME; the same again"
	lock
	need_cache "$NAME"
	flush_free "$NAME"
	if [ "$W_mode" = passthrough ] && [ "$X_dirty" != 0 ]; then
		die $E_REFUSED "$NAME: $X_dirty blocks are dirty; for passthrough none may be" \
			"$SET_CLEAN"
	fi
	set_running "$NAME"
	origin_renew "$NAME"
	if [ "$W_mode" = writeback ] && [ "$X_mode" != writeback ]; then set_known_first; fi
	set_labels_first
	set_live
	[ "${W_mode:-writeback}" = writeback ] || clean_now "$NAME" "$W_mode"
	say "$NAME: done"
	set_tab_note
}

# set_known_first: blocks may become dirty soon: first no file may say any more that none is
set_known_first() {
	if tab_find "$NAME" && option "$T_options" degraded && [ "$R" = alone ] &&
		option "$T_options" mode && [ "$R" != writeback ]; then
		die $E_REFUSED \
			"$NAME: $TAB says mode $R: an initramfs would use the origin alone" \
			"change the line in $TAB; update-initramfs -u; the same command"
	fi
	known_undo "$NAME" "dmcache set $NAME --mode $X_mode"
	known_change "$NAME" unknown writeback || [ $? = 1 ] ||
		die $E_FAIL "$STATE/$NAME cannot be written" "df $STATE"
}

# set_running NAME: S_* of a running set; S_members is empty if it has no labels, or if they do not
# fit: S_why says why
set_running() {
	ANY_SIZE=1
	label_scan
	running_set "$1"
	S_members= S_origin= S_ostart=0 S_mode=writeback S_state=open S_crc=- S_dirty=unknown \
		S_gen=0 S_args= S_policy=default S_why=
	set_labels "$R" && set_from_labels || {
		S_st=$?
		[ -z "$S_members" ] || S_why=$R
		S_members=
	}
}

# set_arg KEY VALUE: in S_args
set_arg() {
	_out= _k=
	for _y in $S_args; do
		if [ -z "$_k" ]; then _k=$_y; continue; fi
		[ "$_k" = "$1" ] || _out="$_out${_out:+ }$_k $_y"
		_k=
	done
	S_args="$_out${_out:+ }$1 $2"
}

# set_labels_first: the same for the labels
set_labels_first() {
	[ -n "$S_members" ] || return 0
	B_mode=$S_mode B_policy=$S_policy B_args=$S_args B_dirty=$S_dirty
	S_labelmode=${W_mode:-$S_mode}
	if [ -n "$W_policy" ]; then
		# The tunables that are not of the policy stay.
		with_core_args '' "$S_args"
		S_policy=$W_policy S_args=$R
	fi
	for _x in $W_keys; do set_arg "${_x%%=*}" "${_x#*=}"; done
	_d=$S_dirty
	[ "$W_mode" != writeback ] || _d=unknown
	undo_add set_labels_back "the labels of $NAME may not say how it runs" \
		"dmcache set $NAME --mode $B_mode --policy $B_policy"
	relabel "$S_state" "$S_gen" "$_d" "$S_crc" || die $E_FAIL "$R" "dmesg | tail"
}
set_labels_back() {
	S_labelmode=$B_mode S_policy=$B_policy S_args=$B_args
	# It may have been writeback for a moment.
	dirty_of "$NAME"
	[ "$R" = 0 ] || B_dirty=unknown
	label_scan
	set_labels "$S_uuid" || return 1
	relabel "$S_state" "$S_gen" "$B_dirty" "$S_crc"
}

# set_live: the table, then the messages; each is on the undo list
set_live() {
	_old=$X_args _core=$X_core
	if [ -n "$W_mode$W_policy" ]; then
		table_with "$NAME" '' '' ''; W_back=$R
		table_with "$NAME" "$W_mode" "$W_policy" ''
		undo_add "dm_reload '$NAME' '$W_back'" \
			"$NAME may run with ${W_mode:+mode $W_mode }${W_policy:+policy $W_policy}" \
			"dmcache status $NAME; dmcache set $NAME --mode $X_mode --policy $X_policy"
		dm_reload "$NAME" "$R" || {
			_why=$R
			kernel_says
			_why=${R:-$_why}
			set_refused_next "$_why"
			die $E_FAIL "$NAME: refused: $_why" "$R"
		}
	fi
	for _x in $W_keys; do
		if value_of "${_x%%=*}" "$_core $_old"; then
			undo_add "set_message ${_x%%=*} $R" "${_x%%=*} of $NAME may be ${_x#*=}" \
				"dmcache set $NAME ${_x%%=*}=$R"
		fi
		set_message "${_x%%=*}" "${_x#*=}" || {
			_why=$R
			kernel_says
			die $E_FAIL "$NAME: ${_x%%=*} ${_x#*=} is refused: ${R:-$_why}" \
				"dmcache status $NAME shows the tunables of its policy"
		}
	done
}
# set_refused_next WHY: what to do about a table that the kernel did not take, in R. A file system
# that is mounted writes when the device is suspended for the change: in writeback mode, a block is
# dirty again then.
set_refused_next() {
	R="dmcache status $NAME"
	case $W_mode:$X_mode in passthrough:writeback) R=$SET_CLEAN ;; esac
	case $1 in
	*[Uu]"nknown policy"*)
		R="--policy default, smq or cleaner; man dmcache-create names all" ;;
	esac
}
set_message() { R=$(dmsetup message "$NAME" 0 "$1" "$2" 2>&1); }

set_tab_note() {
	if tab_find "$NAME" && { option "$T_options" mode || option "$T_options" policy; }; then
		say "note: from the next assembly on, its options in $TAB count: $T_options"
	elif [ -z "$S_members" ]; then
		say "note: it has no labels: from the next assembly on, its options in $TAB count"
	fi
}
