/* SPDX-License-Identifier: GPL-2.0-only */
bool probe(struct block_device *bdev)
{
	return bdev_is_zoned(bdev);
}
