// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz-trees.c - operations on damaged trees, arrays and bitsets: any error is right, a crash, an
 * endless loop, a lock or a buffer left behind is not (rule R8).
 *
 * Input: which image (1 byte), edits, then operations of 8 bytes each: what, where, and with what.
 */
#include "fuzz.h"
#include "pd-random.h"

#define SKIP 1
#define MAX_OPS 64
#define MAX_VISITS 200000	/* of a walk: more than any image has entries */

static struct image images[3];

enum { TREE, TREES, ARRAY, BITS, ARRAY_COPY, TREE_COPY };

static struct shim_disk *random_disk(u64 seed, unsigned int commits)
{
	struct shim_disk *d = disk_create(RANDOM_BLOCKS * 8);
	struct random_work *rw = malloc(sizeof(*rw));

	random_begin(rw, d, seed);
	while (commits--) {
		random_changes(rw);
		random_commit(rw);
	}
	random_end(rw);
	free(rw);
	return d;
}

static void make_images(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(images) && !images[i].disk; i++)
		image_init(&images[i], random_disk(11 + i, 25 + 15 * i));
}

/*----- one operation -----*/

struct op {
	u8 what, root;
	u16 index;
	u32 value;
};

static u64 visits;

static int visit_entry(void *ctx, const u64 *keys, const void *value)
{
	CHECK(++visits < MAX_VISITS);
	return 0;
}

static int visit_element(void *ctx, u32 index, const void *value)
{
	return visit_entry(ctx, NULL, value);
}

static int visit_word(void *ctx, u32 index, u64 word)
{
	return visit_entry(ctx, NULL, NULL);
}

static int fill(void *ctx, u32 index, void *value)
{
	put_unaligned_le64(index * 3, value);
	return 0;
}

static u64 word_of_index(void *ctx, u32 index)
{
	return index * 0x9E3779B97F4A7C15ull;
}

static int walk_by_cursor(struct dmc_btree_info *info, mblock_t root)
{
	struct dmc_btree_cursor c;
	u64 n = 0;
	int r = dmc_btree_cursor_begin(info, root, &c);

	while (!r) {
		CHECK(++n < MAX_VISITS);
		CHECK(dmc_btree_cursor_key(&c) + !!dmc_btree_cursor_value(&c) || 1);
		r = dmc_btree_cursor_next(&c);
	}
	dmc_btree_cursor_end(&c);
	return r;
}

static void tree_op(struct world *w, struct world_root *root, const struct op *op)
{
	struct dmc_btree_info info = { .tm = w->tm, .levels = root->kind == ROOT_TREE2 ? 2 : 1,
				       .value_type.size = 8 };
	u64 keys[2] = { info.levels == 2 ? op->value % 5 : op->index, op->index }, v = op->value,
	    key;

	switch (op->what % 10) {
	case 0:
	case 1:
		dmc_btree_insert(&info, root->block, keys, &v, &root->block, NULL);
		break;
	case 2:
	case 3:
		dmc_btree_remove(&info, root->block, keys, &root->block);
		break;
	case 4:
		dmc_btree_lookup(&info, root->block, keys, &v);
		break;
	case 5:
		dmc_btree_lookup_next(&info, root->block, keys, &key, &v);
		break;
	case 6:
		dmc_btree_lowest(&info, root->block, &key);
		dmc_btree_highest(&info, root->block, &key);
		break;
	case 7:
		visits = 0;
		dmc_btree_walk(&info, root->block, visit_entry, NULL);
		break;
	case 8:
		info.levels = 1;
		walk_by_cursor(&info, root->block);
		break;
	default:
		if (!dmc_btree_del(&info, root->block))
			dmc_btree_empty(&info, &root->block);
	}
}

static void array_op(struct world *w, struct world_root *root, const struct op *op)
{
	struct dmc_btree_value_type vt = { .size = 8 };
	struct dmc_array_info a;
	__le64 v = cpu_to_le64(op->value);
	u32 to = op->value % 8 ? op->index % 4000 : op->value;

	dmc_array_info_init(&a, w->tm, &vt);
	visits = 0;
	switch (op->what % 6) {
	case 0:
		dmc_array_get(&a, root->block, op->value % 2 ? op->index : op->value, &v);
		break;
	case 1:
		dmc_array_set(&a, root->block, op->index, &v, &root->block);
		break;
	case 2:
		/* Longer than the device could hold is -ENOSPC, in its own time. */
		if (!dmc_array_resize(&a, root->block, root->word, to % 100000, &v, &root->block))
			root->word = to % 100000;
		break;
	case 3:
		dmc_array_walk(&a, root->block, root->word, visit_element, NULL);
		break;
	case 4:
		dmc_array_update(&a, root->block, root->word, fill, NULL, &root->block);
		break;
	default:
		if (!dmc_array_del(&a, root->block) && !dmc_array_empty(&a, &root->block))
			root->word = 0;
	}
}

static void bitset_op(struct world *w, struct world_root *root, const struct op *op)
{
	struct dmc_bitset bs;
	bool bit;
	int r;

	dmc_bitset_init(&bs, w->tm);
	dmc_bitset_open(&bs, root->block, root->word);
	visits = 0;
	switch (op->what % 6) {
	case 0:
		r = dmc_bitset_set(&bs, op->index);
		break;
	case 1:
		r = dmc_bitset_clear(&bs, op->index);
		break;
	case 2:
		r = dmc_bitset_test(&bs, op->index, &bit);
		break;
	case 3:
		r = dmc_bitset_resize(&bs, op->value % 100000, op->index & 1);
		break;
	case 4:
		r = dmc_bitset_walk_words(&bs, visit_word, NULL);
		break;
	default:
		r = dmc_bitset_update_words(&bs, word_of_index, NULL);
	}
	if (!r)
		r = dmc_bitset_flush(&bs);
	if (!r) {
		root->block = bs.root;
		root->word = bs.nr_bits;
	}
}

/* A commit that fails costs the transaction: back to the last one, as the metadata layer does. */
static bool commit(struct world *w)
{
	struct shim_disk *d = w->disk;

	if (!world_commit(w))
		return true;
	world_close(w);
	return !world_open(w, d);
}

static bool one_op(struct world *w, const struct op *op)
{
	struct world_root *root = &w->roots[op->root % 6];

	if (op->what >= 240)
		return commit(w);
	if (op->root % 6 != BITS && !root->kind)
		return true;
	/* What the superblock says of lengths is checked above the library. */
	root->word = (u32)root->word % (1 << 24);
	switch (op->root % 6) {
	case BITS:
		bitset_op(w, root, op);
		break;
	case ARRAY:
	case ARRAY_COPY:
		array_op(w, root, op);
		break;
	default:
		tree_op(w, root, op);
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = { data, size };
	unsigned int i, n = 0;
	struct shim_disk *d;
	struct world w;

	make_images();
	fuzz_begin();
	i = take(&b, 1) % ARRAY_SIZE(images);
	d = image_damaged(&images[i], &b);
	if (!world_open(&w, d)) {
		while (b.left && n++ < MAX_OPS) {
			struct op op = { .what = take(&b, 1),
					 .root = take(&b, 1),
					 .index = take(&b, 2) };

			op.value = take(&b, 4);
			if (!one_op(&w, &op))
				break;
		}
		if (w.bm && w.tm)
			commit(&w);
		world_close(&w);
	}
	disk_free(d);
	fuzz_end();
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	make_images();
	return mutate_edits(&images[(size ? data[0] : 0) % ARRAY_SIZE(images)], data, size, max,
			    SKIP, seed);
}
