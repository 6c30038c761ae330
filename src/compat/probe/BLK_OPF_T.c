/* SPDX-License-Identifier: GPL-2.0-only */
blk_opf_t probe(struct bio *bio)
{
	return bio->bi_opf;
}
