/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * block-types.h - the three block indices, kept apart by the type checker.
 *
 * An oblock counts cache blocks on the origin device, a cblock counts cache blocks on the cache
 * device, a dblock counts discard blocks of the origin.  Mixing two of them, or one of them with
 * a sector, is a mistake that loses data and compiles.  Sparse sees it because each is a __bitwise
 * type and only the helpers below convert.
 *
 * Used from the first step of a bio's path (which oblock?) to the last.  Shared by the core (src/),
 * the metadata layer and the policies; also compiled in userspace.  Any context, no locks.
 */
#ifndef DMC_BLOCK_TYPES_H
#define DMC_BLOCK_TYPES_H

#include <linux/types.h>

/**
 * typedef oblock_t - Index of a cache block on the origin.
 *
 * Below DMC_MAX_OBLOCKS, or NO_OBLOCK.
 */
typedef u64 __bitwise oblock_t;

/**
 * typedef cblock_t - Index of a cache block on the cache device.
 *
 * Below DMC_MAX_CBLOCKS.
 */
typedef u32 __bitwise cblock_t;

/**
 * typedef dblock_t - Index of a discard block, a power of two of cache blocks, on the origin.
 */
typedef u64 __bitwise dblock_t;

/* The mapping on disk has 48 bits for an origin block. */
#define DMC_MAX_OBLOCKS (1ULL << 48)

/* The mapping table links entries by a 31-bit index. */
#define DMC_MAX_CBLOCKS ((1U << 31) - 1)

/* A number (to_oblock() converts it) that is no oblock's. */
#define NO_OBLOCK (~0ULL)

/**
 * struct dmc_run - Neighbouring cblocks and what they hold.
 * @first: the first cblock
 * @nr: how many, from there on
 * @oblocks: what each of them holds; NO_OBLOCK: nothing
 * @dirty: a bit for each, lowest first in each word, 0 where it holds nothing; NULL: all are clean
 * @hints: the stored hint of each; NULL: there are none to go by
 *
 * How activation hands the mappings on, from the metadata to the table and the policy.  All of it
 * is borrowed and valid during the call that it is given to.
 */
struct dmc_run {
	cblock_t first;
	u32 nr;
	const oblock_t *oblocks;
	const unsigned long *dirty;
	const u32 *hints;
};

/**
 * to_oblock() - Converts a number to an oblock.
 * @b: cache blocks from the start of the origin
 *
 * Context: Any.
 * Return: the oblock.
 */
static inline oblock_t to_oblock(u64 b)
{
	return (__force oblock_t)b;
}

/**
 * from_oblock() - Converts an oblock to its number.
 * @b: the oblock
 *
 * Context: Any.
 * Return: cache blocks from the start of the origin.  64 bits, so a product with a block size fits.
 */
static inline u64 from_oblock(oblock_t b)
{
	return (__force u64)b;
}

/**
 * to_cblock() - Converts a number to a cblock.
 * @b: cache blocks from the start of the cache device
 *
 * Context: Any.
 * Return: the cblock.
 */
static inline cblock_t to_cblock(u32 b)
{
	return (__force cblock_t)b;
}

/**
 * from_cblock() - Converts a cblock to its number.
 * @b: the cblock
 *
 * Context: Any.
 * Return: cache blocks from the start of the cache device.  Only 32 bits: make it 64 before it is
 * multiplied by a block size.
 */
static inline u32 from_cblock(cblock_t b)
{
	return (__force u32)b;
}

/**
 * to_dblock() - Converts a number to a dblock.
 * @b: discard blocks from the start of the origin
 *
 * Context: Any.
 * Return: the dblock.
 */
static inline dblock_t to_dblock(u64 b)
{
	return (__force dblock_t)b;
}

/**
 * from_dblock() - Converts a dblock to its number.
 * @b: the dblock
 *
 * Context: Any.
 * Return: discard blocks from the start of the origin.
 */
static inline u64 from_dblock(dblock_t b)
{
	return (__force u64)b;
}

/**
 * dmc_run_maps() - Does a cblock of a run hold something?
 * @run: the run
 * @i: which one; below @run->nr
 *
 * Context: Any.
 * Return: true if it does.
 */
static inline bool dmc_run_maps(const struct dmc_run *run, u32 i)
{
	return from_oblock(run->oblocks[i]) != NO_OBLOCK;
}

/**
 * dmc_run_dirty() - Is a cblock of a run dirty?
 * @run: the run
 * @i: which one; below @run->nr
 *
 * Context: Any.
 * Return: true if it is.
 */
static inline bool dmc_run_dirty(const struct dmc_run *run, u32 i)
{
	return run->dirty && run->dirty[i / (8 * sizeof(long))] >> i % (8 * sizeof(long)) & 1;
}

#endif
