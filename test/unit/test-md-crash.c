// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-md-crash.c - the power goes at every write and flush of a cache's life, with unflushed
 * writes lost, kept, torn, or some of each.  Every such disk is in perfect order, and holds the
 * last commit that returned or the one that was under way.
 *
 * Of "random lives" there are as many as CRASH_LIVES in the environment says (default 1), from number
 * CRASH_SEED (default 1) on, CRASH_STEP (default 1) apart.
 */
#include "md-scenario.h"

#define SEEDS 6

static unsigned long nr_states;
static u64 life_nr;	/* 0: the life that touches everything once */

static u64 seq_of_state(void *ctx, unsigned int state)
{
	struct scenario *s = ctx;

	return s->states[state].seq;
}

static void check_cut(void *ctx, struct shim_disk *d, unsigned int at, u64 seed)
{
	struct scenario *s = ctx;
	const char *what = scenario_check(s, d, at, at + 1);

	CHECK_MSG(!what, "%s", what);
	if (seed < 3) {
		what = scenario_reopen(s, d);
		CHECK_MSG(!what, "reopened: %s", what);
	}
}

static void cut_everywhere(struct scenario *s)
{
	unsigned long nr;
	char replay[64];
	const struct md_cuts cuts = {
		.d = s->d,
		.seeds = SEEDS,
		.nr_states = s->nr_states,
		.seq = seq_of_state,
		.check = check_cut,
		.ctx = s,
		.replay = replay,
	};

	snprintf(replay, sizeof(replay), "life %llu: replay with CRASH_SEED; ", life_nr);
	nr = md_cut_everywhere(&cuts);
	CHECK(nr > 41 * SEEDS);
	nr_states += nr;
}

static void run(bool format2, unsigned int cache, unsigned int early, u64 life)
{
	struct model *m;
	struct shim_disk *d = scenario_disk(format2, &m);
	struct scenario s;

	life_nr = life;
	scenario_init(&s, d, m, format2);
	disk_log_start(s.d);
	shim_bufio_set_cache(cache);
	shim_bufio_set_early_writes(early);
	if (life)
		scenario_run_random(&s, life);
	else
		scenario_run(&s);
	shim_bufio_set_cache(64);
	shim_bufio_set_early_writes(0);
	CHECK_OK(s.error);
	cut_everywhere(&s);
	scenario_free(&s);
	disk_free(d);
	model_free(m);
}

static void test_format1(void)
{
	run(false, 64, 0, 0);
}

static void test_format2(void)
{
	run(true, 64, 0, 0);
}

static void test_early_writes(void)
{
	run(false, 20, 3, 0);
	run(true, 20, 3, 0);
}

static u64 from_env(const char *name)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 10) : 1;
}

static void test_random_lives(void)
{
	u64 life = from_env("CRASH_SEED"), lives = from_env("CRASH_LIVES"), i;

	nr_states = 0;
	for (i = 0; i < lives; i++, life += from_env("CRASH_STEP")) {
		run(life & 1, life % 3 ? 64 : 20, life % 5, life);
	}
	printf("  %lu states of %llu lives\n", nr_states, lives);
}

/* Formatting cut short: still blank, or formatted. */
static void test_formatting(void)
{
	int format2;

	for (format2 = 0; format2 < 2; format2++) {
		struct shim_disk *d = disk_create(128 * 8);
		struct dmc_md_params p = md_params(d);
		struct disk_crash *c;
		unsigned long k;
		u64 seed;

		p.format2 = format2;
		disk_log_start(d);
		dmc_md_close(md_open_ok(&p));
		c = disk_crash_begin(d);
		for (k = 0; k <= disk_crash_events(c); k++)
			for (seed = 0; seed < SEEDS; seed++) {
				struct shim_disk *s = disk_crash_state(c, k, seed);
				struct dmc_md_summary sum;
				dmc_md_reason_t why;

				unit_note("event %lu, seed %llu", k, seed);
				p.bdev = disk_bdev(s);
				CHECK_OK(dmc_md_probe(&p, &sum, &why));
				CHECK(sum.blank || !md_fsck(s->data, s->nr_sectors * 512, 0, NULL));
				CHECK(k < disk_crash_events(c) || !sum.blank);
				dmc_md_close(md_open_ok(&p));
			}
		disk_crash_end(c);
		disk_free(d);
	}
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "power cut while formatting", test_formatting },
		{ "power cut at every event, format 1", test_format1 },
		{ "power cut at every event, format 2", test_format2 },
		{ "power cut at every event, with a small cache that writes early", test_early_writes },
		{ "power cut at every event of random lives", test_random_lives },
		{ }
	};

	return unit_main(argc, argv, tests);
}
