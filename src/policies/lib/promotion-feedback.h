/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * promotion-feedback.h - do promotions pay?
 *
 * A promotion into a full cache costs a read and a write of a whole block, and the block that it
 * throws out.  It pays only if the newcomer is hit more often than the evicted one would have been.
 * Counters alone cannot tell: when all blocks are equally likely, some always look hotter by
 * chance, and a policy that believes them copies for ever and gains nothing.
 *
 * So a sample of both is watched: newcomers that are hit again, and evicted blocks that are missed.
 * If the first do not outnumber the second two to one, @extra hits are asked of further
 * candidates: doubled at each such verdict, and slowly forgotten otherwise.
 *
 * Used by mq and smq under their lock: in next_work(), work_done(), miss() and tick().
 */
#ifndef DMC_PROMOTION_FEEDBACK_H
#define DMC_PROMOTION_FEEDBACK_H

#include <linux/hash.h>

#include "queues.h"

#define FEEDBACK_SAMPLE	128	/* newcomers, and evicted blocks, that are watched at a time */
#define FEEDBACK_SLOTS	512
#define FEEDBACK_ENOUGH	16	/* of each: no verdict from fewer */
#define FEEDBACK_PATIENCE	16	/* generations to wait for enough of them */
#define FEEDBACK_EXTRA_MAX	255

struct promotion_feedback {
	u32 in[FEEDBACK_SAMPLE];	/* entry of a newcomer, which is marked as watched */
	u32 out[FEEDBACK_SLOTS];		/* tags of evicted oblocks, by hash; 0: none */
	u16 nr_in;
	u16 nr_out;
	u16 gains;			/* newcomers that were hit */
	u16 regrets;			/* evicted blocks that were missed */
	u16 generations;
	u16 extra;			/* hits to ask of a candidate beyond the threshold */
};

static inline u32 feedback_tag(oblock_t oblock)
{
	return hash_64(from_oblock(oblock), 32) | 1;
}

static inline u32 feedback_slot(oblock_t oblock)
{
	return hash_64(from_oblock(oblock), 32) / (U32_MAX / FEEDBACK_SLOTS + 1);
}

static inline void feedback_newcomer(struct promotion_feedback *t, struct queues *q, u32 i)
{
	if (t->nr_in < FEEDBACK_SAMPLE) {
		t->in[t->nr_in++] = i;
		queue_set(q, i, QUEUE_WATCHED);
	}
}

/* @i is looked at: if it is a newcomer, was it @hit? */
static inline void feedback_look(struct promotion_feedback *t, struct queues *q, u32 i, bool hit)
{
	if (hit && queue_has(q, i, QUEUE_WATCHED)) {
		queue_clear(q, i, QUEUE_WATCHED);
		t->gains++;
	}
}

/* It leaves the cache. */
static inline void feedback_forget(struct promotion_feedback *t, struct queues *q, u32 i, bool hit)
{
	feedback_look(t, q, i, hit);
	queue_clear(q, i, QUEUE_WATCHED);
}

static inline void feedback_evicted(struct promotion_feedback *t, oblock_t oblock)
{
	u32 *slot = &t->out[feedback_slot(oblock)];

	if (t->nr_out < FEEDBACK_SAMPLE && !*slot) {
		*slot = feedback_tag(oblock);
		t->nr_out++;
	}
}

/* Cheap, and may be called without the lock: is it worth calling feedback_missed()? */
static inline bool feedback_watches(const struct promotion_feedback *t, oblock_t oblock)
{
	return READ_ONCE(t->out[feedback_slot(oblock)]) == feedback_tag(oblock);
}

static inline void feedback_missed(struct promotion_feedback *t, oblock_t oblock)
{
	if (feedback_watches(t, oblock)) {
		WRITE_ONCE(t->out[feedback_slot(oblock)], 0);
		t->regrets++;
	}
}

static inline void feedback_restart(struct promotion_feedback *t, struct queues *q)
{
	u16 i;

	for (i = 0; i < t->nr_in; i++)
		queue_clear(q, t->in[i], QUEUE_WATCHED);
	memset(t->out, 0, sizeof(t->out));
	t->nr_in = 0;
	t->nr_out = 0;
	t->gains = 0;
	t->regrets = 0;
	t->generations = 0;
}

/* At the end of a generation, after a feedback_look() at all: the verdict, if there is evidence. */
static inline void feedback_judge(struct promotion_feedback *t, struct queues *q)
{
	t->generations++;
	if (t->nr_in < FEEDBACK_ENOUGH || t->nr_out < FEEDBACK_ENOUGH) {
		t->extra -= DIV_ROUND_UP(t->extra, 16);
		if (t->generations >= FEEDBACK_PATIENCE)
			feedback_restart(t, q);
		return;
	}

	if ((u32)t->gains * t->nr_out < 2U * t->regrets * t->nr_in)
		t->extra = min(t->extra * 2 + 4, FEEDBACK_EXTRA_MAX);
	else
		t->extra -= DIV_ROUND_UP(t->extra, 4);
	feedback_restart(t, q);
}

#endif
