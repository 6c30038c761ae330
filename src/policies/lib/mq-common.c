// SPDX-License-Identifier: GPL-2.0-only
/*
 * mq-common.c - the cache side of mq and smq; see mq-common.h for what, where and when.
 *
 * Linked into both modules.  Locks: r->lock only.
 */
#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/string.h>

#include "mq-common.h"

#define WAITING_MAX	1024	/* candidates; promising ones come again */
#define DEMOTING_MAX	4	/* evictions ahead of the promotions that asked for them */
#define LOOKS		32	/* marked entries passed over in one search */
#define SWEEP		32	/* entries put in place, or let out of penalty, at a time... */
#define PARTS		8	/* ... and so many times a tick */
#define DROPS		32	/* hopeless candidates thrown out in one call */
#define WRITEBACK_FAIR	8	/* one in so many searches is not for the coldest */
#define RUN_MAX		64	/* blocks written back in a row because they are neighbours */
#define FLOOR_SAMPLE	20	/* coldest entries whose warmth a newcomer has to beat */
#define FLOOR_LOOKS	64	/* to find them, at a time */
#define GENERATION_MIN	1024
#define EPOCH_GENERATIONS 8
#define EPOCH_TICKS	64
#define AGE_CHUNK	2048	/* counts looked at under the lock at a time */
#define GHOSTS(nr)	((nr) - (nr) / 8)	/* blocks that are not cached, but counted */

/*----- memory -----*/

enum {
	HEAD_PENALTY,		/* two; the first is QUEUE_NIL too, as no search looks there */
	HEAD_CLEAN = HEAD_PENALTY + 2,	/* and the levels from here on; then the dirty ones */
};

/* Counts are aged a machine word at a time. */
#define PER_WORD (sizeof(long) / sizeof(u16))
#define EACH(bits) (~0UL / 0xffff * (bits))

static int alloc_tables(struct resident *r, u32 nr_heads, u32 nr_blocks)
{
	int err = -ENOMEM;

	r->accesses = alloc_percpu(u32);
	if (!r->accesses)
		return err;
	r->heat = policy_zalloc_table(roundup((u64)nr_blocks, PER_WORD), sizeof(*r->heat));
	if (!r->heat)
		goto err_accesses;
	err = hint_groups_init(&r->hints, nr_blocks);
	if (err)
		goto err_heat;
	err = ghosts_init(&r->ghosts, GHOSTS(nr_blocks));
	if (err)
		goto err_hints;
	err = candidates_init(&r->wanted);
	if (err)
		goto err_ghosts;
	err = queues_init(&r->q, nr_heads, nr_blocks);
	if (!err)
		return 0;

	candidates_exit(&r->wanted);
err_ghosts:
	ghosts_exit(&r->ghosts);
err_hints:
	hint_groups_exit(&r->hints);
err_heat:
	vfree(r->heat);
err_accesses:
	free_percpu(r->accesses);
	return err;
}

int resident_init(struct resident *r, const struct dmc_mappings *map, u32 nr_blocks,
		  const struct resident_shape *shape)
{
	u8 nr = shape->nr_levels;
	int err;

	memset(r, 0, sizeof(*r));
	err = alloc_tables(r, HEAD_CLEAN + 2U * nr, nr_blocks);
	if (err)
		return err;

	spin_lock_init(&r->lock);
	r->map = map;
	r->max_hits = shape->max_hits;
	r->nr = nr_blocks;
	r->now.tick = 1;
	levels_init(&r->clean, HEAD_CLEAN, nr, shape->linear);
	levels_init(&r->dirty, HEAD_CLEAN + nr, nr, shape->linear);
	penalty_init(&r->penalty, HEAD_PENALTY);
	return 0;
}

void resident_exit(struct resident *r)
{
	queues_exit(&r->q);
	candidates_exit(&r->wanted);
	ghosts_exit(&r->ghosts);
	hint_groups_exit(&r->hints);
	vfree(r->heat);
	free_percpu(r->accesses);
}

/*----- one entry -----*/

static u16 *heat_of(const struct resident *r, u32 i)
{
	return &r->heat[i - r->q.first];
}

static bool is_marked(const struct resident *r, u32 i)
{
	return READ_ONCE(*heat_of(r, i)) & HEAT_MARK;
}

u16 resident_hits_locked(struct resident *r, u32 i)
{
	u16 hits = READ_ONCE(*heat_of(r, i)) & HEAT_HITS;

	lockdep_assert_held(&r->lock);
	return r->halving && i - r->q.first >= r->aged ? hits / 2 : hits;
}

/* To the back of the level where its hits belong. */
static void queue_locked(struct resident *r, u32 i)
{
	struct levels *l = queue_has(&r->q, i, QUEUE_DIRTY) ? &r->dirty : &r->clean;
	u16 *heat = heat_of(r, i);
	u16 h = READ_ONCE(*heat);

	if (h & HEAT_MARK) {
		/* A hit that happens right now may be lost.  It is one of many. */
		WRITE_ONCE(*heat, h & ~HEAT_MARK);
		trial_look(&r->trial, &r->q, i, true);
	}
	queue_set_state(&r->q, i, BLOCK_QUEUED);
	queue_append(&r->q, l->head[levels_of(l, resident_hits_locked(r, i))], i);
}

static void requeue_locked(struct resident *r, u32 i)
{
	queue_unlink(&r->q, i);
	queue_locked(r, i);
}

/* @cblock holds nothing any more, whatever it was busy with. */
static void remove_locked(struct resident *r, cblock_t cblock)
{
	u32 i = queue_index(&r->q, cblock);

	if (queue_state(&r->q, i) == BLOCK_FREE)
		return;

	trial_forget(&r->trial, &r->q, i, is_marked(r, i));
	queue_unlink(&r->q, i);
	if (queue_has(&r->q, i, QUEUE_DIRTY))
		r->nr_dirty--;
	queue_clear(&r->q, i, QUEUE_DIRTY);
	queue_set_state(&r->q, i, BLOCK_FREE);
	WRITE_ONCE(r->nr_resident, r->nr_resident - 1);
}

/*
 * @cblock now holds something, which was hit @hits times; @counted: in this tick too.
 * Dirtiness may have been said before.
 */
static void add_locked(struct resident *r, cblock_t cblock, u32 hits, bool counted)
{
	u32 i = queue_index(&r->q, cblock);

	lockdep_assert_held(&r->lock);

	/* The core would have lost track of a block. */
	if (WARN_ON_ONCE(queue_state(&r->q, i) != BLOCK_FREE))
		remove_locked(r, cblock);

	queue_init(&r->q, i);
	WRITE_ONCE(*heat_of(r, i), min_t(u32, hits, r->max_hits) | (counted ? HEAT_COUNTED : 0));
	r->counted |= counted;
	WRITE_ONCE(r->nr_resident, r->nr_resident + 1);
	if (queue_has(&r->q, i, QUEUE_DIRTY))
		r->nr_dirty++;
	queue_locked(r, i);
	hint_group_changed(&r->hints, cblock);
}

/* Both directions: the entry changes sides, unless it is busy or in penalty. */
static void change_dirty(struct resident *r, cblock_t cblock, bool dirty)
{
	u32 i = queue_index(&r->q, cblock);
	unsigned long flags;

	spin_lock_irqsave(&r->lock, flags);
	if (queue_has(&r->q, i, QUEUE_DIRTY) == dirty)
		goto out;

	if (dirty)
		queue_set(&r->q, i, QUEUE_DIRTY);
	else
		queue_clear(&r->q, i, QUEUE_DIRTY);
	if (queue_state(&r->q, i) == BLOCK_FREE)
		goto out;	/* said before the promotion is: add_locked() counts it */

	if (dirty)
		r->nr_dirty++;
	else
		r->nr_dirty--;
	if (queue_state(&r->q, i) == BLOCK_QUEUED)
		requeue_locked(r, i);
out:
	spin_unlock_irqrestore(&r->lock, flags);
}

void resident_set_dirty(struct resident *r, cblock_t cblock)
{
	change_dirty(r, cblock, true);
}

void resident_clear_dirty(struct resident *r, cblock_t cblock)
{
	change_dirty(r, cblock, false);
}

void resident_invalidate(struct resident *r, cblock_t cblock)
{
	unsigned long flags;

	spin_lock_irqsave(&r->lock, flags);
	remove_locked(r, cblock);
	spin_unlock_irqrestore(&r->lock, flags);
}

/* The end of a list that blocks are being appended to, one after the other. */
struct load_end {
	u32 head;
	u32 last;
	u32 flags;	/* of each */
	u16 hits;
	bool changed;	/* their hints are not what is stored */
};

static void load_close(struct resident *r, const struct load_end *end)
{
	r->q.e[end->last].next = end->head;
	queue_link_prev(&r->q, end->head, end->last);
}

static void load_open(struct resident *r, struct load_end *end, u32 hint, bool known, bool dirty)
{
	const struct levels *l = dirty ? &r->dirty : &r->clean;

	end->hits = min_t(u32, hint, r->max_hits);
	end->head = l->head[levels_of(l, end->hits)];
	end->last = r->q.e[end->head].prev & QUEUE_LINK;
	end->flags = (u32)BLOCK_QUEUED << QUEUE_STATE_SHIFT | (dirty ? QUEUE_DIRTY : 0);
	end->changed = !known || hint > r->max_hits;
}

static int load_locked(struct resident *r, const struct dmc_run *run)
{
	const u32 b = from_cblock(run->first), at = r->q.first + b;
	struct queue_entry *e = r->q.e;
	u32 i, nr = 0, nr_dirty = 0;
	struct load_end end = { 0 };
	u64 was = U64_MAX;

	for (i = 0; i < run->nr; i++) {
		u32 hint = run->hints ? run->hints[i] : 1;
		bool dirty = dmc_run_dirty(run, i);

		if (!dmc_run_maps(run, i))
			continue;
		/* The core would have lost track of a block. */
		if (WARN_ON_ONCE(queue_state(&r->q, at + i) != BLOCK_FREE))
			break;
		if (was != ((u64)hint << 1 | dirty)) {
			if (was != U64_MAX)
				load_close(r, &end);
			load_open(r, &end, hint, run->hints, dirty);
			was = (u64)hint << 1 | dirty;
		}
		e[at + i].prev = end.last | end.flags;
		e[end.last].next = at + i;
		end.last = at + i;
		r->heat[b + i] = end.hits;
		if (unlikely(end.changed))
			hint_group_changed(&r->hints, to_cblock(b + i));
		nr++;
		nr_dirty += dirty;
	}
	if (was != U64_MAX)
		load_close(r, &end);
	r->nr_dirty += nr_dirty;
	WRITE_ONCE(r->nr_resident, r->nr_resident + nr);
	return i < run->nr ? -EINVAL : 0;
}

int resident_load_run(struct resident *r, const struct dmc_run *run)
{
	unsigned long flags;
	int err;

	spin_lock_irqsave(&r->lock, flags);
	err = load_locked(r, run);
	spin_unlock_irqrestore(&r->lock, flags);
	return err;
}

int resident_load(struct resident *r, cblock_t cblock, oblock_t oblock, bool dirty, u32 hint,
		  bool hint_valid)
{
	unsigned long bit = dirty;
	struct dmc_run run = dmc_run_of_one(cblock, &oblock, &bit, &hint, hint_valid);

	return resident_load_run(r, &run);
}

void resident_get_hints(struct resident *r, cblock_t first, u32 nr, u32 *out)
{
	const struct queue_entry *e = r->q.e + queue_index(&r->q, first);
	const u16 *heat = r->heat + from_cblock(first);
	unsigned long flags;
	u32 n, exact = nr;

	spin_lock_irqsave(&r->lock, flags);
	/* From here on they wait to be halved. */
	if (r->halving)
		exact = clamp_t(s64, (s64)r->aged - from_cblock(first), 0, nr);
	for (n = 0; n < nr; n++) {
		u32 hits = READ_ONCE(heat[n]) & HEAT_HITS;

		out[n] = e[n].prev & QUEUE_STATE ? hits >> (n >= exact) : 0;
	}
	spin_unlock_irqrestore(&r->lock, flags);
}

/*----- candidates -----*/

static enum dmc_advice advise_locked(struct resident *r, oblock_t oblock, u32 hits, bool cheap,
				     bool room)
{
	struct candidates *cs = &r->wanted;
	u32 i = candidate_find(cs, oblock);
	cblock_t cblock;

	lockdep_assert_held(&r->lock);

	if (i == QUEUE_NIL) {
		/* Cached: the core looked before a promotion, and tells us after it. */
		if (r->map->lookup(r->map, oblock, &cblock))
			return DMC_LEAVE;
		i = candidate_new(cs, oblock, hits);
		if (i == QUEUE_NIL)
			return DMC_LEAVE;
	} else if (candidate_state(cs, i) == CANDIDATE_BUSY) {
		return DMC_LEAVE;	/* coming in */
	} else {
		candidate(cs, i)->hits = max_t(u32, candidate(cs, i)->hits, hits);
	}

	if (cheap && room) {
		candidate_move(cs, i, CANDIDATE_BUSY);
		return DMC_PROMOTE;
	}
	if (candidate_state(cs, i) == CANDIDATE_BUSY) {
		/* If there are too many, the oldest gives way. */
		if (cs->nr_waiting == WAITING_MAX)
			candidate_free(cs, candidate_oldest(cs, CANDIDATE_WAITING));
		candidate_move(cs, i, CANDIDATE_WAITING);
	}
	return DMC_WORK;
}

enum dmc_advice resident_consider(struct resident *r, oblock_t oblock, u32 hits, bool wanted,
				  bool cheap, u32 nr_free)
{
	enum dmc_advice advice = DMC_LEAVE;
	unsigned long flags;

	spin_lock_irqsave(&r->lock, flags);
	trial_missed(&r->trial, oblock);
	if (wanted)
		advice = advise_locked(r, oblock, hits, cheap, resident_has_room(r, nr_free));
	spin_unlock_irqrestore(&r->lock, flags);
	return advice;
}

static int promote_locked(struct resident *r, struct dmc_work *work)
{
	u32 i = candidate_oldest(&r->wanted, CANDIDATE_OWED);

	if (i == QUEUE_NIL)
		i = candidate_oldest(&r->wanted, CANDIDATE_WAITING);
	else if (r->nr_paid)
		r->nr_paid--;
	candidate_move(&r->wanted, i, CANDIDATE_BUSY);
	work->op = DMC_OP_PROMOTE;
	work->oblock = candidate(&r->wanted, i)->oblock;
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
 * were, whichever comes next, so that the search ends.  QUEUE_NIL if there is none at all.
 */
static u32 coldest_locked(struct resident *r, struct levels *l, u8 *level)
{
	unsigned int looks;
	u32 i = QUEUE_NIL;

	for (looks = 0; looks <= LOOKS; looks++) {
		*level = levels_lowest(l, &r->q);
		if (*level == l->nr)
			return QUEUE_NIL;

		i = queue_oldest(&r->q, l->head[*level]);
		if (!is_marked(r, i))
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

	if (clean == QUEUE_NIL || (dirty != QUEUE_NIL && clean_level > dirty_level + slack))
		return dirty;
	return clean;
}

static void take_locked(struct resident *r, u32 i, enum dmc_op op, struct dmc_work *work)
{
	queue_unlink(&r->q, i);
	queue_set_state(&r->q, i, BLOCK_BUSY);
	work->op = op;
	work->cblock = queue_cblock(&r->q, i);
	work->oblock = r->map->oblock_of(r->map, work->cblock);
}

/* A disk writes the neighbour for next to nothing, however warm it is. */
static u32 next_in_run_locked(struct resident *r)
{
	cblock_t cblock;
	u32 i;

	if (r->run_length >= RUN_MAX || !r->map->lookup(r->map, r->run_next, &cblock))
		return QUEUE_NIL;
	i = queue_index(&r->q, cblock);
	if (queue_state(&r->q, i) != BLOCK_QUEUED || !queue_has(&r->q, i, QUEUE_DIRTY))
		return QUEUE_NIL;
	return i;
}

/*
 * A dirty entry of some level above the lowest, of each in its turn.  Or warm blocks would stay
 * dirty for as long as colder ones get dirty again.  QUEUE_NIL if there is none.
 */
static u32 another_level_locked(struct resident *r)
{
	struct levels *l = &r->dirty;
	u8 lowest = levels_lowest(l, &r->q), level = r->writeback_level, n;

	for (n = 0; n < l->nr; n++) {
		level = level + 1 < l->nr ? level + 1 : 0;
		if (level <= lowest || queue_empty(&r->q, l->head[level]))
			continue;
		r->writeback_level = level;
		return queue_oldest(&r->q, l->head[level]);
	}
	return QUEUE_NIL;
}

static u32 to_write_locked(struct resident *r)
{
	u32 i = QUEUE_NIL;
	u8 level;

	if (!(++r->writeback_searches % WRITEBACK_FAIR))
		i = another_level_locked(r);
	return i == QUEUE_NIL ? coldest_locked(r, &r->dirty, &level) : i;
}

static int writeback_locked(struct resident *r, struct dmc_work *work)
{
	u32 i = next_in_run_locked(r);

	r->run_length++;
	if (i == QUEUE_NIL) {
		i = to_write_locked(r);
		r->run_length = 0;
	}
	if (i == QUEUE_NIL)
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

	for (drops = 0; r->wanted.nr_waiting && drops < DROPS; drops++) {
		u32 i = candidate_oldest(&r->wanted, CANDIDATE_WAITING);
		u16 hits = candidate(&r->wanted, i)->hits;

		if (hits > to_beat && hits >= r->need + r->margin) {
			candidate_move(&r->wanted, i, CANDIDATE_OWED);
			return true;
		}
		candidate_free(&r->wanted, i);
	}
	return false;
}

static int demote_locked(struct resident *r, struct dmc_work *work)
{
	u32 i;

	if (r->nr_demoting + r->nr_paid >= DEMOTING_MAX ||
	    !(r->wanted.nr_waiting || r->wanted.nr_owed))
		return -ENODATA;

	i = victim_locked(r);
	if (i == QUEUE_NIL)
		return -ENODATA;
	/* One may be owed a block already: its first victim could not be evicted. */
	if (r->wanted.nr_owed <= r->nr_demoting + r->nr_paid && !owe_locked(r, i))
		return -ENODATA;

	take_locked(r, i, DMC_OP_DEMOTE, work);
	r->nr_demoting++;
	return 0;
}

static int next_work_locked(struct resident *r, bool idle, u32 nr_free, struct dmc_work *work)
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

	if (nr_free && (r->wanted.nr_owed || r->wanted.nr_waiting))
		return promote_locked(r, work);
	if (!nr_free)
		err = demote_locked(r, work);
	if (err && (idle || pressed))
		err = writeback_locked(r, work);
	return err;
}

int resident_next_work(struct resident *r, bool idle, u32 nr_free, struct dmc_work *work)
{
	unsigned long flags;
	int err;

	spin_lock_irqsave(&r->lock, flags);
	err = next_work_locked(r, idle, nr_free, work);
	spin_unlock_irqrestore(&r->lock, flags);
	return err;
}

static void promoted_locked(struct resident *r, const struct dmc_work *work, bool success)
{
	u32 i = candidate_find(&r->wanted, work->oblock);
	u32 hits = 1;

	if (i != QUEUE_NIL) {
		hits = max_t(u32, candidate(&r->wanted, i)->hits, 1);
		candidate_free(&r->wanted, i);
	}
	/* After a failure it starts over. */
	ghost_put(&r->ghosts, work->oblock, !success, r->now);
	if (!success) {
		r->penalty.failures++;
		return;
	}
	add_locked(r, work->cblock, hits, true);
	if (is_full(r))
		trial_newcomer(&r->trial, &r->q, queue_index(&r->q, work->cblock));
}

static void settle_locked(struct resident *r, const struct dmc_work *work, bool success)
{
	u32 i = queue_index(&r->q, work->cblock);

	if (work->op == DMC_OP_DEMOTE && r->nr_demoting)
		r->nr_demoting--;
	if (!success)
		r->penalty.failures++;

	/* Invalidated, and perhaps used again, while the work was going on. */
	if (queue_state(&r->q, i) != BLOCK_BUSY)
		return;

	if (!success) {
		penalty_add(&r->penalty, &r->q, i);
	} else if (work->op == DMC_OP_WRITEBACK) {
		queue_locked(r, i);
	} else {
		remove_locked(r, work->cblock);
		r->nr_paid++;
		trial_evicted(&r->trial, work->oblock);
		ghost_put(&r->ghosts, work->oblock, 1, r->now);
	}
}

void resident_work_done(struct resident *r, const struct dmc_work *work, bool success)
{
	unsigned long flags;

	spin_lock_irqsave(&r->lock, flags);
	if (work->op == DMC_OP_PROMOTE)
		promoted_locked(r, work, success);
	else
		settle_locked(r, work, success);
	spin_unlock_irqrestore(&r->lock, flags);
}

/*----- time -----*/

/* Marked entries at the front of a level go where they belong; what stays is what it seems. */
static void sweep_side_locked(struct resident *r, struct levels *l, unsigned int *budget)
{
	u8 level;

	for (level = 0; level < l->nr; level++) {
		while (*budget && !queue_empty(&r->q, l->head[level])) {
			u32 i = queue_oldest(&r->q, l->head[level]);

			if (!is_marked(r, i))
				break;
			requeue_locked(r, i);
			--*budget;
		}
	}
}

/* True: there may be more. */
static bool sweep_locked(struct resident *r, bool last)
{
	unsigned int budget = SWEEP;

	sweep_side_locked(r, &r->clean, &budget);
	sweep_side_locked(r, &r->dirty, &budget);
	return !budget;
}

/* Lets some out of penalty.  True: there may be more. */
static bool release_locked(struct resident *r, bool last)
{
	unsigned int n;
	u32 i;

	for (n = 0; n < SWEEP; n++) {
		i = penalty_over(&r->penalty, &r->q);
		if (i == QUEUE_NIL)
			return false;
		requeue_locked(r, i);
	}
	return true;
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

	for (i = queue_oldest(&r->q, head); i != head && s->nr < FLOOR_SAMPLE && s->looks; i = next) {
		next = r->q.e[i].next;
		s->looks--;
		if (settle && is_marked(r, i)) {
			requeue_locked(r, i);
		} else {
			s->sum += resident_hits_locked(r, i);
			s->nr++;
		}
	}
}

static void sample_all_locked(struct resident *r, struct sample *s, bool settle)
{
	u8 level;

	for (level = 0; level < r->clean.nr; level++) {
		sample_locked(r, r->clean.head[level], s, settle);
		sample_locked(r, r->dirty.head[level], s, settle);
	}
}

/*
 * What a newcomer has to beat: the rounded-up mean of the hits of the coldest entries, of those
 * that were not hit since they came to their place; if all were, of what is coldest after they
 * moved on.  True: many of them move, so look again.
 */
static bool floor_locked(struct resident *r, bool last)
{
	struct sample s = { .looks = FLOOR_LOOKS };

	if (!is_full(r))
		return false;
	sample_all_locked(r, &s, true);
	if (s.nr < FLOOR_SAMPLE && !s.looks && !last)
		return true;
	if (!s.nr) {
		s.looks = FLOOR_LOOKS;
		sample_all_locked(r, &s, false);
	}
	WRITE_ONCE(r->need, (s.nr ? DIV_ROUND_UP(s.sum, s.nr) : 0) + r->trial.extra);
	return false;
}

static u32 accesses(const struct resident *r)
{
	u32 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(*per_cpu_ptr(r->accesses, cpu));
	return sum;
}

/*
 * The counts of the next blocks: a new tick, and perhaps a new epoch.  True: there are more.  A word of
 * them at a time; hits write theirs beside that, and may be lost.
 */
static bool age_some_locked(struct resident *r)
{
	unsigned long *words = (unsigned long *)r->heat;
	u32 end = min_t(u64, (u64)r->aged + AGE_CHUNK, r->nr);
	u32 n;

	for (n = r->aged / PER_WORD; n < DIV_ROUND_UP(end, PER_WORD); n++) {
		unsigned long old = READ_ONCE(words[n]), new = old & ~EACH(HEAT_COUNTED);

		if (r->halving)
			new = (new & EACH(HEAT_MARK)) |
			      (new & EACH(HEAT_HITS & ~1U)) >> 1;
		if (new != old)
			WRITE_ONCE(words[n], new);
	}
	if (r->halving)
		hint_groups_some_changed(&r->hints, to_cblock(r->aged), end - r->aged);
	r->aged = end;
	if (end < r->nr)
		return true;
	r->halving = false;
	return false;
}

/* All counts are to be halved: the queues at once, the counts themselves soon. */
static void new_epoch_locked(struct resident *r)
{
	r->generations = 0;
	r->epoch_ticks = 0;
	WRITE_ONCE(r->now.epoch, r->now.epoch + 1);
	levels_halve(&r->clean, &r->q);
	levels_halve(&r->dirty, &r->q);
	r->halving = true;
	r->aged = 0;
}

static bool halve_candidates_locked(struct resident *r, bool last)
{
	candidates_halve(&r->wanted);
	return false;
}

/* True: an epoch ended. */
static bool end_generation_locked(struct resident *r)
{
	bool epoch = ++r->generations >= EPOCH_GENERATIONS && r->epoch_ticks >= EPOCH_TICKS;
	u16 i;

	for (i = 0; i < r->trial.nr_in; i++)
		trial_look(&r->trial, &r->q, r->trial.in[i], is_marked(r, r->trial.in[i]));
	trial_judge(&r->trial, &r->q);
	if (epoch)
		new_epoch_locked(r);
	return epoch;
}

/* @now: value of all @accesses together.  True: a generation ended; *@epoch: an epoch too. */
static bool tick_locked(struct resident *r, u32 now, bool *epoch)
{
	lockdep_assert_held(&r->lock);

	WRITE_ONCE(r->now.tick, r->now.tick + 1);
	r->epoch_ticks++;
	r->nr_paid = 0;		/* whoever took those blocks, the owed ones may ask again */
	penalty_tick(&r->penalty, &r->q);

	/* Nothing was hit: nothing to be forgotten. */
	r->aged = now == r->tick_start && !r->counted ? r->nr : 0;
	r->tick_start = now;
	r->counted = false;

	*epoch = false;
	if (now - r->generation_start < max_t(u32, r->nr, GENERATION_MIN))
		return false;
	r->generation_start = now;
	*epoch = end_generation_locked(r);
	return true;
}

/* Work of a tick, for which the lock is held a short time only, but several times if need be. */
static void in_parts(struct resident *r, bool (*part)(struct resident *r, bool last))
{
	unsigned long flags;
	unsigned int n;
	bool more = true;

	for (n = 0; n < PARTS && more; n++) {
		spin_lock_irqsave(&r->lock, flags);
		more = part(r, n == PARTS - 1);
		spin_unlock_irqrestore(&r->lock, flags);
	}
}

bool resident_tick(struct resident *r)
{
	u32 now = accesses(r);
	bool generation, epoch, more;
	unsigned long flags;

	in_parts(r, release_locked);
	in_parts(r, sweep_locked);
	spin_lock_irqsave(&r->lock, flags);
	generation = tick_locked(r, now, &epoch);
	spin_unlock_irqrestore(&r->lock, flags);
	if (epoch)
		in_parts(r, halve_candidates_locked);
	if (generation)
		in_parts(r, floor_locked);
	do {
		spin_lock_irqsave(&r->lock, flags);
		more = r->aged < r->nr && age_some_locked(r);
		spin_unlock_irqrestore(&r->lock, flags);
	} while (more);
	return epoch;
}
