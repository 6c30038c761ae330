/* SPDX-License-Identifier: GPL-2.0-only */
/* Part of compat.h, which says how it works: block devices and their limits. */
#ifndef DMC_COMPAT_BLK_H
#define DMC_COMPAT_BLK_H

/* Since 4.17 for all; device-mapper.h had it before. Drop when 4.4 goes. */
#ifndef SECTOR_SHIFT
#define SECTOR_SHIFT 9
#endif

/* Since 5.16; drop when 5.10 goes. */
#ifndef HAVE_BDEV_NR_SECTORS
static inline sector_t bdev_nr_sectors(struct block_device *bdev)
{
	return i_size_read(bdev->bd_inode) >> SECTOR_SHIFT;
}
#endif

/* Since 5.19; drop when 5.10 goes. */
#ifndef HAVE_BDEV_MAX_DISCARD_SECTORS
static inline unsigned int bdev_max_discard_sectors(struct block_device *bdev)
{
	struct request_queue *q = bdev_get_queue(bdev);

	return blk_queue_discard(q) ? q->limits.max_discard_sectors : 0;
}
#endif

/* Since 4.10; no device was zoned before. Drop when 4.4 goes. */
#ifndef HAVE_BDEV_IS_ZONED
static inline bool bdev_is_zoned(struct block_device *bdev)
{
	return false;
}
#endif

/* One argument since 5.12, two since 5.8; drop when 5.10 goes. */
#ifndef HAVE_BLKDEV_ISSUE_FLUSH_1_ARG
static inline int compat_blkdev_issue_flush(struct block_device *bdev)
{
#ifdef HAVE_BLKDEV_ISSUE_FLUSH_2_ARGS
	return blkdev_issue_flush(bdev, GFP_NOIO);
#else
	return blkdev_issue_flush(bdev, GFP_NOIO, NULL);
#endif
}
#define blkdev_issue_flush compat_blkdev_issue_flush
#endif

/*
 * The mode of a device opened for reading and writing: blk_mode_t since 6.5, fmode_t before.  Drop
 * when 6.1 goes.
 */
#ifdef BLK_OPEN_READ
#define COMPAT_OPEN_RW (BLK_OPEN_READ | BLK_OPEN_WRITE)
#else
#define COMPAT_OPEN_RW (FMODE_READ | FMODE_WRITE)
#endif

/*
 * The longest discard, in sectors: since 6.9 the block layer derives max_discard_sectors from
 * max_hw_discard_sectors; before, both count; before 4.3 there is but one.
 */
static inline void compat_set_max_discard(struct queue_limits *limits, unsigned int sectors)
{
#ifdef HAVE_LIMITS_MAX_HW_DISCARD
	limits->max_hw_discard_sectors = sectors;
#endif
	limits->max_discard_sectors = sectors;
}

#endif
