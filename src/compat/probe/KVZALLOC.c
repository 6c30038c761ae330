/* SPDX-License-Identifier: GPL-2.0-only */
void *probe(void)
{
	return kvzalloc(8, GFP_KERNEL);
}
