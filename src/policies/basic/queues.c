// SPDX-License-Identifier: GPL-2.0-only
/*
 * queues.c - multiqueue, multiqueue_ws, twoqueue and q2: lists, all O(1).
 *
 * Hits leave a mark or a count; a block moves when it is its turn to be looked at.
 *
 * Called by the pool, under its lock; see policy-queues.h.
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
	pool_set_mark(&basic->pool, b, level);
	pool_append(&basic->pool, level, b);
}

void levels_insert(struct pool *pool, u32 b, u32 tag, int why)
{
	struct basic *basic = to_basic(pool);

	basic_first_use(basic, b, tag, why);
	level_queue(basic, b, level_of(READ_ONCE(basic->use[b])));
}

/*
 * Who stands first in a level for as many misses as the cache has blocks, and was not used, goes one
 * level down, with half its uses.
 */
static void expire(struct basic *basic)
{
	struct pool *pool = &basic->pool;
	u8 level;

	for (level = 1; level < BASIC_LEVELS; level++) {
		u32 b = pool_oldest(pool, level);
		u32 use;

		if (pool_is_end(pool, b) || basic->now - basic->queued[b] < 2ULL * pool->nr)
			continue;
		use = READ_ONCE(basic->use[b]);
		pool_unlink(pool, b);
		if (level_of(use) == level) {
			WRITE_ONCE(basic->use[b], use / 2);
			level_queue(basic, b, level - 1);
		} else {
			level_queue(basic, b, level_of(use));
		}
	}
}

u32 levels_victim(struct pool *pool)
{
	struct basic *basic = to_basic(pool);
	u8 level = 0;
	u32 b = POOL_NONE, looks;

	expire(basic);
	for (looks = 0; looks < LOOKS + BASIC_LEVELS && level < BASIC_LEVELS; looks++) {
		b = pool_first_to_go(pool, level, false);
		if (b == POOL_NONE) {
			level++;
			continue;
		}
		/* Used since it was queued: it belongs higher up. */
		if (level_of(READ_ONCE(basic->use[b])) <= level)
			return b;
		pool_unlink(pool, b);
		level_queue(basic, b, level_of(READ_ONCE(basic->use[b])));
	}
	return b == POOL_NONE || pool->insist ? b : POOL_AGAIN;
}

/*----- twoqueue and q2: newcomers apart from the rest -----*/

enum { IN, MAIN };

void two_insert(struct pool *pool, u32 b, u32 tag, int why)
{
	bool main = tag == MAIN && why != POOL_BACK;

	pool_enqueue(pool, main ? MAIN : IN, b);
}

static void two_move(struct basic *basic, u32 b, u8 which)
{
	pool_set_mark(&basic->pool, b, 0);
	pool_requeue(&basic->pool, which, b);
}

/* The oldest that was not hit: an approximation of LRU. */
static u32 main_victim(struct basic *basic)
{
	u32 b = POOL_NONE, looks;

	for (looks = 0; looks < LOOKS; looks++) {
		b = pool_first_to_go(&basic->pool, MAIN, false);
		if (b == POOL_NONE || !pool_mark(&basic->pool, b))
			return b;
		two_move(basic, b, MAIN);
	}
	return basic->pool.insist ? b : POOL_AGAIN;
}

static bool in_is_long(const struct basic *basic)
{
	return basic->pool.length[IN] > basic->pool.nr / 4 || !basic->pool.length[MAIN];
}

u32 twoqueue_victim(struct pool *pool)
{
	struct basic *basic = to_basic(pool);
	u32 b = in_is_long(basic) ? pool_first_to_go(pool, IN, false) : main_victim(basic);

	/* All busy: from the other one. */
	if (b == POOL_NONE)
		b = pool_first_to_go(pool, IN, false);
	return b == POOL_NONE ? main_victim(basic) : b;
}

/* 2Q remembers those that leave from the queue of newcomers, half as many as the cache has. */
void twoqueue_evicted(struct pool *pool, u32 b, oblock_t oblock)
{
	if (pool_queue_of(pool, b) == IN)
		history_put(&pool->ghosts, oblock, HISTORY_COUNT_MAX);
}

u32 q2_victim(struct pool *pool)
{
	struct basic *basic = to_basic(pool);
	u32 looks, b;

	for (looks = 0; looks < LOOKS && in_is_long(basic); looks++) {
		b = pool_first_to_go(pool, IN, false);
		if (b == POOL_NONE)
			break;
		if (!pool_mark(pool, b))
			return b;
		two_move(basic, b, MAIN);
	}
	b = main_victim(basic);
	return b == POOL_NONE ? pool_first_to_go(pool, IN, false) : b;
}
