/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * reserve.h - free cache blocks for writes that miss, ahead of need; how it works is told in
 * reserve.c.
 */
#ifndef DM_CACHE_RESERVE_H
#define DM_CACHE_RESERVE_H

#include <linux/atomic.h>
#include <linux/bio.h>

struct cache;

#define RESERVE_MOST 256U	/* cblocks; so many migrations may make room at once */

struct reserve {
	atomic_t nr_leaving;		/* migrations that make room; also bounds them */
	u32 owed;			/* free ones that the policy has made itself; engine */
	unsigned long not_before;	/* the policy is not asked again before; jiffies; engine */
	struct bio_list waiting;	/* writes, for those that leave; under deferred_lock */
};

/* Engine. */
void reserve_fill(struct cache *c);
void reserve_let_in(struct cache *c);

/* Any context.  How many free cblocks may be used for what is no write to a partial block? */
u32 reserve_spared(const struct cache *c);
/* Is it to be filled?  Then the engine has to be kicked. */
bool reserve_is_low(const struct cache *c);
/* Is a cblock free for a write that wants a partial block? */
bool reserve_has_block(const struct cache *c);
/*
 * None is, for the write @bio.  True: it is taken, and mapped again when there are some.  Once
 * only.
 */
bool reserve_wait(struct cache *c, struct bio *bio);

#endif
