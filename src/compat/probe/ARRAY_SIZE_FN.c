/* SPDX-License-Identifier: GPL-2.0-only */
#include <linux/overflow.h>

size_t probe(size_t n)
{
	return array_size(n, sizeof(u32));
}
