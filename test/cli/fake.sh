# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# fake.sh - a world of files for whole runs of dmcache without a kernel: sourced by commands.sh.
#
# $W/dev/NAME are devices, $W/mapper those of device-mapper, $W/sys and $W/proc what the kernel says
# of them. The programs in $W/bin answer from that. The libraries are run as they are, but for the
# paths. What a cache target does is not shown here: its status is made up ($W/dirty blocks are
# dirty, and ten less at each look while the policy is cleaner); the VM tests have the real one.

fake_world() {
	rm -rf "$W"
	mkdir -p "$W/dev" "$W/mapper" "$W/sys/class/block" "$W/sys/dev/block" "$W/proc/self" \
		"$W/bin" "$W/lib" "$W/dm" "$W/ids"
	: > "$W/proc/self/mountinfo"
	: > "$W/proc/mounts"
	: > "$W/proc/swaps"
	echo quiet > "$W/proc/cmdline"
	echo 0 > "$W/dirty"
	echo 0 > "$W/next"
	for f in "$LIB"/*.sh; do
		sed -e 's/\[ -b /[ -e /g; s/\[ ! -b /[ ! -e /g' \
			-e \
			"s,/dev/mapper,$W/mapper,g; s,/sys/\\(class\\|dev\\|module\\),$W/sys/\\1,g" \
			-e \
			"s,/proc/\\(self\\|mounts\\|swaps\\|cmdline\\),$W/proc/\\1,g; s,R=/dev/\\\$R,R=$W/dev/\$R," "$f" > "$W/lib/${f##*/}"
	done
	for p in dmsetup blkid stat wipefs blockdev dmesg uname modinfo lsinitramfs mokutil \
		cache_check cache_repair; do
		{
			echo "#!/bin/sh"
			echo "W=$W"
			echo ". $HERE/fake-programs.sh"
			echo "$p \"\$@\""
		} > "$W/bin/$p"
		chmod +x "$W/bin/$p"
		# A function: busybox sh takes its own applets before those in the path.
		case $p in
		stat)
			{
				echo 'fake_stat() {'
				sed -n '/^stat() {/,/^}/{/^stat/d;/^}/d;s/exit 1/return 1/;p;}' \
					"$HERE/fake-programs.sh"
				echo '}'
				echo "stat() { W=$W fake_stat \"\$@\"; }"
			}
			;;
		*) echo "$p() { $W/bin/$p \"\$@\"; }" ;;
		esac >> "$W/lib/base.sh"
	done
	fake_writes >> "$W/lib/base.sh"
}

# fake_writes: functions that count what dd, mv and sync change, as a step of fake-programs.sh
fake_writes() {
	sed -n '/^step() {/,/^}/p; /^hit() {/,/^}/p; /^awake() {/,/^}/p' "$HERE/fake-programs.sh"
	cat << END
W=$W
dd() {
	_of=
	for _a in "\$@"; do case \$_a in of=*) _of=\${_a#of=} ;; esac; done
	[ -z "\$_of" ] || step "dd \$_of" || return 1
	command dd "\$@" && hit
}
mv() { if [ -e "\$W/read-only" ]; then case \$2 in *tab*.state/*) return 1 ;; esac; fi; step "mv \$2" && command mv "\$@"; }
sync() { step "sync \${1-}"; }
END
}

# fake_device NAME MB [PARTUUID]
fake_device() {
	dd if=/dev/zero of="$W/dev/$1" bs=1048576 count=0 seek="$2" 2> /dev/null
	read -r _n < "$W/next"
	echo $((_n + 1)) > "$W/next"
	mkdir -p "$W/sys/class/block/$1/holders"
	echo $(($2 * 2048)) > "$W/sys/class/block/$1/size"
	echo 0 > "$W/sys/class/block/$1/ro"
	echo "8:$_n" > "$W/sys/class/block/$1/dev"
	ln -s "$W/sys/class/block/$1" "$W/sys/dev/block/8:$_n"
	: > "$W/ids/$1"
	if [ -n "${3-}" ]; then
		: > "$W/sys/class/block/$1/partition"
		echo "PARTUUID=$3" > "$W/ids/$1"
	fi
}
