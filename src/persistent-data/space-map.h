/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * space-map.h - how many references each metadata block has; private to the library.
 *
 * On disk (all little-endian, every block with its checksum and own number):
 *
 *	root (in the superblock)	index block			bitmap i
 *	 0 nr_blocks			 0 csum, padding		 0 csum, padding
 *	 8 nr_allocated			 8 blocknr			 8 blocknr
 *	16 bitmap_root	  ------->	16 entry 0	    -------->	16 16320 counts of two bits
 *	24 ref_count_root ---.		     blocknr, nr_free,
 *			     |		     none_free_before
 *			     |		..   entry 254
 *			     '-> btree: block -> count, for those with a count of 3 or more
 *
 * A count of two bits has its high-order bit first: 0 = 00, 1 = 01 with the bits swapped (the
 * upper one set), 2 = the lower one set, 3 = both: look in the btree.
 *
 * In memory all bitmaps are kept twice, as they are now and as they were committed (2 x 4 KiB for
 * each 64 MiB of metadata device).  So counting costs no I/O, "free in both" is one OR, and
 * "allocated since the commit" is one test.  The map describes its own blocks, too, and that
 * settles: writing a changed bitmap to a new place changes counts in memory only, and each bitmap
 * moves at most once a transaction.  Counts above 2 are in the btree alone.  Changing that tree
 * changes counts, too; those which would need the tree again are queued until it is whole.
 *
 * Contexts: called by transaction.c alone, whose caller serialises; no locks here.  The counts in
 * memory (sm_*) need no I/O; the rest may sleep and do I/O.  Errors are those of transaction.h, and
 * spoil nothing here: transaction.c does that.
 */
#ifndef DMC_SPACE_MAP_H
#define DMC_SPACE_MAP_H

#include <linux/list.h>

#include "btree.h"

#define SM_COUNTS_PER_BITMAP 16320	/* (4096 - 16) bytes of four counts */
#define SM_WORDS_PER_BITMAP (SM_COUNTS_PER_BITMAP / 32)
#define SM_MAX_BITMAPS 255		/* (4096 - 16) bytes / 16 for an entry of the index */
#define SM_MAX_BLOCKS ((mblock_t)SM_MAX_BITMAPS * SM_COUNTS_PER_BITMAP)

/**
 * struct sm_bitmap - The counts of SM_COUNTS_PER_BITMAP blocks.
 * @now: as they are; SM_WORDS_PER_BITMAP words
 * @committed: as they were at the last commit; likewise.  0 or not is what matters
 * @block: where @now is, or will be, on disk; 0: nowhere yet
 * @nr_avail: blocks free in both
 * @nr_free: entries of @now that are 0, as the index has it
 * @changed: @now differs from what is at @block
 * @moved: @block was allocated in this transaction
 */
struct sm_bitmap {
	__le64 *now;
	__le64 *committed;
	mblock_t block;
	u32 nr_avail;
	u32 nr_free;
	bool changed;
	bool moved;
};

/**
 * struct dmc_sm - The space map of a transaction manager.
 * @tm: the transaction manager that it is part of
 * @name: of the device; for messages
 * @nr_blocks: that have a count, SM_MAX_BLOCKS at most
 * @nr_allocated: blocks with a count above 0, now
 * @nr_avail: blocks free now and at the last commit; read without locks
 * @nr_bitmaps: length of @bitmaps
 * @nr_moved: bitmaps with moved set
 * @bitmaps: all counts
 * @index: block of the index; 0: nowhere yet
 * @index_moved: it was allocated in this transaction
 * @next: block where the search for a free one goes on
 * @ref_info: the btree with counts of 3 and more
 * @ref_root: its root
 * @ref_busy: it is being looked at or changed
 * @committing: the reserve may be used
 * @queue: count changes that wait for the btree
 */
struct dmc_sm {
	struct dmc_tm *tm;
	const char *name;
	mblock_t nr_blocks;
	u64 nr_allocated;
	u64 nr_avail;
	u32 nr_bitmaps;
	u32 nr_moved;
	struct sm_bitmap *bitmaps;
	mblock_t index;
	bool index_moved;
	mblock_t next;

	struct dmc_btree_info ref_info;
	mblock_t ref_root;
	bool ref_busy;
	bool committing;
	struct list_head queue;
};

/* space-map.c: counts in memory */

/**
 * sm_alloc_bitmaps() - Allocates the bitmaps, all counts 0.
 * @sm: the space map
 * @nr_blocks: 1 .. SM_MAX_BLOCKS
 *
 * Context: Serialised.  May sleep.
 * Return: 0, or -ENOMEM; sm_free_bitmaps() frees what there is in either case.
 */
int sm_alloc_bitmaps(struct dmc_sm *sm, mblock_t nr_blocks);

/**
 * sm_free_bitmaps() - Frees the bitmaps.
 * @sm: the space map; may have some of its bitmaps, or none
 *
 * Context: Serialised.  Does not sleep.
 */
void sm_free_bitmaps(struct dmc_sm *sm);

/**
 * sm_count_bitmap() - Adds a bitmap that was filled to the totals of the map.
 * @sm: the space map
 * @i: index of the bitmap; once for each
 *
 * Context: Serialised.  Does not sleep.
 */
void sm_count_bitmap(struct dmc_sm *sm, u32 i);

/**
 * sm_get() - A block's count in its bitmap.
 * @sm: the space map
 * @b: below @sm->nr_blocks
 *
 * Context: Serialised.  Does not sleep.
 * Return: 0 .. 3; 3 means 3 or more.
 */
u32 sm_get(struct dmc_sm *sm, mblock_t b);

/**
 * sm_set() - Sets a block's count in its bitmap, and the totals.
 * @sm: the space map
 * @b: below @sm->nr_blocks
 * @count: 0 .. 3
 *
 * Context: Serialised.  Does not sleep.
 */
void sm_set(struct dmc_sm *sm, mblock_t b, u32 count);

/**
 * sm_take_back() - A block that is free was in use all the time: it has a count of 1.
 * @sm: the space map
 * @b: below @sm->nr_blocks; its count is 0
 *
 * The last commit counts it, too, from now on: so it is not taken for a block of this transaction,
 * and if it is freed it cannot be found before the next commit.
 *
 * Context: Serialised.  Does not sleep.
 */
void sm_take_back(struct dmc_sm *sm, mblock_t b);

/**
 * sm_was_free() - Was a block free at the last commit?
 * @sm: the space map
 * @b: below @sm->nr_blocks
 *
 * Context: Serialised.  Does not sleep.
 * Return: true if it was.
 */
bool sm_was_free(struct dmc_sm *sm, mblock_t b);

/**
 * sm_find_free() - Finds a block that is free now and was at the last commit.
 * @sm: the space map
 * @b: receives the block, whose count stays 0; untouched on error
 *
 * The next search starts behind it.
 *
 * Context: Serialised.  Does not sleep.
 * Return: 0, or DMC_NO_ROOM.
 */
int sm_find_free(struct dmc_sm *sm, mblock_t *b);

/**
 * sm_forget_committed() - What is now counts as committed.
 * @sm: the space map, whose bitmaps that moved are durable
 *
 * Context: Serialised.  Does not sleep.
 */
void sm_forget_committed(struct dmc_sm *sm);

/* space-map-metadata.c: the map as the transaction manager sees it, and on disk */

/**
 * dmc_sm_create() - Makes a fresh map of a device that is being formatted.
 * @sm: zeroed, with an empty @sm->queue.  Give it to dmc_sm_exit(), also after an error.
 * @tm: the transaction manager that it is part of
 * @superblock: allocated, with a count of 1
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, DMC_NO_ROOM if the device is smaller than 9 blocks (36 KiB) or @superblock is not on
 * it, or another error of changing.
 */
int dmc_sm_create(struct dmc_sm *sm, struct dmc_tm *tm, mblock_t superblock);

/**
 * dmc_sm_open() - Reads the map.
 * @sm: zeroed, with an empty @sm->queue.  Give it to dmc_sm_exit(), also after an error.
 * @tm: the transaction manager that it is part of
 * @superblock: must be in use
 * @root: DMC_SM_ROOT_SIZE bytes from the superblock, at any alignment
 *
 * Wrong totals (blocks in use, free entries of a bitmap) are mended, with a log line.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, or an error of reading; DMC_DAMAGED also if the map does not fit the device, or a
 * block of the map itself is free.
 */
int dmc_sm_open(struct dmc_sm *sm, struct dmc_tm *tm, mblock_t superblock, const void *root);

/**
 * dmc_sm_exit() - Frees what the map has in memory.
 * @sm: the space map; dmc_sm_create() or dmc_sm_open() may have failed
 *
 * Context: Serialised.  Does not sleep.
 */
void dmc_sm_exit(struct dmc_sm *sm);

/**
 * dmc_sm_valid() - Can a block be referred to?
 * @sm: the space map
 * @b: any number
 *
 * Context: Serialised.  Does not sleep.
 * Return: true if @b is covered by the map and is not 0.
 */
bool dmc_sm_valid(struct dmc_sm *sm, mblock_t b);

/**
 * dmc_sm_new() - Allocates a block, with a count of 1.
 * @sm: the space map
 * @b: receives the block; untouched on error
 *
 * The reserve is for the commit and for the btree of counts: one block for each bitmap and for the
 * index that can still move, and 4.
 *
 * Context: Serialised.  Does not sleep.
 * Return: 0, or DMC_NO_ROOM if no free block but the reserve is left.
 */
int dmc_sm_new(struct dmc_sm *sm, mblock_t *b);

/**
 * dmc_sm_inc() - Raises a block's count.
 * @sm: the space map
 * @b: valid, see dmc_sm_valid()
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, DMC_DAMAGED if the count is 0 or at its maximum of 2^32 - 1, or an error of changing.
 */
int dmc_sm_inc(struct dmc_sm *sm, mblock_t b);

/**
 * dmc_sm_dec() - Lowers a block's count.
 * @sm: the space map
 * @b: valid, see dmc_sm_valid()
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, DMC_DAMAGED if the count is 0, or an error of changing.
 */
int dmc_sm_dec(struct dmc_sm *sm, mblock_t b);

/**
 * dmc_sm_count() - A block's count.
 * @sm: the space map
 * @b: below @sm->nr_blocks
 * @count: receives the count; 3 means 3 or more while the btree of counts is being changed
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, or an error of reading; DMC_DAMAGED also if the btree lacks the count.
 */
int dmc_sm_count(struct dmc_sm *sm, mblock_t b, u32 *count);

/**
 * dmc_sm_write() - Writes what changed into blocks of this transaction.
 * @sm: the space map
 *
 * Each bitmap and the index move at most once a transaction.  May be called again.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, or an error of changing.
 */
int dmc_sm_write(struct dmc_sm *sm);

/**
 * dmc_sm_copy_root() - The map's root, for the superblock.
 * @sm: the space map, unchanged since dmc_sm_write()
 * @root: receives DMC_SM_ROOT_SIZE bytes, at any alignment
 *
 * Context: Serialised.  Does not sleep.
 */
void dmc_sm_copy_root(struct dmc_sm *sm, void *root);

/**
 * dmc_sm_committed() - The superblock with the map's root is durable: the next transaction begins.
 * @sm: the space map
 *
 * Context: Serialised.  Does not sleep.
 */
void dmc_sm_committed(struct dmc_sm *sm);

#endif
