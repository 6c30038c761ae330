// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-pdata-crash.c - power cuts: after each write or flush of a run, with any subset of the
 * unflushed writes on the disk, some of them torn, the device opens and holds exactly the last
 * committed transaction or the one that was being committed; and it can be worked on.
 *
 * "random workloads" can be made long (../unit/crash does): from the environment,
 *	CRASH_STATES=N	look at N states (default 20000)
 *	CRASH_SEED=N	number of the first workload (default 1)
 *	CRASH_STEP=N	distance to the next one: so several processes share the work
 *	CRASH_REPLAY=W:K:S	workload W alone, cut after event K, state seed S; failures print it
 */
#include "pd-random.h"
#include "pd-work.h"

#define STEPS 9

struct history {
	struct shim_disk *disk;
	unsigned long began[STEPS + 2];	/* event number when step n was begun */
	unsigned long done[STEPS + 2];	/* ... and when its commit had returned */
};

static void record(struct history *h, unsigned int cache, unsigned int early)
{
	struct world w;
	u64 n;

	shim_bufio_set_cache(cache);
	shim_bufio_set_early_writes(early);
	h->disk = disk_create(WORK_BLOCKS * 8);
	disk_log_start(h->disk);
	CHECK_OK(world_open(&w, h->disk));
	h->done[0] = h->disk->nr_events;
	for (n = 1; n <= STEPS; n++) {
		h->began[n] = h->disk->nr_events;
		CHECK_OK(work_step(&w, n));
		CHECK_OK(world_commit(&w));
		h->done[n] = h->disk->nr_events;
	}
	world_close(&w);
	CHECK(!world_check_disk(h->disk));
	shim_bufio_set_cache(64);
	shim_bufio_set_early_writes(0);
}

/* What may be found after event @k: *@lo or *@lo + 1; *@lo is -1 before the format was complete. */
static long committed_at(const struct history *h, unsigned long k)
{
	long n;

	for (n = STEPS; n >= 0; n--)
		if (k >= h->done[n])
			return n;
	return -1;
}

static void check_state(const struct history *h, struct shim_disk *s, unsigned long k, bool work)
{
	long lo = committed_at(h, k);
	const char *wrong;
	struct world w;
	long found;

	if (lo < 0 && !memchr_inv(s->data, 0, 4096))
		return;		/* still blank */
	wrong = world_check_disk(s);
	CHECK_MSG(!wrong, "%s", wrong);
	CHECK_OK(world_open(&w, s));
	found = work_number(&w);
	CHECK_MSG(found == lo || found == lo + 1, "found %ld, committed %ld", found, lo);
	CHECK_OK(work_check(&w));
	if (work) {
		CHECK_OK(work_step(&w, found + 1));
		CHECK_OK(world_commit(&w));
		wrong = world_check_disk(s);
		CHECK_MSG(!wrong, "%s", wrong);
	}
	world_close(&w);
}

static void power_cuts(unsigned int cache, unsigned int early, unsigned int seeds)
{
	struct history h;
	struct disk_crash *c;
	unsigned long k, states = 0;
	u64 seed;

	record(&h, cache, early);
	c = disk_crash_begin(h.disk);
	for (k = 0; k <= disk_crash_events(c); k++) {
		for (seed = 0; seed < seeds; seed++) {
			unit_note("event %lu, seed %llu", k, seed);
			check_state(&h, disk_crash_state(c, k, seed), k, !(states++ % 11));
		}
	}
	printf("  %lu states\n", states);
	disk_crash_end(c);
	disk_free(h.disk);
}

static void test_power_cuts(void)
{
	power_cuts(200, 0, 20);
}

static void test_early_writes(void)
{
	power_cuts(20, 40, 2);
}

/*----- random workloads -----*/

#define COMMITS 40		/* of a workload */
#define STATES_A_CUT 6		/* at most */

struct run {
	u64 workload;
	struct shim_disk *disk;
	unsigned long done[COMMITS + 1];	/* events when commit n returned; [0]: formatted */
	u64 digests[COMMITS + 1];		/* what it left */
};

static u64 from_env(const char *name, u64 otherwise)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 10) : otherwise;
}

/* Small and large caches, with and without writes ahead of time: by the workload's number. */
static void run_workload(struct run *run, u64 workload)
{
	static const unsigned int caches[] = { 300, 20, 64 }, early[] = { 0, 7, 40, 1 };
	struct random_work *rw = malloc(sizeof(*rw));
	unsigned int n;

	run->workload = workload;
	shim_bufio_set_cache(caches[workload % ARRAY_SIZE(caches)]);
	shim_bufio_set_early_writes(early[workload % ARRAY_SIZE(early)]);
	run->disk = disk_create(RANDOM_BLOCKS * 8);
	disk_log_start(run->disk);
	unit_note("workload %llu", workload);
	random_begin(rw, run->disk, workload);
	for (n = 1; ; n++) {
		run->digests[n] = random_digest(&rw->committed);
		run->done[n] = run->disk->nr_events;
		if (n == COMMITS)
			break;
		random_changes(rw);
		random_commit(rw);
	}
	random_end(rw);
	free(rw);
	shim_bufio_set_cache(300);
	shim_bufio_set_early_writes(0);
}

/* Of a device that was cut off while it was formatted nothing is expected but order. */
static void check_found(const struct run *run, struct world *w, unsigned long k)
{
	unsigned int committed = 0;
	u64 found = w->roots[7].word, digest;

	while (committed < COMMITS && run->done[committed + 1] <= k)
		committed++;
	CHECK_MSG(found == committed || found == committed + 1, "found commit %llu, %u had returned",
		  found, committed);
	if (!found)
		return;
	CHECK_OK(random_digest_of(w, &digest));
	CHECK_MSG(digest == run->digests[found], "not what commit %llu left", found);
}

static void check_cut(const struct run *run, struct disk_crash *c, unsigned long k, u64 seed)
{
	struct shim_disk *s = disk_crash_state(c, k, seed);
	const char *wrong;
	struct world w;

	unit_note("replay with CRASH_REPLAY=%llu:%lu:%llu", run->workload, k, seed);
	if (k < run->done[1] && !memchr_inv(s->data, 0, 4096))
		return;		/* still blank */
	wrong = world_check_disk(s);
	CHECK_MSG(!wrong, "%s", wrong);
	CHECK_OK(world_open(&w, s));
	check_found(run, &w, k);
	world_close(&w);
}

/* So many different states there can be for a few unflushed writes; for more, a sample of them. */
static unsigned int states_at(const struct run *run, unsigned long k)
{
	unsigned long f = k;

	while (f && run->disk->log[f - 1].op != DISK_FLUSH)
		f--;
	return k == f ? 1 : k == f + 1 ? 4 : STATES_A_CUT;
}

static unsigned long cut_everywhere(const struct run *run, unsigned long most)
{
	struct disk_crash *c = disk_crash_begin(run->disk);
	unsigned long k, states = 0;
	unsigned int i;

	for (k = 0; k <= disk_crash_events(c) && states < most; k++) {
		for (i = 0; i < states_at(run, k); i++, states++)
			check_cut(run, c, k, i < 3 ? i : run->workload * 1000 + i);
	}
	disk_crash_end(c);
	return states;
}

static void replay(const char *which)
{
	unsigned long long workload, k, seed;
	struct disk_crash *c;
	struct run run = { };

	CHECK_MSG(sscanf(which, "%llu:%llu:%llu", &workload, &k, &seed) == 3, "CRASH_REPLAY=W:K:S");
	run_workload(&run, workload);
	c = disk_crash_begin(run.disk);
	CHECK(k <= disk_crash_events(c));
	check_cut(&run, c, k, seed);
	disk_crash_end(c);
	disk_free(run.disk);
}

static void test_random(void)
{
	u64 workload = from_env("CRASH_SEED", 1), step = from_env("CRASH_STEP", 1);
	unsigned long most = from_env("CRASH_STATES", 20000), states = 0, runs = 0, commits = 0;

	if (getenv("CRASH_REPLAY")) {
		replay(getenv("CRASH_REPLAY"));
		return;
	}
	for (; states < most; workload += step, runs++) {
		struct run run = { };

		run_workload(&run, workload);
		states += cut_everywhere(&run, most - states);
		commits += COMMITS;
		disk_free(run.disk);
	}
	printf("  %lu states of %lu workloads, %lu commits\n", states, runs, commits);
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "power cuts", test_power_cuts },
		{ "power cuts, small cache, early writes", test_early_writes },
		{ "power cuts, random workloads", test_random },
		{ }
	};

	return unit_main(argc, argv, tests);
}
