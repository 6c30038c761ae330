/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * policy-queues.h - what the policies of the basic family and the modern ones share: everything
 * except taste.
 *
 * A policy of this kind embeds a struct policy_queues, forwards the methods of policy.h to it, and
 * answers a few questions (struct pq_ops): may this block come in, where does a newcomer stand,
 * which block goes next.  The queues do the rest: candidates and their promotions, evictions to
 * make room, dirty blocks and their writeback, blocks that are busy or whose work failed.
 *
 * On the bio's path: pq_hit() is all that a hit costs, a relaxed count in a byte of its own
 * block.  dmc_pq_miss() takes the lock; next_work() and work_done() are called by the migration
 * engine, tick() by a worker.
 *
 * A policy says in its pq_ops what it needs, and dmc_pq_create() makes it: lists, a table of ghosts
 * (ghost-table.h), a sketch (sketch.h), tunables.  All have these tunables: sequential_threshold
 * and random_threshold (streams.h; 0, the default: no stream is left to the origin), and
 * ghost_bytes, the memory of what is remembered of blocks that are not cached.
 *
 * Memory: 10 bytes and a bit a cache block - two links, a mark, a state, to be written or not.
 * What a block holds, and whether one is in, is known to the core.
 *
 * Lock: @lock, interrupts disabled, innermost.  The answers of pq_ops are asked under it.
 */
#ifndef DMC_POLICY_QUEUES_H
#define DMC_POLICY_QUEUES_H

#include <linux/compiler.h>
#include <linux/spinlock.h>

#include "../policy.h"
#include "bit-tree.h"
#include "candidates.h"
#include "ghost-table.h"
#include "hint-groups.h"
#include "penalty.h"
#include "sketch.h"
#include "streams.h"
#include "tunables.h"

#define PQ_NONE U32_MAX
#define PQ_AGAIN (U32_MAX - 1)	/* only from victim() */

/* Of a block. */
#define PQ_RESIDENT	0x01
#define PQ_BUSY	0x02	/* named in work that is not done */
#define PQ_LEAVING	0x04	/* that work is an eviction: on no queue */
#define PQ_PENALTY	0x08	/* its last work failed; on a penalty list, not on a queue */
#define PQ_DIRTY	0x10
#define PQ_QUEUE_SHIFT 5	/* three bits for the policy: which queue, for example */
#define PQ_QUEUES	8

struct policy_queues;

struct pq_ops {
	/* Optional, before each miss: some of what hits have left.  True: there is more. */
	bool (*catch_up)(struct policy_queues *pq);
	/*
	 * May the missed @oblock come in?  @room: there are free blocks for it.  *@tag is kept, and
	 * given to insert() once it is in.
	 */
	bool (*admit)(struct policy_queues *pq, oblock_t oblock, enum dmc_dir dir, u32 sectors,
		      bool room, u32 *tag);
	/* Block @b is on no queue: put it on one.  See enum pq_why. */
	void (*insert)(struct policy_queues *pq, u32 b, u32 tag, int why);
	/*
	 * Optional, if it is insert(PQ_LOADED) in short, and quick for a million blocks: the queue
	 * of dmc_pq_enqueue() and the *@mark for a block that was there before the activation with
	 * hint @tag.  What hint() says then depends on those two only.
	 */
	u8 (*place)(u32 tag, u8 *mark);
	/*
	 * Optional: that was done for those of the @nr blocks from @first on that hold something.
	 */
	void (*loaded)(struct policy_queues *pq, u32 first, u32 nr);
	/*
	 * Block @b leaves its queue, for good or for a while.  dmc_pq_unlink() is enough if no more
	 * is kept.
	 */
	void (*remove)(struct policy_queues *pq, u32 b);
	/*
	 * The block to go next, still on its queue and pq_may_go(); PQ_NONE if there is none.
	 * A long search is done in parts, for the lock is not held for long: PQ_AGAIN after a
	 * part of it.  But not if pq->insist: then some block must do.
	 */
	u32 (*victim)(struct policy_queues *pq);
	/* Optional: @b, which held @oblock, was evicted. */
	void (*evicted)(struct policy_queues *pq, u32 b, oblock_t oblock);
	/* Optional: time passes.  True: there is more to do, so it is called @again. */
	bool (*tick)(struct policy_queues *pq, bool again);
	/*
	 * What to store for resident @b; a new place on a queue or a new mark may change it, no
	 * more.
	 */
	u32 (*hint)(struct policy_queues *pq, u32 b);
	/* Only for dmc_pq_coldest(): takes what hits have left at @b.  Was there anything? */
	bool (*settle)(struct policy_queues *pq, u32 b);
	/* Optional: parts of its own.  init(): 0 or -ENOMEM; exit() copes with any part of them. */
	int (*init)(struct policy_queues *pq, u64 block_sectors);
	void (*exit)(struct policy_queues *pq);

	size_t size;		/* of the policy, which begins with its struct policy_queues */
	u32 nr_heads;			/* lists */
	u8 mark_max;			/* 0: as high as a mark can count */
	u32 ghosts_per_block;		/* 0: without pq->ghosts */
	u32 sketch_period;		/* accesses a block, until counts are halved; 0: without */
	const struct tunable *tunables;	/* beside those that all have; PQ_TUNABLES at most */
	unsigned int nr_tunables;
};

#define PQ_TUNABLES	4
#define PQ_ROOM_LOOKS	8	/* dirty blocks passed over for one that can go at once */
#define PQ_GHOST_BYTES_MAX (1U << 30)

enum { PQ_SEQUENTIAL, PQ_RANDOM, PQ_COMMON };
extern const struct tunable pq_common_tunables[PQ_COMMON];

enum pq_why {
	PQ_NEW,	/* promoted just now; @tag from admit() */
	PQ_LOADED,	/* at the activation, without place(); @tag is the hint, or PQ_NONE */
	PQ_BACK,	/* its eviction failed, its penalty is over; @tag is 0 */
};

#define PQ_BATCH	64

struct pq_batch {
	struct pq_place {
		u64 oblock;
		u32 block;
	} at[PQ_BATCH];
	u32 nr;
	u32 next;
};

struct policy_queues {
	struct dmc_policy policy;
	const struct pq_ops *ops;
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
	u32 common[PQ_COMMON];	/* tunables, no lock */
	u32 tunables[PQ_TUNABLES];

	spinlock_t lock;		/* protects all below */
	u32 (*link)[2];			/* previous, next; the list heads come after the blocks */
	u8 *state;
	u32 length[PQ_QUEUES];	/* of the queues filled by dmc_pq_enqueue() */
	u32 nr_resident;
	u32 nr_dirty;
	u32 told_free;			/* by the last next_work() */
	bool reserved;		/* there is a reserve beside them: make_room() was called */
	struct bit_tree to_write;	/* blocks that are dirty, and may be named for that */
	u32 writeback_hand;
	u32 writeback_rounds;		/* of the hand */
	struct pq_batch batch;		/* in the order in which they are to be written back */
	u32 dirty_limit;		/* more, and they are written back under load too */
	bool writeback_turn;
	bool insist;

	struct candidates wanted;
	u32 nr_leaving;		/* are being evicted, for as many of those */
	u32 nr_paid;		/* were, and their blocks wait for as many of them */
	u32 passed[PQ_ROOM_LOOKS];	/* dirty ones, busy for the while of a search for room */
	u32 nr_passed;

	struct ghost_table ghosts;
	struct sketch sketch;

	struct penalty penalty;
};

/* What create() and destroy() of a policy do. */
struct dmc_policy *dmc_pq_create(const struct dmc_policy_type *type, const struct pq_ops *ops,
				 const struct dmc_mappings *map, u32 nr, u64 block_sectors);
void dmc_pq_destroy(struct dmc_policy *p);

static inline struct policy_queues *to_pq(struct dmc_policy *p)
{
	return container_of(p, struct policy_queues, policy);
}

/* Under the lock: pq-writeback.c. */
u32 dmc_pq_next_to_write(struct policy_queues *pq);

/*----- the methods of policy.h -----*/

static inline void pq_hit(struct policy_queues *pq, cblock_t cblock)
{
	u8 *mark = &pq->mark[from_cblock(cblock)];
	u8 now = READ_ONCE(*mark);

	if (now < pq->mark_max) {
		WRITE_ONCE(*mark, now + 1);
		hint_group_changed(&pq->hints, cblock);
	}
}

void dmc_pq_hit(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, enum dmc_dir dir,
		u32 sectors);
enum dmc_advice dmc_pq_miss(struct dmc_policy *p, oblock_t oblock, enum dmc_dir dir, u64 sector,
			    u32 sectors, bool cheap, u32 nr_free);
void dmc_pq_allocated(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, bool success);
int dmc_pq_next_work(struct dmc_policy *p, bool idle, u32 nr_free, struct dmc_work *work);
int dmc_pq_make_room(struct dmc_policy *p, struct dmc_work *work);
void dmc_pq_work_done(struct dmc_policy *p, const struct dmc_work *work, bool success);
int dmc_pq_load_mapping(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, bool dirty,
			u32 hint, bool hint_valid);
int dmc_pq_load_run(struct dmc_policy *p, const struct dmc_run *run);
void dmc_pq_invalidate(struct dmc_policy *p, cblock_t cblock);
void dmc_pq_set_dirty(struct dmc_policy *p, cblock_t cblock);
void dmc_pq_clear_dirty(struct dmc_policy *p, cblock_t cblock);
void dmc_pq_tick(struct dmc_policy *p);
void dmc_pq_get_hints(struct dmc_policy *p, cblock_t first, u32 nr, u32 *out);
bool dmc_pq_hints_changed(struct dmc_policy *p, cblock_t first, u32 nr);
void dmc_pq_hints_saved(struct dmc_policy *p);
u32 dmc_pq_residency(struct dmc_policy *p);
int dmc_pq_set_config(struct dmc_policy *p, const char *key, const char *value);
int dmc_pq_emit_config(struct dmc_policy *p, char *buf, size_t len);

/* All but create(), hit() and set_config(). */
#define PQ_METHODS				\
	.destroy = dmc_pq_destroy,		\
	.miss = dmc_pq_miss,			\
	.allocated = dmc_pq_allocated,		\
	.load_mapping = dmc_pq_load_mapping,	\
	.load_run = dmc_pq_load_run,		\
	.next_work = dmc_pq_next_work,		\
	.make_room = dmc_pq_make_room,		\
	.work_done = dmc_pq_work_done,		\
	.invalidate = dmc_pq_invalidate,		\
	.set_dirty = dmc_pq_set_dirty,		\
	.clear_dirty = dmc_pq_clear_dirty,	\
	.tick = dmc_pq_tick,			\
	.get_hints = dmc_pq_get_hints,		\
	.hints_changed = dmc_pq_hints_changed,	\
	.hints_saved = dmc_pq_hints_saved,	\
	.residency = dmc_pq_residency,		\
	.emit_config = dmc_pq_emit_config

/*----- for the answers: under the lock -----*/

static inline u32 pq_head(const struct policy_queues *pq, u32 which)
{
	return pq->nr + which;
}

static inline u32 pq_oldest(const struct policy_queues *pq, u32 which)
{
	return pq->link[pq_head(pq, which)][1];
}

static inline u32 pq_newest(const struct policy_queues *pq, u32 which)
{
	return pq->link[pq_head(pq, which)][0];
}

/*
 * What resident @b holds.  A block that came in this moment, or is about to be invalidated, may not
 * be mapped: then this is an oblock that does not exist.
 */
static inline oblock_t pq_oblock(const struct policy_queues *pq, u32 b)
{
	return pq->map->oblock_of(pq->map, to_cblock(b));
}

/* Is @b, got from a walk, the end of the list? */
static inline bool pq_is_end(const struct policy_queues *pq, u32 b)
{
	return b >= pq->nr;
}

/* For grade_hint(): a mark of @mark_max at most, and for the warmer half @warm too. */
static inline u32 pq_grade_hint(u32 grade, u32 mark_max, u32 warm)
{
	return min(grade / 4, mark_max) + (grade >= DMC_GRADES / 2 ? warm : 0);
}

void dmc_pq_append(struct policy_queues *pq, u32 which, u32 b);
void dmc_pq_unlink(struct policy_queues *pq, u32 b);

/* The same for queues whose lengths are asked for: they are kept in pq->length[]. */
void dmc_pq_enqueue(struct policy_queues *pq, u8 which, u32 b);
void dmc_pq_dequeue(struct policy_queues *pq, u32 b);
void dmc_pq_requeue(struct policy_queues *pq, u8 which, u32 b);

/* Neither busy nor in penalty. */
static inline bool pq_may_go(const struct policy_queues *pq, u32 b)
{
	return (pq->state[b] & (PQ_RESIDENT | PQ_BUSY | PQ_PENALTY)) == PQ_RESIDENT;
}

/* The first of list @which that may go, or PQ_NONE; some busy ones are stepped over. */
u32 dmc_pq_first_to_go(const struct policy_queues *pq, u32 which, bool newest);

/*
 * The first to go of queue @which that was not hit; those that were go to the back of queue @up.
 * Each costs one of @looks; PQ_NONE if there is none, or no look is left.
 */
u32 dmc_pq_coldest(struct policy_queues *pq, u8 which, u8 up, u32 *looks);

static inline u8 pq_queue_of(const struct policy_queues *pq, u32 b)
{
	return pq->state[b] >> PQ_QUEUE_SHIFT;
}

static inline void pq_set_queue(struct policy_queues *pq, u32 b, u8 queue)
{
	pq->state[b] = (pq->state[b] & ((1 << PQ_QUEUE_SHIFT) - 1)) |
			 queue << PQ_QUEUE_SHIFT;
}

static inline bool pq_is_full(const struct policy_queues *pq)
{
	const u32 few = min(pq->nr / 16, 16U);

	return pq->nr - pq->nr_resident <= few || (pq->reserved && pq->told_free <= few);
}

static inline u8 pq_mark(const struct policy_queues *pq, u32 b)
{
	return READ_ONCE(pq->mark[b]);
}

static inline void pq_set_mark(struct policy_queues *pq, u32 b, u8 mark)
{
	WRITE_ONCE(pq->mark[b], mark);
	hint_group_changed(&pq->hints, to_cblock(b));
}

#endif
