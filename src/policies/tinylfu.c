// SPDX-License-Identifier: GPL-2.0-only
/*
 * tinylfu.c - admission by frequency, after W-TinyLFU: a newcomer must be asked for more often than
 * the block that it replaces.
 *
 * A sketch (sketch.h) estimates how often any block, cached or not, was asked for of late.  The
 * cache is a small *window*, where every newcomer stands first, and the rest, in two queues: the
 * *probation* queue, and the *protected* one for those that were hit in it.  When the window is full,
 * its oldest block and the oldest on probation are compared: the one of lower frequency is evicted.
 * (Einziger, Friedman and Manes, "TinyLFU: a highly efficient cache admission policy", 2017.)
 *
 * Evicting a newcomer is cheap in memory, but here it was copied in.  So by default the comparison
 * is made before: with filter 1 a missed block must have a higher frequency than the next victim, to
 * come in at all.  filter 0 admits every miss, as in the paper.
 *
 * A hit leaves a mark; the sketch learns of it when the block is looked at.  A hint is the mark and
 * the queue.
 *
 * On the bio's path: pool_hit(), pool_miss(); see policy-queues.h for the callers and the lock.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "../version.h"
#include "lib/policy-queues.h"
#include "lib/sketch.h"
#include "lib/tunables.h"

enum { WINDOW, PROBATION, PROTECTED, NR_QUEUES };

#define SKETCH_PERIOD	10	/* as in the paper */
#define LOOKS		16	/* blocks moved on in a part of a search... */
#define MISS_LOOKS	8	/* ... and for a miss */
#define HINT_PROTECTED	0x100

enum { WINDOW_PERCENT, PROTECTED_PERCENT, FILTER, NR_TUNABLES };

static const struct tunable tunables[NR_TUNABLES] = {
	[WINDOW_PERCENT] = { "window_percent", 1, 100 },
	[PROTECTED_PERCENT] = { "protected_percent", 80, 100 },
	[FILTER] = { "filter", 1, 1 },
};

static u32 part(const struct pool *pool, unsigned int percent)
{
	return div_u64((u64)pool->nr * tunable_get(pool->tunables, percent), 100);
}

static u32 window(const struct pool *pool)
{
	return max(part(pool, WINDOW_PERCENT), 1U);
}

static u32 frequency(const struct pool *pool, u32 b)
{
	return sketch_get(&pool->sketch, pool_oblock(pool, b));
}

static void touch(struct pool *pool, oblock_t oblock, u32 times)
{
	sketch_add(&pool->sketch, oblock, times);
	sketch_age(&pool->sketch, times);
}

/*----- queues -----*/

/* What hits have left is told to the sketch.  Was there anything? */
static bool tinylfu_settle(struct pool *pool, u32 b)
{
	u8 mark = min_t(u8, pool_mark(pool, b), SKETCH_MAX);

	pool_set_mark(pool, b, 0);
	if (mark)
		touch(pool, pool_oblock(pool, b), mark);
	return mark;
}

/* Who was hit long ago goes back on probation. */
static void shrink_protected(struct pool *pool, u32 looks)
{
	u32 most = part(pool, PROTECTED_PERCENT), b;

	for (; pool->length[PROTECTED] > most && looks; looks--) {
		b = pool_coldest(pool, PROTECTED, PROTECTED, &looks);
		if (b == POOL_NONE)
			return;
		pool_requeue(pool, PROBATION, b);
	}
}

/* If looking on may find a better one, and @insist is not set: POOL_AGAIN. */
static u32 main_victim(struct pool *pool, u32 max_looks, bool insist)
{
	u32 looks = max_looks, b;

	b = pool_coldest(pool, PROBATION, PROTECTED, &looks);
	shrink_protected(pool, max_looks);
	if (b == POOL_NONE && !looks && !insist)
		return POOL_AGAIN;
	if (b == POOL_NONE)
		b = pool_first_to_go(pool, PROBATION, false);
	if (b == POOL_NONE)
		b = pool_first_to_go(pool, PROTECTED, false);
	return b;
}

/*----- the answers to policy-queues.h -----*/

static bool tinylfu_admit(struct pool *pool, oblock_t oblock, enum dmc_dir dir, u32 sectors,
			  bool room, u32 *tag)
{
	u32 victim;

	touch(pool, oblock, 1);
	if (room || !tunable_get(pool->tunables, FILTER))
		return true;
	victim = main_victim(pool, MISS_LOOKS, true);
	return victim == POOL_NONE || sketch_get(&pool->sketch, oblock) > frequency(pool, victim) + 1;
}

static void tinylfu_insert(struct pool *pool, u32 b, u32 tag, int why)
{
	bool protected = why == POOL_LOADED && tag != POOL_NONE && tag & HINT_PROTECTED;

	if (why == POOL_LOADED) {
		/* Whoever was worth a place was asked for twice, or four times to be protected. */
		touch(pool, pool_oblock(pool, b), protected ? 4 : 2);
		if (tag != POOL_NONE)
			pool_set_mark(pool, b, min_t(u32, tag & 0xff, SKETCH_MAX));
		pool_enqueue(pool, protected ? PROTECTED : PROBATION, b);
	} else if (why == POOL_NEW && !tunable_get(pool->tunables, FILTER)) {
		pool_enqueue(pool, WINDOW, b);
		/* While the cache fills, who falls out of the window has a place. */
		if (pool->length[WINDOW] > window(pool) && !pool_is_full(pool))
			pool_requeue(pool, PROBATION, pool_oldest(pool, WINDOW));
	} else {
		pool_enqueue(pool, PROBATION, b);
	}
}

static u32 tinylfu_victim(struct pool *pool)
{
	u32 b = main_victim(pool, LOOKS, pool->insist), newcomer, looks = LOOKS;

	if (b == POOL_AGAIN)
		return b;
	/* The one that comes in now pushes another out of the window. */
	if (pool->length[WINDOW] < window(pool) && b != POOL_NONE)
		return b;
	newcomer = pool_coldest(pool, WINDOW, WINDOW, &looks);
	if (newcomer == POOL_NONE)
		newcomer = pool_first_to_go(pool, WINDOW, false);
	if (newcomer == POOL_NONE || b == POOL_NONE)
		return newcomer == POOL_NONE ? b : newcomer;
	if (frequency(pool, newcomer) <= frequency(pool, b))
		return newcomer;
	pool_requeue(pool, PROBATION, newcomer);
	return b;
}

static u32 tinylfu_hint(struct pool *pool, u32 b)
{
	return pool_mark(pool, b) | (pool_queue_of(pool, b) == PROTECTED ? HINT_PROTECTED : 0);
}

static u32 tinylfu_grade_hint(u32 grade)
{
	return pool_grade_hint(grade, SKETCH_MAX, HINT_PROTECTED);
}

static const struct pool_ops tinylfu_ops = {
	.admit = tinylfu_admit,
	.insert = tinylfu_insert,
	.remove = pool_dequeue,
	.victim = tinylfu_victim,
	.hint = tinylfu_hint,
	.settle = tinylfu_settle,
	.size = sizeof(struct pool),
	.nr_heads = NR_QUEUES,
	.mark_max = SKETCH_MAX,
	.sketch_period = SKETCH_PERIOD,
	.tunables = tunables,
	.nr_tunables = NR_TUNABLES,
};

/*----- the module -----*/

static struct dmc_policy *tinylfu_create(const struct dmc_mappings *map, u32 nr_cblocks,
					 u64 origin_sectors, u64 block_sectors);

static struct dmc_policy_type tinylfu_type = {
	.name = "tinylfu",
	.version = { 1, 0, 0 },
	.hint_size = 4,
	.owner = THIS_MODULE,
	.create = tinylfu_create,
	.hit = pool_method_hit,
	POOL_METHODS,
	.grade_hint = tinylfu_grade_hint,
	.set_config = pool_set_config,
};

static struct dmc_policy *tinylfu_create(const struct dmc_mappings *map, u32 nr_cblocks,
					 u64 origin_sectors, u64 block_sectors)
{
	return pool_create(&tinylfu_type, &tinylfu_ops, map, nr_cblocks, block_sectors);
}

static int __init tinylfu_module_init(void)
{
	return dmc_policy_register(&tinylfu_type);
}

static void __exit tinylfu_module_exit(void)
{
	dmc_policy_unregister(&tinylfu_type);
}

module_init(tinylfu_module_init);
module_exit(tinylfu_module_exit);

MODULE_DESCRIPTION("Replacement policy for dm-cache with admission by frequency (TinyLFU)");
MODULE_AUTHOR("dm-cache maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMC_VERSION);
