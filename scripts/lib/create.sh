# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# create.sh - make a set; give a cache to a device that has none, take it away; how large metadata
# and memory are.

# Percent of the cache that may be partial blocks, of a set in writeback mode
ALLOCATE=25

# ----- sizes -----

# metadata_sectors BLOCKS: 4 MiB for transactions, and 28 bytes a block, as cache_metadata_size has
# it: mapping, hint, dirty bit, and what a change of them copies; rounded up to a MiB
metadata_sectors() { R=$(((8192 + ($1 * 28 + 511) / 512 + MIB - 1) / MIB * MIB)); }
# Bytes of memory that a cache block takes, as measured (doc/dev/performance.md); 30 with the
# default policy.
memory_sectors() { R=$(($1 * 32 / 512 + 1)); }

# pick_block SECTORS: a block size for a cache of that size: 64 KiB, larger from 2 million blocks on
pick_block() {
	R=128
	while [ $(($1 / R)) -gt 2097152 ] && [ "$R" -lt 2097152 ]; do R=$((R * 2)); done
}

# carve: metadata and cache data of one device of C_size sectors. C_mstart C_mlen C_start C_len
# C_blocks
carve() {
	_room=$((C_size - HEADER))
	[ -n "$C_bs" ] || { pick_block "$_room"; C_bs=$R; }
	C_mstart=$HEADER
	metadata_sectors $((_room / C_bs))
	C_mlen=${C_wantmeta:-$R}
	C_start=$((C_mstart + C_mlen))
	C_blocks=$(((C_size - C_start) / C_bs))
	C_len=$((C_blocks * C_bs))
}
# beside: cache data behind the label, metadata on a device of C_msize sectors
beside() {
	C_start=$HEADER
	[ -n "$C_bs" ] || { pick_block $((C_size - HEADER)); C_bs=$R; }
	C_blocks=$(((C_size - HEADER) / C_bs))
	C_len=$((C_blocks * C_bs))
	C_mstart=$HEADER C_mlen=$((C_msize - HEADER))
}

cmd_size() {
	C_bs= C_wantmeta= _arg=
	while [ $# -gt 0 ]; do
		case $1 in
		--block-size)
			[ $# -gt 1 ] && parse_size "$2" && block_size_ok "$R" ||
				usage_error "--block-size: a multiple of 32K, at most 1G"
			C_bs=$R; shift ;;
		-*) usage_error "size: no option $1" ;;
		*) [ -z "$_arg" ] || usage_error "size: one device or size"; _arg=$1 ;;
		esac
		shift
	done
	if [ -b "$_arg" ]; then path_of "$_arg"; size_of "$_arg"; C_size=$R; else
		parse_size "$_arg" && C_size=$R ||
			usage_error \
				"size: '$_arg' is neither a block device nor a size such as 100G"
	fi
	carve
	[ $C_blocks -gt 0 ] ||
		die $E_USAGE \
			"$_arg is too small for a cache: label and metadata need more than that" \
			"dmcache size 1G"
	human $C_size; say "device        $R"
	human $C_bs; say "block size    $R"
	say "cache blocks  $C_blocks"
	human $C_len; say "cache         $R"
	human $C_mlen; say "metadata      $R"
	memory_sectors $C_blocks; human $R; say "memory        $R"
}

# ----- checks that come before anything is changed -----

# signature_of DEV: what is on it, in R; empty if nothing. A label of ours that is not detached is
# found here too.
signature_of() {
	label_read "$1"
	case $? in
	0) _w=$R
		get state "$_w"
		[ "$R" != detached ] || { R=; return; }
		get role "$_w"; _x=$R
		get name "$_w"; R="the $_x member of the set $R"
		return ;;
	2 | 3) R="a damaged label of dmcache"; return ;;
	esac
	_x=$(blkid -p -o value -s TYPE "$1" 2> /dev/null)
	case $? in
	0) ;;
	2) dd if="$1" bs=4096 count=1 > /dev/null 2>&1 || { R="what cannot be read"; return; } ;;
	*) R="several signatures (wipefs $1 lists them)"; return ;;
	esac
	_y=$(blkid -p -o value -s PTTYPE "$1" 2> /dev/null)
	R=${_x:-${_y:+a partition table ($_y)}}
}

# free_device DEV WHAT: not mounted, not held; a label of a running or stopped set is never
# overwritten without --force
free_device() {
	need_block_device "$1" "the $2"
	if use_of "$1"; then die $E_BUSY "the $2 $1: $R" "umount it, or name another device"; fi
	sysfs_of "$1"
	if read_line "$R/ro" && [ "$R" = 1 ]; then
		die $E_REFUSED "the $2 $1 is read-only" "blockdev --setrw $1"
	fi
	for _x in $_seen; do
		! same_device "$_x" "$1" ||
			die $E_USAGE "$1 and $_x are the same device" "dmcache create --help"
	done
	_seen="$_seen $1"
}

# overwritten DEV WHAT: its signature goes to the plan; without --wipe it is refused
overwritten() {
	signature_of "$1"
	[ -n "$R" ] || return 0
	[ -n "$WIPE" ] ||
		die $E_REFUSED "the $2 $1 holds $R, which would be overwritten" \
			"the same command with --wipe, if that can go"
	PLAN="$PLAN  $1: $R is overwritten$NL"
}

# memory_enough BLOCKS
memory_enough() {
	memory_sectors "$1"; _need=$R
	while read -r _key _value _rest; do
		[ "$_key" = MemAvailable: ] || continue
		[ $((_value * 2)) -gt "$_need" ] || {
			human $_need; _n=$R
			human $((_value * 2))
			die $E_FAIL "$1 cache blocks take $_n of memory, there is $R" \
				"a larger --block-size"
		}
	done < /proc/meminfo
}

# set_options ARG VALUE: those that create and attach share; status 1: none of them
set_options() {
	case $1 in
	--cache) C_cache=$2 ;;
	--metadata) C_meta=$2 ;;
	--mode)
		case $2 in
		writeback | writethrough | passthrough) C_mode=$2 ;;
		*) usage_error "--mode: writeback, writethrough or passthrough" ;;
		esac ;;
	--policy)
		case $2 in
		'' | *[!A-Za-z0-9_-]* | ????????????????????????????????*)
			usage_error "--policy: '$2' is no name of a policy" ;;
		esac
		C_policy=$2 ;;
	--block-size)
		parse_size "$2" && block_size_ok "$R" ||
			usage_error "--block-size $2: a multiple of 32K, at most 1G"
		C_bs=$R ;;
	--metadata-size)
		parse_size "$2" && C_wantmeta=$(((R + MIB - 1) / MIB * MIB)) ||
			usage_error "--metadata-size $2: a size such as 100M" ;;
	--set) tunable_ok "$2" || usage_error "--set wants key=value"
		[ ${#C_args} -le 1024 ] || usage_error "--set: more than a label can hold"
		C_args="$C_args${C_args:+ }${2%%=*} ${2#*=}" ;;
	*) return 1 ;;
	esac
}
# allocate_default: in writeback mode a write does not wait for the origin, unless --set says
# otherwise
allocate_default() {
	split_args "$C_args"
	[ "$C_mode" = writeback ] && [ -z "$A_allocate" ] || return 0
	A_allocate=$ALLOCATE
	C_args="write_allocate $A_allocate${C_args:+ }$C_args"
}
# plan_allocate: what that means for a way back, to the plan
plan_allocate() {
	[ "$C_mode" = writeback ] || return 0
	case $A_allocate in '' | 0) return 0 ;; esac
	PLAN="$PLAN  write_allocate $A_allocate: a write does not wait for $C_origin.$NL"
	PLAN="$PLAN  After a crash, only this module or dmcache settle can open the cache, until$NL"
	PLAN="$PLAN  idleness, dmcache stop, detach or flush has written partial blocks back.$NL"
	PLAN="$PLAN  --set write_allocate=0 switches it off.$NL"
}
no_options() {
	C_cache= C_meta= C_mode=writeback C_policy=default C_bs= C_wantmeta= C_args= C_origin=
	YES= WIPE= DRY= LABEL_ORIGIN= NO_TAB= PLAN= _seen=
}

# fast_members: check the cache and metadata devices and lay them out
fast_members() {
	take_device "$C_cache" "the cache device"; C_cache=$R
	[ -z "$C_meta" ] || { take_device "$C_meta" "the metadata device"; C_meta=$R; }
	free_device "$C_cache" "cache device"
	size_of "$C_cache"; C_size=$R
	overwritten "$C_cache" "cache device"
	if [ -n "$C_meta" ]; then
		free_device "$C_meta" "metadata device"
		size_of "$C_meta"; C_msize=$R
		overwritten "$C_meta" "metadata device"
		beside
		metadata_sectors "$C_blocks"; _need=$R
		[ $C_mlen -ge $_need ] || {
			human $((_need + HEADER)); _n=$R
			human $C_msize
			die $E_REFUSED \
				"the metadata device $C_meta has $R; $C_blocks blocks need $_n" \
				"a larger --block-size, or no --metadata"
		}
	else
		carve
		metadata_sectors $(((C_size - HEADER) / C_bs))
		[ $C_mlen -ge $R ] || {
			human $R
			die $E_USAGE "--metadata-size is too small: this cache needs $R" \
				"leave it out"
		}
	fi
	[ "$C_blocks" -ge 2 ] || {
		human $C_size
		die $E_REFUSED \
			"the cache device $C_cache has $R: too small for metadata and blocks" \
			"lsblk, and name a larger one"
	}
	memory_enough "$C_blocks"
}

# ----- create -----

cmd_create() {
	no_options
	C_name=
	while [ $# -gt 0 ]; do
		case $1 in
		--yes | -y) YES=1 ;;
		--wipe) WIPE=1 ;;
		--dry-run) DRY=1 ;;
		--label-origin) LABEL_ORIGIN=1 ;;
		--no-tab) NO_TAB=1 ;;
		--*) [ $# -gt 1 ] || usage_error "create: $1 wants a value"
			case $1 in
			--origin) C_origin=$2 ;;
			*) set_options "$1" "$2" || usage_error "create: no option $1" ;;
			esac
			shift ;;
		-*) usage_error "create: no option $1" ;;
		*) [ -z "$C_name" ] || usage_error "create: one name, not '$C_name' and '$1'"
			C_name=$1 ;;
		esac
		shift
	done
	[ -n "$C_name" ] && [ -n "$C_origin" ] ||
		usage_error "create: a name and --origin are needed"
	[ -n "$C_cache" ] || [ -z "$C_meta" ] || usage_error "create: --metadata wants --cache too"
	[ -z "$NO_TAB" ] || [ -n "$C_cache$LABEL_ORIGIN" ] ||
		usage_error "create: --no-tab wants --cache or --label-origin, for a label"
	name_ok "$C_name" || {
		R="letters, digits, _ . + -, no -cdata, -cmeta, -corig, -ctest at its end"
		usage_error "create: '$C_name' cannot be a name: $R"
	}
	allocate_default
	lock
	create_check
	create_plan
	printf '%s' "$PLAN"
	[ -z "$DRY" ] || { say "(dry run: nothing was changed)"; exit 0; }
	confirm "Make it?"
	create_do
}

create_check() {
	tab_check || die $E_USAGE "$R" "correct that line: NAME ORIGIN CACHE METADATA OPTIONS"
	! tab_find "$C_name" ||
		die $E_REFUSED "$TAB has a set $C_name already" \
			"dmcache assemble $C_name, or another name"
	! dm_exists "$C_name" ||
		die $E_BUSY "/dev/mapper/$C_name exists already" \
			"another name; dmsetup info $C_name tells what it is"
	label_scan
	set_labels "$C_name"
	[ $? = $E_UNKNOWN ] ||
		die $E_REFUSED "a label names a set $C_name already" "another name; dmcache list"
	take_device "$C_origin" "the origin"; C_origin=$R
	free_device "$C_origin" origin
	origin_best "$C_origin" ||
		die $E_REFUSED "$COPY has the same $R as the origin, $C_origin" \
			"take the copy away, or give it another UUID (tune2fs -U random $COPY)"
	C_oid=$R
	size_of "$C_origin"; C_osize=$R C_ostart=0
	signature_of "$C_origin"
	case $R in
	"the "*member*) die $E_REFUSED "the origin $C_origin is $R" "dmcache list" ;;
	esac
	C_has=$R
	if [ -n "$LABEL_ORIGIN" ]; then
		[ -z "$C_has" ] || overwritten "$C_origin" origin
		C_ostart=$HEADER C_osize=$((C_osize - HEADER))
	fi
	[ "$C_osize" -ge 2048 ] ||
		die $E_REFUSED "the origin $C_origin is smaller than a MiB" "lsblk"
	[ -z "$C_cache" ] || fast_members
}

create_plan() {
	human "$C_osize"
	if [ -n "$LABEL_ORIGIN" ]; then
		_p="  $C_origin: gets a label; all that is on it is lost$NL"
	else
		_p="  $C_origin: ${C_has:-nothing that is known} on it stays as it is$NL"
	fi
	PLAN="/dev/mapper/$C_name, $R:$NL$_p$PLAN"
	if [ -n "$C_cache" ]; then
		human "$C_len"; _a=$R
		human "$C_bs"; _b=$R
		PLAN="$PLAN  $C_cache: cache of $_a, $C_blocks blocks of $_b"
		PLAN="$PLAN; all that is on it is lost$NL"
		human "$C_mlen"
		PLAN="$PLAN  ${C_meta:-$C_cache}: metadata of $R$NL"
		memory_sectors "$C_blocks"; human "$R"
		PLAN="$PLAN  memory: $R$NL  mode $C_mode, policy $C_policy${C_args:+, $C_args}$NL"
		[ "$C_mode" != writeback ] ||
			_p="blocks that were not written back are lost if the cache device dies" &&
			PLAN="$PLAN  $_p; --mode writethrough never loses any$NL"
		plan_allocate
	else
		PLAN="$PLAN  no cache; dmcache attach gives it one, while it is in use$NL"
	fi
	[ -n "$NO_TAB" ] || PLAN="$PLAN  $TAB gets a line$NL"
	plan_origin
}

# plan_origin: what to do when the id of the origin changes
plan_origin() {
	[ -z "$LABEL_ORIGIN" ] || return 0
	case $C_oid in UUID=*) ;; *) return 0 ;; esac
	PLAN="$PLAN  $C_origin is known by $C_oid only. After mkfs or pvcreate on$NL"
	if [ -n "$C_cache" ]; then
		_p="dmcache flush $C_name, which notes the new one"
	else
		_p="dmcache stop $C_name, which notes the new one; then assemble it again"
	fi
	PLAN="$PLAN  /dev/mapper/$C_name: $_p.$NL"
}

# label_words ROLE MEMBER SIZE START LENGTH: the label of a member of the set that is being made
label_words() {
	_w=" seq=1 set=$C_uuid name=$C_name role=$1 member=$2 size=$3 generation=$C_gen"
	_w="$_w state=closed dirty=0 start=$4 length=$5 block_size=$C_bs"
	_w="$_w cache_member=$M_cache metadata_member=$M_meta"
	_w="$_w origin_member=$M_origin origin_id=$C_oid"
	_w="$_w origin_size=$C_osize origin_crc=- mode=$C_mode policy=$C_policy policy_args="
	commas_of "$C_args"
	R="$_w$R features=- "
}

# write_labels: of the members that the set has. What the devices held before cannot be brought
# back; the user was told so.
write_labels() {
	if [ "$M_cache" != - ]; then
		label_words cache "$M_cache" "$C_size" "$C_start" "$C_len"; _w=$R
		[ -n "$C_meta" ] || _w="${_w}metadata_start=$C_mstart metadata_length=$C_mlen "
		undo_add "label_erase '$C_cache'" \
			"$C_cache may have a label of $C_name, which was not made" \
			"dmcache label --erase $C_cache"
		label_new "$C_cache" "$_w" ||
			die $E_FAIL "$C_cache: its label cannot be written" "dmesg | tail"
		if [ -n "$C_meta" ]; then
			label_words metadata "$M_meta" "$C_msize" "$C_mstart" "$C_mlen"; _w=$R
			undo_add "label_erase '$C_meta'" \
				"$C_meta may have a label of $C_name, which was not made" \
				"dmcache label --erase $C_meta"
			label_new "$C_meta" "$_w" ||
				die $E_FAIL "$C_meta: its label cannot be written" "dmesg | tail"
		fi
	fi
	if [ -n "$LABEL_ORIGIN" ]; then
		label_words origin "$M_origin" $((C_osize + HEADER)) "$HEADER" "$C_osize"; _w=$R
		undo_add "label_erase '$C_origin'" \
			"$C_origin may have a label of $C_name, which was not made" \
			"dmcache label --erase $C_origin"
		label_new "$C_origin" "$_w" ||
			die $E_FAIL "$C_origin: its label cannot be written" "dmesg | tail"
	fi
}

member_uuids() {
	M_cache=- M_meta=-
	[ -z "$C_cache" ] || { new_uuid; M_cache=$R M_meta=$R; }
	[ -z "$C_meta" ] || { new_uuid; M_meta=$R; }
}

# origin_best DEV: its best id for a label, in R, or die. Status 1: a copy has each; one of them is
# in COPY
origin_best() {
	best_id "$1"
	_st=$?
	[ $_st != 2 ] ||
		die $E_REFUSED \
			"the origin $1 has no serial number, UUID or plain name for a label" \
			"dmsetup rename it: letters, digits and _ . + : = @ -"
	return $_st
}

# members_ours NAME DEV...: does the kernel give each device to us alone, beside the others? This
# finds users that sysfs does not show, and a disk beside its partition, before anything is written.
members_ours() {
	_n=$1 _i=0
	shift
	for _d in "$@"; do
		_i=$((_i + 1))
		dm_create "$_n-$_i-ctest" "DMCACHE-test$_i-ctest" "0 8 linear $_d 0" ||
			die $E_BUSY "$_d: ${R%%"$NL"*}" "lsblk $_d; fuser -v $_d"
	done
	undo_all
}

# wipe_members: old signatures go, so that a member is not taken for what it was
wipe_members() {
	for _d in $C_cache $C_meta ${LABEL_ORIGIN:+$C_origin}; do
		_err=$(wipefs -q -a "$_d" 2>&1) || die $E_FAIL "$_d: ${_err%%"$NL"*}" "dmesg | tail"
	done
}

# blank_metadata: the superblock, through a slice as the kernel will see it
blank_metadata() {
	dd if=/dev/zero of="${C_meta:-$C_cache}" bs=4096 seek=$((C_mstart / 8)) count=1 \
		conv=notrunc,fsync 2> /dev/null ||
		die $E_FAIL "${C_meta:-$C_cache}: the metadata cannot be written" "dmesg | tail"
}

create_do() {
	new_uuid; C_uuid=$R C_gen=1
	M_origin=-
	[ -z "$LABEL_ORIGIN" ] || { new_uuid; M_origin=$R; }
	member_uuids
	origin_best "$C_origin"; C_oid=$R
	[ -n "$C_bs" ] || C_bs=128
	# shellcheck disable=SC2086 # paths are plain
	members_ours "$C_name" $C_origin $C_cache $C_meta
	wipe_members
	[ -z "$C_cache" ] || blank_metadata
	write_labels
	if [ -z "$NO_TAB" ]; then
		tab_undo "$C_name"
		tab_line
		tab_write "$R" "$C_name" || die $E_FAIL "$TAB cannot be written" "df $TAB"
	fi
	FORCE=1 DEGRADED= DROP= NEW_LABELS=1
	assemble_one "$C_name" || die $? "$C_name was not made: $R" "dmesg | tail"
	say "$C_name: $R: use /dev/mapper/$C_name from now on, never $C_origin"
}

# tab_line: the line of the set. If the fast devices have labels, these say the rest
tab_line() {
	_spec=$C_oid
	case $C_oid in PATH=*) _spec=${C_oid#PATH=} ;; esac
	# blkid finds a LABEL or UUID; the others are known to dmcache only, which is enough.
	if [ -n "$C_cache" ]; then R="$C_name $_spec - - -"; else R="$C_name $_spec none - -"; fi
	return 0
}
