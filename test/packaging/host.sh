# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034 # used where it is sourced
#
# Sourced by `suites`. Chroots of Debian suites, each with that suite's dkms, kernel and headers:
#
#   $WORK/dkms/SUITE/           made once by mmdebstrap, never changed after that; /debs of it holds
#                               the packages of a second kernel (the cloud flavour), so that a
#                               kernel upgrade needs no network
#   $WORK/dkms-run/SUITE.XXXX/  a run: what it changed (upper/) and its machine (root/, in a mount
#                               namespace)

DKMSDIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../lib/host.sh
. "$DKMSDIR/../lib/host.sh"

SUITES="bullseye bookworm trixie sid"
# What is there for us (lvm2 and thin-provisioning-tools put the kernel's dm-cache into the
# initramfs), and what a minimal system lacks. MODULES=list keeps the initramfs small; the machine's
# modules are named in it.
BASE_PACKAGES=dkms,make,gcc,kmod,openssl,xz-utils,zstd,cpio,initramfs-tools,busybox,dmsetup,lvm2
BASE_PACKAGES+=,thin-provisioning-tools
BASE_PACKAGES+=,ccache,linux-image-amd64,linux-headers-amd64

base_for() {
	local suite=$1 out=$WORK/dkms/$1 key=/usr/share/keyrings/debian-archive-keyring.gpg sec \
		sources old=()
	[ -e "$out/.ready" ] && return
	command -v mmdebstrap > /dev/null ||
		die "mmdebstrap is missing: scripts/dev/install-deps dkms"
	say "making a $suite chroot with its dkms and kernel (about 2 minutes, 1 GB)"
	mkdir -p "$WORK/dkms"
	rm -rf "$out" "$out.new"
	sources=("deb [signed-by=$key] $(mirror Debian) $suite main")
	sec=$(mirror Debian-Security)
	case $suite in bookworm | bullseye | trixie) [ -z "$sec" ] ||
		sources+=("deb [signed-by=$key] $sec $suite-security main") ;; esac
	# A mirror that stands still has a sid whose index is past its date; for a test it is as
	# good as today's.
	[ "$suite" != sid ] || old=(--aptopt='Acquire::Check-Valid-Until "false"')
	# shellcheck disable=SC2016 # mmdebstrap's shell expands it
	mmdebstrap --quiet --mode=root --variant=apt --dpkgopt=force-unsafe-io "${old[@]}" \
		--include="$BASE_PACKAGES" \
		--essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d" && echo MODULES=list > "$1/etc/initramfs-tools/conf.d/test"' \
		--customize-hook='mkdir -p "$1/debs/partial"; k=$(basename "$1"/lib/modules/*-amd64); k=${k%-amd64}
			chroot "$1" apt-get -qq -y -o Dir::Cache::archives=/debs/ --download-only install \
				"linux-image-$k-cloud-amd64" "linux-headers-$k-cloud-amd64"' \
		"$suite" "$out.new" "${sources[@]}" || { rm -rf "$out.new"; return 1; }
	: > "$out.new/.ready"
	mv "$out.new" "$out"
}

# mount_root RUN SUITE: in a mount namespace of the caller's own. What the run changes goes to
# RUN/upper.
mount_root() {
	mkdir -p "$1"/{upper,work,root}
	mount -t overlay overlay -o "lowerdir=$WORK/dkms/$2,upperdir=$1/upper,workdir=$1/work" \
		"$1/root" &&
		mount -t proc proc "$1/root/proc" && mount -t sysfs -o ro sys "$1/root/sys" &&
			mount --rbind /dev "$1/root/dev"
}

# in_root RUN COMMAND...
in_root() {
	local run=$1
	shift
	chroot "$run/root" env -i PATH=/usr/lib/ccache:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
		LC_ALL=C TERM=dumb DEBIAN_FRONTEND=noninteractive "$@"
}

# slim RUN: what neither the guest nor the modules under test use goes, since each depmod of dkms
# reads all modules: many minutes where they are compressed and the processor is emulated. What
# boots is in the initramfs.
slim() {
	local k
	k=$(cat "$1/root/dmc/kernel")
	find "$1/root/lib/modules/$k/kernel/" -name '*.ko*' ! -path '*/drivers/md/*' ! \
		-path '*/drivers/block/*' ! -path '*/lib/*' ! -path '*/crypto/*' -delete
	in_root "$1" depmod "$k"
}

# boot RUN SECONDS: QEMU with the kernel and initramfs that the chroot put into /boot, and the
# chroot itself as the root file system. Prints what the guest says. Status 0 only if it said its
# last word.
boot() {
	local run=$1 limit=$2 k pid st
	k=$(cat "$run/root/dmc/kernel")
	: > "$run/console"
	qemu "$run/root/boot/vmlinuz-$k" "$run/root/boot/initrd.img-$k" 2 1024 \
		"console=ttyS1 boot=dmc rw init=/dmc/guest.sh" \
		-serial "file:$run/console" -serial "file:$run/kernel.log" \
		-virtfs "local,path=$run/root,security_model=passthrough,mount_tag=root,multidevs=remap" \
		> "$run/qemu.log" 2>&1 &
	pid=$!
	guest_wait $pid "$limit" grep -q '^@@END' "$run/console"
	st=$?
	guest_end $pid
	tr -d '\r' < "$run/console"
	case $st in
	0) return ;;
	1) echo "the guest died" ;;
	2) echo "the guest took more than $limit s" ;;
	esac
	tail -n 20 "$run/qemu.log" "$run/kernel.log"
	return 1
}
