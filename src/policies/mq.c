// SPDX-License-Identifier: GPL-2.0-only
/*
 * mq.c - the multiqueue policy, after the one posted in 2012.
 *
 * A multiqueue of 16 levels, level = log2(hits), of the cached blocks; and counts of as many others
 * that were asked for.  A block is hit at most once a tick, as many small bios of one request would
 * look like many requests.  A candidate for a full cache has as many hits as the coldest cached
 * blocks (the rounded-up mean of 20 of them, taken each generation), and 4 more for a read, 8 more
 * for a write: a block that was read is cheaper to throw out again.  An evicted block starts over
 * with one hit.  Sequential streams are neither counted nor promoted.  A hint is the number of
 * hits.
 *
 * Where this differs from 2012, and why:
 *  - A hit takes no lock and moves nothing; it counts in two bytes of its block.  A queue move a
 *    bio was a lock that all CPUs shared.  Queue positions are put right when a block is looked at.
 *  - While there are free blocks, a block comes in when it is first touched: no block has to go
 *    for it, and a cache that waits for four touches stays cold for days.
 *  - A generation is counted in accesses, not in hits: if the load has moved away from what is
 *    cached, there are no hits, and the policy would never notice.
 *  - Counts are halved from time to time (mq-common.h), else last week's hot blocks stay for ever.
 *  - A candidate must also have more hits than the very block that it replaces.  If a sample shows
 *    that promotions gain nothing, it must have more (promotion-feedback.h): with uniformly random
 *    load the 2012 policy copies without end.
 *  - More than half the blocks dirty: writeback is offered under load too, in turns with the rest.
 *  - Several sequential streams are recognised at a time, and random bios among them are not taken
 *    for a part of one (streams.h).
 *  - The other multiqueue, of blocks that are not cached, is a table of sets (ghost-counts.h), and
 *    what the core knows is not kept twice: 12 bytes for a cached block and its share of the
 *    others, instead of 88.
 *
 * On the bio's path: mq_miss(), which takes the lock only for a block that is to come in.  All
 * other methods are those of lib/mq-methods.c.  Locks: the one of struct mq_common.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/module.h>

#include "../version.h"
#include "lib/mq-common.h"
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
	struct mq_common common;
	u32 tunables[MQ_NR_TUNABLES];
};

static struct mq *to_mq(struct dmc_policy *p)
{
	return container_of(p, struct mq, common.policy);
}

/*----- bios -----*/

/* The hits that promote a block. */
static u32 promote_at(struct mq *mq, enum dmc_dir dir, bool cheap, bool room)
{
	if (room)
		return cheap ? tunable_get(mq->tunables, MQ_DISCARD_PROMOTE_ADJUSTMENT) : 1;

	return READ_ONCE(mq->common.need) +
	       tunable_get(mq->tunables, dir == DMC_READ ? MQ_READ_PROMOTE_ADJUSTMENT :
							   MQ_WRITE_PROMOTE_ADJUSTMENT);
}

static enum dmc_advice mq_miss(struct dmc_policy *p, oblock_t oblock, enum dmc_dir dir, u64 sector,
			       u32 sectors, bool cheap, u32 nr_free)
{
	struct mq *mq = to_mq(p);
	bool room = mqc_has_room(&mq->common, cheap, nr_free), first;
	u32 hits;

	if (stream_sequential(&mq->common.streams, oblock, sector, sectors,
			      tunable_get(mq->tunables, MQ_SEQUENTIAL_THRESHOLD),
			      tunable_get(mq->tunables, MQ_RANDOM_THRESHOLD)))
		return DMC_LEAVE;

	hits = mqc_missed(&mq->common, oblock, &first);
	return mqc_advise(&mq->common, oblock, hits,
			  (room || first) && hits >= promote_at(mq, dir, cheap, room),
			  cheap, nr_free);
}

/*----- tunables -----*/

/* The least that a candidate for a full cache must have, whatever asked for it. */
static void mq_update_margin(struct mq *mq)
{
	WRITE_ONCE(mq->common.margin,
		   min(tunable_get(mq->tunables, MQ_READ_PROMOTE_ADJUSTMENT),
		       tunable_get(mq->tunables, MQ_WRITE_PROMOTE_ADJUSTMENT)));
}

static int mq_set_config(struct dmc_policy *p, const char *key, const char *value)
{
	struct mq *mq = to_mq(p);
	int err;

	err = dmc_tunable_set(p->type->name, mq_tunables, MQ_NR_TUNABLES, mq->tunables, key, value);
	mq_update_margin(mq);
	return err;
}

static int mq_emit_config(struct dmc_policy *p, char *buf, size_t len)
{
	return dmc_tunable_emit(mq_tunables, MQ_NR_TUNABLES, to_mq(p)->tunables, buf, len);
}

static struct dmc_policy_type mq_type;

static struct dmc_policy *mq_create(const struct dmc_mappings *map, u32 nr_cblocks,
				    u64 origin_sectors, u64 block_sectors)
{
	const struct mqc_shape shape = {
		.nr_levels = MQ_LEVELS,
		.max_hits = HEAT_HITS,
	};
	struct mq_common *common;
	struct mq *mq;

	common = dmc_mqc_create(&mq_type, sizeof(*mq), map, nr_cblocks, &shape);
	if (IS_ERR(common))
		return ERR_CAST(common);

	mq = to_mq(&common->policy);
	dmc_tunable_defaults(mq_tunables, MQ_NR_TUNABLES, mq->tunables);
	mq_update_margin(mq);
	return &common->policy;
}

/*----- the module -----*/

static struct dmc_policy_type mq_type = {
	.name = "mq",
	.version = { 1, 5, 0 },
	.hint_size = 4,
	.owner = THIS_MODULE,
	.create = mq_create,
	.miss = mq_miss,
	MQC_METHODS,
	.set_config = mq_set_config,
	.emit_config = mq_emit_config,
};

module_dmc_policy(mq_type);

MODULE_DESCRIPTION("Multiqueue replacement policy for dm-cache");
MODULE_AUTHOR("dm-cache maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMC_VERSION);
