# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# tab.sh - /etc/dmcachetab, and which device is meant by UUID=, PARTUUID= and the like.

# A last line may lack its end.

# tab_find NAME: T_origin T_cache T_metadata T_options; status 1: not there
tab_find() {
	T_origin= T_cache= T_metadata= T_options=
	[ -e "$TAB" ] || return 1
	while read -r _name _o _c _m _opt _rest || [ -n "$_name" ]; do
		case $_name in '' | \#*) continue ;; esac
		[ "$_name" = "$1" ] || continue
		T_origin=$_o T_cache=${_c:--} T_metadata=${_m:--} T_options=${_opt:--}
		return 0
	done < "$TAB"
	return 1
}

# tab_names: all, one a line in R
tab_names() {
	_names=
	[ -e "$TAB" ] && while read -r _name _rest || [ -n "$_name" ]; do
		case $_name in '' | \#*) ;; *) _names="$_names$_name$NL" ;; esac
	done < "$TAB"
	R=$_names
}

# tab_check: every line; the first that is wrong ends it, with its number
tab_check() {
	_n=0 _seen=' ' _specs="UUID=, PARTUUID=, LABEL=, PARTLABEL="
	[ -e "$TAB" ] || return 0
	while read -r _name _o _c _m _opt _rest || [ -n "$_name" ]; do
		_n=$((_n + 1))
		case $_name in '' | \#*) continue ;; esac
		R=
		name_ok "$_name" || R="'$_name' cannot be a name"
		case $_seen in *" $_name "*) R="'$_name' is there twice" ;; esac
		_seen="$_seen$_name "
		[ -n "$_o" ] || R="no origin"
		[ -z "$_rest" ] || R="more than five words"
		[ -n "$R" ] || { spec_ok "$_o" && { [ "$_o" != - ] && [ "$_o" != none ]; }; } ||
			R="origin '$_o' is neither a path nor $_specs"
		[ -n "$R" ] || spec_ok "${_c:--}" ||
			R="cache '$_c' is neither a path nor $_specs, - or none"
		[ -n "$R" ] || spec_ok "${_m:--}" ||
			R="metadata '$_m' is neither a path nor $_specs or -"
		[ -n "$R" ] || options_parse "${_opt:--}" || R="options: $R"
		[ -z "$R" ] || { R="$TAB, line $_n: $R"; return 1; }
	done < "$TAB"
}

# spec_ok SPEC: blanks and the like in it are written as in fstab: \040
spec_ok() {
	unescape "$1"
	_s=$R R=
	case $_s in
	*"$NL"*) return 1 ;;
	- | none | /*) ;;
	UUID=?* | PARTUUID=?* | LABEL=?* | PARTLABEL=?* | DMUUID=?* | SERIAL=?*) ;;
	*) return 1 ;;
	esac
}

# option WORDS KEY: R = value of a comma-separated option, 1 for a word without one; status 1: not
# there
option() {
	case ,$1, in
	*",$2="*) R=",$1,"; R=${R#*",$2="}; R=${R%%,*} ;;
	*",$2,"*) R=1 ;;
	*) R=; return 1 ;;
	esac
}

# options_parse WORDS: O_mode O_policy O_block O_features O_args ("key value ..."), empty if not
# given. Status 1: R says what is wrong.
options_parse() {
	O_mode= O_policy= O_block= O_features= O_args=
	[ "$1" != - ] || return 0
	_left=$1,
	while [ -n "$_left" ]; do
		_w=${_left%%,*}
		_left=${_left#*,}
		case $_w in
		'' | noauto | nofail | _netdev | auto | x-*) ;;
		mode=writeback | mode=writethrough | mode=passthrough) O_mode=${_w#*=} ;;
		degraded=wait | degraded=alone | degraded=fail) ;;
		block-size=*)
			parse_size "${_w#*=}" && block_size_ok "$R" || {
				R="$_w: a multiple of 32K, at most 1G"
				return 1
			}
			O_block=$R ;;
		policy=*) case ${_w#*=} in '' | *[!A-Za-z0-9_-]*) R="$_w"; return 1 ;; esac
			O_policy=${_w#*=} ;;
		no_discard_passdown | no-discard-passdown) O_features=no_discard_passdown ;;
		metadata1) O_features="$O_features" O_format=1 ;;
		mode=* | degraded=*) R="$_w is not known"; return 1 ;;
		*=*) tunable_ok "$_w" || { R="$_w"; return 1; }
			O_args="$O_args ${_w%%=*} ${_w#*=}" ;;
		*) R="$_w is not known"; return 1 ;;
		esac
	done
	O_args=${O_args# } R=
}

block_size_ok() { [ "$1" -ge 64 ] && [ "$1" -le 2097152 ] && [ $(($1 % 64)) = 0 ]; }

# tab_write LINE NAME: the tab with LINE in the place of NAME's; an empty LINE removes it. The old
# file is there until the new one is whole.
tab_write() {
	# What is not there need not go: that works on a full disk too.
	[ -n "$1" ] || (tab_find "$2") || return 0
	_new=$TAB.new.$$ _whole=1
	{
		_done=
		[ -e "$TAB" ] && while IFS= read -r _l || [ -n "$_l" ]; do
			# shellcheck disable=SC2086 # words of a line; a # makes it a comment anyway
			_key=${_l#"${_l%%[! 	]*}"}
			_key=${_key%%[ 	]*}
			if [ "$_key" = "$2" ]; then
				[ -z "$1" ] || printf '%s\n' "$1" || _whole=
				_done=1
			else
				printf '%s\n' "$_l" || _whole=
			fi
		done < "$TAB"
		[ -n "$_done" ] || [ -z "$1" ] || printf '%s\n' "$1" || _whole=
	} 2> /dev/null > "$_new" || _whole=
	# Some know no sync of a single file.
	if [ -n "$_whole" ] && { sync "$_new" 2> /dev/null || sync; } && mv "$_new" "$TAB"; then
		return 0
	fi
	rm -f "$_new"
	return 1
}

# tab_undo NAME: its line as it is now is put back if a later step fails
tab_undo() {
	U_line=
	! tab_find "$1" || U_line="$1 $T_origin $T_cache $T_metadata $T_options"
	undo_add "tab_write \"\$U_line\" '$1'" "the line of $1 in $TAB is not as it was" \
		"make it: ${U_line:-no line of $1}"
}

# ----- which device is which -----

# unescape TEXT [x]: R = it with \ooo (octal, as in fstab) as the character it means, and with x
# \xHH, as udev writes it
unescape() {
	R= _in=$1
	while case $_in in *\\*) true ;; *) false ;; esac; do
		R=$R${_in%%\\*}
		_in=${_in#*\\}
		case $_in${2-} in
		[0-3][0-7][0-7]*) _o=${_in%"${_in#???}"} _in=${_in#???} ;;
		x[0-9a-fA-F][0-9a-fA-F]*x)
			_o=${_in#x} _in=${_in#???}
			_o=$(printf '%03o' $((0x${_o%"$_in"}))) ;;
		*) R=$R\\; continue ;;
		esac
		_o=$(printf "\\$_o.")
		R=$R${_o%.}
	done
	R=$R$_in
}

# plain TEXT: R = it, with what a label cannot hold as _
plain() {
	R=$1
	case $R in *[!A-Za-z0-9._+:=/@-]*) ;; *) return ;; esac
	R= _in=$1
	while [ -n "$_in" ]; do
		_c=${_in%"${_in#?}"}
		_in=${_in#?}
		case $_c in [A-Za-z0-9._+:=/@-]) R=$R$_c ;; *) R=${R}_ ;; esac
	done
}

# ids_of DEV: what can tell it from others, best first, words in R. Within a udev rule from the
# environment, with no fork.
ids_of() {
	_ids= _d=$1
	sysfs_of "$_d" || return 1
	_sys=$R
	_part=${ID_PART_ENTRY_UUID:-} _fs=${ID_FS_UUID:-}
	if [ -z "${DEVLINKS:-}" ] || [ -z "${IN_PROBE:-}" ]; then
		_part=$(blkid -c /dev/null -o value -s PARTUUID "$_d" 2> /dev/null)
		_fs=$(blkid -p -o value -s UUID "$_d" 2> /dev/null)
	fi
	# For a whole disk udev's ID_PART_ENTRY_UUID is not set; a partition's own is.
	[ -z "$_part" ] || [ ! -e "$_sys/partition" ] || _ids="PARTUUID=$_part"
	if [ -e "$_sys/dm/uuid" ] && read_line "$_sys/dm/uuid" && [ -n "$R" ]; then
		plain "$R"
		_ids="$_ids DMUUID=$R"
	fi
	for _f in wwid device/wwid serial device/serial; do
		[ ! -e "$_sys/partition" ] && [ -e "$_sys/$_f" ] && read_line "$_sys/$_f" &&
			[ -n "$R" ] || continue
		plain "$R"
		_ids="$_ids SERIAL=$R"
		break
	done
	if [ -n "$_fs" ]; then
		plain "$_fs"
		_ids="$_ids UUID=$R"
	fi
	# That of device-mapper with a name that is not plain has no path that stays.
	node_of "$_sys" || R=$_d
	case $R in */dm-[0-9]*) ;; *) plain_ok "$R" && _ids="$_ids PATH=$R" ;; esac
	R=${_ids# }
}

# is_id DEV SPEC: is it that device?
is_id() {
	case $2 in
	/*) unescape "$2"; same_device "$1" "$R" ;;
	PATH=*) same_device "$1" "${2#PATH=}" ;;
	LABEL=* | PARTLABEL=*)
		unescape "${2#*=}"
		[ "$(blkid -c /dev/null -o value -s "${2%%=*}" "$1" 2> /dev/null)" = "$R" ] ;;
	*) ids_of "$1" && case " $R " in *" $2 "*) true ;; *) false ;; esac ;;
	esac
}

# spec_devices SPEC: those that it names, one a line in R; the cached devices themselves do not
# count
spec_devices() {
	case $1 in
	/* | PATH=*) unescape "${1#PATH=}"
		if [ -b "$R" ] && path_of "$R"; then R=$R$NL; else R=; fi
		return ;;
	esac
	case $1 in
	DMUUID=* | SERIAL=*) block_devices; _found=$R ;;
	*) unescape "$1"; _found=$(blkid -c /dev/null -o device -t "$R" 2> /dev/null)$NL ;;
	esac
	_list=
	while IFS= read -r _d; do
		[ -n "$_d" ] && path_of "$_d" || continue
		_d=$R
		sysfs_of "$_d" || continue
		_sys=$R
		if [ -e "$_sys/dm/uuid" ] && read_line "$_sys/dm/uuid"; then
			case $R in DMCACHE-*) continue ;; esac
		fi
		case $1 in DMUUID=* | SERIAL=*) is_id "$_d" "$1" || continue ;; esac
		_list="$_list$_d$NL"
	done << END
$_found
END
	R=$_list
	case $R in *"$NL"?*) unheld "$R" ;; esac
}

# unheld LIST: of several, those that are not a part of something bigger (paths of a multipath
# device, legs of a mirror)
unheld() {
	_some=
	while IFS= read -r _d; do
		[ -n "$_d" ] || continue
		holders_of "$_d" && [ -n "$R" ] && ! our_holder "$R" && continue
		_some="$_some$_d$NL"
	done << END
$1
END
	R=${_some:-$1}
}

# our_holder "dm-3 ...": is one of them a device of a set?
our_holder() {
	for _x in $1; do
		read_line "/sys/class/block/$_x/dm/uuid" || continue
		case $R in DMCACHE-*) return 0 ;; esac
	done
	return 1
}

# spec_device SPEC WHAT: R = the one device. Status 3: none there; 4: several (R says which)
spec_device() {
	spec_devices "$1"
	case $R in
	'') return $E_MISSING ;;
	*"$NL"?*)
		_n=
		while IFS= read -r _d; do _n="$_n${_d:+ $_d}"; done << END
$R
END
		R="$2 $1 is there more than once:$_n"
		return $E_REFUSED ;;
	esac
	R=${R%"$NL"}
}
