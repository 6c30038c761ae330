# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# live.sh - a cache that runs: its status line, its table with another mode or policy, the devices
# below it. doc/admin/status.md says what a status line holds.

# stat_of NAME: X_* of its status line. Status 1: not there; 2: it has no cache; 3: it has failed. R
# says so.
stat_of() {
	_line=$(dmsetup status --noflush "$1" 2> /dev/null) || { R="$1 is not running"; return 1; }
	# shellcheck disable=SC2086 # fields
	set -- $_line
	X_sectors=${2-0} X_dirty=
	[ "${3-}" = cache ] || { R="it has no cache"; return 2; }
	shift 3
	case ${1-} in
	Fail | Error) R="its metadata has failed: all I/O gets errors"; return 3 ;;
	esac
	[ $# -ge 15 ] || { R="its status cannot be read: $_line"; return 3; }
	X_mused=${2%/*} X_mtotal=${2#*/} X_bs=$3 X_used=${4%/*} X_total=${4#*/} X_rh=$5 X_rm=$6 \
		X_wh=$7 X_wm=$8 X_dem=$9
	shift 9
	X_prom=$1 X_dirty=$2 X_mode=writeback
	shift 2
	words_n "$@"; shift $(($1 + 1))
	for _x in $R; do case $_x in writethrough | passthrough) X_mode=$_x ;; esac; done
	words_n "$@"; shift $(($1 + 1))
	X_core=$R X_policy=$1
	shift
	words_n "$@"; shift $(($1 + 1))
	X_args=$R X_rw=$1 X_check=${2--}
}

# words_n N W1 ... WN ...: the N words in R
words_n() {
	_count_w=$1 R=
	while [ "$_count_w" -gt 0 ] && [ $# -gt 1 ]; do
		shift
		R="$R${R:+ }$1"
		_count_w=$((_count_w - 1))
	done
}

# count KEY: a number of the core's tunables in R; 0 if it is not there
count() { value_of "$1" "$X_core" && is_number "$R" || R=0; }

# What the core counts of writes that got no partial block, and why
REFUSALS="no_room no_free unaligned no_metadata not_wanted"

# members_of NAME: the devices below it, from its table and those of its slices, in L_origin L_cache
# L_meta; "ROLE MAJOR:MINOR ..." of the table itself in L_numbers
members_of() {
	# shellcheck disable=SC2046 # fields
	set -- $(dmsetup table "$1" 2> /dev/null)
	L_origin= L_cache= L_meta= L_numbers=
	case ${3-} in
	cache)
		L_numbers="metadata $4 cache $5 origin $6"
		below "$4"; L_meta=$R
		below "$5"; L_cache=$R
		below "$6"; L_origin=$R ;;
	linear)
		L_numbers="origin $4"
		below "$4"; L_origin=$R ;;
	esac
}
# below MAJOR:MINOR: the device of that number, or what is under it if that is a slice
below() {
	_sys=/sys/dev/block/$1
	if [ -e "$_sys/dm/uuid" ] && read_line "$_sys/dm/uuid" && is_slice "$R"; then
		for _x in "$_sys"/slaves/*; do _sys=/sys/class/block/${_x##*/}; done
	fi
	node_of "$_sys" || R=${_sys##*/}
}

# is_ours NAME: dies if the device of that name is not ours
is_ours() {
	need_root
	! dm_exists "$1" || already "$1" ||
		die $E_REFUSED "/dev/mapper/$1 was not made by dmcache" "dmcache list"
}

# failed_next NAME: what to do about a set whose metadata has failed, in R
failed_next() {
	R="dmesg; if the cache device is broken: dmcache detach --lost $1"
	R="$R; else umount it, dmcache stop $1; dmcache check $1"
}

# need_cache NAME: it runs and has a cache, or die; X_* are what its status says
need_cache() {
	is_ours "$1"
	stat_of "$1"
	case $? in
	0) ;;
	1) die $E_UNKNOWN "$1 is not running" "dmcache assemble $1" ;;
	2) die $E_REFUSED "$1 has no cache" "dmcache attach $1 --cache DEV" ;;
	*) _why=$R
		failed_next "$1"
		die $E_FAIL "$1: $_why" "$R" ;;
	esac
}

# with_core_args "KEY VALUE ..." FROM: these, and the tunables of the core that FROM has and they
# lack; in R
with_core_args() {
	_args=$1
	for _x in write_allocate migration_threshold; do
		if ! value_of $_x "$_args" && value_of $_x "$2"; then
			_args="$_x $R${_args:+ }$_args"
		fi
	done
	R=$_args
}

# table_with NAME MODE POLICY ARGS: its live table with another mode or policy (empty: as they are),
# in R. Tunables are those of its status (X_*, of stat_of): what messages changed is kept, and so
# are the tunables of the core, whatever the policy is then.
table_with() {
	_mode=$2 _policy=$3 _args=$4
	# shellcheck disable=SC2046 # fields
	set -- $(dmsetup table "$1" 2> /dev/null)
	[ "${3-}" = cache ] || return 1
	_head="$1 $2 $3 $4 $5 $6 $7"
	shift 7
	words_n "$@"
	_f= _n=0
	for _x in $R; do
		case $_x in writeback | writethrough | passthrough) continue ;; esac
		_f="$_f $_x" _n=$((_n + 1))
	done
	_f="$_f ${_mode:-$X_mode}" _n=$((_n + 1))
	[ -n "$_policy" ] || _policy=$X_policy _args=$X_args
	with_core_args "$_args" "$X_core"
	# shellcheck disable=SC2086 # words
	set -- $R
	R="$_head $_n$_f $_policy $#${*:+ $*}"
}
