/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * policy-queues.h - what the policies of the basic family and the modern ones share: everything except taste.
 *
 * A policy of this kind embeds a struct pool, forwards the methods of policy.h to it, and
 * answers a few questions (struct pool_ops): may this block come in, where does a newcomer stand,
 * who goes next.  The pool does the rest: candidates and their promotions, evictions to make room,
 * dirty blocks and their writeback, blocks that are busy or whose work failed.
 *
 * On the bio's path: pool_hit() is all that a hit costs, a relaxed count in a byte of its own
 * block.  pool_miss() takes the lock; next_work() and work_done() are called by the migration
 * engine, tick() by a worker.
 *
 * A policy says in its pool_ops what it needs, and the pool makes it: lists, a table of ghosts
 * (ghost-table.h), a sketch (sketch.h), tunables.  All have these tunables: sequential_threshold and
 * random_threshold (streams.h; 0, the default: no stream is left to the origin), and ghost_bytes, the
 * memory of what is remembered of blocks that are not cached.
 *
 * Memory: 10 bytes and a bit a cache block - two links, a mark, a state, to be written or not.  What a block holds, and whether one is
 * in, is known to the core.
 *
 * Lock: @lock, interrupts disabled, innermost.  The answers of pool_ops are asked under it.
 */
#ifndef DMC_POLICY_QUEUES_H
#define DMC_POLICY_QUEUES_H

#include <linux/compiler.h>
#include <linux/spinlock.h>

#include "../policy.h"
#include "bit-tree.h"
#include "ghost-table.h"
#include "hint-groups.h"
#include "sketch.h"
#include "streams.h"
#include "tunables.h"

#define POOL_NONE U32_MAX
#define POOL_AGAIN (U32_MAX - 1)	/* only from victim() */

/* Of a block. */
#define POOL_RESIDENT	0x01
#define POOL_BUSY	0x02	/* named in work that is not done */
#define POOL_LEAVING	0x04	/* that work is an eviction: on no queue */
#define POOL_PENALTY	0x08	/* its last work failed; on a penalty list, not on a queue */
#define POOL_DIRTY	0x10
#define POOL_QUEUE_SHIFT 5	/* three bits for the policy: which queue, for example */
#define POOL_QUEUES	8

#define POOL_CANDIDATES	512	/* blocks that wait for a promotion, or are being promoted */
#define POOL_BUCKETS	256

struct pool;

struct pool_ops {
	/* Optional, before each miss: some of what hits have left.  True: there is more. */
	bool (*catch_up)(struct pool *pool);
	/*
	 * May the missed @oblock come in?  @room: there are free blocks for it.  *@tag is kept, and
	 * given to insert() once it is in.
	 */
	bool (*admit)(struct pool *pool, oblock_t oblock, enum dmc_dir dir, u32 sectors, bool room,
		      u32 *tag);
	/* Block @b is on no queue: put it on one.  See enum pool_why. */
	void (*insert)(struct pool *pool, u32 b, u32 tag, int why);
	/*
	 * Optional, if it is insert(POOL_LOADED) in short, and quick for a million blocks: the queue of
	 * pool_enqueue() and the *@mark for a block that was there before the activation with hint @tag.
	 * What hint() says then depends on those two only.
	 */
	u8 (*place)(u32 tag, u8 *mark);
	/* Optional: that was done for those of the @nr blocks from @first on that hold something. */
	void (*loaded)(struct pool *pool, u32 first, u32 nr);
	/* Block @b leaves its queue, for good or for a while.  pool_unlink() is enough if no more is kept. */
	void (*remove)(struct pool *pool, u32 b);
	/*
	 * The block to go next, still on its queue and pool_may_go(); POOL_NONE if there is none.
	 * A long search is done in parts, for the lock is not held for long: POOL_AGAIN after a
	 * part of it.  But not if pool->insist: then some block must do.
	 */
	u32 (*victim)(struct pool *pool);
	/* Optional: @b, which held @oblock, was evicted. */
	void (*evicted)(struct pool *pool, u32 b, oblock_t oblock);
	/* Optional: time passes.  True: there is more to do, so it is called @again. */
	bool (*tick)(struct pool *pool, bool again);
	/* What to store for resident @b; a new place on a queue or a new mark may change it, no more. */
	u32 (*hint)(struct pool *pool, u32 b);
	/* Only for pool_coldest(): takes what hits have left at @b.  Was there anything? */
	bool (*settle)(struct pool *pool, u32 b);
	/* Optional: parts of its own.  init(): 0 or -ENOMEM; exit() copes with any part of them. */
	int (*init)(struct pool *pool, u64 block_sectors);
	void (*exit)(struct pool *pool);

	size_t size;			/* of the policy, which begins with its struct pool */
	u32 nr_heads;			/* lists */
	u8 mark_max;			/* 0: as high as a mark can count */
	u32 ghosts_per_block;		/* 0: without pool->ghosts */
	u32 sketch_period;		/* accesses a block, until counts are halved; 0: without */
	const struct tunable *tunables;	/* beside those that all have; POOL_TUNABLES at most */
	unsigned int nr_tunables;
};

#define POOL_TUNABLES	4
#define POOL_GHOST_BYTES_MAX (1U << 30)

enum { POOL_SEQUENTIAL, POOL_RANDOM, POOL_COMMON };

enum pool_why {
	POOL_NEW,	/* promoted just now; @tag from admit() */
	POOL_LOADED,	/* at the activation, without place(); @tag is the hint, or POOL_NONE */
	POOL_BACK,	/* its eviction failed, its penalty is over; @tag is 0 */
};

struct pool_candidate {
	u64 oblock;
	u32 tag;
	u16 chain;		/* of its bucket; free ones are chained too */
	u16 next, prev;		/* waiting: first come, first served */
	bool busy;		/* named in a promotion */
	bool room;		/* let in since there were free blocks */
};

struct pool {
	struct dmc_policy policy;
	const struct pool_ops *ops;
	const struct dmc_mappings *map;
	u32 nr;				/* blocks of the cache */
	u32 nr_heads;

	/* Written by hits, no lock. */
	u8 *mark;
	u8 mark_max;
	u8 count_mask;			/* the bits of a mark that say whether there were hits */
	struct hint_groups hints;
	u8 apart[64];

	struct streams streams;		/* no lock */
	u32 common[POOL_COMMON];	/* tunables, no lock */
	u32 tunables[POOL_TUNABLES];

	spinlock_t lock;		/* protects all below */
	u32 (*link)[2];			/* previous, next; the list heads come after the blocks */
	u8 *state;
	u32 length[POOL_QUEUES];	/* of the queues filled by pool_enqueue() */
	u32 nr_resident;
	u32 nr_dirty;
	struct bit_tree to_write;	/* blocks that are dirty, and may be named for that */
	u32 writeback_hand;
	u32 writeback_rounds;		/* of the hand */
	u32 dirty_limit;		/* more, and they are written back under load too */
	bool writeback_turn;
	bool insist;

	struct pool_candidate *candidates;
	u16 buckets[POOL_BUCKETS];	/* of the candidates */
	u16 free_candidates;
	u32 nr_waiting;
	u32 nr_leaving;

	struct history ghosts;
	struct sketch sketch;

	u32 failures;			/* in this tick */
	u32 penalty_ticks;
	u8 penalty_now;			/* which of the two penalty lists takes new ones */
};

/* What create() and destroy() of a policy do. */
struct dmc_policy *pool_create(const struct dmc_policy_type *type, const struct pool_ops *ops,
			       const struct dmc_mappings *map, u32 nr, u64 block_sectors);
void pool_destroy(struct dmc_policy *p);

static inline struct pool *to_pool(struct dmc_policy *p)
{
	return container_of(p, struct pool, policy);
}

/*----- the methods of policy.h -----*/

static inline void pool_hit(struct pool *pool, cblock_t cblock)
{
	u8 *mark = &pool->mark[from_cblock(cblock)];
	u8 now = READ_ONCE(*mark);

	if (now < pool->mark_max) {
		WRITE_ONCE(*mark, now + 1);
		hint_group_changed(&pool->hints, cblock);
	}
}

void pool_method_hit(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, enum dmc_dir dir,
		     u32 sectors);
enum dmc_advice pool_miss(struct dmc_policy *p, oblock_t oblock, enum dmc_dir dir, u64 sector,
			  u32 sectors, bool cheap, u32 nr_free);
int pool_next_work(struct dmc_policy *p, bool idle, u32 nr_free, struct dmc_work *work);
void pool_work_done(struct dmc_policy *p, const struct dmc_work *work, bool success);
int pool_load_mapping(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, bool dirty, u32 hint,
		      bool hint_valid);
int pool_load_run(struct dmc_policy *p, const struct dmc_run *run);
void pool_invalidate(struct dmc_policy *p, cblock_t cblock);
void pool_set_dirty(struct dmc_policy *p, cblock_t cblock);
void pool_clear_dirty(struct dmc_policy *p, cblock_t cblock);
void pool_tick(struct dmc_policy *p);
void pool_get_hints(struct dmc_policy *p, cblock_t first, u32 nr, u32 *out);
bool pool_hints_changed(struct dmc_policy *p, cblock_t first, u32 nr);
void pool_hints_saved(struct dmc_policy *p);
u32 pool_residency(struct dmc_policy *p);
int pool_set_config(struct dmc_policy *p, const char *key, const char *value);
int pool_emit_config(struct dmc_policy *p, char *buf, size_t len);

/* All but create(), hit() and set_config(). */
#define POOL_METHODS				\
	.destroy = pool_destroy,		\
	.miss = pool_miss,			\
	.load_mapping = pool_load_mapping,	\
	.load_run = pool_load_run,		\
	.next_work = pool_next_work,		\
	.work_done = pool_work_done,		\
	.invalidate = pool_invalidate,		\
	.set_dirty = pool_set_dirty,		\
	.clear_dirty = pool_clear_dirty,	\
	.tick = pool_tick,			\
	.get_hints = pool_get_hints,		\
	.hints_changed = pool_hints_changed,	\
	.hints_saved = pool_hints_saved,	\
	.residency = pool_residency,		\
	.emit_config = pool_emit_config

/*----- for the answers: under the lock -----*/

static inline u32 pool_head(const struct pool *pool, u32 which)
{
	return pool->nr + which;
}

static inline u32 pool_oldest(const struct pool *pool, u32 which)
{
	return pool->link[pool_head(pool, which)][1];
}

static inline u32 pool_newest(const struct pool *pool, u32 which)
{
	return pool->link[pool_head(pool, which)][0];
}

/*
 * What resident @b holds.  A block that came in this moment, or is about to be invalidated, may not be
 * mapped: then this is an oblock that does not exist.
 */
static inline oblock_t pool_oblock(const struct pool *pool, u32 b)
{
	return pool->map->oblock_of(pool->map, to_cblock(b));
}

/* Is @b, got from a walk, the end of the list? */
static inline bool pool_is_end(const struct pool *pool, u32 b)
{
	return b >= pool->nr;
}

/* For grade_hint(): a mark of @mark_max at most, and for the warmer half @warm too. */
static inline u32 pool_grade_hint(u32 grade, u32 mark_max, u32 warm)
{
	return min(grade / 4, mark_max) + (grade >= DMC_GRADES / 2 ? warm : 0);
}

void pool_append(struct pool *pool, u32 which, u32 b);
void pool_unlink(struct pool *pool, u32 b);

/* The same for queues whose lengths are asked for: they are kept in pool->length[]. */
void pool_enqueue(struct pool *pool, u8 which, u32 b);
void pool_dequeue(struct pool *pool, u32 b);
void pool_requeue(struct pool *pool, u8 which, u32 b);

/* Neither busy nor in penalty. */
static inline bool pool_may_go(const struct pool *pool, u32 b)
{
	return (pool->state[b] & (POOL_RESIDENT | POOL_BUSY | POOL_PENALTY)) == POOL_RESIDENT;
}

/* The first of list @which that may go, or POOL_NONE; some busy ones are stepped over. */
u32 pool_first_to_go(const struct pool *pool, u32 which, bool newest);

/*
 * The first to go of queue @which that was not hit; those that were go to the back of queue @up.  Each
 * costs one of @looks; POOL_NONE if there is none, or no look is left.
 */
u32 pool_coldest(struct pool *pool, u8 which, u8 up, u32 *looks);

static inline u8 pool_queue_of(const struct pool *pool, u32 b)
{
	return pool->state[b] >> POOL_QUEUE_SHIFT;
}

static inline void pool_set_queue(struct pool *pool, u32 b, u8 queue)
{
	pool->state[b] = (pool->state[b] & ((1 << POOL_QUEUE_SHIFT) - 1)) |
			 queue << POOL_QUEUE_SHIFT;
}

static inline bool pool_is_full(const struct pool *pool)
{
	return pool->nr - pool->nr_resident <= min(pool->nr / 16, 16U);
}

static inline u8 pool_mark(const struct pool *pool, u32 b)
{
	return READ_ONCE(pool->mark[b]);
}

static inline void pool_set_mark(struct pool *pool, u32 b, u8 mark)
{
	WRITE_ONCE(pool->mark[b], mark);
	hint_group_changed(&pool->hints, to_cblock(b));
}

#endif
