// SPDX-License-Identifier: GPL-2.0-only
/*
 * module.c - dm-cache-policy-lib.ko: what the policy modules share.  Nothing to set up: everything
 * hangs on the policies that use it.
 *
 * It is loaded before each of our policies, and has no namesake in the kernel.  So this is where to
 * notice that the kernel's own dm-cache is loaded: of two modules with one name the loader refuses
 * the second without running a line of it, and without a word in the log.
 */
#include <linux/module.h>
#include <linux/printk.h>

#include "../../version.h"

static int __init policy_lib_init(void)
{
	/* What its policies register with; ours has no symbol of that name. */
	if (!__symbol_get("dm_cache_policy_register"))
		return 0;
	__symbol_put("dm_cache_policy_register");
	pr_err("device-mapper: cache: the kernel's own dm-cache is loaded, and not replaced while it is: remove its caches (dmsetup ls --target cache), run 'rmmod dm_cache_smq dm_cache', then 'modprobe dm-cache'\n");
	return -EBUSY;
}

static void __exit policy_lib_exit(void)
{
}

module_init(policy_lib_init);
module_exit(policy_lib_exit);

MODULE_DESCRIPTION("What the replacement policies of dm-cache share");
MODULE_AUTHOR("dm-cache maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMC_VERSION);
