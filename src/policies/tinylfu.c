// SPDX-License-Identifier: GPL-2.0-only
/*
 * tinylfu.c - admission by frequency, after W-TinyLFU: a newcomer must be asked for more often than
 * the block that it replaces.
 *
 * A sketch (sketch.h) estimates how often any block, cached or not, was asked for of late.  The
 * cache is a small *window*, where every newcomer stands first, and the rest, in two queues: the
 * *probation* queue, and the *protected* one for those that were hit in it.  When the window is
 * full, its oldest block and the oldest on probation are compared: the one of lower frequency is
 * evicted.  (Einziger, Friedman and Manes, "TinyLFU: a highly efficient cache admission policy",
 * 2017.)
 *
 * Evicting a newcomer is cheap in memory, but here it was copied in.  So by default the comparison
 * is made before: with filter 1 a missed block must have a higher frequency than the next victim,
 * to come in at all.  filter 0 admits every miss, as in the paper.
 *
 * A hit leaves a mark; the sketch learns of it when the block is looked at.  A hint is the mark and
 * the queue.
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
#include "lib/policy-queues.h"
#include "lib/sketch.h"
#include "lib/tunables.h"

enum { WINDOW, PROBATION, PROTECTED, NR_QUEUES };

#define SKETCH_PERIOD	10	/* as in the paper */
#define LOOKS		16	/* blocks moved on in a part of a search for a victim */
#define MISS_LOOKS	8	/* blocks moved on for a miss */
#define HINT_PROTECTED	0x100

enum { WINDOW_PERCENT, PROTECTED_PERCENT, FILTER, NR_TUNABLES };

static const struct tunable tunables[NR_TUNABLES] = {
	[WINDOW_PERCENT] = { "window_percent", 1, 100 },
	[PROTECTED_PERCENT] = { "protected_percent", 80, 100 },
	[FILTER] = { "filter", 1, 1 },
};

static u32 part(const struct policy_queues *pq, unsigned int percent)
{
	return div_u64((u64)pq->nr * tunable_get(pq->tunables, percent), 100);
}

static u32 window(const struct policy_queues *pq)
{
	return max(part(pq, WINDOW_PERCENT), 1U);
}

static u32 tinylfu_frequency(const struct policy_queues *pq, u32 b)
{
	return sketch_get(&pq->sketch, pq_oblock(pq, b));
}

static void tinylfu_touch(struct policy_queues *pq, oblock_t oblock, u32 times)
{
	sketch_add(&pq->sketch, oblock, times);
	sketch_age(&pq->sketch, times);
}

/*----- queues -----*/

/* Tells the sketch of the hits since the last look at the block.  True: there were some. */
static bool tinylfu_settle(struct policy_queues *pq, u32 b)
{
	u8 mark = min_t(u8, pq_mark(pq, b), SKETCH_MAX);

	pq_set_mark(pq, b, 0);
	if (mark)
		tinylfu_touch(pq, pq_oblock(pq, b), mark);
	return mark;
}

/* A block that was last hit long ago goes back on probation. */
static void tinylfu_shrink_protected(struct policy_queues *pq, u32 looks)
{
	u32 most = part(pq, PROTECTED_PERCENT), b;

	for (; pq->length[PROTECTED] > most && looks; looks--) {
		b = dmc_pq_coldest(pq, PROTECTED, PROTECTED, &looks);
		if (b == PQ_NONE)
			return;
		dmc_pq_requeue(pq, PROBATION, b);
	}
}

/* If looking on may find a better one, and @insist is not set: PQ_AGAIN. */
static u32 tinylfu_main_victim(struct policy_queues *pq, u32 max_looks, bool insist)
{
	u32 looks = max_looks, b;

	b = dmc_pq_coldest(pq, PROBATION, PROTECTED, &looks);
	tinylfu_shrink_protected(pq, max_looks);
	if (b == PQ_NONE && !looks && !insist)
		return PQ_AGAIN;
	if (b == PQ_NONE)
		b = dmc_pq_first_to_go(pq, PROBATION, false);
	if (b == PQ_NONE)
		b = dmc_pq_first_to_go(pq, PROTECTED, false);
	return b;
}

/*----- the answers to policy-queues.h -----*/

static bool tinylfu_admit(struct policy_queues *pq, oblock_t oblock, enum dmc_dir dir, u32 sectors,
			  bool room, u32 *tag)
{
	u32 victim;

	tinylfu_touch(pq, oblock, 1);
	if (room || !tunable_get(pq->tunables, FILTER))
		return true;
	victim = tinylfu_main_victim(pq, MISS_LOOKS, true);
	return victim == PQ_NONE ||
	       sketch_get(&pq->sketch, oblock) > tinylfu_frequency(pq, victim) + 1;
}

static void tinylfu_insert(struct policy_queues *pq, u32 b, u32 tag, int why)
{
	bool protected = why == PQ_LOADED && tag != PQ_NONE && tag & HINT_PROTECTED;

	if (why == PQ_LOADED) {
		/* It counts as asked for twice, or four times if it is protected. */
		tinylfu_touch(pq, pq_oblock(pq, b), protected ? 4 : 2);
		if (tag != PQ_NONE)
			pq_set_mark(pq, b, min_t(u32, tag & 0xff, SKETCH_MAX));
		dmc_pq_enqueue(pq, protected ? PROTECTED : PROBATION, b);
	} else if (why == PQ_NEW && !tunable_get(pq->tunables, FILTER)) {
		dmc_pq_enqueue(pq, WINDOW, b);
		/* While the cache fills, a block that falls out of the window has a place. */
		if (pq->length[WINDOW] > window(pq) && !pq_is_full(pq))
			dmc_pq_requeue(pq, PROBATION, pq_oldest(pq, WINDOW));
	} else {
		dmc_pq_enqueue(pq, PROBATION, b);
	}
}

static u32 tinylfu_victim(struct policy_queues *pq)
{
	u32 b = tinylfu_main_victim(pq, LOOKS, pq->insist), newcomer, looks = LOOKS;

	if (b == PQ_AGAIN)
		return b;
	/* The one that comes in now pushes another out of the window. */
	if (pq->length[WINDOW] < window(pq) && b != PQ_NONE)
		return b;
	newcomer = dmc_pq_coldest(pq, WINDOW, WINDOW, &looks);
	if (newcomer == PQ_NONE)
		newcomer = dmc_pq_first_to_go(pq, WINDOW, false);
	if (newcomer == PQ_NONE || b == PQ_NONE)
		return newcomer == PQ_NONE ? b : newcomer;
	if (tinylfu_frequency(pq, newcomer) <= tinylfu_frequency(pq, b))
		return newcomer;
	dmc_pq_requeue(pq, PROBATION, newcomer);
	return b;
}

static u32 tinylfu_hint(struct policy_queues *pq, u32 b)
{
	return pq_mark(pq, b) | (pq_queue_of(pq, b) == PROTECTED ? HINT_PROTECTED : 0);
}

static u32 tinylfu_grade_hint(u32 grade)
{
	return pq_grade_hint(grade, SKETCH_MAX, HINT_PROTECTED);
}

static const struct pq_ops tinylfu_ops = {
	.admit = tinylfu_admit,
	.insert = tinylfu_insert,
	.remove = dmc_pq_dequeue,
	.victim = tinylfu_victim,
	.hint = tinylfu_hint,
	.settle = tinylfu_settle,
	.size = sizeof(struct policy_queues),
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
	.hit = dmc_pq_hit,
	PQ_METHODS,
	.grade_hint = tinylfu_grade_hint,
	.set_config = dmc_pq_set_config,
};

static struct dmc_policy *tinylfu_create(const struct dmc_mappings *map, u32 nr_cblocks,
					 u64 origin_sectors, u64 block_sectors)
{
	return dmc_pq_create(&tinylfu_type, &tinylfu_ops, map, nr_cblocks, block_sectors);
}

module_dmc_policy(tinylfu_type);

MODULE_DESCRIPTION("Replacement policy for dm-cache with admission by frequency (TinyLFU)");
MODULE_AUTHOR("dm-cache maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMC_VERSION);
