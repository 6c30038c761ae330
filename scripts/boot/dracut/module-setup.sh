#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154 # dracut sources this, and sets moddir, initdir, kernel
#
# /usr/lib/dracut/modules.d/90dmcache - puts into an initramfs of dracut what assembles a cache
# there, and what stops that of / at the end of a shutdown: modules with all policies, dmcache and
# the programs it calls, udev rules, the tab. Then looks whether all of it is there. If something is
# not, and / is on a cache, there is no initramfs: the old one is better. Else it is only said.

# Not only if / is on a cache now: a / that gets one later must not be mounted without it.
check() { require_binaries dmcache dmsetup blkid flock; }

depends() { echo base dm rootfs-block udev-rules; }

# dmcache_whole: $dmcache_wrong is what is missing, a line each
dmcache_whole() {
	[ -n "$dmcache_wrong" ] || return 0
	while IFS= read -r _line; do
		dfatal "dmcache: the initramfs for $kernel lacks $_line"
	done <<< "${dmcache_wrong%$'\n'}"
	! /usr/lib/dmcache/boot root || {
		dfatal "dmcache: / is on a cache: no initramfs was made"
		exit 1
	}
}
dmcache_lacks() { dmcache_wrong+="$1; next: $2"$'\n'; }
dmcache_module_there() {
	find "$initdir/lib/modules/" "$initdir/usr/lib/modules/" -name "$1.ko*" 2> /dev/null |
		grep -q .
}

installkernel() {
	local m needed policies dmcache_wrong=''
	# Ours are in updates/; without them the kernel's own will do.
	policies=$(find "/lib/modules/$kernel" -name 'dm-cache-*.ko*' 2> /dev/null |
		sed 's,.*/,,; s,\.ko.*,,' | sort -u)
	# Whatever this machine has loaded now.
	# shellcheck disable=SC2086 # a list
	hostonly='' instmods dm-mod dm-bufio dm-cache $policies
	for m in dm-cache dm-cache-smq; do
		dmcache_module_there $m ||
			dmcache_lacks "the module $m" \
				"dkms autoinstall -k $kernel, or reinstall linux-image-$kernel"
	done
	needed=$(modinfo -k "$kernel" -F depends dm-cache dm-cache-smq 2> /dev/null | tr , '\n' |
		grep -vx dm-cache | sort -u)
	for m in $needed; do
		dmcache_module_there "${m//_/-}" || dmcache_module_there "$m" ||
			grep -q "/${m//_/[-_]}\.ko" "/lib/modules/$kernel/modules.builtin" ||
				dmcache_lacks "the module $m" "depmod $kernel"
	done
	dmcache_whole
}

install() {
	local f p dmcache_wrong=''
	for p in dmcache $(/usr/lib/dmcache/boot programs); do
		inst_multiple "$p" && f=$(find_binary "$p") && [ -e "$initdir$f" ] ||
			dmcache_lacks "the program $p" "install it"
	done
	for f in /usr/lib/dmcache/boot /usr/lib/dmcache/*.sh; do inst_simple "$f"; done
	# For a rescue shell.
	inst_binary /usr/lib/dmcache/settle
	[ ! -e /etc/dmcachetab ] || inst_simple /etc/dmcachetab
	# Only to say what was known: it gets older than what is so.
	for f in /etc/dmcachetab.state/*; do [ ! -e "$f" ] || inst_simple "$f"; done
	/usr/lib/dmcache/boot swaps > "$initdir/etc/dmcache-swaps"
	inst_rules 55-dm.rules 60-persistent-storage.rules 60-persistent-storage-dm.rules \
		62-dmcache.rules
	for f in /usr/lib/dmcache/boot /usr/lib/dmcache/base.sh /usr/lib/dmcache/assemble.sh \
		/usr/lib/dmcache/settle; do
		[ -s "$initdir$f" ] || dmcache_lacks "$f" "install dmcache again"
	done
	for f in 55-dm.rules 60-persistent-storage.rules 62-dmcache.rules; do
		[ -e "$initdir/usr/lib/udev/rules.d/$f" ] ||
			[ -e "$initdir/lib/udev/rules.d/$f" ] ||
			dmcache_lacks "the udev rules $f" \
				"apt-get install --reinstall udev dmsetup, or install dmcache again"
	done
	inst_hook initqueue/settled 50 "$moddir/dmcache-assemble.sh"
	inst_hook initqueue/finished 50 "$moddir/dmcache-looked.sh"
	# Before the one of dm, which takes all devices away and knows of no labels.
	inst_hook shutdown 20 "$moddir/dmcache-stop.sh"
	dracut_need_initqueue
	dmcache_whole
}
