/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * btree.h - transactional B+trees: u64 keys to values of a fixed size, and trees of trees.
 *
 * Above transaction.h, below the array and the space map's reference counts.  No bio comes here.
 *
 * Roots.  A tree is known by its root, a block number, which the caller keeps.  A call that changes
 * the tree at @root stores the new root in *@new_root, which may be the variable that @root came
 * from.  On success only the new root is valid, unless the caller held a second reference to the
 * old one (dmc_tm_inc()): then both are, as two trees.  On error *@new_root is untouched.
 *
 * Levels.  With @levels above 1 the values of all levels but the last are roots of further trees.
 * Calls take one key for each level.  Inserting creates the inner trees that are missing.  Removing
 * leaves an inner tree that became empty in place.
 *
 * Values are bytes, little-endian by convention, at any alignment.  If they are references to
 * something, inc() and dec() of struct dmc_btree_value_type say so.
 *
 * Damage.  Every node is checked when it is read from the device, and against its parent when it is
 * visited.  A damaged tree gives an error of reading, never a crash or an endless loop.
 *
 * Errors of reading and of changing are those of transaction.h.  Here -EINVAL says that levels or
 * value size of struct dmc_btree_info are out of bounds, and DMC_NO_ENTRY that there is no such
 * key: nothing changed, root and transaction are as before.  After any other error of a changing
 * call neither root may be used in this transaction, which is spoiled.
 *
 * Contexts: as transaction.h: process context, may sleep and do I/O, serialised by the caller.
 */
#ifndef DMC_BTREE_H
#define DMC_BTREE_H

#include "transaction.h"

#define DMC_BTREE_MAX_LEVELS 4
#define DMC_BTREE_MAX_VALUE 128	/* bytes */
#define DMC_BTREE_MAX_DEPTH 16	/* nodes from a root to a leaf */

/**
 * struct dmc_btree_value_type - What a tree or an array stores.
 * @ctx: handed to the three functions
 * @size: of a value; bytes, 1 .. DMC_BTREE_MAX_VALUE
 * @inc: optional.  *@value has one copy more: a leaf that two trees share was copied.
 * @dec: optional.  *@value has one copy less: it was removed, overwritten or deleted with its tree.
 * @equal: optional.  True if overwriting @a with @b changes nothing: then the tree keeps @a, and
 *	dec() is not called for either.
 *
 * Plain values need @size only.  The functions may sleep and may use the transaction manager, but
 * not the tree that calls them.  A block of that tree is locked meanwhile.  inc() and dec() return
 * 0 or an errno, which ends the call and spoils the transaction.  They should not return -EINVAL or
 * DMC_NO_ENTRY: the caller would take it for "nothing changed".
 */
struct dmc_btree_value_type {
	void *ctx;
	u32 size;
	int (*inc)(void *ctx, const void *value);
	int (*dec)(void *ctx, const void *value);
	bool (*equal)(void *ctx, const void *a, const void *b);
};

/**
 * struct dmc_btree_info - How to read and change a kind of tree.
 * @tm: the transaction manager; borrowed.  After dmc_tm_destroy() set the new one.
 * @levels: of nested trees, 1 .. DMC_BTREE_MAX_LEVELS; 1 for a plain tree
 * @value_type: the values of the last level
 *
 * Filled in and kept by the caller.  It serves any number of trees of this kind.
 */
struct dmc_btree_info {
	struct dmc_tm *tm;
	unsigned int levels;
	struct dmc_btree_value_type value_type;
};

/**
 * dmc_btree_empty() - Makes a new tree without entries.
 * @info: kind of tree
 * @root: receives the root; untouched on error
 *
 * Takes one block.  The reference to it is the caller's.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, -EINVAL, or an error of changing.
 */
int dmc_btree_empty(struct dmc_btree_info *info, mblock_t *root);

/**
 * dmc_btree_del() - Drops one reference to a tree.
 * @info: kind of tree
 * @root: the tree; not valid afterwards, unless there was a second reference
 *
 * The last reference to a node frees it and drops its references to children, inner trees and
 * values in turn.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, -EINVAL, or an error of changing.
 */
int dmc_btree_del(struct dmc_btree_info *info, mblock_t root);

/**
 * dmc_btree_lookup() - Finds the value of a key.
 * @info: kind of tree
 * @root: the tree
 * @keys: one key for each level
 * @value: receives the value's bytes; untouched on error
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, DMC_NO_ENTRY if one of the keys is not there, -EINVAL, or an error of reading.
 */
int dmc_btree_lookup(struct dmc_btree_info *info, mblock_t root, const u64 *keys, void *value);

/**
 * dmc_btree_lookup_next() - Finds the first entry at or after a key.
 * @info: kind of tree
 * @root: the tree
 * @keys: one key for each level.  The last one is where the search starts; the others must be
 *	there.
 * @rkey: receives the smallest key of the last level that is not below it; untouched on error
 * @value: receives the value's bytes; untouched on error
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, DMC_NO_ENTRY if there is no such entry, -EINVAL, or an error of reading.
 */
int dmc_btree_lookup_next(struct dmc_btree_info *info, mblock_t root, const u64 *keys,
			  u64 *rkey, void *value);

/**
 * dmc_btree_insert() - Inserts an entry, or overwrites its value.
 * @info: kind of tree
 * @root: the tree
 * @keys: one key for each level
 * @value: the value's bytes.  If it is a reference the tree takes it over, unless equal() found the
 *	old value the same.  dec() is called for a value that is overwritten.
 * @new_root: receives the new root; untouched on error
 * @inserted: optional; receives true if the entry is new, false if there was one.  Untouched on
 *	error.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, -EINVAL, or an error of changing.
 */
int dmc_btree_insert(struct dmc_btree_info *info, mblock_t root, const u64 *keys,
		     const void *value, mblock_t *new_root, bool *inserted);

/**
 * dmc_btree_remove() - Removes an entry.
 * @info: kind of tree
 * @root: the tree
 * @keys: one key for each level
 * @new_root: receives the new root; untouched on error
 *
 * dec() is called for the value.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, DMC_NO_ENTRY if one of the keys is not there, -EINVAL, or an error of changing.
 */
int dmc_btree_remove(struct dmc_btree_info *info, mblock_t root, const u64 *keys,
		     mblock_t *new_root);

/**
 * dmc_btree_lowest() - Finds the lowest key of the first level.
 * @info: kind of tree
 * @root: the tree
 * @key: receives the key; untouched on error
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, DMC_NO_ENTRY if the tree is empty, -EINVAL, or an error of reading.
 */
int dmc_btree_lowest(struct dmc_btree_info *info, mblock_t root, u64 *key);

/**
 * dmc_btree_highest() - Finds the highest key of the first level.
 * @info: kind of tree
 * @root: the tree
 * @key: receives the key; untouched on error
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, DMC_NO_ENTRY if the tree is empty, -EINVAL, or an error of reading.
 */
int dmc_btree_highest(struct dmc_btree_info *info, mblock_t root, u64 *key);

/**
 * typedef dmc_btree_walk_fn - Called by dmc_btree_walk() for an entry.
 * @ctx: what the walk was given
 * @keys: one key for each level
 * @value: the value's bytes, at any alignment; valid during the call
 *
 * May sleep.  Must not change the tree: its leaf is read-locked.
 *
 * Return: 0 to go on; anything else ends the walk.
 */
typedef int (*dmc_btree_walk_fn)(void *ctx, const u64 *keys, const void *value);

/**
 * dmc_btree_walk() - Visits all entries in ascending order.
 * @info: kind of tree
 * @root: the tree
 * @fn: called for each entry
 * @ctx: handed to @fn
 *
 * Reads ahead.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0 at the end, what @fn returned when it ended the walk (but 0 for DMC_NO_ENTRY), -EINVAL,
 * or an error of reading.
 */
int dmc_btree_walk(struct dmc_btree_info *info, mblock_t root, dmc_btree_walk_fn fn, void *ctx);

/**
 * struct dmc_btree_cursor - Where a visit of a tree's first level is.
 *
 * Visits the entries in ascending order and reads ahead.  The leaf is read-locked between begin and
 * end, so the tree must not change meanwhile::
 *
 *	r = dmc_btree_cursor_begin(&info, root, &c);
 *	while (!r) {
 *		... dmc_btree_cursor_key(&c), dmc_btree_cursor_value(&c) ...
 *		r = dmc_btree_cursor_next(&c);
 *	}
 *	dmc_btree_cursor_end(&c);
 *	return r == DMC_NO_ENTRY ? 0 : r;
 */
struct dmc_btree_cursor {
	/* private: */
	struct dmc_btree_info *info;
	unsigned int level;
	unsigned int depth;		/* frames in use; the last one is the leaf's */
	unsigned int leaf_depth;	/* that of the first leaf met, which all must have */
	struct dmc_block *leaf;		/* read-locked, or NULL */
	struct dmc_btree_frame {
		mblock_t block;
		u64 last;		/* no key under this node is greater */
		u32 index;		/* the entry being visited */
		u32 nr;
	} frames[DMC_BTREE_MAX_DEPTH];
};

/**
 * dmc_btree_cursor_begin() - Goes to the first entry.
 * @info: kind of tree; must stay until dmc_btree_cursor_end()
 * @root: the tree
 * @c: the cursor; the caller's memory, need not be initialised.  Whatever is returned, give it to
 *	dmc_btree_cursor_end().
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, DMC_NO_ENTRY if the tree is empty, -EINVAL, or an error of reading.
 */
int dmc_btree_cursor_begin(struct dmc_btree_info *info, mblock_t root, struct dmc_btree_cursor *c);

/**
 * dmc_btree_cursor_next() - Goes to the next entry.
 * @c: the cursor
 *
 * After an error the visit is over: every later call gives DMC_NO_ENTRY.
 *
 * Context: Serialised.  May sleep and do I/O.
 * Return: 0, DMC_NO_ENTRY if the entry was the last one, or an error of reading.
 */
int dmc_btree_cursor_next(struct dmc_btree_cursor *c);

/**
 * dmc_btree_cursor_key() - The key of the entry that the cursor is at.
 * @c: the cursor; begin or next must have returned 0 last
 *
 * Context: Serialised.  Does not sleep.
 * Return: the key.
 */
u64 dmc_btree_cursor_key(struct dmc_btree_cursor *c);

/**
 * dmc_btree_cursor_value() - The value of the entry that the cursor is at.
 * @c: the cursor; begin or next must have returned 0 last
 *
 * Context: Serialised.  Does not sleep.
 * Return: the value's bytes, at any alignment; valid until next or end.
 */
const void *dmc_btree_cursor_value(struct dmc_btree_cursor *c);

/**
 * dmc_btree_cursor_end() - Ends the visit and unlocks the leaf.
 * @c: the cursor; may be given to dmc_btree_cursor_begin() again
 *
 * Context: Serialised.  May sleep.
 */
void dmc_btree_cursor_end(struct dmc_btree_cursor *c);

#endif
