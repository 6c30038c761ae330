# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# metadata.sh - dmcache check, dump and repair: the metadata of a set that is stopped.

# metadata_alone NAME: in MAP_meta; what has to be made for that is on the undo list
metadata_alone() {
	lock
	set_need "$1"
	! dm_exists "$S_name" || die $E_BUSY "$S_name is running" "dmcache stop $S_name"
	[ -n "$S_meta" ] || die $E_REFUSED "$S_name has no cache" "dmcache status $S_name"
	if use_of "$S_meta"; then
		case $R in "used by"*) our_leftover "${R#used by }" ;; *) false ;; esac ||
			die $E_BUSY "$S_meta: $R" "lsblk $S_meta"
	fi
	MAP_meta=$S_meta
	[ "$S_kind" = label ] || return 0
	slice cmeta "$S_mlen" "$S_meta" "$S_mstart" || die $E_FAIL "$R" "dmesg | tail"
	MAP_meta=/dev/mapper/$S_name-cmeta
}

# no_partial: dies if it has partial blocks. The tools do not know these: cache_check calls such
# metadata damaged, or finds blocks that it would free, and cache_repair makes whole blocks of them,
# with what was never written to the cache.
no_partial() {
	has_partial "$MAP_meta" || return 0
	_why="$S_name: its metadata on $S_meta has partial blocks, which $1 does not know"
	R="dmcache settle $S_name, which checks it, too"
	[ "$command" = check ] || {
		R="$R; if that is not possible: dmcache assemble --drop-cache $S_name"
		R="$R (what only the cache has is lost)"
	}
	die $E_REFUSED "$_why" "$R"
}

need_tool() {
	command -v "$1" > /dev/null ||
		die $E_FAIL "the program $1 is not installed" \
			"apt-get install thin-provisioning-tools"
}

# one_name ARGS...: NAME of a command that takes --yes and a name
one_name() {
	NAME= YES=
	for _x in "$@"; do
		case $_x in
		--yes | -y) YES=1 ;;
		-*) usage_error "$command: no option $_x" ;;
		*) take_name "$_x" ;;
		esac
	done
	[ -n "$NAME" ] || usage_error "$command: name a set"
}

# last_line TEXT: its last line that is not empty, in R
last_line() { R=$(printf '%s\n' "$1" | grep . | tail -n 1); }

cmd_check() {
	one_name "$@"
	need_tool cache_check
	metadata_alone "$NAME"
	no_partial cache_check
	M_out=$(cache_check "$MAP_meta" 2>&1)
	M_st=$?
	undo_all
	last_line "$M_out"
	[ $M_st = 0 ] ||
		die $E_REFUSED "$S_name: its metadata on $S_meta is damaged: $R" \
			"dmcache repair $S_name"
	say "$S_name: its metadata on $S_meta is in order"
}

# What cache_dump does not show, partial blocks too.
cmd_dump() {
	one_name "$@"
	DUMP=${DMCACHE_DUMP:-$LIB/dump}
	[ -x "$DUMP" ] || DUMP=$LIB/../../tools/settle/build/dmcache-dump
	[ -x "$DUMP" ] ||
		die $E_FAIL "$LIB/dump is missing" "install dmcache again, or make -C tools/settle"
	metadata_alone "$NAME"
	# It must not keep the lock if it outlives us.
	"$DUMP" "$MAP_meta" 9>&-
	M_st=$?
	undo_all
	[ $M_st = 0 ] ||
		die $E_REFUSED "$S_name: its metadata on $S_meta is damaged" "dmcache check $S_name"
}

# tools_before_1: are the programs of thin-provisioning-tools older than 1.0?
tools_before_1() { case $(cache_repair --version 2> /dev/null) in 0.*) true ;; *) false ;; esac; }

# all_dirty FILE: all blocks of the repaired metadata in FILE count as dirty. Programs before 1.0 do
# not know the dirty bits of metadata of format 2, take all blocks for clean, and say nothing of
# that: what only the cache has would never be written back.
all_dirty() {
	# A dump that ends early has no end tag, which cache_restore wants.
	cache_dump "$1" | sed 's/ dirty="false"/ dirty="true"/' > "$1.xml"
	cache_restore -i "$1.xml" -o "$1"
	_st=$?
	rm -f "$1.xml"
	return $_st
}

cmd_repair() {
	one_name "$@"
	need_tool cache_repair
	need_tool cache_check
	M_old=
	if tools_before_1; then
		M_old=1
		need_tool cache_dump
		need_tool cache_restore
	fi
	metadata_alone "$NAME"
	no_partial cache_repair
	M_tmp=$(mktemp "${TMPDIR:-/var/tmp}/dmcache.XXXXXX" 2> /dev/null ||
		mktemp /tmp/dmcache.XXXXXX) ||
		die $E_FAIL "there is no room for a temporary file" "df /var/tmp"
	undo_add "rm -f '$M_tmp' '$M_tmp.xml'" "$M_tmp is left" "rm $M_tmp"
	# To a file first: the old metadata stay until the new ones are known to be good.
	dd if=/dev/zero of="$M_tmp" bs=512 count=0 seek="$S_mlen" 2> /dev/null ||
		die $E_FAIL "$M_tmp cannot be written" "df $M_tmp"
	M_out=$(cache_repair -i "$MAP_meta" -o "$M_tmp" 2>&1) &&
		{ [ -z "$M_old" ] || M_out=$(all_dirty "$M_tmp" 2>&1); } &&
		M_out=$(cache_check "$M_tmp" 2>&1) || {
		last_line "$M_out"
		# The newer tools write past the page cache, which a tmpfs does not let them.
		case $R in
		*"os error 22"*)
			die $E_FAIL "$NAME: cache_repair cannot write to $M_tmp: $R" \
				"TMPDIR=FOLDER dmcache repair $NAME, with a folder on a disk" ;;
		esac
		_why="$NAME: its metadata on $S_meta cannot be repaired: $R"
		R="dmcache assemble $NAME; if it runs: dmcache detach $NAME"
		R="$R; else: dmcache assemble --drop-cache $NAME (what only the cache has is lost)"
		die $E_REFUSED "$_why" "$R"
	}
	say "$NAME: the repaired metadata is ready. It takes the place of that on $S_meta"
	# The tools remove damaged mappings without a word.
	! command -v cache_dump > /dev/null || {
		_n=$(cache_dump "$M_tmp" 2> /dev/null | grep -c '<mapping ')
		say "It names $_n cached blocks; what others hold is lost"
	}
	if [ -n "$M_old" ]; then
		say "All blocks count as dirty then, since these programs cannot tell which are"
	else
		say "All blocks count as dirty then, unless the damage left their state"
	fi
	confirm "Write them?"
	repair_write
}

# repair_write: what is in M_tmp takes the place of the old metadata. Once that has begun, it may be
# the only whole copy: no failure and no signal removes it.
repair_write() {
	sync "$M_tmp" 2> /dev/null || sync || die $E_FAIL "$M_tmp cannot be written" "df $M_tmp"
	hold_signals
	# The file was the last on the list.
	UNDO=${UNDO#*"$NL"}
	(trap '' INT TERM HUP
		dd if="$M_tmp" of="$MAP_meta" bs=1048576 conv=notrunc,fsync 2> /dev/null) || {
		R="dd if=$M_tmp of=$S_meta bs=512 seek=${S_mstart:-0} conv=notrunc,fsync"
		die $E_FAIL "$S_meta cannot be written; the repaired metadata is in $M_tmp" \
			"dmesg | tail; then $R"
	}
	rm -f "$M_tmp"
	undo_all
	say "$NAME: repaired; next: dmcache assemble $NAME"
	pass_signals
}
