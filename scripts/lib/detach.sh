# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# detach.sh - dmcache detach: take the cache away from a device that is in use.
#
# Order, so that a crash at any point serves no stale block: everything is written back, and nothing
# becomes dirty any more; tab and labels say that there is no cache; only then the origin is used
# alone, and the cache device can fall behind it.

cmd_detach() {
	NAME= YES= LOST=
	while [ $# -gt 0 ]; do
		case $1 in
		--yes | -y) YES=1 ;;
		--lost) LOST=1 ;;
		-*) usage_error "detach: no option $1" ;;
		*) take_name "$1" ;;
		esac
		shift
	done
	[ -n "$NAME" ] || usage_error "detach: name a set"
	need_name "$NAME"
	is_ours "$NAME"
	stat_of "$NAME"
	case $? in
	1) die $E_UNKNOWN "$NAME is not running" "dmcache assemble $NAME" ;;
	2) detach_gone; exit 0 ;;
	esac
	members_of "$NAME"
	if [ -n "$LOST" ]; then
		detach_loss
		say "$NAME: $R"
		say "the origin, $L_origin, goes on as it is"
		confirm "Give the cache up?"
		lock
		flush_free "$NAME"
		# The filesystem above, and the bios that wait, go on with the origin alone.
		DM_suspend='--nolockfs --noflush'
		detach_do
		say "$NAME: has no cache any more; next: umount it; fsck /dev/mapper/$NAME"
		pass_signals
		exit 0
	fi
	need_cache "$NAME"
	human $((X_dirty * X_bs))
	say "$NAME: $R are written back, then the cache goes; /dev/mapper/$NAME stays"
	confirm "Detach it?"
	# The table of flush stays: nothing becomes dirty until the origin is alone.
	flush_wait "$NAME" keep
	lock
	stat_of "$NAME" && [ "$X_dirty" = 0 ] && [ "$X_policy" = cleaner ] ||
		die $E_FAIL "$NAME: another program changed it meanwhile" "dmcache detach $NAME"
	detach_do
	rm -f "$F_note"
	say "$NAME: has no cache any more, $L_origin has everything"
	pass_signals
}

# detach_loss: what is lost with its cache, in R: by its status, or, if its metadata has failed, by
# what was known last
detach_loss() {
	[ -n "$X_dirty" ] || ! known_read "$NAME" || [ -n "$K_copy" ] || [ "$K_dirty" != 0 ] ||
		X_dirty=0
	case $X_dirty in
	0) R="nothing is lost: the origin has everything" ;;
	'') R="all that was not written back yet is LOST; it is not known how much that is" ;;
	*) human $((X_dirty * X_bs)); R="$X_dirty blocks, $R, that only the cache has are LOST" ;;
	esac
}

# detach_gone: the set runs without a cache that the tab or its label still names: that is given up
detach_gone() {
	members_of "$NAME"
	lock
	set_running "$NAME"
	_start=$S_ostart
	origin_renew "$NAME"
	if [ "$_start" != 0 ]; then
		detach_gone_label
	elif tab_find "$NAME" && [ "$T_cache" != none ]; then
		detach_tab
		undo_forget
	fi
	say "$NAME: has no cache"
}
detach_gone_label() {
	dm_uuid "$NAME"
	lone_label "${R#DMCACHE-}" || die $E_FAIL "$NAME: $R" "dmcache list"
	get cache_member "$S_members"
	[ "$R" != - ] || return 0
	S_nocache=1
	relabel "$S_state" $((S_gen + 2)) 0 - || die $E_FAIL "$R" "dmesg | tail"
}

# detach_do: once it is done, signals are held
detach_do() {
	set_running "$NAME"
	[ -n "$S_members" ] || detach_unlabelled
	# Without members the labels are those of a set of the tab: none.
	_start=0
	[ -z "$S_members" ] || _start=$S_ostart
	D_table="0 $X_sectors linear $L_origin $_start"
	origin_renew "$NAME"
	detach_tab
	detach_labels
	known_undo "$NAME" "dmcache detach $NAME"
	known_change "$NAME" 0 || [ $? = 1 ] ||
		die $E_FAIL "$STATE/$NAME cannot be written" "df $STATE"
	warn_duplicates "$NAME"
	# Once the origin is alone, nothing is undone, and the rest is done.
	hold_signals
	dm_reload "$NAME" "$D_table" || die $E_FAIL "$NAME: $R" "dmesg | tail"
	undo_forget
	# The content of the cache device is old, if it comes back.
	_alone=1
	[ -z "$LOST" ] || _alone=2
	! known_read "$NAME" ||
		known_say "$NAME" "${K_of:--}" 0 $_alone "$K_mode" "$K_bs" "$K_id" || :
	for _s in cmeta cdata corig; do
		! dm_exists "$NAME-$_s" || dm_remove "$NAME-$_s" ||
			warn "/dev/mapper/$NAME-$_s is left: $R; next: dmsetup remove $NAME-$_s"
	done
}

# detach_unlabelled: only a set of the tab has no labels; another one's must be found, or the origin
# would be taken from its wrong place
detach_unlabelled() {
	if dm_exists "$NAME-corig"; then
		[ -z "$S_why" ] || { next_for "$S_st" "$NAME"; die "$S_st" "$NAME: $S_why" "$R"; }
		die $E_MISSING "$NAME: the label of its origin, $L_origin, cannot be found" \
			"dmcache list"
	fi
	[ -z "$LOST" ] && dm_exists "$NAME-cdata" || return 0
	[ -z "$S_why" ] || [ "$S_st" = $E_MISSING ] || {
		next_for "$S_st" "$NAME"
		die "$S_st" "$NAME: $S_why" "$R"
	}
	die $E_MISSING "$NAME: ${S_why:-the labels of its members cannot be found}" \
		"dmcache list; dmcache detach --lost $NAME, if the cache device is broken"
}

# detach_tab: the name stays: a set with no cache. From here on a label that says otherwise does not
# count.
detach_tab() {
	[ "$_start" = 0 ] || return 0
	tab_undo "$NAME"
	tab_find "$NAME" || {
		origin_best "$L_origin"
		T_origin=${R#PATH=} T_options=-
	}
	tab_write "$NAME $T_origin none - $T_options" "$NAME" ||
		die $E_FAIL "$TAB cannot be written" "df $TAB"
}

# detach_labels: the fast members are free; that of the origin knows no cache any more
detach_labels() {
	[ -n "$S_members" ] || return 0
	D_gen=$((S_gen + 2)) D_old=$S_members
	undo_add detach_labels_back \
		"the labels of $NAME may say that it has no cache: it stays in writethrough mode" \
		"dmcache detach $NAME"
	while IFS= read -r _l; do
		[ -n "$_l" ] || continue
		put "$_l" generation "$D_gen"; put "$R" dirty 0; put "$R" origin_crc -; _lw=$R
		get role "$_l"
		if [ "$R" = origin ]; then
			put "$_lw" state closed
			put "$R" cache_member -
			put "$R" metadata_member -
			_lw=$R
		else
			put "$_lw" state detached; _lw=$R
		fi
		if label_write "$_lw"; then remember "$R"; continue; fi
		get dev "$_l"
		[ -n "$LOST" ] ||
			die $E_FAIL "$R: its label cannot be written" \
				"dmesg | tail; dmcache detach --lost $NAME, if it is broken"
		warn "$R: its label cannot be written; next: dmcache label --erase $R"
	done << END
$D_old
END
}

# detach_labels_back: writes back what the labels said before
detach_labels_back() {
	labels_begin
	while IFS= read -r D_l; do
		[ -n "$D_l" ] || continue
		label_over "$D_l"
		remember "$D_l"
	done << END
$D_old
END
	labels_end
}
