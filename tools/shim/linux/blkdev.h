/* SPDX-License-Identifier: GPL-2.0-only */
/* A block device is a simulated disk (disk.h), or a real one (../settle/device.c). */
#ifndef SHIM_LINUX_BLKDEV_H
#define SHIM_LINUX_BLKDEV_H

struct shim_disk;
struct block_device {
	struct shim_disk *disk;
	unsigned int bd_dev;
};

sector_t bdev_nr_sectors(struct block_device *bdev);
loff_t bdev_nr_bytes(struct block_device *bdev);
int bdev_read_only(struct block_device *bdev);
static inline bool bdev_write_cache(struct block_device *bdev) { (void)bdev; return true; }
int blkdev_issue_flush(struct block_device *bdev);

#endif
