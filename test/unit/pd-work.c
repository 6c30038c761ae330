// SPDX-License-Identifier: GPL-2.0-only
#include "pd-work.h"

/*
 * What is in the state after transaction n: tree_has(), element_of(), bit_of() below say it.
 */

static u32 nr_elements(u64 n)
{
	return 1500 + 300 * (n % 5);
}

static u64 element_of(u64 n, u32 i)
{
	/* Set by transaction n for i mod 16 == n mod 16, else as long ago as that was. */
	u64 back = (n + 16 - i % 16) % 16;

	return n >= back ? n - back : 0;
}

static bool bit_of(u64 n, u32 i)
{
	return (i / 64 + n) % 3 == 0;
}

static u32 nr_bits(u64 n)
{
	return 3000 + 777 * (n % 3);
}

static bool tree_has(u64 n, u64 k, u64 mod)
{
	return (k + n) % mod > 1;
}

u64 work_number(struct world *w)
{
	return w->roots[7].word;
}

/*----- first transaction: all of it empty -----*/

static int work_begin(struct world *w)
{
	struct dmc_btree_info t1 = tree_info(w, 1), t2 = tree_info(w, 2);
	struct dmc_array_info a;
	struct dmc_bitset bs;
	int r;

	array_info(w, &a);
	dmc_bitset_init(&bs, w->tm);
	r = dmc_btree_empty(&t1, &w->roots[0].block);
	if (!r)
		r = dmc_btree_empty(&t2, &w->roots[1].block);
	if (!r)
		r = dmc_array_empty(&a, &w->roots[2].block);
	if (!r)
		r = dmc_bitset_empty(&bs);
	if (r)
		return r;
	w->roots[0].kind = ROOT_TREE1;
	w->roots[1].kind = ROOT_TREE2;
	w->roots[2].kind = ROOT_ARRAY;
	w->roots[3] = (struct world_root) { ROOT_ARRAY, bs.root, 0 };
	return 0;
}

/*----- steps -----*/

static int step_tree(struct world *w, u64 n, int which)
{
	struct dmc_btree_info info = tree_info(w, which + 1);
	mblock_t *root = &w->roots[which].block;
	u64 mod = which ? 5 : 7, k, v = n;
	int r = 0;

	for (k = 0; k < 900 && !r; k++) {
		u64 keys[2] = { which ? k % 3 : k, k };
		bool had = n > 1 && tree_has(n - 1, k, mod), has = tree_has(n, k, mod);

		if (has && !had)
			r = dmc_btree_insert(&info, *root, keys, &v, root, NULL);
		else if (had && !has)
			r = dmc_btree_remove(&info, *root, keys, root);
	}
	return r;
}

static void set_to_step(void *ctx, u32 key, void *value)
{
	const u64 *n = ctx;
	__le64 v = cpu_to_le64(*n);

	memcpy(value, &v, sizeof(v));
}

/* One element in 16 changes, all at once. */
static int change_some(struct dmc_array_info *a, mblock_t *root, u32 size, u64 n)
{
	static u32 keys[1500 + 300 * 4];
	struct dmc_array_keys which = { .keys = keys, .per_element = 1 };
	u32 i;

	for (i = n % 16; i < size; i += 16)
		keys[which.nr++] = i;
	return dmc_array_change(a, *root, size, &which, set_to_step, &n, root);
}

static int step_array(struct world *w, u64 n)
{
	u32 size = nr_elements(n), old = n > 1 ? nr_elements(n - 1) : 0, i;
	mblock_t *root = &w->roots[2].block;
	struct dmc_array_info a;
	__le64 v = 0;
	int r;

	array_info(w, &a);
	r = dmc_array_resize(&a, *root, old, size, &v, root);
	if (!r)
		r = change_some(&a, root, size, n);
	/* New ones as if they had always been there. */
	for (i = old; i < size && !r; i++) {
		v = cpu_to_le64(element_of(n, i));
		r = dmc_array_set(&a, *root, i, &v, root);
	}
	return r;
}

static u64 word_of(void *ctx, u32 index)
{
	return bit_of(*(u64 *)ctx, index * 64) ? ~0ull : 0;
}

static int step_bitset(struct world *w, u64 n)
{
	struct dmc_bitset bs;
	int r;
	u32 i;

	dmc_bitset_init(&bs, w->tm);
	dmc_bitset_open(&bs, w->roots[3].block, w->roots[3].word);
	r = dmc_bitset_resize(&bs, nr_bits(n), n & 1);
	if (!r && n & 1)
		r = dmc_bitset_update_words(&bs, word_of, &n);
	for (i = 0; i < nr_bits(n) && !r && !(n & 1); i++)
		r = bit_of(n, i) ? dmc_bitset_set(&bs, i) : dmc_bitset_clear(&bs, i);
	if (!r)
		r = dmc_bitset_flush(&bs);
	w->roots[3].block = bs.root;
	w->roots[3].word = bs.nr_bits;
	return r;
}

/* The copy: taken in every third transaction, dropped before. */
static int step_copy(struct world *w, u64 n)
{
	struct dmc_array_info a;
	int r = 0;

	array_info(w, &a);
	if (n % 3 != 1)
		return 0;
	if (w->roots[4].kind)
		r = dmc_array_del(&a, w->roots[4].block);
	if (!r)
		r = dmc_tm_inc(w->tm, w->roots[2].block);
	if (r)
		return r;
	w->roots[4] = w->roots[2];
	w->roots[4].word = n;
	return 0;
}

int work_step(struct world *w, u64 n)
{
	int r = n == 1 ? work_begin(w) : 0, i;

	for (i = 0; i < 2 && !r; i++)
		r = step_tree(w, n, i);
	if (!r)
		r = step_array(w, n);
	if (!r)
		r = step_bitset(w, n);
	if (!r)
		r = step_copy(w, n);
	w->roots[7].word = n;
	return r;
}

/*----- check -----*/

struct checker {
	u64 n;
	u64 mod;
	unsigned int levels;
	u64 count;
};

static int check_entry(void *ctx, const u64 *keys, const void *value)
{
	struct checker *c = ctx;
	u64 k = keys[c->levels - 1];

	c->count++;
	return k < 900 && tree_has(c->n, k, c->mod) && (c->levels == 1 || keys[0] == k % 3) ?
	       0 : -EPROTO;
}

static int check_element(void *ctx, u32 i, const void *value)
{
	struct checker *c = ctx;

	return get_unaligned_le64(value) == element_of(c->n, i) ? 0 : -EPROTO;
}

static int check_word(void *ctx, u32 index, u64 word)
{
	struct checker *c = ctx;
	u32 end = nr_bits(c->n) - index * 64;
	u64 want = bit_of(c->n, index * 64) ? ~0ull : 0;

	return word == (end < 64 ? want & ((1ull << end) - 1) : want) ? 0 : -EPROTO;
}

static int check_trees(struct world *w, struct checker *c)
{
	unsigned int which;
	u64 k, want;
	int r;

	for (which = 0; which < 2; which++) {
		struct dmc_btree_info info = tree_info(w, which + 1);

		c->levels = which + 1;
		c->mod = which ? 5 : 7;
		c->count = 0;
		r = dmc_btree_walk(&info, w->roots[which].block, check_entry, c);
		if (r)
			return r;
		for (k = want = 0; k < 900; k++)
			want += tree_has(c->n, k, c->mod);
		if (c->count != want)
			return -EPROTO;
	}
	return 0;
}

int work_check(struct world *w)
{
	struct checker c = { .n = work_number(w) }, copy = { .n = w->roots[4].word };
	struct dmc_array_info a;
	struct dmc_bitset bs;
	int r;

	if (!c.n)
		return 0;
	r = check_trees(w, &c);
	array_info(w, &a);
	if (!r)
		r = dmc_array_walk(&a, w->roots[2].block, nr_elements(c.n), check_element, &c);
	if (!r && w->roots[4].kind)
		r = dmc_array_walk(&a, w->roots[4].block, nr_elements(copy.n), check_element,
				   &copy);
	if (r)
		return r;
	if (w->roots[3].word != nr_bits(c.n))
		return -EPROTO;
	dmc_bitset_init(&bs, w->tm);
	dmc_bitset_open(&bs, w->roots[3].block, nr_bits(c.n));
	return dmc_bitset_walk_words(&bs, check_word, &c);
}
