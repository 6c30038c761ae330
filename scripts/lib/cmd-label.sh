# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# cmd-label.sh - dmcache label: show the label of a device, or erase it.

cmd_label() {
	_erase= _dev= YES=
	while [ $# -gt 0 ]; do
		case $1 in
		--erase) _erase=1 ;;
		--yes | -y) YES=1 ;;
		-*) usage_error "label: no option $1" ;;
		*) [ -z "$_dev" ] || usage_error "label: one device"; _dev=$1 ;;
		esac
		shift
	done
	[ -n "$_dev" ] || usage_error "label: name a device"
	take_device "$_dev" "the device"
	DEV=$R
	label_read "$DEV"
	_st=$? _w=$R
	[ -z "$_erase" ] || { label_remove $_st "$_w"; exit 0; }
	case $_st in
	1) die $E_UNKNOWN "$DEV has no label" "dmcache list" ;;
	2)
		die $E_REFUSED "$DEV: its label is damaged" \
			"dmcache label --erase $DEV, if it is not needed any more" ;;
	3)
		die $E_REFUSED "$DEV: its label is of a newer version than this dmcache knows" \
			"a newer dmcache" ;;
	esac
	for _x in $_w; do
		case $_x in
		dev=* | slot=*) ;;
		*) printf '%-16s %s\n' "${_x%%=*}" "${_x#*=}" ;;
		esac
	done
}

# label_remove STATUS WORDS
label_remove() {
	[ "$1" != 1 ] || { say "$DEV has no label"; return; }
	lock
	if use_of "$DEV"; then die $E_BUSY "$DEV: $R" "dmcache stop --all"; fi
	if [ "$1" = 0 ]; then
		get role "$2"; _role=$R
		get name "$2"; _name=$R
		get dirty "$2"
		case $R in
		0) R="the set cannot be assembled without it" ;;
		*) R="it may have the only copy of $R blocks" ;;
		esac
		say "$DEV: the $_role member of the set $_name; $R"
	fi
	confirm "Erase the label?"
	label_erase "$DEV" || die $E_FAIL "$DEV cannot be written" "dmesg | tail"
	say "$DEV: erased"
}
