/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * block-types.h - the three block indices, kept apart by the type checker.
 *
 * An oblock counts cache blocks on the origin device, a cblock counts cache blocks on the cache
 * device, a dblock counts discard blocks of the origin.  Mixing two of them, or one of them with
 * a sector, is a data-losing mistake that compiles; sparse sees it because each is a __bitwise
 * type and only the helpers below convert.
 *
 * Shared by the core (src/), the metadata layer and the policies; also compiled in userspace.
 */
#ifndef DMC_BLOCK_TYPES_H
#define DMC_BLOCK_TYPES_H

#include <linux/types.h>

typedef u64 __bitwise oblock_t;
typedef u32 __bitwise cblock_t;
typedef u64 __bitwise dblock_t;

/* The mapping on disk has 48 bits for an origin block. */
#define DMC_MAX_OBLOCKS (1ULL << 48)

/* The mapping table links entries by a 31-bit index. */
#define DMC_MAX_CBLOCKS ((1U << 31) - 1)

#define NO_OBLOCK (~0ULL)

/*
 * Neighbouring cblocks and what they hold: how activation hands the mappings on, from the metadata to the
 * table and the policy.  Valid during the call it is given to.
 */
struct dmc_run {
	cblock_t first;
	u32 nr;
	const oblock_t *oblocks;	/* of each cblock; NO_OBLOCK where it holds nothing */
	const unsigned long *dirty;	/* a bit for each, 0 where it holds nothing; NULL: all are clean */
	const u32 *hints;		/* of each; NULL: there are none to go by */
};

static inline oblock_t to_oblock(u64 b)
{
	return (__force oblock_t)b;
}

static inline u64 from_oblock(oblock_t b)
{
	return (__force u64)b;
}

static inline cblock_t to_cblock(u32 b)
{
	return (__force cblock_t)b;
}

static inline u32 from_cblock(cblock_t b)
{
	return (__force u32)b;
}

static inline dblock_t to_dblock(u64 b)
{
	return (__force dblock_t)b;
}

static inline u64 from_dblock(dblock_t b)
{
	return (__force u64)b;
}

/* Does block @i of the run hold something? */
static inline bool dmc_run_maps(const struct dmc_run *run, u32 i)
{
	return from_oblock(run->oblocks[i]) != NO_OBLOCK;
}

static inline bool dmc_run_dirty(const struct dmc_run *run, u32 i)
{
	return run->dirty && run->dirty[i / (8 * sizeof(long))] >> i % (8 * sizeof(long)) & 1;
}

#endif
