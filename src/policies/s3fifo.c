// SPDX-License-Identifier: GPL-2.0-only
/*
 * s3fifo.c - S3-FIFO: three FIFO queues, and no block moves when it is hit.
 *
 * A newcomer stands in the *small* queue, a tenth of the cache.  If it was hit there, it goes on to
 * the *main* queue when its turn comes; if not, it is evicted and remembered as a ghost.  A ghost
 * that is missed goes straight to the main queue, where a block gets another round for each hit, up
 * to three.  So blocks that are used once pass through a tenth of the cache and leave the rest
 * alone.  (Yang and others, "FIFO queues are all you need for cache eviction", SOSP 2023.)
 *
 * promote_after says on which miss a block comes in; 1 is what the paper does, but a promotion
 * copies a whole block, and those that are missed once are mostly not missed again.  The misses are
 * counted in the table that keeps the ghosts.  A hint is the queue and the mark.
 *
 * On the bio's path: pq_hit(), dmc_pq_miss(); see policy-queues.h for the callers and the lock.
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
	[PROMOTE_AFTER] = { "promote_after", 2, GHOST_TABLE_COUNT_MAX },
};

/*----- the answers to policy-queues.h -----*/

/* How old a ghost may be.  Where misses are counted too, the table forgets soon enough. */
static u32 ghost_age(const struct policy_queues *pq, u32 promote_after)
{
	u64 nr = (u64)pq->nr * tunable_get(pq->tunables, GHOST_PERCENT);

	return promote_after > 1 ? GHOST_TABLE_AGES : div_u64(nr, 100) >> pq->ghosts.stamp_shift;
}

/* An evicted block is remembered with the highest count, which a counted miss does not reach. */
static bool s3fifo_admit(struct policy_queues *pq, oblock_t oblock, enum dmc_dir dir, u32 sectors,
			 bool room, u32 *tag)
{
	u32 after = tunable_get(pq->tunables, PROMOTE_AFTER);
	struct ghost_table_seen seen = ghost_table_look(&pq->ghosts, oblock);

	if (seen.count == GHOST_TABLE_COUNT_MAX) {
		if (seen.age <= ghost_age(pq, after)) {
			*tag = TAG_MAIN;
			ghost_table_forget(&pq->ghosts, oblock);
			return true;
		}
		seen.count = 0;
	}
	if (room || seen.count + 1 >= after)
		return true;
	ghost_table_put(&pq->ghosts, oblock, seen.count + 1);
	return false;
}

static void s3fifo_insert(struct policy_queues *pq, u32 b, u32 tag, int why)
{
	if (why == PQ_LOADED && tag != PQ_NONE) {
		pq_set_mark(pq, b, min_t(u32, tag & 0xff, MARK_MAX));
		dmc_pq_enqueue(pq, tag & HINT_MAIN ? MAIN : SMALL, b);
	} else {
		dmc_pq_enqueue(pq, why == PQ_NEW && tag != TAG_MAIN ? SMALL : MAIN, b);
	}
}

static void move_on(struct policy_queues *pq, u32 b, u8 which, u8 mark)
{
	dmc_pq_requeue(pq, which, b);
	pq_set_mark(pq, b, mark);
}

static u32 s3fifo_victim(struct policy_queues *pq)
{
	u32 small = div_u64((u64)pq->nr * tunable_get(pq->tunables, SMALL_PERCENT), 100);
	u8 move_after = tunable_get(pq->tunables, MOVE_AFTER);
	u32 b = PQ_NONE, looks;
	u8 mark, which;

	for (looks = 0; looks < LOOKS; looks++) {
		which = pq->length[SMALL] > small || !pq->length[MAIN] ? SMALL : MAIN;
		b = dmc_pq_first_to_go(pq, which, false);
		if (b == PQ_NONE)
			b = dmc_pq_first_to_go(pq, which = !which, false);
		if (b == PQ_NONE)
			return PQ_NONE;

		mark = pq_mark(pq, b);
		if (which == SMALL && mark >= max_t(u8, move_after, 1))
			move_on(pq, b, MAIN, 0);
		else if (which == MAIN && mark)
			move_on(pq, b, MAIN, mark - 1);
		else
			return b;
	}
	return pq->insist ? b : PQ_AGAIN;
}

static void s3fifo_evicted(struct policy_queues *pq, u32 b, oblock_t oblock)
{
	if (pq_queue_of(pq, b) == SMALL)
		ghost_table_put(&pq->ghosts, oblock, GHOST_TABLE_COUNT_MAX);
}

static u32 s3fifo_hint(struct policy_queues *pq, u32 b)
{
	return pq_mark(pq, b) | (pq_queue_of(pq, b) == MAIN ? HINT_MAIN : 0);
}

static u32 s3fifo_grade_hint(u32 grade)
{
	return pq_grade_hint(grade, MARK_MAX, HINT_MAIN);
}

static const struct pq_ops s3fifo_ops = {
	.admit = s3fifo_admit,
	.insert = s3fifo_insert,
	.remove = dmc_pq_dequeue,
	.victim = s3fifo_victim,
	.evicted = s3fifo_evicted,
	.hint = s3fifo_hint,
	.size = sizeof(struct policy_queues),
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
	.hit = dmc_pq_hit,
	PQ_METHODS,
	.grade_hint = s3fifo_grade_hint,
	.set_config = dmc_pq_set_config,
};

static struct dmc_policy *s3fifo_create(const struct dmc_mappings *map, u32 nr_cblocks,
					u64 origin_sectors, u64 block_sectors)
{
	return dmc_pq_create(&s3fifo_type, &s3fifo_ops, map, nr_cblocks, block_sectors);
}

module_dmc_policy(s3fifo_type);

MODULE_DESCRIPTION("S3-FIFO replacement policy for dm-cache");
MODULE_AUTHOR("dm-cache maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMC_VERSION);
