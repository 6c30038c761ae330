/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mq-common.h - the cache side of mq and smq: which blocks are in, how warm they are, which go
 * next.
 *
 * On the bio's path: mqc_hit() is all that a hit costs.  It takes no lock and writes only to
 * the two bytes of its own block, once a tick at most, and to a per-CPU counter (and marks the
 * block's hint group as changed, if it is the first to do so since the hints were stored).
 * Everything else happens under @lock, in the migration engine (next work, work done), in miss()
 * for a block that is to come in, and once a second.
 *
 * A block's count is exact, its place in the queues is not: a block that was hit carries a mark,
 * and moves to the back of its level when it is looked at: by the search for a victim, by the one
 * for a block to write back, or by the sweep of each tick.
 *
 * Also here, since both policies want the same: the counts of blocks that are not cached, the
 * blocks that wait for a promotion, the balance of promotions, demotions and writebacks,
 * generations and ageing, back-off after failures.
 *
 * Time is counted in ticks and in *accesses* (hits, and misses that count).  A *generation* is
 * max(blocks, 1024) accesses, at least a tick.  An *epoch* is 8 generations, at least 64 ticks; at
 * its end all counts are halved, so that yesterday's hot blocks can be outdone.
 *
 * Memory for a cached block: 8 bytes of links and flags, 2 for its count, 2 for that of a block
 * that is not cached.  What it holds is known to the core.
 *
 * Lock: @lock, taken with interrupts disabled; innermost, nothing is called under it that locks.
 */
#ifndef DMC_MQ_COMMON_H
#define DMC_MQ_COMMON_H

#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>

#include "../policy.h"
#include "candidates.h"
#include "ghost-counts.h"
#include "hint-groups.h"
#include "levels.h"
#include "penalty.h"
#include "promotion-feedback.h"
#include "streams.h"

/* The count of a block.  Written by hits: relaxed, no lock; two at once may count as one. */
#define HEAT_HITS	0x3fffU		/* at most one a tick is counted; halved each epoch */
#define HEAT_MARK	0x4000U		/* hit since it was looked at */
#define HEAT_COUNTED	0x8000U		/* hit in this tick */

struct mq_common {
	struct dmc_policy policy;

	/* Read by every hit, written at create only. */
	u16 *heat;			/* of each cblock */
	u32 __percpu *accesses;
	struct hint_groups hints;
	u16 max_hits;

	/* Read by misses, without the lock; they touch the ghosts' words. */
	struct ghost_counts ghosts;
	const struct dmc_mappings *map;
	struct ghost_time now;		/* changes once a tick, under the lock */
	u32 need;			/* hits of the coldest blocks, and what @feedback asks */
	struct streams streams;
	u8 apart[L1_CACHE_BYTES];	/* hits shall not feel what happens below */

	spinlock_t lock;		/* protects all below */
	struct queues q;
	u32 nr;				/* blocks of the cache */
	u32 nr_resident;
	u32 nr_dirty;			/* of those */
	u32 told_free;			/* by the last next_work() */
	bool reserved;			/* there is a reserve beside them: make_room() was called */
	struct levels clean;
	struct levels dirty;

	/* Blocks that want to come in. */
	struct candidates wanted;
	u32 nr_demoting;
	u32 nr_paid;			/* evictions done, not yet seen as free blocks */
	u32 margin;			/* a candidate for a full cache has @need + @margin hits */
	struct promotion_feedback feedback;

	/* Writeback. */
	oblock_t run_next;		/* continues an ascending run */
	u32 run_length;
	u32 writeback_searches;
	u8 writeback_level;		/* whose turn it was last */
	bool writeback_turn;

	struct penalty penalty;

	/* Generations. */
	u32 tick_start;			/* value of all @accesses together */
	u32 generation_start;
	u32 generations;		/* in this epoch */
	u32 epoch_ticks;
	bool counted;			/* some block is, besides those hit since tick_start */
	bool halving;		/* of the counts of blocks from @aged on; else all are done */
	u32 aged;
};

struct mqc_shape {
	u8 nr_levels;
	bool linear;
	u16 max_hits;		/* at most HEAT_HITS */
};

/* 0, -EINVAL (too many blocks) or -ENOMEM with nothing held.  May sleep, as may exit. */
int mqc_init(struct mq_common *m, const struct dmc_mappings *map, u32 nr_blocks,
	     const struct mqc_shape *shape);
void mqc_exit(struct mq_common *m);

/* A bio touched something that counts. */
static inline void mqc_access(struct mq_common *m)
{
	this_cpu_inc(*m->accesses);
}

/* Any context, no lock; see the head of this file. */
static inline void mqc_hit(struct mq_common *m, cblock_t cblock)
{
	u16 *heat = &m->heat[from_cblock(cblock)];
	u16 h = READ_ONCE(*heat);

	mqc_access(m);
	if (h & HEAT_COUNTED)
		return;

	if ((h & HEAT_HITS) < m->max_hits)
		h++;
	WRITE_ONCE(*heat, h | HEAT_MARK | HEAT_COUNTED);
	hint_group_changed(&m->hints, cblock);
}

/*
 * Counts a miss of @oblock, if it is the @first of this tick, and returns its hits.  Any context,
 * no lock.
 */
static inline u32 mqc_missed(struct mq_common *m, oblock_t oblock, bool *first)
{
	struct ghost_time now = {
		.epoch = READ_ONCE(m->now.epoch),
		.tick = READ_ONCE(m->now.tick),
	};

	mqc_access(m);
	return ghost_count_touch(&m->ghosts, oblock, now, first);
}

/*
 * Free blocks beyond those that candidates wait for: a miss may then come in for the asking.  A
 * @cheap one leaves only those that are owed: it takes its block at once, while the others may wait
 * for ever, if the core is not to copy.
 */
static inline bool mqc_has_room(const struct mq_common *m, bool cheap, u32 nr_free)
{
	u32 waiting = cheap ? 0 : READ_ONCE(m->wanted.nr_waiting);

	return nr_free > waiting + READ_ONCE(m->wanted.nr_owed);
}

/* For mqc_advise(). */
enum dmc_advice dmc_mqc_consider(struct mq_common *m, oblock_t oblock, u32 hits, bool wanted,
				 bool cheap, u32 nr_free);

/*
 * The rest of miss(), for a block of @hits that is worth having if @wanted, and for all others:
 * what to do about it.  Takes the lock only if there is something to do.
 */
static inline enum dmc_advice mqc_advise(struct mq_common *m, oblock_t oblock, u32 hits,
					 bool wanted, bool cheap, u32 nr_free)
{
	if (!wanted && !feedback_watches(&m->feedback, oblock))
		return DMC_LEAVE;
	return dmc_mqc_consider(m, oblock, hits, wanted, cheap, nr_free);
}

/* Behind the methods of policy.h that MQC_METHODS names. */
int mqc_load_run(struct mq_common *m, const struct dmc_run *run);
void mqc_allocated(struct mq_common *m, cblock_t cblock, oblock_t oblock, bool success);
int mqc_next_work(struct mq_common *m, bool idle, u32 nr_free, struct dmc_work *work);
int mqc_make_room(struct mq_common *m, struct dmc_work *work);
void mqc_work_done(struct mq_common *m, const struct dmc_work *work, bool success);
void mqc_set_dirty(struct mq_common *m, cblock_t cblock);
void mqc_clear_dirty(struct mq_common *m, cblock_t cblock);
void mqc_invalidate(struct mq_common *m, cblock_t cblock);
void mqc_get_hints(struct mq_common *m, cblock_t first, u32 nr, u32 *out);
/* A second has passed.  True: an epoch ended. */
bool mqc_tick(struct mq_common *m);

static inline struct mq_common *to_mqc(struct dmc_policy *p)
{
	return container_of(p, struct mq_common, policy);
}

/*----- the methods of policy.h: mq-methods.c -----*/

/*
 * What create() does: @size bytes for a policy that begins with its struct mq_common, zeroed but
 * for that.  An ERR_PTR: -EINVAL (too many blocks), -ENOMEM.
 */
struct mq_common *dmc_mqc_create(const struct dmc_policy_type *type, size_t size,
				 const struct dmc_mappings *map, u32 nr_blocks,
				 const struct mqc_shape *shape);
void dmc_mqc_destroy(struct dmc_policy *p);
int dmc_mqc_load_mapping(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, bool dirty,
			 u32 hint, bool hint_valid);
int dmc_mqc_load_run(struct dmc_policy *p, const struct dmc_run *run);
void dmc_mqc_hit(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, enum dmc_dir dir,
		 u32 sectors);
void dmc_mqc_allocated(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, bool success);
int dmc_mqc_next_work(struct dmc_policy *p, bool idle, u32 nr_free, struct dmc_work *work);
int dmc_mqc_make_room(struct dmc_policy *p, struct dmc_work *work);
void dmc_mqc_work_done(struct dmc_policy *p, const struct dmc_work *work, bool success);
void dmc_mqc_invalidate(struct dmc_policy *p, cblock_t cblock);
void dmc_mqc_set_dirty(struct dmc_policy *p, cblock_t cblock);
void dmc_mqc_clear_dirty(struct dmc_policy *p, cblock_t cblock);
void dmc_mqc_tick(struct dmc_policy *p);
void dmc_mqc_get_hints(struct dmc_policy *p, cblock_t first, u32 nr, u32 *out);
bool dmc_mqc_hints_changed(struct dmc_policy *p, cblock_t first, u32 nr);
void dmc_mqc_hints_saved(struct dmc_policy *p);
u32 dmc_mqc_grade_hint(u32 grade);
u32 dmc_mqc_residency(struct dmc_policy *p);

/* All but create(), miss(), set_config() and emit_config(). */
#define MQC_METHODS				\
	.destroy = dmc_mqc_destroy,		\
	.load_mapping = dmc_mqc_load_mapping,	\
	.load_run = dmc_mqc_load_run,		\
	.hit = dmc_mqc_hit,			\
	.allocated = dmc_mqc_allocated,		\
	.next_work = dmc_mqc_next_work,		\
	.make_room = dmc_mqc_make_room,		\
	.work_done = dmc_mqc_work_done,		\
	.invalidate = dmc_mqc_invalidate,	\
	.set_dirty = dmc_mqc_set_dirty,		\
	.clear_dirty = dmc_mqc_clear_dirty,	\
	.tick = dmc_mqc_tick,			\
	.get_hints = dmc_mqc_get_hints,		\
	.hints_changed = dmc_mqc_hints_changed,	\
	.hints_saved = dmc_mqc_hints_saved,	\
	.grade_hint = dmc_mqc_grade_hint,	\
	.residency = dmc_mqc_residency

/* For tests: the count of an entry, with the halving that it may still wait for. */
u16 mqc_hits_locked(struct mq_common *m, u32 i);

#endif
