/* SPDX-License-Identifier: GPL-2.0-only */
void probe(atomic_t *v)
{
	atomic_or(1, v);
}
