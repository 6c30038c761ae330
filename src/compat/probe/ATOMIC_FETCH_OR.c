/* SPDX-License-Identifier: GPL-2.0-only */
int probe(atomic_t *v)
{
	return atomic_fetch_or(1, v);
}
