#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The first process of a machine that was booted from a chroot: dm-cache 0.0.1 is loaded, from the
# initramfs, and the new version is built, not installed. Makes a cache, upgrades under it, and
# reassembles it.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DM_DISABLE_UDEV=1
exec > /dev/ttyS0 2>&1 < /dev/null

wrong=
bad() { [ -n "$wrong" ] || wrong=$1; }
check() {
	if [ -z "$wrong" ]; then echo "CHECK $1 ok"; else echo "CHECK $1 failed: $wrong"; fi
	wrong=
}
k=$(uname -r)
version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' /dmc/src/dkms.conf)
size=65536
make_cache() {
	dmsetup create c \
		--table \
		"0 $size cache /dev/ram0 /dev/ram1 /dev/ram2 128 2 metadata2 writeback $1 0" ||
		bad "dmsetup create with policy $1"
}
# The sum of what the cache holds, past the page cache
sum() { dd if=/dev/mapper/c bs=1M iflag=direct 2> /dev/null | md5sum; }

[ "$(cat /dmc/kernel)" = "$k" ] || bad "running $k"
[ "$(cat /sys/module/dm_cache/version)" = 0.0.1 ] ||
	bad "loaded is '$(cat /sys/module/dm_cache/version)', not 0.0.1 of the initramfs"
# brd came with the initramfs, and with its own idea of sizes.
modprobe -r brd
modprobe brd rd_nr=3 rd_size=32768 || bad "no brd"
make_cache mq
dd if=/dev/urandom of=/dev/mapper/c bs=1M count=32 oflag=direct 2> /dev/null || bad "writing"
before=$(sum)
read -r -a status <<< "$(dmsetup status c)"
[ "${status[2]-}" = cache ] && [ "$((status[9] + status[10]))" -gt 0 ] || bad "status: ${status[*]}"
check loads-and-works

# The initramfs has been seen to be rebuilt in the chroot; here it takes minutes.
export DKMS_HOOK_BOOT=/none
said=$(dkms install -m dm-cache -v "$version" -k "$k" --force 2>&1) ||
	bad "dkms install: $(tail -n 3 <<< "$said")"
grep -F 'dm-cache:' <<< "$said" | sed 's/^/| /'
grep -q "dm-cache 0.0.1 is loaded and stays in use; on disk is now: $version" <<< "$said" ||
	bad "no notice: $(tail -n 3 <<< "$said")"
grep -q "^dm-cache: Active caches: c " <<< "$said" ||
	bad "the notice does not name the active cache"
grep -q "reboot" <<< "$said" && grep -q "reassembly" <<< "$said" ||
	bad "the notice does not say what to do"
[ "$(cat /sys/module/dm_cache/version)" = 0.0.1 ] || bad "the loaded module changed under the cache"
[ "$(sum)" = "$before" ] || bad "the cache's data changed"
check upgrade-notice

# What the notice says, word for word: it ends with the new version and the same data.
cmd=$(grep -o "modprobe -r [a-z -]*[a-z]" <<< "$said" | head -n 1)
table=$(dmsetup table c)
dmsetup remove c || bad "dmsetup remove"
[ -n "$cmd" ] && $cmd || bad "'$cmd' failed"
[ ! -e /sys/module/dm_cache ] || bad "dm_cache is still loaded"
dmsetup create c --table "$table" || bad "creating it again"
[ "$(cat /sys/module/dm_cache/version)" = "$version" ] ||
	bad "loaded is '$(cat /sys/module/dm_cache/version)', not $version"
[ "$(sum)" = "$before" ] || bad "the data changed over the reassembly"
check reassembly

for p in smq cleaner; do
	dmsetup reload c --table "${table/ mq / $p }" && dmsetup suspend c && dmsetup resume c ||
		bad "policy $p"
done
# Nothing is said when what is loaded is what is installed.
said=$(/usr/src/dm-cache-"$version"/scripts/dkms-hook installed "$k" 2>&1)
! grep -q NOTE <<< "$said" || bad "a notice though nothing is stale: $said"
check nothing-stale

echo "@@END"
sync
echo o > /proc/sysrq-trigger
sleep 60
