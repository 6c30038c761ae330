// SPDX-License-Identifier: GPL-2.0-only
/*
 * free-blocks.c - which cblocks can be filled.
 *
 * Called by migrate.c and map.c when a promotion starts (any context, does not sleep) and by the
 * engine when a block became free, which is after the commit that removed its mapping (rule R3).
 *
 * A cblock that failed is retired: it stays "allocated".  But the error may have been one of the
 * path to the device, or the next write may mend the block.  So retired blocks are tried again,
 * oldest first and a few at a time: after RETRY_FIRST, and, each time that blocks fail meanwhile,
 * after twice as long.
 *
 * Locks: free_lock.
 */
#include "dm-cache.h"
#include <linux/bitmap.h>
#include <linux/mm.h>

int free_blocks_init(struct cache *c)
{
	spin_lock_init(&c->free.lock);
	c->free.nr = c->geo.nr_cblocks;
	c->free.allocated = kvcalloc(BITS_TO_LONGS(c->geo.nr_cblocks), sizeof(long), GFP_KERNEL);
	return c->free.allocated ? 0 : -ENOMEM;
}

#define RETRY_FIRST (60 * HZ)
#define RETRY_MOST (3600 * HZ)
#define RETRY_AT_ONCE 8U

void free_blocks_exit(struct cache *c)
{
	kvfree(c->free.allocated);
}

/* False: none is free. */
bool free_block_take(struct cache *c, cblock_t *cb)
{
	unsigned long flags, bit;

	if (!READ_ONCE(c->free.nr))
		return false;

	spin_lock_irqsave(&c->free.lock, flags);
	bit = find_next_zero_bit(c->free.allocated, c->geo.nr_cblocks, c->free.hint);
	if (bit >= c->geo.nr_cblocks)
		bit = find_first_zero_bit(c->free.allocated, c->geo.nr_cblocks);
	if (bit < c->geo.nr_cblocks) {
		__set_bit(bit, c->free.allocated);
		c->free.hint = bit + 1;
		WRITE_ONCE(c->free.nr, c->free.nr - 1);
	}
	spin_unlock_irqrestore(&c->free.lock, flags);

	*cb = to_cblock(bit);
	return bit < c->geo.nr_cblocks;
}

/*
 * Activation, in the order of the cblocks: @mapped blocks of @run hold something.  What comes in
 * later is put behind the last of these: a hole that a resize left among them is filled when the
 * rest is full.
 */
void free_blocks_occupy(struct cache *c, const struct dmc_run *run, u32 mapped)
{
	u32 i;

	if (mapped == run->nr) {
		bitmap_set(c->free.allocated, from_cblock(run->first), run->nr);
		c->free.hint = from_cblock(run->first) + run->nr;
	} else {
		for (i = 0; i < run->nr; i++) {
			if (!dmc_run_maps(run, i))
				continue;
			__set_bit(from_cblock(run->first) + i, c->free.allocated);
			c->free.hint = from_cblock(run->first) + i + 1;
		}
	}
	c->free.nr -= mapped;
}

void free_block_return(struct cache *c, cblock_t cb)
{
	unsigned long flags;

	spin_lock_irqsave(&c->free.lock, flags);
	if (!WARN_ON_ONCE(!test_bit(from_cblock(cb), c->free.allocated))) {
		__clear_bit(from_cblock(cb), c->free.allocated);
		WRITE_ONCE(c->free.nr, c->free.nr + 1);
		if (from_cblock(cb) < c->free.hint)
			c->free.hint = from_cblock(cb);
	}
	spin_unlock_irqrestore(&c->free.lock, flags);
}

/*----- those that failed -----*/

/* @cb, which is allocated and holds nothing, is not to be used for now.  Any context. */
void free_block_retire(struct cache *c, cblock_t cb)
{
	struct retired *x = &c->free.retired;
	unsigned long flags;
	bool room;

	spin_lock_irqsave(&c->free.lock, flags);
	room = x->nr < RETIRED_MOST;
	if (room) {
		x->cblocks[(x->first + x->nr) % RETIRED_MOST] = from_cblock(cb);
		if (!x->nr)
			x->retry_at = jiffies + max_t(unsigned long, x->interval, RETRY_FIRST);
		WRITE_ONCE(x->nr, x->nr + 1);
		x->more = true;
	}
	spin_unlock_irqrestore(&c->free.lock, flags);
	/* So many: it is the device. */
	if (!room)
		free_block_return(c, cb);
}

/* True: *@cb was retired longest, and is not retired any more. */
static bool pop_retired(struct cache *c, cblock_t *cb)
{
	struct retired *x = &c->free.retired;
	unsigned long flags;
	bool any;

	spin_lock_irqsave(&c->free.lock, flags);
	any = x->nr;
	if (any) {
		*cb = to_cblock(x->cblocks[x->first]);
		x->first = (x->first + 1) % RETIRED_MOST;
		WRITE_ONCE(x->nr, x->nr - 1);
	}
	spin_unlock_irqrestore(&c->free.lock, flags);
	return any;
}

/*
 * Sets when the next blocks are tried.  If blocks were retired since the last time, they may be the
 * very blocks that were tried then: so the wait doubles.
 */
static void retry_later(struct cache *c)
{
	struct retired *x = &c->free.retired;
	unsigned long flags;

	spin_lock_irqsave(&c->free.lock, flags);
	x->interval = x->more ? clamp_t(unsigned long, 2 * x->interval, RETRY_FIRST, RETRY_MOST) :
				RETRY_FIRST;
	x->more = false;
	x->retry_at = jiffies + x->interval;
	spin_unlock_irqrestore(&c->free.lock, flags);
}

/* Once a second. */
void free_blocks_retry(struct cache *c)
{
	struct retired *x = &c->free.retired;
	u32 nr = READ_ONCE(x->nr);
	cblock_t cb;

	if (likely(!nr) || time_before(jiffies, READ_ONCE(x->retry_at)))
		return;
	for (nr = max(nr / 4, RETRY_AT_ONCE); nr && pop_retired(c, &cb); nr--)
		free_block_return(c, cb);
	retry_later(c);
}
