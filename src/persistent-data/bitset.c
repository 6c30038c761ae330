// SPDX-License-Identifier: GPL-2.0-only
/*
 * bitset.c - a transactional bitset on the array.  Contract: bitset.h.
 *
 * Above the array; called by the metadata layer, serialised, process context.  No locks of its own.
 */
#include <linux/err.h>
#include <linux/export.h>
#include <linux/string.h>

#include "bitset.h"
#include "btree-node.h"

static u32 nr_words(u32 nr_bits)
{
	return nr_bits / 64 + !!(nr_bits % 64);
}

/* The bits of word @index that belong to a bitset of @nr_bits. */
static u64 bitset_covered(u32 nr_bits, u32 index)
{
	if (index < nr_bits / 64)
		return ~0ULL;
	return index == nr_bits / 64 ? (1ULL << nr_bits % 64) - 1 : 0;
}

static void forget_word(struct dmc_bitset *bs)
{
	bs->word_valid = false;
	bs->word_changed = false;
}

/* The result of a changing call; an index that the array does not have is damage here. */
static int bitset_changed(struct dmc_bitset *bs, int r)
{
	return btree_changed(bs->array_info.btree_info.tm, r == DMC_NO_ENTRY ? DMC_DAMAGED : r);
}

void dmc_bitset_init(struct dmc_bitset *bs, struct dmc_tm *tm)
{
	struct dmc_btree_value_type vt = { .size = sizeof(__le64) };

	memset(bs, 0, sizeof(*bs));
	dmc_array_info_init(&bs->array_info, tm, &vt);
}
EXPORT_SYMBOL_GPL(dmc_bitset_init);

void dmc_bitset_open(struct dmc_bitset *bs, mblock_t root, u32 nr_bits)
{
	bs->root = root;
	bs->nr_bits = nr_bits;
	forget_word(bs);
}
EXPORT_SYMBOL_GPL(dmc_bitset_open);

int dmc_bitset_empty(struct dmc_bitset *bs)
{
	mblock_t root;
	int r;

	r = dmc_array_empty(&bs->array_info, &root);
	if (!r)
		dmc_bitset_open(bs, root, 0);
	return r;
}
EXPORT_SYMBOL_GPL(dmc_bitset_empty);

int dmc_bitset_flush(struct dmc_bitset *bs)
{
	__le64 word = cpu_to_le64(bs->word);
	int r;

	if (!bs->word_changed)
		return 0;
	r = dmc_array_set(&bs->array_info, bs->root, bs->word_index, &word, &bs->root);
	if (!r)
		bs->word_changed = false;
	return bitset_changed(bs, r);
}
EXPORT_SYMBOL_GPL(dmc_bitset_flush);

/* Makes @bit's word the cached one. */
static int load_word(struct dmc_bitset *bs, u32 bit)
{
	__le64 word;
	int r;

	if (bit >= bs->nr_bits)
		return DMC_NO_ENTRY;
	if (bs->word_valid && bs->word_index == bit / 64)
		return 0;
	r = dmc_bitset_flush(bs);
	if (r)
		return r;
	r = dmc_array_get(&bs->array_info, bs->root, bit / 64, &word);
	if (r)
		return r == DMC_NO_ENTRY ? DMC_DAMAGED : r;
	bs->word = le64_to_cpu(word);
	bs->word_index = bit / 64;
	bs->word_valid = true;
	return 0;
}

static int change_bit_to(struct dmc_bitset *bs, u32 bit, bool value)
{
	u64 mask = 1ULL << bit % 64;
	int r;

	if (bit >= bs->nr_bits)
		return DMC_NO_ENTRY;
	r = load_word(bs, bit);
	if (r || !(bs->word & mask) == !value)
		return bitset_changed(bs, r);
	bs->word ^= mask;
	bs->word_changed = true;
	return 0;
}

int dmc_bitset_set(struct dmc_bitset *bs, u32 bit)
{
	return change_bit_to(bs, bit, true);
}
EXPORT_SYMBOL_GPL(dmc_bitset_set);

int dmc_bitset_clear(struct dmc_bitset *bs, u32 bit)
{
	return change_bit_to(bs, bit, false);
}
EXPORT_SYMBOL_GPL(dmc_bitset_clear);

static void change_in_word(void *ctx, u32 bit, void *value)
{
	const __le64 mask = cpu_to_le64(1ULL << bit % 64);
	const bool *set = ctx;
	__le64 *word = value;

	if (*set)
		*word |= mask;
	else
		*word &= ~mask;
}

int dmc_bitset_change(struct dmc_bitset *bs, const u32 *bits, u32 nr, bool value)
{
	const struct dmc_array_keys which = { .keys = bits, .nr = nr, .per_element = 64 };
	u32 i;
	int r;

	for (i = 0; i < nr; i++)
		if (bits[i] >= bs->nr_bits)
			return DMC_NO_ENTRY;
	r = dmc_bitset_flush(bs);
	if (r)
		return r;
	forget_word(bs);
	return dmc_array_change(&bs->array_info, bs->root, nr_words(bs->nr_bits), &which,
				change_in_word, &value, &bs->root);
}
EXPORT_SYMBOL_GPL(dmc_bitset_change);

int dmc_bitset_test(struct dmc_bitset *bs, u32 bit, bool *result)
{
	int r = load_word(bs, bit);

	if (!r)
		*result = bs->word >> bit % 64 & 1;
	return r;
}
EXPORT_SYMBOL_GPL(dmc_bitset_test);

/*
 * The word that the shorter of the two lengths ends in, if it is kept: its bits beyond that end
 * become 0, or the default as far as the new length goes.
 */
static int fix_last_word(struct dmc_bitset *bs, u32 kept, u32 nr_bits, bool default_value)
{
	u32 index = kept / 64;
	u64 beyond = ~bitset_covered(kept, index);
	__le64 word;
	u64 w;
	int r;

	if (!(kept % 64))
		return 0;
	r = dmc_array_get(&bs->array_info, bs->root, index, &word);
	if (r)
		return r;
	w = le64_to_cpu(word) & ~beyond;
	if (default_value)
		w |= beyond & bitset_covered(nr_bits, index);
	word = cpu_to_le64(w);
	return dmc_array_set(&bs->array_info, bs->root, index, &word, &bs->root);
}

int dmc_bitset_resize(struct dmc_bitset *bs, u32 nr_bits, bool default_value)
{
	u32 old = bs->nr_bits, kept = min(old, nr_bits), index = nr_bits / 64;
	__le64 fill = default_value ? cpu_to_le64(~0ULL) : 0;
	int r;

	r = dmc_bitset_flush(bs);
	if (r)
		return r;
	forget_word(bs);
	r = dmc_array_resize(&bs->array_info, bs->root, nr_words(old), nr_words(nr_bits), &fill,
			     &bs->root);
	if (r)
		return r;
	r = fix_last_word(bs, kept, nr_bits, default_value);
	/* A new last word that is only partly used. */
	if (!r && default_value && nr_words(nr_bits) > nr_words(old) && nr_bits % 64) {
		__le64 word = cpu_to_le64(bitset_covered(nr_bits, index));

		r = dmc_array_set(&bs->array_info, bs->root, index, &word, &bs->root);
	}
	if (!r)
		bs->nr_bits = nr_bits;
	return bitset_changed(bs, r);
}
EXPORT_SYMBOL_GPL(dmc_bitset_resize);

int dmc_bitset_del(struct dmc_bitset *bs)
{
	int r = dmc_array_del(&bs->array_info, bs->root);

	if (!r)
		dmc_bitset_open(bs, 0, 0);
	return r;
}
EXPORT_SYMBOL_GPL(dmc_bitset_del);

/*----- words -----*/

struct word_walk {
	struct dmc_bitset *bs;
	int (*get)(void *ctx, u32 index, u64 word);
	u64 (*give)(void *ctx, u32 index);
	void *ctx;
};

static int walk_word(void *ctx, u32 index, const void *value)
{
	struct word_walk *w = ctx;
	struct dmc_bitset *bs = w->bs;
	__le64 word;
	u64 x;

	memcpy(&word, value, sizeof(word));
	x = le64_to_cpu(word);
	if (bs->word_changed && bs->word_index == index)
		x = bs->word;
	return w->get(w->ctx, index, x & bitset_covered(bs->nr_bits, index));
}

int dmc_bitset_walk_words(struct dmc_bitset *bs, int (*fn)(void *ctx, u32 index, u64 word),
			  void *ctx)
{
	struct word_walk w = { .bs = bs, .get = fn, .ctx = ctx };

	return dmc_array_walk(&bs->array_info, bs->root, nr_words(bs->nr_bits), walk_word, &w);
}
EXPORT_SYMBOL_GPL(dmc_bitset_walk_words);

static int give_word(void *ctx, u32 index, void *value)
{
	struct word_walk *w = ctx;
	__le64 word = cpu_to_le64(w->give(w->ctx, index) & bitset_covered(w->bs->nr_bits, index));

	memcpy(value, &word, sizeof(word));
	return 0;
}

static int give_words(void *ctx, u32 first, u32 count, void *values)
{
	u32 i;

	for (i = 0; i < count; i++)
		give_word(ctx, first + i, values + i * sizeof(__le64));
	return 0;
}

int dmc_bitset_update_words(struct dmc_bitset *bs, u64 (*fn)(void *ctx, u32 index), void *ctx)
{
	struct word_walk w = { .bs = bs, .give = fn, .ctx = ctx };
	int r;

	/* All words are given anew, so a change waiting in the cache does not matter. */
	r = dmc_array_update(&bs->array_info, bs->root, nr_words(bs->nr_bits), give_word, &w,
			     &bs->root);
	if (!r)
		forget_word(bs);
	return r;
}
EXPORT_SYMBOL_GPL(dmc_bitset_update_words);

int dmc_bitset_update_block(struct dmc_bitset *bs, u32 bit, u64 (*fn)(void *ctx, u32 index),
			    void *ctx)
{
	struct word_walk w = { .bs = bs, .give = fn, .ctx = ctx };
	int r;

	if (bit >= bs->nr_bits)
		return DMC_NO_ENTRY;
	/* A change waiting in the cache may be to another block. */
	r = dmc_bitset_flush(bs);
	if (r)
		return r;
	forget_word(bs);
	return dmc_array_update_block(&bs->array_info, bs->root, nr_words(bs->nr_bits), bit / 64,
				      give_words, &w, &bs->root);
}
EXPORT_SYMBOL_GPL(dmc_bitset_update_block);
