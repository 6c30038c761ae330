# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# Of the test hibernate: what init runs in a guest that is about to resume. In the last boot but one
# it does what an initramfs must not do: it activates the cache, which so changes. Then this kernel
# has to refuse the image. The last boot, which does nothing of the kind, resumes it after all: not
# this one, since 5.10 keeps the disk of an image that was refused open, for itself alone.
set -eu
[ "$BOOT" = $((BOOTS - 1)) ] || exit 0
. /job/lib.sh
. /job/hibernate-stage.sh
stage
make_cache c 64 metadata2 smq
# An attempt takes the signature away.
dd if="$DISK4" of=/tmp/signature bs=4096 count=1 iflag=direct 2> /dev/null
# On some kernels it is no error.
dmesg_mark
cat "$(sysfs "$DISK4")/dev" > /sys/power/resume 2> /dev/null || :
assert_dmesg 'is active, so this machine cannot be resumed'
dmsetup remove c
dmsetup remove slow
dd if=/tmp/signature of="$DISK4" bs=4096 count=1 oflag=direct conv=notrunc 2> /dev/null
echo "the image was refused" | dd of="$DISK3" bs=512 conv=sync,notrunc oflag=direct 2> /dev/null
power_cut
