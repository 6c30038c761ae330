/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * partial.h - blocks of which only some granules are in the cache; how it works is told in
 * partial.c.
 *
 * Where: between the look-up and the remap of a bio that meets such a block (map-partial.c); at
 * both ends of a migration of one (migrate.c, copy.c); in each commit (commit.c).
 */
#ifndef DM_CACHE_PARTIAL_H
#define DM_CACHE_PARTIAL_H

#include "migrate.h"
#include "partial-memory.h"

/* Why a write was not allocated; for status. */
enum partial_refusal {
	PARTIAL_NO_ROOM,		/* as many blocks are partial as may be */
	PARTIAL_NO_FREE,		/* no cache block is free, or too much is going on */
	PARTIAL_UNALIGNED,		/* it covers a granule in part */
	PARTIAL_NO_METADATA,		/* the metadata device has no room for more maps */
	PARTIAL_NOT_WANTED,		/* by the policy */
	NR_PARTIAL_REFUSALS,
};

/* What a commit makes durable of one block. */
struct partial_change {
	cblock_t cblock;
	bool fresh;			/* its mapping is not on disk yet */
	bool full;			/* no granule is missing any more */
	struct migration *fill;		/* or, if this has no error, NULL: it is not filled */
	u64 valid[DMC_VALID_WORDS];	/* as dmc_md_set_valid() takes it */
};

struct partials {
	struct mutex making;		/* @chunks and @buckets are being made */
	spinlock_t lock;		/* all that follows, but for the constants */
	u32 granule_sectors;		/* constant */
	u32 nr_granules;		/* of a block; constant */
	/*
	 * All made on demand; NULL: write allocation was never switched on.  A chunk has
	 * PARTIAL_CHUNK blocks, and @buckets is the first of each chain, a power of two of them.
	 */
	struct partial_block **chunks;
	u32 *buckets;
	u32 nr_chunks, most_chunks, nr_buckets;
	u32 nr;				/* in use */
	u32 percent;			/* of the cache's blocks; 0: off */
	u32 limit;			/* the same in blocks */
	u32 free;			/* the first free one */

	struct list_head pending;
	struct list_head round;		/* pending since before the round under way began */
	u32 nr_pending;			/* in both lists */
	/* flush_lost() when the first write of what is in the list was sent. */
	u32 pending_lost, round_lost;
	bool in_round;
	bool due;			/* a round is wanted, though no bio waits for it */
	bool missed;			/* this round gave up a block that was to be removed, and is
					 * not */
	struct bio_list waiting;	/* for the round to come... */
	struct bio_list covered;	/* ... and for the one under way */

	/* The commit worker's. */
	struct partial_change *batch;
	u32 nr_batch;
	u32 batch_lost;
	int flush_error;
	bool stores;			/* what was taken is to be stored */

	atomic64_t nr_allocated, nr_filled, nr_dropped;
	atomic64_t nr_refused[NR_PARTIAL_REFUSALS];
};

int partial_init(struct cache *c);
void partial_exit(struct cache *c);

/* How many blocks may be partial; 0: write allocation is off. */
static inline u32 partial_limit(const struct cache *c)
{
	return READ_ONCE(c->partials->limit);
}

/*
 * At most @percent (up to CACHE_MAX_WRITE_ALLOCATE) of the cache's blocks are to be partial from
 * now on; 0: no more writes are allocated.  0 or -ENOMEM.  May sleep.
 */
int partial_set_limit(struct cache *c, u32 percent);

/* Activation: a mapped, dirty block is partial.  0, -EINVAL (with a line in the log), -ENOMEM. */
int partial_load(void *ctx, cblock_t cb, const u64 *valid);

/*
 * Any context.  Ranges are given by their first sector within the block and their length.  The
 * caller is counted in the block (block-lock.h), so that its mapping stays.
 */
bool partial_may_allocate(struct cache *c, const struct bio *bio, u32 offset);
bool partial_look(struct cache *c, cblock_t cb, u32 offset, u32 sectors, u32 *same);
bool partial_can_write(struct cache *c, cblock_t cb, u32 offset, u32 sectors);
void partial_written(struct cache *c, cblock_t cb, u32 offset, u32 sectors, u32 lost);
bool partial_wait(struct cache *c, struct bio *bio);
bool partial_missed(struct cache *c, cblock_t cb);
bool partial_next_run(struct cache *c, cblock_t cb, bool valid, u32 *offset, u32 *sectors);
void partial_refused(struct cache *c, enum partial_refusal why);

/* Any context: false also if memory is short, which partial_prepare() sees to. */
bool partial_add(struct cache *c, cblock_t cb);
bool partial_is_short(const struct cache *c);

/* Engine. */
void partial_prepare(struct cache *c);
bool partial_allocate(struct cache *c, cblock_t cb);
void partial_filled(struct cache *c, cblock_t cb);
void partial_dropped(struct cache *c, cblock_t cb);
bool partial_pending(struct cache *c);
void partial_store(struct cache *c);

/* Commit worker, in this order. */
bool partial_used(struct cache *c);
void partial_begin(struct cache *c, struct list_head *batch, u32 room);
bool partial_changes(struct cache *c);
int partial_flushed(struct cache *c, int error);
int partial_change(struct cache *c);
void partial_keep(struct migration *mg);
bool partial_committed(struct cache *c, int error);

/* map-partial.c: bios that meet a partial block, or get one. */
bool partial_allocate_now(struct cache *c, struct bio *bio, oblock_t ob, int *r);
int partial_read(struct cache *c, struct bio *bio, oblock_t ob, cblock_t cb, u32 offset);
int partial_write(struct cache *c, struct bio *bio, oblock_t ob, cblock_t cb, u32 offset);
int partial_write_ended(struct cache *c, struct bio *bio, blk_status_t status);
void partial_origin_write_ended(struct cache *c, struct bio *bio, bool failed);

#endif
