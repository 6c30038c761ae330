/* SPDX-License-Identifier: GPL-2.0-only */
void *probe(void)
{
	return kvcalloc(8, 8, GFP_KERNEL);
}
