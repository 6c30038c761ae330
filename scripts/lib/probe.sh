# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# probe.sh - dmcache probe, for udev: is a device a member?

# clean_of WORDS: 1 in R if the origin may be used alone
clean_of() {
	get dirty "$1"; _x=$R
	get state "$1"
	case $R:$_x in closed:0 | detached:0) R=1 ;; *) R=0 ;; esac
}

probe_label() {
	_w=$1
	get state "$_w"
	if [ "$R" = detached ]; then
		echo DMCACHE_DETACHED=1
		remember "$_w"
		return
	fi
	probe_lines "$_w" label
	get role "$_w"
	[ "$R" = origin ] || {
		get origin_member "$_w"
		[ "$R" != - ] || { get origin_id "$_w"; echo "DMCACHE_ORIGIN_ID=$R"; }
		remember "$_w"
	}
}

# probe_lines WORDS SOURCE [ROLE]
probe_lines() {
	for _k in set:SET name:NAME role:ROLE generation:GENERATION state:STATE; do
		get "${_k%:*}" "$1"
		[ -z "${3-}" ] || [ "${_k%:*}" != role ] || R=$3
		echo "DMCACHE_${_k#*:}=$R"
	done
	clean_of "$1"
	echo "DMCACHE_CLEAN=$R"
	echo "DMCACHE_SOURCE=$2"
}

cmd_probe() {
	[ $# = 1 ] || usage_error "probe: name one device"
	IN_PROBE=1
	path_of "$1" && set -- "$R" && sysfs_of "$1" ||
		die $E_MISSING "there is no block device $1" "lsblk"
	if [ -e "$R/dm/uuid" ] && read_line "$R/dm/uuid"; then
		case $R in DMCACHE-*) exit 0 ;; esac
	fi
	label_read "$1"
	case $? in
	0) probe_label "$R"; exit 0 ;;
	2 | 3) echo DMCACHE_ROLE=damaged; echo DMCACHE_CLEAN=0; echo DMCACHE_SOURCE=label; exit 0 ;;
	esac
	if [ -e "$TAB" ] && probe_tab "$1"; then exit 0; fi
	[ -d "$RUN/origin" ] || exit 0
	ids_of "$1"
	for _x in $R; do
		file_of "$_x"
		[ -e "$R" ] && read_line "$R" && { probe_lines "$R" member origin; exit 0; }
	done
	exit 0
}

# probe_tab DEV: does a line name it?
probe_tab() {
	ids_of "$1" || return 1
	_ids=$R
	unescape "${ID_FS_LABEL_ENC:-${ID_FS_LABEL:-?}}" x; plain "$R"; _ids="$_ids LABEL=$R"
	unescape "${ID_PART_ENTRY_NAME:-?}" x; plain "$R"; _ids=" $_ids PARTLABEL=$R "
	_dev=$1
	while read -r _n _o _c _m _opt _rest || [ -n "$_n" ]; do
		case $_n in '' | \#*) continue ;; esac
		_role=
		for _pair in "origin $_o" "cache ${_c:--}" "metadata ${_m:--}"; do
			case ${_pair#* } in
			- | none) continue ;;
			/*) case " ${DEVLINKS:-} " in
				*" ${_pair#* } "*) ;;
				*) unescape "${_pair#* }"; same_device "$_dev" "$R" || continue ;;
				esac ;;
			*) unescape "${_pair#* }"; plain "$R"
				case $_ids in *" $R "*) ;; *) continue ;; esac ;;
			esac
			_role=${_pair%% *}
			break
		done
		[ -n "$_role" ] || continue
		probe_tab_lines
		return 0
	done < "$TAB"
	return 1
}

probe_tab_lines() {
	# What the cache member said, if it came first, is more.
	for _x in $_ids; do
		file_of "$_x"
		[ -e "$R" ] && read_line "$R" && { probe_lines "$R" tab "$_role"; return; }
	done
	_clean=0
	case $_c in none) _clean=1 ;; esac
	echo "DMCACHE_NAME=$_n"
	echo "DMCACHE_ROLE=$_role"
	echo "DMCACHE_CLEAN=$_clean"
	echo "DMCACHE_SOURCE=tab"
}
