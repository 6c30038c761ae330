/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * settle.h - blocks that were written back become clean when the origin was flushed; settle.c.
 */
#ifndef DM_CACHE_SETTLE_H
#define DM_CACHE_SETTLE_H

#include "migrate.h"

#define SETTLE_MOST 1024	/* blocks that one flush of the origin makes clean, at most */

struct settle_list {
	u32 nr;
	u32 *cblocks;		/* SETTLE_MOST of them */
};

struct settle {
	spinlock_t lock;
	struct settle_list fresh;	/* written back since the last flush began; under lock */
	struct settle_list flushing;	/* before that; under lock */
	u32 lost;		/* flush_lost() when the first of @fresh was copied; under lock */
	bool failed;		/* the engine is to make all of them dirty again */
	bool due;		/* the next commit is to settle, whatever else it does */
	unsigned long last;	/* jiffies, of the last one */
};

int settle_init(struct cache *c);
void settle_exit(struct cache *c);

/* Engine. */
bool settle_note(struct migration *mg);
void settle_lost(struct cache *c);
void settle_look(struct cache *c, bool idle);

/* Any context that may queue work. */
void settle_soon(struct cache *c);

/* Commit worker, and shutdown.  May sleep. */
int settle_batch(struct cache *c, struct list_head *batch, bool clears_intent);
int settle_now(struct cache *c);

#endif
