/* SPDX-License-Identifier: GPL-2.0-only */
u32 probe(void)
{
	return get_random_u32();
}
