// SPDX-License-Identifier: GPL-2.0-only
/*
 * The array against a plain one: resizes, snapshots, stale tails, updates that write only what
 * differs, elements that are references, damaged blocks, an image with a shared array block.
 */
#include <linux/crc32c.h>
#include <unistd.h>

#include "pd-world.h"

struct arr {
	struct dmc_array_info info;
	mblock_t root;
	u32 n;
	u64 *v;		/* the model; values cut to the size of an element */
};

#define MAX_N 30000

static u32 size_of(struct arr *a)
{
	return a->info.value_type.size;
}

static void put(struct arr *a, u64 x, u8 *out)
{
	u32 i;

	for (i = 0; i < size_of(a); i++)
		out[i] = x >> 8 * (i % 8) ^ i / 8;
}

static bool same(struct arr *a, const void *value, u64 x)
{
	u8 want[DMC_BTREE_MAX_VALUE];

	put(a, x, want);
	return !memcmp(value, want, size_of(a));
}

static void arr_new(struct arr *a, struct world *w, u32 size)
{
	struct dmc_btree_value_type vt = { .size = size };
	u8 value[DMC_BTREE_MAX_VALUE];

	memset(a, 0, sizeof(*a));
	dmc_array_info_init(&a->info, w->tm, &vt);
	CHECK_OK(dmc_array_empty(&a->info, &a->root));
	CHECK_EQ(dmc_array_get(&a->info, a->root, 0, value), DMC_NO_ENTRY);
	a->v = calloc(MAX_N, sizeof(u64));
}

static void arr_set(struct arr *a, u32 i, u64 x)
{
	u8 value[DMC_BTREE_MAX_VALUE];
	mblock_t before = a->root;

	put(a, x, value);
	if (i < a->n) {
		CHECK_OK(dmc_array_set(&a->info, a->root, i, value, &a->root));
		a->v[i] = x;
		CHECK_OK(dmc_array_get(&a->info, a->root, i, value));
		CHECK(same(a, value, x));
	} else if (i / ((4096 - 24) / size_of(a)) > a->n / ((4096 - 24) / size_of(a))) {
		CHECK_EQ(dmc_array_set(&a->info, a->root, i, value, &a->root), DMC_NO_ENTRY);
		CHECK_EQ(dmc_array_get(&a->info, a->root, i, value), DMC_NO_ENTRY);
		CHECK_EQ(a->root, before);
	}
}

static void arr_resize(struct arr *a, u32 n, u64 fill)
{
	u8 value[DMC_BTREE_MAX_VALUE];
	u32 i;

	put(a, fill, value);
	CHECK_OK(dmc_array_resize(&a->info, a->root, a->n, n, value, &a->root));
	for (i = a->n; i < n; i++)
		a->v[i] = fill;
	a->n = n;
	CHECK_EQ(dmc_array_get(&a->info, a->root, n, value), DMC_NO_ENTRY);
}

static int check_element(void *ctx, u32 i, const void *value)
{
	struct arr *a = ctx;

	CHECK(i < a->n && same(a, value, a->v[i]));
	return 0;
}

static int count_element(void *ctx, u32 i, const void *value)
{
	return ++*(u32 *)ctx == 1000 ? 7 : 0;
}

struct by_block {
	struct arr *a;
	u32 next;	/* element */
	u32 stop;	/* after so many blocks */
};

static int check_block(void *ctx, u32 first, u32 count, const void *values)
{
	struct by_block *b = ctx;
	u32 per = dmc_array_per_block(&b->a->info), i;

	CHECK(first == b->next && count == min(per, b->a->n - first));
	for (i = 0; i < count; i++)
		CHECK(same(b->a, values + i * size_of(b->a), b->a->v[first + i]));
	b->next += count;
	return --b->stop ? 0 : 7;
}

static void arr_check_by_block(struct arr *a)
{
	struct by_block all = { .a = a }, few = { .a = a, .stop = 2 };
	u32 per = dmc_array_per_block(&a->info);

	CHECK_OK(dmc_array_walk_blocks(&a->info, a->root, a->n, check_block, &all));
	CHECK_EQ(all.next, a->n);
	if (a->n <= per)
		return;
	CHECK_EQ(dmc_array_walk_blocks(&a->info, a->root, a->n, check_block, &few), 7);
	CHECK_EQ(few.next, min(2 * per, a->n));
}

static void arr_check(struct arr *a)
{
	u32 count = 0;

	arr_check_by_block(a);

	CHECK_OK(dmc_array_walk(&a->info, a->root, a->n, check_element, a));
	if (a->n >= 1000)
		CHECK_EQ(dmc_array_walk(&a->info, a->root, a->n, count_element, &count), 7);
	count = 1000;
	CHECK_EQ(dmc_array_walk(&a->info, a->root, a->n + 1, count_element, &count), -EILSEQ);
}

static int fill_element(void *ctx, u32 i, void *value)
{
	struct arr *a = ctx;

	put(a, a->v[i], value);
	return 0;
}

static int fill_block(void *ctx, u32 first, u32 count, void *values)
{
	struct arr *a = ctx;
	u32 per = dmc_array_per_block(&a->info), i;

	/* A whole array block, as far as the array goes. */
	CHECK(!(first % per) && count == min(per, a->n - first) && !((uintptr_t)values % 8));
	for (i = 0; i < count; i++)
		put(a, a->v[first + i], values + i * size_of(a));
	return 0;
}

static void arr_update(struct arr *a)
{
	u32 i, changes = unit_below(6);

	for (i = 0; a->n && i < changes; i++)
		a->v[unit_below(a->n)] = unit_rand();
	if (unit_below(2)) {
		/* Block by block, from any element of each. */
		u32 per = dmc_array_per_block(&a->info);

		for (i = 0; i < a->n; i += per)
			CHECK_OK(dmc_array_update_block(&a->info, a->root, a->n,
							i + unit_below(min(per, a->n - i)),
							fill_block, a, &a->root));
		CHECK_EQ(dmc_array_update_block(&a->info, a->root, a->n, a->n, fill_block, a,
						&a->root), DMC_NO_ENTRY);
		return;
	}
	CHECK_OK(dmc_array_update(&a->info, a->root, a->n, fill_element, a, &a->root));
}

static u64 get(struct arr *a, const u8 *in)
{
	u64 x = 0;
	u32 i;

	for (i = 0; i < min(size_of(a), 8U); i++)
		x |= (u64)in[i] << 8 * i;
	return x;
}

/* One key in three changes nothing. */
static u64 after_key(u64 x, u32 key)
{
	return x + (key % 3 ? key : 0);
}

static void change_element(void *ctx, u32 key, void *value)
{
	struct arr *a = ctx;

	CHECK(size_of(a) % 8 || !((uintptr_t)value % 8));
	put(a, after_key(get(a, value), key), value);
}

/* Few or many keys, in order or not, some of which share an element or come again. */
static void arr_change(struct arr *a)
{
	static u32 keys[3 * MAX_N];
	struct dmc_array_keys which = { .keys = keys, .per_element = 1 + unit_below(3) };
	const u32 one_in = unit_below(2) ? 5 : 2000, beyond = a->n * which.per_element;
	const bool shuffled = unit_below(2);
	mblock_t before = a->root;
	u32 i, key;

	for (i = 0; i < beyond; i++) {
		if (unit_below(one_in))
			continue;
		key = shuffled ? unit_below(beyond) : i;
		keys[which.nr++] = key;
		key /= which.per_element;
		a->v[key] = after_key(a->v[key], keys[which.nr - 1]);
	}
	CHECK_OK(dmc_array_change(&a->info, a->root, a->n, &which, change_element, a, &a->root));
	CHECK(which.nr || a->root == before);
	before = a->root;
	keys[which.nr++] = beyond;
	CHECK_EQ(dmc_array_change(&a->info, a->root, a->n, &which, change_element, a, &a->root),
		 DMC_NO_ENTRY);
	CHECK_EQ(a->root, before);
}

static u32 random_size(struct arr *a)
{
	u32 per = (4096 - 24) / size_of(a);

	switch (unit_below(4)) {
	case 0:
		return unit_below(MAX_N);
	case 1:	/* edges of blocks */
		return min_t(u32, per * unit_below(MAX_N / per) + unit_below(3), MAX_N - 1);
	case 2:
		return unit_below(3);
	default:
		return min_t(u32, a->n + unit_below(200), MAX_N - 1);
	}
}

static void random_test(u32 size, unsigned int rounds)
{
	struct arr a;
	struct world w;
	unsigned int i, j;

	unit_note("size %u", size);
	world_create(&w, 4000);
	arr_new(&a, &w, size);
	for (i = 0; i < rounds; i++) {
		if (!unit_below(3))
			arr_resize(&a, random_size(&a), unit_rand());
		if (!unit_below(4))
			arr_update(&a);
		if (!unit_below(4))
			arr_change(&a);
		for (j = unit_below(60); j; j--)
			arr_set(&a, unit_below(a.n + a.n / 8 + 1), unit_rand());
		if (!unit_below(4)) {
			arr_check(&a);
			w.roots[0] = (struct world_root) { ROOT_ARRAY, a.root };
			world_check(&w);
		}
		if (!unit_below(10)) {
			w.roots[0] = (struct world_root) { ROOT_ARRAY, a.root };
			CHECK_OK(world_commit(&w));
			world_reopen(&w);
			a.info.btree_info.tm = w.tm;
		}
	}
	arr_resize(&a, 0, 0);
	CHECK_OK(dmc_array_del(&a.info, a.root));
	w.roots[0].kind = ROOT_NONE;
	world_check(&w);
	world_destroy(&w);
	free(a.v);
}

static void test_random(void)
{
	random_test(8, 500);
}

static void test_random_sizes(void)
{
	random_test(1, 100);
	random_test(4, 150);
	random_test(12, 150);
	random_test(128, 60);
}

static void test_snapshots(void)
{
	struct arr a, b;
	struct world w;
	unsigned int i, round;

	world_create(&w, 2000);
	arr_new(&a, &w, 8);
	arr_resize(&a, 12345, 5);
	b = a;
	dmc_array_info_init(&b.info, w.tm, &a.info.value_type);
	b.v = malloc(MAX_N * 8);
	memcpy(b.v, a.v, MAX_N * 8);
	CHECK_OK(dmc_tm_inc(w.tm, a.root));
	for (round = 0; round < 10; round++) {
		for (i = 0; i < 10; i++) {
			arr_set(&a, unit_below(a.n), unit_rand());
			arr_set(&b, unit_below(b.n), unit_rand());
		}
		arr_resize(round & 1 ? &a : &b, 11000 + unit_below(3000), round);
		arr_update(&a);
		arr_check(&a);
		arr_check(&b);
		w.roots[0] = (struct world_root) { ROOT_ARRAY, a.root };
		w.roots[1] = (struct world_root) { ROOT_ARRAY, b.root };
		world_check(&w);
	}
	CHECK_OK(dmc_array_del(&a.info, a.root));
	w.roots[0].kind = ROOT_NONE;
	world_check(&w);
	arr_check(&b);
	world_destroy(&w);
	free(a.v);
	free(b.v);
}

/* Array blocks behind the end, as some kernels leave them, also with holes. */
static void add_tail(struct arr *a, struct world *w, u64 key)
{
	struct arr other;
	__le64 b;
	u64 zero = 0;

	arr_new(&other, w, 8);
	arr_resize(&other, 1 + unit_below(509), 0xdead);
	CHECK_OK(dmc_btree_lookup(&other.info.btree_info, other.root, &zero, &b));
	CHECK_OK(dmc_tm_inc(w->tm, le64_to_cpu(b)));
	CHECK_OK(dmc_array_del(&other.info, other.root));
	CHECK_OK(dmc_btree_insert(&a->info.btree_info, a->root, &key, &b, &a->root, NULL));
	free(other.v);
}

static void test_stale_tails(void)
{
	static const u32 sizes[] = { 0, 1, 508, 509, 510, 1017, 1018, 1019, 2000 };
	unsigned int from, to;

	for (from = 0; from < ARRAY_SIZE(sizes); from++) {
		for (to = 0; to < ARRAY_SIZE(sizes); to++) {
			u64 blocks = DIV_ROUND_UP(sizes[from], 509), key;
			struct world w;
			struct arr a;

			unit_note("%u to %u", sizes[from], sizes[to]);
			world_create(&w, 100);
			arr_new(&a, &w, 8);
			arr_resize(&a, sizes[from], 3);
			add_tail(&a, &w, blocks + unit_below(2));
			add_tail(&a, &w, blocks + 2 + unit_below(5));
			CHECK_OK(dmc_array_walk(&a.info, a.root, a.n, check_element, &a));
			arr_update(&a);
			w.roots[0] = (struct world_root) { ROOT_ARRAY, a.root };
			world_check(&w);
			arr_resize(&a, sizes[to], 4);
			arr_check(&a);
			if (a.n) {
				CHECK_OK(dmc_btree_highest(&a.info.btree_info, a.root, &key));
				CHECK_EQ(key, (a.n - 1) / 509);
			}
			w.roots[0].block = a.root;
			world_check(&w);
			world_destroy(&w);
			free(a.v);
		}
	}
}

static void change_little(struct arr *a, struct world *w)
{
	static const u32 keys[] = { 3, 6, 1017, 1018, 1019, 1020, 6000, 28000, 28001 };
	struct dmc_array_keys which = { .keys = keys, .nr = 2, .per_element = 1 };
	unsigned long writes = w->disk->count[DISK_WRITE];

	/* Keys that change nothing write nothing. */
	CHECK_OK(dmc_array_change(&a->info, a->root, a->n, &which, change_element, a, &a->root));
	CHECK_EQ(a->root, w->roots[0].block);
	CHECK_OK(world_commit(w));
	CHECK_EQ(w->disk->count[DISK_WRITE] - writes, 1);

	/* Of the blocks of 1017, of 1018 to 1020, of 6000, of 28000 the second and last change. */
	which.nr = ARRAY_SIZE(keys);
	a->v[1018] = after_key(a->v[1018], 1018);
	a->v[1019] = after_key(a->v[1019], 1019);
	a->v[28000] = after_key(a->v[28000], 28000);
	a->v[28001] = after_key(a->v[28001], 28001);
	writes = w->disk->count[DISK_WRITE];
	CHECK_OK(dmc_array_change(&a->info, a->root, a->n, &which, change_element, a, &a->root));
	w->roots[0].block = a->root;
	CHECK_OK(world_commit(w));
	CHECK_EQ(w->disk->count[DISK_WRITE] - writes, 6);
	arr_check(a);
}

/* Only array blocks that differ are written; a set of the same value writes nothing. */
static void test_writes_little(void)
{
	unsigned long writes;
	struct world w;
	struct arr a;
	u8 value[8];

	world_create(&w, 1000);
	arr_new(&a, &w, 8);
	arr_resize(&a, 29000, 1);
	w.roots[0] = (struct world_root) { ROOT_ARRAY, a.root };
	CHECK_OK(world_commit(&w));
	writes = w.disk->count[DISK_WRITE];
	CHECK_OK(dmc_array_update(&a.info, a.root, a.n, fill_element, &a, &a.root));
	put(&a, 1, value);
	CHECK_OK(dmc_array_set(&a.info, a.root, 20000, value, &a.root));
	CHECK_EQ(a.root, w.roots[0].block);
	CHECK_OK(world_commit(&w));
	CHECK_EQ(w.disk->count[DISK_WRITE] - writes, 1);

	/* Only the block that was asked for is looked at. */
	CHECK_EQ(dmc_array_per_block(&a.info), 509);
	a.v[508] = 5;
	a.v[509] = 6;
	a.v[1018] = 5;
	CHECK_OK(dmc_array_update_block(&a.info, a.root, a.n, 700, fill_block, &a, &a.root));
	CHECK_OK(dmc_array_get(&a.info, a.root, 509, value));
	CHECK(same(&a, value, 6));
	a.v[508] = a.v[1018] = 1;
	arr_check(&a);
	w.roots[0].block = a.root;
	CHECK_OK(world_commit(&w));

	a.v[100] = 7;
	a.v[28999] = 8;
	writes = w.disk->count[DISK_WRITE];
	CHECK_OK(dmc_array_update(&a.info, a.root, a.n, fill_element, &a, &a.root));
	w.roots[0].block = a.root;
	CHECK_OK(world_commit(&w));
	/* two array blocks, a leaf, a bitmap, the index, the superblock */
	CHECK_EQ(w.disk->count[DISK_WRITE] - writes, 6);
	arr_check(&a);
	change_little(&a, &w);
	world_destroy(&w);
	free(a.v);
}

/*----- elements that are references -----*/

static int owned;

static int own_inc(void *ctx, const void *value)
{
	owned++;
	return 0;
}

static int own_dec(void *ctx, const void *value)
{
	CHECK(owned-- > 0);
	return 0;
}

static void test_references(void)
{
	struct dmc_btree_value_type vt = { .size = 4, .inc = own_inc, .dec = own_dec };
	struct dmc_array_info info;
	__le32 v = cpu_to_le32(9);
	mblock_t root, copy;
	struct world w;
	unsigned int i;

	world_create(&w, 1000);
	dmc_array_info_init(&info, w.tm, &vt);
	CHECK_OK(dmc_array_empty(&info, &root));
	CHECK_OK(dmc_array_resize(&info, root, 0, 5000, &v, &root));
	owned = 5000;	/* the defaults count as handed over */
	for (i = 0; i < 100; i++) {
		owned++;
		CHECK_OK(dmc_array_set(&info, root, unit_below(5000), &v, &root));
		CHECK_EQ(owned, 5000);
	}
	copy = root;
	CHECK_OK(dmc_tm_inc(w.tm, root));
	owned++;
	CHECK_OK(dmc_array_set(&info, root, 2000, &v, &root));
	/* One array block of 1018 is there twice now. */
	CHECK_EQ(owned, 5000 + 1018);
	CHECK_OK(dmc_array_resize(&info, root, 5000, 1500, &v, &root));
	CHECK_EQ(owned, 5000 + 482);	/* cut to 482 in its copy */
	CHECK_OK(dmc_array_del(&info, copy));
	CHECK_EQ(owned, 1500);
	CHECK_EQ(dmc_array_update(&info, root, 1500, fill_element, NULL, &root), -EINVAL);
	CHECK_EQ(dmc_array_change(&info, root, 1500, &(struct dmc_array_keys){ .per_element = 1 },
				  change_element, NULL, &root), -EINVAL);
	CHECK_OK(dmc_array_del(&info, root));
	CHECK_EQ(owned, 0);
	world_check(&w);
	world_destroy(&w);
}

/*----- errors -----*/

static int fail_fill(void *ctx, u32 i, void *value)
{
	memset(value, 1, 8);
	return i == 600 ? -EPROTO : 0;
}

static void test_errors(void)
{
	const struct dmc_array_keys short_of = { .keys = (u32[]) { 1, 1000 }, .nr = 2,
						 .per_element = 1 };
	struct dmc_btree_value_type vt = { .size = 0 };
	struct world w;
	struct arr a;
	u8 value[8] = { 0 };
	mblock_t root;

	world_create(&w, 300);
	dmc_array_info_init(&a.info, w.tm, &vt);
	CHECK_EQ(dmc_array_empty(&a.info, &root), -EINVAL);
	vt.size = DMC_BTREE_MAX_VALUE + 1;
	dmc_array_info_init(&a.info, w.tm, &vt);
	CHECK_EQ(dmc_array_empty(&a.info, &root), -EINVAL);
	arr_new(&a, &w, 8);
	arr_resize(&a, 1000, 1);
	w.roots[0] = (struct world_root) { ROOT_ARRAY, a.root };
	CHECK_OK(world_commit(&w));
	/* Other kinds of block where an array block or root should be. */
	CHECK_EQ(dmc_array_get(&a.info, 0, 0, value), -EILSEQ);
	CHECK_EQ(dmc_array_get(&a.info, 299, 0, value), -EILSEQ);
	CHECK_EQ(dmc_array_get(&a.info, 1ull << 40, 0, value), -EILSEQ);
	/* Longer than it is. */
	CHECK_EQ(dmc_array_walk(&a.info, a.root, 1001, count_element, &(u32){ 5000 }), -EILSEQ);
	CHECK_EQ(dmc_array_walk(&a.info, a.root, U32_MAX, count_element, &(u32){ 5000 }), -EILSEQ);
	CHECK_OK(world_commit(&w));
	CHECK_EQ(dmc_array_update(&a.info, a.root, 1000, fail_fill, NULL, &root), -EPROTO);
	CHECK_EQ(world_commit(&w), -EIO);
	world_reopen(&w);
	a.info.btree_info.tm = w.tm;
	CHECK_EQ(dmc_array_update(&a.info, a.root, 1001, fill_element, &a, &root), -EILSEQ);
	world_reopen(&w);
	a.info.btree_info.tm = w.tm;
	CHECK_EQ(dmc_array_change(&a.info, a.root, 1001, &short_of, change_element, &a, &root),
		 -EILSEQ);
	CHECK_EQ(world_commit(&w), -EIO);
	world_reopen(&w);
	a.info.btree_info.tm = w.tm;
	CHECK_EQ(dmc_array_resize(&a.info, a.root, 2000, 3000, value, &root), -EILSEQ);
	world_reopen(&w);
	a.info.btree_info.tm = w.tm;
	CHECK_EQ(dmc_array_resize(&a.info, a.root, 1000, U32_MAX, value, &root), -ENOSPC);
	CHECK_EQ(world_commit(&w), -EIO);
	world_reopen(&w);
	a.info.btree_info.tm = w.tm;
	arr_check(&a);
	a.info.value_type.size = 4;
	CHECK_EQ(dmc_array_get(&a.info, a.root, 0, value), -EILSEQ);
	world_destroy(&w);
	free(a.v);
}

/*----- damage: anything may come out, as long as it ends and lets go -----*/

static void damage_array(struct shim_disk *d, u64 nr)
{
	unsigned int n = 1 + unit_below(3), tries = 0;

	while (n && tries++ < 1000) {
		u64 b = 1 + unit_below(nr);
		u8 *p = d->data + b * 4096;
		bool array = get_unaligned_le32(p) == (crc32c(~0u, p + 4, 4092) ^ 595846735);
		bool node = get_unaligned_le32(p) == (crc32c(~0u, p + 4, 4092) ^ 121107);

		if (!array && !node)
			continue;
		if (unit_below(2))
			p[4 + unit_below(28)] = unit_below(2) ? unit_rand() : 0xff;
		else if (node)
			put_unaligned_le64(unit_below(nr + 2), p + 32 + 2016 + 8 * unit_below(60));
		put_unaligned_le32(crc32c(~0u, p + 4, 4092) ^ (array ? 595846735 : 121107), p);
		n--;
	}
}

static void test_damage(void)
{
	const struct dmc_array_keys some = { .keys = (u32[]) { 1, 511, 2000, 20000 }, .nr = 4,
					     .per_element = 1 };
	struct shim_disk *scratch;
	struct world w, v;
	struct arr a;
	unsigned int i;

	world_create(&w, 150);
	arr_new(&a, &w, 8);
	arr_resize(&a, 29000, 1);
	w.roots[0] = (struct world_root) { ROOT_ARRAY, a.root };
	world_check(&w);
	world_close(&w);
	scratch = disk_clone(w.disk);
	for (i = 0; i < 1000; i++) {
		mblock_t root = a.root;
		u8 value[8];
		u32 count = 10000;
		int j;

		unit_note("round %u", i);
		memcpy(scratch->data, w.disk->data, 150 * 4096);
		damage_array(scratch, 70);
		if (world_open(&v, scratch))
			continue;
		a.info.btree_info.tm = v.tm;
		dmc_array_walk(&a.info, root, a.n, count_element, &count);
		for (j = 0; j < 10; j++) {
			dmc_array_get(&a.info, root, unit_below(a.n + 100), value);
			dmc_array_set(&a.info, root, unit_below(a.n + 100), value, &root);
		}
		dmc_array_update(&a.info, root, a.n, fill_element, &a, &root);
		dmc_array_change(&a.info, root, a.n, &some, change_element, &a, &root);
		dmc_array_resize(&a.info, root, a.n, unit_below(a.n), value, &root);
		dmc_array_del(&a.info, root);
		world_commit(&v);
		world_close(&v);
	}
	disk_free(scratch);
	free(a.v);
	world_destroy(&w);
}

/*----- the image with a shared array block -----*/

static struct shim_disk *load_image(const char *name)
{
	char cmd[512];
	static u8 buf[4 << 20];
	size_t n;
	FILE *f;

	snprintf(cmd, sizeof(cmd), "gzip -dc ../vectors/%s.img.gz 2>/dev/null", name);
	f = popen(cmd, "r");
	CHECK(f);
	n = fread(buf, 1, sizeof(buf), f);
	pclose(f);
	if (!n)
		unit_skip("no image");
	return disk_create_from(buf, n, n / 512);
}

static void test_shared_block(void)
{
	struct shim_disk *d = load_image("g28-shared-array-block-v1");
	struct dmc_btree_value_type vt = { .size = 8 };
	struct dmc_array_info info;
	struct dmc_block *blk;
	struct dmc_tm *tm;
	struct dmc_bm *bm;
	mblock_t root;
	__le64 v;
	u64 key, first;
	u32 n, i, count;

	bm = dmc_bm_create(disk_bdev(d), "image");
	CHECK(!IS_ERR(bm));
	CHECK_OK(dmc_bm_read_lock(bm, 0, &world_sb_validator, &blk));
	root = get_unaligned_le64(dmc_block_data(blk) + 192);
	n = get_unaligned_le32(dmc_block_data(blk) + 240);
	CHECK_OK(dmc_tm_open(bm, 0, dmc_block_data(blk) + 64, &tm));
	dmc_bm_unlock(blk);
	CHECK_EQ(n, 2545);
	dmc_array_info_init(&info, tm, &vt);
	key = 1;
	CHECK_OK(dmc_btree_lookup(&info.btree_info, root, &key, &v));
	first = le64_to_cpu(v);
	CHECK_OK(dmc_tm_ref(tm, first, &count));
	CHECK_EQ(count, 4);

	for (i = 600; i < n; i += 500) {
		v = cpu_to_le64(i);
		CHECK_OK(dmc_array_set(&info, root, i, &v, &root));
	}
	for (i = 509; i < n; i++) {
		CHECK_OK(dmc_array_get(&info, root, i, &v));
		CHECK_EQ(le64_to_cpu(v), i % 500 == 100 ? i : 0);
	}
	/* All four were given one of their own: the first three copied, the last one's old one freed. */
	CHECK_OK(dmc_tm_ref(tm, first, &count));
	CHECK_EQ(count, 0);
	CHECK_OK(dmc_tm_pre_commit(tm));
	CHECK_OK(dmc_bm_write_lock(bm, 0, &world_sb_validator, &blk));
	dmc_tm_copy_sm_root(tm, dmc_block_data(blk) + 64);
	put_unaligned_le64(root, dmc_block_data(blk) + 192);
	CHECK_OK(dmc_tm_commit(tm, blk));
	dmc_tm_destroy(tm);
	dmc_bm_destroy(bm);
	disk_free(d);
}

/*----- speed: not a test of time, only printed -----*/

static int sum_element(void *ctx, u32 i, const void *value)
{
	*(u64 *)ctx += le64_to_cpup((const __le64 *)value);
	return 0;
}

static int same_element(void *ctx, u32 i, void *value)
{
	*(__le64 *)value = cpu_to_le64(3);
	return 0;
}

static int ignore_block(void *ctx, u32 first, u32 count, const void *values)
{
	return 0;
}

static void test_million(void)
{
	struct dmc_btree_value_type vt = { .size = 8 };
	struct dmc_array_info info;
	__le64 v = cpu_to_le64(3);
	u64 t[4], sum = 0, reads;
	struct world w;
	mblock_t root;

	shim_bufio_set_cache(4000);
	world_create(&w, 4096);
	dmc_array_info_init(&info, w.tm, &vt);
	CHECK_OK(dmc_array_empty(&info, &root));
	CHECK_OK(dmc_array_resize(&info, root, 0, 1000000, &v, &root));
	w.roots[0] = (struct world_root) { ROOT_ARRAY, root };
	world_check(&w);
	world_reopen(&w);
	info.btree_info.tm = w.tm;
	t[0] = ktime_get_ns();
	CHECK_OK(dmc_array_walk(&info, root, 1000000, sum_element, &sum));
	t[1] = ktime_get_ns();
	CHECK_OK(dmc_array_update(&info, root, 1000000, same_element, &sum, &root));
	t[2] = ktime_get_ns();
	CHECK_EQ(sum, 3000000);
	CHECK_EQ(root, w.roots[0].block);
	/* After a walk by blocks they are read again. */
	CHECK_OK(dmc_array_walk_blocks(&info, root, 1000000, ignore_block, NULL));
	reads = w.disk->count[DISK_READ];
	CHECK_OK(dmc_array_walk(&info, root, 1000000, sum_element, &sum));
	CHECK(w.disk->count[DISK_READ] - reads >= 1000000 / 509);
	reads = w.disk->count[DISK_READ];
	CHECK_OK(dmc_array_walk(&info, root, 1000000, sum_element, &sum));
	CHECK_EQ(w.disk->count[DISK_READ], reads);
	printf("  a million elements: walk %llu ms, update without change %llu ms\n",
	       (t[1] - t[0]) / 1000000, (t[2] - t[1]) / 1000000);
	world_destroy(&w);
	shim_bufio_set_cache(64);
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "random operations", test_random },
		{ "random operations, elements of 1 to 128 bytes", test_random_sizes },
		{ "snapshots", test_snapshots },
		{ "stale tails", test_stale_tails },
		{ "writes only what differs", test_writes_little },
		{ "elements that are references", test_references },
		{ "errors", test_errors },
		{ "damaged blocks", test_damage },
		{ "an image with a shared array block", test_shared_block },
		{ "a million elements", test_million },
		{ }
	};

	return unit_main(argc, argv, tests);
}
