// SPDX-License-Identifier: GPL-2.0-only
#include "pd-world.h"

static void test_smoke(void)
{
	struct dmc_btree_value_type vt = { .size = 8 };
	struct dmc_array_info info;
	__le64 v = cpu_to_le64(7);
	struct world w;
	mblock_t root;
	u32 i;

	world_create(&w, 512);
	dmc_array_info_init(&info, w.tm, &vt);
	CHECK_OK(dmc_array_empty(&info, &root));
	CHECK_EQ(dmc_array_get(&info, root, 0, &v), -ENODATA);
	CHECK_OK(dmc_array_resize(&info, root, 0, 20000, &v, &root));
	for (i = 0; i < 20000; i += 3) {
		v = cpu_to_le64(i);
		CHECK_OK(dmc_array_set(&info, root, i, &v, &root));
	}
	for (i = 0; i < 20000; i++) {
		CHECK_OK(dmc_array_get(&info, root, i, &v));
		CHECK_EQ(le64_to_cpu(v), i % 3 ? 7 : i);
	}
	CHECK_EQ(dmc_array_get(&info, root, 20000, &v), -ENODATA);
	w.roots[0] = (struct world_root) { ROOT_ARRAY, root };
	world_check(&w);
	world_destroy(&w);
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "resizes, sets, gets", test_smoke },
		{ }
	};

	return unit_main(argc, argv, tests);
}
