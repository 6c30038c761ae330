/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * posted.h - a first write to a clean block is acknowledged while its mark is being recorded; how
 * is told in posted.c.
 *
 * Where: map.c begins one, migrate.c sends it on when the mark is durable, flush.c waits for all.
 */
#ifndef DM_CACHE_POSTED_H
#define DM_CACHE_POSTED_H

#include <linux/atomic.h>
#include <linux/bio.h>
#include <linux/list.h>
#include <linux/spinlock.h>

#include "block-types.h"

struct cache;
struct migration;

/* Pages of data at once, 16 MiB; and migrations, beside CACHE_MAX_MIGRATIONS of other kinds. */
#define POSTED_MOST ((int)((16UL << 20) / PAGE_SIZE))
#define POSTED_BYTES COMPAT_WRITE_BYTES	/* of one, at most */
#define POSTED_A_BLOCK 32		/* writes to one block */
#define POSTED_SENT 32			/* writes under way; one block more may be begun then */

struct posted_write {
	struct posted_write *next;	/* to the same block; no two of them overlap */
	struct migration *mg;
	char *data;
	u32 bytes;
	u32 offset;			/* in the block, in sectors */
	struct compat_write write;
};

struct posted {
	spinlock_t lock;
	struct bio_list waiting;	/* FLUSHes; under lock */
	bool closed;			/* there are some: no more are posted until they went on */
	bool lost;			/* one could be written nowhere: the next FLUSH fails */
	atomic_t nr;			/* blocks with posted writes */
	atomic_t nr_pages;		/* of data */
	atomic_t unmarked;		/* blocks that no commit has taken yet */

	struct list_head marked;	/* migrations whose write is to be sent; the engine's */
	atomic_t nr_sent;		/* writes */
};

void posted_init(struct cache *c);

/*
 * Any context.  @bio is a write, counted in the unmarked block @cb of @ob, and begins @offset
 * sectors into it.  False: it cannot be posted, and nothing happened.  True: *@r is what a map
 * function returns for it, or MAP_LOOK_AGAIN; the count is not the bio's any more.
 */
bool posted_write(struct cache *c, struct bio *bio, oblock_t ob, cblock_t cb, u32 offset, int *r);

/* Any context.  The same for a write to a block that is locked, since a write to it is posted. */
bool posted_join(struct cache *c, struct bio *bio, oblock_t ob, cblock_t cb, u32 offset);
/* Under migrations.lock.  False: *@w cannot go with what is posted to the block of @mg. */
bool posted_add(struct migration *mg, struct posted_write **w);

/* Any context: @mg waits for a commit now.  True: which is not to wait for more of them. */
bool posted_queued(struct migration *mg);
/* Commit worker: its next commit has @mg. */
void posted_taken(struct migration *mg);

/* Any context.  True: @bio, a FLUSH, waits, and is mapped again when those before it are done. */
bool posted_wait(struct cache *c, struct bio *bio);
/* True, once: a write that was acknowledged is lost. */
bool posted_lost(struct cache *c);

/* Engine.  The data of @mg is nowhere, or what the cache has instead of it cannot be dropped. */
void posted_lose(struct migration *mg);
/* Engine: the mark is durable.  Then, each round: sends some.  Then: one failed. */
void posted_marked(struct migration *mg);
void posted_send(struct cache *c);
void posted_step(struct migration *mg);

/* Any context: @mg, which is being freed, is one that posted_write() began. */
void posted_put(struct migration *mg);

#endif
