// SPDX-License-Identifier: GPL-2.0-only
/*
 * counters.c - an array of counters on a block device, with commits; counters.h.
 *
 * Block 0 is the superblock: it holds the root of the array, its length and the root of the space
 * map.  Everything else is the library's.  The unit test `example-array` cuts the power of it.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <persistent-data/array.h>
#include <persistent-data/transaction.h>

#include "counters.h"

struct counters {
	struct dmc_bm *bm;
	struct dmc_tm *tm;
	struct dmc_array_info info;
	mblock_t root;
	u32 nr;
};

struct superblock {
	__le32 csum;			/* filled in by the library, as is blocknr */
	__le32 nr;
	__le64 blocknr;
	__le64 root;
	u8 sm_root[DMC_SM_ROOT_SIZE];
} __packed;

/*
 * The salt is any number of yours: it keeps your kinds of blocks apart, and from those of others.
 */
static const struct dmc_validator superblock_kind = {
	.name = "counters superblock",
	.salt = 20261130,
	.blocknr_offset = offsetof(struct superblock, blocknr),
};

int counters_commit(struct counters *c)
{
	struct superblock *sb;
	struct dmc_block *blk;
	int r = dmc_tm_pre_commit(c->tm);

	if (r)
		return r;
	r = dmc_bm_write_lock_zero(c->bm, 0, &superblock_kind, &blk);
	if (r)
		return r;
	sb = dmc_block_data(blk);
	sb->nr = cpu_to_le32(c->nr);
	sb->root = cpu_to_le64(c->root);
	dmc_tm_copy_sm_root(c->tm, sb->sm_root);
	return dmc_tm_commit(c->tm, blk);
}

static void use_tm(struct counters *c)
{
	struct dmc_btree_value_type element = { .size = sizeof(__le64) };

	dmc_array_info_init(&c->info, c->tm, &element);
}

static int format(struct counters *c, u32 nr)
{
	__le64 zero = 0;
	int r = dmc_tm_create(c->bm, 0, &c->tm);

	if (r)
		return r;
	use_tm(c);
	c->nr = nr;
	r = dmc_array_empty(&c->info, &c->root);
	if (!r)
		r = dmc_array_resize(&c->info, c->root, 0, nr, &zero, &c->root);
	return r ? r : counters_commit(c);
}

static int load(struct counters *c)
{
	struct superblock *sb;
	struct dmc_block *blk;
	int r = dmc_bm_read_lock(c->bm, 0, &superblock_kind, &blk);

	if (r)
		return r;
	sb = dmc_block_data(blk);
	c->nr = le32_to_cpu(sb->nr);
	c->root = le64_to_cpu(sb->root);
	r = dmc_tm_open(c->bm, 0, sb->sm_root, &c->tm);
	dmc_bm_unlock(blk);
	if (!r)
		use_tm(c);
	return r;
}

/* Only zeroes are formatted: anything else may be data. */
static int is_blank(struct counters *c, bool *blank)
{
	struct dmc_block *blk;
	int r = dmc_bm_read_lock(c->bm, 0, NULL, &blk);

	if (r)
		return r;
	*blank = !memchr_inv(dmc_block_data(blk), 0, DMC_MD_BLOCK_SIZE);
	dmc_bm_unlock(blk);
	return 0;
}

struct counters *counters_open(struct block_device *bdev, const char *name, u32 nr)
{
	struct counters *c = kzalloc(sizeof(*c), GFP_KERNEL);
	bool blank;
	int r;

	if (!c)
		return ERR_PTR(-ENOMEM);
	c->bm = dmc_bm_create(bdev, name);
	if (IS_ERR(c->bm)) {
		r = PTR_ERR(c->bm);
		kfree(c);
		return ERR_PTR(r);
	}
	r = is_blank(c, &blank);
	if (!r)
		r = blank ? format(c, nr) : load(c);
	if (r) {
		counters_close(c);
		return ERR_PTR(r);
	}
	return c;
}

/* What was not committed is dropped. */
void counters_close(struct counters *c)
{
	dmc_tm_destroy(c->tm);
	dmc_bm_destroy(c->bm);
	kfree(c);
}

int counters_get(struct counters *c, u32 i, u64 *value)
{
	__le64 v;
	int r;

	if (i >= c->nr)
		return -EINVAL;
	r = dmc_array_get(&c->info, c->root, i, &v);
	if (!r)
		*value = le64_to_cpu(v);
	return r;
}

/* After an error of a change the transaction is spoiled: close, and open again. */
int counters_add(struct counters *c, u32 i, u64 n)
{
	u64 value;
	__le64 v;
	int r = counters_get(c, i, &value);

	if (r)
		return r;
	v = cpu_to_le64(value + n);
	return dmc_array_set(&c->info, c->root, i, &v, &c->root);
}
