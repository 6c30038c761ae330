// SPDX-License-Identifier: GPL-2.0-only
/*
 * mq.c - the multiqueue policy, after the one posted in 2012.
 *
 * A multiqueue of 16 levels, level = log2(hits), of the cached blocks; and counts of as many others that
 * were asked for.  A block is hit at most once a tick, as many small bios of one request would look like many requests.  A candidate for a
 * full cache has as many hits as the coldest cached blocks (the rounded-up mean of 20 of them,
 * taken each generation), and 4 more for a read, 8 more for a write: a block that was read is
 * cheaper to throw out again.  An evicted block starts over with one hit.
 * Sequential streams are neither counted nor promoted.  A hint is the number of hits.
 *
 * Where this differs from 2012, and why:
 *  - A hit takes no lock and moves nothing; it counts in two bytes of its block.  A queue move a
 *    bio was a lock that all CPUs shared.  Queue positions are put right when somebody looks.
 *  - While there are free blocks, a block comes in when it is first touched: nothing has to go
 *    for it, and a cache that waits for four touches stays cold for days.
 *  - A generation is counted in accesses, not in hits, since a cache that the load has moved away
 *    from gets no hits, and would never notice.
 *  - Counts are halved from time to time (mq-common.h), else last week's hot blocks stay for ever.
 *  - A candidate must also have more hits than the very block that it replaces, and if watching a
 *    sample shows that promotions gain nothing, more is asked of it (promotion-feedback.h): with uniformly
 *    random load the 2012 policy copies without end.
 *  - More than half the blocks dirty: writeback is offered under load too, in turns with the rest.
 *  - Several sequential streams are recognised at a time, and random bios among them are not taken for
 *    a part of one (streams.h).
 *  - The other multiqueue, of blocks that are not cached, is a table of sets (ghost-counts.h), and what the core
 *    knows is not kept twice: 12 bytes for a cached block and its share of the others, instead of 88.
 *
 * On the bio's path: mq_hit(), and mq_miss(), which takes the lock only for a block that is to
 * come in.  The migration engine calls mq_next_work() and mq_work_done(); a worker mq_tick(), once a
 * second.  Locks: the one of struct resident.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "../version.h"
#include "lib/mq-common.h"
#include "lib/streams.h"
#include "lib/tunables.h"

#define MQ_LEVELS	16

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
	struct streams streams;
};

static struct mq *to_mq(struct dmc_policy *p)
{
	return container_of(p, struct mq, policy);
}

/*----- bios -----*/

/* The hits that promote a block. */
static u32 promote_at(struct mq *mq, enum dmc_dir dir, bool cheap, bool room)
{
	if (room)
		return cheap ? tunable_get(mq->tunables, MQ_DISCARD_PROMOTE_ADJUSTMENT) : 1;

	return READ_ONCE(mq->cache.need) +
	       tunable_get(mq->tunables, dir == DMC_READ ? MQ_READ_PROMOTE_ADJUSTMENT :
							   MQ_WRITE_PROMOTE_ADJUSTMENT);
}

static enum dmc_advice mq_miss(struct dmc_policy *p, oblock_t oblock, enum dmc_dir dir, u64 sector,
			       u32 sectors, bool cheap, u32 nr_free)
{
	struct mq *mq = to_mq(p);
	bool room = resident_has_room(&mq->cache, nr_free), first;
	u32 hits;

	if (stream_sequential(&mq->streams, oblock, sector, sectors,
			      tunable_get(mq->tunables, MQ_SEQUENTIAL_THRESHOLD),
			      tunable_get(mq->tunables, MQ_RANDOM_THRESHOLD)))
		return DMC_LEAVE;

	hits = resident_missed(&mq->cache, oblock, &first);
	return resident_advise(&mq->cache, oblock, hits,
			       (room || first) && hits >= promote_at(mq, dir, cheap, room),
			       cheap, nr_free);
}

static void mq_hit(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, enum dmc_dir dir,
		   u32 sectors)
{
	resident_hit(&to_mq(p)->cache, cblock);
}

/*----- work -----*/

static int mq_next_work(struct dmc_policy *p, bool idle, u32 nr_free, struct dmc_work *work)
{
	return resident_next_work(&to_mq(p)->cache, idle, nr_free, work);
}

static void mq_work_done(struct dmc_policy *p, const struct dmc_work *work, bool success)
{
	resident_work_done(&to_mq(p)->cache, work, success);
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
	resident_tick(&to_mq(p)->cache);
}

/*----- restart, status, tunables -----*/

static int mq_load_mapping(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, bool dirty,
			   u32 hint, bool hint_valid)
{
	return resident_load(&to_mq(p)->cache, cblock, oblock, dirty, hint, hint_valid);
}

static int mq_load_run(struct dmc_policy *p, const struct dmc_run *run)
{
	return resident_load_run(&to_mq(p)->cache, run);
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

static struct dmc_policy_type mq_type;

static struct dmc_policy *mq_create(const struct dmc_mappings *map, u32 nr_cblocks,
				    u64 origin_sectors, u64 block_sectors)
{
	const struct resident_shape shape = {
		.nr_levels = MQ_LEVELS,
		.max_hits = HEAT_HITS,
	};
	struct mq *mq;
	int err;

	mq = kzalloc(sizeof(*mq), GFP_KERNEL);
	if (!mq)
		return ERR_PTR(-ENOMEM);

	err = resident_init(&mq->cache, map, nr_cblocks, &shape);
	if (err) {
		kfree(mq);
		return ERR_PTR(err);
	}

	tunable_defaults(mq_tunables, MQ_NR_TUNABLES, mq->tunables);
	mq_update_margin(mq);
	mq->policy.type = &mq_type;
	return &mq->policy;
}

static void mq_destroy(struct dmc_policy *p)
{
	struct mq *mq = to_mq(p);

	resident_exit(&mq->cache);
	kfree(mq);
}

/*----- the module -----*/

static struct dmc_policy_type mq_type = {
	.name = "mq",
	.create = mq_create,
	.version = { 1, 5, 0 },
	.hint_size = 4,
	.owner = THIS_MODULE,
	.destroy = mq_destroy,
	.load_mapping = mq_load_mapping,
	.load_run = mq_load_run,
	.hit = mq_hit,
	.miss = mq_miss,
	.next_work = mq_next_work,
	.work_done = mq_work_done,
	.invalidate = mq_invalidate,
	.set_dirty = mq_set_dirty,
	.clear_dirty = mq_clear_dirty,
	.tick = mq_tick,
	.get_hints = mq_get_hints,
	.hints_changed = mq_hints_changed,
	.hints_saved = mq_hints_saved,
	.grade_hint = resident_grade_hint,
	.residency = mq_residency,
	.set_config = mq_set_config,
	.emit_config = mq_emit_config,
};

static int __init mq_module_init(void)
{
	return dmc_policy_register(&mq_type);
}

static void __exit mq_module_exit(void)
{
	dmc_policy_unregister(&mq_type);
}

module_init(mq_module_init);
module_exit(mq_module_exit);

MODULE_DESCRIPTION("Multiqueue replacement policy for dm-cache");
MODULE_AUTHOR("dm-cache maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMC_VERSION);
