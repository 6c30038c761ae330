#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A hook of dracut at the end of a shutdown, when this initramfs is / again and the old / is
# unmounted. With "final" it is not called again.
/usr/lib/dmcache/boot down "$1"
