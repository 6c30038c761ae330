// SPDX-License-Identifier: GPL-2.0-only
/*
 * candidates.c - blocks that want to come in; see candidates.h for what, where and when.
 *
 * Locks: the caller's.
 */
#include <linux/errno.h>
#include <linux/hash.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "candidates.h"
#include "tunables.h"

#define NONE U16_MAX

enum {
	HEAD_NIL,	/* so that no queue and no candidate is QUEUE_NIL */
	HEAD_WAITING,
	HEAD_OWED,
	NR_HEADS,
};

int candidates_init(struct candidates *cs, u32 nr)
{
	u32 n;

	memset(cs, 0, sizeof(*cs));
	cs->nr = nr;
	cs->bucket_bits = ilog2(nr);
	if (queues_init(&cs->q, NR_HEADS, nr))
		return -ENOMEM;
	cs->c = dmc_zalloc_table(nr, sizeof(*cs->c));
	cs->buckets = dmc_zalloc_table(nr, sizeof(*cs->buckets));
	if (!cs->c || !cs->buckets) {
		candidates_exit(cs);
		return -ENOMEM;
	}

	for (n = 0; n < nr; n++) {
		queue_init(&cs->q, cs->q.first + n);
		cs->buckets[n] = NONE;
		cs->c[n].chain = n + 1 < nr ? n + 1 : NONE;
	}
	return 0;
}

void candidates_exit(struct candidates *cs)
{
	vfree(cs->buckets);
	vfree(cs->c);
	queues_exit(&cs->q);
	memset(cs, 0, sizeof(*cs));
}

static u16 *candidate_bucket(const struct candidates *cs, oblock_t oblock)
{
	return &cs->buckets[hash_64(from_oblock(oblock), cs->bucket_bits)];
}

u32 candidate_find(const struct candidates *cs, oblock_t oblock)
{
	u16 n;

	for (n = *candidate_bucket(cs, oblock); n != NONE; n = cs->c[n].chain)
		if (from_oblock(cs->c[n].oblock) == from_oblock(oblock))
			return cs->q.first + n;
	return QUEUE_NIL;
}

u32 candidate_new(struct candidates *cs, oblock_t oblock, u32 tag)
{
	u16 *bucket = candidate_bucket(cs, oblock);
	u16 n = cs->free;

	if (n == NONE)
		return QUEUE_NIL;
	cs->free = cs->c[n].chain;
	cs->c[n].oblock = oblock;
	cs->c[n].tag = tag;
	cs->c[n].room = false;
	cs->c[n].chain = *bucket;
	*bucket = n;
	queue_set_state(&cs->q, cs->q.first + n, (enum queue_state)CANDIDATE_BUSY);
	return cs->q.first + n;
}

static void unqueue(struct candidates *cs, u32 i)
{
	enum candidate_state state = candidate_state(cs, i);

	if (state == CANDIDATE_WAITING)
		WRITE_ONCE(cs->nr_waiting, cs->nr_waiting - 1);
	else if (state == CANDIDATE_OWED)
		WRITE_ONCE(cs->nr_owed, cs->nr_owed - 1);
	else
		return;
	queue_unlink(&cs->q, i);
}

void candidate_free(struct candidates *cs, u32 i)
{
	struct candidate *c = candidate(cs, i);
	u16 n = i - cs->q.first;
	u16 *p = candidate_bucket(cs, c->oblock);

	unqueue(cs, i);
	while (*p != n)
		p = &cs->c[*p].chain;
	*p = c->chain;
	c->chain = cs->free;
	cs->free = n;
	queue_set_state(&cs->q, i, (enum queue_state)CANDIDATE_FREE);
}

void candidate_move(struct candidates *cs, u32 i, enum candidate_state state)
{
	unqueue(cs, i);
	queue_set_state(&cs->q, i, (enum queue_state)state);
	if (state == CANDIDATE_WAITING) {
		queue_append(&cs->q, HEAD_WAITING, i);
		WRITE_ONCE(cs->nr_waiting, cs->nr_waiting + 1);
	} else if (state == CANDIDATE_OWED) {
		queue_append(&cs->q, HEAD_OWED, i);
		WRITE_ONCE(cs->nr_owed, cs->nr_owed + 1);
	}
}

u32 candidate_oldest(const struct candidates *cs, enum candidate_state state)
{
	u32 head = state == CANDIDATE_WAITING ? HEAD_WAITING : HEAD_OWED;

	return queue_empty(&cs->q, head) ? QUEUE_NIL : queue_oldest(&cs->q, head);
}

void candidates_halve(struct candidates *cs)
{
	u32 n;

	for (n = 0; n < cs->nr; n++)
		cs->c[n].tag /= 2;
}
