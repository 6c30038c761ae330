// SPDX-License-Identifier: GPL-2.0-only
/*
 * btree-cursor.c - visiting entries in order, with reading ahead.  Contract: btree.h.
 *
 * Called and locked as btree.c.  A cursor keeps the leaf locked; of the nodes above it only where
 * they are and how far it got, so its depth costs no locks.
 */
#include <linux/err.h>
#include <linux/export.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "btree-node.h"

/* Children read ahead at a time; twice that when a node is entered. */
#define AHEAD 32

static void cursor_read_ahead(struct dmc_btree_cursor *c, const struct btree_node *n, u32 i)
{
	if (!(i % AHEAD))
		btree_prefetch_children(c->info, n, i ? i + AHEAD : 0, i ? AHEAD : 2 * AHEAD);
}

/* Pushes @b and the first nodes under it, down to a leaf, which stays locked. */
static int descend(struct dmc_btree_cursor *c, mblock_t b, struct btree_range range)
{
	const struct btree_node *n;
	struct dmc_block *blk;
	int r;

	for (;;) {
		struct dmc_btree_frame *f = &c->frames[c->depth];

		if (c->depth == DMC_BTREE_MAX_DEPTH)
			return btree_bad_node(c->info, b, "is too deep");
		r = btree_read(c->info, b, c->level, !c->depth, &range, &blk);
		if (r)
			return r;
		n = dmc_block_data(blk);
		*f = (struct dmc_btree_frame) { .block = b, .last = range.last, .nr = node_nr(n) };
		c->depth++;
		if (node_is_leaf(n))
			break;
		cursor_read_ahead(c, n, 0);
		range = node_child_range(n, 0, range.last);
		b = node_child(n, 0);
		dmc_tm_unlock(c->info->tm, blk);
	}
	if (!c->leaf_depth)
		c->leaf_depth = c->depth;
	if (c->depth != c->leaf_depth) {
		dmc_tm_unlock(c->info->tm, blk);
		return btree_bad_node(c->info, b, "is a leaf at another depth than the rest");
	}
	c->leaf = blk;
	return 0;
}

int btree_cursor_begin(struct dmc_btree_info *info, mblock_t root, unsigned int level,
		       struct dmc_btree_cursor *c)
{
	int r;

	memset(c, 0, sizeof(*c));
	c->info = info;
	c->level = level;
	r = btree_check_info(info);
	if (!r)
		r = descend(c, root, btree_all_keys);
	if (!r && !c->frames[c->depth - 1].nr)
		r = DMC_NO_ENTRY;
	return r;
}

int dmc_btree_cursor_begin(struct dmc_btree_info *info, mblock_t root, struct dmc_btree_cursor *c)
{
	return btree_cursor_begin(info, root, 0, c);
}
EXPORT_SYMBOL_GPL(dmc_btree_cursor_begin);

/* The child after the one that was visited last, in the lowest node that has one. */
static int next_leaf(struct dmc_btree_cursor *c)
{
	const struct btree_node *n;
	struct btree_range range;
	struct dmc_btree_frame *f;
	struct dmc_block *blk;
	mblock_t b;
	int r;

	dmc_tm_unlock(c->info->tm, c->leaf);
	c->leaf = NULL;
	do {
		if (!--c->depth)
			return DMC_NO_ENTRY;
		f = &c->frames[c->depth - 1];
	} while (f->index + 1 >= f->nr);

	f->index++;
	/* Its place was checked on the way down. */
	r = btree_read(c->info, f->block, c->level, c->depth == 1, &btree_all_keys, &blk);
	if (r)
		return r;
	n = dmc_block_data(blk);
	if (f->index >= node_nr(n) || node_is_leaf(n)) {
		dmc_tm_unlock(c->info->tm, blk);
		return btree_bad_node(c->info, f->block, "changed during a walk");
	}
	cursor_read_ahead(c, n, f->index);
	range = node_child_range(n, f->index, f->last);
	b = node_child(n, f->index);
	dmc_tm_unlock(c->info->tm, blk);
	return descend(c, b, range);
}

int dmc_btree_cursor_next(struct dmc_btree_cursor *c)
{
	struct dmc_btree_frame *f;

	if (!c->leaf)
		return DMC_NO_ENTRY;
	f = &c->frames[c->depth - 1];
	if (f->index + 1 < f->nr) {
		f->index++;
		return 0;
	}
	return next_leaf(c);
}
EXPORT_SYMBOL_GPL(dmc_btree_cursor_next);

u64 dmc_btree_cursor_key(struct dmc_btree_cursor *c)
{
	return node_key(dmc_block_data(c->leaf), c->frames[c->depth - 1].index);
}
EXPORT_SYMBOL_GPL(dmc_btree_cursor_key);

const void *dmc_btree_cursor_value(struct dmc_btree_cursor *c)
{
	return node_value(dmc_block_data(c->leaf), c->frames[c->depth - 1].index);
}
EXPORT_SYMBOL_GPL(dmc_btree_cursor_value);

void dmc_btree_cursor_end(struct dmc_btree_cursor *c)
{
	if (c->leaf)
		dmc_tm_unlock(c->info->tm, c->leaf);
	c->leaf = NULL;
}
EXPORT_SYMBOL_GPL(dmc_btree_cursor_end);

/*----- walk -----*/

struct walk {
	u64 keys[DMC_BTREE_MAX_LEVELS];
	struct dmc_btree_cursor cursors[DMC_BTREE_MAX_LEVELS];
};

static int walk_levels(struct dmc_btree_info *info, struct walk *w, mblock_t root,
		       dmc_btree_walk_fn fn, void *ctx)
{
	unsigned int level = 0;
	__le64 inner;
	int r;

	r = btree_cursor_begin(info, root, 0, &w->cursors[0]);
	for (;;) {
		struct dmc_btree_cursor *c = &w->cursors[level];

		if (r == DMC_NO_ENTRY && level) {
			/* This inner tree is done: on with the one around it. */
			dmc_btree_cursor_end(c);
			r = dmc_btree_cursor_next(&w->cursors[--level]);
			continue;
		}
		if (r)
			break;
		w->keys[level] = dmc_btree_cursor_key(c);
		if (level + 1 < info->levels) {
			memcpy(&inner, dmc_btree_cursor_value(c), sizeof(inner));
			level++;
			r = btree_cursor_begin(info, le64_to_cpu(inner), level, &w->cursors[level]);
			continue;
		}
		r = fn(ctx, w->keys, dmc_btree_cursor_value(c));
		if (r)
			break;
		r = dmc_btree_cursor_next(c);
	}
	do {
		dmc_btree_cursor_end(&w->cursors[level]);
	} while (level--);
	return r;
}

int dmc_btree_walk(struct dmc_btree_info *info, mblock_t root, dmc_btree_walk_fn fn, void *ctx)
{
	struct walk *w;
	int r;

	r = btree_check_info(info);
	if (r)
		return r;
	w = kzalloc(sizeof(*w), GFP_NOIO);
	if (!w)
		return -ENOMEM;
	r = walk_levels(info, w, root, fn, ctx);
	kfree(w);
	return r == DMC_NO_ENTRY ? 0 : r;
}
EXPORT_SYMBOL_GPL(dmc_btree_walk);
