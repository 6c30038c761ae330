/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * streams.h - is this bio part of a sequential stream?
 *
 * A disk serves a sequential stream well, and what streams past is seldom wanted again: it should
 * neither be promoted nor push candidates aside.  A bio belongs to a stream if it starts where an
 * earlier one ended, however many others came in between.  Only misses are seen here, and
 * what a stream begins with is promoted, so that the rest of that block are hits: hence it may also
 * start a bit further, in the same block or the next.  From the bio after the @threshold-th on, the
 * stream is sequential.
 *
 * Many streams are recognised at a time: a small table knows for each where it was last.  Sets of
 * eight words, found by a hash of the block's neighbourhood.
 *
 *    63..40            39..24             23..18   17..0
 *    block, low bits   end, low bits of   credit   bios so far		0: empty
 *                      the sector
 *
 * A bio that follows none begins a stream, in the place of another beginner.  A set full of streams
 * of more than one bio gives way only when the one with the least credit has none left: it loses
 * one to each bio that wants its place, and has @random of them again when it goes on.  So random
 * bios do not end a stream that lives, and one that ended is forgotten.
 *
 * Called by miss() for each uncached bio.  Any context, no lock: each word is read and written
 * whole.  CPUs in one set at a time may lose a beginner.
 */
#ifndef DMC_STREAMS_H
#define DMC_STREAMS_H

#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/types.h>

#include "../../block-types.h"

#define STREAM_SETS 16			/* a power of two */
#define STREAM_WAYS 8
#define STREAM_NEIGHBOURS 4		/* log2 of blocks that belong to one set */
#define STREAM_BIOS 0x3ffffU
#define STREAM_CREDIT 63U
#define STREAM_ONE_CREDIT (STREAM_BIOS + 1)
#define STREAM_BLOCK 0xffffffU
#define STREAM_END 0xffffU

struct streams {
	u64 word[STREAM_SETS][STREAM_WAYS];
};

static inline u64 *stream_set(struct streams *s, u64 oblock)
{
	return s->word[(oblock >> STREAM_NEIGHBOURS) * 0x9E3779B97F4A7C15ULL >> 32 &
		       (STREAM_SETS - 1)];
}

static inline u32 stream_bios(u64 word)
{
	return word & STREAM_BIOS;
}

static inline u32 stream_gap(u64 word, u64 sector)
{
	return (sector - (word >> 24)) & STREAM_END;
}

/* The stream in @set that a bio at @sector of @oblock goes on with, or NULL. */
static inline u64 *stream_find(u64 *set, u64 oblock, u64 sector)
{
	u32 i;

	for (i = 0; i < STREAM_WAYS; i++) {
		u64 word = READ_ONCE(set[i]);

		/* Not backwards: that is more than half the way round. */
		if (word && ((oblock - (word >> 40)) & STREAM_BLOCK) <= 1 &&
		    stream_gap(word, sector) <= STREAM_END / 2)
			return &set[i];
	}
	return NULL;
}

/* The lower, the sooner it gives way: empty, beginner, then by credit, then by length. */
static inline u32 stream_rank(u64 word)
{
	return stream_bios(word) > 1 ? word & (STREAM_ONE_CREDIT * (STREAM_CREDIT + 1) - 1) :
				       stream_bios(word);
}

static inline u64 *stream_lowest(u64 *set)
{
	u64 *lowest = set;
	u32 i;

	for (i = 1; i < STREAM_WAYS; i++)
		if (stream_rank(READ_ONCE(set[i])) < stream_rank(READ_ONCE(*lowest)))
			lowest = &set[i];
	return lowest;
}

/* Takes note of a bio.  Is it part of a sequential stream?  @threshold 0: never. */
static inline bool stream_sequential(struct streams *s, oblock_t oblock, u64 sector, u32 sectors,
				     u32 threshold, u32 random)
{
	const u64 ob = from_oblock(oblock);
	u64 *set = stream_set(s, ob), *old, *place, word = 0;
	u32 bios;

	if (!threshold)
		return false;

	old = stream_find(set, ob, sector);
	place = old;
	if (!old && !(ob & ((1 << STREAM_NEIGHBOURS) - 1)))
		old = stream_find(stream_set(s, ob - 1), ob, sector);
	if (old)
		word = READ_ONCE(*old);
	bios = stream_bios(word) + 1;

	if (!place) {
		if (old)
			WRITE_ONCE(*old, 0);
		place = stream_lowest(set);
		word = READ_ONCE(*place);
		if (!old && stream_rank(word) >= STREAM_ONE_CREDIT) {
			WRITE_ONCE(*place, word - STREAM_ONE_CREDIT);
			return false;
		}
	}
	WRITE_ONCE(*place, (ob & STREAM_BLOCK) << 40 | ((sector + sectors) & STREAM_END) << 24 |
			   min(random, STREAM_CREDIT) * STREAM_ONE_CREDIT | min(bios, STREAM_BIOS));
	return bios > min(threshold, STREAM_BIOS - 1);
}

#endif
