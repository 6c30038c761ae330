/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * transaction.h - copy on write: nothing that the last committed superblock leads to is ever
 * overwritten, so that a power cut finds either the old state or the new one.
 *
 * Words
 *   shadow	a block that was allocated since the last commit; it may be changed in place
 *   to shadow	to get a version of a block that may be changed: itself if it is a shadow with one
 *		reference, else a copy at another place; the original then loses a reference
 *   root	block number of the top of a tree.  Its owner stores it, finally in the superblock.
 *		A change of the tree gives a new root, and only that one is valid from then on
 *
 * The space map counts the references to every block.  A block is allocated only if it is free in
 * the running transaction and in the last committed state.  A block freed now can be used after the
 * commit.  A few blocks are kept back so that a commit can always write the space map.  Block 0 is
 * never a valid reference: the superblock is there.
 *
 * A transaction
 *
 *	... shadow, change, allocate, free ...
 *	dmc_tm_pre_commit()		the space map is written; nothing may change any more
 *	lock the superblock for writing, store the roots and dmc_tm_copy_sm_root()
 *	dmc_tm_commit()			all other blocks written and flushed, then the superblock
 *
 * and the next one begins.  To drop one instead: dmc_tm_destroy(), dmc_bm_destroy(), and open both
 * again.  (Opening another transaction manager on the same block manager is possible as well.)
 *
 * Errors of reading, here and of trees, arrays and bitsets.  Nothing changed, the call can be
 * repeated.
 *
 *   damage.h	DMC_DAMAGED: a block has a wrong checksum or kind, is malformed or free in the
 *		space map, or its number is 0 or beyond the space map.  DMC_MISPLACED: the block
 *		says that it has another number
 *   -EDEADLK	the task has the block locked: a mistake of the caller, or damage leads there twice
 *   -EIO	the device could not be read
 *   -ENOMEM	no memory
 *
 * Errors of changing: those, and
 *
 *   DMC_NO_ROOM	no free block is left but the reserve
 *
 * After an error of changing the transaction is spoiled: dmc_tm_pre_commit() and dmc_tm_commit()
 * refuse it with -EIO, and what it changed must not be used.  On disk the last commit is untouched.
 * Trees, arrays and bitsets have two exceptions, after which nothing changed and all goes on:
 * -EINVAL for an argument that makes no sense, and DMC_NO_ENTRY for a key or index that is not
 * there.
 *
 * Contexts: process context, beside the path of a bio: the owner of the metadata calls, one call at
 * a time.  It must serialise them ("serialised" below); there are no locks here.  At most two block
 * locks are taken at a time, and one of them is handed to the caller.
 */
#ifndef DMC_TRANSACTION_H
#define DMC_TRANSACTION_H

#include "block-manager.h"

struct dmc_tm;

#define DMC_SM_ROOT_SIZE 32	/* bytes: the part of the superblock's 128-byte root field in use */

/**
 * dmc_tm_create() - Starts the first transaction of a device that is being formatted.
 * @bm: the block manager; borrowed until dmc_tm_destroy()
 * @superblock: number of the superblock, 0; it is allocated, with one reference
 * @tm: receives the transaction manager; untouched on error
 *
 * Makes a fresh space map of all blocks of the device, 4161600 (255 x 16320) at most.  The
 * superblock is not written before the first commit.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, DMC_NO_ROOM if the device is smaller than 9 blocks (36 KiB) or @superblock is not on
 * it, or another error of changing.  After an error the call can be repeated.
 */
int dmc_tm_create(struct dmc_bm *bm, mblock_t superblock, struct dmc_tm **tm);

/**
 * dmc_tm_open() - Starts a transaction on what is stored.
 * @bm: the block manager; borrowed until dmc_tm_destroy()
 * @superblock: number of the superblock, 0
 * @sm_root: DMC_SM_ROOT_SIZE bytes from the superblock, at any alignment; copied
 * @tm: receives the transaction manager; untouched on error
 *
 * Reads the whole space map, 4 KiB for each 16320 blocks, and keeps it in memory twice.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, or an error of reading; DMC_DAMAGED also if the space map covers no block, more than
 * the device has, more than 4161600, or not @superblock.  After an error the call can be repeated.
 */
int dmc_tm_open(struct dmc_bm *bm, mblock_t superblock, const void *sm_root, struct dmc_tm **tm);

/**
 * dmc_tm_destroy() - Drops the running transaction from memory.
 * @tm: gone afterwards; may be NULL
 *
 * The block manager stays the caller's.  It may still write blocks that the transaction changed: no
 * committed superblock leads to them.
 *
 * Context: Serialised.  Does no I/O.
 */
void dmc_tm_destroy(struct dmc_tm *tm);

/**
 * dmc_tm_pre_commit() - First half of a commit: writes the space map into its blocks.
 * @tm: the transaction manager
 *
 * May be called again, and must be after a further change.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, -EIO if the transaction is spoiled, or an error of changing, which spoils it.
 */
int dmc_tm_pre_commit(struct dmc_tm *tm);

/**
 * dmc_tm_copy_sm_root() - The space map's root, for the superblock.
 * @tm: the transaction manager; nothing may have changed since dmc_tm_pre_commit() returned 0
 * @root: receives DMC_SM_ROOT_SIZE bytes, at any alignment
 *
 * Context: Serialised.  Does not sleep.
 */
void dmc_tm_copy_sm_root(struct dmc_tm *tm, void *root);

/**
 * dmc_tm_commit() - Second half of a commit: makes the transaction durable and begins the next.
 * @tm: the transaction manager; nothing may have changed since dmc_tm_pre_commit() returned 0
 * @superblock: the superblock, write-locked and filled in; unlocked here, also on error.  It must
 *	not carry changes of an earlier lock that were not flushed.
 *
 * Flushes all other blocks, then writes and flushes the superblock.
 *
 * After any error the transaction is spoiled and the changes to the superblock are dropped.  If the
 * other blocks could not be flushed, the superblock was not written.  If its own write or flush
 * failed, the device holds the old one or the new one, and either is complete; the next lock reads
 * it from there.  dmc_bm_flush() says how to go on.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return:
 * * 0 - durable
 * * -EIO - the transaction was spoiled before, or a write or flush failed, now or earlier
 * * -ENOMEM - likewise, for want of memory
 * * -EINVAL - no dmc_tm_pre_commit() since the last change, another block than the superblock, or
 *   one with unflushed changes
 */
int dmc_tm_commit(struct dmc_tm *tm, struct dmc_block *superblock);

/**
 * dmc_tm_spoil() - Forbids the commit of the running transaction.
 * @tm: the transaction manager
 *
 * The calls here and in the trees do this themselves when they fail half way.
 *
 * Context: Serialised.  Does not sleep.
 */
void dmc_tm_spoil(struct dmc_tm *tm);

/**
 * dmc_tm_take_back() - Takes blocks that are read from now on for blocks in use.
 * @tm: the transaction manager
 * @on: from now on; false: no more
 *
 * For what a program does not know that repairs the space map: it frees blocks to which, as far as
 * it can see, nothing leads.  To read what does lead to them while this is on gives them their
 * count of 1 back.  That has to come behind dmc_tm_open(), before anything is allocated: or it is
 * allocated there.  From then on they are blocks of the last commit as others are: never changed in
 * place, and if freed, not used before the next commit.  On disk the count is wrong until the next
 * dmc_tm_commit(): whatever opens the metadata before that has to take them back again.
 *
 * Context: Serialised.  Does not sleep.
 */
void dmc_tm_take_back(struct dmc_tm *tm, bool on);

/**
 * dmc_tm_new_block() - Allocates a block.
 * @tm: the transaction manager
 * @v: the kind it becomes; not NULL
 * @blk: receives the block: write-locked, all zero, with one reference, which is the caller's.
 *	Untouched on error.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, or an error of changing; -EINVAL, too, spoils the transaction here.
 */
int dmc_tm_new_block(struct dmc_tm *tm, const struct dmc_validator *v, struct dmc_block **blk);

/**
 * dmc_tm_shadow_block() - Gets a version of a block that may be changed.
 * @tm: the transaction manager
 * @orig: number of the block; the caller's reference to it becomes one to @blk
 * @v: its kind; not NULL
 * @blk: receives the block, write-locked, perhaps at another place: the caller must store
 *	dmc_block_location() where it found @orig.  Nothing is locked on error.
 * @inc_children: set to true if @orig was shared.  Then what the block refers to is now referred to
 *	from two blocks, and the caller must take a reference to each.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, or an error of changing; -EINVAL, too, spoils the transaction here.
 */
int dmc_tm_shadow_block(struct dmc_tm *tm, mblock_t orig, const struct dmc_validator *v,
			struct dmc_block **blk, bool *inc_children);

/**
 * dmc_tm_read_lock() - As dmc_bm_read_lock(), but refuses blocks that are free.
 * @tm: the transaction manager
 * @b: the block's number
 * @v: the kind it must be; NULL: any, the bytes are not checked
 * @blk: receives the locked block, to be given to dmc_tm_unlock(); untouched on error
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, what @v->check returned, or an error of reading.
 */
int dmc_tm_read_lock(struct dmc_tm *tm, mblock_t b, const struct dmc_validator *v,
		     struct dmc_block **blk);

/**
 * dmc_tm_unlock() - Ends the use of a block; a write-locked one counts as changed.
 * @tm: the transaction manager
 * @blk: locked through @tm by this task; not valid afterwards
 *
 * Context: May sleep.
 */
void dmc_tm_unlock(struct dmc_tm *tm, struct dmc_block *blk);

/**
 * dmc_tm_inc() - Adds a reference to a block.
 * @tm: the transaction manager
 * @b: the block's number; it must have a reference already
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, DMC_DAMAGED if @b is free, 0 or beyond the space map, or another error of changing.
 */
int dmc_tm_inc(struct dmc_tm *tm, mblock_t b);

/**
 * dmc_tm_dec() - Drops a reference to a block; the last one frees it.
 * @tm: the transaction manager
 * @b: the block's number
 *
 * References that the block itself holds are the caller's business.  A freed block can be allocated
 * again after the next commit.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, DMC_DAMAGED if @b is free, 0 or beyond the space map, or another error of changing.
 */
int dmc_tm_dec(struct dmc_tm *tm, mblock_t b);

/**
 * dmc_tm_ref() - Counts the references to a block.
 * @tm: the transaction manager
 * @b: the block's number
 * @count: receives the count, 0 for a free block
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, DMC_DAMAGED if @b is beyond the space map or has no valid count, or another error of
 * reading.
 */
int dmc_tm_ref(struct dmc_tm *tm, mblock_t b, u32 *count);

/**
 * dmc_tm_nr_blocks() - The size of the space map.
 * @tm: the transaction manager
 *
 * Context: Any, at any time; does not sleep.
 * Return: the number of blocks that it covers, used or not.  Never changes.
 */
mblock_t dmc_tm_nr_blocks(struct dmc_tm *tm);

/*
 * The reserve for the commit: one block for each bitmap of the space map and one for their index,
 * which move once in a commit, and so many more.
 */
#define DMC_TM_RESERVE 4

/**
 * dmc_tm_nr_free() - How many blocks can be allocated before the next commit.
 * @tm: the transaction manager
 *
 * Context: Any, at any time; does not sleep.
 * Return: the number of blocks that are free in this transaction and in the last commit.  A few of
 * them are the reserve for the commit itself: allocation ends before this is 0.
 */
mblock_t dmc_tm_nr_free(struct dmc_tm *tm);

/**
 * dmc_tm_bm() - The block manager below.
 * @tm: the transaction manager
 *
 * Context: Any; does not sleep.
 * Return: what dmc_tm_create() or dmc_tm_open() was given.
 */
struct dmc_bm *dmc_tm_bm(struct dmc_tm *tm);

#endif
