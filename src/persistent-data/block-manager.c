// SPDX-License-Identifier: GPL-2.0-only
/*
 * block-manager.c - locked, checksummed metadata blocks on dm-bufio.  Contract: block-manager.h.
 *
 * Below the transaction manager, above dm-bufio.  Called by all code that works on metadata, in
 * process context.  dm-bufio calls block_written() whenever it writes, maybe while a writer has the
 * block locked.  So that function touches the two header fields only; what such a writer leaves is
 * written again.
 *
 * Each dm-bufio buffer carries a struct dmc_block in its auxiliary data: the state of the lock and
 * what is known of the content.  Locks, in order: a block's own (sleeping), bm->lock (a spinlock
 * around the lock words, nothing is called under it).
 */
#include <linux/blkdev.h>
#include <linux/crc32c.h>
#include <linux/dm-bufio.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "block-manager.h"
#include "messages.h"

/* Holders remembered per block, to tell a self-deadlock from a wait. */
#define NR_OWNERS 4

struct dmc_bm {
	struct dm_bufio_client *bufio;
	mblock_t nr_blocks;
	int flush_error;		/* the first one; sticky */
	spinlock_t lock;		/* holders and owners of every block */
	wait_queue_head_t unlocked;	/* some block's holders fell to 0 */
	char *name;
};

struct dmc_block {
	struct dmc_bm *bm;
	struct dm_buffer *buf;
	const struct dmc_validator *kind;	/* what the content was checked to be, or NULL */
	bool unwritten;
	int holders;				/* readers, or -1 for a writer */
	struct task_struct *owners[NR_OWNERS];
};

/*----- what dm-bufio calls -----*/

static void block_init(struct dm_buffer *buf)
{
	memset(dm_bufio_get_aux_data(buf), 0, sizeof(struct dmc_block));
}

static u32 block_csum(const struct dmc_validator *v, const void *data)
{
	return crc32c(~0U, data + sizeof(__le32), DMC_MD_BLOCK_SIZE - sizeof(__le32)) ^ v->salt;
}

static void block_written(struct dm_buffer *buf)
{
	struct dmc_block *blk = dm_bufio_get_aux_data(buf);
	void *data = dm_bufio_get_block_data(buf);

	/* A block that was write-locked has a kind; there is no other way to become dirty. */
	if (!blk->kind)
		return;
	*(__le64 *)(data + blk->kind->blocknr_offset) =
		cpu_to_le64(dm_bufio_get_block_number(buf));
	*(__le32 *)data = cpu_to_le32(block_csum(blk->kind, data));
	blk->unwritten = false;
}

/*----- the lock of a block -----*/

static bool held_by_current(struct dmc_block *blk)
{
	unsigned int i;

	for (i = 0; i < NR_OWNERS; i++)
		if (blk->owners[i] == current)
			return true;
	return false;
}

static void change_owner(struct dmc_block *blk, struct task_struct *from, struct task_struct *to)
{
	unsigned int i;

	for (i = 0; i < NR_OWNERS; i++) {
		if (blk->owners[i] == from) {
			blk->owners[i] = to;
			return;
		}
	}
}

/* True if the wait is over: *@result is 0 (locked) or -EDEADLK. */
static bool try_lock(struct dmc_block *blk, bool write, int *result)
{
	bool done = true;

	spin_lock(&blk->bm->lock);
	if (write ? !blk->holders : blk->holders >= 0) {
		blk->holders += write ? -1 : 1;
		change_owner(blk, NULL, current);
		*result = 0;
	} else if (held_by_current(blk)) {
		*result = -EDEADLK;
	} else {
		done = false;
	}
	spin_unlock(&blk->bm->lock);
	return done;
}

static int bm_block_lock(struct dmc_block *blk, bool write)
{
	int r = 0;

	wait_event(blk->bm->unlocked, try_lock(blk, write, &r));
	if (r)
		pd_err(blk->bm->name, "block %llu: task %s asked for a %s lock on a block it holds",
		       dmc_block_location(blk), current->comm, write ? "write" : "read");
	return r;
}

static void bm_block_unlock(struct dmc_block *blk)
{
	struct dmc_bm *bm = blk->bm;
	bool wake;

	spin_lock(&bm->lock);
	blk->holders += blk->holders < 0 ? 1 : -1;
	change_owner(blk, current, NULL);
	wake = !blk->holders;
	spin_unlock(&bm->lock);
	if (wake)
		wake_up_all(&bm->unlocked);
}

/*----- what is in a block -----*/

static int block_check_new(struct dmc_block *blk, const struct dmc_validator *v)
{
	const void *data = dmc_block_data(blk);
	mblock_t b = dmc_block_location(blk);
	u64 nr = le64_to_cpu(*(const __le64 *)(data + v->blocknr_offset));
	u32 csum = le32_to_cpu(*(const __le32 *)data), wanted;
	int r = 0;

	if (nr != b) {
		pd_err(blk->bm->name, "block %llu: not a %s, says it is block %llu",
		       b, v->name, nr);
		return DMC_MISPLACED;
	}
	wanted = block_csum(v, data);
	if (csum != wanted) {
		pd_err(blk->bm->name, "block %llu: not a %s, checksum %#x instead of %#x",
		       b, v->name, csum, wanted);
		return DMC_DAMAGED;
	}
	if (v->check)
		r = v->check(v, data, b);
	if (r)
		pd_err(blk->bm->name, "block %llu: malformed %s (%d)", b, v->name, r);
	return r;
}

/* Readers may do this at the same time; they come to the same result. */
static int block_check(struct dmc_block *blk, const struct dmc_validator *v)
{
	const struct dmc_validator *kind = READ_ONCE(blk->kind);
	int r;

	if (kind == v)
		return 0;
	if (kind) {
		pd_err(blk->bm->name, "block %llu: a %s where a %s should be",
		       dmc_block_location(blk), kind->name, v->name);
		return DMC_DAMAGED;
	}
	r = block_check_new(blk, v);
	if (!r)
		WRITE_ONCE(blk->kind, v);
	return r;
}

/*----- lock and unlock -----*/

/*
 * A device's own errno says nothing about what is stored: -ENODATA (a bad medium) is no missing
 * key, -EILSEQ no damage, and -ENOSPC (nothing left in a pool below) no full space map.
 */
static int device_error(int r)
{
	return r == -ENOMEM ? r : -EIO;
}

/* *@pblk is locked, its content unchecked. */
static int block_get(struct dmc_bm *bm, mblock_t b, bool write, bool fresh, struct dmc_block **pblk)
{
	struct dm_buffer *buf;
	struct dmc_block *blk;
	void *data;
	int r;

	if (b >= bm->nr_blocks) {
		pd_err(bm->name, "block %llu: beyond the end of the device (%llu blocks)",
		       b, bm->nr_blocks);
		return DMC_NOWHERE;
	}
	data = fresh ? dm_bufio_new(bm->bufio, b, &buf) : dm_bufio_read(bm->bufio, b, &buf);
	if (IS_ERR_OR_NULL(data)) {
		r = data ? PTR_ERR(data) : -EIO;
		pd_err(bm->name, "block %llu: cannot be read (%d)", b, r);
		return device_error(r);
	}
	blk = dm_bufio_get_aux_data(buf);
	blk->bm = bm;
	blk->buf = buf;
	r = bm_block_lock(blk, write);
	if (r) {
		dm_bufio_release(buf);
		return r;
	}
	*pblk = blk;
	return 0;
}

/* The content turned out to be bad: the next caller must read it from the device again. */
static void block_reject(struct dmc_block *blk)
{
	struct dmc_bm *bm = blk->bm;
	mblock_t b = dmc_block_location(blk);

	bm_block_unlock(blk);
	dm_bufio_release(blk->buf);
	dm_bufio_forget(bm->bufio, b);
}

static int lock_checked(struct dmc_bm *bm, mblock_t b, const struct dmc_validator *v, bool write,
			struct dmc_block **pblk)
{
	struct dmc_block *blk;
	int r;

	r = block_get(bm, b, write, false, &blk);
	if (r)
		return r;
	if (v) {
		r = block_check(blk, v);
		if (r) {
			block_reject(blk);
			return r;
		}
	}
	*pblk = blk;
	return 0;
}

int dmc_bm_read_lock(struct dmc_bm *bm, mblock_t b, const struct dmc_validator *v,
		     struct dmc_block **blk)
{
	return lock_checked(bm, b, v, false, blk);
}
EXPORT_SYMBOL_GPL(dmc_bm_read_lock);

int dmc_bm_write_lock(struct dmc_bm *bm, mblock_t b, const struct dmc_validator *v,
		      struct dmc_block **blk)
{
	if (!v)
		return -EINVAL;
	return lock_checked(bm, b, v, true, blk);
}
EXPORT_SYMBOL_GPL(dmc_bm_write_lock);

int dmc_bm_write_lock_zero(struct dmc_bm *bm, mblock_t b, const struct dmc_validator *v,
			   struct dmc_block **blk)
{
	int r;

	if (!v)
		return -EINVAL;
	r = block_get(bm, b, true, true, blk);
	if (r)
		return r;
	memset(dmc_block_data(*blk), 0, DMC_MD_BLOCK_SIZE);
	(*blk)->kind = v;
	return 0;
}
EXPORT_SYMBOL_GPL(dmc_bm_write_lock_zero);

void dmc_bm_unlock(struct dmc_block *blk)
{
	struct dm_buffer *buf = blk->buf;

	if (blk->holders < 0) {
		blk->unwritten = true;
		dm_bufio_mark_buffer_dirty(buf);
	}
	bm_block_unlock(blk);
	dm_bufio_release(buf);
}
EXPORT_SYMBOL_GPL(dmc_bm_unlock);

void dmc_bm_unlock_discard(struct dmc_block *blk)
{
	/* Should a reader keep the buffer in memory, it has to pass the check anew - and fails. */
	WRITE_ONCE(blk->kind, NULL);
	block_reject(blk);
}
EXPORT_SYMBOL_GPL(dmc_bm_unlock_discard);

mblock_t dmc_block_location(struct dmc_block *blk)
{
	return dm_bufio_get_block_number(blk->buf);
}
EXPORT_SYMBOL_GPL(dmc_block_location);

void *dmc_block_data(struct dmc_block *blk)
{
	return dm_bufio_get_block_data(blk->buf);
}
EXPORT_SYMBOL_GPL(dmc_block_data);

bool dmc_block_unwritten(struct dmc_block *blk)
{
	return blk->unwritten;
}
EXPORT_SYMBOL_GPL(dmc_block_unwritten);

/*----- the device as a whole -----*/

int dmc_bm_flush(struct dmc_bm *bm)
{
	int r;

	if (bm->flush_error)
		return bm->flush_error;
	/* Writes, waits, and flushes the device's cache. */
	r = dm_bufio_write_dirty_buffers(bm->bufio);
	if (r) {
		pd_err(bm->name, "writing changed blocks failed (%d)", r);
		bm->flush_error = device_error(r);
	}
	return bm->flush_error;
}
EXPORT_SYMBOL_GPL(dmc_bm_flush);

void dmc_bm_forget(struct dmc_bm *bm, mblock_t b)
{
	dm_bufio_forget(bm->bufio, b);
}
EXPORT_SYMBOL_GPL(dmc_bm_forget);

void dmc_bm_prefetch_run(struct dmc_bm *bm, mblock_t b, u32 n)
{
	if (b < bm->nr_blocks)
		dm_bufio_prefetch(bm->bufio, b, min_t(u64, n, bm->nr_blocks - b));
}
EXPORT_SYMBOL_GPL(dmc_bm_prefetch_run);

void dmc_bm_prefetch(struct dmc_bm *bm, mblock_t b)
{
	dmc_bm_prefetch_run(bm, b, 1);
}
EXPORT_SYMBOL_GPL(dmc_bm_prefetch);

mblock_t dmc_bm_nr_blocks(struct dmc_bm *bm)
{
	return bm->nr_blocks;
}
EXPORT_SYMBOL_GPL(dmc_bm_nr_blocks);

const char *dmc_bm_name(struct dmc_bm *bm)
{
	return bm->name;
}
EXPORT_SYMBOL_GPL(dmc_bm_name);

struct dmc_bm *dmc_bm_create(struct block_device *bdev, const char *dev_name)
{
	struct dmc_bm *bm;
	int r;

	bm = kzalloc(sizeof(*bm), GFP_NOIO);
	if (!bm)
		return ERR_PTR(-ENOMEM);
	bm->name = kstrdup(dev_name, GFP_NOIO);
	if (!bm->name) {
		r = -ENOMEM;
		goto err_bm;
	}
	spin_lock_init(&bm->lock);
	init_waitqueue_head(&bm->unlocked);
	bm->bufio = dm_bufio_client_create(bdev, DMC_MD_BLOCK_SIZE, DMC_BM_MAX_HELD,
					   sizeof(struct dmc_block), block_init, block_written, 0);
	if (IS_ERR(bm->bufio)) {
		r = PTR_ERR(bm->bufio);
		goto err_name;
	}
	bm->nr_blocks = dm_bufio_get_device_size(bm->bufio);
	return bm;

err_name:
	kfree(bm->name);
err_bm:
	kfree(bm);
	return ERR_PTR(r);
}
EXPORT_SYMBOL_GPL(dmc_bm_create);

void dmc_bm_destroy(struct dmc_bm *bm)
{
	dm_bufio_client_destroy(bm->bufio);
	kfree(bm->name);
	kfree(bm);
}
EXPORT_SYMBOL_GPL(dmc_bm_destroy);
