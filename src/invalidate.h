/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * invalidate.h - blocks that are dropped, and bios that wait until they are gone; invalidate.c.
 */
#ifndef DM_CACHE_INVALIDATE_H
#define DM_CACHE_INVALIDATE_H

#include <linux/atomic.h>
#include <linux/bio.h>
#include <linux/types.h>
#include "block-types.h"
#include "broken-blocks.h"

struct cache;
struct migration;

/* Blocks that are to be dropped.  Fields are the engine's, unless they are called shared. */
struct invalidation {
	struct broken_blocks broken;	/* shared */
	atomic_t nr_waiting;		/* bios that wait for it; shared */
	u32 hand;			/* where the search for broken blocks goes on */
	u32 left;			/* blocks that it has not looked at */
	bool paused;			/* the last blocks could not be dropped */
	unsigned long not_before;	/* when they are tried again; jiffies */
	struct bio *leader;		/* a FLUSH that failed, and has its blocks dropped */
	struct bio_list followers;	/* FLUSHes that end with its result */
	struct bio_list next;		/* FLUSHes that failed since it began */
	u32 put_back;			/* intent_put_back() when it began */
};

int drop_init(struct cache *c);
void drop_exit(struct cache *c);
void block_broke(struct cache *c, u32 cblock, bool sure);
bool drop_after_write(struct cache *c, struct bio *bio, u32 first, u32 nr);
bool drop_after_flush(struct cache *c, struct bio *bio);
int drop_start(struct cache *c, cblock_t cb, oblock_t oblock, bool broken);
void drop_broken(struct cache *c);
void drop_step(struct cache *c, struct bio *bio);
void drop_failed(struct migration *mg);
void drop_parked(struct cache *c, struct bio *bio);
int drop_broken_now(struct cache *c);
int drop_unflushed(struct cache *c, bool *gone);

#endif
