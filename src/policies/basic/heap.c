// SPDX-License-Identifier: GPL-2.0-only
/*
 * heap.c - the block to evict, found by a number: fifo, filo, lru, mru, lfu, mfu and the _ws ones.
 *
 * A binary heap of the cached blocks, sorted by queued[]: what use[] was when it was last read.
 * Hits change use[] alone, without a lock.  Uses only grow, so where the smallest goes first it is
 * enough to look again at the top until it is up to date: then nothing can be smaller.  Where the
 * largest goes first, the block that has just been hit is known for each CPU, and a hand brings
 * some others up to date at each eviction.
 *
 * Called by policy-queues.c, under its lock; see policy-queues.h.
 */
#include <linux/cpumask.h>
#include <linux/kernel.h>
#include <linux/percpu.h>

#include "basic.h"

#define LOOKS		16	/* keys brought up to date in a part of a search */
#define CPU_LOOKS	8
#define HAND_LOOKS	8
#define BUSY_LOOKS	128	/* more blocks than are ever busy */

/* Does key @a go before key @b? */
static bool goes_before(const struct basic *basic, u32 a, u32 b)
{
	if (basic->kind->largest_first)
		swap(a, b);
	return basic->kind->by_time ? (s32)(a - b) < 0 : a < b;
}

static void put(struct basic *basic, u32 place, u32 b)
{
	basic->heap[place] = b;
	basic->place[b] = place;
}

static void sift_up(struct basic *basic, u32 place, u32 b)
{
	while (place) {
		u32 up = (place - 1) / 2;

		if (!goes_before(basic, basic->queued[b], basic->queued[basic->heap[up]]))
			break;
		put(basic, place, basic->heap[up]);
		place = up;
	}
	put(basic, place, b);
}

static void sift_down(struct basic *basic, u32 place, u32 b)
{
	u64 child;

	while ((child = 2ULL * place + 1) < basic->nr_heap) {
		if (child + 1 < basic->nr_heap &&
		    goes_before(basic, basic->queued[basic->heap[child + 1]],
				basic->queued[basic->heap[child]]))
			child++;
		if (!goes_before(basic, basic->queued[basic->heap[child]], basic->queued[b]))
			break;
		put(basic, place, basic->heap[child]);
		place = child;
	}
	put(basic, place, b);
}

static void place_again(struct basic *basic, u32 b)
{
	u32 place = basic->place[b];

	sift_up(basic, place, b);
	if (basic->place[b] == place)
		sift_down(basic, place, b);
}

void heap_insert(struct policy_queues *pq, u32 b, u32 tag, int why)
{
	struct basic *basic = to_basic(pq);

	basic_first_use(basic, b, tag, why);
	basic->queued[b] = READ_ONCE(basic->use[b]);
	sift_up(basic, basic->nr_heap++, b);
}

void heap_remove(struct policy_queues *pq, u32 b)
{
	struct basic *basic = to_basic(pq);
	u32 place = basic->place[b], last = basic->heap[--basic->nr_heap];

	if (last == b)
		return;
	put(basic, place, last);
	place_again(basic, last);
}

/* Is the key of @b what it was?  If not, @b moves. */
static bool refresh(struct basic *basic, u32 b)
{
	u32 use = READ_ONCE(basic->use[b]);

	if (basic->queued[b] == use)
		return false;
	basic->queued[b] = use;
	place_again(basic, b);
	return true;
}

static bool in_heap(const struct basic *basic, u32 b)
{
	return basic->place[b] < basic->nr_heap && basic->heap[basic->place[b]] == b;
}

/* The largest keys grow unseen: the hits of late, and a few more. */
static void refresh_some(struct basic *basic)
{
	unsigned int i;
	u32 b;

	for (i = 0; i < min_t(u32, CPU_LOOKS, num_possible_cpus()); i++) {
		b = READ_ONCE(*per_cpu_ptr(basic->last, basic->cpu));
		if (in_heap(basic, b))
			refresh(basic, b);
		basic->cpu = cpumask_next(basic->cpu, cpu_possible_mask);
		if (basic->cpu >= nr_cpu_ids)
			basic->cpu = cpumask_first(cpu_possible_mask);
	}
	for (i = 0; i < HAND_LOOKS; i++) {
		basic->hand = basic->hand + 1 < basic->nr_heap ? basic->hand + 1 : 0;
		refresh(basic, basic->heap[basic->hand]);
	}
}

u32 heap_victim(struct policy_queues *pq)
{
	struct basic *basic = to_basic(pq);
	u32 i, b, best = PQ_NONE;

	if (!basic->nr_heap)
		return PQ_NONE;
	if (basic->kind->largest_first)
		refresh_some(basic);
	for (i = 0; i < LOOKS && refresh(basic, basic->heap[0]); i++)
		;
	if (i == LOOKS && !pq->insist)
		return PQ_AGAIN;
	if (pq_may_go(pq, basic->heap[0]))
		return basic->heap[0];

	/* The top is being written back: the best of those near it. */
	for (i = 1; i < min_t(u32, basic->nr_heap, BUSY_LOOKS); i++) {
		b = basic->heap[i];
		if (pq_may_go(pq, b) &&
		    (best == PQ_NONE ||
		     goes_before(basic, basic->queued[b], basic->queued[best])))
			best = b;
	}
	return best;
}
