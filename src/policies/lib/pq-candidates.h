/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pq-candidates.h - the blocks that wait for a promotion, or are being promoted, in a struct pool.
 *
 * Found by oblock; those that wait are in a list, first come, first served.  As many as
 * POOL_CANDIDATES, whatever the size of the cache.
 *
 * Used by policy-queues.c alone, in misses, next_work() and work_done(), under pool->lock.
 */
#ifndef DMC_PQ_CANDIDATES_H
#define DMC_PQ_CANDIDATES_H

#include <linux/hash.h>

#include "policy-queues.h"

#define NO_CANDIDATE	0U	/* candidate 0 is the head of those that wait */

static inline u16 *bucket_of(struct pool *pool, oblock_t oblock)
{
	return &pool->buckets[hash_64(from_oblock(oblock), 8)];
}

static inline u16 candidate_find(struct pool *pool, oblock_t oblock)
{
	u16 i = *bucket_of(pool, oblock);

	while (i != NO_CANDIDATE && pool->candidates[i].oblock != from_oblock(oblock))
		i = pool->candidates[i].chain;
	return i;
}

static inline void candidate_unwait(struct pool *pool, u16 i)
{
	struct pool_candidate *c = &pool->candidates[i];

	pool->candidates[c->prev].next = c->next;
	pool->candidates[c->next].prev = c->prev;
	pool->nr_waiting--;
	c->busy = true;
}

static inline void candidate_wait(struct pool *pool, u16 i)
{
	struct pool_candidate *c = &pool->candidates[i], *head = &pool->candidates[0];

	c->busy = false;
	c->prev = head->prev;
	c->next = 0;
	pool->candidates[head->prev].next = i;
	head->prev = i;
	pool->nr_waiting++;
}

static inline void candidate_free(struct pool *pool, u16 i)
{
	struct pool_candidate *c = &pool->candidates[i];
	u16 *p = bucket_of(pool, to_oblock(c->oblock));

	if (!c->busy)
		candidate_unwait(pool, i);
	while (*p != i)
		p = &pool->candidates[*p].chain;
	*p = c->chain;
	c->chain = pool->free_candidates;
	pool->free_candidates = i;
}

/* A busy one; if need be the oldest that waits gives way.  NO_CANDIDATE: all are busy. */
static inline u16 candidate_new(struct pool *pool, oblock_t oblock, u32 tag)
{
	struct pool_candidate *c;
	u16 *bucket, i;

	if (pool->free_candidates == NO_CANDIDATE) {
		if (!pool->nr_waiting)
			return NO_CANDIDATE;
		candidate_free(pool, pool->candidates[0].next);
	}
	i = pool->free_candidates;
	c = &pool->candidates[i];
	pool->free_candidates = c->chain;

	bucket = bucket_of(pool, oblock);
	c->oblock = from_oblock(oblock);
	c->tag = tag;
	c->busy = true;
	c->chain = *bucket;
	*bucket = i;
	return i;
}

#endif
