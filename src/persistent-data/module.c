// SPDX-License-Identifier: GPL-2.0-only
/*
 * module.c - dm-cache-persistent-data.ko: transactional metadata on a block device, for
 * dm-cache.ko and any other module.  Nothing to set up: all state is in the objects that callers
 * create.  It needs no other module of the project, and loads beside the kernel's dm-cache,
 * dm-thin-pool, dm-era and dm-persistent-data.
 */
#include <linux/module.h>

#include "../version.h"

MODULE_DESCRIPTION("trees, arrays and bitsets on a block device, with transactions");
MODULE_AUTHOR("dm-cache maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMC_VERSION);
