// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-policy-contract.c - every policy, under every name, keeps the contract of policy.h.
 *
 * One set of tests for all of them: the model core (policy-model.h) watches what they ask for.
 */
#include <pthread.h>

#include "policy-model.h"
#include "unit.h"

#define EACH_TYPE(t) \
	for (unsigned int ti__ = 0; ti__ < model_nr_types && ((t) = model_types[ti__]); ti__++)

static void test_registered(void)
{
	static const char *const names[] = { "mq", "smq", "cleaner", "payback", "default", "s3fifo",
		"sieve", "tinylfu", "fifo", "filo", "lru", "mru", "lfu", "mfu", "lfu_ws", "mfu_ws",
		"random", "multiqueue", "multiqueue_ws", "twoqueue", "q2", "dumb", "noop",
		"twice" };
	struct dmc_policy_type *t;
	unsigned int i;

	CHECK_EQ(model_nr_types, ARRAY_SIZE(names));
	for (i = 0; i < ARRAY_SIZE(names); i++)
		CHECK(model_type(names[i]));
	CHECK(!strcmp(dmc_policy_stored_name(model_type("default")), "payback"));
	CHECK_EQ(memcmp(model_type("default")->version, model_type("payback")->version,
			sizeof(model_type("payback")->version)), 0);

	EACH_TYPE(t) {
		CHECK(strlen(t->name) < DMC_POLICY_NAME_LEN);
		CHECK(t->hint_size == 0 || t->hint_size == 4);
		CHECK(t->create && t->destroy && t->load_mapping && t->hit && t->miss);
		CHECK(t->next_work && t->work_done && t->invalidate && t->residency);
		CHECK(t->set_dirty && t->clear_dirty);
		CHECK(!t->hint_size || (t->get_hints && t->hints_changed && t->hints_saved));
		/* The example and the cleaner have no reserve, which is allowed. */
		CHECK_EQ(!t->make_room, !strcmp(t->name, "twice") || !strcmp(t->name, "cleaner"));
		CHECK_EQ(!t->make_room, !t->allocated);
	}
}

/*
 * With a migration_threshold of 0 the core asks for no work: candidates wait for ever.  A write
 * that needs no copy comes in all the same, as long as a block is free.
 */
static void test_cheap_writes_need_no_work(void)
{
	/* They let no block in, or, the example, none at once. */
	static const char *const not_at_once = " noop cleaner twice ";
	struct dmc_policy_type *t;
	u64 ob, round;

	EACH_TYPE(t) {
		struct model *m = model_new(t, 100, 40000);

		unit_note("%s", t->name);
		/* Some are asked for often enough to be worth a place by any rule. */
		for (round = 0; round < 20; round++) {
			for (ob = 0; ob < 300; ob++)
				model_access(m, ob * 7, DMC_READ, false);
			model_tick(m);
		}
		CHECK_EQ(m->promotions, 0);
		for (ob = 0; ob < 100; ob++) {
			model_access(m, 5000 + ob * 97, DMC_WRITE, true);
			model_complete_all(m);
		}
		if (!strstr(not_at_once, t->name))
			CHECK_EQ(m->promotions, 100);
		model_free(m);
	}
}

/*----- random operations -----*/

static void churn(struct model *m, enum model_load load, u32 steps)
{
	u64 loop = m->nr + m->nr / 4 + 1;
	u32 i;

	for (i = 0; i < steps; i++) {
		u64 ob = model_load_block(load, i, m->nr_oblocks, loop);
		bool cheap = unit_below(8) == 0;
		u32 n;

		model_access(m, ob, unit_below(3) ? DMC_READ : DMC_WRITE, cheap);
		for (n = unit_below(3); n; n--)
			model_ask(m, unit_below(4) == 0);
		if (unit_below(8) == 0)
			model_make_room(m);
		if (unit_below(2))
			model_complete_one(m);
		if (unit_below(50) == 0)
			model_tick(m);
		if (unit_below(200) == 0)
			model_invalidate_some(m);
		if (unit_below(4000) == 0)
			model_suspend(m);
		if (unit_below(5000) == 0)
			model_restart(m, unit_below(2));
	}
}

/* Whatever happened, an idle and healthy device becomes clean, and nothing got lost. */
static void settle(struct model *m)
{
	u32 ticks;

	m->fail_percent = 0;
	m->refuse_percent = 0;
	m->surprises = false;
	model_complete_all(m);
	for (ticks = 0; m->nr_dirty && ticks < 100 + m->nr; ticks++) {
		model_tick(m);
		model_pump(m, true, UINT_MAX);
	}
	CHECK_EQ(m->nr_dirty, 0);

	for (ticks = 0; ticks < 20; ticks++) {
		model_tick(m);
		model_pump(m, true, UINT_MAX);
	}
	CHECK_EQ(m->nr_dirty, 0);
	CHECK_EQ(m->nr_resident + m->nr_free, m->nr);
}

static void one_churn(struct dmc_policy_type *t, u32 nr, enum model_load load, bool trouble,
		      bool reserve, u32 steps)
{
	struct model *m = model_new(t, nr, 4ULL * nr + 13);
	u32 cb;

	unit_note("%s, %u blocks, %s%s%s", t->name, nr, model_load_names[load],
		  trouble ? ", with trouble" : "", reserve ? ", with a reserve" : "");
	m->fail_percent = trouble ? 15 : 0;
	m->refuse_percent = trouble ? 10 : 0;
	m->surprises = trouble;
	/* Half full and dirty from before: else the cleaner would have nothing to do. */
	for (cb = 0; cb < nr / 2; cb++)
		model_load(m, cb * 2, cb * 3, cb % 3, 1, false);
	m->reserve = reserve && t->make_room ? nr / 8 : 0;
	m->at_once = reserve;
	churn(m, load, steps);
	settle(m);
	model_free(m);
}

static void test_random_operations(void)
{
	static const u32 sizes[] = { 1, 2, 3, 64, 1000 };
	struct dmc_policy_type *t;
	enum model_load load;
	unsigned int i;

	EACH_TYPE(t)
		for (i = 0; i < ARRAY_SIZE(sizes); i++)
			for (load = 0; load < LOAD_NR; load++) {
				one_churn(t, sizes[i], load, false, false, 100000 / model_nr_types);
				one_churn(t, sizes[i], load, false, true, 100000 / model_nr_types);
				one_churn(t, sizes[i], load, true, false, 200000 / model_nr_types);
				one_churn(t, sizes[i], load, true, true, 200000 / model_nr_types);
			}
}

static void test_a_million_blocks(void)
{
	struct dmc_policy_type *t;

	EACH_TYPE(t) {
		struct model *m = model_new(t, 1 << 20, (1 << 22) + 5);
		u32 i;

		unit_note("%s", t->name);
		m->fail_percent = 5;
		/* Without churn()'s restarts, which read every hint. */
		for (i = 0; i < 60000; i++) {
			model_access(m, model_zipf(m->nr_oblocks), i % 3 ? DMC_READ : DMC_WRITE,
				     i % 16 == 0);
			model_pump(m, i % 8 == 0, 2);
			if (i % 1000 == 0)
				model_tick(m);
		}
		model_restart(m, true);
		settle(m);
		model_free(m);
	}
}

/* An origin of 2^47 blocks: an oblock does not fit 32 bits. */
#define HUGE_BASE (1ULL << 46)

static oblock_t huge_oblock_of(const struct dmc_mappings *map, cblock_t cblock)
{
	return to_oblock(HUGE_BASE + from_cblock(cblock) * (1ULL << 33));
}

static bool huge_lookup(const struct dmc_mappings *map, oblock_t oblock, cblock_t *cblock)
{
	u64 ob = from_oblock(oblock) - HUGE_BASE;

	*cblock = to_cblock(ob >> 33);
	return !(ob & ((1ULL << 33) - 1)) && ob >> 33 < 8;
}

static void test_huge_origin(void)
{
	const struct dmc_mappings huge = { .oblock_of = huge_oblock_of, .lookup = huge_lookup };
	const u64 base = HUGE_BASE;
	struct dmc_policy_type *t;
	struct dmc_work w;
	u32 i;

	EACH_TYPE(t) {
		struct dmc_policy *p = t->create(&huge, 16, (1ULL << 47) * 64, 64);

		unit_note("%s", t->name);
		CHECK(!IS_ERR(p));
		for (i = 0; i < 8; i++)
			CHECK_OK(t->load_mapping(p, to_cblock(i),
						 to_oblock(base + i * (1ULL << 33)), true, 5,
						 true));
		for (i = 0; i < 8; i++) {
			CHECK_OK(t->next_work(p, true, 8, &w));
			CHECK_EQ(w.op, DMC_OP_WRITEBACK);
			CHECK_EQ(from_oblock(w.oblock),
				 base + from_cblock(w.cblock) * (1ULL << 33));
			t->clear_dirty(p, w.cblock);
			t->work_done(p, &w, true);
		}
		CHECK_EQ(t->next_work(p, true, 8, &w), DMC_NO_WORK);
		t->miss(p, to_oblock(base + 1), DMC_READ, (base + 1) * 64, 8, false, 8);
		if (!t->next_work(p, true, 8, &w)) {
			CHECK_EQ(w.op, DMC_OP_PROMOTE);
			CHECK_EQ(from_oblock(w.oblock), base + 1);
		}
		t->destroy(p);
	}
}

/*----- many CPUs -----*/

static bool stop_hitting;

/* Hits all over the cache, without any lock, as other CPUs do. */
static void *hit_all_the_time(void *arg)
{
	struct model *m = arg;
	u32 i = 0;

	while (!__atomic_load_n(&stop_hitting, __ATOMIC_RELAXED)) {
		i = i * 1664525 + 1013904223;
		m->type->hit(m->p, to_cblock((i >> 8) % m->nr), to_oblock(i), DMC_READ, 8);
	}
	return NULL;
}

static void test_concurrent_hits(void)
{
	struct dmc_policy_type *t;
	pthread_t threads[2];
	u32 i, n;

	EACH_TYPE(t) {
		struct model *m = model_new(t, 300, 1200);

		unit_note("%s", t->name);
		m->fail_percent = 5;
		stop_hitting = false;
		for (i = 0; i < ARRAY_SIZE(threads); i++)
			CHECK_OK(pthread_create(&threads[i], NULL, hit_all_the_time, m));
		for (n = 0; n < 40000; n++) {
			model_access(m, model_zipf(m->nr_oblocks), n % 3 ? DMC_READ : DMC_WRITE,
				     false);
			model_pump(m, n % 16 == 0, 2);
			if (n % 40 == 0)
				model_tick(m);
			if (n % 100 == 0)
				model_invalidate_some(m);
		}
		__atomic_store_n(&stop_hitting, true, __ATOMIC_RELAXED);
		for (i = 0; i < ARRAY_SIZE(threads); i++)
			pthread_join(threads[i], NULL);
		settle(m);
		model_free(m);
	}
}

/*----- restart -----*/

/* A full cache removed and made again counts its blocks once, and works on. */
static void test_hints_round_trip(void)
{
	struct dmc_policy_type *t;
	int with_hints;

	EACH_TYPE(t) {
		for (with_hints = 0; with_hints < 2; with_hints++) {
			struct model *m = model_new(t, 500, 2000);
			u32 i, cb;

			unit_note("%s, %s hints", t->name, with_hints ? "with" : "without");
			for (cb = 0; cb < m->nr; cb++)
				model_load(m, cb, cb * 3, cb % 5 == 0, cb % 64, with_hints);

			for (i = 0; i < 5; i++) {
				model_restart(m, with_hints);
				CHECK_EQ(t->residency(m->p), m->nr_resident);
				churn(m, LOAD_ZIPF, 500);
				model_complete_all(m);
			}
			settle(m);
			model_free(m);
		}
	}
}

/* Those that keep an order which hits do not change have nothing new to store. */
static bool hits_change_hints(const struct dmc_policy_type *t)
{
	static const char *const no[] = { "fifo", "filo", "random", "dumb", "noop", "twoqueue", "q2" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(no); i++)
		if (!strcmp(t->name, no[i]))
			return false;
	return true;
}

/*
 * A suspend stores the hints of what was used since the last one, and little else.  That what is
 * said to be unchanged is so, model_suspend() sees.
 */
static void test_changed_hints(void)
{
	const u32 group = 1018;	/* hints in a block of the array on disk */
	struct dmc_policy_type *t;
	u32 cb, tick, n;

	EACH_TYPE(t) {
		struct model *m = model_new(t, 100 * group, 200 * group);

		unit_note("%s", t->name);
		for (cb = 0; cb < m->nr; cb++)
			model_load(m, cb, cb, false, cb % 40, true);
		if (!t->hint_size) {
			model_free(m);
			continue;
		}
		/*
		 * These may be beyond what the policy's own hints go up to; those of its own are
		 * not.
		 */
		model_restart(m, true);
		CHECK_EQ(model_hints_changed(m, group), 0);
		for (tick = 0; tick < 200; tick++)
			model_tick(m);
		CHECK_EQ(model_hints_changed(m, group), 0);

		/* One percent of the blocks, side by side. */
		for (cb = 0; cb < group; cb++)
			model_access(m, 50 * group + cb, DMC_READ, false);
		CHECK(model_hints_changed(m, group) >= (hits_change_hints(t) ? 1 : 0));
		CHECK(model_hints_changed(m, group) <= 3);
		model_suspend(m);
		CHECK_EQ(model_hints_changed(m, group), 0);

		model_restart(m, false);
		CHECK_EQ(model_hints_changed(m, group), 100);
		model_free(m);

		/* Ageing: time passes, and many accesses, but all to one block. */
		m = model_new(t, 1024, 2048);
		for (cb = 0; cb < m->nr; cb++)
			model_load(m, cb, cb, false, 40, true);
		for (n = 0; n < 10 * m->nr; n++) {
			model_access(m, 7, DMC_READ, false);
			if (n % 100 == 0)
				model_tick(m);
		}
		model_restart(m, true);
		model_free(m);

		/* One that was stored is no excuse for its neighbour. */
		m = model_new(t, 2, 2);
		model_load(m, 0, 0, false, 5, false);
		model_load(m, 1, 1, false, 5, true);
		model_suspend(m);
		model_free(m);
	}
}

/* What grade_hint() says is a hint of the policy's own, and more for a warmer block. */
static void test_grades(void)
{
	u32 hints[DMC_GRADES], g, graded = 0;
	struct dmc_policy_type *t;

	EACH_TYPE(t) {
		struct model *m;

		unit_note("%s", t->name);
		if (!t->grade_hint)
			continue;
		graded++;
		CHECK_EQ(t->hint_size, 4);
		CHECK(t->grade_hint(DMC_GRADES - 1) > t->grade_hint(0));
		m = model_new(t, DMC_GRADES, 100);
		for (g = 0; g < DMC_GRADES; g++) {
			CHECK(!g || t->grade_hint(g) >= t->grade_hint(g - 1));
			model_load(m, g, g, false, t->grade_hint(g), true);
		}
		t->get_hints(m->p, to_cblock(0), DMC_GRADES, hints);
		for (g = 0; g < DMC_GRADES; g++)
			CHECK_EQ(hints[g], t->grade_hint(g));
		model_free(m);
	}
	/* All but the cleaner, and the example. */
	CHECK_EQ(graded, model_nr_types - 2);
}

/* What a foreign or broken hint says is taken within bounds. */
static void test_any_hint(void)
{
	static const u32 hints[] = { 0, 1, 63, 64, 65535, 65536, 0x80000000, U32_MAX };
	struct dmc_policy_type *t;
	u32 i;

	EACH_TYPE(t) {
		struct model *m = model_new(t, ARRAY_SIZE(hints), 100);

		unit_note("%s", t->name);
		for (i = 0; i < ARRAY_SIZE(hints); i++)
			model_load(m, i, i, false, hints[i], true);
		model_restart(m, true);
		churn(m, LOAD_RANDOM, 1000);
		settle(m);
		model_free(m);
	}
}

/*----- failures -----*/

static void fill_dirty(struct model *m)
{
	u32 cb;

	for (cb = 0; cb < m->nr; cb++)
		model_load(m, cb, cb, true, 3, true);
}

/*
 * A dead origin: nothing can be written back.  Work is offered a few times a tick, not for ever;
 * no block is lost; once it lives again all become clean.
 */
static void test_failures(void)
{
	struct dmc_policy_type *t;
	u32 tick, asked, round;

	EACH_TYPE(t) {
		for (round = 0; round < 2; round++) {
			struct model *m = model_new(t, 1000, 4000);

			unit_note("%s, %s", t->name, round ? "all refused" : "all fail");
			fill_dirty(m);
			m->fail_percent = round ? 0 : 100;
			m->refuse_percent = round ? 100 : 0;
			for (tick = 0; tick < 200; tick++) {
				for (asked = 0; asked < 1000 && model_ask(m, true); asked++)
					model_complete_all(m);
				CHECK_MSG(asked < 100, "offered %u pieces of work in a tick",
					  asked);
				model_access(m, 1000 + tick % 10, DMC_READ, false);
				model_tick(m);
			}
			CHECK(m->failures > 200);
			CHECK_EQ(m->nr_resident, m->nr);
			settle(m);
			model_free(m);
		}
	}
}

/* The failed block is not the very next one offered, so that others get their turn. */
static void test_failed_block_waits(void)
{
	struct dmc_policy_type *t;
	struct dmc_work first, w;
	u32 i;

	EACH_TYPE(t) {
		struct model *m = model_new(t, 64, 256);

		unit_note("%s", t->name);
		fill_dirty(m);
		CHECK_OK(t->next_work(m->p, true, 0, &first));
		t->work_done(m->p, &first, false);
		for (i = 0; i < 63; i++) {
			CHECK_OK(t->next_work(m->p, true, 0, &w));
			CHECK(from_cblock(w.cblock) != from_cblock(first.cblock));
			t->clear_dirty(m->p, w.cblock);
			t->work_done(m->p, &w, true);
		}
		CHECK_EQ(t->next_work(m->p, true, 0, &w), DMC_NO_WORK);
		for (i = 0; i < 20; i++)
			t->tick(m->p);
		CHECK_OK(t->next_work(m->p, true, 0, &w));
		CHECK_EQ(from_cblock(w.cblock), from_cblock(first.cblock));
		model_free(m);
	}
}

/* Unmapped by the core while work on it is going on, and used again before that is reported. */
static void test_invalidate_busy(void)
{
	struct dmc_policy_type *t;
	struct dmc_work w, again;
	int success;

	EACH_TYPE(t) {
		for (success = 0; success < 2; success++) {
			struct model *m = model_new(t, 4, 256);

			unit_note("%s", t->name);
			fill_dirty(m);
			CHECK_OK(t->next_work(m->p, true, 0, &w));
			t->invalidate(m->p, w.cblock);
			CHECK_EQ(t->residency(m->p), 3);
			again = w;
			again.op = DMC_OP_PROMOTE;
			again.oblock = to_oblock(99);
			t->work_done(m->p, &again, true);
			CHECK_EQ(t->residency(m->p), 4);
			t->work_done(m->p, &w, success);
			CHECK_EQ(t->residency(m->p), 4);
			t->invalidate(m->p, w.cblock);
			t->invalidate(m->p, w.cblock);
			CHECK_EQ(t->residency(m->p), 3);
			model_free(m);
		}
	}
}

/*----- time -----*/

static void test_many_ticks(void)
{
	struct dmc_policy_type *t;
	u32 i;

	EACH_TYPE(t) {
		struct model *m = model_new(t, 100, 400);

		unit_note("%s", t->name);
		for (i = 0; i < 3000; i++)
			model_tick(m);
		churn(m, LOAD_ZIPF, 3000);
		model_complete_all(m);
		/* Enough accesses for generations to end, and epochs to wrap. */
		for (i = 0; i < 300 * 64; i++) {
			u32 j;

			for (j = 0; j < 20; j++)
				model_access(m, model_zipf(m->nr_oblocks), DMC_READ, false);
			model_pump(m, false, 8);
			model_tick(m);
		}
		settle(m);
		model_free(m);
	}
}

/*----- tunables -----*/

/* "<count> <key> <value>...": the count is right, and each pair can be set as printed. */
static void check_emitted(struct dmc_policy_type *t, struct dmc_policy *p, char *buf)
{
	char *key, *value, *save = NULL;
	unsigned int words = 0, count;

	CHECK_OK(kstrtouint(strtok_r(buf, " ", &save), 10, &count));
	while ((key = strtok_r(NULL, " ", &save))) {
		value = strtok_r(NULL, " ", &save);
		CHECK(value);
		CHECK_OK(t->set_config(p, key, value));
		words += 2;
	}
	CHECK_EQ(words, count);
}

/* What a type prints; those that print nothing take the keys of old tables. */
static unsigned int known_keys(const char *emitted, char (*keys)[32])
{
	static const char *const old[] = { "sequential_threshold", "random_threshold",
		"read_promote_adjustment", "write_promote_adjustment",
		"discard_promote_adjustment" };
	char *copy = strdup(emitted), *save = NULL, *key;
	unsigned int nr = 0;

	strtok_r(copy, " ", &save);
	for (; (key = strtok_r(NULL, " ", &save)) && nr < 8; strtok_r(NULL, " ", &save))
		strcpy(keys[nr++], key);
	free(copy);
	if (!nr)
		for (; nr < ARRAY_SIZE(old); nr++)
			strcpy(keys[nr], old[nr]);
	return nr;
}

static void emit(struct dmc_policy_type *t, struct dmc_policy *p, char *buf, size_t len)
{
	strcpy(buf, "0");
	if (t->emit_config)
		CHECK_EQ(t->emit_config(p, buf, len), strlen(buf));
}

static void test_config(void)
{
	char keys[8][32];
	static const char *const bad[] = { "", "-1", "+1", "x", "1x", " 1", "1 ", "1\n", "0x10",
		"2147483648", "4294967296", "99999999999999999999999", "1.5" };
	char before[512], zeroes[512], after[512];
	struct dmc_policy_type *t;
	unsigned int i, j, nr;

	EACH_TYPE(t) {
		struct dmc_policy *p = t->create(&model_no_mappings, 10, 1000, 10);

		unit_note("%s", t->name);
		emit(t, p, before, sizeof(before));
		nr = t->set_config ? known_keys(before, keys) : 0;
		for (i = 0; i < nr; i++) {
			for (j = 0; j < ARRAY_SIZE(bad); j++) {
				unit_note("%s %s '%s'", t->name, keys[i], bad[j]);
				CHECK_EQ(t->set_config(p, keys[i], bad[j]), -EINVAL);
			}
			CHECK_EQ(t->set_config(p, "no_such_key", "1"), -EINVAL);
			CHECK_EQ(t->set_config(p, "", "1"), -EINVAL);
			CHECK_EQ(t->set_config(p, "sequential_thresh", "1"), -EINVAL);
			emit(t, p, after, sizeof(after));
			CHECK(!strcmp(before, after));
		}
		for (i = 0; i < nr; i++)
			CHECK_OK(t->set_config(p, keys[i], "0"));
		emit(t, p, zeroes, sizeof(zeroes));
		for (i = 0; i < nr; i++)
			CHECK_OK(t->set_config(p, keys[i], "1"));
		emit(t, p, after, sizeof(after));
		if (t->emit_config)
			CHECK(strcmp(zeroes, after));
		check_emitted(t, p, after);
		check_emitted(t, p, before);
		t->destroy(p);
	}
}

static void test_emit_length(void)
{
	char whole[512], part[512];
	struct dmc_policy_type *t;
	size_t len, i;

	EACH_TYPE(t) {
		struct dmc_policy *p = t->create(&model_no_mappings, 10, 1000, 10);

		unit_note("%s", t->name);
		if (t->emit_config) {
			t->emit_config(p, whole, sizeof(whole));
			for (len = 1; len <= strlen(whole) + 2; len++) {
				memset(part, 'X', sizeof(part));
				CHECK_EQ(t->emit_config(p, part, len),
					 min(len - 1, strlen(whole)));
				CHECK_EQ(strlen(part), min(len - 1, strlen(whole)));
				CHECK(!memcmp(part, whole, strlen(part)));
				for (i = len; i < sizeof(part); i++)
					CHECK(part[i] == 'X');
			}
			memset(part, 'X', sizeof(part));
			CHECK_EQ(t->emit_config(p, part, 0), 0);
			CHECK(part[0] == 'X');
		}
		t->destroy(p);
	}
}

static void test_ignored_tunables_warn_once(void)
{
	struct dmc_policy_type *t = model_type("smq");
	struct dmc_policy *p = t->create(&model_no_mappings, 10, 1000, 10);

	shim_clear_messages();
	CHECK_OK(t->set_config(p, "sequential_threshold", "512"));
	CHECK_OK(t->set_config(p, "random_threshold", "4"));
	CHECK_EQ(shim_nr_messages(), 1);
	t->destroy(p);
}

/* The memory of ghosts can be set, to the next power of two, and is said. */
static void test_ghost_bytes(void)
{
	struct dmc_policy_type *t;
	char buf[512];

	EACH_TYPE(t) {
		struct model *m = model_new(t, 100, 1000);

		unit_note("%s", t->name);
		emit(t, m->p, buf, sizeof(buf));
		if (strstr(buf, " ghost_bytes ")) {
			churn(m, LOAD_ZIPF, 500);
			shim_fail_alloc(1);
			CHECK_EQ(t->set_config(m->p, "ghost_bytes", "100000"), -ENOMEM);
			shim_fail_alloc(0);
			CHECK_OK(t->set_config(m->p, "ghost_bytes", "100000"));
			emit(t, m->p, buf, sizeof(buf));
			CHECK(strstr(buf, " ghost_bytes 131072"));
			churn(m, LOAD_ZIPF, 500);
			settle(m);
		} else {
			CHECK(!strcmp(t->name, "mq") || !strcmp(t->name, "smq") ||
			      !strcmp(t->name, "cleaner") || !strcmp(t->name, "twice"));
		}
		model_free(m);
	}
}

/*----- memory -----*/

static void one_failing_allocation_each(struct dmc_policy_type *t, u32 nr_blocks)
{
	unsigned long n, live = shim_live_allocs();

	unit_note("%s, %u blocks", t->name, nr_blocks);
	for (n = 1; ; n++) {
		struct dmc_policy *p;

		shim_fail_alloc(n);
		p = t->create(&model_no_mappings, nr_blocks, nr_blocks * 640ULL, 64);
		if (!shim_alloc_failed()) {
			CHECK(!IS_ERR(p));
			t->destroy(p);
			break;
		}
		CHECK_EQ(PTR_ERR(p), -ENOMEM);
		CHECK_EQ(shim_live_allocs(), live);
	}
	shim_fail_alloc(0);
	CHECK(n > 2);
	CHECK_EQ(shim_live_allocs(), live);
}

static void test_failing_allocations(void)
{
	struct dmc_policy_type *t;

	EACH_TYPE(t) {
		one_failing_allocation_each(t, 1000);
		one_failing_allocation_each(t, 1 << 18);
	}
}

static void test_sizes(void)
{
	static const u32 sizes[] = { 1, 7, 1 << 10, 1 << 20 };
	struct dmc_policy_type *t;
	unsigned int i;

	EACH_TYPE(t) {
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			struct dmc_policy *p;

			unit_note("%s, %u blocks", t->name, sizes[i]);
			p = t->create(&model_no_mappings, sizes[i],
				      sizes[i] * 640ULL + 17, 64);
			CHECK(!IS_ERR(p));
			CHECK_OK(t->load_mapping(p, to_cblock(sizes[i] - 1), to_oblock(sizes[i]),
						 true, 1, true));
			t->hit(p, to_cblock(sizes[i] - 1), to_oblock(sizes[i]), DMC_READ, 8);
			t->tick(p);
			CHECK_EQ(t->residency(p), 1);
			t->destroy(p);
		}
	}
}

static void test_unregistered(void)
{
	shim_modules_exit();
	CHECK_EQ(model_nr_types, 0);
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "all types are registered and complete", test_registered },
		{ "cheap writes come in without work", test_cheap_writes_need_no_work },
		{ "random operations", test_random_operations },
		{ "a million blocks", test_a_million_blocks },
		{ "an origin beyond 32 bits of blocks", test_huge_origin },
		{ "hits from other CPUs at any time", test_concurrent_hits },
		{ "hints make a round trip, blocks count once", test_hints_round_trip },
		{ "hints that changed are told from others", test_changed_hints },
		{ "any hint is taken", test_any_hint },
		{ "grades of warmth are hints", test_grades },
		{ "failures neither spin nor lose blocks", test_failures },
		{ "a failed block waits", test_failed_block_waits },
		{ "blocks invalidated while busy", test_invalidate_busy },
		{ "many ticks", test_many_ticks },
		{ "tunables", test_config },
		{ "emit_config keeps to its buffer", test_emit_length },
		{ "ignored tunables warn once", test_ignored_tunables_warn_once },
		{ "the memory of ghosts", test_ghost_bytes },
		{ "each allocation failing", test_failing_allocations },
		{ "sizes", test_sizes },
		{ "modules leave", test_unregistered },
		{ }
	};

	if (shim_modules_init())
		return 1;
	return unit_main(argc, argv, tests);
}
