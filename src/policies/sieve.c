// SPDX-License-Identifier: GPL-2.0-only
/*
 * sieve.c - SIEVE: one FIFO queue, one bit a block, and a hand that leaves the good ones where they
 * are.
 *
 * The hand goes from the oldest block to the newest.  A block that was hit since the hand came by
 * loses its mark and stays in its place; the first one without a mark is evicted.  Newcomers join
 * at the far end, and are seen by the hand only after it has come round: most of them soon, as
 * it stays where it found the last victim.  (Zhang and others, "SIEVE is simpler than LRU", NSDI 2024.)
 *
 * promote_after says on which miss a block comes in (1: every miss, as in the paper); misses
 * are counted in a table of ghosts.  A hint is the mark.
 *
 * On the bio's path: pq_hit(), dmc_pq_miss(); see policy-queues.h for the callers and the lock.
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
	[PROMOTE_AFTER] = { "promote_after", 2, GHOST_TABLE_COUNT_MAX },
};

struct sieve {
	struct policy_queues pq;
	u32 hand;		/* the next block to look at, or the list head */
};

static struct sieve *to_sieve(struct policy_queues *pq)
{
	return container_of(pq, struct sieve, pq);
}

/*----- the answers to policy-queues.h -----*/

static bool sieve_admit(struct policy_queues *pq, oblock_t oblock, enum dmc_dir dir, u32 sectors,
			bool room, u32 *tag)
{
	u32 after = tunable_get(pq->tunables, PROMOTE_AFTER);

	return room || after <= 1 || ghost_table_touch(&pq->ghosts, oblock).count + 1 >= after;
}

static void sieve_insert(struct policy_queues *pq, u32 b, u32 tag, int why)
{
	if (why == PQ_LOADED && tag != PQ_NONE)
		pq_set_mark(pq, b, !!tag);
	dmc_pq_append(pq, 0, b);
}

static void sieve_remove(struct policy_queues *pq, u32 b)
{
	struct sieve *s = to_sieve(pq);

	if (s->hand == b)
		s->hand = pq->link[b][1];
	dmc_pq_unlink(pq, b);
}

static u32 sieve_victim(struct policy_queues *pq)
{
	struct sieve *s = to_sieve(pq);
	u32 b = s->hand, looks;

	for (looks = 0; looks < LOOKS; looks++) {
		if (pq_is_end(pq, b))
			b = pq_oldest(pq, 0);
		if (pq_is_end(pq, b))
			return PQ_NONE;
		if (pq_may_go(pq, b) && !pq_mark(pq, b))
			break;
		pq_set_mark(pq, b, 0);
		b = pq->link[b][1];
	}
	s->hand = b;
	if (looks == LOOKS && !pq->insist)
		return PQ_AGAIN;
	return !pq_is_end(pq, b) && pq_may_go(pq, b) ? b : PQ_NONE;
}

static u32 sieve_hint(struct policy_queues *pq, u32 b)
{
	return pq_mark(pq, b);
}

static int sieve_init(struct policy_queues *pq, u64 block_sectors)
{
	to_sieve(pq)->hand = pq_head(pq, 0);
	return 0;
}

static u32 sieve_grade_hint(u32 grade)
{
	return pq_grade_hint(grade, 0, 1);
}

static const struct pq_ops sieve_ops = {
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
	.hit = dmc_pq_hit,
	PQ_METHODS,
	.grade_hint = sieve_grade_hint,
	.set_config = dmc_pq_set_config,
};

static struct dmc_policy *sieve_create(const struct dmc_mappings *map, u32 nr_cblocks,
				       u64 origin_sectors, u64 block_sectors)
{
	return dmc_pq_create(&sieve_type, &sieve_ops, map, nr_cblocks, block_sectors);
}

module_dmc_policy(sieve_type);

MODULE_DESCRIPTION("SIEVE replacement policy for dm-cache");
MODULE_AUTHOR("dm-cache maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMC_VERSION);
