/* SPDX-License-Identifier: GPL-2.0-only */
int probe(struct block_device *bdev)
{
	return blkdev_issue_flush(bdev);
}
