// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-policy-room.c - the reserve of free blocks: make_room() names what is clean and coldest, and
 * what it frees is not given to candidates that have not earned it.
 */
#include "policy-model.h"
#include "unit.h"

#define NR 512
#define HOT (NR / 2)		/* every other block */
#define NR_OBLOCKS 40000
#define OB(cb) ((u64)(cb) * 7)

/* These throw out what came first, or was used last, or most, or anything: that is their rule. */
static const char *const no_order = " random fifo filo mru mfu mfu_ws twoqueue dumb ";

static bool keeps_what_is_hot(const struct dmc_policy_type *t)
{
	char word[32];

	snprintf(word, sizeof(word), " %s ", t->name);
	return !strstr(no_order, word);
}

/* A full cache; those of even number are hit in each of some ticks. */
static struct model *start(struct dmc_policy_type *t, bool dirty)
{
	struct model *m = model_new(t, NR, NR_OBLOCKS);
	u32 cb, tick;

	for (cb = 0; cb < NR; cb++)
		model_load(m, cb, OB(cb), dirty, 0, false);
	for (tick = 0; tick < 6; tick++) {
		for (cb = 0; cb < NR; cb += 2)
			model_access(m, OB(cb), DMC_READ, false);
		model_tick(m);
	}
	return m;
}

static u32 hot_resident(const struct model *m)
{
	u32 cb, n = 0;

	for (cb = 0; cb < NR; cb += 2)
		n += m->cblock[OB(cb)] != MODEL_NONE;
	return n;
}

static void fill_reserve(struct model *m, u32 nr)
{
	u32 i;

	m->reserve = nr;
	for (i = 0; i < nr && m->nr_free < nr; i++) {
		model_make_room(m);
		model_complete_all(m);
	}
}

/* But noop, which throws out nothing at all. */
#define EACH_WITH_ROOM(t, i)							\
	for ((i) = 0; (i) < model_nr_types && ((t) = model_types[(i)]); (i)++)	\
		if ((t)->make_room && strcmp((t)->name, "noop"))

static void test_coldest_go(void)
{
	struct dmc_policy_type *t;
	unsigned int i;

	EACH_WITH_ROOM(t, i) {
		struct model *m = start(t, false);

		unit_note("%s", t->name);
		fill_reserve(m, NR / 4);
		CHECK_EQ(m->nr_free, NR / 4);
		CHECK_EQ(m->writebacks, 0);
		if (keeps_what_is_hot(t))
			CHECK_EQ(hot_resident(m), HOT);
		model_free(m);
	}
}

/* Nothing has to be copied for it: dirty blocks are not named, and clean ones among them are. */
static void test_dirty_ones_stay(void)
{
	struct dmc_policy_type *t;
	unsigned int i;
	u32 cb, rounds;

	EACH_WITH_ROOM(t, i) {
		struct model *m = start(t, true);

		unit_note("%s", t->name);
		fill_reserve(m, NR / 4);
		CHECK_EQ(m->nr_free, 0);
		CHECK_EQ(m->nr_dirty, NR);
		/* Not for ever: one becomes clean here and there, and at last all are. */
		m->reserve = 0;
		for (rounds = 0; m->nr_dirty && rounds < 4 * NR; rounds++)
			model_pump(m, true, 1);
		CHECK_EQ(m->nr_dirty, 0);
		fill_reserve(m, NR / 4);
		CHECK_EQ(m->nr_free, NR / 4);
		for (cb = 0; cb < NR; cb++)
			CHECK(!m->dirty[cb]);
		model_free(m);
	}
}

/*
 * The reserve does not count as room.  With or without it a scan of blocks that are read once
 * brings in as many.
 */
static u64 promoted_by_a_scan(struct dmc_policy_type *t, bool reserve)
{
	struct model *m = start(t, false);
	u64 ob, n;

	unit_srand(7);
	if (reserve)
		fill_reserve(m, NR / 8);
	m->promotions = 0;
	for (ob = 0; ob < 2000; ob++) {
		model_access(m, OB(NR) + ob * 11, DMC_READ, false);
		model_pump(m, false, 4);
		if (ob % 100 == 99)
			model_tick(m);
		model_make_room(m);
		model_complete_all(m);
	}
	n = m->promotions;
	model_free(m);
	return n;
}

static void test_no_room_for_a_scan(void)
{
	struct dmc_policy_type *t;
	unsigned int i;
	u64 without, with;

	EACH_WITH_ROOM(t, i) {
		unit_note("%s", t->name);
		without = promoted_by_a_scan(t, false);
		with = promoted_by_a_scan(t, true);
		CHECK_MSG(with <= without + without / 8 + 8, "%llu come in with a reserve, %llu without",
			  with, without);
		CHECK_MSG(with + with / 8 + 8 >= without, "%llu come in with a reserve, %llu without",
			  with, without);
	}
}

/*
 * Nor does it keep a policy from seeing that the cache is full: under uniform load, promotions gain
 * nothing, and it makes few of them, as it does without a reserve.
 */
static u64 promoted_by_uniform_load(struct dmc_policy_type *t, bool reserve)
{
	struct model *m = start(t, false);
	u64 i, n = 0;

	unit_srand(7);
	if (reserve)
		fill_reserve(m, NR / 8);
	for (i = 0; i < 400000; i++) {
		if (i == 200000)
			n = m->promotions;
		model_access(m, unit_below(NR * 8), DMC_READ, false);
		model_pump(m, false, 4);
		if (i % 100 == 99)
			model_tick(m);
		model_make_room(m);
		model_complete_all(m);
	}
	n = m->promotions - n;
	model_free(m);
	return n;
}

static void test_no_churn(void)
{
	static const char *const names[] = { "mq", "smq" };
	u64 without, with;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		unit_note("%s", names[i]);
		without = promoted_by_uniform_load(model_type(names[i]), false);
		with = promoted_by_uniform_load(model_type(names[i]), true);
		printf("    %s: %llu promotions, with a reserve %llu\n", names[i], without, with);
		CHECK(with <= without + without / 2 + 100);
	}
}

/* But a cheap write may have it: at once, while there is any. */
static void test_cheap_writes_have_it(void)
{
	struct dmc_policy_type *t;
	unsigned int i;
	u64 ob;

	EACH_WITH_ROOM(t, i) {
		struct model *m = start(t, false);

		unit_note("%s", t->name);
		fill_reserve(m, 64);
		m->at_once = i & 1;
		m->promotions = 0;
		for (ob = 0; ob < 64; ob++) {
			model_access(m, OB(NR) + ob * 11, DMC_WRITE, true);
			model_complete_all(m);
		}
		CHECK_EQ(m->promotions, 64);
		model_free(m);
	}
}

/* A candidate for which next_work() has made room gets that, though writes take all the rest. */
static void test_candidates_get_theirs(void)
{
	static const char *const names[] = { "mq", "smq", "lru", "s3fifo" };
	unsigned int i, round, n;
	u64 ob = OB(NR);

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		struct model *m = start(model_type(names[i]), false);

		unit_note("%s", names[i]);
		fill_reserve(m, 32);
		for (round = 0; round < 40 && m->cblock[500] == MODEL_NONE; round++) {
			for (n = 0; n < 12; n++) {
				model_access(m, 500, DMC_READ, false);
				model_access(m, ob += 11, DMC_WRITE, true);
				model_ask(m, false);
				model_complete_all(m);
			}
			model_tick(m);
		}
		CHECK_MSG(m->cblock[500] != MODEL_NONE, "not promoted in %u rounds", round);
		model_free(m);
	}
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "the coldest go, without a copy", test_coldest_go },
		{ "dirty blocks stay", test_dirty_ones_stay },
		{ "a scan does not get the reserve", test_no_room_for_a_scan },
		{ "uniform load does not churn beside it", test_no_churn },
		{ "cheap writes get it", test_cheap_writes_have_it },
		{ "candidates get what was freed for them", test_candidates_get_theirs },
		{ }
	};

	if (shim_modules_init())
		return 1;
	return unit_main(argc, argv, tests);
}
