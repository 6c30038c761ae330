/* SPDX-License-Identifier: GPL-2.0-only */
void probe(void *p)
{
	kvfree(p);
}
