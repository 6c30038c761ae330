// SPDX-License-Identifier: GPL-2.0-only
/*
 * module.c - dm-cache-persistent-data.ko: transactional metadata on a block device, for
 * dm-cache.ko and anyone else.  Nothing to set up: everything hangs on the objects that callers
 * create.
 */
#include <linux/module.h>

#include "../version.h"

MODULE_DESCRIPTION("transactional metadata for the out-of-tree dm-cache");
MODULE_AUTHOR("dm-cache maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMC_VERSION);
