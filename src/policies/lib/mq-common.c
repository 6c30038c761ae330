// SPDX-License-Identifier: GPL-2.0-only
/*
 * mq-common.c - the cache side of mq and smq; see mq-common.h for what, where and when.
 *
 * Locks: m->lock only.
 */
#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/export.h>
#include <linux/lockdep.h>
#include <linux/string.h>

#include "mq-common.h"

#define CANDIDATES	2048
#define DEMOTING_MAX	4	/* evictions ahead of the promotions that asked for them */
#define LOOKS		32	/* marked entries passed over in one search */
#define SWEEP		32	/* entries put in place, or let out of penalty, in one part */
#define PARTS		8	/* of each kind of work in a tick; the lock is held during one */
#define DROPS		32	/* hopeless candidates thrown out in one call */
#define WRITEBACK_FAIR	8	/* every eighth search is not for the coldest */
#define RUN_MAX		64	/* blocks written back in a row because they are neighbours */
#define FLOOR_SAMPLE	20	/* coldest entries whose warmth a newcomer has to beat */
#define FLOOR_LOOKS	64	/* entries looked at to find them, under the lock at a time */
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

static int alloc_tables(struct mq_common *m, u32 nr_heads, u32 nr_blocks)
{
	int err = -ENOMEM;

	m->accesses = alloc_percpu(u32);
	if (!m->accesses)
		return err;
	m->heat = dmc_zalloc_table(roundup((u64)nr_blocks, PER_WORD), sizeof(*m->heat));
	if (!m->heat)
		goto err_accesses;
	err = hint_groups_init(&m->hints, nr_blocks);
	if (err)
		goto err_heat;
	err = ghost_counts_init(&m->ghosts, GHOSTS(nr_blocks));
	if (err)
		goto err_hints;
	err = candidates_init(&m->wanted, CANDIDATES);
	if (err)
		goto err_ghosts;
	err = queues_init(&m->q, nr_heads, nr_blocks);
	if (!err)
		return 0;

	candidates_exit(&m->wanted);
err_ghosts:
	ghost_counts_exit(&m->ghosts);
err_hints:
	hint_groups_exit(&m->hints);
err_heat:
	vfree(m->heat);
err_accesses:
	free_percpu(m->accesses);
	return err;
}

int mqc_init(struct mq_common *m, const struct dmc_mappings *map, u32 nr_blocks,
	     const struct mqc_shape *shape)
{
	u8 nr = shape->nr_levels;
	int err;

	memset(m, 0, sizeof(*m));
	err = alloc_tables(m, HEAD_CLEAN + 2U * nr, nr_blocks);
	if (err)
		return err;

	spin_lock_init(&m->lock);
	m->map = map;
	m->max_hits = shape->max_hits;
	m->nr = nr_blocks;
	m->now.tick = 1;
	levels_init(&m->clean, HEAD_CLEAN, nr, shape->linear);
	levels_init(&m->dirty, HEAD_CLEAN + nr, nr, shape->linear);
	penalty_init(&m->penalty, HEAD_PENALTY);
	return 0;
}

void mqc_exit(struct mq_common *m)
{
	queues_exit(&m->q);
	candidates_exit(&m->wanted);
	ghost_counts_exit(&m->ghosts);
	hint_groups_exit(&m->hints);
	vfree(m->heat);
	free_percpu(m->accesses);
}

/*----- one entry -----*/

static u16 *heat_of(const struct mq_common *m, u32 i)
{
	return &m->heat[i - m->q.first];
}

static bool is_marked(const struct mq_common *m, u32 i)
{
	return READ_ONCE(*heat_of(m, i)) & HEAT_MARK;
}

u16 mqc_hits_locked(struct mq_common *m, u32 i)
{
	u16 hits = READ_ONCE(*heat_of(m, i)) & HEAT_HITS;

	lockdep_assert_held(&m->lock);
	return m->halving && i - m->q.first >= m->aged ? hits / 2 : hits;
}

/* To the back of the level where its hits belong. */
static void queue_locked(struct mq_common *m, u32 i)
{
	struct levels *l = queue_has(&m->q, i, QUEUE_DIRTY) ? &m->dirty : &m->clean;
	u16 *heat = heat_of(m, i);
	u16 h = READ_ONCE(*heat);

	if (h & HEAT_MARK) {
		/* A hit that happens right now may be lost.  It is one of many. */
		WRITE_ONCE(*heat, h & ~HEAT_MARK);
		feedback_look(&m->feedback, &m->q, i, true);
	}
	queue_set_state(&m->q, i, BLOCK_QUEUED);
	queue_append(&m->q, l->head[levels_of(l, mqc_hits_locked(m, i))], i);
}

static void requeue_locked(struct mq_common *m, u32 i)
{
	queue_unlink(&m->q, i);
	queue_locked(m, i);
}

/* @cblock holds nothing any more, whatever it was busy with. */
static void mqc_remove_locked(struct mq_common *m, cblock_t cblock)
{
	u32 i = queue_index(&m->q, cblock);

	if (queue_state(&m->q, i) == BLOCK_FREE)
		return;

	feedback_forget(&m->feedback, &m->q, i, is_marked(m, i));
	queue_unlink(&m->q, i);
	if (queue_has(&m->q, i, QUEUE_DIRTY))
		m->nr_dirty--;
	queue_clear(&m->q, i, QUEUE_DIRTY);
	queue_set_state(&m->q, i, BLOCK_FREE);
	WRITE_ONCE(m->nr_resident, m->nr_resident - 1);
}

/*
 * @cblock now holds something, which was hit @hits times; @counted: in this tick too.
 * Dirtiness may have been said before.
 */
static void mqc_add_locked(struct mq_common *m, cblock_t cblock, u32 hits, bool counted)
{
	u32 i = queue_index(&m->q, cblock);

	lockdep_assert_held(&m->lock);

	/* The core would have lost track of a block. */
	if (WARN_ON_ONCE(queue_state(&m->q, i) != BLOCK_FREE))
		mqc_remove_locked(m, cblock);

	queue_init(&m->q, i);
	WRITE_ONCE(*heat_of(m, i), min_t(u32, hits, m->max_hits) | (counted ? HEAT_COUNTED : 0));
	m->counted |= counted;
	WRITE_ONCE(m->nr_resident, m->nr_resident + 1);
	if (queue_has(&m->q, i, QUEUE_DIRTY))
		m->nr_dirty++;
	queue_locked(m, i);
	hint_group_changed(&m->hints, cblock);
}

/* Both directions: the entry changes sides, unless it is busy or in penalty. */
static void mqc_change_dirty(struct mq_common *m, cblock_t cblock, bool dirty)
{
	u32 i = queue_index(&m->q, cblock);
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	if (queue_has(&m->q, i, QUEUE_DIRTY) == dirty)
		goto out;

	if (dirty)
		queue_set(&m->q, i, QUEUE_DIRTY);
	else
		queue_clear(&m->q, i, QUEUE_DIRTY);
	if (queue_state(&m->q, i) == BLOCK_FREE)
		goto out;	/* said before the promotion is: mqc_add_locked() counts it */

	if (dirty)
		m->nr_dirty++;
	else
		m->nr_dirty--;
	if (queue_state(&m->q, i) == BLOCK_QUEUED)
		requeue_locked(m, i);
out:
	spin_unlock_irqrestore(&m->lock, flags);
}

void mqc_set_dirty(struct mq_common *m, cblock_t cblock)
{
	mqc_change_dirty(m, cblock, true);
}

void mqc_clear_dirty(struct mq_common *m, cblock_t cblock)
{
	mqc_change_dirty(m, cblock, false);
}

void mqc_invalidate(struct mq_common *m, cblock_t cblock)
{
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	mqc_remove_locked(m, cblock);
	spin_unlock_irqrestore(&m->lock, flags);
}

/* The end of a list that blocks are being appended to, one after the other. */
struct load_end {
	u32 head;
	u32 last;
	u32 flags;	/* of each */
	u16 hits;
	bool changed;	/* their hints are not what is stored */
};

static void mqc_load_close(struct mq_common *m, const struct load_end *end)
{
	m->q.e[end->last].next = end->head;
	queue_link_prev(&m->q, end->head, end->last);
}

static void mqc_load_open(struct mq_common *m, struct load_end *end, u32 hint, bool known,
			  bool dirty)
{
	const struct levels *l = dirty ? &m->dirty : &m->clean;

	end->hits = min_t(u32, hint, m->max_hits);
	end->head = l->head[levels_of(l, end->hits)];
	end->last = m->q.e[end->head].prev & QUEUE_LINK;
	end->flags = (u32)BLOCK_QUEUED << QUEUE_STATE_SHIFT | (dirty ? QUEUE_DIRTY : 0);
	end->changed = !known || hint > m->max_hits;
}

static int load_locked(struct mq_common *m, const struct dmc_run *run)
{
	const u32 b = from_cblock(run->first), at = m->q.first + b;
	struct queue_entry *e = m->q.e;
	u32 i, nr = 0, nr_dirty = 0;
	struct load_end end = { 0 };
	u64 was = U64_MAX;

	for (i = 0; i < run->nr; i++) {
		u32 hint = run->hints ? run->hints[i] : 1;
		bool dirty = dmc_run_dirty(run, i);

		if (!dmc_run_maps(run, i))
			continue;
		/* The core would have lost track of a block. */
		if (WARN_ON_ONCE(queue_state(&m->q, at + i) != BLOCK_FREE))
			break;
		if (was != ((u64)hint << 1 | dirty)) {
			if (was != U64_MAX)
				mqc_load_close(m, &end);
			mqc_load_open(m, &end, hint, run->hints, dirty);
			was = (u64)hint << 1 | dirty;
		}
		e[at + i].prev = end.last | end.flags;
		e[end.last].next = at + i;
		end.last = at + i;
		m->heat[b + i] = end.hits;
		if (unlikely(end.changed))
			hint_group_changed(&m->hints, to_cblock(b + i));
		nr++;
		nr_dirty += dirty;
	}
	if (was != U64_MAX)
		mqc_load_close(m, &end);
	m->nr_dirty += nr_dirty;
	WRITE_ONCE(m->nr_resident, m->nr_resident + nr);
	return i < run->nr ? -EINVAL : 0;
}

int mqc_load_run(struct mq_common *m, const struct dmc_run *run)
{
	unsigned long flags;
	int err;

	spin_lock_irqsave(&m->lock, flags);
	err = load_locked(m, run);
	spin_unlock_irqrestore(&m->lock, flags);
	return err;
}

void mqc_get_hints(struct mq_common *m, cblock_t first, u32 nr, u32 *out)
{
	const struct queue_entry *e = m->q.e + queue_index(&m->q, first);
	const u16 *heat = m->heat + from_cblock(first);
	unsigned long flags;
	u32 n, exact = nr;

	spin_lock_irqsave(&m->lock, flags);
	/* From here on they wait to be halved. */
	if (m->halving)
		exact = clamp_t(s64, (s64)m->aged - from_cblock(first), 0, nr);
	for (n = 0; n < nr; n++) {
		u32 hits = READ_ONCE(heat[n]) & HEAT_HITS;

		out[n] = e[n].prev & QUEUE_STATE ? hits >> (n >= exact) : 0;
	}
	spin_unlock_irqrestore(&m->lock, flags);
}

/*----- candidates -----*/

static int promote_locked(struct mq_common *m, struct dmc_work *work)
{
	u32 i = candidate_oldest(&m->wanted, CANDIDATE_OWED);

	if (i == QUEUE_NIL)
		i = candidate_oldest(&m->wanted, CANDIDATE_WAITING);
	else if (m->nr_paid)
		m->nr_paid--;
	candidate_move(&m->wanted, i, CANDIDATE_BUSY);
	work->op = DMC_OP_PROMOTE;
	work->oblock = candidate(&m->wanted, i)->oblock;
	work->cblock = to_cblock(0);
	return 0;
}

static bool is_full(const struct mq_common *m)
{
	/* A few blocks are on their way in or out all the time. */
	const u32 few = min(m->nr / 16, 16U);

	return m->nr - m->nr_resident <= few || (m->reserved && m->told_free <= few);
}

/*----- searches -----*/

/*
 * The coldest entry of one side, which was not hit since it came to its place; after some that
 * were, whichever comes next, so that the search ends.  QUEUE_NIL if there is none at all.
 */
static u32 coldest_locked(struct mq_common *m, struct levels *l, u8 *level)
{
	unsigned int looks;
	u32 i = QUEUE_NIL;

	for (looks = 0; looks <= LOOKS; looks++) {
		*level = levels_lowest(l, &m->q);
		if (*level == l->nr)
			return QUEUE_NIL;

		i = queue_oldest(&m->q, l->head[*level]);
		if (!is_marked(m, i))
			break;
		requeue_locked(m, i);
	}
	return i;
}

/*
 * Clean blocks go first, as they cost nothing; but not hot ones while there are cold dirty ones.
 * "Hot" is four times as many hits, or on a linear scale eight more.
 */
static u32 victim_locked(struct mq_common *m)
{
	u8 slack = m->clean.linear ? 8 : 2;
	u8 clean_level, dirty_level;
	u32 clean, dirty;

	clean = coldest_locked(m, &m->clean, &clean_level);
	dirty = coldest_locked(m, &m->dirty, &dirty_level);

	/* On the logarithmic scale, what is never hit sinks: room below for what comes. */
	if (!m->clean.linear && min(clean_level, dirty_level) > 0 &&
	    min(clean_level, dirty_level) < m->clean.nr) {
		levels_sink(&m->clean);
		levels_sink(&m->dirty);
	}

	if (clean == QUEUE_NIL || (dirty != QUEUE_NIL && clean_level > dirty_level + slack))
		return dirty;
	return clean;
}

static void take_locked(struct mq_common *m, u32 i, enum dmc_op op, struct dmc_work *work)
{
	queue_unlink(&m->q, i);
	queue_set_state(&m->q, i, BLOCK_BUSY);
	work->op = op;
	work->cblock = queue_cblock(&m->q, i);
	work->oblock = m->map->oblock_of(m->map, work->cblock);
}

/* A disk writes the neighbour for next to nothing, however warm it is. */
static u32 next_in_run_locked(struct mq_common *m)
{
	cblock_t cblock;
	u32 i;

	if (m->run_length >= RUN_MAX || !m->map->lookup(m->map, m->run_next, &cblock))
		return QUEUE_NIL;
	i = queue_index(&m->q, cblock);
	if (queue_state(&m->q, i) != BLOCK_QUEUED || !queue_has(&m->q, i, QUEUE_DIRTY))
		return QUEUE_NIL;
	return i;
}

/*
 * A dirty entry of some level above the lowest, of each in its turn.  Or warm blocks would stay
 * dirty for as long as colder ones get dirty again.  QUEUE_NIL if there is none.
 */
static u32 another_level_locked(struct mq_common *m)
{
	struct levels *l = &m->dirty;
	u8 lowest = levels_lowest(l, &m->q), level = m->writeback_level, n;

	for (n = 0; n < l->nr; n++) {
		level = level + 1 < l->nr ? level + 1 : 0;
		if (level <= lowest || queue_empty(&m->q, l->head[level]))
			continue;
		m->writeback_level = level;
		return queue_oldest(&m->q, l->head[level]);
	}
	return QUEUE_NIL;
}

static u32 to_write_locked(struct mq_common *m)
{
	u32 i = QUEUE_NIL;
	u8 level;

	if (!(++m->writeback_searches % WRITEBACK_FAIR))
		i = another_level_locked(m);
	return i == QUEUE_NIL ? coldest_locked(m, &m->dirty, &level) : i;
}

static int writeback_locked(struct mq_common *m, struct dmc_work *work)
{
	u32 i = next_in_run_locked(m);

	m->run_length++;
	if (i == QUEUE_NIL) {
		i = to_write_locked(m);
		m->run_length = 0;
	}
	if (i == QUEUE_NIL)
		return DMC_NO_WORK;

	take_locked(m, i, DMC_OP_WRITEBACK, work);
	m->run_next = to_oblock(from_oblock(work->oblock) + 1);
	return 0;
}

/*----- work -----*/

/*
 * The next candidate that deserves a place in a full cache in place of @victim becomes owed one.
 * Those that came while there was room, and find it gone, have to deserve it now.
 */
static bool owe_locked(struct mq_common *m, u32 victim)
{
	u16 to_beat = mqc_hits_locked(m, victim);
	unsigned int drops;

	for (drops = 0; m->wanted.nr_waiting && drops < DROPS; drops++) {
		u32 i = candidate_oldest(&m->wanted, CANDIDATE_WAITING);
		u32 hits = candidate(&m->wanted, i)->tag;

		if (hits > to_beat && hits >= m->need + m->margin) {
			candidate_move(&m->wanted, i, CANDIDATE_OWED);
			return true;
		}
		candidate_free(&m->wanted, i);
	}
	return false;
}

static int demote_locked(struct mq_common *m, struct dmc_work *work)
{
	u32 i;

	if (m->nr_demoting + m->nr_paid >= DEMOTING_MAX ||
	    !(m->wanted.nr_waiting || m->wanted.nr_owed))
		return DMC_NO_WORK;

	i = victim_locked(m);
	if (i == QUEUE_NIL)
		return DMC_NO_WORK;
	/* One may be owed a block already: its first victim could not be evicted. */
	if (m->wanted.nr_owed <= m->nr_demoting + m->nr_paid && !owe_locked(m, i))
		return DMC_NO_WORK;

	take_locked(m, i, DMC_OP_DEMOTE, work);
	m->nr_demoting++;
	return 0;
}

/* The next to go, if it is clean. */
static int mqc_make_room_locked(struct mq_common *m, struct dmc_work *work)
{
	u32 i;

	lockdep_assert_held(&m->lock);

	m->reserved = true;
	if (penalty_pause(&m->penalty))
		return DMC_NO_WORK;
	i = victim_locked(m);
	if (i == QUEUE_NIL || queue_has(&m->q, i, QUEUE_DIRTY))
		return DMC_NO_WORK;
	take_locked(m, i, DMC_OP_MAKE_ROOM, work);
	return 0;
}

int mqc_make_room(struct mq_common *m, struct dmc_work *work)
{
	unsigned long flags;
	int err;

	spin_lock_irqsave(&m->lock, flags);
	err = mqc_make_room_locked(m, work);
	spin_unlock_irqrestore(&m->lock, flags);
	return err;
}

static int mqc_next_work_locked(struct mq_common *m, bool idle, u32 nr_free, struct dmc_work *work)
{
	bool pressed = m->nr_dirty > m->nr / 2;
	int err = DMC_NO_WORK;

	lockdep_assert_held(&m->lock);

	m->told_free = nr_free;
	if (penalty_pause(&m->penalty))
		return DMC_NO_WORK;

	/* Under pressure every other piece of work is a writeback, else it would never end. */
	if (pressed && m->writeback_turn)
		err = writeback_locked(m, work);
	m->writeback_turn = err == DMC_NO_WORK;
	if (!err)
		return 0;

	if (nr_free && (m->wanted.nr_owed || m->wanted.nr_waiting))
		return promote_locked(m, work);
	if (!nr_free)
		err = demote_locked(m, work);
	if (err && (idle || pressed))
		err = writeback_locked(m, work);
	return err;
}

int mqc_next_work(struct mq_common *m, bool idle, u32 nr_free, struct dmc_work *work)
{
	unsigned long flags;
	int err;

	spin_lock_irqsave(&m->lock, flags);
	err = mqc_next_work_locked(m, idle, nr_free, work);
	spin_unlock_irqrestore(&m->lock, flags);
	return err;
}

static void promoted_locked(struct mq_common *m, const struct dmc_work *work, bool success)
{
	u32 i = candidate_find(&m->wanted, work->oblock);
	u32 hits = 1;

	if (i != QUEUE_NIL) {
		hits = max(candidate(&m->wanted, i)->tag, 1U);
		candidate_free(&m->wanted, i);
	}
	/* After a failure it starts over. */
	ghost_count_put(&m->ghosts, work->oblock, !success, m->now);
	if (!success) {
		m->penalty.failures++;
		return;
	}
	mqc_add_locked(m, work->cblock, hits, true);
	if (is_full(m))
		feedback_newcomer(&m->feedback, &m->q, queue_index(&m->q, work->cblock));
}

void mqc_allocated(struct mq_common *m, cblock_t cblock, oblock_t oblock, bool success)
{
	const struct dmc_work work = { DMC_OP_PROMOTE, oblock, cblock };
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	/* Said before the block is resident, it is counted with it. */
	if (success)
		queue_set(&m->q, queue_index(&m->q, cblock), QUEUE_DIRTY);
	promoted_locked(m, &work, success);
	spin_unlock_irqrestore(&m->lock, flags);
}

static void settle_locked(struct mq_common *m, const struct dmc_work *work, bool success)
{
	u32 i = queue_index(&m->q, work->cblock);

	if (work->op == DMC_OP_DEMOTE && m->nr_demoting)
		m->nr_demoting--;
	if (!success)
		m->penalty.failures++;

	/* Invalidated, and perhaps used again, while the work was going on. */
	if (queue_state(&m->q, i) != BLOCK_BUSY)
		return;

	if (!success) {
		penalty_add(&m->penalty, &m->q, i);
	} else if (work->op == DMC_OP_WRITEBACK) {
		queue_locked(m, i);
	} else {
		mqc_remove_locked(m, work->cblock);
		m->nr_paid += work->op == DMC_OP_DEMOTE;
		feedback_evicted(&m->feedback, work->oblock);
		ghost_count_put(&m->ghosts, work->oblock, 1, m->now);
	}
}

void mqc_work_done(struct mq_common *m, const struct dmc_work *work, bool success)
{
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	if (work->op == DMC_OP_PROMOTE)
		promoted_locked(m, work, success);
	else
		settle_locked(m, work, success);
	spin_unlock_irqrestore(&m->lock, flags);
}

/*----- time -----*/

/* Marked entries at the front of a level go where they belong; what stays is what it seems. */
static void sweep_side_locked(struct mq_common *m, struct levels *l, unsigned int *budget)
{
	u8 level;

	for (level = 0; level < l->nr; level++) {
		while (*budget && !queue_empty(&m->q, l->head[level])) {
			u32 i = queue_oldest(&m->q, l->head[level]);

			if (!is_marked(m, i))
				break;
			requeue_locked(m, i);
			--*budget;
		}
	}
}

/* True: there may be more. */
static bool sweep_locked(struct mq_common *m, bool last)
{
	unsigned int budget = SWEEP;

	sweep_side_locked(m, &m->clean, &budget);
	sweep_side_locked(m, &m->dirty, &budget);
	return !budget;
}

/* Lets some out of penalty.  True: there may be more. */
static bool release_locked(struct mq_common *m, bool last)
{
	unsigned int n;
	u32 i;

	for (n = 0; n < SWEEP; n++) {
		i = penalty_over(&m->penalty, &m->q);
		if (i == QUEUE_NIL)
			return false;
		requeue_locked(m, i);
	}
	return true;
}

struct sample {
	u32 sum;
	u32 nr;
	u32 looks;	/* left */
};

/* Adds the first entries of a list; those hit since they came there move on instead, if @settle. */
static void sample_locked(struct mq_common *m, u32 head, struct sample *s, bool settle)
{
	u32 i, next;

	for (i = queue_oldest(&m->q, head); i != head && s->nr < FLOOR_SAMPLE && s->looks;
	     i = next) {
		next = m->q.e[i].next;
		s->looks--;
		if (settle && is_marked(m, i)) {
			requeue_locked(m, i);
		} else {
			s->sum += mqc_hits_locked(m, i);
			s->nr++;
		}
	}
}

static void sample_all_locked(struct mq_common *m, struct sample *s, bool settle)
{
	u8 level;

	for (level = 0; level < m->clean.nr; level++) {
		sample_locked(m, m->clean.head[level], s, settle);
		sample_locked(m, m->dirty.head[level], s, settle);
	}
}

/*
 * What a newcomer has to beat: the rounded-up mean of the hits of the coldest entries, of those
 * that were not hit since they came to their place; if all were, of what is coldest after they
 * moved on.  True: many of them move, so look again.
 */
static bool floor_locked(struct mq_common *m, bool last)
{
	struct sample s = { .looks = FLOOR_LOOKS };

	if (!is_full(m))
		return false;
	sample_all_locked(m, &s, true);
	if (s.nr < FLOOR_SAMPLE && !s.looks && !last)
		return true;
	if (!s.nr) {
		s.looks = FLOOR_LOOKS;
		sample_all_locked(m, &s, false);
	}
	WRITE_ONCE(m->need, (s.nr ? DIV_ROUND_UP(s.sum, s.nr) : 0) + m->feedback.extra);
	return false;
}

static u32 accesses(const struct mq_common *m)
{
	u32 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(*per_cpu_ptr(m->accesses, cpu));
	return sum;
}

/*
 * The counts of the next blocks: a new tick, and perhaps a new epoch.  True: there are more.  A
 * word of them at a time; hits write theirs beside that, and may be lost.
 */
static bool age_some_locked(struct mq_common *m)
{
	unsigned long *words = (unsigned long *)m->heat;
	u32 end = min_t(u64, (u64)m->aged + AGE_CHUNK, m->nr);
	u32 n;

	for (n = m->aged / PER_WORD; n < DIV_ROUND_UP(end, PER_WORD); n++) {
		unsigned long old = READ_ONCE(words[n]), new = old & ~EACH(HEAT_COUNTED);

		if (m->halving)
			new = (new & EACH(HEAT_MARK)) |
			      (new & EACH(HEAT_HITS & ~1U)) >> 1;
		if (new != old)
			WRITE_ONCE(words[n], new);
	}
	if (m->halving)
		hint_groups_some_changed(&m->hints, to_cblock(m->aged), end - m->aged);
	m->aged = end;
	if (end < m->nr)
		return true;
	m->halving = false;
	return false;
}

/* All counts are to be halved: the queues at once, the counts themselves soon. */
static void new_epoch_locked(struct mq_common *m)
{
	m->generations = 0;
	m->epoch_ticks = 0;
	WRITE_ONCE(m->now.epoch, m->now.epoch + 1);
	levels_halve(&m->clean, &m->q);
	levels_halve(&m->dirty, &m->q);
	m->halving = true;
	m->aged = 0;
}

static bool halve_candidates_locked(struct mq_common *m, bool last)
{
	candidates_halve(&m->wanted);
	return false;
}

/* True: an epoch ended. */
static bool end_generation_locked(struct mq_common *m)
{
	bool epoch = ++m->generations >= EPOCH_GENERATIONS && m->epoch_ticks >= EPOCH_TICKS;
	u16 i;

	for (i = 0; i < m->feedback.nr_in; i++)
		feedback_look(&m->feedback, &m->q, m->feedback.in[i],
			      is_marked(m, m->feedback.in[i]));
	feedback_judge(&m->feedback, &m->q);
	if (epoch)
		new_epoch_locked(m);
	return epoch;
}

/* @now: value of all @accesses together.  True: a generation ended; *@epoch: an epoch too. */
static bool tick_locked(struct mq_common *m, u32 now, bool *epoch)
{
	lockdep_assert_held(&m->lock);

	WRITE_ONCE(m->now.tick, m->now.tick + 1);
	m->epoch_ticks++;
	m->nr_paid = 0;		/* those blocks may be taken: the owed ones may ask again */
	penalty_tick(&m->penalty, queue_empty(&m->q, m->penalty.served));

	/* Nothing was hit: nothing to be forgotten. */
	m->aged = now == m->tick_start && !m->counted ? m->nr : 0;
	m->tick_start = now;
	m->counted = false;

	*epoch = false;
	if (now - m->generation_start < max_t(u32, m->nr, GENERATION_MIN))
		return false;
	m->generation_start = now;
	*epoch = end_generation_locked(m);
	return true;
}

/* Work of a tick, for which the lock is held a short time only, but several times if need be. */
static void in_parts(struct mq_common *m, bool (*part)(struct mq_common *m, bool last))
{
	unsigned long flags;
	unsigned int n;
	bool more = true;

	for (n = 0; n < PARTS && more; n++) {
		spin_lock_irqsave(&m->lock, flags);
		more = part(m, n == PARTS - 1);
		spin_unlock_irqrestore(&m->lock, flags);
	}
}

bool mqc_tick(struct mq_common *m)
{
	u32 now = accesses(m);
	bool generation, epoch, more;
	unsigned long flags;

	in_parts(m, release_locked);
	in_parts(m, sweep_locked);
	spin_lock_irqsave(&m->lock, flags);
	generation = tick_locked(m, now, &epoch);
	spin_unlock_irqrestore(&m->lock, flags);
	if (epoch)
		in_parts(m, halve_candidates_locked);
	if (generation)
		in_parts(m, floor_locked);
	do {
		spin_lock_irqsave(&m->lock, flags);
		more = m->aged < m->nr && age_some_locked(m);
		spin_unlock_irqrestore(&m->lock, flags);
	} while (more);
	return epoch;
}
