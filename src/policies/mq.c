// SPDX-License-Identifier: GPL-2.0-only
/*
 * mq.c - the multiqueue policy, after the one posted in 2012.  Also registered as "default".
 *
 * Two multiqueues of 16 levels, level = log2(hits): the cache proper, and a *pre-cache* of as many
 * blocks that are not cached but were asked for.  One hash finds either.  A block is hit at most
 * once a tick, as many small bios of one request would look like many requests.  A candidate for a
 * full cache has as many hits as the coldest cached blocks (the rounded-up mean of 20 of them,
 * taken each generation), and 4 more for a read, 8 more for a write: a block that was read is
 * cheaper to throw out again.  An evicted block starts over in the pre-cache with one hit.
 * Sequential streams are neither counted nor promoted.  A hint is the number of hits.
 *
 * Where this differs from 2012, and why:
 *  - A hit takes no lock and moves nothing; it counts in the entry of its block.  A queue move a
 *    bio was a lock that all CPUs shared.  Queue positions are put right when somebody looks.
 *  - While there are free blocks, a block comes in when it is first touched: nothing has to go
 *    for it, and a cache that waits for four touches stays cold for days.
 *  - A generation is counted in accesses, not in hits, since a cache that the load has moved away
 *    from gets no hits, and would never notice.
 *  - Counts are halved from time to time (resident.h), else last week's hot blocks stay for ever.
 *  - A candidate must also have more hits than the very block that it replaces, and if watching a
 *    sample shows that promotions gain nothing, more is asked of it (trial.h): with uniformly
 *    random load the 2012 policy copies without end.
 *  - More than half the blocks dirty: writeback is offered under load too, in turns with the rest.
 *  - Entries are linked by index: 24 bytes for a cached block and 24 for its share of the
 *    pre-cache, and 4 to 8 for the hash of both, instead of 88.
 *
 * On the bio's path: mq_hit() (no lock) and mq_miss().  The migration engine calls mq_next_work()
 * and mq_work_done(); a worker mq_tick(), once a second.  Locks: the one of struct resident.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "io-tracker.h"
#include "../version.h"
#include "policy-util.h"
#include "resident.h"

#define MQ_LEVELS	16
#define MQ_PRE_MIN	64	/* a tiny cache needs some history too */

enum mq_tunable {
	MQ_SEQUENTIAL_THRESHOLD,
	MQ_RANDOM_THRESHOLD,
	MQ_READ_PROMOTE_ADJUSTMENT,
	MQ_WRITE_PROMOTE_ADJUSTMENT,
	MQ_DISCARD_PROMOTE_ADJUSTMENT,
	MQ_NR_TUNABLES,
};

static const struct tunable mq_tunables[MQ_NR_TUNABLES] = {
	[MQ_SEQUENTIAL_THRESHOLD] = { "sequential_threshold", 512, INT_MAX },
	[MQ_RANDOM_THRESHOLD] = { "random_threshold", 4, INT_MAX },
	[MQ_READ_PROMOTE_ADJUSTMENT] = { "read_promote_adjustment", 4, INT_MAX },
	[MQ_WRITE_PROMOTE_ADJUSTMENT] = { "write_promote_adjustment", 8, INT_MAX },
	[MQ_DISCARD_PROMOTE_ADJUSTMENT] = { "discard_promote_adjustment", 1, INT_MAX },
};

struct mq {
	struct dmc_policy policy;
	u32 tunables[MQ_NR_TUNABLES];
	struct resident cache;

	/* Under cache.lock. */
	struct levels pre;
	struct io_tracker tracker;
};

static struct mq *to_mq(struct dmc_policy *p)
{
	return container_of(p, struct mq, policy);
}

/*----- the pre-cache -----*/

/* @i, on no list, goes to the back of the level of its hits. */
static void pre_queue_locked(struct mq *mq, u32 i)
{
	struct entries *t = &mq->cache.t;
	u16 hits = resident_hits_locked(&mq->cache, i);

	entry_set_state(&t->e[i], ENTRY_QUEUED);
	el_append(t, mq->pre.head[levels_of(&mq->pre, hits)], i);
}

static void mq_retire(struct resident *r, u32 i)
{
	pre_queue_locked(container_of(r, struct mq, cache), i);
}

/* An entry for @oblock, on no list, if need be the coldest one's; ENTRY_NIL if all are busy. */
static u32 pre_new_locked(struct mq *mq, oblock_t oblock)
{
	struct entries *t = &mq->cache.t;
	struct entry *e;
	u32 i;
	u8 level;

	i = entries_get_extra(t);
	if (i == ENTRY_NIL) {
		level = levels_lowest(&mq->pre, t);
		if (level == mq->pre.nr)
			return ENTRY_NIL;
		i = el_oldest(t, mq->pre.head[level]);
		el_unlink(t, i);
		entries_unhash(t, i);
	}

	e = &t->e[i];
	entry_set_oblock(e, oblock);
	entries_hash(t, i);
	e->hits = 1;
	e->tick = mq->cache.tick;
	e->epoch = mq->cache.epoch;
	return i;
}

/*----- misses -----*/

/* The hits that promote a block. */
static u32 promote_at_locked(struct mq *mq, enum dmc_dir dir, bool cheap, bool room)
{
	if (room)
		return cheap ? tunable_get(mq->tunables, MQ_DISCARD_PROMOTE_ADJUSTMENT) : 1;

	return mq->cache.need +
	       tunable_get(mq->tunables, dir == DMC_READ ? MQ_READ_PROMOTE_ADJUSTMENT :
							   MQ_WRITE_PROMOTE_ADJUSTMENT);
}

/*
 * Counts a miss of @oblock.  Returns its entry, off its list unless it is a candidate already;
 * ENTRY_NIL if there is nothing to decide: it is coming in, was counted this tick, or is unknown
 * and has no place to be known.
 */
static u32 count_miss_locked(struct mq *mq, oblock_t oblock)
{
	struct resident *r = &mq->cache;
	u32 i = entries_find(&r->t, oblock);
	struct entry *e;
	u16 hits;

	if (i == ENTRY_NIL)
		return pre_new_locked(mq, oblock);

	e = &r->t.e[i];
	/* A cached one: the core looked before a promotion, and tells us after it. */
	if (!entries_is_extra(&r->t, i) || entry_state(e) == ENTRY_BUSY || e->tick == r->tick)
		return ENTRY_NIL;

	hits = resident_hits_locked(r, i);
	if (hits < r->max_hits)
		e->hits = hits + 1;
	e->tick = r->tick;
	if (entry_state(e) == ENTRY_QUEUED)
		el_unlink(&r->t, i);
	return i;
}

static enum dmc_advice advise_locked(struct mq *mq, oblock_t oblock, enum dmc_dir dir, bool cheap,
				     u32 nr_free)
{
	struct resident *r = &mq->cache;
	bool room = resident_has_room(r, nr_free);
	u32 i = count_miss_locked(mq, oblock);
	struct entry *e = &r->t.e[i];
	bool candidate;

	lockdep_assert_held(&r->lock);

	if (i == ENTRY_NIL)
		return DMC_LEAVE;

	candidate = entry_state(e) == ENTRY_WAITING || entry_state(e) == ENTRY_OWED;
	if (!candidate && e->hits < promote_at_locked(mq, dir, cheap, room)) {
		pre_queue_locked(mq, i);
		return DMC_LEAVE;
	}
	if (cheap && room) {
		resident_unwait_locked(r, i);
		entry_set_state(e, ENTRY_BUSY);
		return DMC_PROMOTE;
	}
	if (!candidate)
		resident_wait_locked(r, i);
	return DMC_WORK;
}

static enum dmc_advice mq_miss(struct dmc_policy *p, oblock_t oblock, enum dmc_dir dir, u64 sector,
			       u32 sectors, bool cheap, u32 nr_free)
{
	struct mq *mq = to_mq(p);
	struct resident *r = &mq->cache;
	enum dmc_advice advice = DMC_LEAVE;
	unsigned long flags;

	spin_lock_irqsave(&r->lock, flags);
	if (!io_tracker_sequential(&mq->tracker, sector, sectors,
				   tunable_get(mq->tunables, MQ_SEQUENTIAL_THRESHOLD),
				   tunable_get(mq->tunables, MQ_RANDOM_THRESHOLD))) {
		resident_access(r);
		trial_missed(&r->trial, oblock);
		advice = advise_locked(mq, oblock, dir, cheap, nr_free);
	}
	spin_unlock_irqrestore(&r->lock, flags);
	return advice;
}

/*----- hits and work -----*/

static void mq_hit(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, enum dmc_dir dir,
		   u32 sectors)
{
	resident_hit(&to_mq(p)->cache, cblock);
}

static int mq_next_work(struct dmc_policy *p, bool idle, u32 nr_free, struct dmc_work *work)
{
	struct resident *r = &to_mq(p)->cache;
	unsigned long flags;
	int err;

	spin_lock_irqsave(&r->lock, flags);
	err = resident_next_work_locked(r, idle, nr_free, work);
	spin_unlock_irqrestore(&r->lock, flags);
	return err;
}

static void mq_work_done(struct dmc_policy *p, const struct dmc_work *work, bool success)
{
	struct mq *mq = to_mq(p);
	struct resident *r = &mq->cache;
	unsigned long flags;
	u32 i;

	spin_lock_irqsave(&r->lock, flags);
	if (work->op == DMC_OP_PROMOTE) {
		resident_promoted_locked(r, work, success);
	} else if (resident_settle_locked(r, work, success)) {
		i = pre_new_locked(mq, work->oblock);
		if (i != ENTRY_NIL)
			pre_queue_locked(mq, i);
	}
	spin_unlock_irqrestore(&r->lock, flags);
}

static void mq_invalidate(struct dmc_policy *p, cblock_t cblock)
{
	resident_invalidate(&to_mq(p)->cache, cblock);
}

static void mq_set_dirty(struct dmc_policy *p, cblock_t cblock)
{
	resident_set_dirty(&to_mq(p)->cache, cblock);
}

static void mq_clear_dirty(struct dmc_policy *p, cblock_t cblock)
{
	resident_clear_dirty(&to_mq(p)->cache, cblock);
}

static void mq_tick(struct dmc_policy *p)
{
	struct mq *mq = to_mq(p);
	struct resident *r = &mq->cache;
	unsigned long flags;

	spin_lock_irqsave(&r->lock, flags);
	if (resident_tick_locked(r) & RESIDENT_EPOCH)
		levels_halve(&mq->pre, &r->t);
	spin_unlock_irqrestore(&r->lock, flags);
}

/*----- restart, status, tunables -----*/

static int mq_load_mapping(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, bool dirty,
			   u32 hint, bool hint_valid)
{
	return resident_load(&to_mq(p)->cache, cblock, oblock, dirty, hint, hint_valid);
}

static void mq_get_hints(struct dmc_policy *p, cblock_t first, u32 nr, u32 *out)
{
	resident_get_hints(&to_mq(p)->cache, first, nr, out);
}

static bool mq_hints_changed(struct dmc_policy *p, cblock_t first, u32 nr)
{
	return hint_groups_changed(&to_mq(p)->cache.hints, first, nr);
}

static void mq_hints_saved(struct dmc_policy *p)
{
	hint_groups_saved(&to_mq(p)->cache.hints);
}

static u32 mq_residency(struct dmc_policy *p)
{
	return READ_ONCE(to_mq(p)->cache.nr_resident);
}

/* The least that a candidate for a full cache must have, whatever asked for it. */
static void mq_update_margin(struct mq *mq)
{
	WRITE_ONCE(mq->cache.margin,
		   min(tunable_get(mq->tunables, MQ_READ_PROMOTE_ADJUSTMENT),
		       tunable_get(mq->tunables, MQ_WRITE_PROMOTE_ADJUSTMENT)));
}

static int mq_set_config(struct dmc_policy *p, const char *key, const char *value)
{
	struct mq *mq = to_mq(p);
	int err;

	err = tunable_set(p->type->name, mq_tunables, MQ_NR_TUNABLES, mq->tunables, key, value);
	mq_update_margin(mq);
	return err;
}

static int mq_emit_config(struct dmc_policy *p, char *buf, size_t len)
{
	return tunable_emit(mq_tunables, MQ_NR_TUNABLES, to_mq(p)->tunables, buf, len);
}

static struct dmc_policy *create_as(const struct dmc_policy_type *type, u32 nr_cblocks)
{
	const struct resident_shape shape = {
		.nr_levels = MQ_LEVELS,
		.max_hits = U16_MAX,
		.nr_extra = max_t(u32, nr_cblocks, MQ_PRE_MIN),
		.own_heads = MQ_LEVELS,
		.retire = mq_retire,
	};
	struct mq *mq;
	int err;

	mq = kzalloc(sizeof(*mq), GFP_KERNEL);
	if (!mq)
		return ERR_PTR(-ENOMEM);

	err = resident_init(&mq->cache, nr_cblocks, &shape);
	if (err) {
		kfree(mq);
		return ERR_PTR(err);
	}

	levels_init(&mq->pre, resident_own_heads(&mq->cache), MQ_LEVELS, false);
	tunable_defaults(mq_tunables, MQ_NR_TUNABLES, mq->tunables);
	mq_update_margin(mq);
	mq->policy.type = type;
	return &mq->policy;
}

static void mq_destroy(struct dmc_policy *p)
{
	struct mq *mq = to_mq(p);

	resident_exit(&mq->cache);
	kfree(mq);
}

/*----- the module -----*/

static struct dmc_policy *mq_create(u32 nr_cblocks, u64 origin_sectors, u64 block_sectors);
static struct dmc_policy *default_create(u32 nr_cblocks, u64 origin_sectors, u64 block_sectors);

#define MQ_METHODS					\
	.version = { 1, 5, 0 },				\
	.hint_size = 4,					\
	.owner = THIS_MODULE,				\
	.destroy = mq_destroy,				\
	.load_mapping = mq_load_mapping,		\
	.hit = mq_hit,					\
	.miss = mq_miss,				\
	.next_work = mq_next_work,			\
	.work_done = mq_work_done,			\
	.invalidate = mq_invalidate,			\
	.set_dirty = mq_set_dirty,			\
	.clear_dirty = mq_clear_dirty,			\
	.tick = mq_tick,				\
	.get_hints = mq_get_hints,			\
	.hints_changed = mq_hints_changed,		\
	.hints_saved = mq_hints_saved,			\
	.residency = mq_residency,			\
	.set_config = mq_set_config,			\
	.emit_config = mq_emit_config

static struct dmc_policy_type mq_type = {
	.name = "mq",
	.create = mq_create,
	MQ_METHODS
};

static struct dmc_policy_type default_type = {
	.name = "default",
	.real_name = "mq",
	.create = default_create,
	MQ_METHODS
};

static struct dmc_policy *mq_create(u32 nr_cblocks, u64 origin_sectors, u64 block_sectors)
{
	return create_as(&mq_type, nr_cblocks);
}

static struct dmc_policy *default_create(u32 nr_cblocks, u64 origin_sectors, u64 block_sectors)
{
	return create_as(&default_type, nr_cblocks);
}

static int __init mq_module_init(void)
{
	int err;

	err = dmc_policy_register(&mq_type);
	if (err)
		return err;

	err = dmc_policy_register(&default_type);
	if (err)
		dmc_policy_unregister(&mq_type);
	return err;
}

static void __exit mq_module_exit(void)
{
	dmc_policy_unregister(&default_type);
	dmc_policy_unregister(&mq_type);
}

module_init(mq_module_init);
module_exit(mq_module_exit);

MODULE_DESCRIPTION("Multiqueue replacement policy for dm-cache");
MODULE_AUTHOR("dm-cache maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMC_VERSION);
MODULE_ALIAS("dm-cache-default");
