/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DMC_BTREE_H
#define DMC_BTREE_H

#include "transaction.h"

/* Values are little-endian bytes of fixed size. inc/dec/equal may be NULL for plain values. */
struct dmc_btree_value_type {
	void *ctx;
	u32 size;
	int (*inc)(void *ctx, const void *value);
	int (*dec)(void *ctx, const void *value);
	bool (*equal)(void *ctx, const void *a, const void *b);
};

struct dmc_btree_info {
	struct dmc_tm *tm;
	unsigned int levels;		/* nested trees; 1 for a plain tree */
	struct dmc_btree_value_type value_type;
};

int dmc_btree_empty(struct dmc_btree_info *info, mblock_t *root);
int dmc_btree_del(struct dmc_btree_info *info, mblock_t root);
int dmc_btree_lookup(struct dmc_btree_info *info, mblock_t root, const u64 *keys, void *value);
int dmc_btree_lookup_next(struct dmc_btree_info *info, mblock_t root, const u64 *keys, u64 *rkey, void *value);
int dmc_btree_insert(struct dmc_btree_info *info, mblock_t root, const u64 *keys, const void *value,
		     mblock_t *new_root, bool *inserted);
int dmc_btree_remove(struct dmc_btree_info *info, mblock_t root, const u64 *keys, mblock_t *new_root);
int dmc_btree_lowest(struct dmc_btree_info *info, mblock_t root, u64 *key);
int dmc_btree_highest(struct dmc_btree_info *info, mblock_t root, u64 *key);
typedef int (*dmc_btree_walk_fn)(void *ctx, const u64 *keys, const void *value);
int dmc_btree_walk(struct dmc_btree_info *info, mblock_t root, dmc_btree_walk_fn fn, void *ctx);

struct dmc_btree_cursor;	/* one-level trees; defined in the author's part of this header */

#endif
