# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# base.sh - what all commands of dmcache use: messages, exit statuses, the lock, the undo list,
# devices. Functions that give a string set $R, so that they cost no fork.

E_FAIL=1 E_USAGE=2 E_MISSING=3 E_REFUSED=4 E_BUSY=5 E_UNKNOWN=6 E_LOCK=7 E_DECLINED=8 E_OFF=9
RUN=${DMCACHE_RUN:-/run/dmcache}
TAB=${DMCACHE_TAB:-/etc/dmcachetab}
HEADER=2048	# sectors before the first slice of a labelled member
MIB=2048
VERSION=0.2.0
NL='
'

dmcache_version() { echo "dmcache $VERSION"; }

# The echo of some shells takes \040 for a blank.
say() { printf '%s\n' "$*"; }
warn() { printf 'dmcache: %s\n' "$*" >&2; }

# die STATUS WHAT [NEXT]: undo what was done, say why and what to do now
die() {
	DIED=$1
	warn "$2${3:+; next: $3}"
	undo_all
	stuck_say
	exit "$DIED"
}

usage_error() {
	warn "$1; next: dmcache ${command:+$command }--help"
	exit $E_USAGE
}

# take_name WORD: for a command that takes one, in NAME
take_name() {
	[ -z "$NAME" ] || usage_error "$command: one name, not '$NAME' and '$1'"
	NAME=$1
}

# ----- undo: commands that take back what was done, last first -----

UNDO=
UNDO_FAILED=
UNDOING=
# undo_add COMMAND LEFT NEXT: if COMMAND fails, LEFT is what is not as before, and NEXT mends it
undo_add() { UNDO="$1|$2; next: $3$NL$UNDO"; }
undo_forget() { UNDO=; }
undo_all() {
	_undo=$UNDO
	UNDO= UNDO_FAILED= UNDOING=1
	hold_signals
	trap '' INT TERM HUP
	while IFS='|' read -r _c _left; do
		[ -z "$_c" ] || eval "$_c" || { UNDO_FAILED=1; warn "could not be undone: $_left"; }
	done << END
$_undo
END
	UNDOING=
	pass_signals
}

# ----- signals: not while a device is suspended, or nothing would wake it up -----

ON_SIGNAL='die 1 "interrupted"' HELD=0 SIGNALLED=
on_signal() { if [ $HELD != 0 ]; then SIGNALLED=1; else eval "$ON_SIGNAL"; fi; }
trap on_signal INT TERM HUP
hold_signals() { HELD=$((HELD + 1)); }
pass_signals() {
	HELD=$((HELD - 1))
	[ $HELD = 0 ] || return 0
	trap on_signal INT TERM HUP
	[ -n "$SIGNALLED" ] || return 0
	SIGNALLED=
	on_signal
}

# ----- the lock -----

need_root() { [ "$(id -u)" = 0 ] || die $E_FAIL "only root can do that" "sudo dmcache $command"; }

LOCKED=
lock() {
	[ -z "$LOCKED" ] || return 0
	need_root
	mkdir -p "$RUN" || die $E_FAIL "$RUN cannot be made"
	# A shell whose exec fails ends.
	{ true >> "$RUN/lock"; } 2> /dev/null || die $E_FAIL "$RUN/lock cannot be opened"
	exec 9> "$RUN/lock"
	flock -w "${DMCACHE_LOCK_WAIT:-60}" 9 2> /dev/null || flock -n 9 ||
		die $E_LOCK "another dmcache has held $RUN/lock for a minute" "fuser -v $RUN/lock"
	LOCKED=1
}
# Programs that outlive us must not inherit it.
unlock() { [ -z "$LOCKED" ] || { exec 9>&-; LOCKED=; }; }

# ----- numbers and units -----

is_number() { case $1 in '' | *[!0-9]*) return 1 ;; esac; [ ${#1} -le 15 ]; }

# parse_size TEXT: sectors in R. 64K 10G 1T, or sectors with s; a bare number is bytes
parse_size() {
	R=${1%[kKmMgGtTsS]}
	is_number "$R" || return 1
	# A leading 0 is not octal.
	while case $R in 0?*) true ;; *) false ;; esac; do R=${R#0}; done
	case $1 in
	*[kK]) R=$((R * 2)) ;;
	*[mM]) R=$((R * 2048)) ;;
	*[gG]) R=$((R * 2097152)) ;;
	*[tT]) R=$((R * 2147483648)) ;;
	*[sS]) ;;
	*) [ $((R % 512)) = 0 ] || return 1; R=$((R / 512)) ;;
	esac
}

# human SECTORS: R = "1.5 GiB"
human() {
	_b=$(($1 * 512)) _u=B _d=1
	for _x in KiB:1024 MiB:1048576 GiB:1073741824 TiB:1099511627776 PiB:1125899906842624; do
		[ "$_b" -ge "${_x#*:}" ] || break
		_u=${_x%:*} _d=${_x#*:}
	done
	if [ "$_u" = B ] || [ $((_b % _d)) = 0 ]; then
		R="$((_b / _d)) $_u"
	else
		R="$((_b / _d)).$((_b % _d * 10 / _d)) $_u"
	fi
}

# percent PART WHOLE: R = "12.5"
percent() {
	if [ "$2" = 0 ]; then R=0.0; else R=$(($1 * 1000 / $2)); R=$((R / 10)).$((R % 10)); fi
}

name_ok() {
	case $1 in
	'' | .* | -* | *[!A-Za-z0-9_.+-]*) return 1 ;;
	control | *-cdata | *-cmeta | *-corig | *-ctest) return 1 ;;
	esac
	[ ${#1} -le 64 ]
}
# need_name NAME: what a command was given can be the name of a set, or die
need_name() { name_ok "$1" || usage_error "$command: '$1' cannot be the name of a set"; }

# read_line FILE: its first line in R
read_line() { R=; { IFS= read -r R < "$1"; } 2> /dev/null || [ -n "$R" ]; }

# file_put FILE TEXT: replaces the content, durably. At any moment the file is whole: old or new.
# Some know no sync of a single file.
file_put() {
	_tmp=$1.new.$$
	{
		printf '%s\n' "$2" > "$_tmp" && { sync "$_tmp" || sync; } && mv "$_tmp" "$1"
	} 2> /dev/null || {
		rm -f "$_tmp"
		return 1
	}
	sync "${1%/*}" 2> /dev/null || sync
}

new_uuid() {
	read_line /proc/sys/kernel/random/uuid ||
		die $E_FAIL "/proc/sys/kernel/random/uuid cannot be read"
}

# ----- devices -----

# sysfs_of DEV: its folder in sysfs in R, found by its number, so by any link or name
sysfs_of() {
	R=
	[ -b "$1" ] || return 1
	# shellcheck disable=SC2046 # two numbers, in hex
	set -- $(stat -L -c '%t %T' "$1")
	R=/sys/dev/block/$((0x$1)):$((0x$2))
	[ -e "$R" ]
}
# devno_of DEV: "8:1" in R
devno_of() { sysfs_of "$1" && R=${R##*/}; }
same_device() {
	devno_of "$1" || return 1
	_a=$R
	devno_of "$2" && [ "$_a" = "$R" ]
}
size_of() { sysfs_of "$1" && read_line "$R/size" && is_number "$R" && [ "$R" -gt 0 ]; }

# value_of KEY "KEY VALUE ...": R = the value; status 1 if it is not there
value_of() {
	R=
	case " $2 " in *" $1 "*) ;; *) return 1 ;; esac
	R=" $2 "
	R=${R#*" $1 "}
	R=${R%% *}
}

# tunable_ok KEY=VALUE: can it be a tunable?
tunable_ok() {
	case $1 in
	*[!A-Za-z0-9_.=-]* | [!a-z]* | *= | *=*=*) return 1 ;;
	*=*) ;;
	*) return 1 ;;
	esac
	[ ${#1} -le 200 ]
}

# plain_ok TEXT: may it stand in a label, in the tab, in a table of device-mapper and in a list of
# words? The one rule for that.
plain_ok() { case $1 in '' | *[!A-Za-z0-9._+:=/@-]*) return 1 ;; esac; }

# node_of SYSFS: a plain path in /dev for a folder of sysfs, in R; that of device-mapper by its
# name, if that is plain
node_of() {
	if [ -e "$1/dm/name" ] && read_line "$1/dm/name" && plain_ok "$R" &&
		[ -b "/dev/mapper/$R" ]; then
		R=/dev/mapper/$R
		return
	fi
	R=$(readlink -f "$1")
	R=${R##*/}
	# sysfs writes a slash as an exclamation mark
	while case $R in *!*) true ;; *) false ;; esac; do R=${R%%!*}/${R#*!}; done
	R=/dev/$R
	plain_ok "$R" && [ -b "$R" ]
}

# path_of DEV: a plain path for it in R: its own, or another one if that is not plain
path_of() {
	case $1 in /*) ! plain_ok "$1" || { R=$1; return 0; } ;; esac
	sysfs_of "$1" && node_of "$R"
}

# holders_of DEV: devices that are built on it, in R: "dm-3 md0"
holders_of() {
	sysfs_of "$1" || return 1
	_h=
	for _x in "$R"/holders/*; do
		[ ! -e "$_x" ] || _h="$_h ${_x##*/}"
	done
	R=${_h# }
}

# mounts_of DEV: where it is mounted, or "swap", in R
mounts_of() {
	devno_of "$1" || return 1
	_no=$R _m=
	while read -r _id _parent _devno _root _point _rest; do
		[ "$_devno" != "$_no" ] || _m="$_m $_point"
	done < /proc/self/mountinfo
	# Some filesystems show a device number of their own (btrfs): compare what they name as
	# source.
	while read -r _source _point _rest; do
		case $_source in /dev/*) ;; *) continue ;; esac
		case " $_m " in *" $_point "*) continue ;; esac
		! devno_of "$_source" || [ "$R" != "$_no" ] || _m="$_m $_point"
	done < /proc/mounts
	# A kernel without swap has no such file.
	[ ! -e /proc/swaps ] || while read -r _source _rest; do
		case $_source in /dev/*) ;; *) continue ;; esac
		! devno_of "$_source" || [ "$R" != "$_no" ] || _m="$_m swap"
	done < /proc/swaps
	R=${_m# }
}

# use_of DEV: why it cannot be taken, in R; status 1 if nothing uses it
use_of() {
	mounts_of "$1" && [ -n "$R" ] && { R="mounted on $R"; return 0; }
	holders_of "$1" && [ -n "$R" ] && { R="used by $R"; return 0; }
	sysfs_of "$1" || return 1
	# A whole disk: its partitions count.
	for _p in "$R"/*/partition; do
		[ -e "$_p" ] || continue
		_p=${_p%/partition}
		node_of "$_p" || continue
		_n=$R
		mounts_of "$_n" && [ -n "$R" ] && {
			R="its partition $_n is mounted on $R"
			return 0
		}
		holders_of "$_n" && [ -n "$R" ] && {
			R="its partition $_n is used by $R"
			return 0
		}
	done
	return 1
}

# need_block_device DEV WHAT
need_block_device() {
	[ -e "$1" ] || die $E_MISSING "$2 $1: there is no such file" "lsblk"
	[ -b "$1" ] ||
		die $E_USAGE "$2 $1 is not a block device" \
			"lsblk; losetup -f --show FILE makes one of a file"
	size_of "$1" || die $E_FAIL "$2 $1 has no size (no medium?)" "lsblk $1"
}

# take_device DEV WHAT: every device that a command line names goes through here: a plain path for
# it in R, or die
take_device() {
	need_block_device "$1" "$2"
	path_of "$1" ||
		die $E_REFUSED \
			"$2 $1 has no path of letters, digits and _ . + : = / @ - only" \
			"ln -s $1 PATH, and name that"
	[ "$R" = "$1" ] || PLAN="${PLAN:-}  $R: that is $1$NL"
}

# ----- device-mapper -----

dm_exists() { dmsetup info -c --noheadings -o name "$1" > /dev/null 2>&1; }
dm_uuid() { R=$(dmsetup info -c --noheadings -o uuid "$1" 2> /dev/null); }
# is_slice UUID: is it that of a part of a set, and not of the set?
is_slice() {
	case $1 in
	DMCACHE-*-cdata | DMCACHE-*-cmeta | DMCACHE-*-corig | DMCACHE-*-ctest) ;;
	*) return 1 ;;
	esac
}
dm_open_count() { R=$(dmsetup info -c --noheadings -o open "$1" 2> /dev/null); is_number "$R"; }

# dm_whole ARGS...: in a subshell: dmsetup; a signal to all of us ends neither halfway. What it did
# would not be known.
dm_whole() { trap '' INT TERM HUP; dmsetup "$@"; }

# dm_create NAME UUID TABLE: if it fails, R = what dmsetup said. No signal comes between the device
# and what undoes it.
dm_create() {
	hold_signals
	R=$(dm_whole create "$1" --uuid "$2" --table "$3" 2>&1)
	DM_st=$?
	[ $DM_st != 0 ] || undo_add "dm_remove '$1'" "/dev/mapper/$1 is left" "dmsetup remove $1"
	pass_signals
	return $DM_st
}

# udev may have it open for a moment.
dm_remove() {
	R=$(dm_whole remove --retry "$1" 2>&1) || {
		# A failed load can leave it without a table, or suspended.
		(dm_whole resume "$1") > /dev/null 2>&1
		R=$(dm_whole remove --retry "$1" 2>&1)
	}
}

dm_active() { [ "$(dmsetup info -c --noheadings -o suspended "$1" 2> /dev/null)" = Active ]; }

# dm_reload NAME TABLE: swap the table of a live device; its users notice nothing. If that fails, R
# says why, and the device goes on with the table that it had.
dm_reload() {
	DM_was=$(dmsetup table "$1" 2>&1) && [ -n "$DM_was" ] || {
		R="its table cannot be read: $DM_was"
		return 1
	}
	# A table that is left there would be started by the next resume.
	hold_signals
	if R=$(dm_whole reload "$1" --table "$2" 2>&1); then
		dm_swap "$1"
		DM_st=$?
	else
		(dm_whole clear "$1") > /dev/null 2>&1
		DM_st=1
	fi
	pass_signals
	return $DM_st
}

# dm_swap NAME: start the table that was loaded, or DM_was again. Until it runs, nothing but dmsetup
# is called, which has just been in use: the root filesystem may be on this device. DM_suspend may
# hold options for a device that does no I/O any more: a filesystem on it cannot be frozen.
dm_swap() {
	# shellcheck disable=SC2086 # options, or nothing
	if DM_err=$(dmsetup suspend ${DM_suspend-} "$1" 2>&1); then
		# From here on, not even dmsetup is to be interrupted.
		trap '' INT TERM HUP
		DM_err=$(dmsetup resume "$1" 2>&1) && return 0
		# It may have started all the same: then it has been written to, and stays.
		! dm_active "$1" || return 0
		# The old table is gone: the new one is in its place, though it does not start.
		for _try in 1 2 3; do
			R=$(dmsetup reload "$1" --table "$DM_was" 2>&1) &&
				R=$(dmsetup resume "$1" 2>&1) && break
		done
	else
		trap '' INT TERM HUP
		dmsetup clear "$1" > /dev/null 2>&1
		dmsetup resume "$1" > /dev/null 2>&1
	fi
	dm_active "$1" || stuck_add "$1" "dmsetup reload $1 --table '$DM_was' && dmsetup resume $1"
	R=$DM_err
	return 1
}

# Devices that could not be woken up: all I/O to them waits. STUCK has a line "NAME COMMAND" for
# each.
STUCK=
stuck_add() { case $NL$STUCK in *"$NL$1 "*) ;; *) STUCK="$STUCK$1 $2$NL" ;; esac; }
# stuck_say: for each device that is still suspended, prints the command that wakes it up
stuck_say() {
	while read -r _name _c; do
		[ -z "$_name" ] || dm_active "$_name" ||
			warn "/dev/mapper/$_name is SUSPENDED: all I/O to it waits; next: $_c"
	done << END
$STUCK
END
	STUCK=
}

# kernel_says: the last lines of the kernel log that are about device-mapper, for an error message
kernel_says() {
	R=$(dmesg 2> /dev/null | grep -E 'device-mapper|dm.cache' | tail -n 2 |
		sed 's/^\[[^]]*\] *//')
}

# confirm QUESTION: goes on if the answer is yes, or with --yes; else dies
confirm() {
	[ -z "${YES:-}" ] || return 0
	printf '%s [y/N] ' "$1"
	read -r _answer || _answer=
	case $_answer in y | Y | yes | Yes | YES) return 0 ;; esac
	die $E_DECLINED "nothing was changed" "the same command, and answer y, or with --yes"
}
