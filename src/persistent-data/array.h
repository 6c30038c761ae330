/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * array.h - a transactional array of small values of a fixed size.
 *
 * Indexing.  Elements are numbered from 0.  A 4096-byte array block holds
 * (4096 - 24) / size of them (509 of 8 bytes, 1018 of 4); a btree leads from block number n = index
 * / that to the array block.  The array does not know its length: the caller keeps it beside the
 * root, and gives it where it matters.  Indices and sizes are u32 and count elements.
 *
 * Use.  dmc_array_info_init() comes first; the info must then stay where it is.  One info serves
 * any number of arrays with the same kind of elements.  A new array comes from dmc_array_empty();
 * it has no element (its length is 0) until dmc_array_resize().
 *
 * Roots.  @root is the array as it is; a changing call stores the new one in *@new_root, which may
 * be the variable that @root came from, and on success only that is valid, unless the caller
 * holds a reference of its own to the old root (dmc_tm_inc()): then both are, as two arrays.  If
 * nothing had to change *@new_root is @root.  *@new_root is not touched on error.
 *
 * Errors.  -ENODATA: the index is beyond the end of what is stored; nothing has changed, the
 * root is valid.  DMC_DAMAGED: the array is malformed or shorter than the caller says.  -ENOSPC,
 * -EIO and the like from below.  After any error but -ENODATA and -EINVAL from a changing call
 * the array is in pieces and the transaction cannot be committed (transaction.h); reading calls
 * can be repeated.
 *
 * Flushing.  Nothing is durable before the commit; if that fails, the array of the last commit is
 * still on disk, complete, under its old root.
 *
 * References.  If elements refer to something, value_type.inc and dec are called as in btree.h.
 *
 * Contexts: as transaction.h: may sleep and do I/O, serialised by the caller.
 */
#ifndef DMC_ARRAY_H
#define DMC_ARRAY_H

#include "btree.h"

struct dmc_array_info {
	struct dmc_btree_info btree_info;
	struct dmc_btree_value_type value_type;	/* of an element */
};

/* @vt is copied; @vt->size: 1 .. DMC_BTREE_MAX_VALUE bytes.  Cannot fail. */
void dmc_array_info_init(struct dmc_array_info *info, struct dmc_tm *tm,
			 const struct dmc_btree_value_type *vt);

/* A new array of length 0; takes one block. */
int dmc_array_empty(struct dmc_array_info *info, mblock_t *root);

/*
 * From @old_size to @new_size elements.  New elements are copies of @default_value (no
 * references are taken for them); those cut off are dropped with value_type.dec, and array
 * blocks that are no longer needed lose the array's reference.  Blocks beyond @old_size that
 * some other implementation left behind are dropped too.
 */
int dmc_array_resize(struct dmc_array_info *info, mblock_t root, u32 old_size, u32 new_size,
		     const void *default_value, mblock_t *new_root);

/* Drops one reference to the array; if it was the last, to all its blocks and elements. */
int dmc_array_del(struct dmc_array_info *info, mblock_t root);

/* Copies element @index to @value.  -ENODATA beyond the end. */
int dmc_array_get(struct dmc_array_info *info, mblock_t root, u32 index, void *value);

/*
 * Element @index becomes @value, whose reference is taken over; the old one's is dropped.  -ENODATA
 * beyond the end.  Nothing is written if the bytes are the same.
 */
int dmc_array_set(struct dmc_array_info *info, mblock_t root, u32 index, const void *value,
		  mblock_t *new_root);

/*
 * Visits elements 0 .. size-1, block by block, reading ahead; @fn is called with a block
 * read-locked, must not change this array, and stops the walk by returning other than 0.  Fails
 * with DMC_DAMAGED if the array is shorter than @size; what lies beyond @size is ignored.
 */
typedef int (*dmc_array_walk_fn)(void *ctx, u32 index, const void *value);
int dmc_array_walk(struct dmc_array_info *info, mblock_t root, u32 size, dmc_array_walk_fn fn,
		   void *ctx);

/*
 * The same for elements that share an array block at a time: @count of them from element @first on,
 * packed at @values.  Each block leaves memory when it has been visited, unless it was changed: for
 * walks through an array that is not needed again soon.
 */
typedef int (*dmc_array_walk_block_fn)(void *ctx, u32 first, u32 count, const void *values);
int dmc_array_walk_blocks(struct dmc_array_info *info, mblock_t root, u32 size,
			  dmc_array_walk_block_fn fn, void *ctx);

/*
 * Sets element i to what @fn gives for i, for 0 .. size-1, shadowing only array blocks that
 * differ.  @fn finds the present value of the element in @value; it may sleep, and must not use this
 * array.  An error of @fn ends it and is returned; then it counts as failed half way, see above.  For
 * elements without inc and dec only (-EINVAL).
 */
typedef int (*dmc_array_fill_fn)(void *ctx, u32 index, void *value);
int dmc_array_update(struct dmc_array_info *info, mblock_t root, u32 size, dmc_array_fill_fn fn,
		     void *ctx, mblock_t *new_root);

/*
 * The same for the array block that element @index is in, and no other, with one call of @fn for all of its
 * elements below @size: @count of them from element @first on, packed at @values, which is aligned
 * to 8 bytes.  -ENODATA, and nothing changed, if @index is not below @size.
 */
typedef int (*dmc_array_fill_block_fn)(void *ctx, u32 first, u32 count, void *values);
int dmc_array_update_block(struct dmc_array_info *info, mblock_t root, u32 size, u32 index,
			   dmc_array_fill_block_fn fn, void *ctx, mblock_t *new_root);

/* Elements that share an array block. */
u32 dmc_array_per_block(const struct dmc_array_info *info);

#endif
