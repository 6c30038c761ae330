/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bit-tree.h - a set of small numbers, in which the next member is found in a few steps however few
 * there are.
 *
 * Bitmaps above each other: a bit of one says whether the word below has any bit set.  So every
 * operation takes a step or two a level, and 2^31 numbers take six levels.
 *
 * Used by the policies under their lock.
 */
#ifndef DMC_BIT_TREE_H
#define DMC_BIT_TREE_H

#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/vmalloc.h>

#include "tunables.h"

#define BIT_TREE_NONE U32_MAX
#define BIT_TREE_LEVELS 6

struct bit_tree {
	u64 *words;
	u32 first[BIT_TREE_LEVELS];	/* word of each level; the lowest comes first */
	u32 nr[BIT_TREE_LEVELS];	/* bits of each */
	u8 levels;
};

/* Of the numbers below @nr, at most 2^31; empty.  0 or -ENOMEM.  May sleep. */
static inline int bit_tree_init(struct bit_tree *t, u32 nr)
{
	u32 total = 0;

	t->levels = 0;
	do {
		t->first[t->levels] = total;
		t->nr[t->levels++] = nr;
		nr = DIV_ROUND_UP(nr, 64U);
		total += nr;
	} while (nr > 1);
	t->words = dmc_zalloc_table(total, sizeof(*t->words));
	return t->words ? 0 : -ENOMEM;
}

static inline void bit_tree_exit(struct bit_tree *t)
{
	vfree(t->words);
}

static inline void bit_tree_set(struct bit_tree *t, u32 i)
{
	u64 *word, old;
	u8 level;

	for (level = 0; level < t->levels; level++, i /= 64) {
		word = &t->words[t->first[level] + i / 64];
		old = *word;
		*word = old | 1ULL << i % 64;
		if (old)
			return;
	}
}

static inline void bit_tree_clear(struct bit_tree *t, u32 i)
{
	u64 *word;
	u8 level;

	for (level = 0; level < t->levels; level++, i /= 64) {
		word = &t->words[t->first[level] + i / 64];
		*word &= ~(1ULL << i % 64);
		if (*word)
			return;
	}
}

/* The first member from @i on, or BIT_TREE_NONE. */
static inline u32 bit_tree_next(const struct bit_tree *t, u32 i)
{
	u64 word = 0;
	u8 level;

	/* Up, to the first word that has a bit. */
	for (level = 0; level < t->levels; level++, i = i / 64 + 1) {
		if (i >= t->nr[level])
			return BIT_TREE_NONE;
		word = t->words[t->first[level] + i / 64] & ~0ULL << i % 64;
		if (word)
			break;
	}
	if (!word)
		return BIT_TREE_NONE;
	/* Down to the member that this bit stands for. */
	i = i / 64 * 64 + __ffs64(word);
	while (level--)
		i = i * 64 + __ffs64(t->words[t->first[level] + i]);
	return i;
}

#endif
