/* SPDX-License-Identifier: GPL-2.0-only */
bool probe(atomic_t *v, int *old)
{
	return atomic_try_cmpxchg(v, old, 1);
}
