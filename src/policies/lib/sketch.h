/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sketch.h - how often was a block asked for of late?  An estimate, in four bits a counter.
 *
 * A count-min sketch: a block has a counter in each of four rows, chosen by hashes; its frequency
 * is the smallest of the four, and only the smallest are incremented.  So others that share a
 * counter can make a block look warmer, never colder.  A hand goes over the table and halves what
 * it passes, once round in a period that the policy chooses: what was asked for long ago is
 * forgotten by and by, and never all at once.
 *
 * Eight counters for each cache block: four bytes.  Used by a policy under its lock.
 */
#ifndef DMC_SKETCH_H
#define DMC_SKETCH_H

#include <linux/log2.h>
#include <linux/vmalloc.h>

#include "../../block-types.h"
#include "tunables.h"

#define SKETCH_ROWS	4
#define SKETCH_MAX	15
#define SKETCH_PER_BLOCK 8
#define SKETCH_AGE_WORDS 256	/* halved in one call */

struct sketch {
	u64 *words;		/* sixteen counters each */
	u32 nr_words;		/* a power of two */
	u32 hand;
	u64 debt;		/* touches since the hand moved, in words */
	u64 period;
};

/* Of at least so many bytes; a hand goes round in @period accesses.  0 or -ENOMEM. */
static inline int sketch_init_bytes(struct sketch *s, u32 bytes, u64 period)
{
	s->nr_words = roundup_pow_of_two(clamp_t(u32, bytes, 1U << 10, 1U << 30)) /
		      sizeof(*s->words);
	s->words = dmc_zalloc_table(s->nr_words, sizeof(*s->words));
	s->hand = 0;
	s->debt = 0;
	s->period = period;
	return s->words ? 0 : -ENOMEM;
}

/* All counts are halved once in @period accesses for each of @nr_blocks.  0 or -ENOMEM. */
static inline int sketch_init(struct sketch *s, u32 nr_blocks, u32 period)
{
	return sketch_init_bytes(s, min_t(u32, nr_blocks, 1U << 28) * (SKETCH_PER_BLOCK / 2),
				 max(nr_blocks, 64U) * (u64)period);
}

static inline void sketch_exit(struct sketch *s)
{
	vfree(s->words);
}

static inline u64 sketch_bytes(const struct sketch *s)
{
	return (u64)s->nr_words * sizeof(*s->words);
}

static inline u64 sketch_hash(oblock_t oblock)
{
	u64 hash = from_oblock(oblock) * 0x9e3779b97f4a7c15ULL;

	hash ^= hash >> 29;
	return hash * 0xbf58476d1ce4e5b9ULL;
}

/* The word and the shift of the counter of one row. */
static inline u64 *sketch_at(const struct sketch *s, u64 hash, unsigned int row, u8 *shift)
{
	u64 h = (hash ^ (hash >> 31)) * (2 * row + 0x94d049bb133111ebULL);

	/* Each row has four of the sixteen counters of a word. */
	*shift = (row * 4 + (h >> 62)) * 4;
	return &s->words[(h >> 20) & (s->nr_words - 1)];
}

static inline u32 sketch_get(const struct sketch *s, oblock_t oblock)
{
	u64 hash = sketch_hash(oblock);
	u32 least = SKETCH_MAX;
	unsigned int row;
	u8 shift;

	for (row = 0; row < SKETCH_ROWS; row++) {
		u64 *word = sketch_at(s, hash, row, &shift);

		least = min(least, (u32)(*word >> shift) & SKETCH_MAX);
	}
	return least;
}

/*
 * So many blocks were asked for.  The hand moves a few words at a time: true if it has further to
 * go, with later calls.
 */
static inline bool sketch_age(struct sketch *s, u32 touches)
{
	u64 debt = s->debt + (u64)touches * s->nr_words;
	u32 words;

	/* More than once round would change nothing more. */
	s->debt = min_t(u64, debt, (u64)s->period * s->nr_words);
	for (words = 0; s->debt >= s->period && words < SKETCH_AGE_WORDS; words++) {
		s->debt -= s->period;
		s->words[s->hand] = (s->words[s->hand] >> 1) & 0x7777777777777777ULL;
		s->hand = (s->hand + 1) & (s->nr_words - 1);
	}
	return s->debt >= s->period;
}

/* @oblock was asked for, so many @times.  Time passes with sketch_age(). */
static inline void sketch_add(struct sketch *s, oblock_t oblock, u32 times)
{
	u32 wanted = min_t(u32, sketch_get(s, oblock) + times, SKETCH_MAX);
	u64 hash = sketch_hash(oblock);
	unsigned int row;
	u8 shift;

	/* None of the counters grows beyond what the smallest of them becomes. */
	for (row = 0; row < SKETCH_ROWS; row++) {
		u64 *word = sketch_at(s, hash, row, &shift);
		u32 now = (*word >> shift) & SKETCH_MAX;

		if (now < wanted)
			*word += (u64)(wanted - now) << shift;
	}
}

static inline void sketch_touch(struct sketch *s, oblock_t oblock)
{
	sketch_add(s, oblock, 1);
}

#endif
