/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pq-candidates.h - the blocks that wait for a promotion, or are being promoted, in a struct
 * policy_queues.
 *
 * Found by oblock; those that wait are in a list, first come, first served.  As many as
 * PQ_CANDIDATES, whatever the size of the cache.
 *
 * Used by policy-queues.c alone, in misses, next_work() and work_done(), under pq->lock.
 */
#ifndef DMC_PQ_CANDIDATES_H
#define DMC_PQ_CANDIDATES_H

#include <linux/hash.h>

#include "policy-queues.h"

#define NO_CANDIDATE	0U	/* candidate 0 is the head of those that wait */

static inline u16 *pq_bucket_of(struct policy_queues *pq, oblock_t oblock)
{
	return &pq->buckets[hash_64(from_oblock(oblock), 8)];
}

static inline u16 pq_candidate_find(struct policy_queues *pq, oblock_t oblock)
{
	u16 i = *pq_bucket_of(pq, oblock);

	while (i != NO_CANDIDATE && pq->candidates[i].oblock != from_oblock(oblock))
		i = pq->candidates[i].chain;
	return i;
}

static inline void pq_candidate_unwait(struct policy_queues *pq, u16 i)
{
	struct pq_candidate *c = &pq->candidates[i];

	pq->candidates[c->prev].next = c->next;
	pq->candidates[c->next].prev = c->prev;
	pq->nr_waiting--;
	pq->nr_paid = min(pq->nr_paid, pq->nr_waiting);
	c->busy = true;
}

static inline void pq_candidate_wait(struct policy_queues *pq, u16 i)
{
	struct pq_candidate *c = &pq->candidates[i], *head = &pq->candidates[0];

	c->busy = false;
	c->prev = head->prev;
	c->next = 0;
	pq->candidates[head->prev].next = i;
	head->prev = i;
	pq->nr_waiting++;
}

static inline void pq_candidate_free(struct policy_queues *pq, u16 i)
{
	struct pq_candidate *c = &pq->candidates[i];
	u16 *p = pq_bucket_of(pq, to_oblock(c->oblock));

	if (!c->busy)
		pq_candidate_unwait(pq, i);
	while (*p != i)
		p = &pq->candidates[*p].chain;
	*p = c->chain;
	c->chain = pq->free_candidates;
	pq->free_candidates = i;
}

/* A busy one; if need be the oldest that waits gives way.  NO_CANDIDATE: all are busy. */
static inline u16 pq_candidate_new(struct policy_queues *pq, oblock_t oblock, u32 tag)
{
	struct pq_candidate *c;
	u16 *bucket, i;

	if (pq->free_candidates == NO_CANDIDATE) {
		if (!pq->nr_waiting)
			return NO_CANDIDATE;
		pq_candidate_free(pq, pq->candidates[0].next);
	}
	i = pq->free_candidates;
	c = &pq->candidates[i];
	pq->free_candidates = c->chain;

	bucket = pq_bucket_of(pq, oblock);
	c->oblock = from_oblock(oblock);
	c->tag = tag;
	c->busy = true;
	c->chain = *bucket;
	*bucket = i;
	return i;
}

#endif
