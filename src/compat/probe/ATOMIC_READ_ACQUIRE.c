/* SPDX-License-Identifier: GPL-2.0-only */
int probe(const atomic_t *v)
{
	return atomic_read_acquire(v);
}
