# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2034 # used where it is sourced
#
# Common to dkms-install, dkms-remove and dkms-source. DKMS_ROOT=DIR puts everything DKMS would
# write below DIR instead of /usr/src, /var/lib/dkms and /lib/modules, and leaves depmod out: for
# tests.

top=${top:-$(cd "$(dirname "$0")/.." && pwd)}
name=$(sed -n 's/^PACKAGE_NAME="\(.*\)"/\1/p' "$top/dkms.conf")
version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' "$top/dkms.conf")
PATH=$PATH:/usr/sbin:/sbin
root=${DKMS_ROOT:-}
source=$root/usr/src/$name-$version
installed=$root/lib/modules

die() { echo "dkms: $*" >&2; exit 1; }

need_dkms() {
	command -v dkms > /dev/null || die "dkms is not installed: apt-get install dkms"
	[ "$(id -u)" = 0 ] || [ -n "$root" ] || die "root is needed"
}

run_dkms() {
	if [ -n "$root" ]; then
		mok_signing_key=$root/mok.key mok_certificate=$root/mok.pub DKMS_ROOT=$root \
			dkms "$@" --dkmstree "$root/var/lib/dkms" --sourcetree "$root/usr/src" \
				--installtree "$installed" --no-depmod
	else
		dkms "$@"
	fi
}

# Versions of ours that DKMS knows. It prints "name/version, ..." or, before 3.0, "name, version,
# ...".
versions() { run_dkms status -m "$name" | sed -n "s,^${name}[/,] *\([^,: ]*\).*,\1,p" | sort -u; }
known() { versions | grep -qxF "$version"; }

# copy_source DIR: what building needs, and nothing that a build made
copy_source() {
	mkdir -p "$1"
	(
		cd "$top" || exit
		find Makefile dkms.conf LICENSE README.md scripts/dkms-hook src -type f \( \
			-name '*.[ch]' ! -name '*.mod.c' ! -name config.h -o -name 'Kbuild*' -o \
			-name '*.sh' -o -name Makefile -o -name dkms.conf -o -name LICENSE -o \
			-name README.md -o -name dkms-hook \) ! -path '*/.probe/*' |
			tar -cf - -T -
	) | tar --no-same-owner -xf - -C "$1"
}
