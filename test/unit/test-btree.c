// SPDX-License-Identifier: GPL-2.0-only
/*
 * The btree against a sorted list of keys: one to three levels, values of several sizes, snapshots
 * that share nodes, values that are references, damaged nodes.
 */
#include <linux/crc32c.h>

#include "pd-world.h"

/*----- a model: key tuples to numbers -----*/

#define MAX_LEVELS 3

struct entry {
	u64 keys[MAX_LEVELS];
	u64 value;
};

struct model {
	unsigned int levels;
	struct entry *e;
	unsigned int nr, max;
};

static int compare(const struct model *m, const u64 *a, const u64 *b)
{
	unsigned int i;

	for (i = 0; i < m->levels; i++)
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;
	return 0;
}

/* First entry not below @keys. */
static unsigned int model_find(const struct model *m, const u64 *keys)
{
	unsigned int lo = 0, hi = m->nr;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (compare(m, m->e[mid].keys, keys) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool model_has(const struct model *m, const u64 *keys, unsigned int *i)
{
	*i = model_find(m, keys);
	return *i < m->nr && !compare(m, m->e[*i].keys, keys);
}

static void model_set(struct model *m, const u64 *keys, u64 value)
{
	unsigned int i;

	if (!model_has(m, keys, &i)) {
		if (m->nr == m->max) {
			m->max = m->max ? 2 * m->max : 256;
			m->e = realloc(m->e, m->max * sizeof(*m->e));
		}
		memmove(m->e + i + 1, m->e + i, (m->nr - i) * sizeof(*m->e));
		memcpy(m->e[i].keys, keys, m->levels * sizeof(*keys));
		m->nr++;
	}
	m->e[i].value = value;
}

static void model_remove(struct model *m, unsigned int i)
{
	memmove(m->e + i, m->e + i + 1, (m->nr - i - 1) * sizeof(*m->e));
	m->nr--;
}

static struct model model_copy(const struct model *m)
{
	struct model c = *m;

	c.e = malloc(m->max * sizeof(*m->e));
	memcpy(c.e, m->e, m->nr * sizeof(*m->e));
	return c;
}

/*----- the tree beside it -----*/

struct tree {
	struct dmc_btree_info info;
	struct model m;
	mblock_t root;
};

/* A value of any size, made of a number. */
static void make_value(struct tree *t, u64 v, u8 *out)
{
	u32 i;

	for (i = 0; i < t->info.value_type.size; i++)
		out[i] = v >> 8 * (i % 8) ^ (i / 8 * 37);
}

static void check_value(struct tree *t, const void *value, u64 v)
{
	u8 want[DMC_BTREE_MAX_VALUE];

	make_value(t, v, want);
	CHECK(!memcmp(value, want, t->info.value_type.size));
}

static struct tree tree_new(struct world *w, unsigned int levels, u32 size)
{
	struct tree t = { .info = { .tm = w->tm, .levels = levels, .value_type.size = size },
			  .m.levels = levels };

	CHECK_OK(dmc_btree_empty(&t.info, &t.root));
	return t;
}

static void tree_free(struct tree *t)
{
	CHECK_OK(dmc_btree_del(&t->info, t->root));
	free(t->m.e);
}

static void tree_insert(struct tree *t, const u64 *keys, u64 v)
{
	u8 value[DMC_BTREE_MAX_VALUE];
	bool inserted;
	unsigned int i;

	make_value(t, v, value);
	CHECK_OK(dmc_btree_insert(&t->info, t->root, keys, value, &t->root, &inserted));
	CHECK_EQ(inserted, !model_has(&t->m, keys, &i));
	model_set(&t->m, keys, v);
}

static void tree_remove(struct tree *t, const u64 *keys)
{
	mblock_t before = t->root;
	unsigned int i;

	if (model_has(&t->m, keys, &i)) {
		CHECK_OK(dmc_btree_remove(&t->info, t->root, keys, &t->root));
		model_remove(&t->m, i);
	} else {
		CHECK_EQ(dmc_btree_remove(&t->info, t->root, keys, &t->root), DMC_NO_ENTRY);
		CHECK_EQ(t->root, before);
	}
}

static void tree_lookup(struct tree *t, const u64 *keys)
{
	u8 value[DMC_BTREE_MAX_VALUE];
	unsigned int i;
	int r = dmc_btree_lookup(&t->info, t->root, keys, value);

	if (!model_has(&t->m, keys, &i)) {
		CHECK_EQ(r, DMC_NO_ENTRY);
		return;
	}
	CHECK_OK(r);
	check_value(t, value, t->m.e[i].value);
}

static void tree_lookup_next(struct tree *t, const u64 *keys)
{
	u8 value[DMC_BTREE_MAX_VALUE];
	unsigned int i = model_find(&t->m, keys);
	u64 rkey;
	int r = dmc_btree_lookup_next(&t->info, t->root, keys, &rkey, value);

	/* The next entry must be in the same inner tree. */
	if (i == t->m.nr || memcmp(t->m.e[i].keys, keys, (t->m.levels - 1) * sizeof(u64))) {
		CHECK_EQ(r, DMC_NO_ENTRY);
		return;
	}
	CHECK_OK(r);
	CHECK_EQ(rkey, t->m.e[i].keys[t->m.levels - 1]);
	check_value(t, value, t->m.e[i].value);
}

struct walker {
	struct tree *t;
	unsigned int i;
};

static int walk_entry(void *ctx, const u64 *keys, const void *value)
{
	struct walker *w = ctx;

	CHECK(w->i < w->t->m.nr);
	CHECK(!compare(&w->t->m, w->t->m.e[w->i].keys, keys));
	check_value(w->t, value, w->t->m.e[w->i].value);
	w->i++;
	return 0;
}

static void tree_check(struct tree *t)
{
	struct walker w = { .t = t };
	struct dmc_btree_cursor c;
	u64 key;
	int r;

	CHECK_OK(dmc_btree_walk(&t->info, t->root, walk_entry, &w));
	CHECK_EQ(w.i, t->m.nr);
	if (t->info.levels > 1)
		return;

	r = dmc_btree_cursor_begin(&t->info, t->root, &c);
	for (w.i = 0; !r; r = dmc_btree_cursor_next(&c)) {
		key = dmc_btree_cursor_key(&c);
		walk_entry(&w, &key, dmc_btree_cursor_value(&c));
	}
	dmc_btree_cursor_end(&c);
	CHECK_EQ(r, DMC_NO_ENTRY);
	CHECK_EQ(w.i, t->m.nr);

	r = dmc_btree_lowest(&t->info, t->root, &key);
	CHECK_EQ(r, t->m.nr ? 0 : DMC_NO_ENTRY);
	if (!r)
		CHECK_EQ(key, t->m.e[0].keys[0]);
	r = dmc_btree_highest(&t->info, t->root, &key);
	CHECK_EQ(r, t->m.nr ? 0 : DMC_NO_ENTRY);
	if (!r)
		CHECK_EQ(key, t->m.e[t->m.nr - 1].keys[0]);
}

static enum root_kind kind_of(struct tree *t)
{
	return t->info.levels == 1 ? ROOT_TREE1 : t->info.levels == 2 ? ROOT_TREE2 : ROOT_TREE3;
}

static void tree_commit(struct world *w, struct tree *t)
{
	w->roots[0] = (struct world_root) { kind_of(t), t->root };
	world_check(w);
}

/*----- tests -----*/

static void in_order(struct world *w, unsigned int n, u64 (*key_of)(unsigned int i, unsigned int n))
{
	struct tree t = tree_new(w, 1, 8);
	unsigned int i;
	u64 key;

	for (i = 0; i < n; i++) {
		key = key_of(i, n);
		tree_insert(&t, &key, i);
	}
	tree_check(&t);
	tree_commit(w, &t);
	for (i = 0; i < n; i++) {
		key = key_of(i, n);
		tree_lookup(&t, &key);
		tree_remove(&t, &key);
		if (i % 997 == 0) {
			tree_check(&t);
			tree_commit(w, &t);
		}
	}
	CHECK_EQ(t.m.nr, 0);
	tree_commit(w, &t);
	tree_free(&t);
	w->roots[0].kind = ROOT_NONE;
}

static u64 ascending(unsigned int i, unsigned int n)
{
	return i;
}

static u64 descending(unsigned int i, unsigned int n)
{
	return n - i;
}

/* Outwards from the middle; also the two ends of u64. */
static u64 zigzag(unsigned int i, unsigned int n)
{
	return i & 1 ? ~0ull - i : i;
}

static void test_orders(void)
{
	struct world w;

	world_create(&w, 1024);
	in_order(&w, 10000, ascending);
	in_order(&w, 10000, descending);
	in_order(&w, 10000, zigzag);
	world_destroy(&w);
}

/* Ascending insertion, as arrays do it, must not leave nodes half empty. */
static void test_density(void)
{
	struct world w;
	struct tree t;
	u64 before, key;

	world_create(&w, 1024);
	before = dmc_tm_nr_free(w.tm);
	t = tree_new(&w, 1, 8);
	for (key = 0; key < 252 * 40; key++)
		tree_insert(&t, &key, key);
	CHECK_MSG(before - dmc_tm_nr_free(w.tm) <= 62, "%llu blocks for 40 full ones",
		  before - dmc_tm_nr_free(w.tm));
	tree_free(&t);
	world_destroy(&w);
}

static void random_keys(struct tree *t, u64 *keys, u64 range)
{
	unsigned int i;

	for (i = 0; i < t->info.levels; i++)
		keys[i] = unit_below(i ? range : t->info.levels > 1 ? 12 : range);
}

static void random_op(struct tree *t, u64 range, unsigned int remove_percent)
{
	u64 keys[MAX_LEVELS];

	random_keys(t, keys, range);
	if (unit_below(100) < remove_percent)
		tree_remove(t, keys);
	else
		tree_insert(t, keys, unit_rand());
	if (!unit_below(4)) {
		random_keys(t, keys, range);
		tree_lookup(t, keys);
		tree_lookup_next(t, keys);
	}
}

static void random_test(unsigned int levels, u32 size, u64 range, unsigned int ops)
{
	struct world w;
	struct tree t;
	unsigned int i;

	unit_note("%u levels, value size %u", levels, size);
	world_create(&w, 4096);
	t = tree_new(&w, levels, size);
	for (i = 0; i < ops; i++) {
		/* Waves of growing and shrinking, down to nearly nothing. */
		random_op(&t, range, i / (ops / 6) & 1 ? 85 : 30);
		if (i % 2500 == 0) {
			tree_check(&t);
			tree_commit(&w, &t);
			world_reopen(&w);
			t.info.tm = w.tm;
			CHECK_EQ(t.root, w.roots[0].block);
		}
	}
	tree_check(&t);
	tree_commit(&w, &t);
	tree_free(&t);
	w.roots[0].kind = ROOT_NONE;
	world_check(&w);
	world_destroy(&w);
}

static void test_random_1(void)
{
	random_test(1, 8, 20000, 60000);
}

static void test_random_sizes(void)
{
	static const u32 sizes[] = { 1, 4, 16, 24, 128 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		random_test(1, sizes[i], 5000, 15000);
}

static void test_random_2(void)
{
	random_test(2, 8, 2000, 60000);
}

static void test_random_3(void)
{
	random_test(3, 4, 40, 40000);
}

static void test_early_writes(void)
{
	shim_bufio_set_early_writes(3);
	shim_bufio_set_cache(20);
	random_test(2, 8, 1000, 15000);
	shim_bufio_set_early_writes(0);
	shim_bufio_set_cache(64);
}

/* Snapshots: roots with a second reference keep what they had, whatever happens to the other. */
static void snapshots(unsigned int levels)
{
	struct tree t[4];
	struct world w;
	unsigned int i, j, round;

	world_create(&w, 8192);
	t[0] = tree_new(&w, levels, 8);
	for (i = 0; i < 8000; i++)
		random_op(&t[0], 3000, 20);
	for (i = 1; i < 4; i++) {
		t[i] = t[0];
		t[i].m = model_copy(&t[0].m);
		CHECK_OK(dmc_tm_inc(w.tm, t[0].root));
	}
	for (round = 0; round < 12; round++) {
		for (i = 0; i < 4; i++) {
			for (j = 0; j < 150 * i; j++)
				random_op(&t[i], 3000, 50);
			w.roots[i] = (struct world_root) { kind_of(&t[i]), t[i].root };
		}
		for (i = 0; i < 4; i++)
			tree_check(&t[i]);
		world_check(&w);
		/* Also a snapshot within a transaction. */
		j = 1 + unit_below(3);
		tree_free(&t[j]);
		t[j] = t[0];
		t[j].m = model_copy(&t[0].m);
		CHECK_OK(dmc_tm_inc(w.tm, t[0].root));
		random_op(&t[0], 3000, 50);
	}
	for (i = 0; i < 4; i++) {
		tree_free(&t[i]);
		w.roots[i].kind = ROOT_NONE;
	}
	world_check(&w);
	world_destroy(&w);
}

static void test_snapshots(void)
{
	snapshots(1);
	snapshots(2);
}

/*----- values that are references -----*/

#define NR_THINGS 64
static int things[NR_THINGS];

static int thing_inc(void *ctx, const void *value)
{
	__le64 v;

	memcpy(&v, value, 8);
	things[le64_to_cpu(v)]++;
	return 0;
}

static int thing_dec(void *ctx, const void *value)
{
	__le64 v;

	memcpy(&v, value, 8);
	CHECK(things[le64_to_cpu(v)]-- > 0);
	return 0;
}

static bool thing_equal(void *ctx, const void *a, const void *b)
{
	return !memcmp(a, b, 8);
}

/* What the tree holds is what was handed to it and not given back. */
static int count_thing(void *ctx, const u64 *keys, const void *value)
{
	__le64 v;

	memcpy(&v, value, 8);
	((int *)ctx)[le64_to_cpu(v)]++;
	return 0;
}

static void test_references(void)
{
	struct dmc_btree_info info = { .levels = 2, .value_type = {
		.size = 8, .inc = thing_inc, .dec = thing_dec, .equal = thing_equal } };
	int held[NR_THINGS] = { 0 };
	mblock_t root, copy = 0;
	struct world w;
	unsigned int i;

	memset(things, 0, sizeof(things));
	world_create(&w, 4096);
	info.tm = w.tm;
	CHECK_OK(dmc_btree_empty(&info, &root));
	for (i = 0; i < 20000; i++) {
		u64 keys[2] = { unit_below(5), unit_below(700) }, thing = unit_below(NR_THINGS);
		__le64 v = cpu_to_le64(thing), old;
		int r;

		if (i == 10000) {
			copy = root;
			CHECK_OK(dmc_tm_inc(w.tm, root));
		}
		if (unit_below(3)) {
			r = dmc_btree_lookup(&info, root, keys, &old);
			if (!r && old == v)
				continue;	/* an equal value is not taken over */
			things[thing]++;
			CHECK_OK(dmc_btree_insert(&info, root, keys, &v, &root, NULL));
		} else {
			r = dmc_btree_remove(&info, root, keys, &root);
			CHECK(!r || r == DMC_NO_ENTRY);
		}
	}
	/*
	 * Nodes shared by the copies hold their values once: only count what each delete gives
	 * back.
	 */
	CHECK_OK(dmc_btree_del(&info, copy));
	CHECK_OK(dmc_btree_walk(&info, root, count_thing, held));
	CHECK(!memcmp(held, things, sizeof(held)));
	CHECK_OK(dmc_btree_del(&info, root));
	for (i = 0; i < NR_THINGS; i++)
		CHECK_EQ(things[i], 0);
	world_check(&w);
	world_destroy(&w);
}

/*----- arguments -----*/

static void test_arguments(void)
{
	struct world w;
	struct tree t;
	u64 keys[5] = { 1, 2, 3, 4, 5 }, v = 1;
	mblock_t root;

	world_create(&w, 128);
	t = tree_new(&w, 1, 8);
	t.info.levels = 0;
	CHECK_EQ(dmc_btree_insert(&t.info, t.root, keys, &v, &root, NULL), -EINVAL);
	CHECK_EQ(dmc_btree_remove(&t.info, t.root, keys, &root), -EINVAL);
	CHECK_EQ(dmc_btree_lookup(&t.info, t.root, keys, &v), -EINVAL);
	CHECK_EQ(dmc_btree_lookup_next(&t.info, t.root, keys, &v, &v), -EINVAL);
	t.info.levels = DMC_BTREE_MAX_LEVELS + 1;
	CHECK_EQ(dmc_btree_empty(&t.info, &root), -EINVAL);
	t.info.levels = 1;
	t.info.value_type.size = 0;
	CHECK_EQ(dmc_btree_walk(&t.info, t.root, walk_entry, NULL), -EINVAL);
	t.info.value_type.size = DMC_BTREE_MAX_VALUE + 1;
	CHECK_EQ(dmc_btree_del(&t.info, t.root), -EINVAL);
	t.info.value_type.size = 8;
	/* None of these spoiled the transaction. */
	tree_commit(&w, &t);
	/* A tree with other values: refused. */
	t.info.value_type.size = 16;
	CHECK_EQ(dmc_btree_lookup(&t.info, t.root, keys, &v), -EILSEQ);
	CHECK_EQ(dmc_btree_lookup(&t.info, 0, keys, &v), -EILSEQ);
	CHECK_EQ(dmc_btree_lookup(&t.info, 128, keys, &v), -EILSEQ);
	CHECK_EQ(dmc_btree_lookup(&t.info, 1ull << 60, keys, &v), -EILSEQ);
	CHECK_EQ(dmc_btree_lookup(&t.info, 100, keys, &v), -EILSEQ);	/* free */
	world_destroy(&w);
	free(t.m.e);
}

/*----- damage -----*/

static int ignore_entry(void *ctx, const u64 *keys, const void *value)
{
	return ++*(u64 *)ctx > 1000000 ? -E2BIG : 0;
}

/*
 * Everything that can be done with a tree; only that it ends, and lets go of everything, matters.
 */
static void use_damaged(struct shim_disk *disk)
{
	struct dmc_btree_info info = { .levels = 2, .value_type.size = 8 };
	struct dmc_btree_cursor c;
	u64 keys[2], v, rkey, count = 0;
	struct world w;
	mblock_t root;
	int i, r;

	if (world_open(&w, disk))
		return;
	info.tm = w.tm;
	root = w.roots[0].block;
	r = dmc_btree_walk(&info, root, ignore_entry, &count);
	CHECK(r != -E2BIG);
	for (i = 0; i < 20; i++) {
		keys[0] = unit_below(4);
		keys[1] = unit_below(2500);
		dmc_btree_lookup(&info, root, keys, &v);
		dmc_btree_lookup_next(&info, root, keys, &rkey, &v);
		if (!dmc_btree_insert(&info, root, keys, &v, &root, NULL))
			dmc_btree_remove(&info, root, keys, &root);
		keys[1] = unit_below(2500);
		dmc_btree_remove(&info, root, keys, &root);
	}
	info.levels = 1;
	dmc_btree_lowest(&info, root, &rkey);
	dmc_btree_highest(&info, root, &rkey);
	r = dmc_btree_cursor_begin(&info, root, &c);
	for (count = 0; !r && count < 100000; count++)
		r = dmc_btree_cursor_next(&c);
	dmc_btree_cursor_end(&c);
	info.levels = 2;
	dmc_btree_del(&info, root);
	world_commit(&w);
	world_close(&w);
}

static void mend_checksum(u8 *block, u64 b)
{
	static const u32 salts[] = { 9031977, 121107, 160478, 240779, 595846735 };
	u32 was = get_unaligned_le32(block), raw = crc32c(~0u, block + 4, 4092);
	static u32 salt_of[1024];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(salts) && !salt_of[b]; i++)
		if (was == (raw ^ salts[i]))
			salt_of[b] = salts[i];
	put_unaligned_le32(raw ^ salt_of[b], block);
}

static const u8 odd[] = { 0, 1, 2, 3, 0x7f, 0x80, 0xfe, 0xff };

static void damage(struct shim_disk *d, struct world_root *root, u64 nr)
{
	unsigned int n = 1 + unit_below(3), i;
	u64 b, at, v;

	for (i = 0; i < n; i++) {
		b = unit_below(3) ? 1 + unit_below(nr) : root->block;
		switch (unit_below(4)) {
		case 0:		/* header */
			at = 4 + unit_below(28);
			d->data[b * 4096 + at] = odd[unit_below(sizeof(odd))];
			break;
		case 1:		/* a value, maybe: another block */
			at = 32 + 2016 + 8 * unit_below(252);
			put_unaligned_le64(1 + unit_below(nr + 2), d->data + b * 4096 + at);
			break;
		case 2:		/* a key */
			at = 32 + 8 * unit_below(20);
			v = unit_below(2) ? unit_below(3000) : unit_rand();
			put_unaligned_le64(v, d->data + b * 4096 + at);
			break;
		default:
			at = 4 + unit_below(4092);
			d->data[b * 4096 + at] = unit_rand();
		}
		put_unaligned_le64(b, d->data + b * 4096 + 8);
		mend_checksum(d->data + b * 4096, b);
	}
}

static void test_damage(void)
{
	struct shim_disk *scratch;
	unsigned int i;
	struct world w;
	struct tree t;
	u64 b;

	world_create(&w, 256);
	t = tree_new(&w, 2, 8);
	for (i = 0; i < 9000; i++)
		random_op(&t, 2500, 10);
	tree_commit(&w, &t);
	world_close(&w);
	for (b = 0; b < 256; b++)
		mend_checksum(w.disk->data + b * 4096, b);	/* learns the salts */
	scratch = disk_clone(w.disk);
	for (i = 0; i < 4000; i++) {
		unit_note("round %u", i);
		memcpy(scratch->data, w.disk->data, 256 * 4096);
		damage(scratch, &w.roots[0], 120);
		use_damaged(scratch);
	}
	disk_free(scratch);
	free(t.m.e);
	world_destroy(&w);
}

/*----- exact damage -----*/

static void seal(struct shim_disk *d, u64 b)
{
	u8 *p = d->data + b * 4096;

	put_unaligned_le32(crc32c(~0u, p + 4, 4092) ^ 121107, p);
}

#define KEY_AT(i) (32 + 8 * (i))
#define VALUE_AT(i) (32 + 2016 + 8 * (i))

struct edit {
	const char *what;
	bool child;		/* in child 1 of the root, else in the root */
	u32 at;
	u64 value;
	u64 sought;		/* a key that a lookup of finds the damage */
};

static void check_edit(struct shim_disk *good, u64 root, const struct edit *e)
{
	struct dmc_btree_info info = { .levels = 1, .value_type.size = 8 };
	u64 child = get_unaligned_le64(good->data + root * 4096 + VALUE_AT(1)), count = 0, v;
	struct shim_disk *d = disk_clone(good);
	u64 b = e->child ? child : root, key = e->sought;
	struct world w;

	unit_note("%s", e->what);
	put_unaligned_le64(e->value, d->data + b * 4096 + e->at);
	seal(d, b);
	CHECK_OK(world_open(&w, d));
	info.tm = w.tm;
	CHECK_EQ(dmc_btree_walk(&info, root, ignore_entry, &count), -EILSEQ);
	CHECK_EQ(dmc_btree_lookup(&info, root, &key, &v), -EILSEQ);
	CHECK_EQ(dmc_btree_insert(&info, root, &key, &v, &root, NULL), -EILSEQ);
	CHECK_EQ(world_commit(&w), -EIO);
	world_close(&w);
	disk_free(d);
}

/* A root of an internal node and some leaves: each thing that a node can be wrong about. */
static void test_exact_damage(void)
{
	struct world w;
	struct tree t;
	u64 i, leaf, header, first[3];

	world_create(&w, 100);
	t = tree_new(&w, 1, 8);
	for (i = 0; i < 1000; i++) {
		u64 key = 10 * i + 1000;

		tree_insert(&t, &key, i);
	}
	tree_commit(&w, &t);
	world_close(&w);
	leaf = get_unaligned_le64(w.disk->data + t.root * 4096 + VALUE_AT(1));
	for (i = 0; i < 3; i++)
		first[i] = get_unaligned_le64(w.disk->data + t.root * 4096 + KEY_AT(i));
	header = get_unaligned_le64(w.disk->data + leaf * 4096 + 16);	/* nr, max */
	{
		const struct edit edits[] = {
			{ "first key below the parent's", true, KEY_AT(0), first[1] - 1, first[1] },
			{ "last key reaches into the next child", true, KEY_AT((u32)header - 1),
			  first[2], first[1] },
			{ "keys not ascending", true, KEY_AT(5), first[1], first[1] },
			{ "keys equal", true, KEY_AT(1), first[1], first[1] },
			{ "parent's keys not ascending", false, KEY_AT(1), first[2], first[1] },
			{ "child 0", false, VALUE_AT(1), 0, first[1] },
			{ "child out of range", false, VALUE_AT(1), 100, first[1] },
			{ "child far out of range", false, VALUE_AT(1), 1ull << 40, first[1] },
			{ "child is the root", false, VALUE_AT(1), t.root, first[1] },
			{ "child is another's", false, VALUE_AT(1),
			  get_unaligned_le64(w.disk->data + t.root * 4096 + VALUE_AT(0)),
			  first[1] },
			{ "no entry", true, 16, header & ~0xffffffffull, first[1] },
			{ "more entries than room", true, 16, (header & ~0xffffffffull) | 253,
			  first[1] },
			{ "room beyond the block", true, 16, header + (3ull << 32), first[1] },
			{ "room that overflows", true, 16, header | 0x10000000ull << 32, first[1] },
			{ "values of 4", true, 24, 4, first[1] },
			{ "values of 0", true, 24, 0, first[1] },
			{ "values of 2^32 - 1", true, 24, 0xffffffff, first[1] },
			{ "internal with values of 4", false, 24, 4, first[1] },
		};

		for (i = 0; i < ARRAY_SIZE(edits); i++)
			check_edit(w.disk, t.root, &edits[i]);
	}
	world_destroy(&w);
	free(t.m.e);
}

/* Internal nodes in a ring of one and of two: one entry each, so that the keys fit. */
static void test_cycles(void)
{
	struct dmc_btree_info info = { .levels = 1, .value_type.size = 8 };
	u64 key = 5, v, rkey, count;
	struct dmc_btree_cursor c;
	unsigned int ring, i;
	struct world w;
	mblock_t b[2];

	for (ring = 1; ring <= 2; ring++) {
		world_create(&w, 100);
		info.tm = w.tm;
		for (i = 0; i < ring; i++) {
			CHECK_OK(dmc_btree_empty(&info, &b[i]));
			CHECK_OK(dmc_btree_insert(&info, b[i], &key, &key, &b[i], NULL));
			w.roots[i] = (struct world_root) { ROOT_TREE1, b[i] };
		}
		CHECK_OK(world_commit(&w));
		world_close(&w);
		for (i = 0; i < ring; i++) {
			u8 *p = w.disk->data + b[i] * 4096;

			put_unaligned_le32(1, p + 4);
			put_unaligned_le64(b[(i + 1) % ring], p + VALUE_AT(0));
			seal(w.disk, b[i]);
		}
		CHECK_OK(world_open(&w, w.disk));
		info.tm = w.tm;
		count = 0;
		CHECK_EQ(dmc_btree_lookup(&info, b[0], &key, &v), -EILSEQ);
		CHECK_EQ(dmc_btree_lookup_next(&info, b[0], &key, &rkey, &v), -EILSEQ);
		CHECK_EQ(dmc_btree_lowest(&info, b[0], &rkey), -EILSEQ);
		CHECK_EQ(dmc_btree_highest(&info, b[0], &rkey), -EILSEQ);
		CHECK_EQ(dmc_btree_walk(&info, b[0], ignore_entry, &count), -EILSEQ);
		CHECK_EQ(dmc_btree_cursor_begin(&info, b[0], &c), -EILSEQ);
		dmc_btree_cursor_end(&c);
		CHECK_EQ(dmc_btree_remove(&info, b[0], &key, &b[0]), -EILSEQ);
		CHECK_EQ(dmc_btree_del(&info, b[0]), -EILSEQ);
		CHECK(dmc_btree_insert(&info, b[0], &key, &v, &b[0], NULL) < 0);
		world_close(&w);
		disk_free(w.disk);
	}
}

/* Leaves at two depths: a walk sees it. */
static void test_uneven(void)
{
	struct dmc_btree_info info = { .levels = 1, .value_type.size = 8 };
	u64 inner, count = 0;
	struct world w;
	struct tree t;
	u64 i;

	world_create(&w, 1500);
	t = tree_new(&w, 1, 8);
	for (i = 0; i < 60000; i++)
		tree_insert(&t, &i, i);
	tree_commit(&w, &t);
	world_close(&w);
	/* The first child of the root is replaced by its own first child, a leaf. */
	inner = get_unaligned_le64(w.disk->data + t.root * 4096 + VALUE_AT(0));
	CHECK_EQ(get_unaligned_le32(w.disk->data + inner * 4096 + 4), 1);
	put_unaligned_le64(get_unaligned_le64(w.disk->data + inner * 4096 + VALUE_AT(0)),
			   w.disk->data + t.root * 4096 + VALUE_AT(0));
	seal(w.disk, t.root);
	CHECK_OK(world_open(&w, w.disk));
	info.tm = w.tm;
	CHECK_EQ(dmc_btree_walk(&info, t.root, ignore_entry, &count), -EILSEQ);
	/* Whatever comes of it: a single path does not show it. */
	for (i = 0; i < 200; i++)
		dmc_btree_remove(&info, t.root, &i, &t.root);
	world_close(&w);
	disk_free(w.disk);
	free(t.m.e);
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "ascending, descending, from both ends", test_orders },
		{ "ascending insertion packs nodes", test_density },
		{ "random operations, one level", test_random_1 },
		{ "random operations, values of 1 to 128 bytes", test_random_sizes },
		{ "random operations, two levels", test_random_2 },
		{ "random operations, three levels", test_random_3 },
		{ "random operations, small cache, early writes", test_early_writes },
		{ "snapshots share nodes", test_snapshots },
		{ "values that are references", test_references },
		{ "arguments that make no sense", test_arguments },
		{ "nodes that are wrong in one thing", test_exact_damage },
		{ "cycles", test_cycles },
		{ "leaves at two depths", test_uneven },
		{ "damaged nodes", test_damage },
		{ }
	};

	return unit_main(argc, argv, tests);
}
