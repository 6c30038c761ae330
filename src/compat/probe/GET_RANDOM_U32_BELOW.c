/* SPDX-License-Identifier: GPL-2.0-only */
u32 probe(u32 n)
{
	return get_random_u32_below(n);
}
