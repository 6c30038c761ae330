/* SPDX-License-Identifier: GPL-2.0-only */
void probe(struct bio *bio)
{
	bio_init(bio, NULL, 0);
}
