/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * basic.h - what the members of the basic family have in common; basic.c lists them.
 *
 * On the bio's path: the hit functions, which write one word of their own block and no lock.
 * Everything else is asked by policy-queues.c, under its lock.
 */
#ifndef DMC_BASIC_H
#define DMC_BASIC_H

#include "../lib/ghost-table.h"
#include "../lib/policy-queues.h"

#define BASIC_LEVELS	16	/* of multiqueue */
#define BASIC_HEADS	BASIC_LEVELS

struct basic;

struct basic_kind {
	struct dmc_policy_type type;
	struct pq_ops ops;
	bool largest_first;	/* heap kinds: the block with the largest key goes */
	bool by_time;		/* use[] is a time, else a count */
	bool heap;
	bool stamps;		/* queued[] is needed */
	bool ghosts;
};

struct basic {
	struct policy_queues pq;
	const struct basic_kind *kind;

	u32 now;	/* twice the misses; a hit is later than the miss before it, so odd */
	u32 *use;		/* of a block: last use or first, or how often; by hits, no lock */
	u32 cpu;			/* whose @last is next */
	u32 __percpu *last;		/* block of the last hit: most recent or most frequent */
	u32 *queued;		/* of a block: the key it is sorted by, or when it was queued */
	u32 *heap;			/* blocks; the next to go is on top */
	u32 *place;			/* of a block: in the heap */
	u32 nr_heap;
	u32 hand;
};

static inline struct basic *to_basic(struct policy_queues *pq)
{
	return container_of(pq, struct basic, pq);
}

/* heap.c: fifo, filo, lru, mru, lfu, mfu, lfu_ws, mfu_ws */
void heap_insert(struct policy_queues *pq, u32 b, u32 tag, int why);
void heap_remove(struct policy_queues *pq, u32 b);
u32 heap_victim(struct policy_queues *pq);

/* queues.c: multiqueue, multiqueue_ws, twoqueue, q2 */
void levels_insert(struct policy_queues *pq, u32 b, u32 tag, int why);
u32 levels_victim(struct policy_queues *pq);
void two_insert(struct policy_queues *pq, u32 b, u32 tag, int why);
u32 twoqueue_victim(struct policy_queues *pq);
void twoqueue_evicted(struct policy_queues *pq, u32 b, oblock_t oblock);
u32 q2_victim(struct policy_queues *pq);

/* A newcomer's use[]: what the hint says, or the present, or once. */
static inline void basic_first_use(struct basic *basic, u32 b, u32 tag, int why)
{
	u32 use = basic->kind->by_time ? basic->now : 1;

	if (why == PQ_BACK)
		return;
	if (why == PQ_LOADED && tag != PQ_NONE)
		use = tag;
	if (basic->kind->by_time && (s32)(use - basic->now) > 0)
		basic->now = use;
	WRITE_ONCE(basic->use[b], use);
}

#endif
