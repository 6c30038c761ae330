/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bitset.h - a transactional bitset: an array of 64-bit words, with a cache of one word.
 *
 * Indexing.  Bit i is bit i mod 64 (lowest first) of word i div 64; bits are numbered from 0 and
 * counted in u32.  Bits of the last word beyond the end are 0.
 *
 * Use.  dmc_bitset_init() comes first, once; then either dmc_bitset_empty() makes a new bitset, of
 * length 0, or dmc_bitset_open() takes up an existing one.  Both may be called again at any time
 * and forget what was not flushed.  The struct must stay where it is.
 *
 * Root.  The bitset keeps its own root: after each call that returned 0, @root is the one to
 * store - but only dmc_bitset_flush() (and resize and update_words, which flush) puts the
 * cached word into the tree, so flush before storing it in a superblock.  The root before the
 * call is not valid any more, unless the caller holds a reference of its own to it.
 *
 * Errors.  -ENODATA: a bit beyond the end; nothing changed.  DMC_DAMAGED: malformed or shorter than
 * nr_bits.  After any other error of a changing call the transaction cannot be committed
 * (transaction.h); @root and the cached word are as before, a flush may be tried again but does
 * not heal that.
 *
 * Contexts: as transaction.h: may sleep and do I/O, serialised by the caller.
 */
#ifndef DMC_BITSET_H
#define DMC_BITSET_H

#include "array.h"

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
int dmc_bitset_empty(struct dmc_bitset *bs);		/* a new, zero-length one */
void dmc_bitset_open(struct dmc_bitset *bs, mblock_t root, u32 nr_bits);

/* To @nr_bits; new bits are @default_value. */
int dmc_bitset_resize(struct dmc_bitset *bs, u32 nr_bits, bool default_value);

int dmc_bitset_set(struct dmc_bitset *bs, u32 bit);
int dmc_bitset_clear(struct dmc_bitset *bs, u32 bit);
int dmc_bitset_test(struct dmc_bitset *bs, u32 bit, bool *result);
int dmc_bitset_flush(struct dmc_bitset *bs);		/* bs->root is complete afterwards */

/* Drops the reference to the tree; then empty or open. */
int dmc_bitset_del(struct dmc_bitset *bs);

/*
 * All words in order: @fn gets word i (bits 64 i ..), bits beyond the end as 0, or gives it.
 * Update writes only what differs, and ignores bits beyond the end.  A walk ends when @fn
 * returns other than 0.  update_block does it for the words, with up to DMC_BITSET_PER_BLOCK bits, that
 * share an array block with that of @bit; -ENODATA beyond the end.
 */
#define DMC_BITSET_PER_BLOCK (509 * 64)
int dmc_bitset_walk_words(struct dmc_bitset *bs, int (*fn)(void *ctx, u32 index, u64 word),
			  void *ctx);
int dmc_bitset_update_words(struct dmc_bitset *bs, u64 (*fn)(void *ctx, u32 index), void *ctx);
int dmc_bitset_update_block(struct dmc_bitset *bs, u32 bit, u64 (*fn)(void *ctx, u32 index),
			    void *ctx);

#endif
