# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# stop.sh - dmcache stop: take the device of a set away, and close its labels.

# stop_one NAME
stop_one() {
	dm_exists "$1" || {
		# By UUID?
		_n=$(dmsetup info -c --noheadings -o name -u "DMCACHE-$1" 2> /dev/null)
		[ -n "$_n" ] || { R="not running"; return 0; }
		set -- "$_n"
	}
	already "$1" || return $?
	running_set "$1"; _u=$R
	dm_open_count "$1"
	if [ "${R:-0}" != 0 ]; then
		use_of "/dev/mapper/$1" || R="in use"
		R="/dev/mapper/$1: $R"
		return $E_BUSY
	fi
	_table=$(dmsetup table "$1" 2> /dev/null)
	case $_table in
	*' linear '*) stop_nameless "$1"
		dm_remove "$1" || return 1
		! origin_changed || origin_noted
		R=stopped
		stop_alone "$_u"
		return ;;
	esac
	_have=
	label_scan
	set_labels "$_u" && set_from_labels && _have=1
	[ -n "$_have" ] || stop_nameless "$1"
	S_labelmode=${S_mode:-}
	table_devices "$1"
	take_down "$1" || return 1
	_kept=
	[ "$_u" = "tab-$1" ] && [ -z "$_have" ] && stop_settle "$1"
	[ -n "$_have" ] || ! origin_changed || origin_noted
	# A flush that was killed noted there what to put back.
	rm -f "$RUN/flush.$1"
	warn_duplicates "$1"
	_wrong=
	[ "$_u" = "tab-$1" ] && [ -z "$_have" ] || stop_labels "$1"
	stop_known "$1"
	[ -z "$_wrong" ] || {
		R="it is stopped, but $_wrong: its labels may say that it runs"
		STOP_next="dmcache assemble $1; dmcache stop $1"
		return 1
	}
	case $_dirty in
	0) R="stopped; the origin is complete" ;;
	unknown) R=stopped ;;
	*) R="stopped; $_dirty blocks are only in the cache" ;;
	esac
	R="$R$_kept"
}

# stop_nameless NAME: no label says what its origin is; the tab may
stop_nameless() {
	S_name=$1 S_kind=tab S_members= S_oid= S_ostart=0 S_origin=
	! live_origin || S_origin=$R
}

# table_devices NAME: the devices in its table, in TD_meta TD_cache TD_origin
table_devices() {
	TD_meta= TD_cache= TD_origin=
	# shellcheck disable=SC2046 # fields
	set -- $(dmsetup table "$1" 2> /dev/null)
	[ "${3-}" = cache ] || return 0
	node_of "/sys/dev/block/$4" && TD_meta=$R
	node_of "/sys/dev/block/$5" && TD_cache=$R
	node_of "/sys/dev/block/$6" && TD_origin=$R
}

# stop_settle NAME: its device is gone; its partial blocks go to the origin, so that any dm-cache
# opens it. What fails here leaves a set that is stopped, with partial blocks: _kept says so.
stop_settle() {
	[ -z "$KEEP_PARTIAL" ] && [ -n "$TD_meta$TD_cache$TD_origin" ] &&
		has_partial "$TD_meta" || return 0
	_kept="; it has partial blocks: only this dm-cache opens it"
	settle_there && settle_devices "$TD_meta" "$TD_cache" "$TD_origin" || {
		warn "$1: its partial blocks stay; next: dmcache settle $1"
		return 0
	}
	_kept=
	! is_number "$_dirty" || [ "$_dirty" -lt "$ST_settled" ] || _dirty=$((_dirty - ST_settled))
}

# take_down NAME: its device is gone, with its last count of dirty blocks in _dirty; or it goes on
take_down() {
	# Nothing is dirtied or written back any more from here on: the count is the final one.
	R=$(dmsetup suspend "$1" 2>&1) && { dirty_of "$1"; _dirty=$R; dm_remove "$1"; } && return 0
	_why=$R
	(dm_whole resume "$1") > /dev/null 2>&1
	dm_active "$1" || stuck_add "$1" "dmsetup resume $1"
	R=$_why
	return 1
}

# stop_alone UUID: a device without a cache is gone; a label of the origin that says open gets
# closed
stop_alone() {
	label_scan
	lone_label "$1"
	_st=$?
	[ $_st != 1 ] && [ "$S_state" = open ] || { R=stopped; return 0; }
	[ $_st = 0 ] && relabel closing $((S_gen + 1)) 0 - && relabel closed $((S_gen + 1)) 0 - || {
		R="it is stopped, but $R: its label may say that it runs"
		STOP_next="dmcache assemble --degraded $S_name; dmcache stop $S_name"
		return 1
	}
	R=stopped
}

# stop_known NAME: how many blocks only the cache has; what says "may be dirty" stays if it cannot
# be written
stop_known() {
	if known_read "$1" && [ -n "$K_of" ]; then
		known_change "$1" "$_dirty"
	elif [ -n "$_have" ]; then
		known_set "$_dirty"
	fi || :
}

# stop_labels NAME: slices go and labels are closed; _wrong is what hindered that
stop_labels() {
	_name=$1
	if [ -z "$_have" ]; then
		_wrong="its labels cannot be found or do not fit"
	else
		relabel closing $((S_gen + 1)) "$_dirty" - || _wrong=$R
	fi
	stop_settle "$_name"
	for _s in cmeta cdata corig; do
		! dm_exists "$_name-$_s" || dm_remove "$_name-$_s" ||
			warn "/dev/mapper/$_name-$_s is left: $R; next: dmsetup remove $_name-$_s"
	done
	[ -z "$_wrong" ] || return 0
	origin_sum; _crc=$R
	# A filesystem that was made anew has another UUID.
	origin_changed || :
	if relabel closed $((S_gen + 1)) "$_dirty" "$_crc"; then origin_noted; else _wrong=$R; fi
	remember_origin
	rm -f "$RUN/up/$_name"
}

# stop_flush: write back what the sets of N_names hold, while they are still in use
stop_flush() {
	for NAME in $N_names; do
		dm_exists "$NAME" || continue
		is_ours "$NAME"
		stat_of "$NAME"
		[ $? = 2 ] || flush_wait "$NAME"
	done
}

cmd_stop() {
	_what= _names= _flush= KEEP_PARTIAL= ANY_SIZE=1
	while [ $# -gt 0 ]; do
		case $1 in
		--all) _what=all ;;
		--flush) _flush=1 ;;
		--keep-partial) KEEP_PARTIAL=1 ;;
		-*) usage_error "stop: no option $1" ;;
		*) _names="$_names $1" ;;
		esac
		shift
	done
	[ -n "$_what$_names" ] || usage_error "stop: name a set, or --all"
	[ "$_what" != all ] || { running_names; _names=$R; }
	N_names=$_names
	[ -z "$_flush" ] || stop_flush
	lock
	WORST=0
	for NAME in $N_names; do
		S_newid= STOP_next=
		# Once the device is gone, its labels have to be closed.
		hold_signals
		stop_one "$NAME"
		_st=$?
		if [ $_st = 0 ]; then
			say "$NAME: $R"
		else
			_why=$R
			[ $_st != $E_BUSY ] || R="umount it, or fuser -vm /dev/mapper/$NAME"
			[ $_st = $E_BUSY ] || R=${STOP_next:-"dmcache status $NAME"}
			warn "$NAME: $_why; next: $R"
			stuck_say
			[ $_st -le $WORST ] || WORST=$_st
		fi
		pass_signals
	done
	exit $WORST
}
