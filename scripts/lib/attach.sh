# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# attach.sh - dmcache attach: give a cache to a device that is in use. /dev/mapper/NAME stays the
# same device all the time: with a cache, its table is of the target cache; without one, of linear.
# So what is mounted stays mounted.

# ----- attach -----

cmd_attach() {
	no_options
	NAME=
	while [ $# -gt 0 ]; do
		case $1 in
		--yes | -y) YES=1 ;;
		--wipe) WIPE=1 ;;
		--dry-run) DRY=1 ;;
		--*) [ $# -gt 1 ] || usage_error "attach: $1 wants a value"
			set_options "$1" "$2" || usage_error "attach: no option $1"
			shift ;;
		-*) usage_error "attach: no option $1" ;;
		*) take_name "$1" ;;
		esac
		shift
	done
	[ -n "$NAME" ] && [ -n "$C_cache" ] || usage_error "attach: a name and --cache are needed"
	allocate_default
	lock
	attach_check
	attach_plan
	printf '%s' "$PLAN"
	[ -z "$DRY" ] || { say "(dry run: nothing was changed)"; exit 0; }
	confirm "Attach it?"
	attach_do
}

attach_check() {
	tab_check || die $E_USAGE "$R" "correct that line: NAME ORIGIN CACHE METADATA OPTIONS"
	if ! dm_exists "$NAME"; then
		if [ -b "$NAME" ]; then
			die $E_REFUSED \
				"$NAME was not made by dmcache, so it cannot get a cache in use" \
				"umount $NAME; dmcache create NAME --origin $NAME --cache $C_cache"
		fi
		die $E_UNKNOWN "$NAME is not running" \
			"dmcache assemble $NAME, or dmcache create $NAME"
	fi
	already "$NAME" ||
		die $E_REFUSED "/dev/mapper/$NAME was not made by dmcache" "dmcache create"
	stat_of "$NAME"
	[ $? = 2 ] || die $E_REFUSED "$NAME has a cache already" "dmcache detach $NAME"
	set_need "$NAME"
	[ "$S_state" = nocache ] ||
		die $E_REFUSED "$NAME runs without the cache that its labels name" \
			"dmcache stop $NAME; dmcache assemble $NAME"
	C_name=$NAME C_origin=$S_origin C_osize=$S_osize C_ostart=$S_ostart C_olabel=
	[ "$S_ostart" = 0 ] || C_olabel=1
	_seen=" $C_origin"
	fast_members
}

attach_plan() {
	human "$C_len"; _a=$R
	human "$C_bs"; _b=$R
	PLAN="$PLAN/dev/mapper/$NAME stays in use:$NL  $C_cache: cache of $_a"
	PLAN="$PLAN, $C_blocks blocks of $_b; all that is on it is lost$NL"
	human "$C_mlen"
	PLAN="$PLAN  ${C_meta:-$C_cache}: metadata of $R$NL"
	memory_sectors "$C_blocks"; human "$R"
	PLAN="$PLAN  memory: $R$NL  mode $C_mode, policy $C_policy${C_args:+, $C_args}$NL"
	plan_allocate
}

attach_do() {
	origin_renew "$NAME"
	# shellcheck disable=SC2086 # paths are plain
	members_ours "$NAME" $C_cache $C_meta
	wipe_members
	blank_metadata
	C_gen=1 M_origin=-
	if [ -n "$C_olabel" ]; then attach_origin_old; else new_uuid; C_uuid=$R; fi
	member_uuids
	origin_best "$C_origin"; C_oid=$R
	write_labels
	[ -z "$C_olabel" ] || attach_origin_label
	tab_undo "$NAME"
	tab_find "$NAME" && _o=$T_options || _o=-
	_spec=${T_origin:-$C_oid}
	case $_spec in PATH=*) _spec=${_spec#PATH=} ;; esac
	tab_write "$NAME $_spec - - $_o" "$NAME" || die $E_FAIL "$TAB cannot be written" "df $TAB"
	label_scan
	{ set_labels "$C_uuid" && set_from_labels; } || die $E_FAIL "$NAME: $R" "dmesg | tail"
	S_labelmode=$S_mode
	relabel opening $((S_gen + 1)) 0 - || die $E_FAIL "$R" "dmesg | tail"
	known_undo "$NAME" "dmcache attach $NAME --cache $C_cache"
	known_set unknown || [ $? = 1 ] || die $E_FAIL "$STATE/$NAME cannot be written" "df $STATE"
	slices || die $E_FAIL "$R" "dmesg | tail"
	relabel open $((S_gen + 1)) unknown - || die $E_FAIL "$R" "dmesg | tail"
	cache_table "$MAP_meta" "$MAP_cache" "$MAP_origin"
	# Once the cache runs, nothing is undone, and the rest is done.
	hold_signals
	dm_reload "$NAME" "$R" || {
		_why=$R
		kernel_says
		die $E_FAIL "$NAME: the kernel refuses the cache: ${R:-$_why}" "dmesg | tail"
	}
	undo_forget
	tell_allocate
	remember_origin
	[ "$S_mode" = writeback ] || clean_now "$NAME"
	say "$NAME: has a cache now: $C_mode, policy $C_policy"
	pass_signals
}

# A labelled origin keeps its set; its label learns of the new members.
attach_origin_old() {
	set_labels "$NAME" || die $E_FAIL "$NAME: $R" "dmcache list"
	_new=$NEWEST
	get set "$_new"; C_uuid=$R
	get origin_member "$_new"; M_origin=$R
	get generation "$_new"; C_gen=$((R + 2))
}
attach_origin_label() {
	label_read "$C_origin" ||
		die $E_FAIL "$C_origin: its label cannot be read" "dmcache label $C_origin"
	O_words=$R
	put "$O_words" cache_member "$M_cache"
	put "$R" metadata_member "$M_meta"
	put "$R" block_size "$C_bs"
	put "$R" mode "$C_mode"
	put "$R" policy "$C_policy"
	put "$R" generation "$C_gen"
	put "$R" state closed
	put "$R" dirty 0
	undo_add attach_origin_back "the label of $C_origin may name $C_cache as its cache" \
		"dmcache detach $NAME"
	label_write "$R" || die $E_FAIL "$C_origin: its label cannot be written" "dmesg | tail"
}
# attach_origin_back: newer than any label that the fast devices got meanwhile
attach_origin_back() {
	label_read "$C_origin" || return 1
	get generation "$R"
	put "$O_words" generation $((R + 2))
	labels_begin
	label_over "$R"
	labels_end
}
