// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation, read, write and flush of a workload failing once, and from some point on: the
 * error comes out, everything is let go of, and what can be opened afterwards is the last committed
 * state or the one that was being committed, with right counts.
 */
#include "pd-work.h"

#define STEPS 4

enum fault {
	NO_FAULT = -1,
	FAULT_ALLOC = NR_DISK_OPS,
};

static void inject(struct shim_disk *d, int fault, unsigned long n, bool on)
{
	if (fault == FAULT_ALLOC)
		shim_fail_alloc(n);
	else
		disk_fail(d, fault, n, on);
}

static bool happened(struct shim_disk *d, int fault)
{
	return fault == FAULT_ALLOC ? shim_alloc_failed() : d->failed[fault];
}

/* Opens @d and does STEPS transactions; *@attempted is the last one that a commit was tried for. */
static int run(struct shim_disk *d, u64 *attempted, u64 *committed)
{
	struct world w;
	int r, i;

	r = world_open(&w, d);
	if (r)
		return r;
	*attempted = *committed = work_number(&w);
	for (i = 0; i < STEPS && !r; i++) {
		r = work_step(&w, *committed + 1);
		if (r) {
			/* A step that failed cannot be committed. */
			CHECK(world_commit(&w) != 0);
			break;
		}
		*attempted = *committed + 1;
		r = world_commit(&w);
		if (!r)
			++*committed;
	}
	if (!r)
		r = work_check(&w);
	world_close(&w);
	return r;
}

static void check_after(struct shim_disk *d, u64 committed, u64 attempted)
{
	const char *wrong = world_check_disk(d);
	struct world w;

	CHECK_MSG(!wrong, "%s", wrong);
	CHECK_OK(world_open(&w, d));
	CHECK(work_number(&w) == committed || work_number(&w) == attempted);
	CHECK_OK(work_check(&w));
	CHECK_OK(work_step(&w, work_number(&w) + 1));
	world_check(&w);
	world_close(&w);
}

static struct shim_disk *start;		/* after some transactions */

static void make_start(void)
{
	u64 attempted, committed;

	start = disk_create(WORK_BLOCKS * 8);
	CHECK_OK(run(start, &attempted, &committed));
	CHECK_EQ(committed, STEPS);
}

static void sweep(int fault, bool on, unsigned long stride)
{
	struct shim_disk *d = disk_clone(start);
	unsigned long n, failures = 0;

	for (n = 1; ; n += n < 30 ? 1 : 1 + unit_below(stride)) {
		u64 attempted = STEPS, committed = STEPS;
		bool over;
		int r;

		unit_note("fault %d, number %lu", fault, n);
		memcpy(d->data, start->data, WORK_BLOCKS * 4096);
		d->tear_failed_writes = n & 1;
		inject(d, fault, n, on);
		r = run(d, &attempted, &committed);
		over = !happened(d, fault);
		inject(d, fault, 0, false);
		if (over) {
			CHECK_OK(r);
			break;
		}
		/* Reading ahead may fail unnoticed. */
		if (fault != DISK_READ)
			CHECK(r != 0);
		failures += r != 0;
		check_after(d, committed, attempted);
	}
	CHECK_MSG(failures > 10 || fault == DISK_FLUSH, "only %lu failures", failures);
	disk_free(d);
}

static void test_allocations(void)
{
	make_start();
	sweep(FAULT_ALLOC, false, 1);
	disk_free(start);
}

static void test_io(int op, unsigned long stride)
{
	make_start();
	sweep(op, false, stride);
	sweep(op, true, stride);
	disk_free(start);
	/* With a small cache there is more of it, and in other places. */
	shim_bufio_set_cache(20);
	make_start();
	sweep(op, false, 4 * stride);
	sweep(op, true, 4 * stride);
	disk_free(start);
	shim_bufio_set_cache(64);
}

static void test_reads(void)
{
	test_io(DISK_READ, 2);
}

static void test_writes(void)
{
	test_io(DISK_WRITE, 2);
}

static void test_flushes(void)
{
	test_io(DISK_FLUSH, 1);
}

/* Formatting, too: afterwards the device is still blank, or complete. */
static void test_format(void)
{
	int fault;

	for (fault = DISK_READ; fault <= FAULT_ALLOC; fault++) {
		unsigned long n;

		for (n = 1; ; n++) {
			struct shim_disk *d = disk_create(64 * 8);
			struct world w;
			bool over;
			int r;

			unit_note("fault %d, number %lu", fault, n);
			inject(d, fault, n, false);
			r = world_open(&w, d);
			over = !happened(d, fault);
			inject(d, fault, 0, false);
			if (!r)
				world_close(&w);
			CHECK_EQ(!r, over);
			CHECK_OK(world_open(&w, d));
			world_close(&w);
			CHECK(!world_check_disk(d));
			disk_free(d);
			if (over)
				break;
		}
	}
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "formatting, with everything failing once", test_format },
		{ "every allocation", test_allocations },
		{ "reads", test_reads },
		{ "writes", test_writes },
		{ "flushes", test_flushes },
		{ }
	};

	return unit_main(argc, argv, tests);
}
