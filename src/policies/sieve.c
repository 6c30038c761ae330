// SPDX-License-Identifier: GPL-2.0-only
/*
 * sieve.c - SIEVE: one FIFO queue, one bit a block, and a hand that leaves the good ones where they are.
 *
 * The hand goes from the oldest block to the newest.  A block that was hit since the hand came by
 * loses its mark and stays in its place; the first one without a mark is evicted.  Newcomers join at
 * the far end, and are seen by the hand only after it has come round: most of them soon, as
 * it stays where it found the last victim.  (Zhang and others, "SIEVE is simpler than LRU", NSDI 2024.)
 *
 * promote_after says on which miss a block comes in (1: every miss, as in the paper); misses
 * are counted in a table of ghosts.  A hint is the mark.
 *
 * On the bio's path: pool_hit(), pool_miss(); see policy-queues.h for the callers and the lock.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "../version.h"
#include "lib/ghost-table.h"
#include "lib/policy-queues.h"
#include "lib/tunables.h"

#define LOOKS	64	/* marked blocks passed in a part of a search */

enum { PROMOTE_AFTER, NR_TUNABLES };

static const struct tunable tunables[NR_TUNABLES] = {
	[PROMOTE_AFTER] = { "promote_after", 2, HISTORY_COUNT_MAX },
};

struct sieve {
	struct pool pool;
	u32 hand;		/* the next block to look at, or the list head */
};

static struct sieve *to_sieve(struct pool *pool)
{
	return container_of(pool, struct sieve, pool);
}

/*----- the answers to policy-queues.h -----*/

static bool sieve_admit(struct pool *pool, oblock_t oblock, enum dmc_dir dir, u32 sectors,
			bool room, u32 *tag)
{
	u32 after = tunable_get(pool->tunables, PROMOTE_AFTER);

	return room || after <= 1 || history_touch(&pool->ghosts, oblock).count + 1 >= after;
}

static void sieve_insert(struct pool *pool, u32 b, u32 tag, int why)
{
	if (why == POOL_LOADED && tag != POOL_NONE)
		pool_set_mark(pool, b, !!tag);
	pool_append(pool, 0, b);
}

static void sieve_remove(struct pool *pool, u32 b)
{
	struct sieve *s = to_sieve(pool);

	if (s->hand == b)
		s->hand = pool->link[b][1];
	pool_unlink(pool, b);
}

static u32 sieve_victim(struct pool *pool)
{
	struct sieve *s = to_sieve(pool);
	u32 b = s->hand, looks;

	for (looks = 0; looks < LOOKS; looks++) {
		if (pool_is_end(pool, b))
			b = pool_oldest(pool, 0);
		if (pool_is_end(pool, b))
			return POOL_NONE;
		if (pool_may_go(pool, b) && !pool_mark(pool, b))
			break;
		pool_set_mark(pool, b, 0);
		b = pool->link[b][1];
	}
	s->hand = b;
	if (looks == LOOKS && !pool->insist)
		return POOL_AGAIN;
	return !pool_is_end(pool, b) && pool_may_go(pool, b) ? b : POOL_NONE;
}

static u32 sieve_hint(struct pool *pool, u32 b)
{
	return pool_mark(pool, b);
}

static int sieve_init(struct pool *pool, u64 block_sectors)
{
	to_sieve(pool)->hand = pool_head(pool, 0);
	return 0;
}

static u32 sieve_grade_hint(u32 grade)
{
	return pool_grade_hint(grade, 0, 1);
}

static const struct pool_ops sieve_ops = {
	.admit = sieve_admit,
	.insert = sieve_insert,
	.remove = sieve_remove,
	.victim = sieve_victim,
	.hint = sieve_hint,
	.init = sieve_init,
	.size = sizeof(struct sieve),
	.nr_heads = 1,
	.mark_max = 1,
	.ghosts_per_block = 1,
	.tunables = tunables,
	.nr_tunables = NR_TUNABLES,
};

/*----- the module -----*/

static struct dmc_policy *sieve_create(const struct dmc_mappings *map, u32 nr_cblocks,
				       u64 origin_sectors, u64 block_sectors);

static struct dmc_policy_type sieve_type = {
	.name = "sieve",
	.version = { 1, 0, 0 },
	.hint_size = 4,
	.owner = THIS_MODULE,
	.create = sieve_create,
	.hit = pool_method_hit,
	POOL_METHODS,
	.grade_hint = sieve_grade_hint,
	.set_config = pool_set_config,
};

static struct dmc_policy *sieve_create(const struct dmc_mappings *map, u32 nr_cblocks,
				       u64 origin_sectors, u64 block_sectors)
{
	return pool_create(&sieve_type, &sieve_ops, map, nr_cblocks, block_sectors);
}

static int __init sieve_module_init(void)
{
	return dmc_policy_register(&sieve_type);
}

static void __exit sieve_module_exit(void)
{
	dmc_policy_unregister(&sieve_type);
}

module_init(sieve_module_init);
module_exit(sieve_module_exit);

MODULE_DESCRIPTION("SIEVE replacement policy for dm-cache");
MODULE_AUTHOR("dm-cache maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMC_VERSION);
