/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DMC_BITSET_H
#define DMC_BITSET_H

#include "array.h"

/* A transactional bitset with an in-memory cache of one word. */
struct dmc_bitset {
	struct dmc_array_info array_info;
	mblock_t root;
	u32 nr_bits;
	/* word cache */
	bool word_valid, word_changed;
	u32 word_index;
	u64 word;
};

void dmc_bitset_init(struct dmc_bitset *bs, struct dmc_tm *tm);
int dmc_bitset_empty(struct dmc_bitset *bs);			/* a new, zero-length one */
void dmc_bitset_open(struct dmc_bitset *bs, mblock_t root, u32 nr_bits);
int dmc_bitset_resize(struct dmc_bitset *bs, u32 nr_bits, bool default_value);
int dmc_bitset_set(struct dmc_bitset *bs, u32 bit);
int dmc_bitset_clear(struct dmc_bitset *bs, u32 bit);
int dmc_bitset_test(struct dmc_bitset *bs, u32 bit, bool *result);
int dmc_bitset_flush(struct dmc_bitset *bs);			/* bs->root is complete afterwards */
int dmc_bitset_del(struct dmc_bitset *bs);
/* Words 0..: fn gives / gets word i (bits 64 i ..). update writes only what differs. */
int dmc_bitset_walk_words(struct dmc_bitset *bs, int (*fn)(void *ctx, u32 index, u64 word), void *ctx);
int dmc_bitset_update_words(struct dmc_bitset *bs, u64 (*fn)(void *ctx, u32 index), void *ctx);

#endif
