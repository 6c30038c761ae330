/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * btree-node.h - what btree.c, btree-remove.c and btree-cursor.c share; private to the library.
 *
 * A node (4096 bytes, little-endian):
 *
 *	 0  csum	 4  flags: 1 internal, 2 leaf
 *	 8  blocknr
 *	16  nr_entries	20  max_entries
 *	24  value_size	28  padding
 *	32  keys, 8 bytes each, strictly ascending; room for max_entries
 *	..  values, value_size bytes each; value i belongs to key i
 *
 * The values of an internal node are the block numbers of its children (value_size 8); key i is the
 * lowest that may be under child i.
 */
#ifndef DMC_BTREE_NODE_H
#define DMC_BTREE_NODE_H

#include <linux/string.h>

#include "btree.h"

#define NODE_INTERNAL 1
#define NODE_LEAF 2
#define NODE_HEADER_SIZE 32

struct btree_node {
	__le32 csum;
	__le32 flags;
	__le64 blocknr;
	__le32 nr_entries;
	__le32 max_entries;
	__le32 value_size;
	__le32 padding;
	__le64 keys[];
};

/* The keys that may be under a node, both ends included. */
struct btree_range {
	u64 first;
	u64 last;
};

extern const struct btree_range btree_all_keys;
extern const struct dmc_validator btree_node_validator;

static inline u32 node_nr(const struct btree_node *n)
{
	return le32_to_cpu(n->nr_entries);
}

static inline u32 node_max(const struct btree_node *n)
{
	return le32_to_cpu(n->max_entries);
}

static inline u32 node_value_size(const struct btree_node *n)
{
	return le32_to_cpu(n->value_size);
}

static inline bool node_is_leaf(const struct btree_node *n)
{
	return le32_to_cpu(n->flags) == NODE_LEAF;
}

static inline u64 node_key(const struct btree_node *n, u32 i)
{
	return le64_to_cpu(n->keys[i]);
}

static inline void *node_value(const struct btree_node *n, u32 i)
{
	return (void *)(n->keys + node_max(n)) + (size_t)i * node_value_size(n);
}

/* Of an internal node, or of a leaf whose values are roots. */
static inline mblock_t node_child(const struct btree_node *n, u32 i)
{
	__le64 b;

	memcpy(&b, node_value(n, i), sizeof(b));
	return le64_to_cpu(b);
}

static inline void node_set_child(struct btree_node *n, u32 i, mblock_t child)
{
	__le64 b = cpu_to_le64(child);

	memcpy(node_value(n, i), &b, sizeof(b));
}

/* The index of the last key that is not greater than @key, -1 if there is none. */
static inline int node_search(const struct btree_node *n, u64 key)
{
	u32 lo = 0, hi = node_nr(n);

	while (lo < hi) {
		u32 mid = (lo + hi) / 2;

		if (node_key(n, mid) <= key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (int)lo - 1;
}

/* The keys that may be under child @i of a node which has those up to @last under it. */
static inline struct btree_range node_child_range(const struct btree_node *n, u32 i, u64 last)
{
	struct btree_range range = { node_key(n, i), last };

	if (i + 1 < node_nr(n))
		range.last = node_key(n, i + 1) - 1;
	return range;
}

/* Entries that fit a node with values of @value_size bytes: a multiple of three. */
static inline u32 node_room(u32 value_size)
{
	return (DMC_MD_BLOCK_SIZE - NODE_HEADER_SIZE) / (8 + value_size) / 3 * 3;
}

/* btree.c */
int btree_check_info(const struct dmc_btree_info *info);
u32 btree_leaf_value_size(const struct dmc_btree_info *info, unsigned int level);

/*
 * Reads node @b of a tree of @level.  @root: it is one; any other node must not be empty.  The
 * keys must lie in @range.
 */
int btree_read(struct dmc_btree_info *info, mblock_t b, unsigned int level, bool root,
	       const struct btree_range *range, struct dmc_block **blk);

/* Likewise, but shadowed, write-locked, and its children's counts are right. */
int btree_shadow(struct dmc_btree_info *info, mblock_t b, unsigned int level, bool root,
		 const struct btree_range *range, struct dmc_block **blk);

/* Shadows child @i of @parent, which is write-locked and has keys up to @last under it. */
int btree_shadow_child(struct dmc_btree_info *info, struct dmc_block *parent, u32 i, u64 last,
		       unsigned int level, struct dmc_block **blk);

/*
 * Shadows the way from a root (write-locked in *@blk, consumed) down to the leaf for @key; *@blk is
 * then the leaf and *@index the entry.  DMC_NO_ENTRY if it is not there.  On error nothing is
 * locked.
 */
int btree_shadow_path(struct dmc_btree_info *info, unsigned int level, u64 key,
		      struct dmc_block **blk, u32 *index);

/* Opens or closes a gap in the entries of a node. */
void btree_insert_at(struct btree_node *n, u32 i, u64 key, const void *value);
void btree_delete_at(struct btree_node *n, u32 i);
/* Appends, or puts in front, @nr entries of @from, starting at @first. */
void btree_copy_entries(struct btree_node *to, u32 at, const struct btree_node *from, u32 first,
			u32 nr);
void btree_set_nr(struct btree_node *n, u32 nr);

int btree_bad_node(struct dmc_btree_info *info, mblock_t b, const char *why);

/* Reads ahead: children @from .. @from + @nr - 1 as far as there are any. */
void btree_prefetch_children(struct dmc_btree_info *info, const struct btree_node *n, u32 from,
			     u32 nr);

/*
 * One-level trees: shadows the way to @key and lets @fn change the value in place.  For the array,
 * whose values are blocks to shadow.  DMC_NO_ENTRY (nothing changed) if the key is missing.
 */
int btree_modify(struct dmc_btree_info *info, mblock_t root, u64 key,
		 int (*fn)(void *ctx, void *value), void *ctx, mblock_t *new_root);

/* btree-cursor.c: any level of a nested tree */
int btree_cursor_begin(struct dmc_btree_info *info, mblock_t root, unsigned int level,
		       struct dmc_btree_cursor *c);

/* Passes on the result of a changing call; most errors spoil the transaction. */
static inline int btree_changed(struct dmc_tm *tm, int r)
{
	if (r && r != DMC_NO_ENTRY && r != -EINVAL)
		dmc_tm_spoil(tm);
	return r;
}

#endif
