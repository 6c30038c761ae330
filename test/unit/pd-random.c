// SPDX-License-Identifier: GPL-2.0-only
#include "pd-random.h"

enum { TREE, TREES, ARRAY, BITS, ARRAY_COPY, TREE_COPY, NUMBER = 7 };

static u64 below(struct random_work *rw, u64 n)
{
	return shim_next_random(&rw->rnd) % n;
}

/*----- digests: of each thing in order, whatever it is kept in -----*/

static void add(u64 *digest, u64 a, u64 b)
{
	*digest = (*digest ^ a) * 0xBF58476D1CE4E5B9ull;
	*digest = ((*digest ^ *digest >> 29) ^ b) * 0x94D049BB133111EBull;
}

static void add_entries(u64 *digest, u64 tag, const u64 *values, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (values[i])
			add(digest, tag << 32 | i, values[i]);
}

static u64 word_of(const u8 *bits, u32 nr, u32 index)
{
	u64 word = 0;
	u32 i;

	for (i = 0; i < 64 && index * 64 + i < nr; i++)
		word |= (u64)bits[index * 64 + i] << i;
	return word;
}

u64 random_digest(const struct random_model *m)
{
	u64 d = m->commits;
	u32 i;

	add_entries(&d, 0, m->tree, RANDOM_KEYS);
	for (i = 0; i < 3; i++)
		add_entries(&d, i, m->trees[i], RANDOM_KEYS / 3);
	add_entries(&d, 0, m->tree_copy, RANDOM_KEYS);
	for (i = 0; i < m->nr_elements; i++)
		add(&d, i, m->elements[i]);
	for (i = 0; i < m->nr_copied; i++)
		add(&d, i, m->elements_copy[i]);
	for (i = 0; i * 64 < m->nr_bits; i++)
		add(&d, i, word_of(m->bits, m->nr_bits, i));
	return d;
}

static int add_tree(void *ctx, const u64 *keys, const void *value)
{
	add(ctx, keys[0], get_unaligned_le64(value));
	return 0;
}

static int add_trees(void *ctx, const u64 *keys, const void *value)
{
	add(ctx, keys[0] << 32 | keys[1], get_unaligned_le64(value));
	return 0;
}

static int add_element(void *ctx, u32 i, const void *value)
{
	add(ctx, i, get_unaligned_le64(value));
	return 0;
}

static int add_word(void *ctx, u32 i, u64 word)
{
	add(ctx, i, word);
	return 0;
}

int random_digest_of(struct world *w, u64 *digest)
{
	struct dmc_btree_info t1 = tree_info(w, 1), t2 = tree_info(w, 2);
	struct world_root *root = w->roots;
	struct dmc_array_info a;
	struct dmc_bitset bs;
	int r;

	array_info(w, &a);
	dmc_bitset_init(&bs, w->tm);
	*digest = root[NUMBER].word;
	r = dmc_btree_walk(&t1, root[TREE].block, add_tree, digest);
	if (!r)
		r = dmc_btree_walk(&t2, root[TREES].block, add_trees, digest);
	if (!r && root[TREE_COPY].kind)
		r = dmc_btree_walk(&t1, root[TREE_COPY].block, add_tree, digest);
	if (!r)
		r = dmc_array_walk(&a, root[ARRAY].block, root[ARRAY].word, add_element, digest);
	if (!r && root[ARRAY_COPY].kind)
		r = dmc_array_walk(&a, root[ARRAY_COPY].block, root[ARRAY_COPY].word, add_element,
				   digest);
	dmc_bitset_open(&bs, root[BITS].block, root[BITS].word);
	return r ? r : dmc_bitset_walk_words(&bs, add_word, digest);
}

/*----- changes -----*/

static void change_key(struct random_work *rw, u32 key, bool set)
{
	struct dmc_btree_info info = tree_info(&rw->w, 1);
	mblock_t *root = &rw->w.roots[TREE].block;
	u64 k = key, v = set ? 1 + below(rw, 1000) : 0;

	if (set)
		CHECK_OK(dmc_btree_insert(&info, *root, &k, &v, root, NULL));
	else
		CHECK_EQ(dmc_btree_remove(&info, *root, &k, root),
			 rw->now.tree[key] ? 0 : DMC_NO_ENTRY);
	rw->now.tree[key] = v;
}

static void change_pair(struct random_work *rw, u32 outer, u32 key, bool set)
{
	struct dmc_btree_info info = tree_info(&rw->w, 2);
	mblock_t *root = &rw->w.roots[TREES].block;
	u64 keys[2] = { outer, key }, v = set ? 1 + below(rw, 1000) : 0;

	if (set)
		CHECK_OK(dmc_btree_insert(&info, *root, keys, &v, root, NULL));
	else
		CHECK_EQ(dmc_btree_remove(&info, *root, keys, root),
			 rw->now.trees[outer][key] ? 0 : DMC_NO_ENTRY);
	rw->now.trees[outer][key] = v;
}

/* A run of neighbours, or as many anywhere; set, removed, or some of each. */
static void change_tree(struct random_work *rw)
{
	u32 n = 1 + below(rw, below(rw, 4) ? 12 : 250), i;
	bool run = below(rw, 2), two = below(rw, 2);
	u32 keys = two ? RANDOM_KEYS / 3 : RANDOM_KEYS, outer = below(rw, 3), at = below(rw, keys);
	u64 how = below(rw, 3);

	for (i = 0; i < n; i++) {
		bool set = how == 2 ? below(rw, 2) : how;

		at = run ? (at + 1) % keys : below(rw, keys);
		if (two)
			change_pair(rw, outer, at, set);
		else
			change_key(rw, at, set);
	}
}

static void new_tree(struct random_work *rw)
{
	struct dmc_btree_info info = tree_info(&rw->w, 1);

	CHECK_OK(dmc_btree_del(&info, rw->w.roots[TREE].block));
	CHECK_OK(dmc_btree_empty(&info, &rw->w.roots[TREE].block));
	memset(rw->now.tree, 0, sizeof(rw->now.tree));
}

static void resize_array(struct random_work *rw)
{
	u32 nr = below(rw, RANDOM_ELEMENTS + 1), i;
	struct world_root *root = &rw->w.roots[ARRAY];
	struct dmc_array_info a;
	__le64 v = cpu_to_le64(below(rw, 1000));

	array_info(&rw->w, &a);
	CHECK_OK(dmc_array_resize(&a, root->block, rw->now.nr_elements, nr, &v, &root->block));
	for (i = rw->now.nr_elements; i < nr; i++)
		rw->now.elements[i] = le64_to_cpu(v);
	rw->now.nr_elements = nr;
	root->word = nr;
}

static void change_array(struct random_work *rw)
{
	struct world_root *root = &rw->w.roots[ARRAY];
	u32 n = 1 + below(rw, 40), i, at;
	struct dmc_array_info a;

	array_info(&rw->w, &a);
	for (i = 0; i < n && rw->now.nr_elements; i++) {
		__le64 v = cpu_to_le64(below(rw, 1000));

		at = below(rw, rw->now.nr_elements);
		CHECK_OK(dmc_array_set(&a, root->block, at, &v, &root->block));
		rw->now.elements[at] = le64_to_cpu(v);
	}
}

static u64 next_word(void *ctx, u32 index)
{
	struct random_work *rw = ctx;

	return word_of(rw->now.bits, rw->now.nr_bits, index);
}

/* One by one, or all that changed at once. */
static void set_bits(struct random_work *rw, struct dmc_bitset *bs)
{
	u32 n = below(rw, 60), i, at;
	bool all = below(rw, 3) == 0;

	for (i = 0; i < n && rw->now.nr_bits; i++) {
		at = below(rw, rw->now.nr_bits);
		rw->now.bits[at] ^= 1;
		if (!all)
			CHECK_OK(rw->now.bits[at] ? dmc_bitset_set(bs, at) :
						    dmc_bitset_clear(bs, at));
	}
	if (all)
		CHECK_OK(dmc_bitset_update_words(bs, next_word, rw));
}

static void change_bits(struct random_work *rw)
{
	struct world_root *root = &rw->w.roots[BITS];
	bool value = below(rw, 2);
	struct dmc_bitset bs;
	u32 nr, i;

	dmc_bitset_init(&bs, rw->w.tm);
	dmc_bitset_open(&bs, root->block, root->word);
	if (!below(rw, 3)) {
		nr = below(rw, RANDOM_BITS + 1);
		CHECK_OK(dmc_bitset_resize(&bs, nr, value));
		for (i = rw->now.nr_bits; i < nr; i++)
			rw->now.bits[i] = value;
		rw->now.nr_bits = nr;
	}
	set_bits(rw, &bs);
	CHECK_OK(dmc_bitset_flush(&bs));
	root->block = bs.root;
	root->word = bs.nr_bits;
}

/* The copy shares all its blocks with what it was taken from, until that is changed. */
static void copy_array(struct random_work *rw)
{
	struct world_root *copy = &rw->w.roots[ARRAY_COPY];
	struct dmc_array_info a;

	array_info(&rw->w, &a);
	if (copy->kind)
		CHECK_OK(dmc_array_del(&a, copy->block));
	CHECK_OK(dmc_tm_inc(rw->w.tm, rw->w.roots[ARRAY].block));
	*copy = rw->w.roots[ARRAY];
	rw->now.nr_copied = rw->now.nr_elements;
	memcpy(rw->now.elements_copy, rw->now.elements, sizeof(rw->now.elements));
}

static void copy_tree(struct random_work *rw)
{
	struct world_root *copy = &rw->w.roots[TREE_COPY];
	struct dmc_btree_info info = tree_info(&rw->w, 1);

	if (copy->kind)
		CHECK_OK(dmc_btree_del(&info, copy->block));
	memset(copy, 0, sizeof(*copy));
	memset(rw->now.tree_copy, 0, sizeof(rw->now.tree_copy));
	if (!below(rw, 3))
		return;		/* none, for a change */
	CHECK_OK(dmc_tm_inc(rw->w.tm, rw->w.roots[TREE].block));
	*copy = rw->w.roots[TREE];
	memcpy(rw->now.tree_copy, rw->now.tree, sizeof(rw->now.tree));
}

/*----- a run -----*/

void random_begin(struct random_work *rw, struct shim_disk *disk, u64 seed)
{
	struct dmc_btree_info t1, t2;
	struct dmc_array_info a;
	struct dmc_bitset bs;

	memset(rw, 0, sizeof(*rw));
	rw->rnd = seed;
	CHECK_OK(world_open(&rw->w, disk));
	t1 = tree_info(&rw->w, 1);
	t2 = tree_info(&rw->w, 2);
	array_info(&rw->w, &a);
	dmc_bitset_init(&bs, rw->w.tm);
	CHECK_OK(dmc_btree_empty(&t1, &rw->w.roots[TREE].block));
	CHECK_OK(dmc_btree_empty(&t2, &rw->w.roots[TREES].block));
	CHECK_OK(dmc_array_empty(&a, &rw->w.roots[ARRAY].block));
	CHECK_OK(dmc_bitset_empty(&bs));
	rw->w.roots[TREE].kind = ROOT_TREE1;
	rw->w.roots[TREES].kind = ROOT_TREE2;
	rw->w.roots[ARRAY].kind = ROOT_ARRAY;
	rw->w.roots[BITS] = (struct world_root) { ROOT_ARRAY, bs.root, 0 };
	random_commit(rw);
}

void random_changes(struct random_work *rw)
{
	u64 n = below(rw, 6);

	while (n--) {
		switch (below(rw, 16)) {
		case 0:
			new_tree(rw);
			break;
		case 1 ... 2:
			resize_array(rw);
			break;
		case 3:
			copy_array(rw);
			break;
		case 4:
			copy_tree(rw);
			break;
		case 5 ... 7:
			change_bits(rw);
			break;
		case 8 ... 10:
			change_array(rw);
			break;
		default:
			change_tree(rw);
		}
	}
	if (below(rw, 12))
		return;
	world_reopen(&rw->w);
	rw->now = rw->committed;
}

void random_commit(struct random_work *rw)
{
	rw->w.roots[NUMBER].word = ++rw->now.commits;
	CHECK_OK(world_commit(&rw->w));
	rw->committed = rw->now;
}

void random_end(struct random_work *rw)
{
	world_close(&rw->w);
}
