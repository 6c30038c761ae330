# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# flush.sh - dmcache flush: write everything back, while the cache is in use.
#
# Meanwhile its mode is writethrough and its policy cleaner, so that nothing becomes dirty. The mode
# and policy of before are in $RUN/flush.NAME until they are restored: if a flush is killed, the
# next one restores them.

# flush_note NAME: F_note, its file; status 1 if another flush has it at hand
flush_note() {
	F_note=$RUN/flush.$1
	mkdir -p "$RUN" && { true >> "$F_note"; } 2> /dev/null ||
		die $E_FAIL "$F_note cannot be written" "df $RUN"
	exec 8>> "$F_note"
	flock -n 8
}

# flush_free NAME: no flush of it is under way, or die
flush_free() {
	flush_note "$1" || die $E_BUSY "$1: a flush of it is under way" "fuser -v $F_note"
	exec 8>&-
	[ -s "$F_note" ] || rm -f "$F_note"
}

# flush_start NAME: from here on nothing becomes dirty, and all is written back
flush_start() {
	F_name=$1
	lock
	flush_note "$F_name" || die $E_BUSY "$F_name: a flush of it is under way" "fuser -v $F_note"
	need_cache "$F_name"
	# Was it left by a flush that was killed?
	if ! { [ "$X_policy" = cleaner ] && read_line "$F_note" && [ -n "$R" ]; }; then
		with_core_args "$X_args" "$X_core"
		printf '%s\n' "$X_mode $X_policy $R" > "$F_note" ||
			die $E_FAIL "$F_note cannot be written" "df $RUN"
	fi
	undo_add flush_back "$F_name is in writethrough mode still, with the policy cleaner" \
		"dmcache flush $F_name"
	# A threshold that lets no block through would make this wait for ever.
	_args=
	if value_of migration_threshold "$X_core" && [ "$R" -lt "$X_bs" ]; then
		_args="migration_threshold 2048"
	fi
	_mode=writethrough
	[ "$X_mode" != passthrough ] || _mode=passthrough
	table_with "$F_name" $_mode cleaner "$_args"
	dm_reload "$F_name" "$R" || {
		_why=$R
		kernel_says
		die $E_FAIL "$F_name: the policy cleaner cannot be loaded: ${R:-$_why}" \
			"modprobe dm-cache-cleaner"
	}
	unlock
}

# flush_back: mode, policy and tunables as before
flush_back() {
	# What was to be undone before is not: as long as nothing becomes dirty, no data is at
	# stake.
	[ -z "$UNDO_FAILED" ] || return 1
	read_line "$F_note" || return 1
	stat_of "$F_name"
	case $? in
	0)
		read -r _m _p _args < "$F_note"
		table_with "$F_name" "$_m" "$_p" "$_args" || return 1
		_back=$R
		dm_reload "$F_name" "$_back" || dm_reload "$F_name" "$_back" || return 1 ;;
	3) return 1 ;;
	esac
	# The set was stopped meanwhile, or its cache was detached: nothing to restore.
	rm -f "$F_note"
	exec 8>&-
}

# flush_wait NAME [keep]: until nothing is dirty; then back to mode and policy of before, unless
# keep
flush_wait() {
	F_name=$1
	need_cache "$F_name"
	members_of "$F_name"
	F_first=$X_dirty
	if [ "$F_first" != 0 ] || [ -n "${2-}" ] || [ -s "$RUN/flush.$F_name" ]; then
		ON_SIGNAL=flush_stop
		flush_start "$F_name"
		flush_loop
		ON_SIGNAL='die 1 "interrupted"'
	fi
	[ -z "${2-}" ] || return 0
	undo_all
	stuck_say
	[ -z "$UNDO_FAILED" ] || exit $E_FAIL
	if stat_of "$F_name" && [ "$X_mode" != writeback ]; then clean_now "$F_name"; fi
}
flush_stop() {
	[ ! -t 1 ] || echo
	die $E_FAIL "$F_name: interrupted; what was written back stays so" \
		"dmcache flush $F_name goes on"
}

# uptime_s: seconds in R
uptime_s() { read_line /proc/uptime; R=${R%%.*}; }

flush_loop() {
	uptime_s; F_began=$R F_moved=$R F_told=0
	_last=$F_first
	while :; do
		need_cache "$F_name"
		[ "$X_rw" = rw ] ||
			die $E_FAIL \
				"$F_name: its metadata is read-only, nothing can be written back" \
				"dmesg | tail"
		uptime_s; F_now=$R
		F_done=$((F_first - X_dirty))
		[ $F_done -ge 0 ] || F_first=$X_dirty F_done=0
		if [ -t 1 ] || [ "$X_dirty" = 0 ] || [ $((F_now - F_told)) -ge 10 ]; then
			flush_line
			F_told=$F_now
		fi
		[ "$X_dirty" != 0 ] || break
		[ "$X_dirty" -ge "$_last" ] || F_moved=$F_now
		F_idle=$((F_now - F_moved))
		[ $F_idle -lt "${DMCACHE_FLUSH_IDLE:-120}" ] || {
			R="$X_dirty blocks are still dirty, none was written back for $F_idle s"
			die $E_FAIL "$F_name: $R" "dmesg | tail; is $L_origin writable?"
		}
		_last=$X_dirty
		sleep 1 8>&-
	done
	[ ! -t 1 ] || echo
}

flush_line() {
	bar $F_done "$F_first"; _bar=$R
	percent $F_done "$F_first"; [ "$F_first" != 0 ] || R=100.0
	_pc=$R _rate= _eta= _took=$((F_now - F_began))
	if [ $_took -gt 0 ] && [ $F_done -gt 0 ]; then
		human $((F_done * X_bs / _took)); _rate=", $R/s"
		[ "$X_dirty" = 0 ] || _eta=", $((X_dirty * _took / F_done)) s left"
	fi
	human $((X_dirty * X_bs))
	_text="$F_name $_bar $_pc %, $R dirty$_rate$_eta"
	if [ -t 1 ]; then printf '\r%s\033[K' "$_text"; else echo "$_text"; fi
}

cmd_flush() {
	[ $# = 1 ] || usage_error "flush: name one set"
	need_name "$1"
	NAME=$1
	flush_wait "$NAME"
	# All is on the origin now, and so is the UUID of a new file system.
	lock
	set_running "$NAME"
	origin_renew "$NAME"
	say "$NAME: all dirty blocks are written back"
}
