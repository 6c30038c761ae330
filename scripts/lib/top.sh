# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# top.sh - dmcache top: the status of one running cache again and again, as rates.

cmd_top() {
	NAME= T_every=1 T_count=
	while [ $# -gt 0 ]; do
		case $1 in
		--interval)
			is_number "${2-}" && [ "$2" -gt 0 ] ||
				usage_error "--interval wants seconds"
			T_every=$2
			shift ;;
		--count)
			is_number "${2-}" && [ "$2" -gt 0 ] || usage_error "--count wants a number"
			T_count=$2
			shift ;;
		-*) usage_error "top: no option $1" ;;
		*) take_name "$1" ;;
		esac
		shift
	done
	[ -n "$NAME" ] || { running_names; NAME=${R%% *}; }
	[ -n "$NAME" ] || die $E_UNKNOWN "nothing is running" "dmcache assemble --all"
	need_name "$NAME"
	need_cache "$NAME"
	T_clear=
	[ ! -t 1 ] || T_clear=$(printf '\033[H\033[J')
	while [ "${T_count:-1}" -gt 0 ]; do
		T_rh=$X_rh T_rm=$X_rm T_wh=$X_wh T_wm=$X_wm T_prom=$X_prom T_dem=$X_dem
		sleep "$T_every"
		need_cache "$NAME"
		top_page
		[ -z "$T_count" ] || T_count=$((T_count - 1))
	done
}

top_page() {
	printf '%s%s  %s, policy %s, every %s s\n' "$T_clear" "$NAME" "$X_mode" "$X_policy" \
		"$T_every"
	# A new table counts demotions and promotions from 0.
	[ "$X_prom" -ge "$T_prom" ] && [ "$X_dem" -ge "$T_dem" ] || T_prom=$X_prom T_dem=$X_dem
	_r=$((X_rh - T_rh + X_rm - T_rm)) _w=$((X_wh - T_wh + X_wm - T_wm))
	row_bar "read hits" $((X_rh - T_rh)) $_r "$((_r / T_every)) reads/s"
	row_bar "write hits" $((X_wh - T_wh)) $_w "$((_w / T_every)) writes/s"
	row_bar used "$X_used" "$X_total" "$X_used of $X_total blocks"
	at_risk "$X_dirty" "$X_bs"
	row_bar dirty "$X_dirty" "$X_total" "$R"
	row moved "$(((X_prom - T_prom) / T_every)) blocks/s in, $(((X_dem - T_dem) / T_every)) out"
}
