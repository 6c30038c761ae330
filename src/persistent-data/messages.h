/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * messages.h - how the library speaks: itself, device, block, cause; once per cause, where it is
 * found.  Callers further up pass the error on and say nothing.
 */
#ifndef DMC_PD_MESSAGES_H
#define DMC_PD_MESSAGES_H

#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>

#define pd_err(name, fmt, ...) \
	pr_err_ratelimited("dm-cache-persistent-data %s: " fmt "\n", name, ##__VA_ARGS__)
#define pd_warn(name, fmt, ...) \
	pr_warn_ratelimited("dm-cache-persistent-data %s: " fmt "\n", name, ##__VA_ARGS__)

#endif
