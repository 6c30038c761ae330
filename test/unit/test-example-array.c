// SPDX-License-Identifier: GPL-2.0-only
/*
 * The example of the library, doc/example-array: counts, keeps what it committed, and no more.
 */
#include "../../doc/example-array/counters.h"
#include "unit.h"

#define NR 1000
#define ROUNDS 5

static struct counters *open_counters(struct shim_disk *disk)
{
	struct counters *c = counters_open(disk_bdev(disk), "test", NR);

	CHECK(!IS_ERR(c));
	return c;
}

static u64 get(struct counters *c, u32 i)
{
	u64 value = 0;

	CHECK_OK(counters_get(c, i, &value));
	return value;
}

static void test_commit(void)
{
	struct shim_disk *disk = disk_create(64 * 8);
	struct counters *c = open_counters(disk);
	u64 value;

	CHECK_OK(counters_add(c, 7, 5));
	CHECK_OK(counters_commit(c));
	CHECK_OK(counters_add(c, 7, 1));
	CHECK_EQ(get(c, 7), 6);
	CHECK_EQ(counters_get(c, NR, &value), -EINVAL);
	counters_close(c);

	c = open_counters(disk);
	CHECK_EQ(get(c, 7), 5);
	CHECK_EQ(get(c, 8), 0);
	counters_close(c);
	disk_free(disk);
}

static void test_foreign(void)
{
	struct shim_disk *disk = disk_create(64 * 8);
	struct counters *c;

	disk->data[2000] = 1;
	c = counters_open(disk_bdev(disk), "test", NR);
	CHECK(IS_ERR(c));
	CHECK_EQ(disk->count[DISK_WRITE], 0);
	disk_free(disk);
}

/* Every counter grows by one in each round: after a power cut all of them are of one round. */
static void test_power_cut(void)
{
	struct shim_disk *disk = disk_create(64 * 8);
	struct counters *c = open_counters(disk);
	unsigned long durable[ROUNDS + 1] = { 0 }, k, seed;
	struct disk_crash *crash;
	u32 i, round;

	disk_log_start(disk);
	for (round = 1; round <= ROUNDS; round++) {
		for (i = 0; i < NR; i++)
			CHECK_OK(counters_add(c, i, 1));
		CHECK_OK(counters_commit(c));
		durable[round] = disk->nr_events;
	}
	counters_close(c);

	crash = disk_crash_begin(disk);
	for (k = 0; k <= disk_crash_events(crash); k++) {
		for (seed = 0; seed < 4; seed++) {
			c = open_counters(disk_crash_state(crash, k, seed));
			for (i = 1; i < NR; i++)
				CHECK_EQ(get(c, i), get(c, 0));
			for (round = ROUNDS; round && durable[round] > k; round--)
				;
			CHECK_MSG(get(c, 0) >= round && get(c, 0) <= round + 1,
				  "event %lu: round %llu, committed was %u", k, get(c, 0), round);
			counters_close(c);
		}
	}
	disk_crash_end(crash);
	disk_free(disk);
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "keeps what was committed, and nothing else", test_commit },
		{ "does not format what is not blank", test_foreign },
		{ "a power cut leaves one commit, whole", test_power_cut },
		{ }
	};

	return unit_main(argc, argv, tests);
}
