/* SPDX-License-Identifier: GPL-2.0-only */
/* A block device is a simulated disk (disk.h), or a real one (../pdata/device.c). */
#ifndef SHIM_LINUX_BLKDEV_H
#define SHIM_LINUX_BLKDEV_H

struct shim_disk;
struct block_device {
	struct shim_disk *disk;
	unsigned int bd_dev;
};

/* Of the disk. */
sector_t bdev_nr_sectors(struct block_device *bdev);
int bdev_read_only(struct block_device *bdev);
int disk_flush(struct shim_disk *d);

static inline loff_t bdev_nr_bytes(struct block_device *bdev)
{
	return bdev_nr_sectors(bdev) << SECTOR_SHIFT;
}

static inline bool bdev_write_cache(struct block_device *bdev) { (void)bdev; return true; }

static inline int blkdev_issue_flush(struct block_device *bdev)
{
	return disk_flush(bdev->disk);
}

#endif
