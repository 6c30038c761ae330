/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * queues.h - lists of cblocks, linked by 28-bit indices: 8 bytes a block.
 *
 * Pointers would take twice that, and a cache of a few TiB has tens of millions of blocks.  The
 * table is one array:
 *
 *	0 ......... first	list heads
 *	first ..... + nr	one entry for each block
 *
 * Lists are circular through their head, so an entry leaves its list without knowing which one it
 * is, and two lists join in O(1).  An entry that is on no list is linked to itself.  What a policy
 * has to know of the block besides is in the four bits that the links leave.
 *
 * Called by the policies on all their paths but hits.  Everything is protected by the policy's
 * lock.
 */
#ifndef DMC_QUEUES_H
#define DMC_QUEUES_H

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/vmalloc.h>

#include "../../block-types.h"
#include "tunables.h"

#define QUEUE_NIL 0U		/* a head, so never a block */
#define QUEUE_LINK 0x0fffffffU	/* of @prev: the link */
#define QUEUE_STATE 0x30000000U	/* enum queue_state */
#define QUEUE_STATE_SHIFT 28
#define QUEUE_DIRTY 0x40000000U
#define QUEUE_WATCHED 0x80000000U	/* promotion-feedback.h */

enum queue_state {
	BLOCK_FREE,	/* holds nothing */
	BLOCK_QUEUED,	/* resident, and on the queue where it belongs */
	BLOCK_BUSY,	/* named in work that is not done; on no list */
	BLOCK_PENALTY,	/* its last work failed: left alone for some ticks */
};

struct queue_entry {
	u32 prev;	/* and flags */
	u32 next;
};

struct queues {
	struct queue_entry *e;
	u32 first;	/* entry of block 0 */
};

static inline void queue_link_prev(struct queues *q, u32 i, u32 prev)
{
	q->e[i].prev = (q->e[i].prev & ~QUEUE_LINK) | prev;
}

/* @i is on no list, or a head without any. */
static inline void queue_init(struct queues *q, u32 i)
{
	queue_link_prev(q, i, i);
	q->e[i].next = i;
}

/* 0, -EINVAL (more than the links can tell apart) or -ENOMEM with nothing held.  May sleep. */
static inline int queues_init(struct queues *q, u32 nr_heads, u32 nr_blocks)
{
	u64 total = (u64)nr_heads + nr_blocks;
	u32 i;

	if (total > QUEUE_LINK) {
		pr_err("dm-cache: %u cache blocks are too many for this policy: use larger blocks\n",
		       nr_blocks);
		return -EINVAL;
	}
	q->first = nr_heads;
	q->e = dmc_zalloc_table(total, sizeof(*q->e));
	if (!q->e)
		return -ENOMEM;
	for (i = 0; i < nr_heads; i++)
		queue_init(q, i);
	return 0;
}

static inline void queues_exit(struct queues *q)
{
	vfree(q->e);
}

static inline u32 queue_index(const struct queues *q, cblock_t cblock)
{
	return q->first + from_cblock(cblock);
}

static inline cblock_t queue_cblock(const struct queues *q, u32 i)
{
	return to_cblock(i - q->first);
}

/*----- flags -----*/

static inline enum queue_state queue_state(const struct queues *q, u32 i)
{
	return (q->e[i].prev & QUEUE_STATE) >> QUEUE_STATE_SHIFT;
}

static inline void queue_set_state(struct queues *q, u32 i, enum queue_state state)
{
	q->e[i].prev = (q->e[i].prev & ~QUEUE_STATE) | (u32)state << QUEUE_STATE_SHIFT;
}

/* @flag: QUEUE_DIRTY or QUEUE_WATCHED. */
static inline bool queue_has(const struct queues *q, u32 i, u32 flag)
{
	return q->e[i].prev & flag;
}

static inline void queue_set(struct queues *q, u32 i, u32 flag)
{
	q->e[i].prev |= flag;
}

static inline void queue_clear(struct queues *q, u32 i, u32 flag)
{
	q->e[i].prev &= ~flag;
}

/*----- lists -----*/

static inline bool queue_empty(const struct queues *q, u32 head)
{
	return q->e[head].next == head;
}

/* The oldest one, or @head itself. */
static inline u32 queue_oldest(const struct queues *q, u32 head)
{
	return q->e[head].next;
}

static inline void queue_unlink(struct queues *q, u32 i)
{
	u32 prev = q->e[i].prev & QUEUE_LINK, next = q->e[i].next;

	q->e[prev].next = next;
	queue_link_prev(q, next, prev);
	queue_init(q, i);
}

/* @i must be on no list. */
static inline void queue_append(struct queues *q, u32 head, u32 i)
{
	u32 last = q->e[head].prev & QUEUE_LINK;

	queue_link_prev(q, i, last);
	q->e[i].next = head;
	q->e[last].next = i;
	queue_link_prev(q, head, i);
}

/* Everything on @from goes behind what @to has. */
static inline void queue_join(struct queues *q, u32 to, u32 from)
{
	u32 first = q->e[from].next, last = q->e[from].prev & QUEUE_LINK;
	u32 end = q->e[to].prev & QUEUE_LINK;

	if (first == from)
		return;

	q->e[end].next = first;
	queue_link_prev(q, first, end);
	q->e[last].next = to;
	queue_link_prev(q, to, last);
	queue_init(q, from);
}

#endif
