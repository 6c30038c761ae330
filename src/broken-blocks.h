/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * broken-blocks.h - which cache blocks are to be dropped, since their copy cannot be trusted.
 *
 * Where: ends of bios add blocks (invalidate.c: block_broke()), on any CPU and in interrupts; the
 * engine takes them out again when it has started to drop them.  No lock, nothing sleeps.  Also
 * compiled in userspace, for its stress test.
 *
 * A bit for each block, and how many are set: with none, the engine does not look at the bits.
 *
 *   a block is added	its bit is set; if it was not before, it is counted; the engine is kicked
 *   one is taken out	its bit is cleared; if it was set before, it is uncounted
 *
 * So the number is never reset, and a search cannot lose a block to a reset.  A block that is added
 * during a search, behind the place of the search, stays counted until a later search: its adder
 * kicks the engine after it has counted (to queue a work is fully ordered).
 *
 * If the block is taken out between the bit and the count of its adder, the number is one too low
 * for a moment; -1 counts as none.  If another block is missed then, it is found after the kick
 * that follows the count.
 */
#ifndef DM_CACHE_BROKEN_BLOCKS_H
#define DM_CACHE_BROKEN_BLOCKS_H

#include <linux/atomic.h>
#include <linux/bitops.h>

struct broken_blocks {
	unsigned long *bits;		/* a bit for each cblock */
	unsigned long *suspect;		/* those that only lay beside the error, perhaps */
	atomic_t nr;
};

/* Kick the engine afterwards. */
static inline void broken_add(struct broken_blocks *b, u32 cblock, bool suspect)
{
	if (suspect)
		set_bit(cblock, b->suspect);
	else
		clear_bit(cblock, b->suspect);
	if (!test_and_set_bit(cblock, b->bits))
		atomic_inc(&b->nr);
}

static inline void broken_remove(struct broken_blocks *b, u32 cblock)
{
	clear_bit(cblock, b->suspect);
	if (test_and_clear_bit(cblock, b->bits))
		atomic_dec(&b->nr);
}

/* Worth a search? */
static inline bool broken_any(const struct broken_blocks *b)
{
	return atomic_read(&b->nr) > 0;
}

#endif
