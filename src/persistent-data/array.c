// SPDX-License-Identifier: GPL-2.0-only
/*
 * array.c - a transactional array on a btree of array blocks.  Contract: array.h.
 *
 * Above the btree and the transaction manager; called by the metadata layer and the bitset,
 * serialised, process context.  Locks, in order: the btree's, then one array block.
 *
 * An array block (4096 bytes, little-endian):
 *
 *	 0  csum	 4  max_entries: floor((4096 - 24) / value_size)
 *	 8  nr_entries	12  value_size
 *	16  blocknr
 *	24  values, packed
 *
 * All array blocks but the last are full.  Other implementations may have left blocks beyond
 * the end, or more values in the last block than the array has: ignored when reading, removed
 * when resizing.
 */
#include <linux/err.h>
#include <linux/export.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "array.h"
#include "btree-node.h"
#include "messages.h"


/* Array blocks read ahead at a time; twice that at the start. */
#define AHEAD 32

struct array_block {
	__le32 csum;
	__le32 max_entries;
	__le32 nr_entries;
	__le32 value_size;
	__le64 blocknr;
	u8 values[];
};

static u32 entries_per_block(u32 value_size)
{
	return (DMC_MD_BLOCK_SIZE - DMC_ARRAY_HEADER_SIZE) / value_size;
}

static int check_array_block(const struct dmc_validator *v, const void *data, mblock_t b)
{
	const struct array_block *ab = data;
	u32 size = le32_to_cpu(ab->value_size), max = le32_to_cpu(ab->max_entries);

	BUILD_BUG_ON(offsetof(struct array_block, values) != DMC_ARRAY_HEADER_SIZE);
	if (!size || size > DMC_MD_BLOCK_SIZE - DMC_ARRAY_HEADER_SIZE)
		return DMC_DAMAGED;
	if (max != entries_per_block(size) || le32_to_cpu(ab->nr_entries) > max)
		return DMC_DAMAGED;
	return 0;
}

static const struct dmc_validator array_validator = {
	.name = "array block",
	.salt = 595846735,
	.blocknr_offset = offsetof(struct array_block, blocknr),
	.check = check_array_block,
};

/*----- array blocks -----*/

static u32 per_block(struct dmc_array_info *info)
{
	return entries_per_block(info->value_type.size);
}

/* Array blocks of an array of @size. */
static u32 nr_blocks(struct dmc_array_info *info, u32 size)
{
	u32 max = per_block(info);

	return size / max + !!(size % max);
}

/* Elements in block @n of an array of @size; 0 beyond the end. */
static u32 entries_in(struct dmc_array_info *info, u32 size, u64 n)
{
	u64 first = n * per_block(info);

	return first < size ? min_t(u64, per_block(info), size - first) : 0;
}

static void *element(struct dmc_array_info *info, struct array_block *ab, u32 i)
{
	return ab->values + (size_t)i * info->value_type.size;
}

static int bad_array(struct dmc_array_info *info, mblock_t b, const char *why)
{
	pd_err(dmc_bm_name(dmc_tm_bm(info->btree_info.tm)), "block %llu: array block %s", b, why);
	return DMC_DAMAGED;
}

/* @needed: it must hold at least so many. */
static int check_for_array(struct dmc_array_info *info, struct dmc_block *blk, u32 needed)
{
	const struct array_block *ab = dmc_block_data(blk);

	if (le32_to_cpu(ab->value_size) != info->value_type.size)
		return bad_array(info, dmc_block_location(blk), "has values of a wrong size");
	if (le32_to_cpu(ab->nr_entries) < needed)
		return bad_array(info, dmc_block_location(blk), "has too few values");
	return 0;
}

static int read_block(struct dmc_array_info *info, mblock_t b, u32 needed, struct dmc_block **blk)
{
	struct dmc_tm *tm = info->btree_info.tm;
	int r;

	r = dmc_tm_read_lock(tm, b, &array_validator, blk);
	if (r)
		return r;
	r = check_for_array(info, *blk, needed);
	if (r)
		dmc_tm_unlock(tm, *blk);
	return r;
}

/* inc or dec, whichever @fn is, for elements @from .. @to - 1. */
static int count_elements(struct dmc_array_info *info, struct array_block *ab, u32 from, u32 to,
			  int (*fn)(void *ctx, const void *value))
{
	int r = 0;

	for (; fn && !r && from < to; from++)
		r = fn(info->value_type.ctx, element(info, ab, from));
	return r;
}

static int shadow_block(struct dmc_array_info *info, mblock_t b, u32 needed, struct dmc_block **blk)
{
	struct dmc_tm *tm = info->btree_info.tm;
	struct array_block *ab;
	bool inc;
	int r;

	r = dmc_tm_shadow_block(tm, b, &array_validator, blk, &inc);
	if (r)
		return r;
	ab = dmc_block_data(*blk);
	r = check_for_array(info, *blk, needed);
	if (!r && inc)
		r = count_elements(info, ab, 0, le32_to_cpu(ab->nr_entries), info->value_type.inc);
	if (r)
		dmc_tm_unlock(tm, *blk);
	return r;
}

/* What the btree calls for its values, the array blocks. */

static int block_inc(void *ctx, const void *value)
{
	struct dmc_array_info *info = ctx;
	__le64 b;

	memcpy(&b, value, sizeof(b));
	return dmc_tm_inc(info->btree_info.tm, le64_to_cpu(b));
}

static int block_dec(void *ctx, const void *value)
{
	struct dmc_array_info *info = ctx;
	struct dmc_tm *tm = info->btree_info.tm;
	struct dmc_block *blk;
	struct array_block *ab;
	__le64 b;
	u32 count;
	int r;

	memcpy(&b, value, sizeof(b));
	r = dmc_tm_ref(tm, le64_to_cpu(b), &count);
	if (r)
		return r;
	if (count == 1 && info->value_type.dec) {
		r = read_block(info, le64_to_cpu(b), 0, &blk);
		if (r)
			return r;
		ab = dmc_block_data(blk);
		r = count_elements(info, ab, 0, le32_to_cpu(ab->nr_entries), info->value_type.dec);
		dmc_tm_unlock(tm, blk);
		if (r)
			return r;
	}
	return dmc_tm_dec(tm, le64_to_cpu(b));
}

/*----- init, empty, delete -----*/

void dmc_array_info_init(struct dmc_array_info *info, struct dmc_tm *tm,
			 const struct dmc_btree_value_type *vt)
{
	struct dmc_btree_value_type *bvt = &info->btree_info.value_type;

	info->value_type = *vt;
	info->btree_info.tm = tm;
	info->btree_info.levels = 1;
	bvt->ctx = info;
	bvt->size = sizeof(__le64);
	bvt->inc = block_inc;
	bvt->dec = block_dec;
	bvt->equal = NULL;
}
EXPORT_SYMBOL_GPL(dmc_array_info_init);

static int check_info(struct dmc_array_info *info)
{
	u32 size = info->value_type.size;

	return size && size <= DMC_BTREE_MAX_VALUE ? 0 : -EINVAL;
}

int dmc_array_empty(struct dmc_array_info *info, mblock_t *root)
{
	int r = check_info(info);

	return r ? r : dmc_btree_empty(&info->btree_info, root);
}
EXPORT_SYMBOL_GPL(dmc_array_empty);

int dmc_array_del(struct dmc_array_info *info, mblock_t root)
{
	return dmc_btree_del(&info->btree_info, root);
}
EXPORT_SYMBOL_GPL(dmc_array_del);

/*----- one element -----*/

/* Read-locks the block of @index, of which *@i is the place in it. */
static int read_element(struct dmc_array_info *info, mblock_t root, u32 index,
			struct dmc_block **blk, u32 *i)
{
	const struct array_block *ab;
	u64 key;
	__le64 b;
	int r;

	r = check_info(info);
	if (r)
		return r;
	key = index / per_block(info);
	*i = index % per_block(info);
	r = dmc_btree_lookup(&info->btree_info, root, &key, &b);
	if (!r)
		r = read_block(info, le64_to_cpu(b), 0, blk);
	if (r)
		return r;
	ab = dmc_block_data(*blk);
	if (*i < le32_to_cpu(ab->nr_entries))
		return 0;
	dmc_tm_unlock(info->btree_info.tm, *blk);
	return DMC_NO_ENTRY;
}

int dmc_array_get(struct dmc_array_info *info, mblock_t root, u32 index, void *value)
{
	struct dmc_block *blk;
	u32 i;
	int r;

	r = read_element(info, root, index, &blk, &i);
	if (r)
		return r;
	memcpy(value, element(info, dmc_block_data(blk), i), info->value_type.size);
	dmc_tm_unlock(info->btree_info.tm, blk);
	return 0;
}
EXPORT_SYMBOL_GPL(dmc_array_get);

/*
 * For what btree_modify() calls: @value is the number of the array block, in its leaf.  Shadows the
 * block, and write-locks it.
 */
static int shadow_in_leaf(struct dmc_array_info *info, void *value, u32 needed,
			  struct dmc_block **blk)
{
	__le64 b;
	int r;

	memcpy(&b, value, sizeof(b));
	r = shadow_block(info, le64_to_cpu(b), needed, blk);
	if (r)
		return r;
	b = cpu_to_le64(dmc_block_location(*blk));
	memcpy(value, &b, sizeof(b));
	return 0;
}

/* A change to one array block: elements @from .. become @count new @values. */
struct block_change {
	struct dmc_array_info *info;
	u32 from;
	u32 count;
	const void *values;
};

/* For btree_modify(). */
static int change_block(void *ctx, void *value)
{
	struct block_change *ch = ctx;
	struct dmc_array_info *info = ch->info;
	struct dmc_block *blk;
	struct array_block *ab;
	int r;

	r = shadow_in_leaf(info, value, ch->from + ch->count, &blk);
	if (r)
		return r;
	ab = dmc_block_data(blk);
	r = count_elements(info, ab, ch->from, ch->from + ch->count, info->value_type.dec);
	memcpy(element(info, ab, ch->from), ch->values, (size_t)ch->count * info->value_type.size);
	dmc_tm_unlock(info->btree_info.tm, blk);
	return r;
}

int dmc_array_set(struct dmc_array_info *info, mblock_t root, u32 index, const void *value,
		  mblock_t *new_root)
{
	struct block_change ch = { .info = info, .count = 1, .values = value };
	struct dmc_block *blk;
	bool same;
	int r;

	r = read_element(info, root, index, &blk, &ch.from);
	if (r)
		return btree_changed(info->btree_info.tm, r);
	same = !info->value_type.dec &&
	       !memcmp(element(info, dmc_block_data(blk), ch.from), value, info->value_type.size);
	dmc_tm_unlock(info->btree_info.tm, blk);
	if (same) {
		*new_root = root;
		return 0;
	}
	return btree_modify(&info->btree_info, root, index / per_block(info), change_block, &ch,
			    new_root);
}
EXPORT_SYMBOL_GPL(dmc_array_set);

/*----- resize -----*/

/* Drops the array blocks from number @n on, wherever they come from. */
static int drop_blocks(struct dmc_array_info *info, mblock_t *root, u64 n)
{
	u64 key;
	int r;

	for (;;) {
		r = dmc_btree_highest(&info->btree_info, *root, &key);
		if (r == DMC_NO_ENTRY || (!r && key < n))
			return 0;
		if (!r)
			r = dmc_btree_remove(&info->btree_info, *root, &key, root);
		if (r)
			return r;
	}
}

/* A change of length of one array block: @keep elements stay, then it has @want. */
struct block_resize {
	struct dmc_array_info *info;
	u32 keep;
	u32 want;
	const void *default_value;
};

static void fill_block(struct dmc_array_info *info, struct array_block *ab, u32 from, u32 to,
		       const void *value)
{
	u32 i;

	for (i = from; i < to; i++)
		memcpy(element(info, ab, i), value, info->value_type.size);
	ab->nr_entries = cpu_to_le32(to);
}

/* For btree_modify(). */
static int resize_block(void *ctx, void *value)
{
	struct block_resize *rs = ctx;
	struct dmc_array_info *info = rs->info;
	struct dmc_block *blk;
	struct array_block *ab;
	int r;

	r = shadow_in_leaf(info, value, rs->keep, &blk);
	if (r)
		return r;
	ab = dmc_block_data(blk);
	r = count_elements(info, ab, rs->keep, le32_to_cpu(ab->nr_entries), info->value_type.dec);
	fill_block(info, ab, rs->keep, rs->want, rs->default_value);
	dmc_tm_unlock(info->btree_info.tm, blk);
	return r;
}

static int append_block(struct dmc_array_info *info, mblock_t *root, u64 n, u32 count,
			const void *default_value)
{
	struct dmc_tm *tm = info->btree_info.tm;
	struct dmc_block *blk;
	struct array_block *ab;
	__le64 b;
	int r;

	r = dmc_tm_new_block(tm, &array_validator, &blk);
	if (r)
		return r;
	ab = dmc_block_data(blk);
	ab->max_entries = cpu_to_le32(per_block(info));
	ab->value_size = cpu_to_le32(info->value_type.size);
	fill_block(info, ab, 0, count, default_value);
	b = cpu_to_le64(dmc_block_location(blk));
	dmc_tm_unlock(tm, blk);
	return dmc_btree_insert(&info->btree_info, *root, &n, &b, root, NULL);
}

static int resize(struct dmc_array_info *info, mblock_t *root, u32 old_size, u32 new_size,
		  const void *default_value)
{
	u32 kept = min(old_size, new_size), last = nr_blocks(info, kept), n;
	struct block_resize rs = { .info = info, .default_value = default_value };
	int r;

	r = drop_blocks(info, root, last);
	if (r)
		return r;
	/* The last block that stays: cut, or filled up as far as the new size goes. */
	if (last) {
		rs.keep = entries_in(info, kept, last - 1);
		rs.want = entries_in(info, new_size, last - 1);
		r = btree_modify(&info->btree_info, *root, last - 1, resize_block, &rs, root);
		if (r == DMC_NO_ENTRY)
			r = bad_array(info, *root, "is missing: array too short");
	}
	for (n = last; !r && n < nr_blocks(info, new_size); n++)
		r = append_block(info, root, n, entries_in(info, new_size, n), default_value);
	return r;
}

int dmc_array_resize(struct dmc_array_info *info, mblock_t root, u32 old_size, u32 new_size,
		     const void *default_value, mblock_t *new_root)
{
	int r;

	r = check_info(info);
	if (r)
		return r;
	r = resize(info, &root, old_size, new_size, default_value);
	if (r) {
		dmc_tm_spoil(info->btree_info.tm);
		return r;
	}
	*new_root = root;
	return 0;
}
EXPORT_SYMBOL_GPL(dmc_array_resize);

/*----- the whole array -----*/

/* Reads ahead the array blocks that follow in the leaf the cursor is at. */
static void array_read_ahead(struct dmc_btree_cursor *c, u32 wanted)
{
	const struct btree_node *leaf = dmc_block_data(c->leaf);
	u32 i = c->frames[c->depth - 1].index, ahead = i ? i + AHEAD : 0;

	if (!(i % AHEAD) && ahead < wanted + i)
		btree_prefetch_children(c->info, leaf, ahead,
					min_t(u32, i ? AHEAD : 2 * AHEAD, wanted + i - ahead));
}

/* Visits the array block @b with its elements @first to @first + @count - 1. */
struct block_visit {
	struct dmc_array_info *info;
	dmc_array_walk_block_fn fn;
	void *ctx;
	bool forget;
};

static int visit_block(const struct block_visit *v, mblock_t b, u32 first, u32 count)
{
	struct dmc_tm *tm = v->info->btree_info.tm;
	struct dmc_block *blk;
	int r;

	r = read_block(v->info, b, count, &blk);
	if (r)
		return r;
	r = v->fn(v->ctx, first, count, element(v->info, dmc_block_data(blk), 0));
	dmc_tm_unlock(tm, blk);
	if (v->forget)
		dmc_bm_forget(dmc_tm_bm(tm), b);
	return r;
}

static int visit_blocks(const struct block_visit *v, struct dmc_btree_cursor *c, mblock_t root,
			u32 size)
{
	struct dmc_array_info *info = v->info;
	u32 n, blocks = nr_blocks(info, size);
	__le64 b;
	int r;

	r = dmc_btree_cursor_begin(&info->btree_info, root, c);
	for (n = 0; n < blocks; n++) {
		if (!r && dmc_btree_cursor_key(c) != n)
			r = DMC_NO_ENTRY;
		if (r == DMC_NO_ENTRY)
			return bad_array(info, root, "is missing: array too short");
		if (r)
			return r;
		array_read_ahead(c, blocks - n);
		memcpy(&b, dmc_btree_cursor_value(c), sizeof(b));
		r = visit_block(v, le64_to_cpu(b), n * per_block(info), entries_in(info, size, n));
		if (r)
			return r;
		if (n + 1 < blocks)
			r = dmc_btree_cursor_next(c);
	}
	return r == DMC_NO_ENTRY ? 0 : r;
}

static int visit_array(const struct block_visit *v, mblock_t root, u32 size)
{
	struct dmc_btree_cursor *c;
	int r;

	r = check_info(v->info);
	if (r)
		return r;
	c = kmalloc(sizeof(*c), GFP_NOIO);
	if (!c)
		return -ENOMEM;
	r = visit_blocks(v, c, root, size);
	dmc_btree_cursor_end(c);
	kfree(c);
	return r;
}

int dmc_array_walk_blocks(struct dmc_array_info *info, mblock_t root, u32 size,
			  dmc_array_walk_block_fn fn, void *ctx)
{
	const struct block_visit v = { .info = info, .fn = fn, .ctx = ctx, .forget = true };

	return visit_array(&v, root, size);
}
EXPORT_SYMBOL_GPL(dmc_array_walk_blocks);

struct walk {
	u32 value_size;
	dmc_array_walk_fn fn;
	void *ctx;
};

static int walk_elements(void *ctx, u32 first, u32 count, const void *values)
{
	const struct walk *w = ctx;
	u32 i;
	int r = 0;

	for (i = 0; !r && i < count; i++)
		r = w->fn(w->ctx, first + i, values + (size_t)i * w->value_size);
	return r;
}

int dmc_array_walk(struct dmc_array_info *info, mblock_t root, u32 size, dmc_array_walk_fn fn,
		   void *ctx)
{
	struct walk w = { .value_size = info->value_type.size, .fn = fn, .ctx = ctx };
	const struct block_visit v = { .info = info, .fn = walk_elements, .ctx = &w };

	return visit_array(&v, root, size);
}
EXPORT_SYMBOL_GPL(dmc_array_walk);

/* Block @n, which the array at @root must have. */
static int find_block(struct dmc_array_info *info, mblock_t root, u32 n, mblock_t *b)
{
	u64 key = n;
	__le64 stored;
	int r;

	r = dmc_btree_lookup(&info->btree_info, root, &key, &stored);
	if (r == DMC_NO_ENTRY)
		return bad_array(info, root, "is missing: array too short");
	if (!r)
		*b = le64_to_cpu(stored);
	return r;
}

struct update {
	struct dmc_array_info *info;
	dmc_array_fill_block_fn fn;
	void *ctx;
	u8 values[DMC_MD_BLOCK_SIZE] __aligned(8);	/* of one array block, as they are to be */
};

/* True: the values of block @b are in @up, and differ from what is there. */
static int fill_values(struct update *up, mblock_t b, u32 first, u32 count, bool *differ)
{
	struct dmc_array_info *info = up->info;
	size_t bytes = (size_t)count * info->value_type.size;
	struct dmc_block *blk;
	const void *now;
	int r;

	r = read_block(info, b, count, &blk);
	if (r)
		return r;
	now = element(info, dmc_block_data(blk), 0);
	memcpy(up->values, now, bytes);
	r = up->fn(up->ctx, first, count, up->values);
	*differ = memcmp(up->values, now, bytes);
	dmc_tm_unlock(info->btree_info.tm, blk);
	return r;
}

/* Block @n of the array at *@root. */
static int update_block(struct update *up, mblock_t *root, u32 n, u32 count)
{
	struct dmc_array_info *info = up->info;
	struct block_change ch = { .info = info, .count = count, .values = up->values };
	bool differ;
	mblock_t b;
	int r;

	r = find_block(info, *root, n, &b);
	if (!r)
		r = fill_values(up, b, n * per_block(info), count, &differ);
	if (r || !differ)
		return r;
	return btree_modify(&info->btree_info, *root, n, change_block, &ch, root);
}

/* Blocks @begin to @end - 1. */
static int update_blocks(struct dmc_array_info *info, mblock_t root, u32 size, u32 begin, u32 end,
			 dmc_array_fill_block_fn fn, void *ctx, mblock_t *new_root)
{
	struct update *up;
	u32 n;
	int r = 0;

	up = kmalloc(sizeof(*up), GFP_NOIO);
	if (!up)
		return btree_changed(info->btree_info.tm, -ENOMEM);
	up->info = info;
	up->fn = fn;
	up->ctx = ctx;
	for (n = begin; !r && n < end; n++)
		r = update_block(up, &root, n, entries_in(info, size, n));
	kfree(up);
	if (r) {
		dmc_tm_spoil(info->btree_info.tm);
		return r;
	}
	*new_root = root;
	return 0;
}

static int check_update(struct dmc_array_info *info)
{
	int r = check_info(info);

	if (!r && (info->value_type.inc || info->value_type.dec))
		r = -EINVAL;
	return r;
}

struct fill {
	u32 value_size;
	dmc_array_fill_fn fn;
	void *ctx;
};

static int fill_elements(void *ctx, u32 first, u32 count, void *values)
{
	const struct fill *f = ctx;
	u32 i;
	int r = 0;

	for (i = 0; !r && i < count; i++)
		r = f->fn(f->ctx, first + i, values + (size_t)i * f->value_size);
	return r;
}

int dmc_array_update(struct dmc_array_info *info, mblock_t root, u32 size, dmc_array_fill_fn fn,
		     void *ctx, mblock_t *new_root)
{
	struct fill f = { .value_size = info->value_type.size, .fn = fn, .ctx = ctx };
	int r = check_update(info);

	return r ? r : update_blocks(info, root, size, 0, nr_blocks(info, size), fill_elements, &f,
				     new_root);
}
EXPORT_SYMBOL_GPL(dmc_array_update);

int dmc_array_update_block(struct dmc_array_info *info, mblock_t root, u32 size, u32 index,
			   dmc_array_fill_block_fn fn, void *ctx, mblock_t *new_root)
{
	int r = check_update(info);
	u32 n;

	if (r)
		return r;
	if (index >= size)
		return DMC_NO_ENTRY;
	n = index / per_block(info);
	return update_blocks(info, root, size, n, n + 1, fn, ctx, new_root);
}
EXPORT_SYMBOL_GPL(dmc_array_update_block);

/*----- elements here and there -----*/

struct many_changes {
	struct dmc_array_info *info;
	const struct dmc_array_keys *which;
	dmc_array_change_fn fn;
	void *ctx;
	u32 done;		/* so many keys are dealt with */
	u32 first, count;	/* the elements of the array block that the next one is in */
};

/* True: the next key is in this array block; its element is number *@i there. */
static bool next_is_here(const struct many_changes *ch, u32 *i)
{
	if (ch->done == ch->which->nr)
		return false;
	*i = ch->which->keys[ch->done] / ch->which->per_element - ch->first;
	return *i < ch->count;
}

/* Passes over keys that change nothing.  True: the next one changes its element. */
static bool find_difference(struct many_changes *ch, struct array_block *ab)
{
	const u32 size = ch->info->value_type.size;
	u8 value[DMC_BTREE_MAX_VALUE] __aligned(8);
	u32 i;

	for (; next_is_here(ch, &i); ch->done++) {
		memcpy(value, element(ch->info, ab, i), size);
		ch->fn(ch->ctx, ch->which->keys[ch->done], value);
		if (memcmp(value, element(ch->info, ab, i), size))
			return true;
	}
	return false;
}

/* For btree_modify(). */
static int change_elements(void *ctx, void *value)
{
	struct many_changes *ch = ctx;
	struct dmc_array_info *info = ch->info;
	struct dmc_block *blk;
	u32 i;
	int r;

	r = shadow_in_leaf(info, value, ch->count, &blk);
	if (r)
		return r;
	for (; next_is_here(ch, &i); ch->done++)
		ch->fn(ch->ctx, ch->which->keys[ch->done], element(info, dmc_block_data(blk), i));
	dmc_tm_unlock(info->btree_info.tm, blk);
	return 0;
}

/* The keys that come next, as far as they are in one array block. */
static int change_next_block(struct many_changes *ch, mblock_t *root, u32 size)
{
	struct dmc_array_info *info = ch->info;
	const u32 n = ch->which->keys[ch->done] / ch->which->per_element / per_block(info);
	struct dmc_block *blk;
	bool differ;
	mblock_t b;
	int r;

	ch->first = n * per_block(info);
	ch->count = entries_in(info, size, n);
	r = find_block(info, *root, n, &b);
	if (!r)
		r = read_block(info, b, ch->count, &blk);
	if (r)
		return r;
	differ = find_difference(ch, dmc_block_data(blk));
	dmc_tm_unlock(info->btree_info.tm, blk);
	return differ ? btree_modify(&info->btree_info, *root, n, change_elements, ch, root) : 0;
}

int dmc_array_change(struct dmc_array_info *info, mblock_t root, u32 size,
		     const struct dmc_array_keys *which, dmc_array_change_fn fn, void *ctx,
		     mblock_t *new_root)
{
	struct many_changes ch = { .info = info, .which = which, .fn = fn, .ctx = ctx };
	int r = check_update(info);
	u32 i;

	for (i = 0; !r && i < which->nr; i++)
		if (which->keys[i] / which->per_element >= size)
			r = DMC_NO_ENTRY;
	if (r)
		return r;
	while (!r && ch.done < which->nr)
		r = change_next_block(&ch, &root, size);
	if (r) {
		dmc_tm_spoil(info->btree_info.tm);
		return r;
	}
	*new_root = root;
	return 0;
}
EXPORT_SYMBOL_GPL(dmc_array_change);

u32 dmc_array_per_block(const struct dmc_array_info *info)
{
	return entries_per_block(info->value_type.size);
}
EXPORT_SYMBOL_GPL(dmc_array_per_block);
