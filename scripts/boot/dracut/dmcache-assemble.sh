#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A hook of dracut, sourced again and again while the root device is not there and udev has nothing to do: assembles what can be.
/usr/lib/dmcache/boot once
: > /tmp/dmcache-looked
# At the end of a shutdown this initramfs is to come back, for a cache below / can be stopped from there only.
[ -z "$(/usr/lib/dmcache/boot running)" ] || need_shutdown
