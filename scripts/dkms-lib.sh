# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2034 # used where it is sourced
#
# Common to dkms-install and dkms-remove. DKMS_ROOT=DIR puts everything DKMS would write below DIR instead
# of /usr/src, /var/lib/dkms and /lib/modules, and leaves depmod out: for tests.

top=$(cd "$(dirname "$0")/.." && pwd)
name=$(sed -n 's/^PACKAGE_NAME="\(.*\)"/\1/p' "$top/dkms.conf")
version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' "$top/dkms.conf")
PATH=$PATH:/usr/sbin:/sbin
root=${DKMS_ROOT:-}
source=$root/usr/src/$name-$version
installed=$root/lib/modules

die() { echo "dkms: $*" >&2; exit 1; }

command -v dkms > /dev/null || die "dkms is not installed: apt-get install dkms"
[ "$(id -u)" = 0 ] || [ -n "$root" ] || die "root is needed"

run_dkms() {
	if [ -n "$root" ]; then
		mok_signing_key=$root/mok.key mok_certificate=$root/mok.pub \
			dkms "$@" --dkmstree "$root/var/lib/dkms" --sourcetree "$root/usr/src" --installtree "$installed" --no-depmod
	else
		dkms "$@"
	fi
}

known() { run_dkms status -m "$name" -v "$version" | grep -q "$name"; }
