# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034 # used where it is sourced
#
# Sourced on the host by all tests that boot something. Where things are:
#
#   $WORK/kernels/K/image/    the stock kernel package of K, unpacked, never changed
#   $WORK/kernels/K/vmlinuz   link to it; vmlinux is the same without its compression, if that
#                             worked
#   $WORK/kernels/K/version   its release, as uname -r says
#   $WORK/kernels/K/root      "/", or the chroot in which modules for it are built
#   $WORK/kernels/K/kdir      its headers, as seen from there
#   $WORK/kernels/K/make      what make is told to build for another architecture
#   $WORK/chroot/SUITE/       a small Debian with a compiler, for kernels whose kbuild needs a newer
#                             libc
#   $MINE/tools.img           ext4, read-only in every guest: fio, dmsetup, mkfs, cache tools,
#                             python
#   $MINE/images/K/           base.cpio (busybox, kmod, kernel modules), modules.cpio (ours)
#   $WORK/apt/SUITE/          apt's private state; the system's own is not touched

LIB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$LIB/../.." && pwd)
VMDIR=$TOP/test/vm
WORK=${DMC_WORK:-/var/tmp/dm-cache-test}
# Two checkouts on one machine may be tested at the same time.
CHECKOUT=$(printf '%s' "$TOP" | md5sum | cut -c1-8)
MINE=$WORK/checkouts/$CHECKOUT
PATH=$PATH:/usr/sbin:/sbin

say() { echo "vm: $*" >&2; }
die() { echo "vm: $*" >&2; exit 1; }
# usage: what the head of the program says
usage() { sed -n 's/^# \?//; 3,/^set/p' "$0" | sed '$d'; }
# unshared ARGS...: once, starts this program anew with these, where no other process sees its
# mounts, which go with it.
unshared() {
	[ -n "${DMC_UNSHARED-}" ] ||
		DMC_UNSHARED=1 exec unshare --mount --propagation private "$0" "$@"
}

# K is VERSION or VERSION-FLAVOUR: 6.1, 6.1-rt, 6.12-cloud; or, to build only, VERSION-ARCH:
# 6.1-s390x.
k_number() { echo "${1%%-*}"; }
# Another architecture: its name in Debian, its flavour there, what make is told.
k_arch() {
	case $1 in
	*-arm64) echo "arm64 arm64 ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-" ;;
	*-s390x) echo "s390x s390x ARCH=s390 CROSS_COMPILE=s390x-linux-gnu-" ;;
	*-i386) echo "i386 686-pae ARCH=i386 CROSS_COMPILE=i686-linux-gnu-" ;;
	esac
}
k_flavour() { case $1 in *-*) echo "${1#*-}-" ;; esac; }

# Debian suite of a kernel, and the suite whose libc its build programs need ("-": this machine's
# will do).
k_suites() {
	case $(k_number "$1") in
	5.10) echo "bullseye -" ;;
	6.1) echo "bookworm -" ;;
	6.12) echo "trixie trixie" ;;
	7.*) echo "trixie-backports trixie" ;;
	*) die "no kernel '$1': known are 5.10 6.1 6.12 7.2 7.3, each also with -rt or -cloud" ;;
	esac
}

k_headers_ready() { [ -e "$WORK/kernels/$1/kdir" ]; }
k_ready() {
	k_headers_ready "$1" && {
		[ -e "$WORK/kernels/$1/vmlinuz" ] || [ -e "$WORK/kernels/$1/vmlinux" ]
	}
}

# Where this machine gets its Debian packages from; LABEL is Debian or Debian-Security.
# shellcheck disable=SC2016 # these are apt's variables
mirror() {
	apt-get indextargets --format '$(LABEL) $(REPO_URI)' |
		awk -v l="$1" '$1 == l { print $2; exit }'
}

# apt_for SUITE[/ARCH] get|cache ARGS...: apt with a private state that knows only that suite.
apt_for() {
	local suite=${1%/*} arch=amd64 cmd=$2 d=$WORK/apt/${1/\//-} name=$1
	case $1 in */*) arch=${1#*/} ;; esac
	shift 2
	if [ ! -e "$d/ready" ]; then
		mkdir -p "$d/lists/partial" "$d/cache/archives/partial"
		local key=/usr/share/keyrings/debian-archive-keyring.gpg main sec
		main=$(mirror Debian)
		sec=$(mirror Debian-Security)
		[ -n "$main" ] ||
			die \
			"apt names no Debian mirror; is /etc/apt/sources.list there, and was 'apt-get update' run?"
		{
			echo "deb [signed-by=$key] $main $suite main"
			# Only what boots must be the newest.
			case $name in
			bookworm | bullseye | trixie)
				[ -z "$sec" ] ||
					echo "deb [signed-by=$key] $sec $suite-security main"
				;;
			esac
		} > "$d/sources.list"
		: > "$d/ready"
		apt_for "$name" get -qq update || { rm -f "$d/ready"; return 1; }
	fi
	"apt-$cmd" -o Dir::Etc::sourcelist="$d/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State::lists="$d/lists" -o Dir::Cache="$d/cache" -o Dir::State::status=/dev/null \
		-o APT::Architecture="$arch" -o APT::Architectures="$arch" -o Debug::NoLocking=1 \
		-o APT::Sandbox::User=root "$@"
}

# unpack_debs SUITE DIR PACKAGE...
unpack_debs() {
	local suite=$1 dir=$2 p d st=0
	shift 2
	mkdir -p "$WORK/debs" "$dir"
	d=$(mktemp -d "$WORK/debs/get.XXXXXX")
	# All at once: apt reads its lists for each call.
	(cd "$d" && apt_for "$suite" get -qq download "$@") || st=1
	[ $st = 1 ] || for p in "$d"/*.deb; do dpkg -x "$p" "$dir" || st=1; done
	rm -rf "$d"
	return $st
}

# shellcheck source=sum.sh
. "$LIB/sum.sh"
# shellcheck source=verdict.sh
. "$LIB/verdict.sh"
# shellcheck source=qemu.sh
. "$LIB/qemu.sh"
