/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For kernels without <linux/overflow.h> (before 4.18). What we use of it is in compat-lib.h: some
 * have the header without that.
 */
#ifndef DMC_FALLBACK_OVERFLOW_H
#define DMC_FALLBACK_OVERFLOW_H

#include <linux/kernel.h>
#include <linux/types.h>

#endif
