// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-md-fuzz.c - metadata with random damage under right checksums: whatever it does, it is
 * refused, or fails cleanly, or works; nothing crashes, loops, leaks or stays locked.
 */
#include "md-damage.h"
#include "md-test.h"

static void one(struct damage_base *b, bool *loaded, bool *worked)
{
	struct shim_disk *d = disk_clone(b->d);
	struct dmc_md_params p = md_params(d);
	struct dmc_md_policy policy = { .name = "smq", .version = { 2 }, .hint_size = 4 };
	struct dmc_md_summary s;
	dmc_md_reason_t why;
	struct dmc_md *md;
	struct model *m;
	unsigned int i;
	int r;

	p.origin_blocks = 1 << 20;
	for (i = 0; i < 1 + unit_below(3); i++)
		damage_once(b, d);
	dmc_md_probe(&p, &s, &why);
	md = dmc_md_open(&p, &why);
	if (IS_ERR(md)) {
		CHECK(why[0]);
		disk_free(d);
		return;
	}
	m = model_load(md, &policy, &r);
	*loaded |= !!m;
	if (m) {
		/* A wrong number of cblocks may be large. */
		r = m->nr < 1 << 20 ? md_cycle(md, m) : -EFBIG;
		*worked |= !r;
		if (r == -EFBIG)
			dmc_md_close(md);
		else if (r)
			md_give_up(md, &p);
		else
			dmc_md_close(md);
	} else {
		dmc_md_close(md);
	}
	CHECK(!shim_bufio_held());
	model_free(m);
	disk_free(d);
}

static void fuzz(const char *name, unsigned int rounds)
{
	bool loaded = false, worked = false;
	struct damage_base b;
	unsigned int i;

	damage_init(&b, vector_disk(name));
	for (i = 0; i < rounds; i++) {
		unit_note("%s, round %u", name, i);
		unit_srand(i * 1000003ULL + 17);
		one(&b, &loaded, &worked);
	}
	CHECK(loaded && worked);
	disk_free(b.d);
}

static void test_format1(void)
{
	fuzz("g13-kernel-dirty-discards-clean-v1", 1500);
}

static void test_format2(void)
{
	fuzz("g14-kernel-dirty-discards-clean-v2", 1500);
}

static void test_shared(void)
{
	fuzz("g28-shared-array-block-v1", 800);
}

static void test_large(void)
{
	fuzz("g25-restore-200k-v2", 60);
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "random damage, format 1", test_format1 },
		{ "random damage, format 2", test_format2 },
		{ "random damage, shared blocks", test_shared },
		{ "random damage, trees of two levels", test_large },
		{ }
	};

	return unit_main(argc, argv, tests);
}
