/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DMC_TRANSACTION_H
#define DMC_TRANSACTION_H

#include "block-manager.h"

struct dmc_tm;

#define DMC_SM_ROOT_SIZE 32	/* the part of the superblock's 128-byte root field in use */

/* Fresh space map covering the device, for formatting. @superblock is allocated (count 1). */
int dmc_tm_create(struct dmc_bm *bm, mblock_t superblock, struct dmc_tm **tm);
/* From the root stored in a superblock. */
int dmc_tm_open(struct dmc_bm *bm, mblock_t superblock, const void *sm_root, struct dmc_tm **tm);
void dmc_tm_destroy(struct dmc_tm *tm);		/* drops the running transaction; the bm stays the caller's */

/* Two-phase commit: pre_commit(), copy_sm_root() into the write-locked superblock, commit(). */
int dmc_tm_pre_commit(struct dmc_tm *tm);
void dmc_tm_copy_sm_root(struct dmc_tm *tm, void *root);
/* Consumes (unlocks) @superblock, also on error. */
int dmc_tm_commit(struct dmc_tm *tm, struct dmc_block *superblock);

int dmc_tm_new_block(struct dmc_tm *tm, const struct dmc_validator *v, struct dmc_block **blk);
int dmc_tm_shadow_block(struct dmc_tm *tm, mblock_t orig, const struct dmc_validator *v,
			struct dmc_block **blk, bool *inc_children);
int dmc_tm_read_lock(struct dmc_tm *tm, mblock_t b, const struct dmc_validator *v, struct dmc_block **blk);
void dmc_tm_unlock(struct dmc_tm *tm, struct dmc_block *blk);

int dmc_tm_inc(struct dmc_tm *tm, mblock_t b);
int dmc_tm_dec(struct dmc_tm *tm, mblock_t b);
int dmc_tm_ref(struct dmc_tm *tm, mblock_t b, u32 *count);

mblock_t dmc_tm_nr_blocks(struct dmc_tm *tm);	/* as stored in the space map */
mblock_t dmc_tm_nr_free(struct dmc_tm *tm);	/* can still be allocated in this transaction */
struct dmc_bm *dmc_tm_bm(struct dmc_tm *tm);

#endif
