/* SPDX-License-Identifier: GPL-2.0-only */
struct dm_bufio_client *probe(struct block_device *bdev)
{
	return dm_bufio_client_create(bdev, 4096, 1, 0, NULL, NULL, 0);
}
