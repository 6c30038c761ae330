/* SPDX-License-Identifier: GPL-2.0-only */
unsigned int probe(struct block_device *bdev)
{
	return bdev_max_discard_sectors(bdev);
}
