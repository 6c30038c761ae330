/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * btree.h - transactional B+trees: u64 keys to values of a fixed size, and trees of trees.
 *
 * A tree is known by its root, a block number, which the caller keeps.  Changing calls take a
 * root and store the new one (@new_root may point at the variable that @root came from); on
 * success only the new root is valid, unless the caller held a second reference (dmc_tm_inc())
 * to the old one, which then stays as it was.  On -ENODATA and -EINVAL nothing changed and
 * *@new_root is untouched; after any other error of a changing call neither root may be used
 * and the transaction cannot be committed.
 *
 * With @levels above 1 the values of all levels but the last are roots of further trees, and
 * @keys has one key a level.  Inserting creates the inner trees that are missing; removing
 * leaves an inner tree that became empty in place.
 *
 * Values are bytes, little-endian by convention, at any alignment.  If they are references to
 * something, inc and dec say so: inc is called for each value that gets a second copy (a shared
 * leaf was shadowed), dec for each that is removed, deleted or overwritten.  dmc_btree_insert()
 * takes over the caller's reference in *@value.  They may use the transaction manager, but not
 * this tree.
 *
 * Every node is checked when it is read from the device and against its parent when it is visited:
 * a damaged tree gives one of the errors of damage.h, never a crash or an endless loop.
 *
 * Contexts: as transaction.h: may sleep and do I/O, serialised by the caller.
 */
#ifndef DMC_BTREE_H
#define DMC_BTREE_H

#include "transaction.h"

#define DMC_BTREE_MAX_LEVELS 4
#define DMC_BTREE_MAX_VALUE 128	/* bytes */
#define DMC_BTREE_MAX_DEPTH 16	/* nodes from a root to a leaf */

/* Plain values need only the size. */
struct dmc_btree_value_type {
	void *ctx;
	u32 size;	/* bytes, 1 .. DMC_BTREE_MAX_VALUE */
	int (*inc)(void *ctx, const void *value);
	int (*dec)(void *ctx, const void *value);
	/* Optional: overwriting a value with an equal one changes nothing. */
	bool (*equal)(void *ctx, const void *a, const void *b);
};

struct dmc_btree_info {
	struct dmc_tm *tm;
	unsigned int levels;		/* nested trees; 1 for a plain tree */
	struct dmc_btree_value_type value_type;	/* of the last level */
};

/* A new tree without entries. */
int dmc_btree_empty(struct dmc_btree_info *info, mblock_t *root);

/* Drops one reference to the tree; what that frees drops its own in turn. */
int dmc_btree_del(struct dmc_btree_info *info, mblock_t root);

/* -ENODATA if there is no such key. */
int dmc_btree_lookup(struct dmc_btree_info *info, mblock_t root, const u64 *keys, void *value);

/* The smallest key of the last level that is >= keys[levels - 1]; the other keys exactly. */
int dmc_btree_lookup_next(struct dmc_btree_info *info, mblock_t root, const u64 *keys,
			  u64 *rkey, void *value);

/* Inserts or overwrites; *@inserted (may be NULL) tells which. */
int dmc_btree_insert(struct dmc_btree_info *info, mblock_t root, const u64 *keys,
		     const void *value, mblock_t *new_root, bool *inserted);

/* -ENODATA if there is no such key. */
int dmc_btree_remove(struct dmc_btree_info *info, mblock_t root, const u64 *keys,
		     mblock_t *new_root);

/* The lowest or highest key of the first level (*@key is one key).  -ENODATA if there is none. */
int dmc_btree_lowest(struct dmc_btree_info *info, mblock_t root, u64 *key);
int dmc_btree_highest(struct dmc_btree_info *info, mblock_t root, u64 *key);

/*
 * Calls @fn for every entry, ascending, with @levels keys; reads ahead.  @fn must not change this
 * tree; if it returns other than 0 the walk ends with that.
 */
typedef int (*dmc_btree_walk_fn)(void *ctx, const u64 *keys, const void *value);
int dmc_btree_walk(struct dmc_btree_info *info, mblock_t root, dmc_btree_walk_fn fn, void *ctx);

/*
 * A cursor visits the entries of a one-level tree in ascending order and reads ahead.  One
 * block, the leaf, is read-locked between begin() and end(), so the tree must not change
 * meanwhile.
 *
 *	r = dmc_btree_cursor_begin(&info, root, &c);
 *	while (!r) {
 *		... dmc_btree_cursor_key(&c), dmc_btree_cursor_value(&c) ...
 *		r = dmc_btree_cursor_next(&c);
 *	}
 *	dmc_btree_cursor_end(&c);
 *	return r == -ENODATA ? 0 : r;
 *
 * begin() and next() return -ENODATA when there is no (further) entry.  end() is called once
 * after begin(), whatever that returned.  The value is valid until next() or end().
 */
struct dmc_btree_cursor {
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

int dmc_btree_cursor_begin(struct dmc_btree_info *info, mblock_t root, struct dmc_btree_cursor *c);
int dmc_btree_cursor_next(struct dmc_btree_cursor *c);
u64 dmc_btree_cursor_key(struct dmc_btree_cursor *c);
const void *dmc_btree_cursor_value(struct dmc_btree_cursor *c);
void dmc_btree_cursor_end(struct dmc_btree_cursor *c);

#endif
