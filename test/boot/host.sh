# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034 # used where it is sourced
#
# Sourced by `image` and `run`. A real Debian 12 with systemd, udev, its stock kernel,
# initramfs-tools and dracut:
#
#   $WORK/debian/base/     made once by mmdebstrap, never changed after that
#   $MINE/debian/tree/     what this checkout installs on top of that
#   $MINE/debian/root.img  both as a disk; guests boot a qcow2 overlay of it
#   $MINE/debian/initrd.*  its initramfs, made inside it by initramfs-tools or dracut

DEBDIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../lib/host.sh
. "$DEBDIR/../lib/host.sh"
K=6.1
BASE=$WORK/debian/base
OUT=$MINE/debian

# mount_root DIR: the base at DIR/root, in a mount namespace of the caller's own; what is changed
# goes to DIR/upper
mount_root() {
	mkdir -p "$1"/{upper,work,root}
	root=$1/root
	mount -t overlay overlay -o "lowerdir=$BASE,upperdir=$1/upper,workdir=$1/work" "$root" &&
		mount -t proc proc "$root/proc" && mount -t sysfs -o ro sys "$root/sys" &&
			mount -t tmpfs tmp "$root/tmp" &&
		mount --rbind /dev "$root/dev"
}

# leave_root: only the tree stays, for mke2fs
leave_root() { umount "$root/proc" "$root/sys" "$root/tmp" && umount -lR "$root/dev"; }

in_root() {
	chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C TERM=dumb \
		DEBIAN_FRONTEND=noninteractive "$@"
}

run_dracut() { # OUTPUT VERSION
	# What no guest needs is left out; the kernel unpacks it faster as it is.
	in_root dracut --force --no-hostonly --no-hostonly-cmdline --no-compress --drivers \
		"virtio_pci virtio_blk ext4" \
		-o \
		"btrfs crypt dmraid mdraid lvm multipath nvdimm network-manager network kernel-network-modules bluetooth plymouth i18n" "$1" "$2"
}

# ours VERSION: what this checkout installs
ours() {
	install -d "$root/lib/modules/$1/updates/dm-cache"
	install -m 644 "$MINE/images/$K/ko"/*.ko "$root/lib/modules/$1/updates/dm-cache/"
	chroot "$root" depmod -a "$1"
	[ ! -e "$TOP/scripts/tools-install" ] || "$TOP/scripts/tools-install" "$root"
	printf '%s\n' virtio_pci virtio_blk ext4 > "$root/etc/initramfs-tools/modules"
}
