/* SPDX-License-Identifier: GPL-2.0-only */
unsigned int probe(struct bio *bio)
{
	return bio->bi_opf;
}
