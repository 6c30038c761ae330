/* SPDX-License-Identifier: GPL-2.0-only */
void probe(atomic_t *v)
{
	atomic_andnot(1, v);
}
