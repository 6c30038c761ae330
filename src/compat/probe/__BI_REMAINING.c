/* SPDX-License-Identifier: GPL-2.0-only */
void probe(struct bio *bio)
{
	atomic_set(&bio->__bi_remaining, 1);
}
