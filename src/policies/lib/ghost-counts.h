/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ghost-counts.h - how often blocks that are not cached were asked for, in little more than two
 * bytes each.
 *
 * A table of sets of 32 bytes.  A block belongs to one set and is known there by a fingerprint of
 * nine bits: once in some forty times another block is taken for it, which a guess can bear.
 *
 *    15..8   7..0		15..1	0	15..7		6..1	0
 *    epoch   tick		hand	0	fingerprint	hits	counted	 fourteen of these;
 *    of the last look		goes round	never 0				all 0: empty
 *
 * A block is counted once a tick at most.  Epoch and tick say when the set was looked at last: the
 * halvings that it missed since are made up for at the next look.  A new block takes the place of
 * the one with the fewest hits, and of those the one that the hand meets first: the oldest, about.
 *
 * Hits up to 31 are exact; above, every eighth is counted, up to 280.
 *
 * A miss costs few instructions: four words are compared, or made ready for a new tick, at a time.
 *
 * Any context, no lock: each word is read and written whole.  CPUs in one set at a time may lose a
 * count, or halve one twice; it is one of many.
 */
#ifndef DMC_GHOST_COUNTS_H
#define DMC_GHOST_COUNTS_H

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/vmalloc.h>

#include "../../block-types.h"
#include "tunables.h"

#define GHOST_WAYS 14
#define GHOST_WORDS 16		/* of a set; the first two are its head */
#define GHOST_EACH(bits) (0x0001000100010001ULL * (bits))	/* of four words */
#define GHOSTS_MIN 1024

#define GHOST_COUNTED 1U
#define GHOST_CODE 0x7eU
#define GHOST_PRINT 0xff80U
#define GHOST_EXACT 32U		/* codes from here on stand for steps of eight */
#define GHOST_HITS_MAX 280U	/* the last of these */

struct ghost_counts {
	u16 *words;
	u32 nr_sets;
};

/* What time it is, for all of these. */
struct ghost_time {
	u8 epoch;
	u8 tick;
};

static inline int ghost_counts_init(struct ghost_counts *g, u32 nr)
{
	g->nr_sets = DIV_ROUND_UP(max_t(u32, nr, GHOSTS_MIN), GHOST_WAYS);
	g->words = dmc_zalloc_table((size_t)g->nr_sets * GHOST_WORDS, sizeof(*g->words));
	return g->words ? 0 : -ENOMEM;
}

static inline void ghost_counts_exit(struct ghost_counts *g)
{
	vfree(g->words);
}

static inline u64 ghost_hash(oblock_t oblock)
{
	return from_oblock(oblock) * 0x9E3779B97F4A7C15ULL;
}

static inline u16 *ghost_set(const struct ghost_counts *g, u64 hash)
{
	return g->words + ((hash >> 32) * g->nr_sets >> 32) * GHOST_WORDS;
}

/* From other bits than the set. */
static inline u16 ghost_print(u64 hash)
{
	u16 print = hash >> 16 & GHOST_PRINT;

	return print ? print : GHOST_PRINT;
}

static inline u32 ghost_hits(u16 word)
{
	u32 code = (word & GHOST_CODE) >> 1;

	return code < GHOST_EXACT ? code : GHOST_EXACT + (code - GHOST_EXACT) * 8;
}

static inline u16 ghost_code(u32 hits)
{
	return (hits < GHOST_EXACT ? hits : min(GHOST_EXACT + (hits - GHOST_EXACT) / 8, 63U)) << 1;
}

/* All are halved as often as they missed. */
static inline void ghost_halve(u16 *set, u8 missed)
{
	u32 i, hits;

	for (i = GHOST_WORDS - GHOST_WAYS; i < GHOST_WORDS; i++) {
		u16 word = READ_ONCE(set[i]);

		hits = missed < 16 ? ghost_hits(word) >> missed : 0;
		WRITE_ONCE(set[i], hits ? (word & GHOST_PRINT) | ghost_code(hits) : 0);
	}
}

/* A new tick or epoch: every block may be counted again.  The head loses no bit by that. */
static inline void ghost_refresh(u16 *set, struct ghost_time now)
{
	u8 missed = now.epoch - (READ_ONCE(set[0]) >> 8);
	u64 *four = (u64 *)set;
	u32 i;

	if (missed)
		ghost_halve(set, missed);
	for (i = 0; i < GHOST_WORDS / 4; i++)
		WRITE_ONCE(four[i], READ_ONCE(four[i]) & ~GHOST_EACH(GHOST_COUNTED));
	WRITE_ONCE(set[0], now.epoch << 8 | now.tick);
}

static inline u16 *ghost_find_in(u16 *words, u32 nr, u16 print)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if ((READ_ONCE(words[i]) & GHOST_PRINT) == print)
			return &words[i];
	return NULL;
}

/* The word of a block, or NULL. */
static inline u16 *ghost_find(u16 *set, u16 print)
{
	const u64 *four = (u64 *)set;
	u32 i;

	for (i = 1; i < GHOST_WORDS / 4; i++) {
		u64 differs = (READ_ONCE(four[i]) ^ GHOST_EACH(print)) & GHOST_EACH(GHOST_PRINT);

		/* Is there a zero among the four? */
		if ((differs - GHOST_EACH(1)) & ~differs & GHOST_EACH(0x8000))
			return ghost_find_in(set + 4 * i, 4, print);
	}
	/* Two share theirs with the head. */
	return ghost_find_in(set + GHOST_WORDS - GHOST_WAYS, 2, print);
}

/* The word that gives way to a new one: fewest hits, first from the hand on. */
static inline u16 *ghost_victim(u16 *set)
{
	u32 n, hand = READ_ONCE(set[1]) >> 1, i = hand, victim = hand, fewest = U32_MAX;

	for (n = 0; n < GHOST_WAYS && fewest > 1; n++) {
		u32 hits = ghost_hits(READ_ONCE(set[GHOST_WORDS - GHOST_WAYS + i]));

		if (hits < fewest) {
			fewest = hits;
			victim = i;
		}
		if (++i == GHOST_WAYS)
			i = 0;
	}
	WRITE_ONCE(set[1], victim + 1 < GHOST_WAYS ? (victim + 1) << 1 : 0);
	return &set[GHOST_WORDS - GHOST_WAYS + victim];
}

/* The set of a block, as of now. */
static inline u16 *ghost_set_now(const struct ghost_counts *g, u64 hash, struct ghost_time now)
{
	u16 *set = ghost_set(g, hash);

	if (READ_ONCE(set[0]) != (now.epoch << 8 | now.tick))
		ghost_refresh(set, now);
	return set;
}

/* Counts a miss of @oblock, if it is the @first of this tick.  Returns its hits. */
static inline u32 ghost_count_touch(struct ghost_counts *g, oblock_t oblock, struct ghost_time now,
				    bool *first)
{
	u64 hash = ghost_hash(oblock);
	u16 *set = ghost_set_now(g, hash, now), *word = ghost_find(set, ghost_print(hash));
	u16 old;
	u32 hits;

	*first = true;
	if (!word) {
		WRITE_ONCE(*ghost_victim(set),
			   ghost_print(hash) | ghost_code(1) | GHOST_COUNTED);
		return 1;
	}

	old = READ_ONCE(*word);
	hits = ghost_hits(old);
	*first = !(old & GHOST_COUNTED);
	if (!*first)
		return hits;
	if (hits < GHOST_EXACT)
		hits++;
	else if (!((now.tick + ghost_print(hash) / (GHOST_COUNTED + GHOST_CODE + 1)) & 7))
		hits = min(hits + 8, GHOST_HITS_MAX);
	WRITE_ONCE(*word, ghost_print(hash) | ghost_code(hits) | GHOST_COUNTED);
	return hits;
}

/* @oblock has @hits, as of this tick; 0: it is forgotten. */
static inline void ghost_count_put(struct ghost_counts *g, oblock_t oblock, u32 hits,
				   struct ghost_time now)
{
	u64 hash = ghost_hash(oblock);
	u16 *set = ghost_set_now(g, hash, now), *word = ghost_find(set, ghost_print(hash));

	if (hits)
		WRITE_ONCE(*(word ? word : ghost_victim(set)),
			   ghost_print(hash) | ghost_code(hits) | GHOST_COUNTED);
	else if (word)
		WRITE_ONCE(*word, 0);
}

#endif
