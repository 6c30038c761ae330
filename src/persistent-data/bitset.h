/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bitset.h - a transactional bitset: an array of 64-bit words, with a cache of one word.
 *
 * Above array.h; used by the metadata layer for dirty and discard bits.  No bio comes here.
 *
 * Indexing.  Bit i is bit i mod 64 (lowest first) of word i div 64; bits are numbered from 0 and
 * counted in u32.  Bits of the last word beyond the end are 0.
 *
 * Use.  dmc_bitset_init() comes first; then either dmc_bitset_empty() makes a new bitset, of
 * length 0, or dmc_bitset_open() opens an existing one.  Both may be called again at any time
 * and forget what was not flushed.  The struct must stay where it is.  After dmc_tm_destroy() start
 * with dmc_bitset_init() again.
 *
 * Root.  The bitset keeps its own: after each call that returned 0, the root in struct dmc_bitset
 * is the one to store.  Changes of single bits wait in the cached word until dmc_bitset_flush(), so
 * flush before storing the root in a superblock.  (Resize and update_words leave nothing to flush.)
 * The root before the call is not valid any more, unless the caller holds a reference of its own to
 * it (dmc_tm_inc()).
 *
 * Errors of reading and of changing are those of transaction.h.  Here DMC_DAMAGED also says that
 * the array is shorter than nr_bits.  DMC_NO_ENTRY says that a bit is beyond the end: nothing
 * changed.  After an error of changing the transaction is spoiled and the root is undefined.  To go
 * on, drop the transaction (dmc_tm_destroy()), and init and open the bitset with the committed
 * root.
 *
 * Durability.  Nothing is durable before the commit.  If that fails, at whatever flush, the bitset
 * of the last commit is still on disk, complete, under its old root.
 *
 * Contexts: as transaction.h: process context, may sleep and do I/O, serialised by the caller.
 * That includes dmc_bitset_test(), which moves the cached word.
 */
#ifndef DMC_BITSET_H
#define DMC_BITSET_H

#include "array.h"

/**
 * struct dmc_bitset - A bitset in use.
 * @array_info: the array of words
 * @root: the array's root; read it to store it
 * @nr_bits: length; bits
 * @word_valid: there is a cached word
 * @word_changed: it differs from what is in the array
 * @word_index: which one it is
 * @word: its bits
 *
 * The caller's memory; only the functions below change it.
 */
struct dmc_bitset {
	struct dmc_array_info array_info;
	mblock_t root;
	u32 nr_bits;
	/* word cache */
	bool word_valid, word_changed;
	u32 word_index;
	u64 word;
};

/**
 * dmc_bitset_init() - Prepares the struct; empty or open must follow.
 * @bs: the caller's memory; must stay where it is while it is used
 * @tm: the transaction manager; borrowed
 *
 * Cannot fail.
 *
 * Context: Any; does not sleep.
 */
void dmc_bitset_init(struct dmc_bitset *bs, struct dmc_tm *tm);

/**
 * dmc_bitset_empty() - Makes a new bitset, of length 0.
 * @bs: initialised.  A bitset that it held before stays in the metadata: dmc_bitset_del() removes
 *	it.  Untouched on error.
 *
 * Takes one block.  The reference to it, in @bs->root, is the caller's.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, or an error of changing.
 */
int dmc_bitset_empty(struct dmc_bitset *bs);

/**
 * dmc_bitset_open() - Opens an existing bitset.
 * @bs: initialised; what it held before is forgotten
 * @root: its root; not looked at yet
 * @nr_bits: its length; bits.  If the array is shorter, later calls give DMC_DAMAGED.
 *
 * Cannot fail.
 *
 * Context: Any; does not sleep.
 */
void dmc_bitset_open(struct dmc_bitset *bs, mblock_t root, u32 nr_bits);

/**
 * dmc_bitset_resize() - Makes a bitset longer or shorter.
 * @bs: the bitset
 * @nr_bits: the length it gets; bits
 * @default_value: of new bits
 *
 * Flushes first.  Array blocks that are no longer needed lose the bitset's reference.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, or an error of changing.
 */
int dmc_bitset_resize(struct dmc_bitset *bs, u32 nr_bits, bool default_value);

/**
 * dmc_bitset_set() - Sets a bit.
 * @bs: the bitset
 * @bit: which one
 *
 * Takes effect in the cached word; another word that was changed there goes to the array first.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, DMC_NO_ENTRY if @bit is beyond the end, or an error of changing.
 */
int dmc_bitset_set(struct dmc_bitset *bs, u32 bit);

/**
 * dmc_bitset_clear() - Clears a bit.
 * @bs: the bitset
 * @bit: which one
 *
 * As dmc_bitset_set().
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, DMC_NO_ENTRY if @bit is beyond the end, or an error of changing.
 */
int dmc_bitset_clear(struct dmc_bitset *bs, u32 bit);

/**
 * dmc_bitset_test() - Reads a bit.
 * @bs: the bitset
 * @bit: which one
 * @result: receives its value; untouched on error
 *
 * Makes the bit's word the cached one.  If another was changed there it goes to the array first,
 * which changes @bs->root.  After dmc_bitset_flush() the call only reads.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, DMC_NO_ENTRY if @bit is beyond the end, an error of reading, or, if a changed word had
 * to go to the array, an error of changing.
 */
int dmc_bitset_test(struct dmc_bitset *bs, u32 bit, bool *result);

/**
 * dmc_bitset_change() - Sets or clears many bits.
 * @bs: the bitset
 * @bits: which; all below its length.  Each array block is written once if they ascend.
 * @nr: so many
 * @value: true sets, false clears
 *
 * Flushes first, so there is nothing to flush afterwards.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, DMC_NO_ENTRY if one is beyond the end: nothing changed; or an error of changing.
 */
int dmc_bitset_change(struct dmc_bitset *bs, const u32 *bits, u32 nr, bool value);

/**
 * dmc_bitset_flush() - Puts the cached word into the array.
 * @bs: the bitset
 *
 * Afterwards @bs->root has all changes.  Nothing is durable before the commit.  Without a changed
 * word it does nothing.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, or an error of changing; then the word is kept.
 */
int dmc_bitset_flush(struct dmc_bitset *bs);

/**
 * dmc_bitset_del() - Drops the reference to the bitset's blocks.
 * @bs: the bitset; empty or open must follow.  Untouched on error.
 *
 * Forgets what was not flushed.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, or an error of changing.
 */
int dmc_bitset_del(struct dmc_bitset *bs);

#define DMC_BITSET_PER_BLOCK (509 * 64)	/* bits that share an array block: 509 words, see array.h */

/**
 * dmc_bitset_walk_words() - Visits all words in ascending order.
 * @bs: the bitset
 * @fn: called with @ctx for each word: bits 64 @index to 64 @index + 63, those beyond the end 0, a
 *	change in the cached word included.  May sleep, must not use the bitset: a block is
 *	read-locked.  Returns 0 to go on; anything else ends the walk.
 * @ctx: handed to @fn
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0 at the end, what @fn returned when it ended the walk, or an error of reading.
 */
int dmc_bitset_walk_words(struct dmc_bitset *bs, int (*fn)(void *ctx, u32 index, u64 word),
			  void *ctx);

/**
 * dmc_bitset_update_words() - Sets all words to what a function gives.
 * @bs: the bitset
 * @fn: called with @ctx for each word, ascending; returns bits 64 @index to 64 @index + 63.  Those
 *	beyond the end are ignored.  May sleep, must not use the bitset: a block is locked.
 * @ctx: handed to @fn
 *
 * Only array blocks in which something differs are written.  Replaces the cached word, too: there
 * is nothing to flush.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, or an error of changing.
 */
int dmc_bitset_update_words(struct dmc_bitset *bs, u64 (*fn)(void *ctx, u32 index), void *ctx);

/**
 * dmc_bitset_update_block() - As dmc_bitset_update_words(), for one array block.
 * @bs: the bitset
 * @bit: any bit of the block, which has DMC_BITSET_PER_BLOCK at most
 * @fn: called with @ctx for each word of the block
 * @ctx: handed to @fn
 *
 * Flushes first, so there is nothing to flush afterwards.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, DMC_NO_ENTRY if @bit is beyond the end: nothing changed; or an error of changing.
 */
int dmc_bitset_update_block(struct dmc_bitset *bs, u32 bit, u64 (*fn)(void *ctx, u32 index),
			    void *ctx);

#endif
