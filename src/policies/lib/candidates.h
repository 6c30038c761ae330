/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * candidates.h - blocks that want to come in, from the miss that said so until they are in.
 *
 * Their number is fixed, whatever the size of the cache: promising blocks come again.  A candidate
 * is found by its oblock.  The *waiting* ones stand in a queue, oldest first, and so do the *owed*
 * ones, for which a block is being evicted.  A *busy* one is named in work, and on no queue.
 *
 * Called by mq-common.c and policy-queues.c, from miss() and the migration engine.  Protected by
 * the policy's lock.
 */
#ifndef DMC_CANDIDATES_H
#define DMC_CANDIDATES_H

#include <linux/types.h>

#include "queues.h"

/* In place of enum queue_state. */
enum candidate_state {
	CANDIDATE_FREE,
	CANDIDATE_WAITING,
	CANDIDATE_OWED,
	CANDIDATE_BUSY,
};

struct candidate {
	oblock_t oblock;
	u32 tag;	/* of the policy: the hits, or what it answered when asked */
	u16 chain;	/* the next of its hash bucket; of a free one: the next free */
	bool room;	/* of the policy: there were free blocks when it came */
};

struct candidates {
	struct queues q;
	struct candidate *c;	/* that of entry q.first + n is c[n] */
	u16 *buckets;
	u32 nr_waiting;
	u32 nr_owed;
	u16 nr;
	u16 free;		/* U16_MAX: none */
	u8 bucket_bits;
};

/* At most @nr, a power of two below 2^16.  0 or -ENOMEM with nothing held.  May sleep. */
int candidates_init(struct candidates *cs, u32 nr);
/* Also of a zeroed one. */
void candidates_exit(struct candidates *cs);

static inline struct candidate *candidate(const struct candidates *cs, u32 i)
{
	return &cs->c[i - cs->q.first];
}

static inline enum candidate_state candidate_state(const struct candidates *cs, u32 i)
{
	return (enum candidate_state)queue_state(&cs->q, i);
}

/* The one for @oblock, or QUEUE_NIL. */
u32 candidate_find(const struct candidates *cs, oblock_t oblock);
/* A new one, busy, for a block that has none; QUEUE_NIL if there is no room. */
u32 candidate_new(struct candidates *cs, oblock_t oblock, u32 tag);
/* Any one goes. */
void candidate_free(struct candidates *cs, u32 i);

/* Changes its state, and puts it at the end of the queue for that. */
void candidate_move(struct candidates *cs, u32 i, enum candidate_state state);
/* The oldest that is waiting or owed, or QUEUE_NIL. */
u32 candidate_oldest(const struct candidates *cs, enum candidate_state state);

/* Halves all tags, of a policy whose tags are counts. */
void candidates_halve(struct candidates *cs);

#endif
