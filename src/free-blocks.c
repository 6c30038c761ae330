// SPDX-License-Identifier: GPL-2.0-only
/*
 * free-blocks.c - which cblocks can be filled.
 *
 * Called by migrate.c and map.c when a promotion starts (any context, does not sleep) and by the engine
 * when a block became free, which is after the commit that removed its mapping (rule R3).
 *
 * A cblock that failed is never returned: it stays "allocated", counted as retired, until the
 * next activation.
 *
 * Locks: free_lock.
 */
#include "dm-cache.h"
#include <linux/bitmap.h>
#include <linux/mm.h>

int free_blocks_init(struct cache *c)
{
	spin_lock_init(&c->free_lock);
	c->nr_free = c->nr_cblocks;
	c->allocated = kvcalloc(BITS_TO_LONGS(c->nr_cblocks), sizeof(long), GFP_KERNEL);
	return c->allocated ? 0 : -ENOMEM;
}

void free_blocks_exit(struct cache *c)
{
	kvfree(c->allocated);
}

/* False: none is free. */
bool free_block_take(struct cache *c, cblock_t *cb)
{
	unsigned long flags, bit;

	if (!READ_ONCE(c->nr_free))
		return false;

	spin_lock_irqsave(&c->free_lock, flags);
	bit = find_next_zero_bit(c->allocated, c->nr_cblocks, c->free_hint);
	if (bit >= c->nr_cblocks)
		bit = find_first_zero_bit(c->allocated, c->nr_cblocks);
	if (bit < c->nr_cblocks) {
		__set_bit(bit, c->allocated);
		c->free_hint = bit + 1;
		WRITE_ONCE(c->nr_free, c->nr_free - 1);
	}
	spin_unlock_irqrestore(&c->free_lock, flags);

	*cb = to_cblock(bit);
	return bit < c->nr_cblocks;
}

/* Activation: @mapped blocks of @run hold something. */
void free_blocks_occupy(struct cache *c, const struct dmc_run *run, u32 mapped)
{
	u32 i;

	if (mapped == run->nr) {
		bitmap_set(c->allocated, from_cblock(run->first), run->nr);
	} else {
		for (i = 0; i < run->nr; i++)
			if (dmc_run_maps(run, i))
				__set_bit(from_cblock(run->first) + i, c->allocated);
	}
	c->nr_free -= mapped;
}

void free_block_return(struct cache *c, cblock_t cb)
{
	unsigned long flags;

	spin_lock_irqsave(&c->free_lock, flags);
	if (!WARN_ON_ONCE(!test_bit(from_cblock(cb), c->allocated))) {
		__clear_bit(from_cblock(cb), c->allocated);
		WRITE_ONCE(c->nr_free, c->nr_free + 1);
		if (from_cblock(cb) < c->free_hint)
			c->free_hint = from_cblock(cb);
	}
	spin_unlock_irqrestore(&c->free_lock, flags);
}
