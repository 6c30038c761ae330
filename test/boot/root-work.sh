# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC2154 # set by the test's frame
#
# The body of root-tools.sh and root-dracut.sh: a second copy of the system gets a cache, and is
# booted from then on. A labelled set; no tab. With STOPPED=1 the last shutdown but one is to have
# stopped the set, by what is on the disk initrd: as if it were that of /boot.

. /run/job/root-files.sh
# Each step of assembling and stopping counts.
generation() { dmcache label $D-fast | sed -n 's/^generation *//p'; }
unclean() { dmesg | grep -c "device-mapper.*not shut down cleanly" || :; }
on_cache() {
	assert_eq "$(findmnt -no SOURCE /)" /dev/mapper/rootcache "what is mounted as /"
	assert_eq "$(dmsetup table rootcache | awk '{ print $3 }')" cache "its target"
	# What / is on is not to be taken for something else.
	wait_for "udev_of $D-slow | grep -q '^SYSTEMD_READY=0'" 60
	refute_match "$(udev_of $D-slow)" '^ID_FS_(UUID|LABEL)=' "udev, origin"
	assert_eq "$(readlink -f /dev/disk/by-label/dmcroot)" \
		"$(readlink -f /dev/mapper/rootcache)" "by-label/dmcroot"
	assert /usr/lib/dmcache/boot root
}

case $BOOT in
1)
	tune2fs -L dmcroot $D-slow > /dev/null
	mount $D-slow /mnt
	echo "LABEL=dmcroot / ext4 errors=remount-ro 0 1" > /mnt/etc/fstab
	umount /mnt
	assert dmcache create rootcache --origin $D-slow --cache $D-fast --no-tab --yes
	assert dmcache stop rootcache
	refute /usr/lib/dmcache/boot root
	;;
2)
	on_cache
	root_write
	dmsetup status rootcache
	generation > /root/generation
	[ -z "${STOPPED-}" ] || cat $D-initrd > "/boot/initrd.img-$(uname -r)"
	;;
3)
	on_cache
	root_same
	assert_eq "$(unclean)" 0 "caches that were not shut down cleanly"
	# Two of assembling it; two more if it was stopped.
	assert_eq "$(($(generation) - $(cat /root/generation)))" $((${STOPPED:-0} ? 4 : 2)) \
		"steps of its label since the last boot"
	root_cut
	;;
4)
	on_cache
	root_same_after_cut
	assert_eq "$(unclean)" 1 "caches that were not shut down cleanly"
	;;
esac
