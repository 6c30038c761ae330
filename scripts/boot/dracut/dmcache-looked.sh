#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A hook of dracut: is all there, to go on with? Not before dmcache has looked: what seems to be the
# root device may be its origin.
[ -e /tmp/dmcache-looked ]
