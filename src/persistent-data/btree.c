// SPDX-License-Identifier: GPL-2.0-only
/*
 * btree.c - nodes, lookup, insertion.  Contract: btree.h; nodes drawn in btree-node.h.
 *
 * Above the transaction manager, below the array and the space map's reference counts; callers are
 * serialised, process context.  Block locks are taken from the root down; at most a parent, a child
 * and a new sibling are held at once.
 */
#include <linux/err.h>
#include <linux/export.h>
#include <linux/string.h>

#include "btree-node.h"
#include "messages.h"

/*----- nodes -----*/

const struct btree_range btree_all_keys = { 0, U64_MAX };

static int check_node(const struct dmc_validator *v, const void *data, mblock_t b)
{
	const struct btree_node *n = data;
	u32 flags = le32_to_cpu(n->flags), i;

	BUILD_BUG_ON(sizeof(struct btree_node) != NODE_HEADER_SIZE);
	if (flags != NODE_INTERNAL && flags != NODE_LEAF)
		return DMC_DAMAGED;
	if (!node_value_size(n) || node_value_size(n) > DMC_MD_BLOCK_SIZE)
		return DMC_DAMAGED;
	if ((u64)node_max(n) * (8 + node_value_size(n)) > DMC_MD_BLOCK_SIZE - NODE_HEADER_SIZE)
		return DMC_DAMAGED;
	if (node_nr(n) > node_max(n))
		return DMC_DAMAGED;
	if (flags == NODE_INTERNAL && (!node_nr(n) || node_value_size(n) != sizeof(__le64)))
		return DMC_DAMAGED;
	for (i = 1; i < node_nr(n); i++)
		if (node_key(n, i - 1) >= node_key(n, i))
			return DMC_DAMAGED;
	return 0;
}

const struct dmc_validator btree_node_validator = {
	.name = "btree node",
	.salt = 121107,
	.blocknr_offset = offsetof(struct btree_node, blocknr),
	.check = check_node,
};

int btree_bad_node(struct dmc_btree_info *info, mblock_t b, const char *why)
{
	pd_err(dmc_bm_name(dmc_tm_bm(info->tm)), "block %llu: btree node %s", b, why);
	return DMC_DAMAGED;
}

int btree_check_info(const struct dmc_btree_info *info)
{
	u32 size = info->value_type.size;

	if (!info->levels || info->levels > DMC_BTREE_MAX_LEVELS ||
	    !size || size > DMC_BTREE_MAX_VALUE)
		return -EINVAL;
	return 0;
}

u32 btree_leaf_value_size(const struct dmc_btree_info *info, unsigned int level)
{
	return level + 1 < info->levels ? sizeof(__le64) : info->value_type.size;
}

/* Checks that need the tree, and the place of the node in it. */
static int check_place(struct dmc_btree_info *info, struct dmc_block *blk, unsigned int level,
		       bool root, const struct btree_range *range)
{
	const struct btree_node *n = dmc_block_data(blk);
	u32 nr = node_nr(n);

	if (node_is_leaf(n) && node_value_size(n) != btree_leaf_value_size(info, level))
		return btree_bad_node(info, dmc_block_location(blk), "has values of a wrong size");
	if (!nr)
		return root ? 0 : btree_bad_node(info, dmc_block_location(blk), "is empty");
	if (node_key(n, 0) < range->first || node_key(n, nr - 1) > range->last)
		return btree_bad_node(info, dmc_block_location(blk),
				      "has keys that its parent places elsewhere");
	return 0;
}

int btree_read(struct dmc_btree_info *info, mblock_t b, unsigned int level, bool root,
	       const struct btree_range *range, struct dmc_block **blk)
{
	int r;

	r = dmc_tm_read_lock(info->tm, b, &btree_node_validator, blk);
	if (r)
		return r;
	r = check_place(info, *blk, level, root, range);
	if (r)
		dmc_tm_unlock(info->tm, *blk);
	return r;
}

static void node_init(struct btree_node *n, u32 flags, u32 value_size)
{
	n->flags = cpu_to_le32(flags);
	n->value_size = cpu_to_le32(value_size);
	n->max_entries = cpu_to_le32(node_room(value_size));
}

static int node_new(struct dmc_btree_info *info, u32 flags, u32 value_size, struct dmc_block **blk)
{
	int r = dmc_tm_new_block(info->tm, &btree_node_validator, blk);

	if (!r)
		node_init(dmc_block_data(*blk), flags, value_size);
	return r;
}

void btree_set_nr(struct btree_node *n, u32 nr)
{
	n->nr_entries = cpu_to_le32(nr);
}

void btree_copy_entries(struct btree_node *to, u32 at, const struct btree_node *from, u32 first,
			u32 nr)
{
	memmove(to->keys + at, from->keys + first, nr * sizeof(__le64));
	memmove(node_value(to, at), node_value(from, first), (size_t)nr * node_value_size(to));
}

void btree_insert_at(struct btree_node *n, u32 i, u64 key, const void *value)
{
	u32 nr = node_nr(n);

	btree_copy_entries(n, i + 1, n, i, nr - i);
	n->keys[i] = cpu_to_le64(key);
	memcpy(node_value(n, i), value, node_value_size(n));
	btree_set_nr(n, nr + 1);
}

void btree_delete_at(struct btree_node *n, u32 i)
{
	u32 nr = node_nr(n);

	btree_copy_entries(n, i, n, i + 1, nr - i - 1);
	btree_set_nr(n, nr - 1);
}

void btree_prefetch_children(struct dmc_btree_info *info, const struct btree_node *n, u32 from,
			     u32 nr)
{
	struct dmc_bm *bm = dmc_tm_bm(info->tm);
	u32 end = from < node_nr(n) ? from + min(nr, node_nr(n) - from) : from;

	/* Blocks that were allocated one after the other are read together. */
	while (from < end) {
		mblock_t b = node_child(n, from);
		u32 run = 1;

		while (from + run < end && node_child(n, from + run) == b + run)
			run++;
		dmc_bm_prefetch_run(bm, b, run);
		from += run;
	}
}

/*----- shadowing -----*/

/*
 * All nodes that this code writes have room for the same number of entries.  Values move when
 * the room for keys changes.
 */
static int normalise(struct dmc_btree_info *info, struct dmc_block *blk)
{
	struct btree_node *n = dmc_block_data(blk);
	u32 room = node_room(node_value_size(n));
	void *old = node_value(n, 0);

	if (node_max(n) == room)
		return 0;
	if (node_nr(n) > room)
		return btree_bad_node(info, dmc_block_location(blk), "has too many entries");
	n->max_entries = cpu_to_le32(room);
	memmove(node_value(n, 0), old, (size_t)node_nr(n) * node_value_size(n));
	return 0;
}

/* A copy was made of a shared node: what it refers to has one reference more. */
static int inc_children(struct dmc_btree_info *info, const struct btree_node *n, unsigned int level)
{
	const struct dmc_btree_value_type *vt = &info->value_type;
	bool roots = !node_is_leaf(n) || level + 1 < info->levels;
	u32 i;
	int r;

	for (i = 0; i < node_nr(n); i++) {
		if (roots)
			r = dmc_tm_inc(info->tm, node_child(n, i));
		else
			r = vt->inc ? vt->inc(vt->ctx, node_value(n, i)) : 0;
		if (r)
			return r;
	}
	return 0;
}

int btree_shadow(struct dmc_btree_info *info, mblock_t b, unsigned int level, bool root,
		 const struct btree_range *range, struct dmc_block **blk)
{
	bool inc;
	int r;

	r = dmc_tm_shadow_block(info->tm, b, &btree_node_validator, blk, &inc);
	if (r)
		return r;
	r = check_place(info, *blk, level, root, range);
	if (!r)
		r = normalise(info, *blk);
	if (!r && inc)
		r = inc_children(info, dmc_block_data(*blk), level);
	if (r)
		dmc_tm_unlock(info->tm, *blk);
	return r;
}

int btree_shadow_child(struct dmc_btree_info *info, struct dmc_block *parent, u32 i, u64 last,
		       unsigned int level, struct dmc_block **blk)
{
	struct btree_node *n = dmc_block_data(parent);
	struct btree_range range = node_child_range(n, i, last);
	int r;

	r = btree_shadow(info, node_child(n, i), level, false, &range, blk);
	if (!r)
		node_set_child(n, i, dmc_block_location(*blk));
	return r;
}

int btree_shadow_path(struct dmc_btree_info *info, unsigned int level, u64 key,
		      struct dmc_block **blk, u32 *index)
{
	struct dmc_block *child;
	u64 last = U64_MAX;
	unsigned int depth;
	int i, r = 0;

	for (depth = 1; ; depth++) {
		struct btree_node *n = dmc_block_data(*blk);

		i = node_search(n, key);
		if (node_is_leaf(n) || i < 0)
			break;
		if (depth == DMC_BTREE_MAX_DEPTH) {
			r = btree_bad_node(info, dmc_block_location(*blk), "is too deep");
			break;
		}
		r = btree_shadow_child(info, *blk, i, last, level, &child);
		if (r)
			break;
		last = node_child_range(n, i, last).last;
		dmc_tm_unlock(info->tm, *blk);
		*blk = child;
	}
	if (!r && (i < 0 || node_key(dmc_block_data(*blk), i) != key))
		r = DMC_NO_ENTRY;
	if (r)
		dmc_tm_unlock(info->tm, *blk);
	else
		*index = i;
	return r;
}

/*----- empty, lookup -----*/

int dmc_btree_empty(struct dmc_btree_info *info, mblock_t *root)
{
	struct dmc_block *blk;
	int r;

	r = btree_check_info(info);
	if (!r)
		r = node_new(info, NODE_LEAF, btree_leaf_value_size(info, 0), &blk);
	if (r)
		return r;
	*root = dmc_block_location(blk);
	dmc_tm_unlock(info->tm, blk);
	return 0;
}
EXPORT_SYMBOL_GPL(dmc_btree_empty);

/* The entry for @key in the tree of @level at @root: *@value gets its bytes. */
static int lookup_level(struct dmc_btree_info *info, mblock_t root, unsigned int level, u64 key,
			void *value)
{
	struct btree_range range = btree_all_keys;
	const struct btree_node *n;
	struct dmc_block *blk;
	unsigned int depth;
	int i, r;

	for (depth = 0; depth < DMC_BTREE_MAX_DEPTH; depth++) {
		r = btree_read(info, root, level, !depth, &range, &blk);
		if (r)
			return r;
		n = dmc_block_data(blk);
		i = node_search(n, key);
		if (i < 0 || node_is_leaf(n)) {
			r = i < 0 || node_key(n, i) != key ? DMC_NO_ENTRY : 0;
			if (!r)
				memcpy(value, node_value(n, i), node_value_size(n));
			dmc_tm_unlock(info->tm, blk);
			return r;
		}
		range = node_child_range(n, i, range.last);
		root = node_child(n, i);
		dmc_tm_unlock(info->tm, blk);
	}
	return btree_bad_node(info, root, "is too deep");
}

/* Through all levels but the last; *@root becomes that of the last one. */
static int lookup_roots(struct dmc_btree_info *info, mblock_t *root, const u64 *keys)
{
	unsigned int level;
	__le64 inner;
	int r;

	r = btree_check_info(info);
	if (r)
		return r;
	for (level = 0; level + 1 < info->levels; level++) {
		r = lookup_level(info, *root, level, keys[level], &inner);
		if (r)
			return r;
		*root = le64_to_cpu(inner);
	}
	return 0;
}

int dmc_btree_lookup(struct dmc_btree_info *info, mblock_t root, const u64 *keys, void *value)
{
	int r = lookup_roots(info, &root, keys);

	return r ? r : lookup_level(info, root, info->levels - 1, keys[info->levels - 1], value);
}
EXPORT_SYMBOL_GPL(dmc_btree_lookup);

int dmc_btree_lookup_next(struct dmc_btree_info *info, mblock_t root, const u64 *keys,
			  u64 *rkey, void *value)
{
	/* Where to go if there is nothing at or after the key under the children taken. */
	struct btree_range range = btree_all_keys, next_range = btree_all_keys;
	mblock_t next = 0;
	const struct btree_node *n;
	struct dmc_block *blk;
	unsigned int depth, level = info->levels - 1;
	u64 key;
	int i, r;

	r = lookup_roots(info, &root, keys);
	if (r)
		return r;
	key = keys[level];
	for (depth = 0; depth < DMC_BTREE_MAX_DEPTH; depth++) {
		r = btree_read(info, root, level, !depth, &range, &blk);
		if (r)
			return r;
		n = dmc_block_data(blk);
		i = node_search(n, key);
		if (node_is_leaf(n)) {
			if (i < 0 || node_key(n, i) != key)
				i++;
			if (i < (int)node_nr(n)) {
				*rkey = node_key(n, i);
				memcpy(value, node_value(n, i), node_value_size(n));
				dmc_tm_unlock(info->tm, blk);
				return 0;
			}
			/* All of the next subtree is greater, and no node of it is empty. */
			root = next;
			range = next_range;
			next = 0;
			dmc_tm_unlock(info->tm, blk);
			if (!root)
				return DMC_NO_ENTRY;
			continue;
		}
		i = max(i, 0);
		if (i + 1 < (int)node_nr(n)) {
			next = node_child(n, i + 1);
			next_range = node_child_range(n, i + 1, range.last);
		}
		range = node_child_range(n, i, range.last);
		root = node_child(n, i);
		dmc_tm_unlock(info->tm, blk);
	}
	return btree_bad_node(info, root, "is too deep");
}
EXPORT_SYMBOL_GPL(dmc_btree_lookup_next);

static int find_end(struct dmc_btree_info *info, mblock_t root, bool highest, u64 *key)
{
	struct btree_range range = btree_all_keys;
	const struct btree_node *n;
	struct dmc_block *blk;
	unsigned int depth;
	u32 i;
	int r;

	r = btree_check_info(info);
	for (depth = 0; !r && depth < DMC_BTREE_MAX_DEPTH; depth++) {
		r = btree_read(info, root, 0, !depth, &range, &blk);
		if (r)
			return r;
		n = dmc_block_data(blk);
		i = highest && node_nr(n) ? node_nr(n) - 1 : 0;
		if (node_is_leaf(n)) {
			if (node_nr(n))
				*key = node_key(n, i);
			else
				r = DMC_NO_ENTRY;
			dmc_tm_unlock(info->tm, blk);
			return r;
		}
		range = node_child_range(n, i, range.last);
		root = node_child(n, i);
		dmc_tm_unlock(info->tm, blk);
	}
	return r ? r : btree_bad_node(info, root, "is too deep");
}

int dmc_btree_lowest(struct dmc_btree_info *info, mblock_t root, u64 *key)
{
	return find_end(info, root, false, key);
}
EXPORT_SYMBOL_GPL(dmc_btree_lowest);

int dmc_btree_highest(struct dmc_btree_info *info, mblock_t root, u64 *key)
{
	return find_end(info, root, true, key);
}
EXPORT_SYMBOL_GPL(dmc_btree_highest);

/*----- insertion -----*/

/* On the way down: @cur is entry @index of @parent, both write-locked; a root has no parent. */
struct insertion {
	struct dmc_btree_info *info;
	unsigned int level;
	u64 key;
	u64 last;		/* no key under @cur may be greater */
	struct dmc_block *parent;
	struct dmc_block *cur;
	u32 index;
};

/*
 * How many entries the left part of a full node keeps: half, but when keys come in ascending order
 * as many as leave the right part at its minimum, since nothing more will come to the left one.
 */
static u32 split_point(const struct btree_node *n, u64 key)
{
	u32 nr = node_nr(n);

	return key > node_key(n, nr - 1) ? nr - node_room(node_value_size(n)) / 3 : nr / 2;
}

/* Root: its entries go to two new children, so that it stays where it is. */
static int split_root(struct insertion *ins)
{
	struct btree_node *n = dmc_block_data(ins->cur), *half;
	u32 nr = node_nr(n), left = split_point(n, ins->key), i;
	struct dmc_block *blk[2];
	u64 first[2];
	mblock_t where[2];
	int r;

	for (i = 0; i < 2; i++) {
		u32 from = i ? left : 0, count = i ? nr - left : left;

		r = node_new(ins->info, le32_to_cpu(n->flags), node_value_size(n), &blk[i]);
		if (r) {
			if (i)
				dmc_tm_unlock(ins->info->tm, blk[0]);
			return r;
		}
		half = dmc_block_data(blk[i]);
		btree_copy_entries(half, 0, n, from, count);
		btree_set_nr(half, count);
		first[i] = node_key(half, 0);
		where[i] = dmc_block_location(blk[i]);
	}
	dmc_tm_unlock(ins->info->tm, blk[0]);
	dmc_tm_unlock(ins->info->tm, blk[1]);
	node_init(n, NODE_INTERNAL, sizeof(__le64));
	btree_set_nr(n, 2);
	for (i = 0; i < 2; i++) {
		n->keys[i] = cpu_to_le64(first[i]);
		node_set_child(n, i, where[i]);
	}
	return 0;
}

/* Any other node: a new right sibling; the parent has room, since that was seen to before. */
static int split_node(struct insertion *ins)
{
	struct btree_node *n = dmc_block_data(ins->cur), *parent = dmc_block_data(ins->parent);
	u32 nr = node_nr(n), left = split_point(n, ins->key);
	struct dmc_block *blk;
	struct btree_node *right;
	__le64 where;
	int r;

	r = node_new(ins->info, le32_to_cpu(n->flags), node_value_size(n), &blk);
	if (r)
		return r;
	right = dmc_block_data(blk);
	btree_copy_entries(right, 0, n, left, nr - left);
	btree_set_nr(right, nr - left);
	btree_set_nr(n, left);
	where = cpu_to_le64(dmc_block_location(blk));
	btree_insert_at(parent, ins->index + 1, node_key(right, 0), &where);
	if (ins->key < node_key(right, 0)) {
		ins->last = node_key(right, 0) - 1;
		dmc_tm_unlock(ins->info->tm, blk);
	} else {
		dmc_tm_unlock(ins->info->tm, ins->cur);
		ins->cur = blk;
		ins->index++;
	}
	return 0;
}

static bool has_key(const struct btree_node *n, u64 key)
{
	int i = node_search(n, key);

	return i >= 0 && node_key(n, i) == key;
}

/* Goes down to the leaf for the key, with room in it for one entry if the key is new. */
static int insert_descend(struct insertion *ins)
{
	struct dmc_block *child;
	struct btree_node *n;
	unsigned int depth;
	int i, r;

	for (depth = 0; depth < DMC_BTREE_MAX_DEPTH; depth++) {
		n = dmc_block_data(ins->cur);
		if (node_nr(n) == node_max(n) && !(node_is_leaf(n) && has_key(n, ins->key))) {
			r = ins->parent ? split_node(ins) : split_root(ins);
			if (r)
				return r;
			n = dmc_block_data(ins->cur);
		}
		if (node_is_leaf(n))
			return 0;
		i = node_search(n, ins->key);
		if (i < 0) {
			i = 0;
			n->keys[0] = cpu_to_le64(ins->key);
		}
		r = btree_shadow_child(ins->info, ins->cur, i, ins->last, ins->level, &child);
		if (r)
			return r;
		ins->last = node_child_range(n, i, ins->last).last;
		if (ins->parent)
			dmc_tm_unlock(ins->info->tm, ins->parent);
		ins->parent = ins->cur;
		ins->cur = child;
		ins->index = i;
	}
	return btree_bad_node(ins->info, dmc_block_location(ins->cur), "is too deep");
}

/* The leaf holds, or shall hold, the root of an inner tree: goes on in that one. */
static int insert_enter(struct insertion *ins)
{
	struct btree_node *leaf = dmc_block_data(ins->cur);
	int i = node_search(leaf, ins->key), r;
	struct dmc_block *inner;
	__le64 where;

	if (i >= 0 && node_key(leaf, i) == ins->key) {
		r = btree_shadow(ins->info, node_child(leaf, i), ins->level + 1, true,
				 &btree_all_keys, &inner);
		if (r)
			return r;
		node_set_child(leaf, i, dmc_block_location(inner));
	} else {
		r = node_new(ins->info, NODE_LEAF,
			     btree_leaf_value_size(ins->info, ins->level + 1), &inner);
		if (r)
			return r;
		where = cpu_to_le64(dmc_block_location(inner));
		btree_insert_at(leaf, i + 1, ins->key, &where);
	}
	if (ins->parent)
		dmc_tm_unlock(ins->info->tm, ins->parent);
	dmc_tm_unlock(ins->info->tm, ins->cur);
	ins->parent = NULL;
	ins->cur = inner;
	ins->last = U64_MAX;
	return 0;
}

static int insert_value(struct insertion *ins, const void *value, bool *inserted)
{
	const struct dmc_btree_value_type *vt = &ins->info->value_type;
	struct btree_node *leaf = dmc_block_data(ins->cur);
	int i = node_search(leaf, ins->key), r = 0;

	*inserted = i < 0 || node_key(leaf, i) != ins->key;
	if (*inserted) {
		btree_insert_at(leaf, i + 1, ins->key, value);
		return 0;
	}
	if (vt->equal && vt->equal(vt->ctx, node_value(leaf, i), value))
		return 0;
	if (vt->dec)
		r = vt->dec(vt->ctx, node_value(leaf, i));
	if (!r)
		memcpy(node_value(leaf, i), value, vt->size);
	return r;
}

static int insert(struct insertion *ins, const u64 *keys, const void *value, bool *inserted)
{
	int r;

	for (ins->level = 0; ; ins->level++) {
		ins->key = keys[ins->level];
		r = insert_descend(ins);
		if (!r && ins->level + 1 == ins->info->levels)
			r = insert_value(ins, value, inserted);
		else if (!r)
			r = insert_enter(ins);
		if (r || ins->level + 1 == ins->info->levels)
			break;
	}
	if (ins->parent)
		dmc_tm_unlock(ins->info->tm, ins->parent);
	dmc_tm_unlock(ins->info->tm, ins->cur);
	return r;
}

int dmc_btree_insert(struct dmc_btree_info *info, mblock_t root, const u64 *keys,
		     const void *value, mblock_t *new_root, bool *inserted)
{
	struct insertion ins = { .info = info, .last = U64_MAX };
	bool is_new = false;
	int r;

	r = btree_check_info(info);
	if (r)
		return r;
	r = btree_shadow(info, root, 0, true, &btree_all_keys, &ins.cur);
	if (!r) {
		root = dmc_block_location(ins.cur);
		r = insert(&ins, keys, value, &is_new);
	}
	if (r) {
		dmc_tm_spoil(info->tm);
		return r;
	}
	*new_root = root;
	if (inserted)
		*inserted = is_new;
	return 0;
}
EXPORT_SYMBOL_GPL(dmc_btree_insert);

int btree_modify(struct dmc_btree_info *info, mblock_t root, u64 key,
		 int (*fn)(void *ctx, void *value), void *ctx, mblock_t *new_root)
{
	u8 old[DMC_BTREE_MAX_VALUE];
	struct dmc_block *blk;
	u32 i;
	int r;

	/* So that nothing is changed if there is no such key. */
	r = dmc_btree_lookup(info, root, &key, old);
	if (r)
		return btree_changed(info->tm, r);
	r = btree_shadow(info, root, 0, true, &btree_all_keys, &blk);
	if (!r) {
		root = dmc_block_location(blk);
		r = btree_shadow_path(info, 0, key, &blk, &i);
	}
	if (!r) {
		r = fn(ctx, node_value(dmc_block_data(blk), i));
		dmc_tm_unlock(info->tm, blk);
	}
	if (r) {
		dmc_tm_spoil(info->tm);
		return r;
	}
	*new_root = root;
	return 0;
}
