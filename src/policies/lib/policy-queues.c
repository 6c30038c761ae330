// SPDX-License-Identifier: GPL-2.0-only
/*
 * policy-queues.c - candidates, evictions, dirty blocks and failures of the simple policies; see
 * policy-queues.h for what, where on the bio's path, and the callers.
 *
 * Locks: pq->lock only.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "policy-queues.h"
#include "tunables.h"

#define CANDIDATES	512	/* blocks that wait for a promotion, or are being promoted */
#define LEAVING_MAX	4	/* evictions ahead of the promotions that asked for them */
#define BUSY_LOOKS	128	/* more blocks than are ever busy at a time */
#define MISS_PARTS	8	/* how often catch_up() is called before a miss */
#define VICTIM_PARTS	16	/* parts of a search for a victim, at most */
#define TICK_PARTS	1024
#define RELEASES	32	/* blocks let out of penalty, under the lock at a time */
#define RELEASE_PARTS	8	/* how often a tick takes the lock for that */
#define DROPS		32	/* candidates thrown out in one call */

/*----- memory -----*/

/* The two lists of the penalty come behind the policy's own. */
static void heads_init(struct policy_queues *pq)
{
	u32 i;

	for (i = pq->nr; i < pq->nr + pq->nr_heads + 2; i++)
		pq->link[i][0] = pq->link[i][1] = i;
	penalty_init(&pq->penalty, pq->nr_heads);
}

static int tables_init(struct policy_queues *pq)
{
	const u32 nr = pq->nr;

	if (hint_groups_init(&pq->hints, nr))
		return -ENOMEM;
	pq->mark = dmc_zalloc_table(nr, sizeof(*pq->mark));
	pq->link = dmc_zalloc_table((size_t)nr + pq->nr_heads + 2, sizeof(*pq->link));
	pq->state = dmc_zalloc_table(nr, sizeof(*pq->state));
	if (!pq->mark || !pq->link || !pq->state)
		return -ENOMEM;
	if (candidates_init(&pq->wanted, CANDIDATES))
		return -ENOMEM;
	if (bit_tree_init(&pq->to_write, nr))
		return -ENOMEM;
	if (pq->ops->ghosts_per_block &&
	    ghost_table_init(&pq->ghosts, pq->ops->ghosts_per_block * nr))
		return -ENOMEM;
	if (pq->ops->sketch_period && sketch_init(&pq->sketch, nr, pq->ops->sketch_period))
		return -ENOMEM;
	heads_init(pq);
	return 0;
}

struct dmc_policy *dmc_pq_create(const struct dmc_policy_type *type, const struct pq_ops *ops,
				 const struct dmc_mappings *map, u32 nr, u64 block_sectors)
{
	struct policy_queues *pq = kzalloc(ops->size, GFP_KERNEL);
	int err;

	if (!pq)
		return ERR_PTR(-ENOMEM);
	pq->policy.type = type;
	pq->ops = ops;
	pq->map = map;
	pq->nr = nr;
	pq->nr_heads = ops->nr_heads;
	pq->mark_max = ops->mark_max ? ops->mark_max : U8_MAX;
	pq->count_mask = U8_MAX;
	pq->dirty_limit = nr - nr / 16;
	spin_lock_init(&pq->lock);
	dmc_tunable_defaults(pq_common_tunables, PQ_COMMON, pq->common);
	dmc_tunable_defaults(ops->tunables, ops->nr_tunables, pq->tunables);

	err = tables_init(pq);
	if (!err && ops->init)
		err = ops->init(pq, block_sectors);
	if (err) {
		dmc_pq_destroy(&pq->policy);
		return ERR_PTR(err);
	}
	return &pq->policy;
}
EXPORT_SYMBOL_GPL(dmc_pq_create);

/* Copes with any part of dmc_pq_create(). */
void dmc_pq_destroy(struct dmc_policy *p)
{
	struct policy_queues *pq = to_pq(p);

	if (pq->ops->exit)
		pq->ops->exit(pq);
	sketch_exit(&pq->sketch);
	ghost_table_exit(&pq->ghosts);
	candidates_exit(&pq->wanted);
	bit_tree_exit(&pq->to_write);
	vfree(pq->state);
	vfree(pq->link);
	vfree(pq->mark);
	hint_groups_exit(&pq->hints);
	kfree(pq);
}
EXPORT_SYMBOL_GPL(dmc_pq_destroy);

/*----- lists -----*/

void dmc_pq_append(struct policy_queues *pq, u32 which, u32 b)
{
	u32 head = pq_head(pq, which), last = pq->link[head][0];

	hint_group_changed(&pq->hints, to_cblock(b));
	pq->link[b][0] = last;
	pq->link[b][1] = head;
	pq->link[last][1] = b;
	pq->link[head][0] = b;
}
EXPORT_SYMBOL_GPL(dmc_pq_append);

void dmc_pq_unlink(struct policy_queues *pq, u32 b)
{
	u32 previous = pq->link[b][0], next = pq->link[b][1];

	pq->link[previous][1] = next;
	pq->link[next][0] = previous;
}
EXPORT_SYMBOL_GPL(dmc_pq_unlink);

void dmc_pq_enqueue(struct policy_queues *pq, u8 which, u32 b)
{
	dmc_pq_append(pq, which, b);
	pq_set_queue(pq, b, which);
	pq->length[which]++;
}
EXPORT_SYMBOL_GPL(dmc_pq_enqueue);

void dmc_pq_dequeue(struct policy_queues *pq, u32 b)
{
	pq->length[pq_queue_of(pq, b)]--;
	dmc_pq_unlink(pq, b);
}
EXPORT_SYMBOL_GPL(dmc_pq_dequeue);

/* To the back of a queue, which may be its own. */
void dmc_pq_requeue(struct policy_queues *pq, u8 which, u32 b)
{
	dmc_pq_dequeue(pq, b);
	dmc_pq_enqueue(pq, which, b);
}
EXPORT_SYMBOL_GPL(dmc_pq_requeue);

u32 dmc_pq_first_to_go(const struct policy_queues *pq, u32 which, bool newest)
{
	u32 b = pq_head(pq, which);
	unsigned int looks;

	for (looks = 0; looks < BUSY_LOOKS; looks++) {
		b = pq->link[b][newest ? 0 : 1];
		if (pq_is_end(pq, b))
			break;
		if (pq_may_go(pq, b))
			return b;
	}
	return PQ_NONE;
}
EXPORT_SYMBOL_GPL(dmc_pq_first_to_go);

u32 dmc_pq_coldest(struct policy_queues *pq, u8 which, u8 up, u32 *looks)
{
	u32 b;

	for (; *looks; --*looks) {
		b = dmc_pq_first_to_go(pq, which, false);
		if (b == PQ_NONE || !pq->ops->settle(pq, b))
			return b;
		dmc_pq_requeue(pq, up, b);
	}
	return PQ_NONE;
}
EXPORT_SYMBOL_GPL(dmc_pq_coldest);

/* A bio may have looked before a block came in, and be told to us after. */
static bool is_resident(const struct policy_queues *pq, oblock_t oblock)
{
	cblock_t cblock;

	return pq->map->lookup(pq->map, oblock, &cblock);
}

/*----- misses -----*/

/* After fewer of them wait. */
static void fewer_waiting(struct policy_queues *pq)
{
	pq->nr_paid = min(pq->nr_paid, pq->wanted.nr_waiting);
}

static void stop_waiting(struct policy_queues *pq, u32 i)
{
	candidate_move(&pq->wanted, i, CANDIDATE_BUSY);
	fewer_waiting(pq);
}

static void drop_oldest(struct policy_queues *pq)
{
	candidate_free(&pq->wanted, candidate_oldest(&pq->wanted, CANDIDATE_WAITING));
	fewer_waiting(pq);
}

/* A busy one; if need be the oldest that waits gives way.  QUEUE_NIL: all are busy. */
static u32 new_candidate(struct policy_queues *pq, oblock_t oblock, u32 tag)
{
	u32 i = candidate_new(&pq->wanted, oblock, tag);

	if (i != QUEUE_NIL || !pq->wanted.nr_waiting)
		return i;
	drop_oldest(pq);
	return candidate_new(&pq->wanted, oblock, tag);
}

static enum dmc_advice pq_advise(struct policy_queues *pq, oblock_t oblock, enum dmc_dir dir,
				 u32 sectors, bool cheap, u32 nr_free)
{
	/* Candidates come first; but what is cheap leaves them only what was freed for them. */
	bool room = nr_free > (cheap ? pq->nr_paid : pq->wanted.nr_waiting);
	u32 i = candidate_find(&pq->wanted, oblock);
	u32 tag = 0;

	lockdep_assert_held(&pq->lock);

	if (i == QUEUE_NIL) {
		if (is_resident(pq, oblock) ||
		    !pq->ops->admit(pq, oblock, dir, sectors, room, &tag))
			return DMC_LEAVE;
		i = new_candidate(pq, oblock, tag);
		if (i == QUEUE_NIL)
			return DMC_LEAVE;
		candidate(&pq->wanted, i)->room = room;
	} else if (candidate_state(&pq->wanted, i) == CANDIDATE_WAITING) {
		if (!cheap || !room)
			return DMC_WORK;
		stop_waiting(pq, i);
	} else {
		return DMC_LEAVE;
	}

	if (cheap && room)
		return DMC_PROMOTE;
	candidate_move(&pq->wanted, i, CANDIDATE_WAITING);
	return DMC_WORK;
}

enum dmc_advice dmc_pq_miss(struct dmc_policy *p, oblock_t oblock, enum dmc_dir dir, u64 sector,
			    u32 sectors, bool cheap, u32 nr_free)
{
	struct policy_queues *pq = to_pq(p);
	bool (*catch_up)(struct policy_queues *pq) = pq->ops->catch_up;
	enum dmc_advice advice;
	unsigned long flags;
	unsigned int part;

	if (stream_sequential(&pq->streams, oblock, sector, sectors,
			      tunable_get(pq->common, PQ_SEQUENTIAL),
			      tunable_get(pq->common, PQ_RANDOM)))
		return DMC_LEAVE;

	spin_lock_irqsave(&pq->lock, flags);
	for (part = 1; catch_up && catch_up(pq) && part < MISS_PARTS; part++) {
		/* A moment for others. */
		spin_unlock_irqrestore(&pq->lock, flags);
		spin_lock_irqsave(&pq->lock, flags);
	}
	advice = pq_advise(pq, oblock, dir, sectors, cheap, nr_free);
	spin_unlock_irqrestore(&pq->lock, flags);
	return advice;
}
EXPORT_SYMBOL_GPL(dmc_pq_miss);

void dmc_pq_hit(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, enum dmc_dir dir,
		u32 sectors)
{
	pq_hit(to_pq(p), cblock);
}
EXPORT_SYMBOL_GPL(dmc_pq_hit);

/*----- blocks come and go -----*/

/* After each change of a block's state. */
static void note_to_write(struct policy_queues *pq, u32 b)
{
	const u8 mask = PQ_RESIDENT | PQ_BUSY | PQ_PENALTY | PQ_DIRTY;

	if ((pq->state[b] & mask) == (PQ_RESIDENT | PQ_DIRTY))
		bit_tree_set(&pq->to_write, b);
	else
		bit_tree_clear(&pq->to_write, b);
}

static void pq_add(struct policy_queues *pq, u32 b, u32 tag, int why)
{
	/* The core would have lost track of a block. */
	if (WARN_ON_ONCE(pq->state[b] & PQ_RESIDENT))
		return;

	pq->state[b] = (pq->state[b] & (PQ_DIRTY | PQ_BUSY)) | PQ_RESIDENT;
	pq_set_mark(pq, b, 0);
	if (pq->state[b] & PQ_DIRTY)
		pq->nr_dirty++;
	note_to_write(pq, b);
	WRITE_ONCE(pq->nr_resident, pq->nr_resident + 1);
	hint_group_changed(&pq->hints, to_cblock(b));
	pq->ops->insert(pq, b, tag, why);
}

/* @b holds nothing any more.  It stays busy, and so is not named again, until that work is done. */
static void pq_drop(struct policy_queues *pq, u32 b)
{
	u8 state = pq->state[b];

	if (!(state & PQ_RESIDENT))
		return;
	if (state & PQ_PENALTY)
		dmc_pq_unlink(pq, b);
	else if (!(state & PQ_LEAVING))
		pq->ops->remove(pq, b);
	if (state & PQ_DIRTY)
		pq->nr_dirty--;
	pq->state[b] &= PQ_BUSY;
	note_to_write(pq, b);
	WRITE_ONCE(pq->nr_resident, pq->nr_resident - 1);
}

/*
 * Blocks @i to @end of @run, of one hint group.  PQ_NONE as a hint is one that we never gave.
 * True: the hints that come out are those that went in.
 */
static bool load_inserted(struct policy_queues *pq, const struct dmc_run *run, u32 i, u32 end)
{
	bool same = run->hints;

	for (; i < end; i++) {
		u32 b = from_cblock(run->first) + i, tag = run->hints ? run->hints[i] : PQ_NONE;

		if (!dmc_run_maps(run, i))
			continue;
		if (dmc_run_dirty(run, i))
			pq->state[b] |= PQ_DIRTY;
		pq_add(pq, b, tag, PQ_LOADED);
		same = same && pq->ops->hint(pq, b) == tag;
	}
	return same;
}

/* The end of a queue that blocks are being appended to, one after the other. */
struct load_end {
	u32 head, last;
	u32 nr;			/* appended */
	u8 queue, mark, flags;	/* of each */
};

static void pq_load_close(struct policy_queues *pq, struct load_end *end)
{
	pq->link[end->last][1] = end->head;
	pq->link[end->head][0] = end->last;
	pq->length[end->queue] += end->nr;
	WRITE_ONCE(pq->nr_resident, pq->nr_resident + end->nr);
}

static void pq_load_open(struct policy_queues *pq, struct load_end *end, u32 tag)
{
	end->queue = pq->ops->place(tag, &end->mark);
	end->flags = PQ_RESIDENT | end->queue << PQ_QUEUE_SHIFT;
	end->head = pq_head(pq, end->queue);
	end->last = pq->link[end->head][0];
	end->nr = 0;
}

/* The same by place().  Each instruction counts; neighbours have the same hint as a rule. */
static bool load_placed(struct policy_queues *pq, const struct dmc_run *run, u32 i, u32 end)
{
	u32 (*const link)[2] = pq->link;
	u8 *const state = pq->state, *const marks = pq->mark;
	struct load_end at = { 0 };
	bool same = run->hints;
	u64 was = U64_MAX;
	u32 nr_dirty = 0;

	for (; i < end; i++) {
		u32 b = from_cblock(run->first) + i, tag = run->hints ? run->hints[i] : PQ_NONE;
		bool dirty = dmc_run_dirty(run, i), fresh = tag != was;

		/* Else the core would have lost track of a block. */
		if (!dmc_run_maps(run, i) || WARN_ON_ONCE(state[b] & PQ_RESIDENT))
			continue;
		if (unlikely(fresh)) {
			if (was != U64_MAX)
				pq_load_close(pq, &at);
			pq_load_open(pq, &at, tag);
			was = tag;
		}
		state[b] = at.flags | (dirty ? PQ_DIRTY : 0);
		marks[b] = at.mark;
		link[b][0] = at.last;
		link[at.last][1] = b;
		at.last = b;
		at.nr++;
		nr_dirty += dirty;
		if (dirty)
			bit_tree_set(&pq->to_write, b);
		if (unlikely(fresh))
			same = same && pq->ops->hint(pq, b) == tag;
	}
	if (was != U64_MAX)
		pq_load_close(pq, &at);
	pq->nr_dirty += nr_dirty;
	return same;
}

/* While its hints are as stored, the group need not be written again. */
static void load_group(struct policy_queues *pq, const struct dmc_run *run, u32 i, u32 end)
{
	const cblock_t first = to_cblock(from_cblock(run->first) + i);
	const bool changed = hint_groups_changed(&pq->hints, first, 1);
	const u32 resident = pq->nr_resident;
	bool same;

	same = (pq->ops->place ? load_placed : load_inserted)(pq, run, i, end);
	if (pq->nr_resident == resident)
		return;
	if (same && !changed)
		hint_group_same(&pq->hints, first);
	else
		hint_group_changed(&pq->hints, first);
}

int dmc_pq_load_run(struct dmc_policy *p, const struct dmc_run *run)
{
	struct policy_queues *pq = to_pq(p);
	unsigned long flags;
	u32 i, end;

	spin_lock_irqsave(&pq->lock, flags);
	for (i = 0; i < run->nr; i = end) {
		u32 b = from_cblock(run->first) + i;

		end = min_t(u64, (u64)i + HINT_GROUP - b % HINT_GROUP, run->nr);
		load_group(pq, run, i, end);
	}
	if (pq->ops->loaded)
		pq->ops->loaded(pq, from_cblock(run->first), run->nr);
	spin_unlock_irqrestore(&pq->lock, flags);
	return 0;
}
EXPORT_SYMBOL_GPL(dmc_pq_load_run);

int dmc_pq_load_mapping(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, bool dirty,
			u32 hint, bool hint_valid)
{
	unsigned long bit = dirty;
	struct dmc_run run = dmc_run_of_one(cblock, &oblock, &bit, &hint, hint_valid);

	return dmc_pq_load_run(p, &run);
}
EXPORT_SYMBOL_GPL(dmc_pq_load_mapping);

void dmc_pq_invalidate(struct dmc_policy *p, cblock_t cblock)
{
	struct policy_queues *pq = to_pq(p);
	unsigned long flags;

	spin_lock_irqsave(&pq->lock, flags);
	pq_drop(pq, from_cblock(cblock));
	spin_unlock_irqrestore(&pq->lock, flags);
}
EXPORT_SYMBOL_GPL(dmc_pq_invalidate);

static void pq_change_dirty(struct policy_queues *pq, u32 b, u8 dirty)
{
	unsigned long flags;

	spin_lock_irqsave(&pq->lock, flags);
	if ((pq->state[b] & PQ_DIRTY) != dirty) {
		pq->state[b] ^= PQ_DIRTY;
		/* Said before the promotion is: pq_add() counts it. */
		if (pq->state[b] & PQ_RESIDENT)
			pq->nr_dirty += dirty ? 1 : -1;
		note_to_write(pq, b);
	}
	spin_unlock_irqrestore(&pq->lock, flags);
}

void dmc_pq_set_dirty(struct dmc_policy *p, cblock_t cblock)
{
	pq_change_dirty(to_pq(p), from_cblock(cblock), PQ_DIRTY);
}
EXPORT_SYMBOL_GPL(dmc_pq_set_dirty);

void dmc_pq_clear_dirty(struct dmc_policy *p, cblock_t cblock)
{
	pq_change_dirty(to_pq(p), from_cblock(cblock), 0);
}
EXPORT_SYMBOL_GPL(dmc_pq_clear_dirty);

/*----- work -----*/

static void name_block(struct policy_queues *pq, u32 b, enum dmc_op op, struct dmc_work *work)
{
	pq->state[b] |= PQ_BUSY;
	note_to_write(pq, b);
	work->op = op;
	work->oblock = pq_oblock(pq, b);
	work->cblock = to_cblock(b);
}

static void evict(struct policy_queues *pq, u32 b, enum dmc_op op, struct dmc_work *work)
{
	pq->ops->remove(pq, b);
	pq->state[b] |= PQ_LEAVING;
	name_block(pq, b, op, work);
}

static int pq_promote(struct policy_queues *pq, struct dmc_work *work)
{
	u32 i = candidate_oldest(&pq->wanted, CANDIDATE_WAITING);
	unsigned int drops = 0;

	/* In already, though its miss was heard of before that could be seen. */
	while (is_resident(pq, candidate(&pq->wanted, i)->oblock)) {
		drop_oldest(pq);
		if (!pq->wanted.nr_waiting)
			return DMC_NO_WORK;
		if (++drops == DROPS)
			return -EAGAIN;
		i = candidate_oldest(&pq->wanted, CANDIDATE_WAITING);
	}
	if (pq->nr_paid)
		pq->nr_paid--;
	stop_waiting(pq, i);
	work->op = DMC_OP_PROMOTE;
	work->oblock = candidate(&pq->wanted, i)->oblock;
	work->cblock = to_cblock(0);
	return 0;
}

/* Is there a candidate that came while there was room, and finds it gone? */
static bool oldest_came_for_room(const struct policy_queues *pq)
{
	u32 i = candidate_oldest(&pq->wanted, CANDIDATE_WAITING);

	return i != QUEUE_NIL && candidate(&pq->wanted, i)->room;
}

static int pq_demote(struct policy_queues *pq, struct dmc_work *work)
{
	unsigned int drops = 0;
	u32 b;

	/* Such a block has to be asked for again. */
	while (oldest_came_for_room(pq)) {
		drop_oldest(pq);
		if (++drops == DROPS)
			return -EAGAIN;
	}
	if (pq->nr_leaving >= min_t(u32, pq->wanted.nr_waiting, LEAVING_MAX))
		return DMC_NO_WORK;
	b = pq->ops->victim(pq);
	if (b == PQ_AGAIN)
		return -EAGAIN;
	if (b == PQ_NONE)
		return DMC_NO_WORK;
	pq->nr_leaving++;
	evict(pq, b, DMC_OP_DEMOTE, work);
	return 0;
}

/*
 * The next to go; or a clean one close behind it, as one that is dirty has to wait for a copy.
 * Those that are passed over are busy meanwhile, so that the next part goes on behind them.
 */
static int make_room_locked(struct policy_queues *pq, struct dmc_work *work)
{
	u32 b;

	lockdep_assert_held(&pq->lock);

	pq->reserved = true;
	if (penalty_pause(&pq->penalty))
		return DMC_NO_WORK;
	b = pq->ops->victim(pq);
	if (b >= PQ_AGAIN)
		return b == PQ_AGAIN ? -EAGAIN : DMC_NO_WORK;
	if (!(pq->state[b] & PQ_DIRTY)) {
		evict(pq, b, DMC_OP_MAKE_ROOM, work);
		return 0;
	}
	if (pq->nr_passed == min_t(u32, PQ_ROOM_LOOKS, pq->nr / 64))
		return DMC_NO_WORK;
	pq->state[b] |= PQ_BUSY;
	pq->passed[pq->nr_passed++] = b;
	return -EAGAIN;
}

static void end_passing(struct policy_queues *pq)
{
	while (pq->nr_passed) {
		u32 b = pq->passed[--pq->nr_passed];

		pq->state[b] &= ~PQ_BUSY;
		note_to_write(pq, b);
	}
}

static int writeback(struct policy_queues *pq, struct dmc_work *work)
{
	u32 b = dmc_pq_next_to_write(pq);

	if (b == BIT_TREE_NONE)
		return DMC_NO_WORK;
	name_block(pq, b, DMC_OP_WRITEBACK, work);
	return 0;
}

static int pq_next_work_locked(struct policy_queues *pq, bool idle, u32 nr_free,
			       struct dmc_work *work)
{
	bool pressed = pq->nr_dirty > pq->dirty_limit;
	int err = DMC_NO_WORK;

	lockdep_assert_held(&pq->lock);

	pq->told_free = nr_free;
	if (penalty_pause(&pq->penalty))
		return DMC_NO_WORK;

	/* Under pressure every other piece of work is a writeback, else it would never end. */
	if (pressed && pq->writeback_turn)
		err = writeback(pq, work);
	pq->writeback_turn = err == DMC_NO_WORK;
	if (!err)
		return 0;

	if (nr_free && pq->wanted.nr_waiting) {
		err = pq_promote(pq, work);
		if (err != -EAGAIN)
			return err;
	} else if (!nr_free) {
		err = pq_demote(pq, work);
	}
	if (err == -EAGAIN) {
		pq->writeback_turn = false;
		return err;
	}
	if (err && (idle || pressed))
		err = writeback(pq, work);
	return err;
}

/*
 * A search may take several parts, so that the lock is held for a short time only.  @room: for
 * make_room(), which has no other arguments.
 */
static int work_in_parts(struct policy_queues *pq, bool room, bool idle, u32 nr_free,
			 struct dmc_work *work)
{
	unsigned int parts = VICTIM_PARTS;
	unsigned long flags;
	int err;

	do {
		spin_lock_irqsave(&pq->lock, flags);
		pq->insist = !--parts;
		err = room ? make_room_locked(pq, work) :
			     pq_next_work_locked(pq, idle, nr_free, work);
		if (err != -EAGAIN || !parts)
			end_passing(pq);
		spin_unlock_irqrestore(&pq->lock, flags);
	} while (err == -EAGAIN && parts);
	return err == -EAGAIN ? DMC_NO_WORK : err;
}

int dmc_pq_make_room(struct dmc_policy *p, struct dmc_work *work)
{
	return work_in_parts(to_pq(p), true, false, 0, work);
}
EXPORT_SYMBOL_GPL(dmc_pq_make_room);

int dmc_pq_next_work(struct dmc_policy *p, bool idle, u32 nr_free, struct dmc_work *work)
{
	return work_in_parts(to_pq(p), false, idle, nr_free, work);
}
EXPORT_SYMBOL_GPL(dmc_pq_next_work);

static void promoted(struct policy_queues *pq, const struct dmc_work *work, bool success)
{
	u32 i = candidate_find(&pq->wanted, work->oblock);
	u32 tag = 0;

	if (i != QUEUE_NIL) {
		tag = candidate(&pq->wanted, i)->tag;
		candidate_free(&pq->wanted, i);
		fewer_waiting(pq);
	}
	if (success)
		pq_add(pq, from_cblock(work->cblock), tag, PQ_NEW);
}

void dmc_pq_allocated(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, bool success)
{
	const struct dmc_work work = { DMC_OP_PROMOTE, oblock, cblock };
	struct policy_queues *pq = to_pq(p);
	unsigned long flags;

	spin_lock_irqsave(&pq->lock, flags);
	/* Said before the block is resident, it is counted with it. */
	if (success)
		pq->state[from_cblock(cblock)] |= PQ_DIRTY;
	promoted(pq, &work, success);
	spin_unlock_irqrestore(&pq->lock, flags);
}
EXPORT_SYMBOL_GPL(dmc_pq_allocated);

static void enter_penalty(struct policy_queues *pq, u32 b)
{
	pq->state[b] |= PQ_PENALTY;
	note_to_write(pq, b);
	dmc_pq_append(pq, pq->penalty.fresh, b);
}

/* Of an eviction or a writeback. */
static void pq_settle_work(struct policy_queues *pq, const struct dmc_work *work, bool success)
{
	const bool evicts = work->op != DMC_OP_WRITEBACK;
	u32 b = from_cblock(work->cblock);
	bool leaving = pq->state[b] & PQ_LEAVING;

	if (work->op == DMC_OP_DEMOTE && pq->nr_leaving) {
		pq->nr_leaving--;
		if (success && pq->nr_paid < pq->wanted.nr_waiting)
			pq->nr_paid++;
	}

	pq->state[b] &= ~PQ_BUSY;
	note_to_write(pq, b);
	/* Invalidated, and perhaps used again, while the work was going on. */
	if (!(pq->state[b] & PQ_RESIDENT) || (evicts && !leaving))
		return;

	if (success && evicts) {
		if (pq->ops->evicted)
			pq->ops->evicted(pq, b, work->oblock);
		pq_drop(pq, b);
		return;
	}
	pq->state[b] &= ~PQ_LEAVING;
	if (!success) {
		if (!leaving)
			pq->ops->remove(pq, b);
		enter_penalty(pq, b);
	}
}

void dmc_pq_work_done(struct dmc_policy *p, const struct dmc_work *work, bool success)
{
	struct policy_queues *pq = to_pq(p);
	unsigned long flags;

	spin_lock_irqsave(&pq->lock, flags);
	if (!success)
		pq->penalty.failures++;
	if (work->op == DMC_OP_PROMOTE)
		promoted(pq, work, success);
	else
		pq_settle_work(pq, work, success);
	spin_unlock_irqrestore(&pq->lock, flags);
}
EXPORT_SYMBOL_GPL(dmc_pq_work_done);

/*----- time -----*/

static bool none_served(const struct policy_queues *pq)
{
	return pq_is_end(pq, pq_oldest(pq, pq->penalty.served));
}

/* Lets some blocks out of penalty.  True: there may be more. */
static bool end_penalties(struct policy_queues *pq)
{
	unsigned int n;
	u32 b;

	for (n = 0; n < RELEASES; n++) {
		if (none_served(pq))
			return false;
		b = pq_oldest(pq, pq->penalty.served);
		dmc_pq_unlink(pq, b);
		pq->state[b] &= ~PQ_PENALTY;
		note_to_write(pq, b);
		pq->ops->insert(pq, b, 0, PQ_BACK);
	}
	return true;
}

void dmc_pq_tick(struct dmc_policy *p)
{
	struct policy_queues *pq = to_pq(p);
	unsigned long flags;
	unsigned int part;
	bool more = true;

	for (part = 0; part < RELEASE_PARTS && more; part++) {
		spin_lock_irqsave(&pq->lock, flags);
		more = end_penalties(pq);
		spin_unlock_irqrestore(&pq->lock, flags);
	}
	more = true;
	for (part = 0; part < TICK_PARTS && more; part++) {
		spin_lock_irqsave(&pq->lock, flags);
		if (!part)
			penalty_tick(&pq->penalty, none_served(pq));
		more = pq->ops->tick && pq->ops->tick(pq, part);
		spin_unlock_irqrestore(&pq->lock, flags);
	}
}
EXPORT_SYMBOL_GPL(dmc_pq_tick);

/*----- hints -----*/

/* Nothing else is running, so the lock may be held for long. */
void dmc_pq_get_hints(struct dmc_policy *p, cblock_t first, u32 nr, u32 *out)
{
	struct policy_queues *pq = to_pq(p);
	u32 b = from_cblock(first), i;
	unsigned long flags;

	spin_lock_irqsave(&pq->lock, flags);
	for (i = 0; i < nr; i++)
		out[i] = pq->state[b + i] & PQ_RESIDENT ? pq->ops->hint(pq, b + i) : 0;
	spin_unlock_irqrestore(&pq->lock, flags);
}
EXPORT_SYMBOL_GPL(dmc_pq_get_hints);

bool dmc_pq_hints_changed(struct dmc_policy *p, cblock_t first, u32 nr)
{
	return hint_groups_changed(&to_pq(p)->hints, first, nr);
}
EXPORT_SYMBOL_GPL(dmc_pq_hints_changed);

void dmc_pq_hints_saved(struct dmc_policy *p)
{
	hint_groups_saved(&to_pq(p)->hints);
}
EXPORT_SYMBOL_GPL(dmc_pq_hints_saved);

u32 dmc_pq_residency(struct dmc_policy *p)
{
	return READ_ONCE(to_pq(p)->nr_resident);
}
EXPORT_SYMBOL_GPL(dmc_pq_residency);
