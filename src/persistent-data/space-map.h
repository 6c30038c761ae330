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
 * each 64 MiB of metadata device).  So counting costs no I/O, "free in both" is one OR, "allocated
 * since the commit" is one test, and the map's description of itself converges by itself: writing
 * a changed bitmap to a new place changes counts in memory only, and each bitmap moves at most
 * once a transaction.  Counts above 2 are in the btree alone.  Changing that tree changes counts,
 * too; those which would need the tree again are queued until it is whole.
 */
#ifndef DMC_SPACE_MAP_H
#define DMC_SPACE_MAP_H

#include <linux/list.h>

#include "btree.h"

#define SM_COUNTS_PER_BITMAP 16320
#define SM_WORDS_PER_BITMAP (SM_COUNTS_PER_BITMAP / 32)
#define SM_MAX_BITMAPS 255
#define SM_MAX_BLOCKS ((mblock_t)SM_MAX_BITMAPS * SM_COUNTS_PER_BITMAP)

/* The counts of SM_COUNTS_PER_BITMAP blocks. */
struct sm_bitmap {
	__le64 *now;
	__le64 *committed;
	mblock_t block;		/* where @now is, or will be, on disk; 0 = nowhere yet */
	u32 nr_avail;		/* blocks free in both */
	u32 nr_free;		/* as the index has it: entries of @now that are 0 */
	bool changed;		/* @now differs from what is at @block */
	bool moved;		/* @block was allocated in this transaction */
};

struct dmc_sm {
	struct dmc_tm *tm;
	const char *name;	/* of the device */
	mblock_t nr_blocks;
	u64 nr_allocated;	/* blocks with a count, now */
	u64 nr_avail;		/* blocks free in both; read without locks */
	u32 nr_bitmaps;
	u32 nr_moved;
	struct sm_bitmap *bitmaps;
	mblock_t index;		/* block; 0 = nowhere yet */
	bool index_moved;
	mblock_t next;		/* where the search for a free block goes on */

	struct dmc_btree_info ref_info;
	mblock_t ref_root;
	bool ref_busy;		/* the btree is being looked at or changed */
	bool committing;	/* the reserve may be used */
	struct list_head queue;	/* count changes waiting for the btree */
};

/* space-map.c: counts in memory */
int sm_alloc_bitmaps(struct dmc_sm *sm, mblock_t nr_blocks);
void sm_free_bitmaps(struct dmc_sm *sm);
void sm_count_bitmap(struct dmc_sm *sm, u32 i);	/* after @now and @committed were filled */
u32 sm_get(struct dmc_sm *sm, mblock_t b);		/* 0..3, 3 = 3 or more; @b in range */
void sm_set(struct dmc_sm *sm, mblock_t b, u32 count);
bool sm_was_free(struct dmc_sm *sm, mblock_t b);	/* in the last commit */
int sm_find_free(struct dmc_sm *sm, mblock_t *b);
void sm_forget_committed(struct dmc_sm *sm);		/* now is what is committed */

/* space-map-metadata.c: the map as the transaction manager sees it, and on disk */
int dmc_sm_create(struct dmc_sm *sm, struct dmc_tm *tm, mblock_t superblock);
int dmc_sm_open(struct dmc_sm *sm, struct dmc_tm *tm, mblock_t superblock, const void *root);
void dmc_sm_exit(struct dmc_sm *sm);
bool dmc_sm_valid(struct dmc_sm *sm, mblock_t b);	/* covered, and not 0 */
int dmc_sm_new(struct dmc_sm *sm, mblock_t *b);
int dmc_sm_inc(struct dmc_sm *sm, mblock_t b);
int dmc_sm_dec(struct dmc_sm *sm, mblock_t b);
int dmc_sm_count(struct dmc_sm *sm, mblock_t b, u32 *count);
int dmc_sm_write(struct dmc_sm *sm);
void dmc_sm_copy_root(struct dmc_sm *sm, void *root);
void dmc_sm_committed(struct dmc_sm *sm);

#endif
