/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mq-common.h - the cache side of mq and smq: which blocks are in, how warm they are, who goes next.
 *
 * On the bio's path: resident_hit() is all that a hit costs.  It takes no lock and writes only to
 * the two bytes of its own block, once a tick at most, and to a per-CPU counter (and marks the block's
 * hint group as changed, if it is the first to do so since the hints were stored).  Everything else
 * happens under @lock, in the migration engine (next work, work done), in miss() for a block that
 * is to come in, and once a second.
 *
 * A block's count is exact, its place in the queues is not: a block that was hit carries a mark,
 * and moves to the back of its level when somebody looks at it - the search for a victim, for
 * a block to write back, or the sweep of each tick.
 *
 * Also here, since both policies want the same: the counts of blocks that are not cached, the blocks
 * that wait for a promotion, the balance of promotions, demotions and writebacks, generations and
 * ageing, back-off after failures.
 *
 * Time is counted in ticks and in *accesses* (hits, and misses that count).  A *generation* is
 * max(blocks, 1024) accesses, at least a tick.  An *epoch* is 8 generations, at least 64 ticks; at
 * its end all counts are halved, so that yesterday's hot blocks can be outdone.
 *
 * Memory for a cached block: 8 bytes of links and flags, 2 for its count, 2 for that of a block that is
 * not cached.  What it holds is known to the core.
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

/* The count of a block.  Written by hits: relaxed, no lock; two at once may count as one. */
#define HEAT_HITS	0x3fffU		/* at most one a tick is counted; halved each epoch */
#define HEAT_MARK	0x4000U		/* hit since somebody looked */
#define HEAT_COUNTED	0x8000U		/* hit in this tick */

struct resident {
	/* Read by every hit, written at create only. */
	u16 *heat;			/* of each cblock */
	u32 __percpu *accesses;
	struct hint_groups hints;
	u16 max_hits;

	/* Read by misses, without the lock; they touch the ghosts' words. */
	struct ghosts ghosts;
	const struct dmc_mappings *map;
	struct ghost_time now;		/* changes once a tick, under the lock */
	u32 need;			/* hits of the coldest blocks, and what the trial asks */
	u8 apart[L1_CACHE_BYTES];	/* hits shall not feel what happens below */

	spinlock_t lock;		/* protects all below */
	struct queues q;
	u32 nr;				/* blocks of the cache */
	u32 nr_resident;
	u32 nr_dirty;			/* of those */
	struct levels clean;
	struct levels dirty;

	/* Blocks that want to come in. */
	struct candidates wanted;
	u32 nr_demoting;
	u32 nr_paid;			/* evictions done, not yet seen as free blocks */
	u32 margin;			/* a candidate for a full cache has @need + @margin hits */
	struct trial trial;

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
	bool halving;			/* of the counts of blocks from @aged on; else all are done */
	u32 aged;
};

struct resident_shape {
	u8 nr_levels;
	bool linear;
	u16 max_hits;		/* at most HEAT_HITS */
};

/* 0, -EINVAL (too many blocks) or -ENOMEM with nothing held.  May sleep, as may exit. */
int resident_init(struct resident *r, const struct dmc_mappings *map, u32 nr_blocks,
		  const struct resident_shape *shape);
void resident_exit(struct resident *r);

/* A bio touched something that counts. */
static inline void resident_access(struct resident *r)
{
	this_cpu_inc(*r->accesses);
}

/* Any context, no lock; see the head of this file. */
static inline void resident_hit(struct resident *r, cblock_t cblock)
{
	u16 *heat = &r->heat[from_cblock(cblock)];
	u16 h = READ_ONCE(*heat);

	resident_access(r);
	if (h & HEAT_COUNTED)
		return;

	if ((h & HEAT_HITS) < r->max_hits)
		h++;
	WRITE_ONCE(*heat, h | HEAT_MARK | HEAT_COUNTED);
	hint_group_changed(&r->hints, cblock);
}

/*
 * Counts a miss of @oblock, if it is the @first of this tick, and returns its hits.  Any context, no
 * lock.
 */
static inline u32 resident_missed(struct resident *r, oblock_t oblock, bool *first)
{
	struct ghost_time now = {
		.epoch = READ_ONCE(r->now.epoch),
		.tick = READ_ONCE(r->now.tick),
	};

	resident_access(r);
	return ghost_touch(&r->ghosts, oblock, now, first);
}

/* Free blocks beyond those that candidates wait for: a miss may then come in for the asking. */
static inline bool resident_has_room(const struct resident *r, u32 nr_free)
{
	return nr_free > READ_ONCE(r->wanted.nr_waiting) + READ_ONCE(r->wanted.nr_owed);
}

/* For resident_advise(). */
enum dmc_advice resident_consider(struct resident *r, oblock_t oblock, u32 hits, bool wanted,
				  bool cheap, u32 nr_free);

/*
 * The rest of miss(), for a block of @hits that is worth having if @wanted, and for all others: what
 * to do about it.  Takes the lock only if there is something to do.
 */
static inline enum dmc_advice resident_advise(struct resident *r, oblock_t oblock, u32 hits,
					      bool wanted, bool cheap, u32 nr_free)
{
	if (!wanted && !trial_watches(&r->trial, oblock))
		return DMC_LEAVE;
	return resident_consider(r, oblock, hits, wanted, cheap, nr_free);
}

/* The methods of policy.h. */
int resident_load(struct resident *r, cblock_t cblock, oblock_t oblock, bool dirty, u32 hint,
		  bool hint_valid);
int resident_load_run(struct resident *r, const struct dmc_run *run);
int resident_next_work(struct resident *r, bool idle, u32 nr_free, struct dmc_work *work);
void resident_work_done(struct resident *r, const struct dmc_work *work, bool success);
void resident_set_dirty(struct resident *r, cblock_t cblock);
void resident_clear_dirty(struct resident *r, cblock_t cblock);
void resident_invalidate(struct resident *r, cblock_t cblock);
void resident_get_hints(struct resident *r, cblock_t first, u32 nr, u32 *out);
/* grade_hint() of policy.h: as many hits. */
static inline u32 resident_grade_hint(u32 grade)
{
	return grade;
}
/* A second has passed.  True: an epoch ended. */
bool resident_tick(struct resident *r);

/* For tests: the count of an entry, with the halving that it may still wait for. */
u16 resident_hits_locked(struct resident *r, u32 i);

#endif
