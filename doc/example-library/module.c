// SPDX-License-Identifier: GPL-2.0-only
/*
 * module.c - makes a module of counters.c, for others to call.
 */
#include <linux/module.h>

#include "counters.h"

EXPORT_SYMBOL_GPL(counters_open);
EXPORT_SYMBOL_GPL(counters_close);
EXPORT_SYMBOL_GPL(counters_add);
EXPORT_SYMBOL_GPL(counters_get);
EXPORT_SYMBOL_GPL(counters_commit);

MODULE_DESCRIPTION("counters that survive a crash: an example of dm-cache-persistent-data");
MODULE_AUTHOR("dm-cache maintainers");
MODULE_LICENSE("GPL");
