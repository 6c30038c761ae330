// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-md-faults.c - every allocation, read, write and flush in a cache's life fails once.
 *
 * Then what is on disk is the last commit that returned 0, or the one that was under way; and
 * abort plus set_needs_check bring back the former.  Nothing leaks, nothing stays locked.
 */
#include "md-scenario.h"
#include "metadata/superblock.h"

enum fault { ALLOC, READ, WRITE, FLUSH, WRITE_TORN, WRITE_ALL_LATER, READ_ALL_LATER, NR_FAULTS };

static void arm(struct shim_disk *d, enum fault fault, unsigned long n)
{
	switch (fault) {
	case ALLOC:
		shim_fail_alloc(n);
		break;
	case READ:
	case READ_ALL_LATER:
		disk_fail(d, DISK_READ, n, fault == READ_ALL_LATER);
		break;
	case FLUSH:
		disk_fail(d, DISK_FLUSH, n, false);
		break;
	default:
		d->tear_failed_writes = fault == WRITE_TORN;
		disk_fail(d, DISK_WRITE, n, fault == WRITE_ALL_LATER);
	}
}

static bool happened(struct shim_disk *d, enum fault fault)
{
	switch (fault) {
	case ALLOC:
		return shim_alloc_failed();
	case READ:
	case READ_ALL_LATER:
		return d->failed[DISK_READ];
	case FLUSH:
		return d->failed[DISK_FLUSH];
	default:
		return d->failed[DISK_WRITE];
	}
}

static void disarm(struct shim_disk *d)
{
	shim_fail_alloc(0);
	disk_fail(d, DISK_READ, 0, false);
	disk_fail(d, DISK_WRITE, 0, false);
	disk_fail(d, DISK_FLUSH, 0, false);
	d->tear_failed_writes = false;
}

/* The superblock's write failed half way, so the device holds neither the old nor the new. */
static bool superblock_torn(struct shim_disk *d, enum fault fault)
{
	const struct dmc_superblock *sb = (const void *)d->data;

	return fault == WRITE_TORN && sb->csum != dmc_sb_checksum(sb);
}

/* Stopped with an error: as a power cut now would find it, and as giving up leaves it. */
static void check_stopped(struct scenario *s, enum fault fault)
{
	unsigned int last = s->nr_states - 1;
	struct shim_disk *now = disk_clone(s->d);
	const char *what;

	if (!superblock_torn(now, fault)) {
		what = scenario_check(s, now, last, last + 1);
		CHECK_MSG(!what, "on disk: %s", what);
		what = scenario_reopen(s, now);
		CHECK_MSG(!what, "reopened: %s", what);
	}
	disk_free(now);
	if (!s->md)
		return;

	CHECK_OK(dmc_md_abort(s->md));
	if (!dmc_md_needs_check(s->md)) {
		struct md_content c;

		CHECK_OK(dmc_md_set_needs_check(s->md));
		c = fsck_ok(s->d, 0);
		CHECK_EQ(c.flags, DMC_SB_NEEDS_CHECK);
		/* Internal commits of a shutdown change no more than mappings, flag clear. */
		if (!(s->clean_next && s->in_commit))
			CHECK_MSG(!content_differs(&c, s->states[last].m), "undone: %s",
				  content_differs(&c, s->states[last].m));
		md_content_free(&c);
	}
	dmc_md_close(s->md);
}

static void sweep(bool format2, enum fault fault)
{
	struct model *m;
	struct shim_disk *d = scenario_disk(format2, &m);
	unsigned long n, survived = 0;
	bool fired = true;

	for (n = 1; fired; n++) {
		struct scenario s;

		unit_note("format %d, fault %d, number %lu", 1 + format2, fault, n);
		scenario_init(&s, d, m, format2);
		arm(s.d, fault, n);
		scenario_run(&s);
		fired = happened(s.d, fault);
		disarm(s.d);
		if (s.error) {
			CHECK(fired);
			CHECK_EQ(s.error, fault == ALLOC ? -ENOMEM : -EIO);
			check_stopped(&s, fault);
		} else {
			/* Hints that could not be read are no reason to stop, nor is a prefetch. */
			survived += fired;
			CHECK_MSG(!scenario_check(&s, s.d, s.nr_states - 1, s.nr_states - 1),
				  "at the end: %s", scenario_check(&s, s.d, s.nr_states - 1, s.nr_states - 1));
		}
		scenario_free(&s);
	}
	CHECK_MSG(n > 5, "nothing to fail");
	CHECK_MSG(survived < n - n / 4, "%lu of %lu had no effect", survived, n);
	disk_free(d);
	model_free(m);
}

#define SWEEP(name, fault)						\
static void test_##name(void)						\
{									\
	sweep(false, fault);						\
	sweep(true, fault);						\
}

SWEEP(alloc, ALLOC)
SWEEP(read, READ)
SWEEP(write, WRITE)
SWEEP(flush, FLUSH)
SWEEP(torn, WRITE_TORN)
SWEEP(writes, WRITE_ALL_LATER)
SWEEP(reads, READ_ALL_LATER)

/* The same with a small buffer cache that writes early: blocks come and go at other times. */
static void test_small_cache(void)
{
	enum fault f;

	shim_bufio_set_cache(20);
	shim_bufio_set_early_writes(5);
	for (f = ALLOC; f <= FLUSH; f++)
		sweep(true, f);
	shim_bufio_set_cache(64);
	shim_bufio_set_early_writes(0);
}

/* Formatting that fails leaves a blank device, or a formatted one; never anything else. */
static void test_format(void)
{
	enum fault f;
	unsigned long n;

	for (f = ALLOC; f <= FLUSH; f++)
		for (n = 1;; n++) {
			struct shim_disk *d = disk_create(128 * 8);
			struct dmc_md_params p = md_params(d);
			dmc_md_reason_t why;
			struct dmc_md *md;
			bool fired;

			unit_note("fault %d, number %lu", f, n);
			p.format2 = n & 1;
			arm(d, f, n);
			md = dmc_md_open(&p, &why);
			fired = happened(d, f);
			disarm(d);
			CHECK(IS_ERR(md) == fired);
			if (IS_ERR(md)) {
				CHECK_EQ(PTR_ERR(md), f == ALLOC ? -ENOMEM : -EIO);
				CHECK(strlen(why) > 10);
				md = md_open_ok(&p);
			}
			dmc_md_close(md);
			md_content_free((struct md_content[]){ fsck_ok(d, 0) });
			disk_free(d);
			if (!fired)
				break;
		}
}

/*
 * An abort that fails changes nothing on disk, leaves metadata with which nothing can be done, and
 * can be tried again.
 */
static void test_abort(void)
{
	struct model *m = model_create(1200);
	struct shim_disk *start = disk_of(m, true, 64), *d;
	struct dmc_md_params p;
	struct dmc_md *md;
	unsigned long n;
	bool fired;
	int f, r, failures = 0;

	for (f = ALLOC; f <= READ; f++)
		for (n = 1, fired = true; fired; n++) {
			unit_note("fault %d, number %lu", f, n);
			d = disk_clone(start);
			md = md_on(d, true, &p);
			CHECK_OK(dmc_md_begin_changes(md));
			CHECK_OK(dmc_md_insert(md, to_cblock(7), to_oblock(99)));
			arm(d, f, n);
			r = dmc_md_abort(md);
			fired = happened(d, f);
			disarm(d);
			/* It does without what was only read ahead. */
			CHECK(!r || (fired && r == (f == ALLOC ? -ENOMEM : -EIO)));
			failures += r != 0;
			if (r) {
				CHECK(dmc_md_set_needs_check(md));
				CHECK(dmc_md_insert(md, to_cblock(7), to_oblock(99)));
				CHECK(dmc_md_commit(md, NULL));
				md_content_free((struct md_content[]){ fsck_ok(d, 0) });
			}
			/* Every other time it is given up. */
			if (n & 1) {
				CHECK_OK(dmc_md_abort(md));
				CHECK_OK(dmc_md_insert(md, to_cblock(7), to_oblock(99)));
				CHECK_OK(dmc_md_commit(md, NULL));
			}
			dmc_md_close(md);
			md_content_free((struct md_content[]){ fsck_ok(d, 0) });
			disk_free(d);
		}
	CHECK_MSG(failures > 6, "only %d failures", failures);
	disk_free(start);
	model_free(m);
}

/* Everything that may find the metadata full, once. */
static int work(struct dmc_md *md, const struct model *m)
{
	struct dmc_md_tracking live = { .nr_cblocks = m->nr };
	cblock_t busy;
	int r = dmc_md_start_tracking(md, &live, &busy);

	if (!r)
		r = dmc_md_insert(md, to_cblock(7), to_oblock(99));
	if (!r)
		r = dmc_md_set_dirty(md, to_cblock(7), true);
	if (!r)
		r = dmc_md_commit(md, NULL);
	return r;
}

/*
 * What the device below says when it has no space left itself (a pool) is an I/O error.  Taken for
 * full metadata, it would be told as that, and the cache would do without dirty bits on disk.
 */
static void test_full_below(void)
{
	struct model *m = model_create(1200);
	struct shim_disk *start, *d;
	struct dmc_md_params p;
	dmc_md_reason_t why;
	struct dmc_md *md;
	unsigned long n;
	int op, r, failures = 0;

	model_map(m, 3, 30, true);
	start = disk_of(m, true, 64);
	for (op = DISK_READ; op <= DISK_FLUSH; op++) {
		for (n = 1; ; n++) {
			unit_note("operation %d, number %lu", op, n);
			d = disk_clone(start);
			d->fail_with = -ENOSPC;
			p = params(d, true);
			why = NULL;
			disk_fail(d, op, n, false);
			md = dmc_md_open(&p, &why);
			r = IS_ERR(md) ? PTR_ERR(md) : work(md, m);
			CHECK(r != DMC_NO_ROOM);
			CHECK(!why || !strstr(why, "small"));
			CHECK(!shim_message_seen("no free block"));
			if (!IS_ERR(md))
				dmc_md_close(md);
			failures += r != 0;
			if (!d->failed[op])
				break;
			disk_free(d);
		}
		CHECK_OK(r);
		disk_free(d);
	}
	CHECK_MSG(failures > 10, "only %d failures", failures);
	disk_free(start);
	model_free(m);
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "formatting stopped by every fault", test_format },
		{ "an abort that fails", test_abort },
		{ "every allocation fails once", test_alloc },
		{ "every read fails once", test_read },
		{ "every write fails once", test_write },
		{ "every flush fails once", test_flush },
		{ "every write tears once", test_torn },
		{ "writes fail from some point on", test_writes },
		{ "reads fail from some point on", test_reads },
		{ "faults with a small buffer cache", test_small_cache },
		{ "no space below the metadata device is an I/O error", test_full_below },
		{ }
	};

	return unit_main(argc, argv, tests);
}
