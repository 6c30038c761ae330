// SPDX-License-Identifier: GPL-2.0-only
/*
 * btree-remove.c - taking entries, or whole trees, away.  Contract: btree.h.
 *
 * Called and locked as btree.c; at most a parent and two of its children are held at once.
 *
 * Removing goes down once: before a node is entered it is given more entries than the minimum, by
 * merging it with a neighbour or sharing theirs.  So nothing has to be done on the way back, and
 * the node that a key is taken from keeps the minimum.
 */
#include <linux/err.h>
#include <linux/export.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "btree-node.h"

/* Two neighbours that together have no more entries than this become one node. */
static u32 merge_limit(const struct btree_node *n)
{
	return node_max(n) * 5 / 6;
}

/*----- two neighbours -----*/

/* @right's entries go to @left, @right is freed. */
static int merge(struct dmc_btree_info *info, struct btree_node *parent, u32 left_index,
		 struct dmc_block *left_blk, struct dmc_block *right_blk)
{
	struct btree_node *left = dmc_block_data(left_blk), *right = dmc_block_data(right_blk);
	mblock_t gone = dmc_block_location(right_blk);
	u32 nr = node_nr(left);

	btree_copy_entries(left, nr, right, 0, node_nr(right));
	btree_set_nr(left, nr + node_nr(right));
	btree_delete_at(parent, left_index + 1);
	dmc_tm_unlock(info->tm, left_blk);
	dmc_tm_unlock(info->tm, right_blk);
	return dmc_tm_dec(info->tm, gone);
}

/* Both get half. */
static void share(struct dmc_btree_info *info, struct btree_node *parent, u32 left_index,
		  struct dmc_block *left_blk, struct dmc_block *right_blk)
{
	struct btree_node *left = dmc_block_data(left_blk), *right = dmc_block_data(right_blk);
	u32 nl = node_nr(left), nr = node_nr(right), want = (nl + nr) / 2;

	if (nl > want) {
		btree_copy_entries(right, nl - want, right, 0, nr);
		btree_copy_entries(right, 0, left, want, nl - want);
	} else {
		btree_copy_entries(left, nl, right, 0, want - nl);
		btree_copy_entries(right, 0, right, want - nl, nl + nr - want);
	}
	btree_set_nr(left, want);
	btree_set_nr(right, nl + nr - want);
	parent->keys[left_index + 1] = right->keys[0];
	dmc_tm_unlock(info->tm, left_blk);
	dmc_tm_unlock(info->tm, right_blk);
}

/* Children @i and @i + 1 of @parent, which is write-locked and shadowed. */
static int balance_pair(struct dmc_btree_info *info, struct dmc_block *parent_blk, u32 i, u64 last,
			unsigned int level)
{
	struct btree_node *parent = dmc_block_data(parent_blk), *left, *right;
	struct dmc_block *left_blk, *right_blk;
	int r;

	r = btree_shadow_child(info, parent_blk, i, last, level, &left_blk);
	if (r)
		return r;
	r = btree_shadow_child(info, parent_blk, i + 1, last, level, &right_blk);
	if (r) {
		dmc_tm_unlock(info->tm, left_blk);
		return r;
	}
	left = dmc_block_data(left_blk);
	right = dmc_block_data(right_blk);
	if (node_is_leaf(left) != node_is_leaf(right)) {
		r = btree_bad_node(info, dmc_block_location(right_blk),
				   "is a leaf beside one that is none, or the other way round");
		dmc_tm_unlock(info->tm, left_blk);
		dmc_tm_unlock(info->tm, right_blk);
		return r;
	}
	if (node_nr(left) + node_nr(right) <= merge_limit(left))
		return merge(info, parent, i, left_blk, right_blk);
	share(info, parent, i, left_blk, right_blk);
	return 0;
}

/* Sees to it that child @i has more than the minimum of entries, if it has a neighbour. */
static int balance_child(struct dmc_btree_info *info, struct dmc_block *parent, u32 i, u64 last,
			 unsigned int level)
{
	u32 siblings = node_nr(dmc_block_data(parent)), nr, max;
	struct dmc_block *blk;
	int r;

	r = btree_shadow_child(info, parent, i, last, level, &blk);
	if (r)
		return r;
	nr = node_nr(dmc_block_data(blk));
	max = node_max(dmc_block_data(blk));
	dmc_tm_unlock(info->tm, blk);
	if (nr > max / 3 || siblings < 2)
		return 0;
	return balance_pair(info, parent, i ? i - 1 : 0, last, level);
}

/* A root with one child takes its place, and stays where it is. */
static int absorb_child(struct dmc_btree_info *info, struct dmc_block *root, unsigned int level)
{
	struct dmc_block *child;
	mblock_t gone;
	int r;

	r = btree_shadow_child(info, root, 0, U64_MAX, level, &child);
	if (r)
		return r;
	gone = dmc_block_location(child);
	memcpy(dmc_block_data(root), dmc_block_data(child), DMC_MD_BLOCK_SIZE);
	dmc_tm_unlock(info->tm, child);
	return dmc_tm_dec(info->tm, gone);
}

/*----- removing one entry -----*/

static int remove_from_leaf(struct dmc_btree_info *info, struct dmc_block *blk, u64 key,
			    bool *new_first, u64 *first)
{
	const struct dmc_btree_value_type *vt = &info->value_type;
	struct btree_node *leaf = dmc_block_data(blk);
	int i = node_search(leaf, key), r = 0;

	if (i < 0 || node_key(leaf, i) != key)
		return DMC_NO_ENTRY;
	if (vt->dec)
		r = vt->dec(vt->ctx, node_value(leaf, i));
	if (r)
		return r;
	btree_delete_at(leaf, i);
	*new_first = !i && node_nr(leaf);
	if (*new_first)
		*first = node_key(leaf, 0);
	return 0;
}

/* One step down from @blk to *@child, both write-locked; @root: @blk is one. */
static int remove_step(struct dmc_btree_info *info, struct dmc_block *blk, bool root, u64 key,
		       u64 *last, struct dmc_block **child)
{
	unsigned int level = info->levels - 1;
	struct btree_node *n = dmc_block_data(blk);
	int i, r;

	*child = NULL;
	i = node_search(n, key);
	if (i < 0)
		return DMC_NO_ENTRY;
	r = balance_child(info, blk, i, *last, level);
	if (r)
		return r;
	if (root && node_nr(n) == 1)
		return absorb_child(info, blk, level);
	i = node_search(n, key);
	r = btree_shadow_child(info, blk, i, *last, level, child);
	if (!r)
		*last = node_child_range(n, i, *last).last;
	return r;
}

/*
 * Removes @key from the tree of the last level at @blk (shadowed, write-locked, consumed).  If that
 * was the first entry of a leaf, *@new_first is set and *@first is the one that is first now.
 */
static int remove_descend(struct dmc_btree_info *info, struct dmc_block *blk, u64 key,
			  bool *new_first, u64 *first)
{
	struct dmc_block *child;
	u64 last = U64_MAX;
	bool root = true;
	unsigned int steps;
	int r = 0;

	/* Each step goes down or makes the tree one lower. */
	for (steps = 0; steps < 2 * DMC_BTREE_MAX_DEPTH; steps++) {
		if (node_is_leaf(dmc_block_data(blk)))
			break;
		r = remove_step(info, blk, root, key, &last, &child);
		if (r)
			break;
		if (!child)
			continue;
		dmc_tm_unlock(info->tm, blk);
		blk = child;
		root = false;
	}
	if (!r && !node_is_leaf(dmc_block_data(blk)))
		r = btree_bad_node(info, dmc_block_location(blk), "is too deep");
	if (!r)
		r = remove_from_leaf(info, blk, key, new_first, first);
	dmc_tm_unlock(info->tm, blk);
	return r;
}

/*
 * The way to a leaf whose first key was @old and is @first now: its parents name it by that key.  A
 * lower one would do for lookups, but checkers want them equal.
 */
static int rename_path(struct dmc_btree_info *info, mblock_t root, u64 old, u64 first)
{
	unsigned int level = info->levels - 1, depth;
	struct dmc_block *blk, *child;
	u64 last = U64_MAX;
	int i, r;

	r = btree_shadow(info, root, level, true, &btree_all_keys, &blk);
	if (r)
		return r;
	for (depth = 0; depth < DMC_BTREE_MAX_DEPTH; depth++) {
		struct btree_node *n = dmc_block_data(blk);

		i = node_search(n, old);
		if (node_is_leaf(n) || i < 0)
			break;
		r = btree_shadow_child(info, blk, i, last, level, &child);
		if (r)
			break;
		last = node_child_range(n, i, last).last;
		/* Only now: the child is still the one that @old names. */
		if (node_key(n, i) == old)
			n->keys[i] = cpu_to_le64(first);
		dmc_tm_unlock(info->tm, blk);
		blk = child;
	}
	dmc_tm_unlock(info->tm, blk);
	return r;
}

/* Shadows the way through the outer trees; *@blk is the root of the last level, write-locked. */
static int shadow_levels(struct dmc_btree_info *info, mblock_t root, const u64 *keys,
			 struct dmc_block **blk, mblock_t *new_root)
{
	struct dmc_block *inner;
	struct btree_node *leaf;
	unsigned int level;
	u32 i;
	int r;

	r = btree_shadow(info, root, 0, true, &btree_all_keys, blk);
	if (r)
		return r;
	*new_root = dmc_block_location(*blk);
	for (level = 0; level + 1 < info->levels; level++) {
		r = btree_shadow_path(info, level, keys[level], blk, &i);
		if (r)
			return r;
		leaf = dmc_block_data(*blk);
		r = btree_shadow(info, node_child(leaf, i), level + 1, true, &btree_all_keys,
				 &inner);
		if (!r)
			node_set_child(leaf, i, dmc_block_location(inner));
		dmc_tm_unlock(info->tm, *blk);
		if (r)
			return r;
		*blk = inner;
	}
	return 0;
}

int dmc_btree_remove(struct dmc_btree_info *info, mblock_t root, const u64 *keys,
		     mblock_t *new_root)
{
	u64 key, first = 0;
	u8 value[DMC_BTREE_MAX_VALUE];
	bool new_first = false;
	struct dmc_block *blk;
	mblock_t last_root;
	int r;

	/* So that nothing is changed if there is nothing to remove. */
	r = dmc_btree_lookup(info, root, keys, value);
	if (r)
		return btree_changed(info->tm, r);
	key = keys[info->levels - 1];
	r = shadow_levels(info, root, keys, &blk, &root);
	if (!r) {
		last_root = dmc_block_location(blk);
		r = remove_descend(info, blk, key, &new_first, &first);
	}
	if (!r && new_first)
		r = rename_path(info, last_root, key, first);
	if (r) {
		dmc_tm_spoil(info->tm);
		return r == DMC_NO_ENTRY ? DMC_DAMAGED : r;
	}
	*new_root = root;
	return 0;
}
EXPORT_SYMBOL_GPL(dmc_btree_remove);

/*----- deleting a tree -----*/

/* A node whose children are being dropped. */
struct del_frame {
	mblock_t block;
	struct btree_range range;
	unsigned int level;
	bool root;
	bool leaf;
	u32 index;		/* the next child to drop */
	u32 nr;
};

struct deletion {
	struct dmc_btree_info *info;
	unsigned int depth;	/* frames in use */
	struct del_frame frames[DMC_BTREE_MAX_LEVELS * DMC_BTREE_MAX_DEPTH];
};

/* One reference to a node less; if it was the last one, its children come first. */
static int del_push(struct deletion *del, mblock_t b, unsigned int level, bool root,
		    const struct btree_range *range)
{
	struct del_frame *f;
	u32 count;
	int r;

	r = dmc_tm_ref(del->info->tm, b, &count);
	if (r)
		return r;
	if (count > 1)
		return dmc_tm_dec(del->info->tm, b);
	if (del->depth == ARRAY_SIZE(del->frames))
		return btree_bad_node(del->info, b, "is too deep");
	f = &del->frames[del->depth++];
	*f = (struct del_frame) { .block = b, .range = *range, .level = level, .root = root };
	return 0;
}

static int del_values(struct dmc_btree_info *info, const struct btree_node *n)
{
	const struct dmc_btree_value_type *vt = &info->value_type;
	u32 i;
	int r;

	for (i = 0; vt->dec && i < node_nr(n); i++) {
		r = vt->dec(vt->ctx, node_value(n, i));
		if (r)
			return r;
	}
	return 0;
}

/* Handles one child of the topmost node, or drops that one when it has none left. */
static int del_step(struct deletion *del)
{
	struct del_frame *f = &del->frames[del->depth - 1];
	struct dmc_btree_info *info = del->info;
	struct btree_range range = btree_all_keys;
	const struct btree_node *n;
	struct dmc_block *blk;
	mblock_t child = 0;
	bool more;
	int r;

	r = btree_read(info, f->block, f->level, f->root, &f->range, &blk);
	if (r)
		return r;
	n = dmc_block_data(blk);
	if (!f->index)
		f->leaf = node_is_leaf(n);
	if (f->leaf && f->level + 1 == info->levels) {
		r = del_values(info, n);
		more = false;
	} else {
		more = f->index < node_nr(n);
		if (!(f->index % 32))
			btree_prefetch_children(info, n, f->index, 64);
	}
	if (more) {
		child = node_child(n, f->index);
		if (!f->leaf)
			range = node_child_range(n, f->index, f->range.last);
	}
	dmc_tm_unlock(info->tm, blk);
	if (r)
		return r;
	if (more) {
		f->index++;
		return del_push(del, child, f->level + f->leaf, f->leaf, &range);
	}
	del->depth--;
	return dmc_tm_dec(info->tm, f->block);
}

int dmc_btree_del(struct dmc_btree_info *info, mblock_t root)
{
	struct deletion *del;
	int r;

	r = btree_check_info(info);
	if (r)
		return r;
	del = kmalloc(sizeof(*del), GFP_NOIO);
	if (!del)
		return btree_changed(info->tm, -ENOMEM);
	del->info = info;
	del->depth = 0;
	r = del_push(del, root, 0, true, &btree_all_keys);
	while (!r && del->depth)
		r = del_step(del);
	kfree(del);
	if (r)
		dmc_tm_spoil(info->tm);
	return r;
}
EXPORT_SYMBOL_GPL(dmc_btree_del);
