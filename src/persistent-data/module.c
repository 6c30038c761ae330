// SPDX-License-Identifier: GPL-2.0-only
/*
 * module.c - dm-cache-persistent-data.ko: transactional metadata on a block device, for
 * dm-cache.ko and any other module.  Nothing to set up: all state is in the objects that callers
 * create.
 *
 * It is loaded before dm-cache.ko and its policies, and has no namesake in the kernel.  So this is
 * where to notice that the kernel's own dm-cache is loaded: of two modules with one name the loader
 * refuses the second without running a line of it, and without a word in the log.
 */
#include <linux/module.h>
#include <linux/printk.h>

#include "../version.h"

static int __init persistent_data_init(void)
{
	/* What its policies register with; ours has no symbol of that name. */
	if (!__symbol_get("dm_cache_policy_register"))
		return 0;
	__symbol_put("dm_cache_policy_register");
	pr_err("device-mapper: cache: the kernel's own dm-cache is loaded, and not replaced while it is: remove its caches (dmsetup ls --target cache), run 'rmmod dm_cache_smq dm_cache', then 'modprobe dm-cache'\n");
	return -EBUSY;
}

static void __exit persistent_data_exit(void)
{
}

module_init(persistent_data_init);
module_exit(persistent_data_exit);

MODULE_DESCRIPTION("transactional metadata for the out-of-tree dm-cache");
MODULE_AUTHOR("dm-cache maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMC_VERSION);
