# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# thin-provisioning-tools 1.x, as packages of Debian 13, unpacked below $WORK and run with their own
# libc. To be sourced behind host.sh.

# Fetches them once, for whichever run comes first.
tpt1_fetch() {
	local dir=$WORK/tpt1
	(
		flock 9
		[ -e "$dir/.ready" ] && exit 0
		rm -rf "$dir"
		unpack_debs trixie "$dir" thin-provisioning-tools libc6 libgcc-s1 libudev1 libcap2 \
		&&
			: > "$dir/.ready"
	) 9> "$WORK/.tpt1.lock"
}

# tpt1 TOOL ARGUMENTS...
tpt1() {
	local tool=$1
	shift
	"$WORK"/tpt1/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 \
		--library-path "$WORK/tpt1/usr/lib/x86_64-linux-gnu" \
		"$WORK/tpt1/usr/sbin/pdata_tools" "$tool" "$@"
}
