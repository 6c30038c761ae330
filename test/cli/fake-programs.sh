# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# fake-programs.sh - what answers for dmsetup, blkid and others in the world of fake.sh.

# step WHAT: something is changed now. If $W/steps/count is there they are counted, and number
# $W/steps/fail fails; with $W/steps/for-good the same WHAT from then on. With $W/steps/signal it
# does not fail: once it is done, `hit` sends a signal to all, as Ctrl-C does.
step() {
	[ -e "$W/steps/count" ] || return 0
	case $1 in dmsetup*) ;; *) awake "$1" ;; esac
	read -r _step < "$W/steps/count"
	_step=$((_step + 1))
	echo $_step > "$W/steps/count"
	echo "$1" >> "$W/steps/log"
	read -r _fail < "$W/steps/fail"
	if [ $_step = "$_fail" ]; then
		echo "$1" > "$W/steps/failed"
		[ -e "$W/steps/signal" ] || return 1
		_sig=1
	fi
	[ -e "$W/steps/for-good" ] && [ -e "$W/steps/failed" ] &&
		read -r _failed < "$W/steps/failed" && [ "$_failed" = "$1" ] && return 1
	return 0
}
# Not INT: in the background that is ignored.
hit() {
	[ -z "${_sig-}" ] || { _sig= && kill -s TERM 0; }
}
# awake WHAT: is called while no device is suspended; what is called may be on it
awake() {
	for _s in "$W"/dm/*/suspended; do
		[ ! -e "$_s" ] || [ -e "$W/steps/failed" ] ||
			echo "$1 is called while $_s" >> "$W/steps/asleep"
	done
}

block_of() {
	case $1 in "$W"/mapper/*) cat "$W/dm/${1##*/}/node" ;; *) if \
		[ -L "$1" ]; then readlink "$1"; else echo "${1##*/}"; fi ;; esac
}
stat() { # -L -c '%t %T' DEV: hexadecimal. Called most often: no forks.
	_b=${4##*/}
	case $4 in "$W"/mapper/*) read -r _b < "$W/dm/$_b/node" || exit 1 ;; *) [ ! -L "$4" ] ||
		_b=$(readlink "$4") ;; esac
	read -r n < "$W/sys/class/block/$_b/dev" || exit 1
	printf '%x %x\n' "${n%:*}" "${n#*:}"
}
wipefs() { step "wipefs $3"; }
blockdev() { :; }
dmesg() { awake dmesg; }
cache_check() { step "cache_check $1"; }
cache_repair() { step "cache_repair $2" && command cp "$2" "$4"; }

# For the doctor: $W/kernel, $W/modinfo (FIELD VALUE), $W/initramfs, $W/mok
uname() { cat "$W/kernel"; }
modinfo() { sed -n "s/^$4 //p" "$W/modinfo"; }
lsinitramfs() { cat "$W/initramfs"; }
mokutil() { cat "$W/mok"; }

blkid() {
	tag='' spec='' dev=''
	while [ $# -gt 0 ]; do
		case $1 in -c | -o) shift ;; -s) tag=$2; shift ;; -t) spec=$2; shift ;; \
			-p) ;; *) dev=$1 ;; esac
		shift
	done
	if [ -n "$spec" ]; then
		for f in "$W"/ids/*; do ! grep -qxF -- "$spec" "$f" || echo "$W/dev/${f##*/}"; done
	else
		ids=$W/ids/$(block_of "$dev")
		! grep -qx several "$ids" || exit 8
		sed -n "s/^$tag=//p" "$ids" | grep . || exit 2
	fi
}

# number WORD: of a device in a table, as the kernel writes it
number() {
	case $1 in
	/*) [ -e "$1" ] || { echo "device $1 not found" >&2; exit 1; }
		cat "$W/sys/class/block/$(block_of "$1")/dev" ;;
	*) echo "$1" ;;
	esac
}
# table_of TABLE: with numbers; refuses what the kernel would
table_of() {
	set -f
	# shellcheck disable=SC2086
	set -- $1
	case $3 in
	linear) [ ! -e "$W/fail-linear" ] || { echo "it was told to fail" >&2; exit 1; }
		a=$(number "$4") || exit 1; echo "$1 $2 linear $a $5" ;;
	cache)
		case " $* " in *' nonesuch '*) echo "reload ioctl failed: Invalid argument" \
			>&2; exit 1 ;; esac
		case " $* " in *' passthrough '*) [ "$(cat "$W/dirty")" = 0 ] ||
			{ echo "Invalid argument" >&2; exit 1; } ;; esac
		a=$(number "$4") && b=$(number "$5") && c=$(number "$6") || exit 1
		s=$1 n=$2
		shift 6
		echo "$s $n cache $a $b $c $*" ;;
	esac
}
# claimed TABLE: is a device in it a partition of one that is in use, or has it such a partition?
claimed() {
	for x in $1; do
		case $x in *:*) ;; *) continue ;; esac
		d=$(readlink -f "$W/sys/dev/block/$x")
		for p in "$d"/*/partition; do
			[ ! -e "$p" ] || [ -z "$(ls "${p%/partition}/holders")" ] || return 0
		done
		for p in "$W"/sys/class/block/*/"${d##*/}"; do
			[ ! -e "$p" ] || [ -z "$(ls "${p%/*}/holders")" ] || return 0
		done
	done
	return 1
}
hold() { # NODE TABLE: it is the holder of what the table names
	rm -f "$W"/sys/class/block/*/holders/"$1"
	rm -rf "$W/sys/class/block/$1/slaves"
	mkdir -p "$W/sys/class/block/$1/slaves"
	for x in $2; do
		case $x in *:*) d=$(readlink -f "$W/sys/dev/block/$x"); : > "$d/holders/$1"; : \
			> "$W/sys/class/block/$1/slaves/${d##*/}" ;; esac
	done
}
dm_status() {
	dev=$1
	read -r t < "$W/dm/$1/table"
	# shellcheck disable=SC2086
	set -- $t
	[ "$3" = cache ] || { echo "0 $2 linear"; return; }
	read -r d < "$W/dirty"
	size=$2 bs=$7 nf=$8
	read -r total < "$W/sys/dev/block/$5/size"
	shift 8
	f= i=0
	while [ $i -lt "$nf" ]; do f="$f $1"; shift; i=$((i + 1)); done
	if [ "$1" = cleaner ] && [ "$d" -gt 0 ] && [ ! -e "$W/stuck" ]; then
		d=$((d > 10 ? d - 10 : 0))
		echo $d > "$W/dirty"
	fi
	# Tunables: of the table, then of messages.
	policy=$1 mt=2048 keys= values=
	shift 2
	# shellcheck disable=SC2046
	set -- "$@" $(cat "$W/dm/$dev/messages" 2> /dev/null)
	while [ $# -ge 2 ]; do
		case $1 in
		migration_threshold) mt=$2 ;;
		*) case " $keys " in *" $1 "*) ;; *) keys="$keys $1" ;; esac; eval "v_$1=$2" ;;
		esac
		shift 2
	done
	n=0
	for k in $keys; do eval "values=\"\$values $k \$v_$k\""; n=$((n + 2)); done
	echo \
		"0 $size cache 8 11/2048 $bs 10/$((total / bs)) 16 4 8 2 3 7 $d $nf$f 2 migration_threshold $mt $policy $n$values rw -"
}
dmsetup() {
	c=$1
	shift
	if [ "$c" = message ]; then
		# The kernel's own dm-cache does not know it.
		if [ "$3" = write_allocate ] && [ ! -e "$W/allocates" ]; then
			echo "message ioctl failed: Invalid argument" >&2
			exit 1
		fi
		step "dmsetup message $1" || exit 1
		[ "$3" != bad ] || { echo "message ioctl failed: Invalid argument" >&2; exit 1; }
		echo "$3 $4" >> "$W/dm/$1/messages"
		return
	fi
	name= uuid= table= field=
	while [ $# -gt 0 ]; do
		case $1 in
		--uuid | -u) uuid=$2; shift ;;
		--table) table=$2; shift ;;
		-o) field=$2; shift ;;
		-*) ;;
		*) [ -n "$name" ] || name=$1 ;;
		esac
		[ $# = 0 ] || shift
	done
	case $c in
	create | remove | reload | suspend)
		step "dmsetup $c $name" || { echo "it was told to fail" >&2; exit 1; }
		;;
	resume)
		# The table is swapped first: one that does not start is there, and the device is
		# suspended.
		if [ -e "$W/dm/$name/inactive" ]; then
			rm -f "$W/dm/$name/messages"
			mv "$W/dm/$name/inactive" "$W/dm/$name/table"
			hold "$(cat "$W/dm/$name/node")" "$(cat "$W/dm/$name/table")"
			: > "$W/dm/$name/suspended"
		fi
		[ ! -e "$W/dm/$name/suspended" ] || step "dmsetup resume $name" || {
			echo "it was told to fail" >&2
			exit 1
		}
		[ ! -e "$W/refuse" ] || ! grep -q "$(cat "$W/refuse")" "$W/dm/$name/table" ||
			{ echo "resume ioctl failed: Input/output error" >&2; exit 1; } ;;
	esac
	case $c in
	info)
		if [ -z "$name" ]; then
			for d in "$W"/dm/*; do
				[ "$(cat "$d/uuid" 2> /dev/null)" != "$uuid" ] || name=${d##*/}
			done
		fi
		[ -n "$name" ] && [ -d "$W/dm/$name" ] || {
			[ -n "$uuid" ] || echo "Device does not exist." >&2
			exit 1
		}
		case $field in name) echo "$name" ;; uuid) cat "$W/dm/$name/uuid" ;; open) cat \
			"$W/dm/$name/open" ;;
		suspended)
			if [ -e "$W/dm/$name/suspended" ]; then echo Suspended; else echo Active; fi
			;;
		esac ;;
	create)
		[ ! -d "$W/dm/$name" ] || { echo "Device or resource busy" >&2; exit 1; }
		[ ! -e "$W/fail-$name" ] || { echo "it was told to fail" >&2; exit 1; }
		t=$(table_of "$table") || exit 1
		! claimed "$t" || { echo "Device or resource busy" >&2; exit 1; }
		case $table in *' cache '*) [ ! -e "$W/refuse-cache" ] ||
			{ echo "Invalid argument" >&2; exit 1; } ;; esac
		read -r n < "$W/next"
		echo $((n + 1)) > "$W/next"
		node=dm-$n
		mkdir -p "$W/dm/$name" "$W/sys/class/block/$node/holders" \
			"$W/sys/class/block/$node/dm"
		echo "$node" > "$W/dm/$name/node"
		echo "$uuid" | tee "$W/sys/class/block/$node/dm/uuid" > "$W/dm/$name/uuid"
		echo "$name" > "$W/sys/class/block/$node/dm/name"
		echo "$t" > "$W/dm/$name/table"
		echo 0 > "$W/dm/$name/open"
		echo "253:$n" > "$W/sys/class/block/$node/dev"
		echo "$t" | { read -r _ s _; echo "$s" > "$W/sys/class/block/$node/size"; }
		ln -s "$W/sys/class/block/$node" "$W/sys/dev/block/253:$n"
		if [ -e "$W/superblock" ]; then
			cat "$W/superblock" > "$W/mapper/$name"
		else
			: > "$W/mapper/$name"
		fi
		: > "$W/dev/$node"
		: > "$W/ids/$node"
		hold "$node" "$t" ;;
	remove)
		[ -d "$W/dm/$name" ] || { echo "Device does not exist." >&2; exit 1; }
		node=$(cat "$W/dm/$name/node")
		[ -z "$(ls "$W/sys/class/block/$node/holders")" ] &&
			[ "$(cat "$W/dm/$name/open")" = 0 ] || {
			echo "Device or resource busy" >&2
			exit 1
		}
		rm -f "$W"/sys/class/block/*/holders/"$node" "$W/mapper/$name" "$W/dev/$node" \
			"$W/ids/$node" "$W/sys/dev/block/$(cat "$W/sys/class/block/$node/dev")"
		rm -rf "$W/dm/$name" "$W/sys/class/block/$node" ;;
	reload)
		[ -d "$W/dm/$name" ] || exit 1
		table_of "$table" > "$W/dm/$name/inactive" || {
			rm -f "$W/dm/$name/inactive"
			exit 1
		}
		;;
	clear) rm -f "$W/dm/$name/inactive" ;;
	suspend) : > "$W/dm/$name/suspended" ;;
	resume) rm -f "$W/dm/$name/suspended" ;;
	table) cat "$W/dm/$name/table" 2> /dev/null ;;
	status) [ -d "$W/dm/$name" ] || exit 1
		if [ -e "$W/status.sed" ]; then
			dm_status "$name" | sed -f "$W/status.sed"
		else
			dm_status "$name"
		fi ;;
	ls) ls "$W/dm" ;;
	esac
	hit
}
