// SPDX-License-Identifier: GPL-2.0-only
/*
 * cleaner.c - the policy that writes every dirty block back and promotes nothing.
 *
 * A user switches to it before taking a cache away.  A disk takes hours to write blocks in the
 * order in which the cache happens to hold them, and minutes in its own order.  So dirty blocks are
 * kept in *zones* of the origin, about one for eight cache blocks.  They are written in ascending
 * order of the zones, and within each from the lowest block on, whether the cache is idle or not.
 *
 * If a block gets dirty in the zone that is being written, it waits for the next round over all
 * zones.  So blocks that are written again and again do not keep the others waiting.
 *
 * It has no opinion on what is hot, so no hints.
 *
 * On the bio's path: nothing happens on hits and misses, but the first write to a clean block calls
 * cleaner_set_dirty().  The migration engine calls cleaner_next_work() and cleaner_work_done(); a
 * worker cleaner_tick().  Locks: cleaner->lock, interrupts disabled, innermost.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "../version.h"
#include "lib/bit-tree.h"
#include "lib/penalty.h"
#include "lib/queues.h"
#include "lib/tunables.h"
#include "policy.h"

#define ZONES_MAX	(1U << 20)
#define BLOCKS_PER_ZONE	8
#define LOOKS		32	/* at the blocks of a zone, to find the lowest */
#define RELEASES	256	/* from penalty, in a tick */

struct cleaner {
	struct dmc_policy policy;
	const struct dmc_mappings *map;

	spinlock_t lock;	/* protects all below */
	struct queues q;	/* QUEUED: resident; also linked to its zone if it is dirty */
	struct penalty penalty;
	struct bit_tree zones;	/* those that have blocks to write */
	u32 nr_zones;		/* list heads 0 to nr_zones - 1, and one for @zone's next round */
	u64 zone_oblocks;
	u32 nr_resident;
	oblock_t next;		/* behind the last one offered */
	u32 zone;		/* that is being written, if @passing */
	bool passing;
};

static struct cleaner *to_cleaner(struct dmc_policy *p)
{
	return container_of(p, struct cleaner, policy);
}

/*----- zones -----*/

static u32 zone_of(const struct cleaner *c, oblock_t oblock)
{
	return min_t(u64, div64_u64(from_oblock(oblock), c->zone_oblocks), c->nr_zones - 1);
}

/* The blocks of @c->zone that get dirty while it is being written. */
static u32 later_head(const struct cleaner *c)
{
	return c->nr_zones;
}

/* Dirty block @i, on no list, which holds @oblock. */
static void zone_add_locked(struct cleaner *c, u32 i, oblock_t oblock)
{
	u32 zone = zone_of(c, oblock);

	lockdep_assert_held(&c->lock);

	queue_set_state(&c->q, i, BLOCK_QUEUED);
	if (c->passing && zone == c->zone) {
		queue_append(&c->q, later_head(c), i);
	} else {
		queue_append(&c->q, zone, i);
		bit_tree_set(&c->zones, zone);
	}
}

/* Takes @i off the list that it is on. */
static void unlink_locked(struct cleaner *c, u32 i)
{
	u32 next = c->q.e[i].next;

	queue_unlink(&c->q, i);
	/* If it was the last one, that is the head. */
	if (next < c->nr_zones && queue_empty(&c->q, next))
		bit_tree_clear(&c->zones, next);
}

static oblock_t cleaner_oblock_of(const struct cleaner *c, u32 i)
{
	return c->map->oblock_of(c->map, queue_cblock(&c->q, i));
}

/* The pass over @c->zone ends. */
static void end_pass_locked(struct cleaner *c)
{
	queue_join(&c->q, c->zone, later_head(c));
	if (!queue_empty(&c->q, c->zone))
		bit_tree_set(&c->zones, c->zone);
	c->passing = false;
}

/* The zone to write from: the one under way, the next, or the first; false if there is none. */
static bool choose_zone_locked(struct cleaner *c)
{
	u32 from = zone_of(c, c->next), zone;

	if (c->passing) {
		if (!queue_empty(&c->q, c->zone))
			return true;
		end_pass_locked(c);
		from = c->zone + 1;
	}
	zone = bit_tree_next(&c->zones, from);
	if (zone == BIT_TREE_NONE)
		zone = bit_tree_next(&c->zones, 0);
	if (zone == BIT_TREE_NONE)
		return false;
	c->zone = zone;
	c->passing = true;
	return true;
}

/* The lowest block of @zone from @c->next on, or the lowest of all; of the first few there. */
static u32 zone_lowest_locked(struct cleaner *c, u32 zone)
{
	u64 from = from_oblock(c->next), lowest = U64_MAX;
	unsigned int looks = 0;
	u32 i, found = QUEUE_NIL;

	for (i = queue_oldest(&c->q, zone); i != zone && looks < LOOKS; i = c->q.e[i].next,
	     looks++) {
		/* Those behind us come last: far above all others. */
		u64 rank = from_oblock(cleaner_oblock_of(c, i)) - from;

		if (rank <= lowest) {
			lowest = rank;
			found = i;
		}
	}
	return found;
}

/*----- blocks -----*/

static void cleaner_add_locked(struct cleaner *c, cblock_t cblock, oblock_t oblock)
{
	u32 i = queue_index(&c->q, cblock);

	queue_init(&c->q, i);
	queue_set_state(&c->q, i, BLOCK_QUEUED);
	WRITE_ONCE(c->nr_resident, c->nr_resident + 1);
	if (queue_has(&c->q, i, QUEUE_DIRTY))
		zone_add_locked(c, i, oblock);
}

static void cleaner_remove_locked(struct cleaner *c, cblock_t cblock)
{
	u32 i = queue_index(&c->q, cblock);

	if (queue_state(&c->q, i) == BLOCK_FREE)
		return;
	unlink_locked(c, i);
	queue_clear(&c->q, i, QUEUE_DIRTY);
	queue_set_state(&c->q, i, BLOCK_FREE);
	WRITE_ONCE(c->nr_resident, c->nr_resident - 1);
}

static int cleaner_load_run(struct dmc_policy *p, const struct dmc_run *run)
{
	struct cleaner *c = to_cleaner(p);
	unsigned long flags;
	u32 i;

	spin_lock_irqsave(&c->lock, flags);
	for (i = 0; i < run->nr; i++) {
		cblock_t cblock = to_cblock(from_cblock(run->first) + i);

		if (!dmc_run_maps(run, i))
			continue;
		if (dmc_run_dirty(run, i))
			queue_set(&c->q, queue_index(&c->q, cblock), QUEUE_DIRTY);
		cleaner_add_locked(c, cblock, run->oblocks[i]);
	}
	spin_unlock_irqrestore(&c->lock, flags);
	return 0;
}

static int cleaner_load_mapping(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, bool dirty,
				u32 hint, bool hint_valid)
{
	unsigned long bit = dirty;
	struct dmc_run run = dmc_run_of_one(cblock, &oblock, &bit, &hint, hint_valid);

	return cleaner_load_run(p, &run);
}

static void cleaner_set_dirty(struct dmc_policy *p, cblock_t cblock)
{
	struct cleaner *c = to_cleaner(p);
	u32 i = queue_index(&c->q, cblock);
	unsigned long flags;

	spin_lock_irqsave(&c->lock, flags);
	if (!queue_has(&c->q, i, QUEUE_DIRTY)) {
		queue_set(&c->q, i, QUEUE_DIRTY);
		if (queue_state(&c->q, i) == BLOCK_QUEUED)
			zone_add_locked(c, i, cleaner_oblock_of(c, i));
	}
	spin_unlock_irqrestore(&c->lock, flags);
}

static void cleaner_clear_dirty(struct dmc_policy *p, cblock_t cblock)
{
	struct cleaner *c = to_cleaner(p);
	u32 i = queue_index(&c->q, cblock);
	enum queue_state state;
	unsigned long flags;

	spin_lock_irqsave(&c->lock, flags);
	queue_clear(&c->q, i, QUEUE_DIRTY);
	state = queue_state(&c->q, i);
	if (state == BLOCK_QUEUED || state == BLOCK_PENALTY) {
		unlink_locked(c, i);
		queue_set_state(&c->q, i, BLOCK_QUEUED);
	}
	spin_unlock_irqrestore(&c->lock, flags);
}

static void cleaner_invalidate(struct dmc_policy *p, cblock_t cblock)
{
	struct cleaner *c = to_cleaner(p);
	unsigned long flags;

	spin_lock_irqsave(&c->lock, flags);
	cleaner_remove_locked(c, cblock);
	spin_unlock_irqrestore(&c->lock, flags);
}

static u32 cleaner_residency(struct dmc_policy *p)
{
	return READ_ONCE(to_cleaner(p)->nr_resident);
}

/*----- bios -----*/

static void cleaner_hit(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, enum dmc_dir dir,
			u32 sectors)
{
}

static enum dmc_advice cleaner_miss(struct dmc_policy *p, oblock_t oblock, enum dmc_dir dir,
				    u64 sector, u32 sectors, bool cheap, u32 nr_free)
{
	return DMC_LEAVE;
}

/*----- work -----*/

static int cleaner_next_work_locked(struct cleaner *c, struct dmc_work *work)
{
	u32 i;

	lockdep_assert_held(&c->lock);

	if (penalty_pause(&c->penalty) || !choose_zone_locked(c))
		return DMC_NO_WORK;

	i = zone_lowest_locked(c, c->zone);
	unlink_locked(c, i);
	queue_set_state(&c->q, i, BLOCK_BUSY);
	work->op = DMC_OP_WRITEBACK;
	work->oblock = cleaner_oblock_of(c, i);
	work->cblock = queue_cblock(&c->q, i);
	c->next = to_oblock(from_oblock(work->oblock) + 1);
	return 0;
}

static int cleaner_next_work(struct dmc_policy *p, bool idle, u32 nr_free, struct dmc_work *work)
{
	struct cleaner *c = to_cleaner(p);
	unsigned long flags;
	int err;

	spin_lock_irqsave(&c->lock, flags);
	err = cleaner_next_work_locked(c, work);
	spin_unlock_irqrestore(&c->lock, flags);
	return err;
}

static void written_back_locked(struct cleaner *c, const struct dmc_work *work, bool success)
{
	u32 i = queue_index(&c->q, work->cblock);

	if (!success)
		c->penalty.failures++;

	/* Invalidated, and perhaps used again, while it was being written. */
	if (queue_state(&c->q, i) != BLOCK_BUSY)
		return;

	queue_set_state(&c->q, i, BLOCK_QUEUED);
	if (!queue_has(&c->q, i, QUEUE_DIRTY))
		return;
	if (success)
		zone_add_locked(c, i, work->oblock);	/* written to again since */
	else
		penalty_add(&c->penalty, &c->q, i);
}

static void cleaner_work_done(struct dmc_policy *p, const struct dmc_work *work, bool success)
{
	struct cleaner *c = to_cleaner(p);
	unsigned long flags;

	spin_lock_irqsave(&c->lock, flags);
	if (work->op == DMC_OP_WRITEBACK) {
		written_back_locked(c, work, success);
	} else if (success) {
		/* Not our wish, but true. */
		cleaner_remove_locked(c, work->cblock);
		if (work->op == DMC_OP_PROMOTE)
			cleaner_add_locked(c, work->cblock, work->oblock);
	}
	spin_unlock_irqrestore(&c->lock, flags);
}

static void cleaner_tick(struct dmc_policy *p)
{
	struct cleaner *c = to_cleaner(p);
	unsigned int budget = RELEASES;
	unsigned long flags;
	u32 i;

	spin_lock_irqsave(&c->lock, flags);
	while (budget-- && (i = penalty_over(&c->penalty, &c->q)) != QUEUE_NIL) {
		queue_unlink(&c->q, i);
		zone_add_locked(c, i, cleaner_oblock_of(c, i));
	}
	penalty_tick(&c->penalty, queue_empty(&c->q, c->penalty.served));
	spin_unlock_irqrestore(&c->lock, flags);
}

/*----- create -----*/

static struct dmc_policy_type cleaner_type;

static struct dmc_policy *cleaner_create(const struct dmc_mappings *map, u32 nr_cblocks,
					 u64 origin_sectors, u64 block_sectors)
{
	u64 nr_oblocks = div64_u64(origin_sectors, block_sectors) + 1;
	struct cleaner *c;
	int err;

	c = kzalloc(sizeof(*c), GFP_KERNEL);
	if (!c)
		return ERR_PTR(-ENOMEM);

	spin_lock_init(&c->lock);
	c->nr_zones = clamp_t(u32, nr_cblocks / BLOCKS_PER_ZONE, 1, ZONES_MAX);
	c->zone_oblocks = div64_u64(nr_oblocks, c->nr_zones) + 1;
	err = bit_tree_init(&c->zones, c->nr_zones);
	if (err)
		goto err_cleaner;
	err = queues_init(&c->q, c->nr_zones + 3, nr_cblocks);
	if (err)
		goto err_zones;

	penalty_init(&c->penalty, c->nr_zones + 1);
	c->map = map;
	c->policy.type = &cleaner_type;
	return &c->policy;

err_zones:
	bit_tree_exit(&c->zones);
err_cleaner:
	kfree(c);
	return ERR_PTR(err);
}

static void cleaner_destroy(struct dmc_policy *p)
{
	struct cleaner *c = to_cleaner(p);

	queues_exit(&c->q);
	bit_tree_exit(&c->zones);
	kfree(c);
}

/*----- the module -----*/

static struct dmc_policy_type cleaner_type = {
	.name = "cleaner",
	.version = { 2, 0, 0 },
	.owner = THIS_MODULE,
	.create = cleaner_create,
	.destroy = cleaner_destroy,
	.load_mapping = cleaner_load_mapping,
	.load_run = cleaner_load_run,
	.hit = cleaner_hit,
	.miss = cleaner_miss,
	.next_work = cleaner_next_work,
	.work_done = cleaner_work_done,
	.invalidate = cleaner_invalidate,
	.set_dirty = cleaner_set_dirty,
	.clear_dirty = cleaner_clear_dirty,
	.tick = cleaner_tick,
	.residency = cleaner_residency,
};

module_dmc_policy(cleaner_type);

MODULE_DESCRIPTION("Write-everything-back policy for dm-cache");
MODULE_AUTHOR("dm-cache maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMC_VERSION);
