/* SPDX-License-Identifier: GPL-2.0-only */
void probe(struct bio *bio, struct block_device *bdev)
{
	bio_init(bio, bdev, NULL, 0, REQ_OP_WRITE | REQ_PREFLUSH);
}
