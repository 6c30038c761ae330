/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * migrate.h - a migration: one block that is being moved, cleaned or dropped.
 *
 * The steps, and the code that takes them
 *
 *   1 mg_start()      bio path, engine   claims the block: from here on bios that it excludes park
 *   2 MG_DRAINING     the last bio out   none of those is left in flight
 *   3 MG_DRAINED      engine             copy_start(): kcopyd, an overwriting bio, or nothing
 *   4 MG_COPIED       engine             writeback: volatile (settle.c).  Else to the commit worker
 *   5 MG_COMMIT       commit worker      data devices flushed, metadata changed and committed
 *   6 MG_COMMITTED    engine             mg_finish(): change the table, unlock, release the parked
 *
 * A write intent (write-intent.c) moves nothing and excludes no bio: mg_start() sends it to step 5.
 * If posted writes (posted.c) are behind it, it excludes all, and after step 5 they are sent:
 * MG_POSTING, MG_POSTED.
 *
 * A migration is in migrations.hash from step 1 to 6, which makes it the only one of its oblock,
 * and in at most one of migrations.ready and commit.waiting.  An error at any step goes straight to
 * mg_finish(), which leaves mapping and dirtiness as they were.
 */
#ifndef DM_CACHE_MIGRATE_H
#define DM_CACHE_MIGRATE_H

#include <linux/atomic.h>
#include <linux/bio.h>
#include <linux/dm-kcopyd.h>
#include <linux/list.h>
#include <linux/mempool.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "block-types.h"

struct cache;
struct posted_write;

#define CACHE_MG_BUCKETS 512

struct migrations {
	spinlock_t lock;		/* also over changes of the mapping table */
	struct hlist_head hash[CACHE_MG_BUCKETS];	/* by slot; under lock */
	struct list_head ready;		/* wait for the engine; under lock */
	atomic_t nr;
	atomic_t nr_write_allocs;	/* those of them that hold a write back */
	wait_queue_head_t idle_wait;	/* nr fell to 0 */
	mempool_t *pool;
	struct dm_kcopyd_client *copier;
	atomic64_t nr_promotions, nr_demotions;
};

enum mg_kind {
	MG_PROMOTE,
	MG_DEMOTE,
	MG_WRITEBACK,
	MG_INVALIDATE,
	MG_WRITE_INTENT,
	MG_FILL,		/* a partial block gets what it lacks from the origin; partial.c */
};

enum mg_state {
	MG_DRAINING,
	MG_DRAINED,
	MG_COPYING,
	MG_COPIED,
	MG_COMMIT,
	MG_COMMITTED,
	MG_POSTING,
	MG_POSTED,
};

struct migration {
	struct cache *c;
	struct hlist_node hash;		/* mg_hash; under migrations.lock */
	struct list_head list;		/* mg_ready or mg_commit; under migrations.lock */
	enum mg_kind kind;
	enum mg_state state;	/* under migrations.lock while draining, then its current owner's */
	oblock_t oblock;
	cblock_t cblock;
	u32 slot;
	int error;			/* of any step, negative */
	u32 lost;			/* flush_lost() of where it copies to, before it does */
	bool copied;			/* to the origin */
	bool noted;			/* a writeback: its block is volatile already */
	enum dmc_op op;			/* what the policy asked for, if it asked */
	bool asked_by_policy;		/* tell it with work_done() */
	bool owns_cblock;		/* it is free for others when this migration is freed */
	bool retire_cblock;		/* the cache device failed there: not to be used for now */
	bool drops;			/* an invalidation that invalidate.c wants */
	bool passed_by;			/* one for a write in passthrough mode: a demotion */
	/* a promotion that a write waits for from the start; in nr_write_allocs */
	bool write_alloc;
	bool partial;			/* a promotion of nothing: a write is to come */
	bool by_runs;			/* a partial block: copies runs of its granules... */
	u32 offset;			/* ... and the next one begins here, in sectors */
	bool posted;			/* a write intent with writes behind it; posted.c... */
	struct posted_write *writes;	/* ... under migrations.lock until they are sent... */
	u32 nr_writes;
	atomic_t posting;		/* ... so many of which are on their way... */
	bool taken;			/* ... the cache device took one... */
	bool elsewhere;			/* ... and refused one: all go to the origin */
	bool fresh;			/* a partial block: its mapping is not on disk... */
	bool given_up;			/* ... and this removal was to make that needless */
	bool copyless;			/* a promotion that is not worth a copy from the origin */
	bool intent;			/* a promotion: its dirty bit is on disk with its mapping */
	struct bio_list parked;		/* wait for the end; under migrations.lock while hashed */
	struct bio *overwriter;		/* promotes by overwriting the whole block */
};

/* Removes a clean block for the reserve (reserve.c). */
static inline bool mg_makes_room(const struct migration *mg)
{
	return mg->op == DMC_OP_MAKE_ROOM;
}

/* Counts to a bound of its own: posted.c, reserve.c. */
static inline bool mg_is_extra(const struct migration *mg)
{
	return mg->posted || mg_makes_room(mg);
}

static inline bool mg_locks_entry(const struct migration *mg)
{
	return mg->kind != MG_PROMOTE && (mg->kind != MG_WRITE_INTENT || mg->posted);
}

/* Copies to the cache device. */
static inline bool mg_fills(const struct migration *mg)
{
	return mg->kind == MG_PROMOTE || mg->kind == MG_FILL;
}

static inline bool mg_removes(const struct migration *mg)
{
	return mg->kind == MG_DEMOTE || mg->kind == MG_INVALIDATE;
}

static inline bool mg_claims_slot(const struct migration *mg)
{
	return mg->kind == MG_PROMOTE;
}

struct migration *mg_alloc(struct cache *c, enum mg_kind kind, oblock_t ob, cblock_t cb);
struct migration *mg_alloc_leaving(struct cache *c, oblock_t ob, cblock_t cb);
struct migration *mg_alloc_promotion(struct cache *c, oblock_t ob, bool write_alloc);
void mg_free(struct migration *mg);
bool mg_may_promote(struct cache *c);
bool mg_within_threshold(struct cache *c, u64 sectors);
u32 mg_nr_others(struct cache *c);

int mg_start(struct migration *mg);
bool mg_map_partial(struct cache *c, oblock_t ob, cblock_t cb);
void mg_drained(struct cache *c, u32 slot);
bool mg_park(struct cache *c, oblock_t ob, struct bio *bio);
bool mg_join(struct cache *c, oblock_t ob, cblock_t cb, struct posted_write **w);
void mg_make_ready(struct migration *mg, enum mg_state state);
void mg_step(struct migration *mg);
void mg_finish(struct migration *mg);
void mg_drop_instead(struct migration *mg);

#endif
