/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * levels.h - a multiqueue: lists of entries by how often they were hit, coldest at the bottom.
 *
 * Two scales.  Logarithmic: level = log2(hits), 16 of them.  Linear: level = hits, 64 of them.
 * In both, halving every count moves whole lists, not entries: the bottom list takes in the one
 * above, or each pair becomes one.  So ageing costs O(levels), whatever the size of the cache.
 *
 * Used by mq and smq under their lock, never by hit().
 */
#ifndef DMC_LEVELS_H
#define DMC_LEVELS_H

#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/string.h>

#include "queues.h"

#define LEVELS_MAX 64

struct levels {
	u32 head[LEVELS_MAX];	/* index of the list head of each level */
	u8 nr;
	bool linear;
};

/* Uses the @nr heads from @first on, which queues_init() has made. */
static inline void levels_init(struct levels *l, u32 first, u8 nr, bool linear)
{
	u8 i;

	l->nr = nr;
	l->linear = linear;
	for (i = 0; i < nr; i++)
		l->head[i] = first + i;
}

static inline u8 levels_of(const struct levels *l, u16 hits)
{
	unsigned int level = hits;

	if (!l->linear)
		level = hits ? ilog2((unsigned int)hits) : 0;
	return level < l->nr ? level : l->nr - 1;
}

/* The lowest level that has an entry, or @nr. */
static inline u8 levels_lowest(const struct levels *l, const struct queues *q)
{
	u8 i = 0;

	while (i < l->nr && queue_empty(q, l->head[i]))
		i++;
	return i;
}

/* Moves every list one level down; the bottom one, which must be empty, becomes the top. */
static inline void levels_sink(struct levels *l)
{
	u32 bottom = l->head[0];

	memmove(&l->head[0], &l->head[1], (l->nr - 1) * sizeof(l->head[0]));
	l->head[l->nr - 1] = bottom;
}

/* All counts were halved: every entry goes where half its hits belong. */
static inline void levels_halve(struct levels *l, struct queues *q)
{
	u32 emptied[LEVELS_MAX / 2];
	u8 i;

	if (!l->linear) {
		/* The colder ones stay in front, to be evicted first. */
		queue_join(q, l->head[0], l->head[1]);
		swap(l->head[0], l->head[1]);
		levels_sink(l);
		return;
	}

	for (i = 0; i < l->nr / 2; i++) {
		queue_join(q, l->head[2 * i], l->head[2 * i + 1]);
		emptied[i] = l->head[2 * i + 1];
		l->head[i] = l->head[2 * i];
	}
	memcpy(&l->head[l->nr / 2], emptied, (l->nr / 2) * sizeof(emptied[0]));
}

#endif
