/* SPDX-License-Identifier: GPL-2.0-only */
int probe(struct block_device *bdev, struct bio *bio, struct bio *src)
{
	return bio_init_clone(bdev, bio, src, GFP_NOIO);
}
