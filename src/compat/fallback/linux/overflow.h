/* SPDX-License-Identifier: GPL-2.0-only */
/* For kernels without <linux/overflow.h> (before 4.18): what we use of it. */
#ifndef DMC_FALLBACK_OVERFLOW_H
#define DMC_FALLBACK_OVERFLOW_H

#include <linux/kernel.h>
#include <linux/types.h>

/* Too much for any allocator, if it does not fit. */
static inline size_t array_size(size_t n, size_t size)
{
	return size && n > ~(size_t)0 / size ? ~(size_t)0 : n * size;
}

static inline size_t compat_size_add(size_t a, size_t b)
{
	return a + b < a ? ~(size_t)0 : a + b;
}

#define struct_size(p, member, n) \
	compat_size_add(sizeof(*(p)), array_size(n, sizeof(*(p)->member)))

#endif
