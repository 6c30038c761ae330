/* SPDX-License-Identifier: GPL-2.0-only */
void probe(struct bio *bio, struct block_device *bdev)
{
	bio_set_dev(bio, bdev);
}
