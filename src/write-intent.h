/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * write-intent.h - which blocks have their dirty bit on disk, durably: they are *marked*.
 *
 * Where: map.c looks at the intent bit of a block before the first write to it; commit.c sets and
 * clears bits with its commits.  How it works is told in write-intent.c.
 */
#ifndef DM_CACHE_WRITE_INTENT_H
#define DM_CACHE_WRITE_INTENT_H

#include "migrate.h"

#define INTENT_BATCH 1024	/* changed with one commit, at most: set ahead, and cleared */
#define INTENT_MARKS (POSTED_MOST + CACHE_MAX_MIGRATIONS)	/* of write intents, at most */
/* Promotions set bits, too: each is a change, so no more than a commit has room for. */
#define INTENT_SET_MOST (INTENT_BATCH + INTENT_MARKS + DMC_MD_COMMIT_MOST)

struct write_intent {
	atomic_t nr;		/* marked blocks */
	bool kept;		/* the metadata is tracking: intents are needed, and kept */
	bool strayed;	/* a dirty block may be unmarked, or an unmarked one have its bit set */
	bool clearing;	/* marks were taken away, and what was written there is not durable yet */
	bool idle;		/* the engine says that there is time to clear some more */
	u32 put_back;		/* how often marks were put back, since a flush failed */

	/* The commit worker's. */
	u32 hand;		/* where the search for bits to clear goes on */
	u32 nr_clear, nr_ahead, nr_set;
	u32 *clear;		/* cblocks; INTENT_BATCH of them */
	u32 *ahead;
	u32 *set;		/* what a commit sets: INTENT_SET_MOST */
	unsigned long *leaves;	/* metadata blocks that marks of the batch change: a bit each */
	u32 nr_leaves, nr_marks;
	unsigned long not_before;	/* jiffies; not 0: the last flush for them failed */
};

int intent_init(struct cache *c);
void intent_exit(struct cache *c);

/* Must a write to an unmarked block wait for an MG_WRITE_INTENT?  Any context. */
static inline bool intent_needed(struct cache *c)
{
	return READ_ONCE(c->intent->kept) && cache_md_mode(c) == MD_WRITE;
}

/*
 * Do the marks name every clean block that the cache device may lose?  First intent_put_back(),
 * then the look at the blocks' bits, then intent_tell_all() with what the first returned: true,
 * they did.  Any context.
 */
static inline u32 intent_put_back(struct cache *c)
{
	u32 put_back = READ_ONCE(c->intent->put_back);

	smp_rmb();	/* pairs with intent_flush(): of these, all marks can be seen */
	return put_back;
}

static inline bool intent_tell_all(struct cache *c, u32 put_back)
{
	/* pairs with the full barrier of taking a bit away: @clearing was set before */
	smp_rmb();
	if (!READ_ONCE(c->intent->kept) || READ_ONCE(c->intent->clearing))
		return false;
	smp_rmb();	/* pairs with intent_flush() */
	return !READ_ONCE(c->intent->strayed) && READ_ONCE(c->intent->put_back) == put_back;
}

/* Engine. */
bool intent_due(struct cache *c);
void intent_note_idle(struct cache *c, bool idle);
void intent_publish(struct cache *c, cblock_t cb, bool marked);

/*
 * Commit worker, in this order.  How many changes may the commit be for?  Then, for each migration:
 * is there room for it?  It is counted then.
 */
u32 intent_leave_room(struct cache *c);
void intent_begin_batch(struct cache *c);
bool intent_fits(struct cache *c, const struct migration *mg, u32 *room);
bool intent_collect(struct cache *c);
bool intent_flush(struct cache *c, int settled);
void intent_of_promotions(struct cache *c, struct list_head *batch);
int intent_check_room(struct cache *c);
int intent_change(struct cache *c, struct list_head *batch);
bool intent_committed(struct cache *c, struct list_head *batch, int error);

/* Activation and shutdown: no bio, no migration. */
void intent_begin(struct cache *c, bool kept);
void intent_end(struct cache *c);
bool intent_differ(void *ctx, cblock_t first, u32 nr);
void intent_settled(struct cache *c);
void intent_warn_no_room(struct cache *c);

#endif
