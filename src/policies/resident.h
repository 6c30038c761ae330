/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * resident.h - the cache side of mq and smq: which blocks are in, how warm they are, who goes next.
 *
 * On the bio's path: resident_hit() is all that a hit costs.  It takes no lock and writes only to
 * the entry of its own block and to a per-CPU counter (and marks the block's hint group as changed, if
 * it is the first to do so since the hints were stored).  Everything else happens under @lock, in the
 * migration engine (next work, work done), in miss() and once a second.
 *
 * A block's count is exact, its place in the queues is not: an entry that was hit carries a mark,
 * and moves to the back of its level when somebody looks at it - the search for a victim, for
 * a block to write back, or the sweep of each tick.
 *
 * Also here, since both policies want the same: the blocks that wait for a promotion, the balance
 * of promotions, demotions and writebacks, generations and ageing, back-off after failures.
 *
 * Time is counted in ticks and in *accesses* (hits, and misses that count).  A *generation* is
 * max(blocks, 1024) accesses, at least a tick.  An *epoch* is 8 generations, at least 64 ticks; at
 * its end all counts are halved (lazily), so that yesterday's hot blocks can be outdone.
 *
 * Lock: @lock, taken with interrupts disabled; innermost, nothing is called under it that locks.
 */
#ifndef DMC_RESIDENT_H
#define DMC_RESIDENT_H

#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>

#include "hint-groups.h"
#include "levels.h"
#include "penalty.h"
#include "policy.h"
#include "trial.h"

struct resident {
	/* Read by every hit, written once a tick at most. */
	struct entry *blocks;		/* entry of cblock 0 */
	struct hint_groups hints;
	u32 __percpu *accesses;
	u16 max_hits;
	u8 tick;
	u8 apart[L1_CACHE_BYTES];	/* hits shall not feel what happens below */

	spinlock_t lock;		/* protects all below */
	struct entries t;
	u32 nr;				/* blocks of the cache */
	u32 nr_resident;
	u32 nr_dirty;			/* of those */
	struct levels clean;
	struct levels dirty;
	u8 epoch;

	/* Blocks that want to come in. */
	u32 waiting;			/* list head: candidates, oldest first */
	u32 owed;			/* list head: candidates that an eviction is made for */
	u32 nr_waiting;
	u32 nr_owed;
	u32 nr_demoting;
	u32 nr_paid;			/* evictions done, not yet seen as free blocks */
	u32 need;			/* hits of the coldest blocks, and what the trial asks */
	u32 margin;			/* a candidate for a full cache has @need + @margin hits */
	struct trial trial;
	/* A candidate is given up: the policy files or frees the extra entry, on no list now. */
	void (*retire)(struct resident *r, u32 i);

	/* Writeback. */
	oblock_t run_next;		/* continues an ascending run */
	u32 run_length;
	bool writeback_turn;

	struct penalty penalty;

	/* Generations. */
	u32 generation_start;		/* value of all @accesses together */
	u32 generations;		/* in this epoch */
	u32 epoch_ticks;
};

struct resident_shape {
	u8 nr_levels;
	bool linear;
	u16 max_hits;
	u32 nr_extra;		/* entries for blocks that are not resident */
	u32 own_heads;		/* list heads for the policy itself */
	void (*retire)(struct resident *r, u32 i);
};

enum resident_event {
	RESIDENT_GENERATION = 1,
	RESIDENT_EPOCH = 2,	/* counts are halved; the policy does so with its own */
};

/* 0, -EINVAL (too many blocks) or -ENOMEM with nothing held.  May sleep, as may exit. */
int resident_init(struct resident *r, u32 nr_blocks, const struct resident_shape *shape);
void resident_exit(struct resident *r);
/* The first of shape->own_heads. */
u32 resident_own_heads(const struct resident *r);

/* A bio touched something that counts. */
static inline void resident_access(struct resident *r)
{
	this_cpu_inc(*r->accesses);
}

/* Any context, no lock; see the head of this file. */
static inline void resident_hit(struct resident *r, cblock_t cblock)
{
	struct entry *e = &r->blocks[from_cblock(cblock)];
	u8 now = READ_ONCE(r->tick);
	u16 hits;

	resident_access(r);
	if (READ_ONCE(e->tick) == now)
		return;

	WRITE_ONCE(e->tick, now);
	hits = READ_ONCE(e->hits);
	if (hits < r->max_hits)
		WRITE_ONCE(e->hits, hits + 1);
	WRITE_ONCE(e->mark, 1);
	hint_group_changed(&r->hints, cblock);
}

/* The count of an entry, resident or extra, with the halvings that it missed. */
u16 resident_hits_locked(struct resident *r, u32 i);

/*
 * @cblock now holds @oblock, which was hit @hits times.  The caller has made sure that no entry
 * holds @oblock.  Dirtiness may have been said before.
 */
void resident_add_locked(struct resident *r, cblock_t cblock, oblock_t oblock, u32 hits);

/* @cblock holds nothing any more, whatever it was busy with. */
void resident_remove_locked(struct resident *r, cblock_t cblock);

void resident_set_dirty(struct resident *r, cblock_t cblock);
void resident_clear_dirty(struct resident *r, cblock_t cblock);
void resident_invalidate(struct resident *r, cblock_t cblock);
/* @hint: as in load_mapping(); a hint is the number of hits. */
int resident_load(struct resident *r, cblock_t cblock, oblock_t oblock, bool dirty, u32 hint,
		  bool hint_valid);
void resident_get_hints(struct resident *r, cblock_t first, u32 nr, u32 *out);

/* Free blocks beyond those that candidates wait for: a miss may then come in for the asking. */
static inline bool resident_has_room(const struct resident *r, u32 nr_free)
{
	return nr_free > READ_ONCE(r->nr_waiting) + READ_ONCE(r->nr_owed);
}

/* Extra entry @i, on no list, becomes a candidate; if there are too many, the oldest gives way. */
void resident_wait_locked(struct resident *r, u32 i);

/* Takes extra entry @i from the candidates, if it is one. */
void resident_unwait_locked(struct resident *r, u32 i);

/* next_work() of policy.h. */
int resident_next_work_locked(struct resident *r, bool idle, u32 nr_free, struct dmc_work *work);

/* work_done() for PROMOTE. */
void resident_promoted_locked(struct resident *r, const struct dmc_work *work, bool success);

/* work_done() for DEMOTE and WRITEBACK.  True: the block has left the cache. */
bool resident_settle_locked(struct resident *r, const struct dmc_work *work, bool success);

/* A second has passed.  Returns a mask of enum resident_event. */
unsigned int resident_tick_locked(struct resident *r);

#endif
