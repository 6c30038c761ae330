/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * geometry.h - how large the devices are, and their blocks.  Written by the constructor only.
 */
#ifndef DM_CACHE_GEOMETRY_H
#define DM_CACHE_GEOMETRY_H

#include <linux/types.h>

struct geometry {
	u32 block_sectors;
	int block_shift;		/* -1: the block size is no power of two */
	u64 nr_oblocks;			/* whole ones: what lies behind them is never cached */
	u32 nr_cblocks;
	sector_t origin_sectors;	/* the target's length, whatever the device's */
	sector_t cache_sectors;
};

#endif
