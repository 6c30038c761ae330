/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * penalty.h - where blocks sit whose work failed, so that an I/O error is not tried again at once
 * and for ever.
 *
 * There are two lists: failed blocks go to one, and blocks are let out of the other.  They change
 * places when the other is empty, but not more often than every PENALTY_TICKS.  So a block sits out
 * one such turn at least.  Besides, after FAILURES_MAX failures in a tick no more work is offered
 * before the next tick.
 *
 * Used by all policies under their lock: in next_work(), work_done() and tick().
 */
#ifndef DMC_PENALTY_H
#define DMC_PENALTY_H

#include "queues.h"

#define PENALTY_TICKS	4
#define FAILURES_MAX	32

struct penalty {
	u32 fresh;		/* list heads */
	u32 served;
	u32 ticks;		/* since they changed places */
	u32 failures;		/* in this tick, of work of any kind */
};

static inline void penalty_init(struct penalty *p, u32 first_head)
{
	p->fresh = first_head;
	p->served = first_head + 1;
}

/* For lists of queues.h.  @i must be on no list. */
static inline void penalty_add(struct penalty *p, struct queues *q, u32 i)
{
	queue_set_state(q, i, BLOCK_PENALTY);
	queue_append(q, p->fresh, i);
}

static inline bool penalty_pause(const struct penalty *p)
{
	return p->failures >= FAILURES_MAX;
}

/* @served_empty: the list @served is. */
static inline void penalty_tick(struct penalty *p, bool served_empty)
{
	p->failures = 0;
	if (++p->ticks >= PENALTY_TICKS && served_empty) {
		swap(p->fresh, p->served);
		p->ticks = 0;
	}
}

/* For lists of queues.h.  A block whose time is over, to be queued again; or QUEUE_NIL. */
static inline u32 penalty_over(const struct penalty *p, const struct queues *q)
{
	return queue_empty(q, p->served) ? QUEUE_NIL : queue_oldest(q, p->served);
}

#endif
