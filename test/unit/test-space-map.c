// SPDX-License-Identifier: GPL-2.0-only
/*
 * The space map: counts against a model, small and big ones, over several bitmaps; damaged maps.
 */
#include <linux/crc32c.h>

#include "persistent-data/space-map.h"
#include "pd-world.h"

static const struct dmc_validator kind = { .name = "thing", .salt = 5, .blocknr_offset = 8 };

static void check_counts(struct world *w, const u32 *model, u64 nr)
{
	u32 count;
	u64 b;

	for (b = 1; b < nr; b++) {
		if (!model[b])
			continue;
		CHECK_OK(dmc_tm_ref(w->tm, b, &count));
		CHECK_MSG(count == model[b], "block %llu: count %u, not %u", b, count, model[b]);
	}
}

/* Counts without owners: what the library says, before and after a commit and a reopening. */
static void random_counts(u64 nr, unsigned int ops, u32 top)
{
	u32 *model = calloc(nr, sizeof(*model));
	struct dmc_block *blk;
	unsigned int i;
	struct world w;
	mblock_t *mine = calloc(nr, sizeof(*mine)), b;
	u64 n = 0, k;

	world_create(&w, nr);
	for (i = 0; i < ops; i++) {
		if (n < 10 || (n < 1200 && !unit_below(8))) {
			CHECK_OK(dmc_tm_new_block(w.tm, &kind, &blk));
			b = dmc_block_location(blk);
			CHECK_MSG(!model[b], "block %llu given out twice", b);
			dmc_tm_unlock(w.tm, blk);
			model[b] = 1;
			mine[n++] = b;
			continue;
		}
		k = unit_below(n);
		b = mine[k];
		if (unit_below(100) < (i / (ops / 4) & 1 ? 70 : 35) || model[b] > top) {
			CHECK_OK(dmc_tm_dec(w.tm, b));
			if (!--model[b])
				mine[k] = mine[--n];
		} else {
			CHECK_OK(dmc_tm_inc(w.tm, b));
			model[b]++;
		}
		if (i % (ops / 16) == 0) {
			check_counts(&w, model, nr);
			CHECK_OK(world_commit(&w));
			check_counts(&w, model, nr);
			world_reopen(&w);
			check_counts(&w, model, nr);
		}
	}
	for (k = 0; k < n; k++)
		for (; model[mine[k]]; model[mine[k]]--)
			CHECK_OK(dmc_tm_dec(w.tm, mine[k]));
	world_check(&w);
	world_destroy(&w);
	free(model);
	free(mine);
}

static void test_counts(void)
{
	random_counts(2000, 40000, 3);
	random_counts(4000, 60000, 8);
}

static void test_several_bitmaps(void)
{
	random_counts(16320 + 1, 20000, 4);
	random_counts(3 * 16320 + 100, 40000, 4);
}

/* Every block of a device can be had, but for those that the commit needs. */
static void test_all_blocks(void)
{
	const u64 nr = 16320 + 40;
	bool *seen = calloc(nr, 1);
	struct dmc_block *blk;
	u64 n = 0, avail;
	struct world w;
	int r;

	world_create(&w, nr);
	avail = dmc_tm_nr_free(w.tm);
	while (!(r = dmc_tm_new_block(w.tm, &kind, &blk))) {
		mblock_t b = dmc_block_location(blk);

		CHECK(b < nr && !seen[b]);
		seen[b] = true;
		n++;
		dmc_tm_unlock(w.tm, blk);
	}
	CHECK_EQ(r, -ENOSPC);
	CHECK(avail - n <= 8);
	CHECK_EQ(dmc_tm_nr_free(w.tm), avail - n);
	world_destroy(&w);
	free(seen);
}

/*----- shared trees: counts that a checker can verify -----*/

static int tree_inc(void *ctx, const void *value)
{
	__le64 v;

	memcpy(&v, value, 8);
	return dmc_tm_inc(((struct world *)ctx)->tm, le64_to_cpu(v));
}

static int tree_dec(void *ctx, const void *value)
{
	struct dmc_btree_info inner = { .tm = ((struct world *)ctx)->tm, .levels = 1,
					.value_type.size = 8 };
	__le64 v;

	memcpy(&v, value, 8);
	return dmc_btree_del(&inner, le64_to_cpu(v));
}

static mblock_t new_inner(struct world *w, u64 n)
{
	struct dmc_btree_info inner = { .tm = w->tm, .levels = 1, .value_type.size = 8 };
	mblock_t root;
	u64 key;

	CHECK_OK(dmc_btree_empty(&inner, &root));
	for (key = 0; key < n; key++)
		CHECK_OK(dmc_btree_insert(&inner, root, &key, &key, &root, NULL));
	return root;
}

/*
 * An outer tree leads to some hundred inner trees many times over; its second copy shares its
 * nodes.  So there are thousands of counts above two, and a reference count tree of several leaves.
 */
static void test_big_counts(void)
{
	enum { INNER = 900, KEYS = 6000 };
	struct world w;
	struct dmc_btree_info outer = { .levels = 1, .value_type = {
		.size = 8, .ctx = &w, .inc = tree_inc, .dec = tree_dec } };
	mblock_t inner[INNER], root, copy;
	unsigned int i, round;

	world_create(&w, 8000);
	outer.tm = w.tm;
	CHECK_OK(dmc_btree_empty(&outer, &root));
	for (i = 0; i < INNER; i++)
		inner[i] = new_inner(&w, unit_below(8) ? unit_below(3) : 300);
	for (i = 0; i < KEYS; i++) {
		u64 key = unit_below(KEYS);
		u32 n = unit_below(INNER);
		__le64 v = cpu_to_le64(inner[n]);

		CHECK_OK(dmc_tm_inc(w.tm, inner[n]));
		CHECK_OK(dmc_btree_insert(&outer, root, &key, &v, &root, NULL));
	}
	/* Only the outer tree holds them now. */
	for (i = 0; i < INNER; i++) {
		__le64 v = cpu_to_le64(inner[i]);

		CHECK_OK(tree_dec(&w, &v));
	}
	copy = root;
	CHECK_OK(dmc_tm_inc(w.tm, root));
	w.roots[0] = (struct world_root) { ROOT_TREE2, root };
	w.roots[1] = (struct world_root) { ROOT_TREE2, copy };
	world_check(&w);
	for (round = 0; round < 8; round++) {
		for (i = 0; i < 400; i++) {
			u64 key = unit_below(KEYS);
			int r = dmc_btree_remove(&outer, root, &key, &root);

			CHECK(!r || r == DMC_NO_ENTRY);
		}
		w.roots[0].block = root;
		world_check(&w);
		world_reopen(&w);
		outer.tm = w.tm;
	}
	CHECK_OK(dmc_btree_del(&outer, copy));
	w.roots[1].kind = ROOT_NONE;
	world_check(&w);
	CHECK_OK(dmc_btree_del(&outer, root));
	w.roots[0].kind = ROOT_NONE;
	world_check(&w);
	world_destroy(&w);
}

/*----- damage -----*/

#define ROOT_NR 64	/* offsets in the superblock */
#define ROOT_ALLOCATED 72
#define ROOT_INDEX 80
#define ROOT_REFS 88

static struct shim_disk *good;

static u8 *block_of(struct shim_disk *d, u64 b)
{
	return d->data + b * 4096;
}

static void seal(struct shim_disk *d, u64 b, u32 salt)
{
	put_unaligned_le32(crc32c(~0u, block_of(d, b) + 4, 4092) ^ salt, block_of(d, b));
}

static int open_damaged(struct shim_disk *d)
{
	struct world w;
	int r = world_open(&w, d);

	if (!r)
		world_close(&w);
	return r;
}

static int with_root(u64 at, u64 value)
{
	struct shim_disk *d = disk_clone(good);
	int r;

	put_unaligned_le64(value, d->data + at);
	seal(d, 0, 9031977);
	r = open_damaged(d);
	disk_free(d);
	return r;
}

static int with_entry(u32 at, u64 value, u32 bytes)
{
	struct shim_disk *d = disk_clone(good);
	u64 index = get_unaligned_le64(d->data + ROOT_INDEX);
	int r;

	if (bytes == 8)
		put_unaligned_le64(value, block_of(d, index) + 16 + at);
	else
		put_unaligned_le32(value, block_of(d, index) + 16 + at);
	seal(d, index, 160478);
	r = open_damaged(d);
	disk_free(d);
	return r;
}

static void set_count(struct shim_disk *d, u64 b, u32 two)
{
	u64 index = get_unaligned_le64(d->data + ROOT_INDEX);
	u64 bitmap = get_unaligned_le64(block_of(d, index) + 16);
	u8 *p = block_of(d, bitmap) + 16 + b / 4;

	*p = (*p & ~(3 << 2 * (b % 4))) | two << 2 * (b % 4);
	seal(d, bitmap, 240779);
}

static void make_good(struct world *w)
{
	world_create(w, 200);
	w->roots[0] = (struct world_root) { ROOT_TREE1, new_inner(w, 1000) };
	world_check(w);
	good = w->disk;
}

static void test_damaged_roots(void)
{
	u64 index, refs;
	struct world w;

	make_good(&w);
	index = get_unaligned_le64(good->data + ROOT_INDEX);
	refs = get_unaligned_le64(good->data + ROOT_REFS);
	CHECK_OK(with_root(ROOT_NR, 200));
	CHECK_EQ(with_root(ROOT_NR, 0), DMC_DAMAGED);
	CHECK_EQ(with_root(ROOT_NR, 201), DMC_DAMAGED);
	CHECK_EQ(with_root(ROOT_NR, 1ull << 60), DMC_DAMAGED);
	CHECK_EQ(with_root(ROOT_NR, ~0ull), DMC_DAMAGED);
	CHECK_EQ(with_root(ROOT_ALLOCATED, 201), -EILSEQ);
	CHECK_OK(with_root(ROOT_ALLOCATED, 3));		/* wrong, but mended */
	CHECK_EQ(with_root(ROOT_INDEX, 0), -EILSEQ);
	CHECK_EQ(with_root(ROOT_INDEX, 200), -EILSEQ);
	CHECK_EQ(with_root(ROOT_INDEX, refs), -EILSEQ);
	CHECK_EQ(with_root(ROOT_INDEX, 190), -ENOTBLK);
	CHECK_EQ(with_root(ROOT_REFS, 0), -EILSEQ);
	CHECK_EQ(with_root(ROOT_REFS, index), -EILSEQ);
	CHECK_EQ(with_root(ROOT_REFS, 1ull << 50), -EILSEQ);
	CHECK_EQ(with_root(ROOT_REFS, w.roots[0].block), -EILSEQ);	/* values of 8 bytes */
	/* Index entries: block, free, none free before. */
	CHECK_EQ(with_entry(0, 0, 8), -EILSEQ);
	CHECK_EQ(with_entry(0, 200, 8), -EILSEQ);
	CHECK_EQ(with_entry(0, 190, 8), -ENOTBLK);
	CHECK_EQ(with_entry(0, index, 8), -EILSEQ);
	CHECK_EQ(with_entry(8, 16321, 4), -EILSEQ);
	CHECK_EQ(with_entry(12, 16321, 4), -EILSEQ);
	CHECK_OK(with_entry(8, 0, 4));
	CHECK(shim_message_seen("its index entry says 0 free"));
	world_destroy(&w);
}

static void test_damaged_counts(void)
{
	struct dmc_btree_info info = { .levels = 1, .value_type.size = 8 };
	struct shim_disk *d;
	struct world w, v;
	u64 key = 0, value;
	mblock_t root;
	u32 count;

	make_good(&w);
	/* Its own blocks free. */
	d = disk_clone(good);
	set_count(d, 0, 0);
	CHECK_EQ(open_damaged(d), -EILSEQ);
	disk_free(d);
	d = disk_clone(good);
	set_count(d, get_unaligned_le64(d->data + ROOT_INDEX), 0);
	CHECK_EQ(open_damaged(d), -EILSEQ);
	disk_free(d);
	d = disk_clone(good);
	set_count(d, get_unaligned_le64(d->data + ROOT_REFS), 0);
	CHECK_EQ(open_damaged(d), -EILSEQ);
	disk_free(d);

	/* A live block free: found when it is read. */
	d = disk_clone(good);
	set_count(d, w.roots[0].block, 0);
	CHECK_OK(world_open(&v, d));
	info.tm = v.tm;
	CHECK_EQ(dmc_btree_lookup(&info, v.roots[0].block, &key, &value), -EILSEQ);
	world_close(&v);
	disk_free(d);

	/* "Three or more", but the tree does not know: found when the count matters. */
	d = disk_clone(good);
	set_count(d, w.roots[0].block, 3);
	CHECK_OK(world_open(&v, d));
	info.tm = v.tm;
	CHECK_OK(dmc_btree_lookup(&info, v.roots[0].block, &key, &value));
	CHECK_EQ(dmc_tm_ref(v.tm, v.roots[0].block, &count), -EILSEQ);
	CHECK_EQ(dmc_btree_insert(&info, v.roots[0].block, &key, &value, &root, NULL), -EILSEQ);
	CHECK_EQ(world_commit(&v), -EIO);
	world_close(&v);
	disk_free(d);

	world_destroy(&w);
}

static void test_damaged_counts_of_the_map(void)
{
	struct shim_disk *d;
	struct world w, v;

	make_good(&w);
	/* The reference count tree itself with a big count: ends, one way or the other. */
	d = disk_clone(good);
	set_count(d, get_unaligned_le64(d->data + ROOT_REFS), 3);
	CHECK_OK(world_open(&v, d));
	CHECK_OK(dmc_tm_inc(v.tm, v.roots[0].block));
	CHECK(dmc_tm_inc(v.tm, v.roots[0].block) != 0);
	CHECK_EQ(world_commit(&v), -EIO);
	world_close(&v);
	disk_free(d);

	/* Counts beyond the end of the device are never allocated, and stay as they are. */
	d = disk_clone(good);
	set_count(d, 16000, 3);
	CHECK_OK(world_open(&v, d));
	CHECK_OK(world_commit(&v));
	world_close(&v);
	disk_free(d);
	world_destroy(&w);
}

static void test_top_count(void)
{
	__le32 top = cpu_to_le32(U32_MAX);
	struct dmc_block *blk;
	struct shim_disk *d;
	struct world w;
	mblock_t b;
	u64 key;

	world_create(&w, 100);
	CHECK_OK(dmc_tm_new_block(w.tm, &kind, &blk));
	b = dmc_block_location(blk);
	dmc_tm_unlock(w.tm, blk);
	CHECK_OK(dmc_tm_inc(w.tm, b));
	CHECK_OK(dmc_tm_inc(w.tm, b));
	CHECK_OK(world_commit(&w));
	world_close(&w);
	/* Straight on the disk. */
	d = w.disk;
	key = get_unaligned_le64(d->data + ROOT_REFS);
	CHECK_EQ(get_unaligned_le64(block_of(d, key) + 32), b);
	memcpy(block_of(d, key) + 32 + 8 * 336, &top, 4);
	seal(d, key, 121107);
	CHECK_OK(world_open(&w, d));
	CHECK_EQ(dmc_tm_inc(w.tm, b), -EILSEQ);
	world_close(&w);
	disk_free(d);
}

/*
 * The in-memory map alone, with every pattern that a search can meet at a word's or bitmap's edge.
 */
static void test_search(void)
{
	const u64 nr = 2 * 16320 + 33;
	struct dmc_sm sm = { 0 };
	mblock_t b, got;
	u32 i;

	CHECK_OK(sm_alloc_bitmaps(&sm, nr));
	for (i = 0; i < sm.nr_bitmaps; i++)
		sm_count_bitmap(&sm, i);
	CHECK_EQ(sm.nr_avail, nr);
	for (b = 0; b < nr; b++)
		sm_set(&sm, b, 1 + b % 3);
	for (b = 0; b < nr; b++)
		CHECK_EQ(sm_get(&sm, b), 1 + b % 3);
	CHECK_EQ(sm.nr_avail, 0);
	CHECK_EQ(sm.nr_allocated, nr);
	CHECK_EQ(sm_find_free(&sm, &got), -ENOSPC);
	for (b = 0; b < nr; b += 1 + unit_below(40)) {
		sm_set(&sm, b, 0);
		sm.next = unit_below(nr);
		CHECK_OK(sm_find_free(&sm, &got));
		CHECK_EQ(got, b);
		CHECK_EQ(sm.nr_avail, 1);
		sm_set(&sm, b, 2);
	}
	/* Freed, but in use in the last commit: not to be had. */
	for (i = 0; i < sm.nr_bitmaps; i++)
		sm.bitmaps[i].moved = true;
	sm_forget_committed(&sm);
	sm_set(&sm, 77, 0);
	CHECK_EQ(sm.nr_avail, 0);
	CHECK_EQ(sm_find_free(&sm, &got), -ENOSPC);
	for (i = 0; i < sm.nr_bitmaps; i++)
		sm.bitmaps[i].moved = true;
	sm_forget_committed(&sm);
	CHECK_OK(sm_find_free(&sm, &got));
	CHECK_EQ(got, 77);
	sm_free_bitmaps(&sm);
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "counts", test_counts },
		{ "counts over several bitmaps", test_several_bitmaps },
		{ "every block can be allocated", test_all_blocks },
		{ "thousands of counts above two", test_big_counts },
		{ "the highest count", test_top_count },
		{ "the search for a free block", test_search },
		{ "damaged roots and index", test_damaged_roots },
		{ "damaged counts", test_damaged_counts },
		{ "damaged counts of the map's own blocks", test_damaged_counts_of_the_map },
		{ }
	};

	return unit_main(argc, argv, tests);
}
