// SPDX-License-Identifier: GPL-2.0-only
/*
 * pq-writeback.c - in which order the policies of policy-queues.h have dirty blocks written back.
 *
 * Beside the bio's path: next_work() asks here.  Where a block is in the cache tells nothing of its
 * place on the origin: after a burst of scattered writes the one follows from when it was written.
 * A disk takes a seek for each of them, and the shorter the better.  So dirty blocks are taken by
 * the batch, the next ones from a hand on, and each batch goes up the origin.
 *
 * Locks: the policy's, held by the caller; so a batch is no longer than is sorted in some
 * microseconds.
 */
#include "policy-queues.h"
#include <linux/sort.h>

#define WRITEBACK_LOOKS	64	/* for a block that was not hit of late */
#define WRITEBACK_FAIR	4	/* every fourth round passes over none */
#define BATCH_LOOKS	256	/* for all of a batch: then it ends, if it is not empty */

/*
 * The next dirty block from the hand on.  One that was hit of late may soon be dirty again: it is
 * passed over if there is another close behind it.  But a block that was passed over has its turn
 * in a later round, or it would never come while others get dirty again and again.
 */
static u32 next_from_hand(const struct policy_queues *pq, unsigned int *all_looks)
{
	u32 first = bit_tree_next(&pq->to_write, pq->writeback_hand), b = first;
	unsigned int looks;

	if (pq->writeback_rounds % WRITEBACK_FAIR == WRITEBACK_FAIR - 1)
		return first;
	for (looks = 0; looks < WRITEBACK_LOOKS && b != BIT_TREE_NONE; looks++) {
		++*all_looks;
		if (!(pq_mark(pq, b) & pq->count_mask))
			return b;
		b = bit_tree_next(&pq->to_write, b + 1);
	}
	return first;
}

static int compare_places(const void *a, const void *b)
{
	const struct pq_place *x = a, *y = b;

	return x->oblock < y->oblock ? -1 : x->oblock > y->oblock;
}

/* The next batch, sorted.  It ends where the round of the hand ends. */
static void collect(struct policy_queues *pq)
{
	struct pq_batch *batch = &pq->batch;
	unsigned int looks = 0;
	u32 b;

	batch->next = 0;
	for (batch->nr = 0; batch->nr < PQ_BATCH && looks < BATCH_LOOKS; batch->nr++) {
		b = next_from_hand(pq, &looks);
		if (b == BIT_TREE_NONE)
			break;
		batch->at[batch->nr].oblock = from_oblock(pq_oblock(pq, b));
		batch->at[batch->nr].block = b;
		pq->writeback_hand = b + 1;
	}
	sort(batch->at, batch->nr, sizeof(*batch->at), compare_places, NULL);
}

/* The next of the batch.  Some may be clean, busy or gone meanwhile. */
static u32 next_of_batch(struct policy_queues *pq)
{
	struct pq_batch *batch = &pq->batch;
	u32 b;

	while (batch->next < batch->nr) {
		b = batch->at[batch->next++].block;
		if (bit_tree_next(&pq->to_write, b) == b)
			return b;
	}
	return BIT_TREE_NONE;
}

/* The block to be written back next, or BIT_TREE_NONE: none may be. */
u32 dmc_pq_next_to_write(struct policy_queues *pq)
{
	unsigned int round;
	u32 b;

	lockdep_assert_held(&pq->lock);

	b = next_of_batch(pq);
	for (round = 0; b == BIT_TREE_NONE && round < 2; round++) {
		collect(pq);
		b = next_of_batch(pq);
		if (b == BIT_TREE_NONE) {
			pq->writeback_hand = 0;
			pq->writeback_rounds++;
		}
	}
	return b;
}
