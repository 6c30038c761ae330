/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * array.h - a transactional array of small values of a fixed size.
 *
 * Above btree.h; used by the metadata layer and the bitset.  No bio comes here.
 *
 * Indexing.  Elements are numbered from 0.  An array block of 4096 bytes holds a header of 24 bytes
 * and (4096 - 24) / size elements: 509 of 8 bytes, 1018 of 4.  Element i is number i mod that in
 * array block i div that, which a btree finds by this key.  The array does not know its length: the
 * caller keeps it beside the root, and gives it where it matters.  Indices and lengths are u32 and
 * count elements.
 *
 * Use.  dmc_array_info_init() comes first; the info must then stay where it is.  One info serves
 * any number of arrays with the same kind of elements.  A new array comes from dmc_array_empty().
 * Its length is 0, so it has no element, until dmc_array_resize().
 *
 * Roots.  @root is the array as it is.  A call that changes the array stores the new root in
 * *@new_root, which may be the variable that @root came from.  On success only the new root is
 * valid, unless the caller holds a reference of its own to the old one (dmc_tm_inc()): then both
 * are, as two arrays.  On error *@new_root is untouched.
 *
 * Errors of reading and of changing are those of transaction.h.  After an error of reading the call
 * can be repeated.  After an error of changing neither root may be used in this transaction, which
 * is spoiled.  Here DMC_DAMAGED also says that the array is shorter than the caller says.  -EINVAL
 * says that the size of an element is out of bounds, and DMC_NO_ENTRY that the index is beyond the
 * end of what is stored: nothing changed, root and transaction are as before.
 *
 * Durability.  Nothing is durable before the commit.  If that fails, at whatever flush, the array
 * of the last commit is still on disk, complete, under its old root.
 *
 * References.  If elements refer to something, inc() and dec() of struct dmc_btree_value_type are
 * called as in btree.h.
 *
 * Contexts: as transaction.h: process context, may sleep and do I/O, serialised by the caller.
 */
#ifndef DMC_ARRAY_H
#define DMC_ARRAY_H

#include "btree.h"

/* Bytes in front of the values of an array block. */
#define DMC_ARRAY_HEADER_SIZE 24

/**
 * struct dmc_array_info - How to read and change arrays of a kind of element.
 * @btree_info: the btree that leads to the array blocks; set by dmc_array_info_init()
 * @value_type: an element
 */
struct dmc_array_info {
	struct dmc_btree_info btree_info;
	struct dmc_btree_value_type value_type;
};

/**
 * dmc_array_info_init() - Says what the elements are.
 * @info: the caller's memory; must stay where it is while it is used.  After dmc_tm_destroy() call
 *	this again, with the new transaction manager.
 * @tm: the transaction manager; borrowed
 * @vt: an element; copied.  Its size must be 1 .. DMC_BTREE_MAX_VALUE bytes, else other calls
 *	return -EINVAL.  equal() is not used.
 *
 * Cannot fail.
 *
 * Context: Any; does not sleep.
 */
void dmc_array_info_init(struct dmc_array_info *info, struct dmc_tm *tm,
			 const struct dmc_btree_value_type *vt);

/**
 * dmc_array_empty() - Makes a new array, of length 0.
 * @info: kind of array
 * @root: receives the root; untouched on error
 *
 * Takes one block.  The reference to it is the caller's.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, -EINVAL, or an error of changing.
 */
int dmc_array_empty(struct dmc_array_info *info, mblock_t *root);

/**
 * dmc_array_resize() - Makes an array longer or shorter.
 * @info: kind of array
 * @root: the array
 * @old_size: its length; elements
 * @new_size: the length it gets; elements
 * @default_value: bytes of each new element; may be NULL unless the array grows.  No inc() is
 *	called for the copies.
 * @new_root: receives the new root; untouched on error
 *
 * dec() is called for elements that are cut off.  Array blocks that are no longer needed lose the
 * array's reference, which frees them unless another array shares them.  What another
 * implementation left beyond @old_size is dropped in the same way.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, -EINVAL, or an error of changing; DMC_DAMAGED also if the array is shorter
 * than @old_size.
 */
int dmc_array_resize(struct dmc_array_info *info, mblock_t root, u32 old_size, u32 new_size,
		     const void *default_value, mblock_t *new_root);

/**
 * dmc_array_del() - Drops one reference to an array.
 * @info: kind of array
 * @root: the array; not valid afterwards, unless there was a second reference
 *
 * The last reference frees the array's blocks, as far as no other array shares them, and calls
 * dec() for their elements.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, or an error of changing.
 */
int dmc_array_del(struct dmc_array_info *info, mblock_t root);

/**
 * dmc_array_get() - Copies an element.
 * @info: kind of array
 * @root: the array
 * @index: of the element
 * @value: receives its bytes; untouched on error
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, DMC_NO_ENTRY if @index is beyond what is stored, -EINVAL, or an error of reading.
 */
int dmc_array_get(struct dmc_array_info *info, mblock_t root, u32 index, void *value);

/**
 * dmc_array_set() - Overwrites an element.
 * @info: kind of array
 * @root: the array
 * @index: of the element
 * @value: its new bytes.  If they are a reference the array takes it over; dec() is called for the
 *	old element.
 * @new_root: receives the new root; untouched on error
 *
 * Without dec(), and if the bytes are the same, nothing is written and *@new_root is @root.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, DMC_NO_ENTRY if @index is beyond what is stored, -EINVAL, or an error of changing.
 */
int dmc_array_set(struct dmc_array_info *info, mblock_t root, u32 index, const void *value,
		  mblock_t *new_root);

/**
 * typedef dmc_array_walk_fn - Called by dmc_array_walk() for an element.
 * @ctx: what the walk was given
 * @index: of the element
 * @value: its bytes, at any alignment; valid during the call
 *
 * May sleep.  Must not change this array: the block is read-locked.
 *
 * Return: 0 to go on; anything else ends the walk.
 */
typedef int (*dmc_array_walk_fn)(void *ctx, u32 index, const void *value);

/**
 * dmc_array_walk() - Visits elements 0 .. @size - 1 in ascending order.
 * @info: kind of array
 * @root: the array
 * @size: its length; elements.  What lies beyond is ignored.
 * @fn: called for each element
 * @ctx: handed to @fn
 *
 * Reads ahead.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0 at the end, what @fn returned when it ended the walk, -EINVAL, or an error of
 * reading; DMC_DAMAGED also if the array is shorter than @size.
 */
int dmc_array_walk(struct dmc_array_info *info, mblock_t root, u32 size, dmc_array_walk_fn fn,
		   void *ctx);

/**
 * typedef dmc_array_walk_block_fn - Called by dmc_array_walk_blocks() for an array block.
 * @ctx: what the walk was given
 * @first: index of the first element in the block
 * @count: of the block's elements below the walk's size; at least 1
 * @values: their bytes, packed, aligned to 8; valid during the call
 *
 * May sleep.  Must not change this array: the block is read-locked.
 *
 * Return: 0 to go on; anything else ends the walk.
 */
typedef int (*dmc_array_walk_block_fn)(void *ctx, u32 first, u32 count, const void *values);

/**
 * dmc_array_walk_blocks() - Visits all elements, an array block at a time.
 * @info: kind of array
 * @root: the array
 * @size: its length; elements.  What lies beyond is ignored.
 * @fn: called for each array block, ascending
 * @ctx: handed to @fn
 *
 * As dmc_array_walk(), for an array that is not needed again soon: each array block leaves memory
 * when it has been visited, unless it was changed.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: as dmc_array_walk().
 */
int dmc_array_walk_blocks(struct dmc_array_info *info, mblock_t root, u32 size,
			  dmc_array_walk_block_fn fn, void *ctx);

/**
 * typedef dmc_array_fill_fn - Called by dmc_array_update() for an element.
 * @ctx: what the update was given
 * @index: of the element
 * @value: holds its present bytes and receives the new ones; at any alignment
 *
 * May sleep.  Must not use this array: a block is locked.
 *
 * Return: 0, or an errno, which ends the update and spoils the transaction.
 */
typedef int (*dmc_array_fill_fn)(void *ctx, u32 index, void *value);

/**
 * dmc_array_update() - Sets elements 0 .. @size - 1 to what a function gives.
 * @info: kind of array; its elements must have neither inc() nor dec()
 * @root: the array
 * @size: its length; elements.  What lies beyond stays as it is.
 * @fn: called for each element, ascending
 * @ctx: handed to @fn
 * @new_root: receives the new root, @root if nothing differed; untouched on error
 *
 * Only array blocks in which something differs are shadowed.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, -EINVAL if the elements have inc() or dec(), what @fn returned, or an error of
 * changing; DMC_DAMAGED also if the array is shorter than @size.
 */
int dmc_array_update(struct dmc_array_info *info, mblock_t root, u32 size, dmc_array_fill_fn fn,
		     void *ctx, mblock_t *new_root);

/**
 * typedef dmc_array_fill_block_fn - Called by dmc_array_update_block() for an array block.
 * @ctx: what the update was given
 * @first: index of the first element in the block
 * @count: of the block's elements below the array's size; at least 1
 * @values: holds their present bytes, packed, aligned to 8, and receives the new ones
 *
 * May sleep.  Must not use this array: a block is locked.
 *
 * Return: 0, or an errno, which ends the update and spoils the transaction.
 */
typedef int (*dmc_array_fill_block_fn)(void *ctx, u32 first, u32 count, void *values);

/**
 * dmc_array_update_block() - As dmc_array_update(), for one array block.
 * @info: kind of array; its elements must have neither inc() nor dec()
 * @root: the array
 * @size: its length; elements
 * @index: any element of the block
 * @fn: called once, for all elements of the block that are below @size
 * @ctx: handed to @fn
 * @new_root: receives the new root, @root if nothing differed; untouched on error
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: as dmc_array_update(), and DMC_NO_ENTRY if @index is not below @size: nothing changed.
 */
int dmc_array_update_block(struct dmc_array_info *info, mblock_t root, u32 size, u32 index,
			   dmc_array_fill_block_fn fn, void *ctx, mblock_t *new_root);

/**
 * struct dmc_array_keys - Which elements dmc_array_change() changes.
 * @keys: in any order; ascending is fastest: each array block is then visited once.  The same key,
 *	or element, may come more than once.
 * @nr: so many
 * @per_element: so many keys share an element: key k is of element k / @per_element.  Not 0.
 */
struct dmc_array_keys {
	const u32 *keys;
	u32 nr;
	u32 per_element;
};

/**
 * typedef dmc_array_change_fn - Called by dmc_array_change() for a key.
 * @ctx: what dmc_array_change() was given
 * @key: the key
 * @value: holds the present bytes of its element and receives the new ones; aligned to 8 if their
 *	number is a multiple of that
 *
 * It must give the same new bytes for the same key and present bytes: it may be called twice, the
 * first time for a copy.  Must not sleep, and must not use this array: a block is locked.
 */
typedef void (*dmc_array_change_fn)(void *ctx, u32 key, void *value);

/**
 * dmc_array_change() - Changes many elements, here and there.
 * @info: kind of array; its elements must have neither inc() nor dec()
 * @root: the array
 * @size: its length; elements
 * @which: the elements
 * @fn: called for each key, in their order
 * @ctx: handed to @fn
 * @new_root: receives the new root, @root if nothing differed; untouched on error
 *
 * Only array blocks in which something differs are shadowed, and the way to each is walked once
 * for all keys that follow each other there.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: as dmc_array_update(), and DMC_NO_ENTRY if an element is not below @size: nothing
 * changed.
 */
int dmc_array_change(struct dmc_array_info *info, mblock_t root, u32 size,
		     const struct dmc_array_keys *which, dmc_array_change_fn fn, void *ctx,
		     mblock_t *new_root);

/**
 * dmc_array_per_block() - How many elements share an array block.
 * @info: kind of array; the size of its elements must be valid
 *
 * Context: Any; does not sleep.
 * Return: (4096 - 24) / size, rounded down.
 */
u32 dmc_array_per_block(const struct dmc_array_info *info);

#endif
