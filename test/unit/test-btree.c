// SPDX-License-Identifier: GPL-2.0-only
#include "pd-world.h"

static struct dmc_btree_info info_of(struct world *w, unsigned int levels)
{
	struct dmc_btree_info info = { .tm = w->tm, .levels = levels, .value_type.size = 8 };

	return info;
}

static void test_smoke(void)
{
	struct dmc_btree_info info;
	struct world w;
	u64 i, key, v;
	mblock_t root;

	world_create(&w, 512);
	info = info_of(&w, 1);
	CHECK_OK(dmc_btree_empty(&info, &root));
	for (i = 0; i < 5000; i++) {
		key = i * 7;
		v = i;
		CHECK_OK(dmc_btree_insert(&info, root, &key, &v, &root, NULL));
	}
	for (i = 0; i < 5000; i++) {
		key = i * 7;
		CHECK_OK(dmc_btree_lookup(&info, root, &key, &v));
		CHECK_EQ(v, i);
		key++;
		CHECK_EQ(dmc_btree_lookup(&info, root, &key, &v), -ENODATA);
	}
	w.roots[0] = (struct world_root) { ROOT_TREE1, root };
	world_check(&w);
	for (i = 0; i < 5000; i += 2) {
		key = i * 7;
		CHECK_OK(dmc_btree_remove(&info, root, &key, &root));
		CHECK_EQ(dmc_btree_remove(&info, root, &key, &root), -ENODATA);
	}
	w.roots[0].block = root;
	world_check(&w);
	CHECK_OK(dmc_btree_del(&info, root));
	w.roots[0].kind = ROOT_NONE;
	world_check(&w);
	world_destroy(&w);
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "inserts, finds, removes, deletes", test_smoke },
		{ }
	};

	return unit_main(argc, argv, tests);
}
