# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# doctor.sh - dmcache doctor: looks at all that a cache needs to run and to come up at the next
# boot, changes nothing, and says of each thing that is wrong what to do. Files of the system are
# below $ROOT, for tests; /sys and /proc are the kernel's.

ROOT=${DMCACHE_ROOT:-}
MODULES=$ROOT/lib/modules

fine() { [ -n "$QUIET" ] || printf 'ok     %s\n' "$1"; }
# wrong WHAT NEXT
wrong() { WRONG=$((WRONG + 1)); printf 'WRONG  %s; next: %s\n' "$1" "$2"; }

cmd_doctor() {
	QUIET= WRONG=0
	case ${1-} in
	'') ;;
	-q | --quiet) QUIET=1; shift ;;
	*) usage_error "doctor: no option $1" ;;
	esac
	[ $# = 0 ] || usage_error "doctor: too many words"
	need_root
	RELEASE=$(uname -r)
	doctor_programs
	doctor_modules
	doctor_loaded
	doctor_secure_boot
	doctor_boot
	doctor_initramfs
	doctor_tab
	doctor_sets
	[ $WRONG = 0 ] || { say "problems: $WRONG"; exit $E_FAIL; }
	say "no problems"
}

doctor_programs() {
	for _x in dmsetup:dmsetup blkid:util-linux blockdev:util-linux flock:util-linux \
		cache_check:thin-provisioning-tools; do
		command -v "${_x%:*}" > /dev/null ||
			wrong "the program ${_x%:*} is not installed" "apt-get install ${_x#*:}"
	done
}

# ----- the module -----

# has_ours RELEASE: DKMS puts ours below updates/
has_ours() { find "$MODULES/$1/updates" -name 'dm-cache.ko*' 2> /dev/null | grep -q .; }
has_headers() {
	[ -e "$MODULES/$1/build/Makefile" ] || [ -e "$ROOT/usr/src/linux-headers-$1/Makefile" ]
}

# Of every kernel that can be booted.
doctor_modules() {
	for _d in "$MODULES"/*/kernel; do
		[ -d "$_d" ] || continue
		_d=${_d%/kernel}
		_r=${_d##*/} _which=
		[ "$_r" != "$RELEASE" ] || _which=", which runs now,"
		_k="kernel $_r$_which"
		if has_ours "$_r"; then
			fine "$_k has the module dm-cache of this project"
			continue
		fi
		_k="$_k has no dm-cache of this project"
		if has_headers "$_r"; then
			wrong "$_k" "dkms autoinstall -k $_r"
		else
			wrong "$_k, and no headers to build it with" \
				"apt-get install linux-headers-$_r"
		fi
	done
	[ -d "$MODULES/$RELEASE" ] ||
		wrong "the modules of the kernel that runs now, $RELEASE, are gone" "reboot"
}

doctor_loaded() {
	if [ ! -d /sys/module/dm_cache ]; then
		fine "no dm-cache is loaded; it will be when a cache is assembled"
	elif [ ! -d /sys/module/dm_cache_persistent_data ]; then
		wrong "the kernel's own dm-cache is loaded, not that of this project" \
			"dmcache stop --all; modprobe -r dm-cache-smq dm-cache; and assemble"
	else
		read_line /sys/module/dm_cache/srcversion
		_loaded=$R
		_there=$(modinfo -k "$RELEASE" -F srcversion dm-cache 2> /dev/null)
		if [ -n "$_there" ] && [ "$_loaded" != "$_there" ]; then
			wrong "another version of dm-cache is loaded than is installed" \
				"reboot; or dmcache stop --all, rmmod all dm_cache*, assemble"
		else
			fine "the dm-cache that is loaded is the one that is installed"
		fi
	fi
}

# The fifth byte of the variable is 1 if the firmware demands signatures.
doctor_secure_boot() {
	_var=/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
	[ -n "$ROOT" ] && _var=$ROOT$_var
	[ -e "$_var" ] && [ "$(od -An -tu1 -j4 -N1 "$_var" 2> /dev/null | tr -d ' ')" = 1 ] || {
		fine "Secure Boot is off"
		return
	}
	if ! has_ours "$RELEASE"; then
		:
	elif [ -z "$(modinfo -k "$RELEASE" -F signer dm-cache 2> /dev/null)" ]; then
		wrong "Secure Boot is on, and dm-cache is not signed: it cannot be loaded" \
			"see Secure Boot in doc/admin/install.md"
	elif command -v mokutil > /dev/null && [ -e "$ROOT/var/lib/dkms/mok.pub" ] &&
		! mokutil --test-key "$ROOT/var/lib/dkms/mok.pub" 2> /dev/null |
			grep -q 'already enrolled'; then
		wrong "Secure Boot is on, and the key that DKMS signs with is not enrolled" \
			"mokutil --import /var/lib/dkms/mok.pub, then reboot and confirm it there"
	else
		fine "Secure Boot is on, and dm-cache is signed"
	fi
}

# ----- the boot -----

doctor_boot() {
	_lacks=
	_units=lib/systemd/system
	for _x in lib/dmcache/boot lib/udev/rules.d/62-dmcache.rules $_units/dmcache@.service \
		$_units/dmcache-shutdown.service $_units/dmcache-shutdown-net.service \
		lib/systemd/system-shutdown/dmcache; do
		[ -e "$ROOT/usr/$_x" ] || _lacks="$_lacks /usr/$_x"
	done
	if [ -n "$_lacks" ]; then
		wrong "caches are not assembled at boot or not stopped:$_lacks missing" \
			"make install-tools, or install the package dmcache again"
		return
	fi
	fine "udev rules and units are installed"
	read_line /proc/cmdline
	_w="is on the kernel's command line"
	case " $R " in
	*' dmcache.assemble=off '*)
		wrong "dmcache.assemble=off $_w: nothing is assembled at boot" \
			"reboot without it" ;;
	*' dmcache.assemble='*)
		wrong "dmcache.assemble= $_w: caches do not run in their own mode" \
			"reboot without it" ;;
	esac
}

# What the initramfs of the running kernel holds matters if / is on a cache, or if it loads another
# dm-cache than ours.
doctor_initramfs() {
	_img=$ROOT/boot/initrd.img-$RELEASE
	_list=lsinitramfs _make="update-initramfs -u -k $RELEASE"
	command -v $_list > /dev/null || _list=lsinitrd
	command -v update-initramfs > /dev/null || _make="dracut --force $_img $RELEASE"
	[ -e "$_img" ] && command -v $_list > /dev/null || return 0
	_files=$($_list "$_img" 2> /dev/null) || { wrong "$_img cannot be read" "$_make"; return; }
	_root=
	[ ! -x "$ROOT/usr/lib/dmcache/boot" ] || ! "$ROOT/usr/lib/dmcache/boot" root || _root=1
	_lacks=
	for _x in sbin/dmcache lib/dmcache/boot lib/dmcache/assemble.sh rules.d/62-dmcache.rules; do
		printf '%s\n' "$_files" | grep -q "$_x\$" || _lacks="$_lacks $_x"
	done
	if ! printf '%s\n' "$_files" | grep -q '/dm-cache\.ko'; then
		_lacks="$_lacks dm-cache.ko"
	elif has_ours "$RELEASE" && ! printf '%s\n' "$_files" |
		grep -q 'updates/.*dm-cache\.ko'; then
		wrong "$_img holds the kernel's own dm-cache, which keeps ours out" "$_make"
		return
	fi
	if [ -z "$_lacks" ]; then
		fine "$_img can assemble caches"
	elif [ -n "$_root" ]; then
		wrong "/ is on a cache, and $_img lacks$_lacks" "$_make"
	else
		fine "$_img lacks$_lacks; only a / on a cache needs that"
	fi
}

# ----- the sets -----

doctor_tab() {
	[ -e "$TAB" ] || { fine "there is no $TAB: sets are assembled by their labels"; return; }
	if tab_check; then
		fine "$TAB can be read"
	else
		wrong "$R" "dmcachetab(5), or dmcache create writes the line"
	fi
}

doctor_sets() {
	sets_and_running
	# What label_scan() of all_names() found.
	while IFS= read -r _l; do
		[ -z "$_l" ] ||
			wrong "$_l" \
				"dmcache label ${_l%%:*}, then with --erase if it has no use"
	done << END
$DAMAGED
END
	for NAME in $_sets; do
		case $_running in *" $NAME "*) doctor_running ;; *) doctor_stopped ;; esac
	done
}

doctor_running() {
	dm_active "$NAME" || wrong "$NAME is suspended: all I/O to it waits" "dmsetup resume $NAME"
	stat_of "$NAME"
	case $? in
	0) ;;
	2) fine "$NAME runs, without a cache"; return ;;
	*) _why=$R
		failed_next "$NAME"
		wrong "$NAME: $_why" "$R"
		return ;;
	esac
	_was=$WRONG
	[ "$X_rw" = rw ] ||
		wrong "$NAME: its metadata are read-only" \
			"dmesg; dmcache stop $NAME; dmcache check $NAME"
	[ "$X_check" = - ] ||
		wrong "$NAME: its metadata want a check" "dmcache stop $NAME; dmcache check $NAME"
	# shellcheck disable=SC2086 # words
	set -- $X_core
	while [ $# -ge 2 ]; do
		case $1 in
		*_errors) wrong "$NAME: $1: $2" "dmesg names the device; dmcache detach $NAME" ;;
		esac
		shift 2
	done
	[ $((X_mused * 10)) -le $((X_mtotal * 9)) ] ||
		wrong "$NAME: its metadata are nearly full, $X_mused of $X_mtotal blocks" \
			"dmcache detach $NAME, then dmcache attach with a larger --metadata-size"
	set_labels "$NAME"
	case $? in
	0) ! set_from_labels || doctor_origin ;;
	"$E_REFUSED") wrong "$NAME cannot be assembled at the next boot: $R" "$S_hint" ;;
	esac
	[ "$WRONG" != "$_was" ] || fine "$NAME runs, $X_mode, policy $X_policy"
}

doctor_origin() {
	origin_changed || return 0
	R="$NAME cannot be assembled at the next boot: $S_origin is known by an id that it had"
	wrong "$R; it is $S_newid now" "dmcache flush $NAME"
}

doctor_stopped() {
	if set_find "$NAME"; then
		fine "$NAME is stopped; its members are all there"
	else
		_st=$? _why=$R
		next_for $_st "$NAME"
		wrong "$NAME cannot be assembled: $_why" "$R"
	fi
}
