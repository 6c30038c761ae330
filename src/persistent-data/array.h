/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DMC_ARRAY_H
#define DMC_ARRAY_H

#include "btree.h"

struct dmc_array_info {
	struct dmc_btree_info btree_info;
	struct dmc_btree_value_type value_type;	/* of an element */
};

void dmc_array_info_init(struct dmc_array_info *info, struct dmc_tm *tm,
			 const struct dmc_btree_value_type *vt);
int dmc_array_empty(struct dmc_array_info *info, mblock_t *root);
int dmc_array_resize(struct dmc_array_info *info, mblock_t root, u32 old_size, u32 new_size,
		     const void *default_value, mblock_t *new_root);
int dmc_array_del(struct dmc_array_info *info, mblock_t root);
/* -ENODATA beyond the end */
int dmc_array_get(struct dmc_array_info *info, mblock_t root, u32 index, void *value);
int dmc_array_set(struct dmc_array_info *info, mblock_t root, u32 index, const void *value, mblock_t *new_root);
/* Visits elements 0 .. size-1; fails with -EILSEQ or so if the array is shorter than @size or malformed. Ignores stale tails. */
typedef int (*dmc_array_walk_fn)(void *ctx, u32 index, const void *value);
int dmc_array_walk(struct dmc_array_info *info, mblock_t root, u32 size, dmc_array_walk_fn fn, void *ctx);
/* Sets element i to what @fn gives for i, for 0 .. size-1, shadowing only array blocks that change; -errno of fn stops. */
typedef int (*dmc_array_fill_fn)(void *ctx, u32 index, void *value);
int dmc_array_update(struct dmc_array_info *info, mblock_t root, u32 size, dmc_array_fill_fn fn, void *ctx, mblock_t *new_root);

#endif
