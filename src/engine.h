/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * engine.h - starts migrations within limits, maps bios that had to wait; engine.c.
 */
#ifndef DM_CACHE_ENGINE_H
#define DM_CACHE_ENGINE_H

#include <linux/bio.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include "engine-work.h"

struct cache;

struct engine {
	struct workqueue_struct *wq;	/* the commit's, too */
	struct engine_work work;
	struct delayed_work tick;
	spinlock_t deferred_lock;
	struct bio_list deferred;	/* to be mapped again; under deferred_lock */
	struct bio_list reread;		/* failed on a clean cblock, to be read from the origin */
	u64 seen_bios;			/* engine only: for idleness */
	unsigned long busy_at;		/* jiffies; engine only */
};

int engine_init(struct cache *c);
void engine_exit(struct cache *c);
void engine_kick(struct cache *c);
void engine_defer(struct cache *c, struct bio *bio, bool later);
void engine_reread(struct cache *c, struct bio *bio);
void engine_start(struct cache *c);
void engine_stop(struct cache *c);
int engine_hold(struct cache *c);
void engine_release(struct cache *c);

#endif
