// SPDX-License-Identifier: GPL-2.0-only
/*
 * smq.c - the stochastic multiqueue policy: what LVM asks for by name.  Little memory, no tuning.
 *
 * Cached blocks stand in 64 levels by how often they were hit of late; blocks that are not cached
 * have no entry at all.  Of them only *regions* are counted: the origin is divided into
 * at most four times as many regions as the cache has blocks (so that a region is one block if the
 * cache is a quarter of the origin or more), two bytes each: a level from 0 to 63 and when it was
 * last counted.  That is an estimate, good where neighbours are alike, and its errors do not
 * last, as all counts are halved each epoch, the cached blocks' too.
 *
 * A block is promoted if its region is warmer than the coldest cached blocks by MARGIN; or on
 * the first touch while there are free blocks.  A region is counted once a tick at most, so a scan
 * that passes through it leaves one hit.  If watching a sample shows that promotions gain nothing
 * (uniformly random load), more is asked of candidates (trial.h).  A hint is the level.
 *
 * The tunables of old tables (sequential_threshold and so on) are taken and ignored, with a
 * warning: nothing here corresponds to them.
 *
 * Memory: 24 bytes for a cached block, 4 to 8 for the hash, 8 at most for its four regions.
 *
 * On the bio's path: smq_hit(), and smq_miss(), which takes the lock only for a block that is to
 * come in.  The migration engine calls smq_next_work() and smq_work_done(); a worker smq_tick().
 * Locks: the one of struct resident.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/lockdep.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "../version.h"
#include "policy-util.h"
#include "resident.h"

#define SMQ_LEVELS	64
#define SMQ_MARGIN	2
#define SMQ_REGIONS_MIN	16384
#define SMQ_REGIONS_PER_BLOCK 4
#define SMQ_EXTRA	2048	/* candidates, and promotions in flight */

/* A region in 16 bits: level, then the epoch and the tick when it was counted, modulo 32. */
#define REGION_LEVEL_MAX 63
#define REGION_EPOCH_SHIFT 6
#define REGION_TICK_SHIFT 11
#define REGION_TIME_MASK 31

static const struct tunable smq_ignored[] = {
	{ "sequential_threshold", 0, INT_MAX },
	{ "random_threshold", 0, INT_MAX },
	{ "read_promote_adjustment", 0, INT_MAX },
	{ "write_promote_adjustment", 0, INT_MAX },
	{ "discard_promote_adjustment", 0, INT_MAX },
};

struct smq {
	struct dmc_policy policy;
	struct resident cache;
	u16 *regions;			/* relaxed, no lock: a lost count is one of many */
	u64 nr_regions;
	u8 region_shift;		/* oblock -> region */
	bool warned;			/* about tunables */
};

static struct smq *to_smq(struct dmc_policy *p)
{
	return container_of(p, struct smq, policy);
}

/*----- misses -----*/

/* Counts a miss in the region of @oblock, and returns its level. */
static u16 region_touch(struct smq *smq, oblock_t oblock)
{
	u64 n = min(from_oblock(oblock) >> smq->region_shift, smq->nr_regions - 1);
	u16 region = READ_ONCE(smq->regions[n]);
	u16 epoch = READ_ONCE(smq->cache.epoch) & REGION_TIME_MASK;
	u16 tick = READ_ONCE(smq->cache.tick) & REGION_TIME_MASK;
	u16 missed = (epoch - (region >> REGION_EPOCH_SHIFT)) & REGION_TIME_MASK;
	u16 level = (region & REGION_LEVEL_MAX) >> missed;

	if (level && region >> REGION_TICK_SHIFT == tick)
		return level;

	if (level < REGION_LEVEL_MAX)
		level++;
	WRITE_ONCE(smq->regions[n],
		   level | epoch << REGION_EPOCH_SHIFT | tick << REGION_TICK_SHIFT);
	return level;
}

static bool is_wanted(struct smq *smq, u16 level, u32 nr_free)
{
	struct resident *r = &smq->cache;

	return resident_has_room(r, nr_free) || level >= READ_ONCE(r->need) + SMQ_MARGIN;
}

/* An extra entry for a block that is not known yet, on no list. */
static u32 candidate_new_locked(struct resident *r, oblock_t oblock, u16 level)
{
	u32 i = entries_get_extra(&r->t);
	struct entry *e = &r->t.e[i];

	if (i == ENTRY_NIL)
		return ENTRY_NIL;

	entry_set_oblock(e, oblock);
	entries_hash(&r->t, i);
	e->hits = level;
	e->tick = r->tick;
	e->epoch = r->epoch;
	return i;
}

static void smq_retire(struct resident *r, u32 i)
{
	entries_unhash(&r->t, i);
	entries_put_extra(&r->t, i);
}

static enum dmc_advice advise_locked(struct smq *smq, oblock_t oblock, u16 level, bool cheap,
				     u32 nr_free)
{
	struct resident *r = &smq->cache;
	u32 i = entries_find(&r->t, oblock);
	bool room = resident_has_room(r, nr_free);

	lockdep_assert_held(&r->lock);

	if (i == ENTRY_NIL) {
		i = candidate_new_locked(r, oblock, level);
		if (i == ENTRY_NIL)
			return DMC_LEAVE;
	} else if (entry_state(&r->t.e[i]) != ENTRY_WAITING || !cheap || !room) {
		return DMC_LEAVE;	/* coming in, or already in */
	} else {
		resident_unwait_locked(r, i);
	}

	if (cheap && room) {
		entry_set_state(&r->t.e[i], ENTRY_BUSY);
		return DMC_PROMOTE;
	}
	resident_wait_locked(r, i);
	return DMC_WORK;
}

static enum dmc_advice smq_miss(struct dmc_policy *p, oblock_t oblock, enum dmc_dir dir,
				u64 sector, u32 sectors, bool cheap, u32 nr_free)
{
	struct smq *smq = to_smq(p);
	struct resident *r = &smq->cache;
	enum dmc_advice advice = DMC_LEAVE;
	u16 level = region_touch(smq, oblock);
	bool wanted = is_wanted(smq, level, nr_free);
	unsigned long flags;

	resident_access(r);
	if (!wanted && !trial_watches(&r->trial, oblock))
		return DMC_LEAVE;

	spin_lock_irqsave(&r->lock, flags);
	trial_missed(&r->trial, oblock);
	if (wanted)
		advice = advise_locked(smq, oblock, level, cheap, nr_free);
	spin_unlock_irqrestore(&r->lock, flags);
	return advice;
}

/*----- hits and work -----*/

static void smq_hit(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, enum dmc_dir dir,
		    u32 sectors)
{
	resident_hit(&to_smq(p)->cache, cblock);
}

static int smq_next_work(struct dmc_policy *p, bool idle, u32 nr_free, struct dmc_work *work)
{
	struct resident *r = &to_smq(p)->cache;
	unsigned long flags;
	int err;

	spin_lock_irqsave(&r->lock, flags);
	err = resident_next_work_locked(r, idle, nr_free, work);
	spin_unlock_irqrestore(&r->lock, flags);
	return err;
}

static void smq_work_done(struct dmc_policy *p, const struct dmc_work *work, bool success)
{
	struct resident *r = &to_smq(p)->cache;
	unsigned long flags;

	spin_lock_irqsave(&r->lock, flags);
	if (work->op == DMC_OP_PROMOTE)
		resident_promoted_locked(r, work, success);
	else
		resident_settle_locked(r, work, success);
	spin_unlock_irqrestore(&r->lock, flags);
}

static void smq_invalidate(struct dmc_policy *p, cblock_t cblock)
{
	resident_invalidate(&to_smq(p)->cache, cblock);
}

static void smq_set_dirty(struct dmc_policy *p, cblock_t cblock)
{
	resident_set_dirty(&to_smq(p)->cache, cblock);
}

static void smq_clear_dirty(struct dmc_policy *p, cblock_t cblock)
{
	resident_clear_dirty(&to_smq(p)->cache, cblock);
}

static void smq_tick(struct dmc_policy *p)
{
	struct resident *r = &to_smq(p)->cache;
	unsigned long flags;

	/* The regions need nothing: their age is seen when they are touched. */
	spin_lock_irqsave(&r->lock, flags);
	resident_tick_locked(r);
	spin_unlock_irqrestore(&r->lock, flags);
}

/*----- restart, status, tunables -----*/

static int smq_load_mapping(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, bool dirty,
			    u32 hint, bool hint_valid)
{
	return resident_load(&to_smq(p)->cache, cblock, oblock, dirty, hint, hint_valid);
}

static void smq_get_hints(struct dmc_policy *p, cblock_t first, u32 nr, u32 *out)
{
	resident_get_hints(&to_smq(p)->cache, first, nr, out);
}

static bool smq_hints_changed(struct dmc_policy *p, cblock_t first, u32 nr)
{
	return hint_groups_changed(&to_smq(p)->cache.hints, first, nr);
}

static void smq_hints_saved(struct dmc_policy *p)
{
	hint_groups_saved(&to_smq(p)->cache.hints);
}

static u32 smq_residency(struct dmc_policy *p)
{
	return READ_ONCE(to_smq(p)->cache.nr_resident);
}

static int smq_set_config(struct dmc_policy *p, const char *key, const char *value)
{
	u32 ignored[ARRAY_SIZE(smq_ignored)];
	struct smq *smq = to_smq(p);
	int err;

	err = tunable_set(p->type->name, smq_ignored, ARRAY_SIZE(smq_ignored), ignored, key, value);
	if (!err && !smq->warned) {
		smq->warned = true;
		pr_warn("dm-cache smq: tunables of old policies, such as %s, are ignored\n", key);
	}
	return err;
}

/* One region a block if memory for that is small beside the cache's own, else larger ones. */
static int regions_init(struct smq *smq, u32 nr_cblocks, u64 nr_oblocks)
{
	u64 most = max_t(u64, (u64)nr_cblocks * SMQ_REGIONS_PER_BLOCK, SMQ_REGIONS_MIN);

	while (nr_oblocks >> smq->region_shift > most)
		smq->region_shift++;
	smq->nr_regions = (nr_oblocks >> smq->region_shift) + 1;
	smq->regions = policy_zalloc_table(smq->nr_regions, sizeof(*smq->regions));
	return smq->regions ? 0 : -ENOMEM;
}

static struct dmc_policy_type smq_type;

static struct dmc_policy *smq_create(u32 nr_cblocks, u64 origin_sectors, u64 block_sectors)
{
	const struct resident_shape shape = {
		.nr_levels = SMQ_LEVELS,
		.linear = true,
		.max_hits = SMQ_LEVELS - 1,
		.nr_extra = SMQ_EXTRA,
		.retire = smq_retire,
	};
	struct smq *smq;
	int err;

	smq = kzalloc(sizeof(*smq), GFP_KERNEL);
	if (!smq)
		return ERR_PTR(-ENOMEM);

	err = regions_init(smq, nr_cblocks, div64_u64(origin_sectors, block_sectors));
	if (err)
		goto err_smq;
	err = resident_init(&smq->cache, nr_cblocks, &shape);
	if (err)
		goto err_regions;

	smq->cache.margin = SMQ_MARGIN;
	smq->policy.type = &smq_type;
	return &smq->policy;

err_regions:
	vfree(smq->regions);
err_smq:
	kfree(smq);
	return ERR_PTR(err);
}

static void smq_destroy(struct dmc_policy *p)
{
	struct smq *smq = to_smq(p);

	resident_exit(&smq->cache);
	vfree(smq->regions);
	kfree(smq);
}

/*----- the module -----*/

static struct dmc_policy_type smq_type = {
	.name = "smq",
	.version = { 2, 0, 0 },
	.hint_size = 4,
	.owner = THIS_MODULE,
	.create = smq_create,
	.destroy = smq_destroy,
	.load_mapping = smq_load_mapping,
	.hit = smq_hit,
	.miss = smq_miss,
	.next_work = smq_next_work,
	.work_done = smq_work_done,
	.invalidate = smq_invalidate,
	.set_dirty = smq_set_dirty,
	.clear_dirty = smq_clear_dirty,
	.tick = smq_tick,
	.get_hints = smq_get_hints,
	.hints_changed = smq_hints_changed,
	.hints_saved = smq_hints_saved,
	.residency = smq_residency,
	.set_config = smq_set_config,
};

static int __init smq_module_init(void)
{
	return dmc_policy_register(&smq_type);
}

static void __exit smq_module_exit(void)
{
	dmc_policy_unregister(&smq_type);
}

module_init(smq_module_init);
module_exit(smq_module_exit);

MODULE_DESCRIPTION("Stochastic multiqueue replacement policy for dm-cache");
MODULE_AUTHOR("dm-cache maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMC_VERSION);
