#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A hook of dracut, sourced again and again while the root device is not there and udev has nothing
# to do: assembles what can be. Not before the machine could resume from hibernation, which these
# variables are for.
(
	resume=$(getarg resume=)
	resume_offset=$(getarg resume_offset=)
	noresume=$(getarg noresume > /dev/null && echo 1)
	export resume resume_offset noresume
	/usr/lib/dmcache/boot once
)
[ $? = 8 ] || : > /tmp/dmcache-looked
# At the end of a shutdown this initramfs is to come back, for a cache below / can be stopped from
# there only.
[ -z "$(/usr/lib/dmcache/boot running)" ] || need_shutdown
