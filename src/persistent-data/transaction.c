// SPDX-License-Identifier: GPL-2.0-only
/*
 * transaction.c - copy on write and two-phase commit.  Contract: transaction.h.
 *
 * Between the trees above and the block manager below; the space map is beside it.  Callers are
 * serialised by the owner of the metadata, process context.  No locks of its own; of the block
 * manager's it holds at most two (original and copy) and returns one.
 */
#include <linux/err.h>
#include <linux/export.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "messages.h"
#include "space-map.h"
#include "transaction.h"

struct dmc_tm {
	struct dmc_bm *bm;
	struct dmc_sm sm;
	mblock_t superblock;
	bool spoiled;		/* a change failed half way: must not be committed */
	bool prepared;		/* pre_commit done, nothing changed since */
	bool taking_back;	/* dmc_tm_take_back() */
};

/* Passes @r on, and remembers if the transaction cannot be committed any more. */
static int changed(struct dmc_tm *tm, int r)
{
	if (r)
		tm->spoiled = true;
	tm->prepared = false;
	return r;
}

void dmc_tm_spoil(struct dmc_tm *tm)
{
	tm->spoiled = true;
}
EXPORT_SYMBOL_GPL(dmc_tm_spoil);

void dmc_tm_take_back(struct dmc_tm *tm, bool on)
{
	tm->taking_back = on;
}
EXPORT_SYMBOL_GPL(dmc_tm_take_back);

static int check_range(struct dmc_tm *tm, mblock_t b)
{
	if (dmc_sm_valid(&tm->sm, b))
		return 0;
	pd_err(dmc_bm_name(tm->bm), "block %llu: referred to, but the space map covers 1 to %llu",
	       b, tm->sm.nr_blocks - 1);
	return DMC_DAMAGED;
}

static int tm_check_in_use(struct dmc_tm *tm, mblock_t b)
{
	int r = check_range(tm, b);

	if (r || sm_get(&tm->sm, b))
		return r;
	if (tm->taking_back) {
		pd_warn(dmc_bm_name(tm->bm), "block %llu: free in the space map, taken back", b);
		sm_take_back(&tm->sm, b);
	} else {
		pd_err(dmc_bm_name(tm->bm), "block %llu: referred to, but free in the space map",
		       b);
		r = DMC_DAMAGED;
	}
	return r;
}

/*----- blocks -----*/

static int new_block(struct dmc_tm *tm, const struct dmc_validator *v, struct dmc_block **blk)
{
	mblock_t b;
	int r;

	r = dmc_sm_new(&tm->sm, &b);
	if (r == DMC_NO_ROOM)
		pd_err(dmc_bm_name(tm->bm), "no free block left of %llu", tm->sm.nr_blocks);
	if (r)
		return r;
	return dmc_bm_write_lock_zero(tm->bm, b, v, blk);
}

int dmc_tm_new_block(struct dmc_tm *tm, const struct dmc_validator *v, struct dmc_block **blk)
{
	return changed(tm, new_block(tm, v, blk));
}
EXPORT_SYMBOL_GPL(dmc_tm_new_block);

static int copy_block(struct dmc_tm *tm, mblock_t orig, const struct dmc_validator *v,
		      struct dmc_block **blk)
{
	struct dmc_block *from;
	int r;

	r = dmc_bm_read_lock(tm->bm, orig, v, &from);
	if (r)
		return r;
	r = new_block(tm, v, blk);
	if (!r)
		memcpy(dmc_block_data(*blk), dmc_block_data(from), DMC_MD_BLOCK_SIZE);
	dmc_bm_unlock(from);
	if (r)
		return r;
	r = dmc_sm_dec(&tm->sm, orig);
	if (r)
		dmc_bm_unlock(*blk);
	return r;
}

int dmc_tm_shadow_block(struct dmc_tm *tm, mblock_t orig, const struct dmc_validator *v,
			struct dmc_block **blk, bool *inc_children)
{
	u32 count;
	int r;

	r = tm_check_in_use(tm, orig);
	if (r)
		return changed(tm, r);
	count = sm_get(&tm->sm, orig);
	*inc_children = count > 1;
	if (count == 1 && sm_was_free(&tm->sm, orig))
		r = dmc_bm_write_lock(tm->bm, orig, v, blk);
	else
		r = copy_block(tm, orig, v, blk);
	return changed(tm, r);
}
EXPORT_SYMBOL_GPL(dmc_tm_shadow_block);

int dmc_tm_read_lock(struct dmc_tm *tm, mblock_t b, const struct dmc_validator *v,
		     struct dmc_block **blk)
{
	int r = tm_check_in_use(tm, b);

	return r ? r : dmc_bm_read_lock(tm->bm, b, v, blk);
}
EXPORT_SYMBOL_GPL(dmc_tm_read_lock);

void dmc_tm_unlock(struct dmc_tm *tm, struct dmc_block *blk)
{
	dmc_bm_unlock(blk);
}
EXPORT_SYMBOL_GPL(dmc_tm_unlock);

/*----- counts -----*/

int dmc_tm_inc(struct dmc_tm *tm, mblock_t b)
{
	int r = check_range(tm, b);

	return changed(tm, r ? r : dmc_sm_inc(&tm->sm, b));
}
EXPORT_SYMBOL_GPL(dmc_tm_inc);

int dmc_tm_dec(struct dmc_tm *tm, mblock_t b)
{
	int r = check_range(tm, b);

	return changed(tm, r ? r : dmc_sm_dec(&tm->sm, b));
}
EXPORT_SYMBOL_GPL(dmc_tm_dec);

int dmc_tm_ref(struct dmc_tm *tm, mblock_t b, u32 *count)
{
	if (b >= tm->sm.nr_blocks)
		return check_range(tm, b);
	return dmc_sm_count(&tm->sm, b, count);
}
EXPORT_SYMBOL_GPL(dmc_tm_ref);

mblock_t dmc_tm_nr_blocks(struct dmc_tm *tm)
{
	return tm->sm.nr_blocks;
}
EXPORT_SYMBOL_GPL(dmc_tm_nr_blocks);

mblock_t dmc_tm_nr_free(struct dmc_tm *tm)
{
	return READ_ONCE(tm->sm.nr_avail);
}
EXPORT_SYMBOL_GPL(dmc_tm_nr_free);

struct dmc_bm *dmc_tm_bm(struct dmc_tm *tm)
{
	return tm->bm;
}
EXPORT_SYMBOL_GPL(dmc_tm_bm);

/*----- commit -----*/

int dmc_tm_pre_commit(struct dmc_tm *tm)
{
	int r;

	if (tm->spoiled)
		return -EIO;
	r = changed(tm, dmc_sm_write(&tm->sm));
	tm->prepared = !r;
	return r;
}
EXPORT_SYMBOL_GPL(dmc_tm_pre_commit);

void dmc_tm_copy_sm_root(struct dmc_tm *tm, void *root)
{
	dmc_sm_copy_root(&tm->sm, root);
}
EXPORT_SYMBOL_GPL(dmc_tm_copy_sm_root);

/* The reasons not to start. */
static int commit_allowed(struct dmc_tm *tm, struct dmc_block *superblock)
{
	if (tm->spoiled)
		return -EIO;
	if (!tm->prepared || dmc_block_location(superblock) != tm->superblock)
		return -EINVAL;
	/* If it is dirty, the first flush could write it, before what it refers to. */
	return dmc_block_unwritten(superblock) ? -EINVAL : 0;
}

int dmc_tm_commit(struct dmc_tm *tm, struct dmc_block *superblock)
{
	int r;

	r = commit_allowed(tm, superblock);
	/*
	 * Everything that the superblock is going to lead to must be durable before it is
	 * written.  Being write-locked and not yet marked as changed it stays behind.
	 */
	if (!r)
		r = dmc_bm_flush(tm->bm);
	if (r) {
		dmc_bm_unlock_discard(superblock);
		return changed(tm, r);
	}
	dmc_bm_unlock(superblock);
	r = dmc_bm_flush(tm->bm);
	if (r) {
		/* The bytes in memory must not pass for what is on the device. */
		dmc_bm_forget(tm->bm, tm->superblock);
		return changed(tm, r);
	}
	dmc_sm_committed(&tm->sm);
	tm->prepared = false;
	return 0;
}
EXPORT_SYMBOL_GPL(dmc_tm_commit);

/*----- create, open, destroy -----*/

static struct dmc_tm *tm_alloc(struct dmc_bm *bm, mblock_t superblock)
{
	struct dmc_tm *tm = kzalloc(sizeof(*tm), GFP_NOIO);

	if (tm) {
		tm->bm = bm;
		tm->superblock = superblock;
		INIT_LIST_HEAD(&tm->sm.queue);
	}
	return tm;
}

int dmc_tm_create(struct dmc_bm *bm, mblock_t superblock, struct dmc_tm **ptm)
{
	struct dmc_tm *tm = tm_alloc(bm, superblock);
	int r;

	if (!tm)
		return -ENOMEM;
	r = dmc_sm_create(&tm->sm, tm, superblock);
	if (r) {
		dmc_tm_destroy(tm);
		return r;
	}
	*ptm = tm;
	return 0;
}
EXPORT_SYMBOL_GPL(dmc_tm_create);

int dmc_tm_open(struct dmc_bm *bm, mblock_t superblock, const void *sm_root, struct dmc_tm **ptm)
{
	struct dmc_tm *tm = tm_alloc(bm, superblock);
	int r;

	if (!tm)
		return -ENOMEM;
	r = dmc_sm_open(&tm->sm, tm, superblock, sm_root);
	if (r) {
		dmc_tm_destroy(tm);
		return r;
	}
	*ptm = tm;
	return 0;
}
EXPORT_SYMBOL_GPL(dmc_tm_open);

void dmc_tm_destroy(struct dmc_tm *tm)
{
	if (!tm)
		return;
	dmc_sm_exit(&tm->sm);
	kfree(tm);
}
EXPORT_SYMBOL_GPL(dmc_tm_destroy);
