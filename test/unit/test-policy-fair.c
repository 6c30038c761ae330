// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-policy-fair.c - every dirty block is written back in the end, whatever else gets dirty again
 * and again.
 */
#include "policy-model.h"
#include "unit.h"

#define NR 8192
#define NR_HOT 64
#define WARM_HINT 0xffff	/* very warm, to all that have an order of hints */
#define ORIGIN (NR * 64)

/*
 * Where the hot blocks lie, on the origin and in the cache; all blocks TOGETHER are close on the
 * origin.
 */
enum layout { SPREAD, TOGETHER, NR_LAYOUTS };

static bool is_hot(u32 cb, enum layout layout)
{
	return layout == TOGETHER ? cb < NR_HOT : !(cb % (NR / NR_HOT));
}

/*
 * All blocks are dirty.  With hints, if the policy has an order of them: @hot_first or the others
 * count as cold, the rest as warm as can be.
 */
static struct model *start(struct dmc_policy_type *t, enum layout layout, bool hints,
			   bool hot_first)
{
	struct model *m = model_new(t, NR, ORIGIN);
	const u32 hint[2] = { t->grade_hint ? t->grade_hint(0) : 0, WARM_HINT };
	u32 cb;

	for (cb = 0; cb < NR; cb++)
		model_load(m, cb, (u64)cb * (layout == TOGETHER ? 1 : 64), true,
			   hint[is_hot(cb, layout) != hot_first], hints && t->grade_hint);
	return m;
}

static u32 cold_dirty(const struct model *m, enum layout layout)
{
	u32 cb, n = 0;

	for (cb = 0; cb < NR; cb++)
		n += m->dirty[cb] && !is_hot(cb, layout);
	return n;
}

/* Asks for work, and whatever hot block has been written back is written to again at once. */
static void one_writeback(struct model *m, enum layout layout)
{
	u64 ob;
	u32 cb;

	CHECK_MSG(model_ask(m, true), "no more work, with %u blocks dirty", m->nr_dirty);
	CHECK_EQ(m->work[0].op, DMC_OP_WRITEBACK);
	ob = from_oblock(m->work[0].oblock);
	cb = from_cblock(m->work[0].cblock);
	model_complete_all(m);
	if (is_hot(cb, layout))
		model_access(m, ob, DMC_WRITE, false);
}

/* All cold blocks are clean after @bound writebacks. */
static void one(struct dmc_policy_type *t, enum layout layout, bool hints, bool hot_first,
		u32 bound)
{
	struct model *m = start(t, layout, hints, hot_first);
	u32 i, left = NR;

	for (i = 0; i < bound && left; i++) {
		one_writeback(m, layout);
		if (i % 5000 == 4999)
			model_tick(m);
		if (i % 500 == 499)
			left = cold_dirty(m, layout);
	}
	CHECK_MSG(!left, "%u cold blocks are dirty after %u writebacks", left, bound);
	model_free(m);
}

static void each_start(struct dmc_policy_type *t, u32 bound)
{
	unsigned int k;

	for (k = 0; k < NR_LAYOUTS * 4; k++) {
		enum layout layout = k / 4;
		bool hints = k & 1, hot_first = k & 2;

		if (hot_first && !hints)
			continue;
		unit_note("%s, hot blocks %s, %s", t->name, layout == SPREAD ? "spread" : "together",
			  !hints ? "no hints" : hot_first ? "hot blocks have cold hints" :
							    "hot blocks have warm hints");
		one(t, layout, hints, hot_first, bound);
	}
}

static void test_all(void)
{
	unsigned int i;

	for (i = 0; i < model_nr_types; i++)
		each_start(model_types[i], 10 * NR);
}

/* The cleaner: each block once, and what gets dirty meanwhile in the next round. */
static void test_cleaner(void)
{
	each_start(model_type("cleaner"), NR + NR_HOT + 500);
}

/* Still in the origin's order: it goes up, and starts over. */
static void test_cleaner_order(void)
{
	struct model *m = start(model_type("cleaner"), SPREAD, false, false);
	u64 last = 0, ob;
	u32 i, back = 0;

	for (i = 0; i < NR; i++) {
		CHECK(model_ask(m, true));
		ob = from_oblock(m->work[0].oblock);
		back += ob < last;
		last = ob;
		model_complete_all(m);
		if (is_hot(i, SPREAD))
			model_access(m, ob, DMC_WRITE, false);
	}
	CHECK_MSG(back <= 2, "%u times back", back);
	model_free(m);
}

/* What was written in any order goes up the origin, with few ways back. */
static void test_writeback_order(void)
{
	static const char *const names[] = {
		"default", "s3fifo", "sieve", "tinylfu", "lru", "fifo", "cleaner"
	};
	unsigned int i, back, n;
	struct dmc_work w;
	u64 last;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		struct model *m = model_new(model_type(names[i]), 1000, 4000);

		unit_note("%s", names[i]);
		for (n = 0; n < 1000; n++)
			model_load(m, n, n * 1373 % 4000, true, 0, false);
		for (last = 0, back = 0, n = 0; n < 1000; n++) {
			CHECK_OK(m->type->next_work(m->p, true, 0, &w));
			CHECK_EQ(w.op, DMC_OP_WRITEBACK);
			back += from_oblock(w.oblock) < last;
			last = from_oblock(w.oblock);
			m->type->clear_dirty(m->p, w.cblock);
			m->type->work_done(m->p, &w, true);
		}
		CHECK_EQ(m->type->next_work(m->p, true, 0, &w), DMC_NO_WORK);
		CHECK_MSG(back <= 1000 / 64 + 1, "%u times back", back);
		model_free(m);
	}
}

/* One that got clean by other means meanwhile is not written. */
static void test_writeback_of_clean(void)
{
	struct model *m = model_new(model_type("default"), 1000, 4000);
	struct dmc_work w;
	u32 n;

	for (n = 0; n < 100; n++)
		model_load(m, n, n * 1373 % 4000, true, 0, false);
	CHECK_OK(m->type->next_work(m->p, true, 0, &w));
	for (n = 0; n < 100; n++)
		m->type->clear_dirty(m->p, to_cblock(n));
	m->type->work_done(m->p, &w, true);
	CHECK_EQ(m->type->next_work(m->p, true, 0, &w), DMC_NO_WORK);
	model_free(m);
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "cleaner: hot blocks do not keep it from cold ones", test_cleaner },
		{ "cleaner: hot blocks do not change the order", test_cleaner_order },
		{ "all policies: hot blocks do not keep writebacks from cold ones", test_all },
		{ "writeback in the order of the origin", test_writeback_order },
		{ "writeback of what is clean by now", test_writeback_of_clean },
		{ }
	};

	if (shim_modules_init())
		return 1;
	return unit_main(argc, argv, tests);
}
