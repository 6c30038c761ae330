/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * free-blocks.h - which cache blocks can be filled; free-blocks.c.
 */
#ifndef DM_CACHE_FREE_BLOCKS_H
#define DM_CACHE_FREE_BLOCKS_H

#include <linux/spinlock.h>
#include <linux/types.h>
#include "block-types.h"
#include "policies/policy.h"

struct cache;

/* cblocks that are not used for now: the device failed there */
#define RETIRED_MOST 256
struct retired {
	u32 first, nr;			/* of the ring @cblocks */
	u32 cblocks[RETIRED_MOST];
	unsigned long retry_at, interval;	/* jiffies */
	bool more;			/* some came since the last retry */
};

struct free_blocks {
	spinlock_t lock;
	unsigned long *allocated;	/* bit set: mapped, being filled, or retired */
	u32 nr;				/* under lock; a glance may be stale */
	u32 hint;
	struct retired retired;		/* under lock */
};

int free_blocks_init(struct cache *c);
void free_blocks_exit(struct cache *c);
bool free_block_take(struct cache *c, cblock_t *cb);
void free_blocks_occupy(struct cache *c, const struct dmc_run *run, u32 mapped);
void free_block_return(struct cache *c, cblock_t cb);
void free_block_retire(struct cache *c, cblock_t cb);
void free_blocks_retry(struct cache *c);

#endif
