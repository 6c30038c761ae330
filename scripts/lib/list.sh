# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# list.sh - dmcache list, and dmcache option for what runs at boot.

cmd_option() {
	[ $# = 2 ] || usage_error "option: wants a name and an option"
	tab_find "$1" && option "$T_options" "$2" || exit 1
	echo "$R"
}

# sets_and_running: " a b " in _sets, those that run in _running
sets_and_running() {
	all_names; _sets=$R
	running_names; _running=" $R "
	# A set that runs, and that neither the tab nor a label names any more.
	for _x in $_running; do case $_sets in *" $_x "*) ;; *) _sets="$_sets$_x " ;; esac; done
}

cmd_list() {
	case ${1-} in '' | --names) ;; *) usage_error "list: no option $1" ;; esac
	tab_check || warn "$R"
	sets_and_running
	if [ -n "${1-}" ]; then
		for _x in $_sets; do echo "$_x"; done
		exit 0
	fi
	[ "$_sets" != ' ' ] || { say "no sets"; exit 0; }
	for NAME in $_sets; do list_one; done
	[ -z "$DAMAGED" ] || printf '%s' "$DAMAGED"
}

list_one() {
	case $_running in *" $NAME "*) _runs=running ;; *) _runs=stopped ;; esac
	set_find "$NAME"
	_st=$? _why=$R
	if [ $_st = 0 ]; then
		human "$S_osize"
		printf '%-16s %-8s %s on %s' "$NAME" $_runs "$R" "$S_origin"
		if [ -n "$S_cache" ]; then
			human "$S_clen"
			printf ', cache %s on %s, %s' "$R" "$S_cache" "$S_mode"
		else
			printf ', no cache'
		fi
		[ "$_runs" = running ] || [ "$S_kind" != label ] ||
			printf ', %s dirty blocks' "$S_dirty"
		echo
	else
		printf '%-16s %-8s %s\n' "$NAME" $_runs "$_why"
	fi
}
