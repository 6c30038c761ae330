/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * block-manager.h - the metadata device as an array of locked, checksummed 4096-byte blocks.
 *
 * The lowest layer: everything that reads or writes metadata calls it, and it calls dm-bufio.  It
 * knows nothing of transactions: transaction.h decides which block may be changed.  No bio of a
 * cache comes here; its users are the workers and table operations that read and change metadata.
 *
 * Locks.  A block is used between one of the *_lock() calls and dmc_bm_unlock(), by the task that
 * locked it.  A block has any number of readers, or one writer.  A task that meets another task's
 * lock waits.  A task that would wait for itself gets -EDEADLK and a log line instead; this is
 * noticed for at most four holders of a block.
 *
 * Contents.  The first lock that reads a block from the device checks it: its own number, its
 * checksum, then the validator's check().  Number and checksum are filled in just before a block is
 * written.  A writer need not set them; in memory they are stale.
 *
 * Writing.  Unlocking a write lock marks the block as changed.  From then on it may be written at
 * any time, in any order, until dmc_bm_flush() or dmc_bm_destroy() has written all of them.
 *
 * Errors are logged where they are found, with device, block and cause.  Callers need not log them.
 *
 * Contexts: process context.  Each function says whether it sleeps.  Several tasks may use one
 * manager at once.
 */
#ifndef DMC_BLOCK_MANAGER_H
#define DMC_BLOCK_MANAGER_H

#include <linux/types.h>

#include "damage.h"

/*
 * The number of the interface: of this header, and of array.h, bitset.h, btree.h, damage.h and
 * transaction.h.  It is raised when a module that was built against them would no longer fit.  It
 * is part of the name of a symbol that every user needs.  So such a module is refused when it is
 * loaded, whatever the kernel's configuration, and the log says "Unknown symbol
 * dmc_bm_create_abi1".
 */
#define dmc_bm_create dmc_bm_create_abi1

#define DMC_MD_BLOCK_SIZE 4096	/* bytes */
#define DMC_BM_MAX_HELD 16	/* blocks a task may hold: dm-bufio reserves so many; not checked */

/**
 * typedef mblock_t - Index of a metadata block.
 *
 * Counts blocks of DMC_MD_BLOCK_SIZE bytes from the start of the metadata device.
 */
typedef u64 mblock_t;

struct block_device;
struct dmc_bm;
struct dmc_block;		/* a held (locked) block */

/**
 * struct dmc_validator - A kind of block: how it is recognised and checked.
 * @name: for messages, e.g. "btree node"
 * @salt: keeps the kinds apart: XORed to the checksum
 * @blocknr_offset: where the block holds its own number, a __le64; bytes, a multiple of 8
 * @check: optional.  Judges the structure of a block that was just read, whose number and checksum
 *	are right; @v is this validator, @data the 4096 bytes, @b the block's number.  Returns 0, or
 *	DMC_DAMAGED to refuse the block, which the block manager logs and passes on.  Called with
 *	the block locked, by several readers at once perhaps; must not lock a block.
 *
 * Usually static const.  Must outlive the block manager.  Two kinds are the same if their addresses
 * are.
 *
 * The checksum is the __le32 at byte 0: CRC-32C of bytes 4 to 4095, started with ~0 and not
 * inverted at the end, XOR @salt.  Blocks of the kernel's dm-persistent-data have the same.
 */
struct dmc_validator {
	const char *name;
	u32 salt;
	u32 blocknr_offset;
	int (*check)(const struct dmc_validator *v, const void *data, mblock_t b);
};

/**
 * dmc_bm_create() - Makes a block manager for a device.
 * @bdev: the metadata device; borrowed, must stay open until dmc_bm_destroy()
 * @dev_name: for messages, e.g. "253:3"; copied
 *
 * Reads nothing.
 *
 * Context: May sleep.
 * Return: the block manager, to be given to dmc_bm_destroy(), or ERR_PTR(), never NULL:
 * * -ENOMEM - no memory
 * * another errno - dm-bufio refused the device
 */
struct dmc_bm *dmc_bm_create(struct block_device *bdev, const char *dev_name);

/**
 * dmc_bm_destroy() - Frees a block manager.
 * @bm: from dmc_bm_create(); gone afterwards
 *
 * No block may be locked.  Changed blocks that were not flushed are written, but the device's write
 * cache is not flushed, and errors are ignored.  To a user of transaction.h that does no harm: an
 * uncommitted transaction only changes blocks that no committed superblock leads to.
 *
 * Context: May sleep and do I/O.
 */
void dmc_bm_destroy(struct dmc_bm *bm);

/**
 * dmc_bm_nr_blocks() - The size of the device.
 * @bm: the block manager
 *
 * Context: Any; does not sleep.
 * Return: the number of whole blocks of 4096 bytes, as it was at dmc_bm_create().
 */
mblock_t dmc_bm_nr_blocks(struct dmc_bm *bm);

/**
 * dmc_bm_name() - The device's name for messages.
 * @bm: the block manager
 *
 * Context: Any; does not sleep.
 * Return: the name given to dmc_bm_create(); valid until dmc_bm_destroy().
 */
const char *dmc_bm_name(struct dmc_bm *bm);

/**
 * dmc_bm_read_lock() - Locks a block for reading, among other readers.
 * @bm: the block manager
 * @b: the block's number
 * @v: the kind it must be; NULL: any, the bytes are not checked
 * @blk: receives the locked block, to be given to dmc_bm_unlock(); untouched on error
 *
 * On error nothing is held, and the call can be repeated.  A block that failed its check is then
 * read from the device again.
 *
 * Context: May sleep and do I/O; waits for a writer.
 * Return:
 * * 0 - locked
 * * DMC_NOWHERE - @b is beyond the end of the device
 * * DMC_MISPLACED - the block says that it has another number
 * * DMC_DAMAGED - its checksum is wrong, or it is known to be of another kind
 * * what @v->check returned - it refused the block
 * * -EDEADLK - this task holds the block's write lock
 * * -EIO - the device could not read it, for whatever reason
 * * -ENOMEM - no memory
 */
int dmc_bm_read_lock(struct dmc_bm *bm, mblock_t b, const struct dmc_validator *v,
		     struct dmc_block **blk);

/**
 * dmc_bm_write_lock() - Locks a block for changes to what it holds.
 * @bm: the block manager
 * @b: the block's number
 * @v: the kind it must be; not NULL
 * @blk: receives the locked block; untouched on error
 *
 * Give it to dmc_bm_unlock() to keep the changes or to dmc_bm_unlock_discard() to drop them.
 * Errors are as of dmc_bm_read_lock(): nothing is held, the call can be repeated.
 *
 * Context: May sleep and do I/O; waits for readers and for a writer.
 * Return:
 * * 0 - locked
 * * -EINVAL - @v is NULL
 * * -EDEADLK - this task holds a lock of the block
 * * another error - see dmc_bm_read_lock()
 */
int dmc_bm_write_lock(struct dmc_bm *bm, mblock_t b, const struct dmc_validator *v,
		      struct dmc_block **blk);

/**
 * dmc_bm_write_lock_zero() - Locks a block whose old content does not matter.
 * @bm: the block manager
 * @b: the block's number
 * @v: the kind it becomes; not NULL
 * @blk: receives the locked block, filled with zeroes; untouched on error
 *
 * Reads nothing from the device.  On error nothing is held or changed, and the call can be
 * repeated.
 *
 * Context: May sleep and do I/O; waits for readers and for a writer.
 * Return:
 * * 0 - locked
 * * -EINVAL - @v is NULL
 * * DMC_NOWHERE - @b is beyond the end of the device
 * * -EDEADLK - this task holds a lock of the block
 * * -EIO, -ENOMEM - dm-bufio gave no buffer
 */
int dmc_bm_write_lock_zero(struct dmc_bm *bm, mblock_t b, const struct dmc_validator *v,
			   struct dmc_block **blk);

/**
 * dmc_bm_unlock() - Ends the use of a block; a write-locked one counts as changed.
 * @blk: locked by this task; not valid afterwards
 *
 * Context: May sleep.
 */
void dmc_bm_unlock(struct dmc_block *blk);

/**
 * dmc_bm_unlock_discard() - Unlocks a write-locked block and drops what was changed.
 * @blk: write-locked by this task; not valid afterwards.  dmc_block_unwritten() must have been
 *	false when it was locked: bytes that are still to be written cannot be dropped.
 *
 * The next lock reads the block from the device.
 *
 * Context: May sleep.
 */
void dmc_bm_unlock_discard(struct dmc_block *blk);

/**
 * dmc_block_location() - The number of a locked block.
 * @blk: the block
 *
 * Context: Any; does not sleep.
 * Return: its index on the device.
 */
mblock_t dmc_block_location(struct dmc_block *blk);

/**
 * dmc_block_data() - The content of a locked block.
 * @blk: the block
 *
 * Context: Any; does not sleep.
 * Return: DMC_MD_BLOCK_SIZE bytes, valid until the block is unlocked.  They may be changed under a
 * write lock only.
 */
void *dmc_block_data(struct dmc_block *blk);

/**
 * dmc_block_unwritten() - Was the block changed under an earlier lock, and not written since?
 * @blk: the block, locked
 *
 * Context: Any; does not sleep.
 * Return: true if it was.
 */
bool dmc_block_unwritten(struct dmc_block *blk);

/**
 * dmc_bm_flush() - Makes all changed blocks durable.
 * @bm: the block manager
 *
 * Writes every changed block, waits for that, then flushes the device's write cache.  A block that
 * is write-locked, and had not been changed before, is not written (dmc_tm_commit() relies on it).
 * One that had been is written as it is, and again after its unlock.
 *
 * After an error some blocks are written and some are not, and it is not known which.  So this and
 * every later flush of this manager fail with the same errno, and no commit can build on it.
 * Blocks can still be locked.  To go on, destroy the manager and create another, which reads
 * everything from the device again.
 *
 * Context: May sleep and do I/O.
 * Return:
 * * 0 - all that was changed before the call is durable
 * * -EIO, -ENOMEM - a write or the flush failed, now or in an earlier call
 */
int dmc_bm_flush(struct dmc_bm *bm);

/**
 * dmc_bm_forget() - Drops a block from memory, unless it is locked or changed.
 * @bm: the block manager
 * @b: the block's number
 *
 * Context: May sleep.
 */
void dmc_bm_forget(struct dmc_bm *bm, mblock_t b);

/**
 * dmc_bm_prefetch_run() - Starts to read neighbouring blocks.
 * @bm: the block manager
 * @b: the first block's number
 * @n: how many; what lies beyond the end of the device is ignored
 *
 * Does not wait for the reads and does not report their errors: the locks that follow do.
 *
 * Context: May sleep and do I/O.
 */
void dmc_bm_prefetch_run(struct dmc_bm *bm, mblock_t b, u32 n);

/**
 * dmc_bm_prefetch() - Starts to read one block.
 * @bm: the block manager
 * @b: the block's number; one beyond the end of the device is ignored
 *
 * As dmc_bm_prefetch_run().
 *
 * Context: May sleep and do I/O.
 */
void dmc_bm_prefetch(struct dmc_bm *bm, mblock_t b);

#endif
