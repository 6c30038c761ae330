/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * commit.h - one metadata commit for all migrations that wait for one; commit.c.
 */
#ifndef DM_CACHE_COMMIT_H
#define DM_CACHE_COMMIT_H

#include <linux/list.h>
#include <linux/workqueue.h>

struct cache;

struct commit {
	struct delayed_work work;
	struct list_head waiting;	/* migrations; under migrations.lock */
	u32 nr;			/* those, and the batch being committed; under migrations.lock */
	u32 *removed;		/* cblocks of a batch whose mappings go; the worker's */
};

int commit_init(struct cache *c);
void commit_exit(struct cache *c);

/* Sorts @nr cblocks: neighbours share a block of the metadata. */
void commit_sort(u32 *cblocks, u32 nr);

void commit_work_fn(struct work_struct *work);
void commit_soon(struct cache *c);
void commit_shortly(struct cache *c);
void commit_later(struct cache *c);

#endif
