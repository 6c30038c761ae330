/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * transaction.h - copy on write: nothing that the last committed superblock leads to is ever
 * overwritten, so that a power cut finds either the old state or the new one.
 *
 * Words
 *   shadow	a block that was allocated since the last commit; it may be changed in place
 *   to shadow	get a changeable version of a block: itself if it is an unshared shadow, else a copy
 *		at another place, while the original loses one reference
 *   root	block number of the top of a tree.  The owner keeps it (in the superblock, at last);
 *		changing a tree gives a new root, and only that one is valid from then on
 *
 * The space map behind it counts the references to every block.  A block is allocated only if
 * it is free both in the running transaction and in the last committed state; what is freed now
 * can be used after the commit.  A few blocks are kept back so that a commit can always write
 * the space map.
 *
 * A transaction
 *
 *	... shadow, change, allocate, free ...
 *	dmc_tm_pre_commit()		the space map is written; nothing may change any more
 *	lock the superblock for writing, store the roots and dmc_tm_copy_sm_root()
 *	dmc_tm_commit()			all other blocks written and flushed, then the superblock
 *
 * and the next one begins.  To drop one instead: dmc_tm_destroy(), dmc_bm_destroy(), and open both
 * again.  (Opening another tm on the same bm is possible as well.)
 *
 * Errors.  After an error from a call that changes something - here, or of a tree, array or
 * bitset - the transaction cannot be committed any more: pre_commit and commit refuse it with
 * -EIO.  The exceptions are -EINVAL for an argument that makes no sense and -ENODATA for a key
 * or index that is not there.  On disk, the last commit is untouched.
 *
 * Contexts: all functions may sleep and do I/O, and are serialised by the caller;
 * dmc_tm_nr_blocks() and dmc_tm_nr_free() alone may be called at any time.
 */
#ifndef DMC_TRANSACTION_H
#define DMC_TRANSACTION_H

#include "block-manager.h"

struct dmc_tm;

#define DMC_SM_ROOT_SIZE 32	/* bytes: the part of the superblock's 128-byte root field in use */

/*
 * Fresh space map covering the device, for formatting; @superblock (its block number) is
 * allocated (count 1).  Nothing is written before the first commit.  -ENOSPC if the device is too
 * small to hold even the space map.
 */
int dmc_tm_create(struct dmc_bm *bm, mblock_t superblock, struct dmc_tm **tm);

/*
 * From the root stored in a superblock (DMC_SM_ROOT_SIZE bytes at @sm_root, of any alignment).
 * Reads the whole space map, 4 KiB for each 16320 blocks.  DMC_DAMAGED and the block
 * manager's errors if it is damaged, or larger than the device.
 */
int dmc_tm_open(struct dmc_bm *bm, mblock_t superblock, const void *sm_root, struct dmc_tm **tm);

/* Drops the running transaction from memory.  @tm may be NULL.  The bm stays the caller's. */
void dmc_tm_destroy(struct dmc_tm *tm);

/*
 * Two-phase commit.  dmc_tm_pre_commit() may be called again after further changes.
 * dmc_tm_copy_sm_root() stores DMC_SM_ROOT_SIZE bytes; valid after pre_commit only.
 *
 * dmc_tm_commit() consumes (unlocks) @superblock, also on error.  The superblock must not carry
 * earlier changes that were not flushed (-EINVAL).  On error the changes to it are dropped: if the
 * other blocks could not be written, it was not written; if its own write or flush failed, the
 * device may hold the old or the new one - both are complete - and the next lock reads it from
 * there.
 */
int dmc_tm_pre_commit(struct dmc_tm *tm);
void dmc_tm_copy_sm_root(struct dmc_tm *tm, void *root);
int dmc_tm_commit(struct dmc_tm *tm, struct dmc_block *superblock);

/*
 * The running transaction is not worth keeping: from now on it cannot be committed.  The calls here
 * and in the trees do this by themselves when they fail half way.
 */
void dmc_tm_spoil(struct dmc_tm *tm);

/* A zeroed block, write-locked, with count 1.  -ENOSPC if there is none. */
int dmc_tm_new_block(struct dmc_tm *tm, const struct dmc_validator *v, struct dmc_block **blk);

/*
 * Shadows @orig; *@blk is write-locked, maybe at another place, which the caller must store
 * where it found @orig.  If *@inc_children, @orig was shared: whatever the block refers to is
 * now referred to from two blocks, and the caller must take a reference to each.
 */
int dmc_tm_shadow_block(struct dmc_tm *tm, mblock_t orig, const struct dmc_validator *v,
			struct dmc_block **blk, bool *inc_children);

/* As dmc_bm_read_lock(); refuses also blocks that the space map calls free (DMC_DAMAGED). */
int dmc_tm_read_lock(struct dmc_tm *tm, mblock_t b, const struct dmc_validator *v,
		     struct dmc_block **blk);
void dmc_tm_unlock(struct dmc_tm *tm, struct dmc_block *blk);

/*
 * References to @b: one more, one less (the last one frees it; what it refers to is the caller's
 * business), how many.  A free block has none to add to or to take: DMC_DAMAGED.  A block number that
 * the space map does not cover: DMC_DAMAGED.
 */
int dmc_tm_inc(struct dmc_tm *tm, mblock_t b);
int dmc_tm_dec(struct dmc_tm *tm, mblock_t b);
int dmc_tm_ref(struct dmc_tm *tm, mblock_t b, u32 *count);

mblock_t dmc_tm_nr_blocks(struct dmc_tm *tm);	/* as stored in the space map */
/* Free in this transaction and in the last commit; a few of them are only for the commit itself. */
mblock_t dmc_tm_nr_free(struct dmc_tm *tm);
struct dmc_bm *dmc_tm_bm(struct dmc_tm *tm);

#endif
