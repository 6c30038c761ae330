// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-policy-steps.c - for how long does a policy hold its lock, with interrupts off?  In steps,
 * which the compiler counts: one for each basic block of code.  There must be few, however large
 * the cache is and however many CPUs there are.
 *
 * What that is in time depends on the machine, and is not tested.  Measured once with BLOCKS and
 * POLICY (test_time()), on two cores that were shared with much else:
 *
 *	policy	blocks		steps at most	time at most
 *	payback	262,144		2153		12.0 us
 *	payback	20,000,000	2153		14.3 us
 *	smq	20,000,000	5108		10.5 us
 */
#include <sys/mman.h>
#include <time.h>

#include "policy-model.h"
#include "unit.h"

#define FEW 6000
#define SMALL (1 << 12)
#define LARGE (1 << 18)
#define WARM_HINT 0xffff

static unsigned long steps, since, longest;
static bool counting;

/* How long each hold took: ns of this thread's own time, the best of all runs.  NULL: not timed. */
#define MAX_HOLDS (1 << 24)
static u32 *best;
static u64 began, nr_holds;

#ifdef __clang__
#define UNCOUNTED __attribute__((no_sanitize("coverage")))
#else
#define UNCOUNTED __attribute__((no_sanitize_coverage))
#endif

void __sanitizer_cov_trace_pc(void);

UNCOUNTED void __sanitizer_cov_trace_pc(void)
{
	steps++;
}

static u64 thread_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void note_time(u64 ns)
{
	CHECK(nr_holds < MAX_HOLDS);
	best[nr_holds] = min_t(u64, best[nr_holds], ns);
	nr_holds++;
}

static void note_hold(bool held)
{
	if (held) {
		since = steps;
		began = best ? thread_ns() : 0;
		return;
	}
	if (!counting)
		return;
	longest = max(longest, steps - since);
	if (best)
		note_time(thread_ns() - began);
}

/* Is not part of the load, which runs alone. */
static struct model *full(struct dmc_policy_type *t, u32 nr, bool dirty)
{
	struct model *m = model_new(t, nr, (u64)nr * 4);
	u32 cb;

	counting = false;
	for (cb = 0; cb < nr; cb++)
		model_load(m, cb, (u64)cb * 3, dirty, WARM_HINT, t->hint_size);
	counting = true;
	return m;
}

static void hit_all(struct model *m, enum dmc_dir dir)
{
	u32 cb;

	for (cb = 0; cb < m->nr; cb++)
		if (m->oblock[cb] != U64_MAX)
			model_access(m, m->oblock[cb], dir, false);
}

/* Misses of blocks that come again, hits anywhere, and all the work that is wanted. */
static void use(struct model *m, u32 n, u32 hits)
{
	u32 i, k;

	for (i = 0; i < n; i++) {
		for (k = 0; k < hits; k++) {
			u64 ob = m->oblock[unit_below(m->nr)];

			if (ob != U64_MAX)
				model_access(m, ob, k % 4 ? DMC_READ : DMC_WRITE, false);
		}
		model_access(m, unit_below(64) * 3 + 1 + i / 1000 * 300, DMC_READ, false);
		model_pump(m, i & 1, 4);
		if (i % 50 == 49) {
			m->reserve = m->type->make_room ? m->nr_free + 10 : 0;
			model_make_room(m);
			model_complete_all(m);
			m->reserve = 0;
		}
		if (i % 300 == 299)
			model_tick(m);
	}
}

static void clean_all(struct model *m)
{
	model_complete_all(m);
	while (m->nr_dirty && model_pump(m, true, 1))
		;
}

static void tunables(struct model *m)
{
	/* Much more than fits is protected now. */
	if (m->type->set_config) {
		m->type->set_config(m->p, "protected_percent", "1");
		m->type->set_config(m->p, "small_percent", "90");
		m->type->set_config(m->p, "window_percent", "1");
	}
}

static void one(struct dmc_policy_type *t, u32 nr, u32 cpus)
{
	struct model *m;

	longest = 0;
	shim_nr_cpus = cpus;
	shim_lock_hook = note_hold;

	/* After a warm start. */
	m = full(t, nr, true);
	use(m, 3000, 4);
	/* All blocks were hit since they were looked at. */
	hit_all(m, DMC_READ);
	model_tick(m);
	use(m, 3000, 60);
	/* And then all were looked at, and none was hit any more. */
	use(m, 4000, 0);
	tunables(m);
	use(m, 1000, 0);
	/* A few dirty blocks far away from each other. */
	if (nr == SMALL)
		clean_all(m);
	use(m, 1000, 1);
	model_free(m);

	/* One dirty block among many. */
	m = full(t, nr, false);
	model_access(m, (u64)(nr - 1) * 3, DMC_WRITE, false);
	model_pump(m, true, 1);
	model_access(m, (u64)(nr - 2) * 3, DMC_WRITE, false);
	model_pump(m, true, 1);
	model_tick(m);
	model_free(m);

	shim_lock_hook = NULL;
	shim_nr_cpus = 1;
	printf("    %-14s %7u blocks, %3u CPUs: %lu steps at most\n", t->name, nr, cpus, longest);
}

static void all(u32 nr, u32 cpus)
{
	unsigned int i;

	for (i = 0; i < model_nr_types; i++) {
		one(model_types[i], nr, cpus);
		CHECK_MSG(longest < FEW, "%lu steps under the lock (%s, %u blocks, %u CPUs)",
			  longest, model_types[i]->name, nr, cpus);
	}
}

static void test_small(void)
{
	all(SMALL, 1);
}

static void test_large(void)
{
	all(LARGE, 1);
}

static void test_cpus(void)
{
	all(SMALL, 512);
}

/*
 * The time, too: BLOCKS=20000000 POLICY=payback, with a build without sanitizers, by hand.  Each
 * run does the same, so what a busy host adds to a hold is not there in the best of some runs.
 */
static void test_time(void)
{
	u32 nr = strtoul(getenv("BLOCKS"), NULL, 10), run, slowest = 0;
	struct dmc_policy_type *t = model_type(getenv("POLICY") ?: "payback");
	u64 i, holds = 0;

	/* The kernel has its pages before they are used. */
	CHECK_OK(mlockall(MCL_CURRENT | MCL_FUTURE));
	best = malloc(MAX_HOLDS * sizeof(*best));
	CHECK(best);
	memset(best, 0xff, MAX_HOLDS * sizeof(*best));
	for (run = 0; run < 3; run++) {
		nr_holds = 0;
		unit_srand(1);
		one(t, nr, 1);
		CHECK(!run || nr_holds == holds);
		holds = nr_holds;
	}
	for (i = 0; i < holds; i++)
		slowest = max(slowest, best[i]);
	printf("    %llu holds, %u.%u us at most\n", (unsigned long long)holds, slowest / 1000,
	       slowest / 100 % 10);
	free(best);
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "a small cache: few steps under the lock", test_small },
		{ "a large cache: few steps under the lock", test_large },
		{ "many CPUs: few steps under the lock", test_cpus },
		{ }
	};
	static const struct unit_test asked[] = {
		{ "so many blocks: steps and time under the lock", test_time },
		{ }
	};

	if (shim_modules_init())
		return 1;
	return unit_main(argc, argv, getenv("BLOCKS") ? asked : tests);
}
