# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# label.sh - read, check and write the label of a member; find all members. The format is in
# doc/dev/label-format.md.
#
# A label in memory is one string of "key=value" words with a blank before and behind, " set=...
# name=... "; no value has a blank, and every one was checked by label_line.

LABEL_MAGIC="dm-cache label "
LABEL_VERSION=1

# get KEY WORDS: R = the value; status 1 if it is not there
get() {
	R=
	case $2 in *" $1="*) ;; *) return 1 ;; esac
	R=${2#*" $1="}
	R=${R%% *}
}

# put WORDS KEY VALUE: R = the words with that one replaced or added
put() {
	_w=$1
	case $_w in
	*" $2="*) _rest=${_w#*" $2="}; _w="${_w%%" $2="*} ${_rest#* }" ;;
	esac
	R="${_w% } $2=$3 "
}

uuid_ok() {
	case $1 in *[!0-9a-f-]*) return 1 ;; esac
	[ ${#1} = 36 ]
}

# label_line KEY VALUE: is it well formed?
label_line() {
	case $2 in '' | *[!A-Za-z0-9._+:,=/@-]*) return 1 ;; esac
	case $1 in
	seq | size | generation | start | length | metadata_start | metadata_length | block_size | \
		origin_size | crc)
		is_number "$2" ;;
	set | member) uuid_ok "$2" ;;
	name) name_ok "$2" ;;
	role) case $2 in cache | metadata | origin) ;; *) return 1 ;; esac ;;
	state) case $2 in closed | opening | open | closing | detached) ;; *) return 1 ;; esac ;;
	dirty) [ "$2" = unknown ] || is_number "$2" ;;
	origin_crc) [ "$2" = - ] || is_number "$2" ;;
	cache_member | metadata_member | origin_member) [ "$2" = - ] || uuid_ok "$2" ;;
	mode) case $2 in writeback | writethrough | passthrough) ;; *) return 1 ;; esac ;;
	policy) case $2 in *[!A-Za-z0-9_-]*) return 1 ;; esac ;;
	*) case $1 in '' | *[!a-z_]*) return 1 ;; esac ;;
	esac
}

# text_words MAGIC TEXT: R = the words of a text with a checksum. Status 1: no magic; 2: damaged; 3:
# a newer version
text_words() {
	R=
	case $2 in "$1"*) ;; *) return 1 ;; esac
	_first=${2%%"$NL"*}
	_version=${_first#"$1"}
	shift
	is_number "$_version" || return 2
	[ "$_version" -le $LABEL_VERSION ] || return 3
	case $1 in *"${NL}crc="*) ;; *) return 2 ;; esac
	_body=${1%"${NL}crc="*}
	_told=${1##*"${NL}crc="}
	_told=${_told%"$NL"}
	is_number "$_told" || return 2
	_sum=$(printf '%s\n' "$_body" | cksum) || return 2
	[ "${_sum%% *}" = "$_told" ] || return 2
	_words=' '
	_body=${_body#*"$NL"}
	while [ -n "$_body" ]; do
		_l=${_body%%"$NL"*}
		case $_body in *"$NL"*) _body=${_body#*"$NL"} ;; *) _body= ;; esac
		case $_l in *=*) ;; *) return 2 ;; esac
		label_line "${_l%%=*}" "${_l#*=}" || return 2
		_words="$_words$_l "
	done
	R=$_words
}

# label_parse TEXT: a slot; R = its words. Status as above
label_parse() {
	text_words "$LABEL_MAGIC" "$1" || return $?
	_words=$R
	for _k in seq set name role member size generation state dirty start length block_size \
		cache_member metadata_member \
		origin_member origin_id origin_size origin_crc mode policy; do
		get $_k "$_words" || return 2
	done
	R=$_words
}

# label_read DEV: R = the words of its label, with " slot=N dev=DEV "; status 1: none; 2: damaged;
# 3: too new
label_read() {
	_dev=$1 R=
	# shellcheck disable=SC2016
	_s0=$(dd if="$_dev" bs=4096 count=1 2> /dev/null | tr -d '\0') || return 1
	case $_s0 in "$LABEL_MAGIC"*) ;; *) return 1 ;; esac
	_s1=$(dd if="$_dev" bs=4096 count=1 skip=1 2> /dev/null | tr -d '\0')
	case $_s1 in "$LABEL_MAGIC"*) ;; *) return 1 ;; esac
	label_parse "$_s0$NL"; _r0=$? _w0=$R
	label_parse "$_s1$NL"; _r1=$? _w1=$R
	R=
	# One slot of a version that is not known: what wrote it knows better.
	[ $_r0 != 3 ] && [ $_r1 != 3 ] || return 3
	if [ $_r0 = 0 ] && [ $_r1 = 0 ]; then
		get seq "$_w0"; _q0=$R
		get seq "$_w1"
		if [ "$_q0" -ge "$R" ]; then _r1=2; fi
	fi
	if [ $_r0 = 0 ] && { [ $_r1 != 0 ]; }; then
		R="${_w0}slot=0 dev=$_dev "
	elif [ $_r1 = 0 ]; then
		R="${_w1}slot=1 dev=$_dev "
	else
		return 2
	fi
}

# text_of MAGIC WORDS: a text of them in R, with its checksum
text_of() {
	_t="$1$LABEL_VERSION"
	for _x in $2; do
		case $_x in slot=* | dev=*) ;; *) _t="$_t$NL$_x" ;; esac
	done
	_sum=$(printf '%s\n' "$_t" | cksum) || return 1
	R="$_t${NL}crc=${_sum%% *}"
	[ ${#R} -lt 4096 ]
}
# label_text WORDS: of a slot
label_text() { text_of "$LABEL_MAGIC" "$1"; }

# slot_write DEV SLOT TEXT: the slot, filled with NUL bytes, and flushed
slot_write() {
	{
		printf '%s\n' "$3"
		dd if=/dev/zero bs=$((4096 - ${#3} - 1)) count=1 2> /dev/null
	} | dd of="$1" bs=4096 seek="$2" count=1 iflag=fullblock conv=notrunc,fsync 2> /dev/null
}

# label_write WORDS: to the other slot of its device; R = the words as they are now
label_write() {
	_words=$1
	get dev "$_words"; _dev=$R
	get slot "$_words"; _slot=$((1 - R))
	get seq "$_words"
	put "$_words" seq $((R + 1)); _words=$R
	label_text "$_words" || return 1
	slot_write "$_dev" $_slot "$R" || return 1
	put "$_words" slot $_slot
}

# labels_begin, labels_put WORDS, labels_end: the labels of the members of a set, one after the
# other; L_new has a line for each. A step ends at the first that cannot be written. What takes a
# step back goes on to the others, and fails at the end.
labels_begin() { L_new= L_failed=; }
labels_put() {
	if label_write "$1"; then L_new="$L_new$R$NL"; return 0; fi
	L_new="$L_new$1$NL"
	get dev "$1"; L_failed="$R: its label cannot be written"
	R=$L_failed
	[ -n "$UNDOING" ]
}
# label_over WORDS: undoes a step: writes what the label said before
label_over() {
	get dev "$1"
	label_read "$R" || { get dev "$1"; L_failed="$R: its label cannot be read"; return 0; }
	_now=$R
	get seq "$_now"; _seq=$R
	get slot "$_now"
	put "$1" slot "$R"; put "$R" seq "$_seq"
	labels_put "$R"
}
labels_end() { R=$L_failed; [ -z "$R" ]; }
# labels_each COMMAND ARGS...: all of the set at hand; the command finds the words of one in _l, and
# leaves the new ones in R. Status 2: it ended early, and S_members is as it was.
labels_each() {
	labels_begin
	while IFS= read -r _l; do
		[ -n "$_l" ] || continue
		"$@"
		labels_put "$R" || return 2
	done << END
$S_members
END
	S_members=$L_new
	labels_end
}

# label_new DEV WORDS: both slots of a device that has no label, and zeroes behind them up to the
# first slice
label_new() {
	dd if=/dev/zero of="$1" bs=65536 count=16 conv=notrunc,fsync 2> /dev/null || return 1
	label_text "$2" || return 1
	slot_write "$1" 0 "$R" && slot_write "$1" 1 "$R" || return 1
	R="$2slot=0 dev=$1 "
}

# label_erase DEV: after that nothing on it passes for a label
label_erase() { dd if=/dev/zero of="$1" bs=4096 count=2 conv=notrunc,fsync 2> /dev/null; }

# block_devices: a path of each that may be a member, one a line in R
block_devices() {
	_all=
	for _sys in /sys/class/block/*; do
		case ${_sys##*/} in ram* | zram* | loop* | fd* | sr*)
			# Those that hold something: RAM disks and loop devices can be members, in
			# tests and elsewhere.
			read_line "$_sys/size" && [ "$R" != 0 ] || continue ;;
		esac
		if [ -e "$_sys/dm/uuid" ]; then
			read_line "$_sys/dm/uuid" || R=
			case $R in DMCACHE-*) continue ;; esac
		fi
		read_line "$_sys/size" && [ "$R" -ge $((HEADER + 2)) ] 2> /dev/null || continue
		node_of "$_sys" || continue
		_all="$_all$R$NL"
	done
	R=$_all
}

# label_scan: all labels, one line of words each, in MEMBERS; damaged ones in DAMAGED, a device a
# line
label_scan() {
	MEMBERS= DAMAGED=
	block_devices
	while IFS= read -r _d; do
		[ -n "$_d" ] || continue
		label_read "$_d"
		case $? in
		0) MEMBERS="$MEMBERS$R$NL" ;;
		2) DAMAGED="$DAMAGED$_d: its label is damaged$NL" ;;
		3)
			DAMAGED="$DAMAGED$_d: its label is of a newer version than this dmcache$NL"
			;;
		esac
	done << END
$R
END
}

# ----- several with the same label -----

DUPLICATES=

# runs_on DEV: is a set that runs built on it? What a killed assemble left has nothing above it.
runs_on() {
	holders_of "$1" || return 1
	for _x in $R; do
		read_line "/sys/class/block/$_x/dm/uuid" || continue
		case $R in DMCACHE-*) is_slice "$R" || return 0 ;; *) continue ;; esac
		for _y in "/sys/class/block/$_x"/holders/*; do
			[ ! -e "$_y" ] || return 0
		done
	done
	return 1
}

# running_line LINES: of several with the same label, the one that the set runs on, in R; the others
# in DUPLICATES
running_line() {
	_run= _others=
	while IFS= read -r _l; do
		[ -n "$_l" ] || continue
		get dev "$_l"; _d=$R
		if [ -z "$_run" ] && runs_on "$_d"; then _run=$_l; else _others="$_others $_d"; fi
	done << END
$1
END
	[ -n "$_run" ] || return 1
	DUPLICATES="$DUPLICATES$_others"
	R=$_run
}

# warn_duplicates: they are no members of the set that runs; once it is stopped, nothing tells that
warn_duplicates() {
	for _x in $DUPLICATES; do
		R="dmcache label --erase $_x, or take it away"
		warn "$_x has a copy of the label of a member of $1, and is not in use; next: $R"
	done
	DUPLICATES=
}
