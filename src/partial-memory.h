/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * partial-memory.h - the memory of partial blocks: at most 64 bytes each.
 *
 * Where: partial.c, for a cache with write allocation.  Also compiled in userspace, for its test.
 */
#ifndef DM_CACHE_PARTIAL_MEMORY_H
#define DM_CACHE_PARTIAL_MEMORY_H

#include "metadata/metadata.h"
#include <linux/list.h>
#include <linux/log2.h>

#define PARTIAL_CHUNK 512U		/* blocks that get their memory at a time */

/* One block; it also has a share of the buckets and of the list of chunks. */
struct partial_block {
	u64 valid[DMC_VALID_WORDS];	/* a bit a granule, lowest first */
	u32 cblock : 31;
	u32 fresh : 1;			/* its mapping is not on disk */
	u32 next : 31;			/* in its chain, or of the free ones */
	u32 wanted : 1;			/* a read had to go to the origin once */
	struct list_head pending;	/* not on disk as it is: in partials.pending or .round */
};

/* What a table for @nr blocks, at least one, is made of: so many buckets, a power of two... */
static inline u32 partial_buckets(u32 nr)
{
	return rounddown_pow_of_two(nr);
}

/* ... and at most so many chunks. */
static inline u32 partial_chunks(u32 nr)
{
	return DIV_ROUND_UP(nr, PARTIAL_CHUNK);
}

#endif
