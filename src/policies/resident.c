// SPDX-License-Identifier: GPL-2.0-only
/*
 * resident.c - the cache side of mq and smq; see resident.h for what, where and when.
 *
 * Linked into both modules.  Locks: r->lock only.
 */
#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/string.h>

#include "resident.h"

#define WAITING_MAX	1024	/* candidates; promising ones come again */
#define DEMOTING_MAX	4	/* evictions ahead of the promotions that asked for them */
#define LOOKS		32	/* marked entries passed over in one search */
#define SWEEP		256	/* entries put in their place, or let out of penalty, per tick */
#define DROPS		32	/* hopeless candidates thrown out in one call */
#define RUN_MAX		64	/* blocks written back in a row because they are neighbours */
#define FLOOR_SAMPLE	20	/* coldest entries whose warmth a newcomer has to beat */
#define FLOOR_LOOKS	512	/* to find them */
#define GENERATION_MIN	1024
#define EPOCH_GENERATIONS 8
#define EPOCH_TICKS	64

/*----- memory -----*/

enum {
	HEAD_WAITING,
	HEAD_OWED,
	HEAD_PENALTY,		/* two */
	HEAD_CLEAN = HEAD_PENALTY + 2,	/* and the levels from here on; then the dirty ones */
};

u32 resident_own_heads(const struct resident *r)
{
	return HEAD_CLEAN + r->clean.nr + r->dirty.nr;
}

int resident_init(struct resident *r, u32 nr_blocks, const struct resident_shape *shape)
{
	u8 nr = shape->nr_levels;
	int err;

	memset(r, 0, sizeof(*r));
	r->accesses = alloc_percpu(u32);
	if (!r->accesses)
		return -ENOMEM;

	err = hint_groups_init(&r->hints, nr_blocks);
	if (err)
		goto err_accesses;
	err = entries_init(&r->t, HEAD_CLEAN + 2U * nr + shape->own_heads, nr_blocks,
			   shape->nr_extra, true);
	if (err)
		goto err_hints;

	spin_lock_init(&r->lock);
	r->blocks = r->t.e + r->t.first_block;
	r->max_hits = shape->max_hits;
	r->retire = shape->retire;
	r->nr = nr_blocks;
	r->tick = 1;
	levels_init(&r->clean, HEAD_CLEAN, nr, shape->linear);
	levels_init(&r->dirty, HEAD_CLEAN + nr, nr, shape->linear);
	r->waiting = HEAD_WAITING;
	r->owed = HEAD_OWED;
	penalty_init(&r->penalty, HEAD_PENALTY);
	return 0;

err_hints:
	hint_groups_exit(&r->hints);
err_accesses:
	free_percpu(r->accesses);
	return err;
}

void resident_exit(struct resident *r)
{
	entries_exit(&r->t);
	hint_groups_exit(&r->hints);
	free_percpu(r->accesses);
}

/*----- one entry -----*/

static u32 to_index(const struct resident *r, cblock_t cblock)
{
	return r->t.first_block + from_cblock(cblock);
}

u16 resident_hits_locked(struct resident *r, u32 i)
{
	struct entry *e = &r->t.e[i];
	u8 missed = r->epoch - e->epoch;
	u16 hits = READ_ONCE(e->hits);

	lockdep_assert_held(&r->lock);

	if (missed) {
		/* A hit that happens right now may be lost.  It is one of many. */
		hits = missed < 16 ? hits >> missed : 0;
		WRITE_ONCE(e->hits, hits);
		e->epoch = r->epoch;
	}
	return hits;
}

/* To the back of the level where its hits belong. */
static void queue_locked(struct resident *r, u32 i)
{
	struct entry *e = &r->t.e[i];
	struct levels *l = e->state & ENTRY_DIRTY ? &r->dirty : &r->clean;

	WRITE_ONCE(e->mark, 0);
	entry_set_state(e, ENTRY_QUEUED);
	el_append(&r->t, l->head[levels_of(l, resident_hits_locked(r, i))], i);
}

static void requeue_locked(struct resident *r, u32 i)
{
	el_unlink(&r->t, i);
	queue_locked(r, i);
}

void resident_add_locked(struct resident *r, cblock_t cblock, oblock_t oblock, u32 hits)
{
	u32 i = to_index(r, cblock);
	struct entry *e = &r->t.e[i];

	lockdep_assert_held(&r->lock);

	/* The core would have lost track of a block. */
	if (WARN_ON_ONCE(entry_state(e) != ENTRY_FREE))
		resident_remove_locked(r, cblock);

	el_init(&r->t, i);
	entry_set_oblock(e, oblock);
	entries_hash(&r->t, i);
	e->epoch = r->epoch;
	WRITE_ONCE(e->hits, min_t(u32, hits, r->max_hits));
	WRITE_ONCE(e->tick, r->tick);
	WRITE_ONCE(r->nr_resident, r->nr_resident + 1);
	if (e->state & ENTRY_DIRTY)
		r->nr_dirty++;
	queue_locked(r, i);
	hint_group_changed(&r->hints, cblock);
}

void resident_remove_locked(struct resident *r, cblock_t cblock)
{
	u32 i = to_index(r, cblock);
	struct entry *e = &r->t.e[i];

	lockdep_assert_held(&r->lock);

	if (entry_state(e) == ENTRY_FREE)
		return;

	el_unlink(&r->t, i);
	entries_unhash(&r->t, i);
	if (e->state & ENTRY_DIRTY)
		r->nr_dirty--;
	e->state = ENTRY_FREE;
	WRITE_ONCE(r->nr_resident, r->nr_resident - 1);
}

/* Both directions: the entry changes sides, unless it is busy or in penalty. */
static void change_dirty(struct resident *r, cblock_t cblock, u8 dirty)
{
	u32 i = to_index(r, cblock);
	struct entry *e = &r->t.e[i];
	unsigned long flags;

	spin_lock_irqsave(&r->lock, flags);
	if ((e->state & ENTRY_DIRTY) == dirty)
		goto out;

	e->state ^= ENTRY_DIRTY;
	if (entry_state(e) == ENTRY_FREE)
		goto out;	/* said before the promotion is: resident_add_locked() counts it */

	if (dirty)
		r->nr_dirty++;
	else
		r->nr_dirty--;
	if (entry_state(e) == ENTRY_QUEUED)
		requeue_locked(r, i);
out:
	spin_unlock_irqrestore(&r->lock, flags);
}

void resident_set_dirty(struct resident *r, cblock_t cblock)
{
	change_dirty(r, cblock, ENTRY_DIRTY);
}

void resident_clear_dirty(struct resident *r, cblock_t cblock)
{
	change_dirty(r, cblock, 0);
}

void resident_invalidate(struct resident *r, cblock_t cblock)
{
	unsigned long flags;

	spin_lock_irqsave(&r->lock, flags);
	resident_remove_locked(r, cblock);
	spin_unlock_irqrestore(&r->lock, flags);
}

int resident_load(struct resident *r, cblock_t cblock, oblock_t oblock, bool dirty, u32 hint,
		  bool hint_valid)
{
	bool changed = hint_groups_changed(&r->hints, cblock, 1);
	unsigned long flags;

	spin_lock_irqsave(&r->lock, flags);
	if (dirty)
		r->t.e[to_index(r, cblock)].state |= ENTRY_DIRTY;
	resident_add_locked(r, cblock, oblock, hint_valid ? hint : 1);
	if (!changed && hint_valid && hint <= r->max_hits)
		hint_group_same(&r->hints, cblock);
	spin_unlock_irqrestore(&r->lock, flags);
	return 0;
}

/* Nothing else is running, so the lock may be held for long; it is needed for the halvings. */
void resident_get_hints(struct resident *r, cblock_t first, u32 nr, u32 *out)
{
	unsigned long flags;
	u32 n;

	spin_lock_irqsave(&r->lock, flags);
	for (n = 0; n < nr; n++) {
		u32 i = to_index(r, first) + n;

		out[n] = entry_state(&r->t.e[i]) == ENTRY_FREE ? 0 : resident_hits_locked(r, i);
	}
	spin_unlock_irqrestore(&r->lock, flags);
}

/*----- candidates -----*/

void resident_unwait_locked(struct resident *r, u32 i)
{
	enum entry_state state = entry_state(&r->t.e[i]);

	lockdep_assert_held(&r->lock);

	if (state == ENTRY_WAITING)
		r->nr_waiting--;
	else if (state == ENTRY_OWED)
		r->nr_owed--;
	else
		return;
	el_unlink(&r->t, i);
	entry_set_state(&r->t.e[i], ENTRY_FREE);
}

static void drop_candidate_locked(struct resident *r, u32 i)
{
	resident_unwait_locked(r, i);
	r->retire(r, i);
}

void resident_wait_locked(struct resident *r, u32 i)
{
	lockdep_assert_held(&r->lock);

	if (r->nr_waiting == WAITING_MAX)
		drop_candidate_locked(r, el_oldest(&r->t, r->waiting));
	entry_set_state(&r->t.e[i], ENTRY_WAITING);
	el_append(&r->t, r->waiting, i);
	r->nr_waiting++;
}

static int promote_locked(struct resident *r, struct dmc_work *work)
{
	u32 i = el_oldest(&r->t, r->nr_owed ? r->owed : r->waiting);

	if (r->nr_owed && r->nr_paid)
		r->nr_paid--;
	resident_unwait_locked(r, i);
	entry_set_state(&r->t.e[i], ENTRY_BUSY);
	work->op = DMC_OP_PROMOTE;
	work->oblock = entry_oblock(&r->t.e[i]);
	work->cblock = to_cblock(0);
	return 0;
}

static bool is_full(const struct resident *r)
{
	/* A few blocks are on their way in or out all the time. */
	return r->nr - r->nr_resident <= min(r->nr / 16, 16U);
}

/*----- searches -----*/

/*
 * The coldest entry of one side, which was not hit since it came to its place; after some that
 * were, whichever comes next, so that the search ends.  ENTRY_NIL if there is none at all.
 */
static u32 coldest_locked(struct resident *r, struct levels *l, u8 *level)
{
	unsigned int looks;
	u32 i = ENTRY_NIL;

	for (looks = 0; looks <= LOOKS; looks++) {
		*level = levels_lowest(l, &r->t);
		if (*level == l->nr)
			return ENTRY_NIL;

		i = el_oldest(&r->t, l->head[*level]);
		if (!READ_ONCE(r->t.e[i].mark))
			break;
		requeue_locked(r, i);
	}
	return i;
}

/*
 * Clean blocks go first, as they cost nothing; but not hot ones while there are cold dirty ones.
 * "Hot" is four times as many hits, or on a linear scale eight more.
 */
static u32 victim_locked(struct resident *r)
{
	u8 slack = r->clean.linear ? 8 : 2;
	u8 clean_level, dirty_level;
	u32 clean, dirty;

	clean = coldest_locked(r, &r->clean, &clean_level);
	dirty = coldest_locked(r, &r->dirty, &dirty_level);

	/* On the logarithmic scale, what is never hit sinks: room below for what comes. */
	if (!r->clean.linear && min(clean_level, dirty_level) > 0 &&
	    min(clean_level, dirty_level) < r->clean.nr) {
		levels_sink(&r->clean);
		levels_sink(&r->dirty);
	}

	if (clean == ENTRY_NIL || (dirty != ENTRY_NIL && clean_level > dirty_level + slack))
		return dirty;
	return clean;
}

static void take_locked(struct resident *r, u32 i, enum dmc_op op, struct dmc_work *work)
{
	el_unlink(&r->t, i);
	entry_set_state(&r->t.e[i], ENTRY_BUSY);
	work->op = op;
	work->oblock = entry_oblock(&r->t.e[i]);
	work->cblock = to_cblock(i - r->t.first_block);
}

static int writeback_locked(struct resident *r, struct dmc_work *work)
{
	u32 i = ENTRY_NIL;
	u8 level;

	/* A disk writes the neighbour for next to nothing, however warm it is. */
	if (r->run_length < RUN_MAX)
		i = entries_find(&r->t, r->run_next);
	r->run_length++;

	if (i == ENTRY_NIL || entries_is_extra(&r->t, i) ||
	    r->t.e[i].state != (ENTRY_QUEUED | ENTRY_DIRTY)) {
		i = coldest_locked(r, &r->dirty, &level);
		r->run_length = 0;
	}
	if (i == ENTRY_NIL)
		return -ENODATA;

	take_locked(r, i, DMC_OP_WRITEBACK, work);
	r->run_next = to_oblock(from_oblock(work->oblock) + 1);
	return 0;
}

/*----- work -----*/

/*
 * The next candidate that deserves a place in a full cache in place of @victim becomes owed one.
 * Those that came while there was room, and find it gone, have to deserve it now.
 */
static bool owe_locked(struct resident *r, u32 victim)
{
	u16 to_beat = resident_hits_locked(r, victim);
	unsigned int drops;

	for (drops = 0; r->nr_waiting && drops < DROPS; drops++) {
		u32 i = el_oldest(&r->t, r->waiting);
		u16 hits = resident_hits_locked(r, i);

		if (hits > to_beat && hits >= r->need + r->margin) {
			resident_unwait_locked(r, i);
			entry_set_state(&r->t.e[i], ENTRY_OWED);
			el_append(&r->t, r->owed, i);
			r->nr_owed++;
			return true;
		}
		drop_candidate_locked(r, i);
	}
	return false;
}

static int demote_locked(struct resident *r, struct dmc_work *work)
{
	u32 i;

	if (r->nr_demoting + r->nr_paid >= DEMOTING_MAX || !(r->nr_waiting || r->nr_owed))
		return -ENODATA;

	i = victim_locked(r);
	if (i == ENTRY_NIL)
		return -ENODATA;
	/* One may be owed a block already: its first victim could not be evicted. */
	if (r->nr_owed <= r->nr_demoting + r->nr_paid && !owe_locked(r, i))
		return -ENODATA;

	take_locked(r, i, DMC_OP_DEMOTE, work);
	r->nr_demoting++;
	return 0;
}

int resident_next_work_locked(struct resident *r, bool idle, u32 nr_free, struct dmc_work *work)
{
	bool pressed = r->nr_dirty > r->nr / 2;
	int err = -ENODATA;

	lockdep_assert_held(&r->lock);

	if (penalty_pause(&r->penalty))
		return -ENODATA;

	/* Under pressure every other piece of work is a writeback, else it would never end. */
	if (pressed && r->writeback_turn)
		err = writeback_locked(r, work);
	r->writeback_turn = err == -ENODATA;
	if (!err)
		return 0;

	if (nr_free && (r->nr_owed || r->nr_waiting))
		return promote_locked(r, work);
	if (!nr_free)
		err = demote_locked(r, work);
	if (err && (idle || pressed))
		err = writeback_locked(r, work);
	return err;
}

void resident_promoted_locked(struct resident *r, const struct dmc_work *work, bool success)
{
	u32 i = entries_find(&r->t, work->oblock);
	u16 hits = 1;

	lockdep_assert_held(&r->lock);

	if (i != ENTRY_NIL && !entries_is_extra(&r->t, i)) {
		WARN_ON_ONCE(success);	/* resident twice */
		return;
	}

	if (i != ENTRY_NIL) {
		resident_unwait_locked(r, i);
		hits = max_t(u16, resident_hits_locked(r, i), 1);
		el_unlink(&r->t, i);
		if (success) {
			entries_unhash(&r->t, i);
			entries_put_extra(&r->t, i);
		} else {
			r->t.e[i].hits = 0;
			r->t.e[i].tick = r->tick;
			r->retire(r, i);
		}
	}

	if (!success) {
		r->penalty.failures++;
		return;
	}
	resident_add_locked(r, work->cblock, work->oblock, hits);
	if (is_full(r))
		trial_newcomer(&r->trial, to_index(r, work->cblock), r->tick);
}

bool resident_settle_locked(struct resident *r, const struct dmc_work *work, bool success)
{
	u32 i = to_index(r, work->cblock);
	struct entry *e = &r->t.e[i];

	lockdep_assert_held(&r->lock);

	if (work->op == DMC_OP_DEMOTE && r->nr_demoting)
		r->nr_demoting--;
	if (!success)
		r->penalty.failures++;

	/* Invalidated, and perhaps used again, while the work was going on. */
	if (entry_state(e) != ENTRY_BUSY ||
	    from_oblock(entry_oblock(e)) != from_oblock(work->oblock))
		return false;

	if (!success) {
		penalty_add(&r->penalty, &r->t, i);
		return false;
	}
	if (work->op == DMC_OP_WRITEBACK) {
		queue_locked(r, i);
		return false;
	}
	resident_remove_locked(r, work->cblock);
	r->nr_paid++;
	trial_evicted(&r->trial, work->oblock);
	return true;
}

/*----- time -----*/

/* Marked entries at the front of a level go where they belong; what stays is what it seems. */
static void sweep_locked(struct resident *r, struct levels *l, unsigned int *budget)
{
	u8 level;

	for (level = 0; level < l->nr; level++) {
		while (*budget && !el_empty(&r->t, l->head[level])) {
			u32 i = el_oldest(&r->t, l->head[level]);

			if (!READ_ONCE(r->t.e[i].mark))
				break;
			requeue_locked(r, i);
			--*budget;
		}
	}
}

static void end_penalties_locked(struct resident *r)
{
	unsigned int budget = SWEEP;
	u32 i;

	while (budget-- && (i = penalty_over(&r->penalty, &r->t)) != ENTRY_NIL)
		requeue_locked(r, i);
	penalty_tick(&r->penalty, &r->t);
}

struct sample {
	u32 sum;
	u32 nr;
	u32 looks;	/* left */
};

/* Adds the first entries of a list; those hit since they came there move on instead, if @settle. */
static void sample_locked(struct resident *r, u32 head, struct sample *s, bool settle)
{
	u32 i, next;

	for (i = el_oldest(&r->t, head); i != head && s->nr < FLOOR_SAMPLE && s->looks; i = next) {
		next = r->t.e[i].next;
		s->looks--;
		if (settle && READ_ONCE(r->t.e[i].mark)) {
			requeue_locked(r, i);
		} else {
			s->sum += resident_hits_locked(r, i);
			s->nr++;
		}
	}
}

/*
 * The rounded-up mean of the hits of the coldest entries, of those which nobody has hit since they
 * came to their place; if all have been, of what is coldest after they moved on.
 */
static u32 floor_locked(struct resident *r)
{
	struct sample s = { .looks = FLOOR_LOOKS };
	int settle;
	u8 level;

	for (settle = 1; settle >= 0 && !s.nr; settle--) {
		for (level = 0; level < r->clean.nr; level++) {
			sample_locked(r, r->clean.head[level], &s, settle);
			sample_locked(r, r->dirty.head[level], &s, settle);
		}
		s.looks = FLOOR_LOOKS;
	}
	return s.nr ? DIV_ROUND_UP(s.sum, s.nr) : 0;
}

static u32 accesses(const struct resident *r)
{
	u32 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(*per_cpu_ptr(r->accesses, cpu));
	return sum;
}

unsigned int resident_tick_locked(struct resident *r)
{
	unsigned int events = 0, budget = SWEEP;
	u32 now = accesses(r);

	lockdep_assert_held(&r->lock);

	WRITE_ONCE(r->tick, r->tick + 1);
	r->epoch_ticks++;
	r->nr_paid = 0;		/* whoever took those blocks, the owed ones may ask again */
	end_penalties_locked(r);
	sweep_locked(r, &r->clean, &budget);
	sweep_locked(r, &r->dirty, &budget);

	if (now - r->generation_start < max_t(u32, r->nr, GENERATION_MIN))
		return 0;

	events = RESIDENT_GENERATION;
	r->generation_start = now;
	trial_judge(&r->trial, r->t.e);

	if (++r->generations >= EPOCH_GENERATIONS && r->epoch_ticks >= EPOCH_TICKS) {
		r->generations = 0;
		r->epoch_ticks = 0;
		r->epoch++;
		hint_groups_all_changed(&r->hints);
		levels_halve(&r->clean, &r->t);
		levels_halve(&r->dirty, &r->t);
		events |= RESIDENT_EPOCH;
	}
	if (is_full(r))
		WRITE_ONCE(r->need, floor_locked(r) + r->trial.extra);
	return events;
}
