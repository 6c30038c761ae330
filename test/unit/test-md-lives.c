// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-md-lives.c - partial blocks in the metadata of a cache that runs: allocated, written to,
 * filled and dropped, among marks of posted writes and the reserve's batches.  Wherever the power
 * goes, the disk holds just what a commit promised.
 *
 * There are as many random lives as CRASH_LIVES in the environment says (default 1), from number
 * CRASH_SEED (default 1) on, CRASH_STEP (default 1) apart.
 */
#include "md-life.h"
#include "metadata/superblock.h"

/* A write that missed: mapping, dirty bit and map come with the same commit. */
static void allocate(struct life *l, u32 cb)
{
	const u64 ob = ORIGIN_BLOCKS - 1 - l->nr_allocated++;

	CHECK_OK(dmc_md_insert(l->md, to_cblock(cb), to_oblock(ob)));
	CHECK_OK(dmc_md_set_dirty(l->md, to_cblock(cb), true));
	model_map(l->m, cb, ob, true);
	model_make_partial(l->m, cb);
	CHECK_OK(dmc_md_set_valid(l->md, to_cblock(cb), l->m->valid[cb].words));
}

/* Filled, dropped, or written to. */
static void change_partial(struct life *l, u32 cb)
{
	switch (unit_below(4)) {
	case 0:
		CHECK_OK(dmc_md_set_valid(l->md, to_cblock(cb), NULL));
		model_make_full(l->m, cb);
		break;
	case 1:
		CHECK_OK(dmc_md_remove(l->md, to_cblock(cb)));
		model_unmap(l->m, cb);
		break;
	default:
		model_make_partial(l->m, cb);
		CHECK_OK(dmc_md_set_valid(l->md, to_cblock(cb), l->m->valid[cb].words));
	}
}

/* The mark of a posted write, or a writeback. */
static void change_full(struct life *l, u32 cb)
{
	const bool dirty = !l->m->dirty[cb];

	CHECK_OK(dmc_md_set_dirty(l->md, to_cblock(cb), dirty));
	model_map(l->m, cb, l->m->oblock[cb], dirty);
}

/* As the reserve does: many clean blocks at once. */
static void make_room(struct life *l)
{
	u32 cb, nr = 0;

	for (cb = unit_below(l->m->nr); cb < l->m->nr && nr < 60; cb++) {
		if (l->m->oblock[cb] == NO_OBLOCK || l->m->dirty[cb])
			continue;
		CHECK_OK(dmc_md_remove(l->md, to_cblock(cb)));
		model_unmap(l->m, cb);
		nr++;
	}
}

static void random_changes(struct life *l)
{
	u32 i, cb;

	if (!unit_below(4))
		make_room(l);
	for (i = 1 + unit_below(40); i; i--) {
		/* Near each other, so that there is something to change. */
		cb = unit_below(4) ? unit_below(60) : unit_below(l->m->nr);
		if (l->m->oblock[cb] == NO_OBLOCK)
			allocate(l, cb);
		else if (model_is_partial(l->m, cb))
			change_partial(l, cb);
		else
			change_full(l, cb);
	}
}

/* As before a clean shutdown. */
static void drain(struct life *l)
{
	u32 cb;

	for (cb = 0; cb < l->m->nr; cb++)
		while (model_is_partial(l->m, cb))
			change_partial(l, cb);
	CHECK(!dmc_md_nr_partial(l->md));
}

static void run_random_life(struct life *l)
{
	const u32 nr = 4 + unit_below(12);
	struct dmc_md_shutdown s;
	u32 i, nr_partial = 0;

	l->md = md_open_ok(&l->p);
	expect_load(l->md, l->m);
	CHECK_OK(start_tracking(l->md, l->m));
	life_promise(l, DMC_SB_CLEAN, true);
	for (i = 0; i < nr; i++) {
		random_changes(l);
		CHECK_OK(dmc_md_commit(l->md, NULL));
		life_promise(l, DMC_SB_CLEAN, true);
		nr_partial += dmc_md_nr_partial(l->md);
	}
	CHECK(nr_partial);
	if (unit_below(2)) {
		drain(l);
		CHECK_OK(dmc_md_commit(l->md, NULL));
		life_promise(l, DMC_SB_CLEAN, true);
		s = model_shutdown(l->m);
		CHECK_OK(dmc_md_commit_clean(l->md, &s));
		life_promise(l, DMC_SB_CLEAN, false);
	}
	dmc_md_close(l->md);
}

static u64 from_env(const char *name)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 10) : 1;
}

static void test_random_lives(void)
{
	u64 nr = from_env("CRASH_SEED"), lives = from_env("CRASH_LIVES"), i;
	unsigned long nr_states = 0;
	char replay[64];

	for (i = 0; i < lives; i++, nr += from_env("CRASH_STEP")) {
		struct life l;

		unit_srand(nr);
		snprintf(replay, sizeof(replay), "life %llu: replay with CRASH_SEED; ", nr);
		life_begin(&l, nr % NR_STARTS, nr / NR_STARTS % 2);
		disk_log_start(l.d);
		run_random_life(&l);
		nr_states += life_cut_everywhere(&l, replay);
		life_end(&l);
	}
	printf("  %lu states of %llu lives\n", nr_states, lives);
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "power cut at every event of random lives with partial blocks", test_random_lives },
		{ }
	};

	return unit_main(argc, argv, tests);
}
