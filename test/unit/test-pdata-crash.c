// SPDX-License-Identifier: GPL-2.0-only
/*
 * Power cuts: after each write or flush of a run, with any subset of the unflushed writes on
 * the disk, some of them torn, the device opens and holds exactly the last committed
 * transaction or the one that was being committed; and it can be worked on.
 */
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

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "power cuts", test_power_cuts },
		{ "power cuts, small cache, early writes", test_early_writes },
		{ }
	};

	return unit_main(argc, argv, tests);
}
