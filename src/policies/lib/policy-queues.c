// SPDX-License-Identifier: GPL-2.0-only
/*
 * policy-queues.c - candidates, evictions, dirty blocks and failures of the simple policies; see policy-queues.h for
 * what, where on the bio's path, and who calls.
 *
 * Linked into each module that uses it.  Locks: pool->lock only.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "policy-queues.h"
#include "pq-candidates.h"
#include "tunables.h"

#define WRITEBACK_LOOKS	64	/* dirty blocks that were hit of late and are passed over for one that was not */
#define WRITEBACK_FAIR	4	/* one in so many rounds passes over none */
#define LEAVING_MAX	4	/* evictions ahead of the promotions that asked for them */
#define BUSY_LOOKS	128	/* more blocks than are ever busy at a time */
#define FAILURES_MAX	32	/* in a tick: no more work before the next */
#define PENALTY_TICKS	4
#define MISS_PARTS	8	/* of catching up, before a miss */
#define VICTIM_PARTS	16	/* of a search for a victim */
#define TICK_PARTS	1024
#define RELEASES	32	/* from penalty at a time... */
#define RELEASE_PARTS	8	/* ... in a tick */
#define DROPS		32	/* candidates thrown out in one call */

static const struct tunable common_tunables[POOL_COMMON] = {
	[POOL_SEQUENTIAL] = { "sequential_threshold", 0, INT_MAX },
	[POOL_RANDOM] = { "random_threshold", 4, INT_MAX },
};

/*----- memory -----*/

/* Behind the policy's own list heads. */
static u32 penalty_head(const struct pool *pool, u8 which)
{
	return pool->nr_heads + which;
}

static void candidates_init(struct pool *pool)
{
	u16 i;

	for (i = 1; i <= POOL_CANDIDATES; i++)
		pool->candidates[i].chain = i < POOL_CANDIDATES ? i + 1 : NO_CANDIDATE;
	pool->free_candidates = 1;
}

static void heads_init(struct pool *pool)
{
	u32 i;

	for (i = pool->nr; i < pool->nr + pool->nr_heads + 2; i++)
		pool->link[i][0] = pool->link[i][1] = i;
}

static int tables_init(struct pool *pool)
{
	const u32 nr = pool->nr;

	if (hint_groups_init(&pool->hints, nr))
		return -ENOMEM;
	pool->mark = policy_zalloc_table(nr, sizeof(*pool->mark));
	pool->link = policy_zalloc_table((size_t)nr + pool->nr_heads + 2, sizeof(*pool->link));
	pool->state = policy_zalloc_table(nr, sizeof(*pool->state));
	pool->candidates = kcalloc(POOL_CANDIDATES + 1, sizeof(*pool->candidates), GFP_KERNEL);
	if (!pool->mark || !pool->link || !pool->state || !pool->candidates)
		return -ENOMEM;
	if (bit_tree_init(&pool->to_write, nr))
		return -ENOMEM;
	if (pool->ops->ghosts_per_block &&
	    history_init(&pool->ghosts, pool->ops->ghosts_per_block * nr))
		return -ENOMEM;
	if (pool->ops->sketch_period && sketch_init(&pool->sketch, nr, pool->ops->sketch_period))
		return -ENOMEM;
	heads_init(pool);
	candidates_init(pool);
	return 0;
}

struct dmc_policy *pool_create(const struct dmc_policy_type *type, const struct pool_ops *ops,
			       const struct dmc_mappings *map, u32 nr, u64 block_sectors)
{
	struct pool *pool = kzalloc(ops->size, GFP_KERNEL);
	int err;

	if (!pool)
		return ERR_PTR(-ENOMEM);
	pool->policy.type = type;
	pool->ops = ops;
	pool->map = map;
	pool->nr = nr;
	pool->nr_heads = ops->nr_heads;
	pool->mark_max = ops->mark_max ? ops->mark_max : U8_MAX;
	pool->count_mask = U8_MAX;
	pool->dirty_limit = nr - nr / 16;
	spin_lock_init(&pool->lock);
	tunable_defaults(common_tunables, POOL_COMMON, pool->common);
	tunable_defaults(ops->tunables, ops->nr_tunables, pool->tunables);

	err = tables_init(pool);
	if (!err && ops->init)
		err = ops->init(pool, block_sectors);
	if (err) {
		pool_destroy(&pool->policy);
		return ERR_PTR(err);
	}
	return &pool->policy;
}

/* Copes with any part of pool_create(). */
void pool_destroy(struct dmc_policy *p)
{
	struct pool *pool = to_pool(p);

	if (pool->ops->exit)
		pool->ops->exit(pool);
	sketch_exit(&pool->sketch);
	history_exit(&pool->ghosts);
	kfree(pool->candidates);
	bit_tree_exit(&pool->to_write);
	vfree(pool->state);
	vfree(pool->link);
	vfree(pool->mark);
	hint_groups_exit(&pool->hints);
	kfree(pool);
}

/*----- lists -----*/

void pool_append(struct pool *pool, u32 which, u32 b)
{
	u32 head = pool_head(pool, which), last = pool->link[head][0];

	hint_group_changed(&pool->hints, to_cblock(b));
	pool->link[b][0] = last;
	pool->link[b][1] = head;
	pool->link[last][1] = b;
	pool->link[head][0] = b;
}

void pool_unlink(struct pool *pool, u32 b)
{
	u32 previous = pool->link[b][0], next = pool->link[b][1];

	pool->link[previous][1] = next;
	pool->link[next][0] = previous;
}

void pool_enqueue(struct pool *pool, u8 which, u32 b)
{
	pool_append(pool, which, b);
	pool_set_queue(pool, b, which);
	pool->length[which]++;
}

void pool_dequeue(struct pool *pool, u32 b)
{
	pool->length[pool_queue_of(pool, b)]--;
	pool_unlink(pool, b);
}

/* To the back of a queue, which may be its own. */
void pool_requeue(struct pool *pool, u8 which, u32 b)
{
	pool_dequeue(pool, b);
	pool_enqueue(pool, which, b);
}

u32 pool_first_to_go(const struct pool *pool, u32 which, bool newest)
{
	u32 b = pool_head(pool, which);
	unsigned int looks;

	for (looks = 0; looks < BUSY_LOOKS; looks++) {
		b = pool->link[b][newest ? 0 : 1];
		if (pool_is_end(pool, b))
			break;
		if (pool_may_go(pool, b))
			return b;
	}
	return POOL_NONE;
}

u32 pool_coldest(struct pool *pool, u8 which, u8 up, u32 *looks)
{
	u32 b;

	for (; *looks; --*looks) {
		b = pool_first_to_go(pool, which, false);
		if (b == POOL_NONE || !pool->ops->settle(pool, b))
			return b;
		pool_requeue(pool, up, b);
	}
	return POOL_NONE;
}

/* A bio may have looked before a block came in, and be told to us after. */
static bool is_resident(const struct pool *pool, oblock_t oblock)
{
	cblock_t cblock;

	return pool->map->lookup(pool->map, oblock, &cblock);
}

/*----- misses -----*/

static enum dmc_advice advise(struct pool *pool, oblock_t oblock, enum dmc_dir dir, u32 sectors,
			      bool cheap, u32 nr_free)
{
	bool room = nr_free > pool->nr_waiting;
	u16 i = candidate_find(pool, oblock);
	u32 tag = 0;

	lockdep_assert_held(&pool->lock);

	if (i == NO_CANDIDATE) {
		if (is_resident(pool, oblock) ||
		    !pool->ops->admit(pool, oblock, dir, sectors, room, &tag))
			return DMC_LEAVE;
		i = candidate_new(pool, oblock, tag);
		if (i == NO_CANDIDATE)
			return DMC_LEAVE;
		pool->candidates[i].room = room;
	} else if (!pool->candidates[i].busy) {
		if (!cheap || !room)
			return DMC_WORK;
		candidate_unwait(pool, i);
	} else {
		return DMC_LEAVE;
	}

	if (cheap && room)
		return DMC_PROMOTE;
	candidate_wait(pool, i);
	return DMC_WORK;
}

enum dmc_advice pool_miss(struct dmc_policy *p, oblock_t oblock, enum dmc_dir dir, u64 sector,
			  u32 sectors, bool cheap, u32 nr_free)
{
	struct pool *pool = to_pool(p);
	bool (*catch_up)(struct pool *pool) = pool->ops->catch_up;
	enum dmc_advice advice;
	unsigned long flags;
	unsigned int part;

	if (stream_sequential(&pool->streams, oblock, sector, sectors,
			      tunable_get(pool->common, POOL_SEQUENTIAL),
			      tunable_get(pool->common, POOL_RANDOM)))
		return DMC_LEAVE;

	spin_lock_irqsave(&pool->lock, flags);
	for (part = 1; catch_up && catch_up(pool) && part < MISS_PARTS; part++) {
		/* A moment for others. */
		spin_unlock_irqrestore(&pool->lock, flags);
		spin_lock_irqsave(&pool->lock, flags);
	}
	advice = advise(pool, oblock, dir, sectors, cheap, nr_free);
	spin_unlock_irqrestore(&pool->lock, flags);
	return advice;
}

void pool_method_hit(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, enum dmc_dir dir,
		     u32 sectors)
{
	pool_hit(to_pool(p), cblock);
}

/*----- blocks come and go -----*/

/* After each change of a block's state. */
static void note_to_write(struct pool *pool, u32 b)
{
	const u8 mask = POOL_RESIDENT | POOL_BUSY | POOL_PENALTY | POOL_DIRTY;

	if ((pool->state[b] & mask) == (POOL_RESIDENT | POOL_DIRTY))
		bit_tree_set(&pool->to_write, b);
	else
		bit_tree_clear(&pool->to_write, b);
}

static void add(struct pool *pool, u32 b, u32 tag, int why)
{
	/* The core would have lost track of a block. */
	if (WARN_ON_ONCE(pool->state[b] & POOL_RESIDENT))
		return;

	pool->state[b] = (pool->state[b] & (POOL_DIRTY | POOL_BUSY)) | POOL_RESIDENT;
	pool_set_mark(pool, b, 0);
	if (pool->state[b] & POOL_DIRTY)
		pool->nr_dirty++;
	note_to_write(pool, b);
	WRITE_ONCE(pool->nr_resident, pool->nr_resident + 1);
	hint_group_changed(&pool->hints, to_cblock(b));
	pool->ops->insert(pool, b, tag, why);
}

/* @b holds nothing any more.  It stays busy, and so is not named again, until that work is done. */
static void drop(struct pool *pool, u32 b)
{
	u8 state = pool->state[b];

	if (!(state & POOL_RESIDENT))
		return;
	if (state & POOL_PENALTY)
		pool_unlink(pool, b);
	else if (!(state & POOL_LEAVING))
		pool->ops->remove(pool, b);
	if (state & POOL_DIRTY)
		pool->nr_dirty--;
	pool->state[b] &= POOL_BUSY;
	note_to_write(pool, b);
	WRITE_ONCE(pool->nr_resident, pool->nr_resident - 1);
}

/*
 * Blocks @i to @end of @run, of one hint group.  POOL_NONE as a hint is one that we never gave.  True: the
 * hints that come out are those that went in.
 */
static bool load_inserted(struct pool *pool, const struct dmc_run *run, u32 i, u32 end)
{
	bool same = run->hints;

	for (; i < end; i++) {
		u32 b = from_cblock(run->first) + i, tag = run->hints ? run->hints[i] : POOL_NONE;

		if (!dmc_run_maps(run, i))
			continue;
		if (dmc_run_dirty(run, i))
			pool->state[b] |= POOL_DIRTY;
		add(pool, b, tag, POOL_LOADED);
		same = same && pool->ops->hint(pool, b) == tag;
	}
	return same;
}

/* The end of a queue that blocks are being appended to, one after the other. */
struct load_end {
	u32 head, last;
	u32 nr;			/* appended */
	u8 queue, mark, flags;	/* of each */
};

static void load_close(struct pool *pool, struct load_end *end)
{
	pool->link[end->last][1] = end->head;
	pool->link[end->head][0] = end->last;
	pool->length[end->queue] += end->nr;
	WRITE_ONCE(pool->nr_resident, pool->nr_resident + end->nr);
}

static void load_open(struct pool *pool, struct load_end *end, u32 tag)
{
	end->queue = pool->ops->place(tag, &end->mark);
	end->flags = POOL_RESIDENT | end->queue << POOL_QUEUE_SHIFT;
	end->head = pool_head(pool, end->queue);
	end->last = pool->link[end->head][0];
	end->nr = 0;
}

/* The same by place().  Each instruction counts; neighbours have the same hint as a rule. */
static bool load_placed(struct pool *pool, const struct dmc_run *run, u32 i, u32 end)
{
	u32 (*const link)[2] = pool->link;
	u8 *const state = pool->state, *const marks = pool->mark;
	struct load_end at = { 0 };
	bool same = run->hints;
	u64 was = U64_MAX;
	u32 nr_dirty = 0;

	for (; i < end; i++) {
		u32 b = from_cblock(run->first) + i, tag = run->hints ? run->hints[i] : POOL_NONE;
		bool dirty = dmc_run_dirty(run, i), fresh = tag != was;

		/* Else the core would have lost track of a block. */
		if (!dmc_run_maps(run, i) || WARN_ON_ONCE(state[b] & POOL_RESIDENT))
			continue;
		if (unlikely(fresh)) {
			if (was != U64_MAX)
				load_close(pool, &at);
			load_open(pool, &at, tag);
			was = tag;
		}
		state[b] = at.flags | (dirty ? POOL_DIRTY : 0);
		marks[b] = at.mark;
		link[b][0] = at.last;
		link[at.last][1] = b;
		at.last = b;
		at.nr++;
		nr_dirty += dirty;
		if (dirty)
			bit_tree_set(&pool->to_write, b);
		if (unlikely(fresh))
			same = same && pool->ops->hint(pool, b) == tag;
	}
	if (was != U64_MAX)
		load_close(pool, &at);
	pool->nr_dirty += nr_dirty;
	return same;
}

/* While its hints are as stored, the group need not be written again. */
static void load_group(struct pool *pool, const struct dmc_run *run, u32 i, u32 end)
{
	const cblock_t first = to_cblock(from_cblock(run->first) + i);
	const bool changed = hint_groups_changed(&pool->hints, first, 1);
	const u32 resident = pool->nr_resident;
	bool same;

	same = (pool->ops->place ? load_placed : load_inserted)(pool, run, i, end);
	if (pool->nr_resident == resident)
		return;
	if (same && !changed)
		hint_group_same(&pool->hints, first);
	else
		hint_group_changed(&pool->hints, first);
}

int pool_load_run(struct dmc_policy *p, const struct dmc_run *run)
{
	struct pool *pool = to_pool(p);
	unsigned long flags;
	u32 i, end;

	spin_lock_irqsave(&pool->lock, flags);
	for (i = 0; i < run->nr; i = end) {
		u32 b = from_cblock(run->first) + i;

		end = min_t(u64, (u64)i + HINT_GROUP - b % HINT_GROUP, run->nr);
		load_group(pool, run, i, end);
	}
	if (pool->ops->loaded)
		pool->ops->loaded(pool, from_cblock(run->first), run->nr);
	spin_unlock_irqrestore(&pool->lock, flags);
	return 0;
}

int pool_load_mapping(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, bool dirty, u32 hint,
		      bool hint_valid)
{
	unsigned long bit = dirty;
	struct dmc_run run = dmc_run_of_one(cblock, &oblock, &bit, &hint, hint_valid);

	return pool_load_run(p, &run);
}

void pool_invalidate(struct dmc_policy *p, cblock_t cblock)
{
	struct pool *pool = to_pool(p);
	unsigned long flags;

	spin_lock_irqsave(&pool->lock, flags);
	drop(pool, from_cblock(cblock));
	spin_unlock_irqrestore(&pool->lock, flags);
}

static void change_dirty(struct pool *pool, u32 b, u8 dirty)
{
	unsigned long flags;

	spin_lock_irqsave(&pool->lock, flags);
	if ((pool->state[b] & POOL_DIRTY) != dirty) {
		pool->state[b] ^= POOL_DIRTY;
		/* Said before the promotion is: add() counts it. */
		if (pool->state[b] & POOL_RESIDENT)
			pool->nr_dirty += dirty ? 1 : -1;
		note_to_write(pool, b);
	}
	spin_unlock_irqrestore(&pool->lock, flags);
}

void pool_set_dirty(struct dmc_policy *p, cblock_t cblock)
{
	change_dirty(to_pool(p), from_cblock(cblock), POOL_DIRTY);
}

void pool_clear_dirty(struct dmc_policy *p, cblock_t cblock)
{
	change_dirty(to_pool(p), from_cblock(cblock), 0);
}

/*----- work -----*/

static void name_block(struct pool *pool, u32 b, enum dmc_op op, struct dmc_work *work)
{
	pool->state[b] |= POOL_BUSY;
	note_to_write(pool, b);
	work->op = op;
	work->oblock = pool_oblock(pool, b);
	work->cblock = to_cblock(b);
}

static int promote(struct pool *pool, struct dmc_work *work)
{
	u16 i = pool->candidates[0].next;
	unsigned int drops = 0;

	/* In already, though its miss was heard of before that could be seen. */
	while (is_resident(pool, to_oblock(pool->candidates[i].oblock))) {
		candidate_free(pool, i);
		if (!pool->nr_waiting)
			return -ENODATA;
		if (++drops == DROPS)
			return -EAGAIN;
		i = pool->candidates[0].next;
	}
	candidate_unwait(pool, i);
	work->op = DMC_OP_PROMOTE;
	work->oblock = to_oblock(pool->candidates[i].oblock);
	work->cblock = to_cblock(0);
	return 0;
}

static int demote(struct pool *pool, struct dmc_work *work)
{
	unsigned int drops = 0;
	u32 b;

	/* Those that came while there was room, and find it gone, have to come again. */
	while (pool->nr_waiting && pool->candidates[pool->candidates[0].next].room) {
		candidate_free(pool, pool->candidates[0].next);
		if (++drops == DROPS)
			return -EAGAIN;
	}
	if (pool->nr_leaving >= min_t(u32, pool->nr_waiting, LEAVING_MAX))
		return -ENODATA;
	b = pool->ops->victim(pool);
	if (b == POOL_AGAIN)
		return -EAGAIN;
	if (b == POOL_NONE)
		return -ENODATA;
	pool->ops->remove(pool, b);
	pool->state[b] |= POOL_LEAVING;
	pool->nr_leaving++;
	name_block(pool, b, DMC_OP_DEMOTE, work);
	return 0;
}

/*
 * The next dirty block from the hand on; one that was hit of late, and may soon be dirty again, only if
 * there is no other close behind it.  But whoever is passed over has its turn in a later round, or
 * it would never come while others get dirty again and again.
 */
static u32 next_to_write(const struct pool *pool)
{
	u32 first = bit_tree_next(&pool->to_write, pool->writeback_hand), b = first;
	unsigned int looks;

	if (pool->writeback_rounds % WRITEBACK_FAIR == WRITEBACK_FAIR - 1)
		return first;
	for (looks = 0; looks < WRITEBACK_LOOKS && b != BIT_TREE_NONE; looks++) {
		if (!(pool_mark(pool, b) & pool->count_mask))
			return b;
		b = bit_tree_next(&pool->to_write, b + 1);
	}
	return first;
}

static int writeback(struct pool *pool, struct dmc_work *work)
{
	u32 b = next_to_write(pool);

	if (b == BIT_TREE_NONE) {
		pool->writeback_hand = 0;
		pool->writeback_rounds++;
		b = next_to_write(pool);
	}
	if (b == BIT_TREE_NONE)
		return -ENODATA;
	pool->writeback_hand = b + 1;
	name_block(pool, b, DMC_OP_WRITEBACK, work);
	return 0;
}

static int next_work_locked(struct pool *pool, bool idle, u32 nr_free, struct dmc_work *work)
{
	bool pressed = pool->nr_dirty > pool->dirty_limit;
	int err = -ENODATA;

	lockdep_assert_held(&pool->lock);

	if (pool->failures >= FAILURES_MAX)
		return -ENODATA;

	/* Under pressure every other piece of work is a writeback, else it would never end. */
	if (pressed && pool->writeback_turn)
		err = writeback(pool, work);
	pool->writeback_turn = err == -ENODATA;
	if (!err)
		return 0;

	if (nr_free && pool->nr_waiting) {
		err = promote(pool, work);
		if (err != -EAGAIN)
			return err;
	} else if (!nr_free) {
		err = demote(pool, work);
	}
	if (err == -EAGAIN) {
		pool->writeback_turn = false;
		return err;
	}
	if (err && (idle || pressed))
		err = writeback(pool, work);
	return err;
}

int pool_next_work(struct dmc_policy *p, bool idle, u32 nr_free, struct dmc_work *work)
{
	struct pool *pool = to_pool(p);
	unsigned int parts = VICTIM_PARTS;
	unsigned long flags;
	int err;

	do {
		spin_lock_irqsave(&pool->lock, flags);
		pool->insist = !--parts;
		err = next_work_locked(pool, idle, nr_free, work);
		spin_unlock_irqrestore(&pool->lock, flags);
	} while (err == -EAGAIN && parts);
	return err == -EAGAIN ? -ENODATA : err;
}

static void promoted(struct pool *pool, const struct dmc_work *work, bool success)
{
	u16 i = candidate_find(pool, work->oblock);
	u32 tag = 0;

	if (i != NO_CANDIDATE) {
		tag = pool->candidates[i].tag;
		candidate_free(pool, i);
	}
	if (success)
		add(pool, from_cblock(work->cblock), tag, POOL_NEW);
}

static void enter_penalty(struct pool *pool, u32 b)
{
	pool->state[b] |= POOL_PENALTY;
	note_to_write(pool, b);
	pool_append(pool, penalty_head(pool, pool->penalty_now), b);
}

/* Of an eviction or a writeback. */
static void settle(struct pool *pool, const struct dmc_work *work, bool success)
{
	u32 b = from_cblock(work->cblock);
	bool leaving = pool->state[b] & POOL_LEAVING;

	if (work->op == DMC_OP_DEMOTE && pool->nr_leaving)
		pool->nr_leaving--;

	pool->state[b] &= ~POOL_BUSY;
	note_to_write(pool, b);
	/* Invalidated, and perhaps used again, while the work was going on. */
	if (!(pool->state[b] & POOL_RESIDENT) || (work->op == DMC_OP_DEMOTE && !leaving))
		return;

	if (success && work->op == DMC_OP_DEMOTE) {
		if (pool->ops->evicted)
			pool->ops->evicted(pool, b, work->oblock);
		drop(pool, b);
		return;
	}
	pool->state[b] &= ~POOL_LEAVING;
	if (!success) {
		if (!leaving)
			pool->ops->remove(pool, b);
		enter_penalty(pool, b);
	}
}

void pool_work_done(struct dmc_policy *p, const struct dmc_work *work, bool success)
{
	struct pool *pool = to_pool(p);
	unsigned long flags;

	spin_lock_irqsave(&pool->lock, flags);
	if (!success)
		pool->failures++;
	if (work->op == DMC_OP_PROMOTE)
		promoted(pool, work, success);
	else
		settle(pool, work, success);
	spin_unlock_irqrestore(&pool->lock, flags);
}

/*----- time -----*/

/* Lets some out of the list that takes no new ones.  True: there may be more. */
static bool end_penalties(struct pool *pool)
{
	u8 other = !pool->penalty_now;
	unsigned int n;
	u32 b;

	for (n = 0; n < RELEASES; n++) {
		b = pool_oldest(pool, penalty_head(pool, other));
		if (pool_is_end(pool, b))
			return false;
		pool_unlink(pool, b);
		pool->state[b] &= ~POOL_PENALTY;
		note_to_write(pool, b);
		pool->ops->insert(pool, b, 0, POOL_BACK);
	}
	return true;
}

/* When that is empty the two lists change places. */
static void turn_penalties(struct pool *pool)
{
	u8 other = !pool->penalty_now;

	if (++pool->penalty_ticks >= PENALTY_TICKS &&
	    pool_is_end(pool, pool_oldest(pool, penalty_head(pool, other)))) {
		pool->penalty_now = other;
		pool->penalty_ticks = 0;
	}
}

void pool_tick(struct dmc_policy *p)
{
	struct pool *pool = to_pool(p);
	unsigned long flags;
	unsigned int part;
	bool more = true;

	for (part = 0; part < RELEASE_PARTS && more; part++) {
		spin_lock_irqsave(&pool->lock, flags);
		more = end_penalties(pool);
		spin_unlock_irqrestore(&pool->lock, flags);
	}
	more = true;
	for (part = 0; part < TICK_PARTS && more; part++) {
		spin_lock_irqsave(&pool->lock, flags);
		if (!part) {
			pool->failures = 0;
			turn_penalties(pool);
		}
		more = pool->ops->tick && pool->ops->tick(pool, part);
		spin_unlock_irqrestore(&pool->lock, flags);
	}
}

/*----- hints -----*/

/* Nothing else is running, so the lock may be held for long. */
void pool_get_hints(struct dmc_policy *p, cblock_t first, u32 nr, u32 *out)
{
	struct pool *pool = to_pool(p);
	u32 b = from_cblock(first), i;
	unsigned long flags;

	spin_lock_irqsave(&pool->lock, flags);
	for (i = 0; i < nr; i++)
		out[i] = pool->state[b + i] & POOL_RESIDENT ? pool->ops->hint(pool, b + i) : 0;
	spin_unlock_irqrestore(&pool->lock, flags);
}

bool pool_hints_changed(struct dmc_policy *p, cblock_t first, u32 nr)
{
	return hint_groups_changed(&to_pool(p)->hints, first, nr);
}

void pool_hints_saved(struct dmc_policy *p)
{
	hint_groups_saved(&to_pool(p)->hints);
}

u32 pool_residency(struct dmc_policy *p)
{
	return READ_ONCE(to_pool(p)->nr_resident);
}

/*----- tunables -----*/

static u64 ghost_bytes(const struct pool *pool)
{
	return pool->ops->sketch_period ? sketch_bytes(&pool->sketch) : history_bytes(&pool->ghosts);
}

/* All that was remembered is forgotten, unless the table is as large as that already. */
static int set_ghost_bytes(struct pool *pool, u32 bytes)
{
	struct history ghosts = { 0 };
	struct sketch sketch = { 0 };
	unsigned long flags;
	int err;

	if (bytes == ghost_bytes(pool))
		return 0;
	err = pool->ops->sketch_period ? sketch_init_bytes(&sketch, bytes, pool->sketch.period) :
					 history_init(&ghosts, bytes / sizeof(*ghosts.slots));
	if (err)
		return err;

	spin_lock_irqsave(&pool->lock, flags);
	swap(pool->ghosts, ghosts);
	swap(pool->sketch, sketch);
	spin_unlock_irqrestore(&pool->lock, flags);
	history_exit(&ghosts);
	sketch_exit(&sketch);
	return 0;
}

static bool is_common(const char *key)
{
	unsigned int i;

	for (i = 0; i < POOL_COMMON; i++)
		if (!strcmp(key, common_tunables[i].key))
			return true;
	return false;
}

int pool_set_config(struct dmc_policy *p, const char *key, const char *value)
{
	static const struct tunable bytes = { "ghost_bytes", 0, POOL_GHOST_BYTES_MAX };
	struct pool *pool = to_pool(p);
	const char *who = p->type->name;
	u32 wanted;
	int err;

	if (is_common(key))
		return tunable_set(who, common_tunables, POOL_COMMON, pool->common, key, value);
	if (strcmp(key, bytes.key))
		return tunable_set(who, pool->ops->tunables, pool->ops->nr_tunables, pool->tunables,
				   key, value);
	err = tunable_set(who, &bytes, 1, &wanted, key, value);
	return err ? err : set_ghost_bytes(pool, wanted);
}

int pool_emit_config(struct dmc_policy *p, char *buf, size_t len)
{
	struct pool *pool = to_pool(p);
	const struct pool_ops *ops = pool->ops;
	int n;

	n = scnprintf(buf, len, "%u", 2 * (ops->nr_tunables + POOL_COMMON + 1));
	n += tunable_emit_pairs(ops->tunables, ops->nr_tunables, pool->tunables, buf + n, len - n);
	n += tunable_emit_pairs(common_tunables, POOL_COMMON, pool->common, buf + n, len - n);
	n += scnprintf(buf + n, len - n, " ghost_bytes %llu", ghost_bytes(pool));
	return n;
}
