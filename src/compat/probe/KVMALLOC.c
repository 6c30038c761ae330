/* SPDX-License-Identifier: GPL-2.0-only */
void *probe(void)
{
	return kvmalloc(8, GFP_KERNEL);
}
