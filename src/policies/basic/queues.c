// SPDX-License-Identifier: GPL-2.0-only
/*
 * queues.c - multiqueue, multiqueue_ws, twoqueue and q2: lists, all O(1).
 *
 * Hits leave a mark or a count; a block moves when it is its turn to be looked at.
 *
 * Called by policy-queues.c, under its lock; see policy-queues.h.
 */
#include <linux/kernel.h>
#include <linux/log2.h>

#include "basic.h"

#define LOOKS	16	/* blocks moved on in a part of a search */

/*----- multiqueue: a level for each power of two of uses -----*/

static u8 level_of(u32 use)
{
	return min_t(u8, use ? ilog2(use) : 0, BASIC_LEVELS - 1);
}

static void level_queue(struct basic *basic, u32 b, u8 level)
{
	basic->queued[b] = basic->now;
	pq_set_mark(&basic->pq, b, level);
	dmc_pq_append(&basic->pq, level, b);
}

void levels_insert(struct policy_queues *pq, u32 b, u32 tag, int why)
{
	struct basic *basic = to_basic(pq);

	basic_first_use(basic, b, tag, why);
	level_queue(basic, b, level_of(READ_ONCE(basic->use[b])));
}

/*
 * A block that stands first in a level for as many misses as the cache has blocks, and was not
 * used, goes one level down, with half its uses.
 */
static void expire(struct basic *basic)
{
	struct policy_queues *pq = &basic->pq;
	u8 level;

	for (level = 1; level < BASIC_LEVELS; level++) {
		u32 b = pq_oldest(pq, level);
		u32 use;

		if (pq_is_end(pq, b) || basic->now - basic->queued[b] < 2ULL * pq->nr)
			continue;
		use = READ_ONCE(basic->use[b]);
		dmc_pq_unlink(pq, b);
		if (level_of(use) == level) {
			WRITE_ONCE(basic->use[b], use / 2);
			level_queue(basic, b, level - 1);
		} else {
			level_queue(basic, b, level_of(use));
		}
	}
}

u32 levels_victim(struct policy_queues *pq)
{
	struct basic *basic = to_basic(pq);
	u8 level = 0;
	u32 b = PQ_NONE, looks;

	expire(basic);
	for (looks = 0; looks < LOOKS + BASIC_LEVELS && level < BASIC_LEVELS; looks++) {
		b = dmc_pq_first_to_go(pq, level, false);
		if (b == PQ_NONE) {
			level++;
			continue;
		}
		/* Used since it was queued: it belongs higher up. */
		if (level_of(READ_ONCE(basic->use[b])) <= level)
			return b;
		dmc_pq_unlink(pq, b);
		level_queue(basic, b, level_of(READ_ONCE(basic->use[b])));
	}
	return b == PQ_NONE || pq->insist ? b : PQ_AGAIN;
}

/*----- twoqueue and q2: newcomers apart from the rest -----*/

enum { IN, MAIN };

void two_insert(struct policy_queues *pq, u32 b, u32 tag, int why)
{
	bool main = tag == MAIN && why != PQ_BACK;

	dmc_pq_enqueue(pq, main ? MAIN : IN, b);
}

static void two_move(struct basic *basic, u32 b, u8 which)
{
	pq_set_mark(&basic->pq, b, 0);
	dmc_pq_requeue(&basic->pq, which, b);
}

/* The oldest that was not hit: an approximation of LRU. */
static u32 basic_main_victim(struct basic *basic)
{
	u32 b = PQ_NONE, looks;

	for (looks = 0; looks < LOOKS; looks++) {
		b = dmc_pq_first_to_go(&basic->pq, MAIN, false);
		if (b == PQ_NONE || !pq_mark(&basic->pq, b))
			return b;
		two_move(basic, b, MAIN);
	}
	return basic->pq.insist ? b : PQ_AGAIN;
}

static bool in_is_long(const struct basic *basic)
{
	return basic->pq.length[IN] > basic->pq.nr / 4 || !basic->pq.length[MAIN];
}

u32 twoqueue_victim(struct policy_queues *pq)
{
	struct basic *basic = to_basic(pq);
	u32 b = in_is_long(basic) ? dmc_pq_first_to_go(pq, IN, false) : basic_main_victim(basic);

	/* All busy: from the other one. */
	if (b == PQ_NONE)
		b = dmc_pq_first_to_go(pq, IN, false);
	return b == PQ_NONE ? basic_main_victim(basic) : b;
}

/* 2Q remembers those that leave from the queue of newcomers, half as many as the cache has. */
void twoqueue_evicted(struct policy_queues *pq, u32 b, oblock_t oblock)
{
	if (pq_queue_of(pq, b) == IN)
		ghost_table_put(&pq->ghosts, oblock, GHOST_TABLE_COUNT_MAX);
}

u32 q2_victim(struct policy_queues *pq)
{
	struct basic *basic = to_basic(pq);
	u32 looks, b;

	for (looks = 0; looks < LOOKS && in_is_long(basic); looks++) {
		b = dmc_pq_first_to_go(pq, IN, false);
		if (b == PQ_NONE)
			break;
		if (!pq_mark(pq, b))
			return b;
		two_move(basic, b, MAIN);
	}
	b = basic_main_victim(basic);
	return b == PQ_NONE ? dmc_pq_first_to_go(pq, IN, false) : b;
}
