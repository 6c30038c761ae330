// SPDX-License-Identifier: GPL-2.0-only
/*
 * module.c - dm-cache-policy-lib.ko: what the policy modules share.  Nothing to set up: everything
 * hangs on the policies that use it.
 */
#include <linux/module.h>

#include "../../version.h"

MODULE_DESCRIPTION("What the replacement policies of dm-cache share");
MODULE_AUTHOR("dm-cache maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMC_VERSION);
