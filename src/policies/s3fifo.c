// SPDX-License-Identifier: GPL-2.0-only
/*
 * s3fifo.c - S3-FIFO: three FIFO queues, and no block moves when it is hit.
 *
 * A newcomer stands in the *small* queue, a tenth of the cache.  Who was hit there goes on to the
 * *main* queue when its turn comes, the rest is evicted and remembered as a ghost.  A ghost
 * that is missed goes straight to the main queue, where a block gets another round for each hit, up
 * to three.  So blocks that are used once pass through a tenth of the cache and leave the rest alone.
 * (Yang and others, "FIFO queues are all you need for cache eviction", SOSP 2023.)
 *
 * promote_after says on which miss a block comes in; 1 is what the paper does, but a promotion
 * copies a whole block, and those that are missed once are mostly not missed again.  The misses are
 * counted in the table that keeps the ghosts.  A hint is the queue and the mark.
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
#include "lib/ghost-table.h"
#include "lib/policy-queues.h"
#include "lib/tunables.h"

enum { SMALL, MAIN, NR_QUEUES };

#define MARK_MAX	3
#define TAG_MAIN	1
#define GHOSTS_PER_BLOCK 2	/* and counted misses */
#define LOOKS		32	/* blocks moved on in a part of a search for a victim */
#define HINT_MAIN	0x100

enum { SMALL_PERCENT, GHOST_PERCENT, MOVE_AFTER, PROMOTE_AFTER, NR_TUNABLES };

static const struct tunable tunables[NR_TUNABLES] = {
	[SMALL_PERCENT] = { "small_percent", 10, 100 },
	[GHOST_PERCENT] = { "ghost_percent", 60, 100 * GHOSTS_PER_BLOCK },
	[MOVE_AFTER] = { "move_after", 2, MARK_MAX },
	[PROMOTE_AFTER] = { "promote_after", 2, HISTORY_COUNT_MAX },
};

/*----- the answers to policy-queues.h -----*/

/* How old a ghost may be.  Where misses are counted too, the table forgets soon enough. */
static u32 ghost_age(const struct pool *pool, u32 promote_after)
{
	u64 nr = (u64)pool->nr * tunable_get(pool->tunables, GHOST_PERCENT);

	return promote_after > 1 ? HISTORY_AGES : div_u64(nr, 100) >> pool->ghosts.stamp_shift;
}

/* An evicted block is remembered with the highest count, which a counted miss does not reach. */
static bool s3fifo_admit(struct pool *pool, oblock_t oblock, enum dmc_dir dir, u32 sectors,
			 bool room, u32 *tag)
{
	u32 after = tunable_get(pool->tunables, PROMOTE_AFTER);
	struct history_seen seen = history_look(&pool->ghosts, oblock);

	if (seen.count == HISTORY_COUNT_MAX) {
		if (seen.age <= ghost_age(pool, after)) {
			*tag = TAG_MAIN;
			history_forget(&pool->ghosts, oblock);
			return true;
		}
		seen.count = 0;
	}
	if (room || seen.count + 1 >= after)
		return true;
	history_put(&pool->ghosts, oblock, seen.count + 1);
	return false;
}

static void s3fifo_insert(struct pool *pool, u32 b, u32 tag, int why)
{
	if (why == POOL_LOADED && tag != POOL_NONE) {
		pool_set_mark(pool, b, min_t(u32, tag & 0xff, MARK_MAX));
		pool_enqueue(pool, tag & HINT_MAIN ? MAIN : SMALL, b);
	} else {
		pool_enqueue(pool, why == POOL_NEW && tag != TAG_MAIN ? SMALL : MAIN, b);
	}
}

static void move_on(struct pool *pool, u32 b, u8 which, u8 mark)
{
	pool_requeue(pool, which, b);
	pool_set_mark(pool, b, mark);
}

static u32 s3fifo_victim(struct pool *pool)
{
	u32 small = div_u64((u64)pool->nr * tunable_get(pool->tunables, SMALL_PERCENT), 100);
	u8 move_after = tunable_get(pool->tunables, MOVE_AFTER);
	u32 b = POOL_NONE, looks;
	u8 mark, which;

	for (looks = 0; looks < LOOKS; looks++) {
		which = pool->length[SMALL] > small || !pool->length[MAIN] ? SMALL : MAIN;
		b = pool_first_to_go(pool, which, false);
		if (b == POOL_NONE)
			b = pool_first_to_go(pool, which = !which, false);
		if (b == POOL_NONE)
			return POOL_NONE;

		mark = pool_mark(pool, b);
		if (which == SMALL && mark >= max_t(u8, move_after, 1))
			move_on(pool, b, MAIN, 0);
		else if (which == MAIN && mark)
			move_on(pool, b, MAIN, mark - 1);
		else
			return b;
	}
	return pool->insist ? b : POOL_AGAIN;
}

static void s3fifo_evicted(struct pool *pool, u32 b, oblock_t oblock)
{
	if (pool_queue_of(pool, b) == SMALL)
		history_put(&pool->ghosts, oblock, HISTORY_COUNT_MAX);
}

static u32 s3fifo_hint(struct pool *pool, u32 b)
{
	return pool_mark(pool, b) | (pool_queue_of(pool, b) == MAIN ? HINT_MAIN : 0);
}

static u32 s3fifo_grade_hint(u32 grade)
{
	return pool_grade_hint(grade, MARK_MAX, HINT_MAIN);
}

static const struct pool_ops s3fifo_ops = {
	.admit = s3fifo_admit,
	.insert = s3fifo_insert,
	.remove = pool_dequeue,
	.victim = s3fifo_victim,
	.evicted = s3fifo_evicted,
	.hint = s3fifo_hint,
	.size = sizeof(struct pool),
	.nr_heads = NR_QUEUES,
	.mark_max = MARK_MAX,
	.ghosts_per_block = GHOSTS_PER_BLOCK,
	.tunables = tunables,
	.nr_tunables = NR_TUNABLES,
};

/*----- the module -----*/

static struct dmc_policy *s3fifo_create(const struct dmc_mappings *map, u32 nr_cblocks,
					u64 origin_sectors, u64 block_sectors);

static struct dmc_policy_type s3fifo_type = {
	.name = "s3fifo",
	.version = { 1, 0, 0 },
	.hint_size = 4,
	.owner = THIS_MODULE,
	.create = s3fifo_create,
	.hit = pool_method_hit,
	POOL_METHODS,
	.grade_hint = s3fifo_grade_hint,
	.set_config = pool_set_config,
};

static struct dmc_policy *s3fifo_create(const struct dmc_mappings *map, u32 nr_cblocks,
					u64 origin_sectors, u64 block_sectors)
{
	return pool_create(&s3fifo_type, &s3fifo_ops, map, nr_cblocks, block_sectors);
}

static int __init s3fifo_module_init(void)
{
	return dmc_policy_register(&s3fifo_type);
}

static void __exit s3fifo_module_exit(void)
{
	dmc_policy_unregister(&s3fifo_type);
}

module_init(s3fifo_module_init);
module_exit(s3fifo_module_exit);

MODULE_DESCRIPTION("S3-FIFO replacement policy for dm-cache");
MODULE_AUTHOR("dm-cache maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMC_VERSION);
