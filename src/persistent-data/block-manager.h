/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * block-manager.h - the metadata device as an array of locked, checksummed 4096-byte blocks.
 *
 * The lowest layer: everything that reads or writes metadata goes through here, and here through
 * dm-bufio.  It knows nothing of transactions: who may change which block is decided above
 * (transaction.h).
 *
 * Locks.  A block is used between one of the *_lock() calls and dmc_bm_unlock().  Any number of
 * readers, or one writer.  A task that asks for a lock that could only be given if it let go of
 * one of its own gets -EDEADLK and a message, it does not hang; one that meets another task's lock
 * waits.  A task may hold at most DMC_BM_MAX_HELD blocks at a time.
 *
 * Contents.  The first lock that reads a block from the device checks it: own number, checksum of
 * the expected kind, then the validator's check().  Both fields are filled in just before the
 * block is written, so a writer need not care for them; their bytes in memory are stale until then.
 *
 * Writing.  Unlocking a write lock marks the block as changed.  From then on it may be written at
 * any time, in any order, until dmc_bm_flush() or dmc_bm_destroy() has written all of them.
 *
 * Contexts: every function may sleep and do I/O, except dmc_bm_nr_blocks(), dmc_block_location()
 * and dmc_block_data().  Several tasks may use one manager at once.
 */
#ifndef DMC_BLOCK_MANAGER_H
#define DMC_BLOCK_MANAGER_H

#include <linux/types.h>

#include "damage.h"

#define DMC_MD_BLOCK_SIZE 4096	/* bytes */
#define DMC_BM_MAX_HELD 16	/* blocks locked by one task */

typedef u64 mblock_t;		/* index of a 4096-byte metadata block */

struct block_device;
struct dmc_bm;
struct dmc_block;		/* a held (locked) block */

/*
 * A kind of block: where its checksum salt and own number are, and what else must hold.  Usually
 * static const; must outlive the block manager.  Kinds are compared by address.
 */
struct dmc_validator {
	const char *name;	/* for messages: "btree node" */
	u32 salt;
	u32 blocknr_offset;	/* bytes; of a __le64, 8-aligned */
	/*
	 * Structure of a block just read whose checksum and number are right; may be NULL.  0 or
	 * -errno.  Called with the block locked; must not lock others.  A message is printed by
	 * the block manager.
	 */
	int (*check)(const struct dmc_validator *v, const void *data, mblock_t b);
};

/*
 * @bdev is borrowed, @dev_name (e.g. "253:3", for messages) is copied.  ERR_PTR on error.
 * Nothing is read.
 */
struct dmc_bm *dmc_bm_create(struct block_device *bdev, const char *dev_name);

/*
 * No block may be locked.  Changed blocks that were not flushed are written, without a flush
 * of the device; errors are ignored.  (Above, that is harmless: an uncommitted transaction only
 * changed blocks that no committed superblock leads to.)
 */
void dmc_bm_destroy(struct dmc_bm *bm);

mblock_t dmc_bm_nr_blocks(struct dmc_bm *bm);	/* whole blocks of the device */
const char *dmc_bm_name(struct dmc_bm *bm);

/*
 * Lock block @b, of kind @v, for reading or for writing; *@blk is valid until dmc_bm_unlock().
 *
 *   DMC_NOWHERE	@b is not on the device
 *   -EDEADLK		see above
 *   DMC_MISPLACED	the block says it is another
 *   DMC_DAMAGED	wrong checksum, another kind, or refused by @v->check
 *   -EIO		the device could not read it, for whatever reason
 *   -ENOMEM
 *
 * On error nothing is held.  A block that fails its check is read again at the next attempt.
 * dmc_bm_read_lock() with @v NULL gives the bytes as they are, unchecked.
 */
int dmc_bm_read_lock(struct dmc_bm *bm, mblock_t b, const struct dmc_validator *v,
		     struct dmc_block **blk);
int dmc_bm_write_lock(struct dmc_bm *bm, mblock_t b, const struct dmc_validator *v,
		      struct dmc_block **blk);
/* For a block whose content does not matter: nothing is read, it becomes all zero. */
int dmc_bm_write_lock_zero(struct dmc_bm *bm, mblock_t b, const struct dmc_validator *v,
			   struct dmc_block **blk);

void dmc_bm_unlock(struct dmc_block *blk);

/*
 * Unlocks a write-locked block as if it had not been changed: the bytes in memory are dropped and
 * the next lock reads them from the device.  The block must not have been dmc_block_unwritten()
 * when it was locked.
 */
void dmc_bm_unlock_discard(struct dmc_block *blk);

mblock_t dmc_block_location(struct dmc_block *blk);
void *dmc_block_data(struct dmc_block *blk);	/* writable only under a write lock */

/* Was the block changed under an earlier lock and not written since? */
bool dmc_block_unwritten(struct dmc_block *blk);

/*
 * Writes every changed block that is not write-locked, waits, flushes the device's write cache.
 * After 0 all of it is durable.
 *
 * After an error some blocks are written, some not, and nobody knows which: this and every
 * later flush of this manager fail with the same error, so that no commit can build on it.  To
 * go on, destroy it and create another, which reads everything from the device again.
 */
int dmc_bm_flush(struct dmc_bm *bm);

/* Drops block @b from memory unless it is locked or changed. */
void dmc_bm_forget(struct dmc_bm *bm, mblock_t b);

/*
 * Starts reading blocks [@b, @b + @n), without waiting or reporting errors.  Parts beyond the
 * device are ignored.
 */
void dmc_bm_prefetch_run(struct dmc_bm *bm, mblock_t b, u32 n);
void dmc_bm_prefetch(struct dmc_bm *bm, mblock_t b);

#endif
