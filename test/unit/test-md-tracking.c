// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-md-tracking.c - metadata that is kept right while the cache runs: wherever the power goes,
 * the disk is one that may be taken for a clean shutdown, with just the dirty bits that were
 * promised; and another user of the device in between is noticed.
 */
#include "md-life.h"
#include "metadata/superblock.h"

/*----- power cuts -----*/

static void run_life(struct life *l, enum start start, u32 nr)
{
	struct dmc_md_shutdown s;
	struct model *got;
	u32 i;
	int r;

	l->md = md_open_ok(&l->p);
	CHECK_EQ(dmc_md_was_clean(l->md), start != START_UNCLEAN);
	CHECK_EQ(dmc_md_was_tracking(l->md), start == START_CRASHED);
	/* A shrink must not meet dirty blocks. */
	if (nr < l->m->nr && start != START_CLEAN)
		nr = l->m->nr;
	for (i = nr; i < l->m->nr; i++)
		if (l->m->dirty[i])
			nr = i + 1;
	got = model_load(l->md, &l->m->policy, &r);
	CHECK_OK(r);
	CHECK_MSG(!model_differs(l->m, got), "loaded: %s", model_differs(l->m, got));
	model_free(got);

	model_resize(l->m, nr);
	CHECK_OK(start_tracking(l->md, l->m));
	CHECK(dmc_md_is_tracking(l->md));
	life_promise(l, DMC_SB_CLEAN, true);
	for (i = 1; i < 6; i++) {
		life_change(l, i);
		CHECK_OK(dmc_md_commit(l->md, NULL));
		life_promise(l, DMC_SB_CLEAN, true);
	}
	model_new_hints(l->m);
	s = model_shutdown(l->m);
	CHECK_OK(dmc_md_commit_clean(l->md, &s));
	life_promise(l, DMC_SB_CLEAN, false);
	CHECK(!dmc_md_is_tracking(l->md));
	dmc_md_close(l->md);
}

static void lives(bool format2)
{
	static const u32 sizes[] = { 1100, 1700, 1018 };
	enum start start;
	unsigned int i;

	for (start = 0; start < NR_STARTS; start++)
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			struct life l;

			life_begin(&l, start, format2);
			disk_log_start(l.d);
			run_life(&l, start, sizes[i]);
			life_cut_everywhere(&l, "");
			life_end(&l);
		}
}

static void test_format1(void)
{
	lives(false);
}

static void test_format2(void)
{
	lives(true);
}

/*----- faults -----*/

static int short_life(struct life *l)
{
	struct dmc_md_tracking live = { .nr_cblocks = 1700, .nr_dblocks = 900,
				    .discard_block_sectors = 64 };
	dmc_md_reason_t why;
	struct model *got;
	cblock_t busy;
	u32 cb;
	int r;

	l->md = dmc_md_open(&l->p, &why);
	if (IS_ERR(l->md)) {
		r = PTR_ERR(l->md);
		l->md = NULL;
		return r;
	}
	got = model_load(l->md, &l->m->policy, &r);
	if (got)
		model_free(got);
	if (!r)
		r = dmc_md_start_tracking(l->md, &live, &busy);
	for (cb = 0; cb < l->m->nr && !r; cb += 100)
		if (l->m->oblock[cb] != NO_OBLOCK)
			r = dmc_md_set_dirty(l->md, to_cblock(cb), !l->m->dirty[cb]);
	return r ? r : dmc_md_commit(l->md, NULL);
}

/* Stopped anywhere, the disk is in order, and holds the blocks; giving up works. */
static bool fault_at(enum start start, bool format2, int fault, unsigned long n)
{
	struct md_content c;
	struct life l;
	bool fired;
	int r;

	life_begin(&l, start, format2);
	if (fault < 3)
		disk_fail(l.d, fault, n, false);
	else
		shim_fail_alloc(n);
	r = short_life(&l);
	fired = fault < 3 ? l.d->failed[fault] : shim_alloc_failed();
	if (fault < 3)
		disk_fail(l.d, fault, 0, false);
	shim_fail_alloc(0);
	CHECK(fired || !r);

	c = fsck_ok(l.d, 0);
	c.flags = 0;
	if (c.nr_cblocks == l.m->nr)
		CHECK_MSG(!content_differs(&c, l.m), "%s", content_differs(&c, l.m));
	md_content_free(&c);
	if (r && l.md) {
		CHECK_OK(dmc_md_abort(l.md));
		CHECK_OK(dmc_md_set_needs_check(l.md));
		md_content_free((struct md_content[]){ fsck_ok(l.d, 0) });
	}
	if (l.md)
		dmc_md_close(l.md);
	while (l.nr_states)
		model_free(l.states[--l.nr_states].m);
	model_free(l.m);
	disk_free(l.d);
	return fired;
}

static void test_faults(void)
{
	static const int faults[] = { DISK_READ, DISK_WRITE, DISK_FLUSH, 3 };
	unsigned long n;
	int i, start;

	for (i = 0; i < ARRAY_SIZE(faults); i++)
		for (start = 0; start < 2 * NR_STARTS; start++) {
			for (n = 1;; n++) {
				unit_note("start %d, fault %d, number %lu", start, faults[i], n);
				if (!fault_at(start / 2, start % 2, faults[i], n))
					break;
			}
			CHECK(n > 2);
		}
}

/*----- other users in between -----*/

static void fix_csum(struct shim_disk *d)
{
	struct dmc_superblock *sb = (struct dmc_superblock *)d->data;

	sb->csum = dmc_sb_checksum(sb);
}

/* A disk that crashed live, with @m's blocks. */
static struct shim_disk *crashed_disk(struct model *m, bool format2)
{
	struct shim_disk *d = disk_of(m, format2, DISK_BLOCKS);
	struct dmc_md_params p = params(d, format2);
	struct dmc_md *md = md_open_ok(&p);

	CHECK_OK(start_tracking(md, m));
	dmc_md_close(md);
	return d;
}

static void expect_opened(struct shim_disk *d, bool format2, bool clean, bool live)
{
	struct dmc_md_params p = params(d, format2);
	struct dmc_md *md = md_open_ok(&p);

	CHECK_EQ(dmc_md_was_clean(md), clean);
	CHECK_EQ(dmc_md_was_tracking(md), live);
	dmc_md_close(md);
}

static void test_others(void)
{
	int format2;

	for (format2 = 0; format2 < 2; format2++) {
		struct model *m = model_create(600);
		struct shim_disk *crashed, *d;
		struct dmc_superblock *sb;
		u32 i;

		model_fill(m, ORIGIN_BLOCKS, 50);
		crashed = crashed_disk(m, format2);
		expect_opened(crashed, format2, true, true);

		/* The kernel's module opens it, and crashes: the flag alone is gone. */
		d = disk_clone(crashed);
		sb = (struct dmc_superblock *)d->data;
		sb->flags &= ~cpu_to_le32(DMC_SB_CLEAN);
		fix_csum(d);
		expect_opened(d, format2, false, false);
		/* It commits, too. */
		memset(&sb->mark, 0, 96);
		fix_csum(d);
		expect_opened(d, format2, false, false);
		/* And shuts down. */
		sb->flags |= cpu_to_le32(DMC_SB_CLEAN);
		fix_csum(d);
		expect_opened(d, format2, true, false);
		disk_free(d);

		/* Some tool wrote the superblock, and kept what it does not know. */
		for (i = 4; i < 4096; i += i < 300 ? 1 : 500) {
			d = disk_clone(crashed);
			sb = (struct dmc_superblock *)d->data;
			if ((i >= 8 && i < 40) || (i >= 40 && i < 44) || (i >= 64 && i < 96) ||
			    (i >= 192 && i < 256) || (i >= 284 && i < 292) || i == 4) {
				disk_free(d);	/* would not open */
				continue;
			}
			d->data[i] ^= 0x80;
			fix_csum(d);
			unit_note("byte %u", i);
			expect_opened(d, format2, true, false);
			disk_free(d);
		}
		disk_free(crashed);
		model_free(m);
	}
}

/* All bits are set after another system's crash, with whatever room there is. */
static void test_all_dirty_in_slices(void)
{
	int format2;

	for (format2 = 0; format2 < 2; format2++) {
		u32 nr = 60000, i;
		struct model *m = model_create(nr);
		struct shim_disk *d = blank_disk(250);
		struct dmc_md_params p = params(d, format2);
		struct dmc_md *md = md_open_ok(&p);
		struct md_content c;

		resize_ok(md, nr);
		model_fill(m, ORIGIN_BLOCKS, 70);
		for (i = 0; i < nr; i++) {
			if (m->oblock[i] != NO_OBLOCK)
				CHECK_OK(dmc_md_insert(md, to_cblock(i), to_oblock(m->oblock[i])));
			if (i % 2000 == 1999)
				CHECK_OK(dmc_md_commit(md, NULL));
		}
		CHECK_OK(dmc_md_commit(md, NULL));
		dmc_md_close(md);

		md = md_open_ok(&p);
		CHECK_OK(start_tracking(md, m));
		c = fsck_ok(d, 0);
		CHECK_EQ(c.flags, DMC_SB_CLEAN);
		for (i = 0; i < nr; i++)
			CHECK_EQ(c.dirty[i], m->oblock[i] != NO_OBLOCK);
		md_content_free(&c);
		md_done(md, d, m);
	}
}

/*----- the rest -----*/

/* One mark is a handful of blocks; one that is there already is nothing. */
static void test_cost(void)
{
	int format2;

	for (format2 = 0; format2 < 2; format2++) {
		struct model *m = model_create(3000);
		struct shim_disk *d;
		struct dmc_md_params p;
		struct dmc_md *md;
		unsigned long writes;
		u32 i;

		for (i = 0; i < m->nr; i++)
			model_map(m, i, i, false);
		d = disk_of(m, format2, DISK_BLOCKS);
		md = md_on(d, format2, &p);
		writes = d->count[DISK_WRITE];
		CHECK_OK(start_tracking(md, m));
		CHECK_EQ(d->count[DISK_WRITE], writes + 1);
		for (i = 0; i < 64; i++)
			CHECK_OK(dmc_md_set_dirty(md, to_cblock(640 + i), true));
		CHECK_OK(dmc_md_commit(md, NULL));
		CHECK(d->count[DISK_WRITE] > writes + 1 && d->count[DISK_WRITE] <= writes + 8);
		writes = d->count[DISK_WRITE];
		CHECK_OK(dmc_md_set_dirty(md, to_cblock(650), true));
		CHECK_OK(dmc_md_set_dirty(md, to_cblock(10), false));
		CHECK(!dmc_md_changed(md));
		CHECK_OK(dmc_md_commit(md, NULL));
		CHECK_EQ(d->count[DISK_WRITE], writes);
		CHECK_EQ(dmc_md_set_dirty(md, to_cblock(3000), true), -EINVAL);
		md_done(md, d, m);
	}
}

/* Many at a time: what a bit at a time does. */
static void test_many(void)
{
	int format2, round;

	for (format2 = 0; format2 < 2; format2++) {
		struct model *m = model_create(1100);
		struct shim_disk *d;
		struct dmc_md_params p;
		struct dmc_md *md;
		struct md_content c;

		model_fill(m, ORIGIN_BLOCKS, 70);
		d = disk_of(m, format2, DISK_BLOCKS);
		md = md_on(d, format2, &p);
		CHECK_EQ(dmc_md_set_dirty_many(md, (u32[]) { 3, 1100 }, 2, true), -EINVAL);
		CHECK_EQ(dmc_md_set_dirty_many(md, (u32[]) { U32_MAX }, 1, false), -EINVAL);
		CHECK_OK(start_tracking(md, m));
		for (round = 0; round < 40; round++) {
			u32 cblocks[2][1100], nr[2] = { 0 }, i, j;

			/* A block in twenty, or in two; every other time in no order. */
			for (i = 0; i < m->nr; i++) {
				const u32 cb = round % 2 ? i * 7 % m->nr : i;
				const bool mapped = m->oblock[cb] != NO_OBLOCK;
				const bool dirty = unit_below(2);

				if (unit_below(round % 4 < 2 ? 20 : 2) || (dirty && !mapped))
					continue;
				cblocks[dirty][nr[dirty]++] = cb;
			}
			for (i = 0; i < 2; i++)
				CHECK_OK(dmc_md_set_dirty_many(md, cblocks[i], nr[i], i));
			for (i = 0; i < 2; i++)
				for (j = 0; j < nr[i]; j++)
					if (m->oblock[cblocks[i][j]] != NO_OBLOCK)
						model_map(m, cblocks[i][j],
							  m->oblock[cblocks[i][j]], i);
		}
		CHECK_OK(dmc_md_commit(md, NULL));
		dmc_md_close(md);
		c = fsck_ok(d, 0);
		CHECK(!memcmp(c.dirty, m->dirty, m->nr));
		md_content_free(&c);
		md = md_open_ok(&p);
		m->hint_valid[0] = 0;
		expect_load(md, m);
		md_done(md, d, m);
	}
}

/*----- the shutdown of a live cache -----*/

struct asked {
	struct model *m;
	struct dmc_md_shutdown s;	/* as the model has it */
	u32 dirty_words, hints;
	u32 first, last;		/* the cblocks that are said to have changed */
};

static u64 ask_dirty(void *ctx, u32 index)
{
	struct asked *a = ctx;

	a->dirty_words++;
	return a->s.dirty_word(a->s.ctx, index);
}

static u64 ask_discard(void *ctx, u64 index)
{
	struct asked *a = ctx;

	return a->s.discard_word(a->s.ctx, index);
}

static void ask_hints(void *ctx, cblock_t first, u32 nr, u32 *out)
{
	struct asked *a = ctx;

	a->hints += nr;
	a->s.hints(a->s.ctx, first, nr, out);
}

static bool changed(void *ctx, cblock_t first, u32 nr)
{
	struct asked *a = ctx;

	return a->first <= a->last && from_cblock(first) <= a->last &&
	       from_cblock(first) + nr > a->first;
}

static void shut_down_asking(struct dmc_md *md, struct asked *a, u32 first, u32 last)
{
	struct dmc_md_shutdown s;

	a->s = s = model_shutdown(a->m);
	a->dirty_words = a->hints = 0;
	a->first = first;
	a->last = last;
	s.ctx = a;
	s.dirty_word = ask_dirty;
	s.discard_word = ask_discard;
	if (s.hints)
		s.hints = ask_hints;
	s.dirty_changed = changed;
	s.hints_changed = changed;
	CHECK_OK(dmc_md_commit_clean(md, &s));
}

/* Only what may have changed is asked for and compared; and what cannot be known, always. */
static void test_little_asked(void)
{
	int format2;

	for (format2 = 0; format2 < 2; format2++) {
		struct model *m = model_create(100000);
		struct asked a = { .m = m };
		struct shim_disk *d;
		struct dmc_md_params p;
		struct dmc_md *md;
		unsigned long writes, reads;
		u32 i;

		model_fill(m, ORIGIN_BLOCKS, 80);
		d = disk_of(m, format2, 1024);
		p = params(d, format2);

		/* Nothing changed: two superblocks, and nothing is read again. */
		md = md_open_ok(&p);
		expect_load(md, m);
		writes = d->count[DISK_WRITE];
		reads = d->count[DISK_READ];
		CHECK_OK(start_tracking(md, m));
		shut_down_asking(md, &a, 1, 0);
		CHECK(!a.dirty_words && !a.hints);
		CHECK_EQ(d->count[DISK_WRITE], writes + 2);
		CHECK(d->count[DISK_READ] <= reads + 4);
		expect_disk(d, m, DMC_SB_CLEAN);
		dmc_md_close(md);

		/* A few blocks did. */
		md = md_open_ok(&p);
		expect_load(md, m);
		CHECK_OK(start_tracking(md, m));
		for (i = 1200; i < 1220; i++) {
			m->hint[i]++;
			if (m->oblock[i] != NO_OBLOCK)
				m->dirty[i] ^= 1;
		}
		shut_down_asking(md, &a, 1200, 1219);
		CHECK(a.dirty_words && a.dirty_words <= 510);
		CHECK(a.hints >= 1018 && a.hints < 1018 + 64);
		expect_disk(d, m, DMC_SB_CLEAN);
		dmc_md_close(md);

		/* Not live: the stored dirty bits follow nothing. */
		md = md_open_ok(&p);
		expect_load(md, m);
		CHECK_OK(dmc_md_begin_changes(md));
		for (i = 50000; m->oblock[i] == NO_OBLOCK; i++)
			;
		m->dirty[i] ^= 1;
		shut_down_asking(md, &a, 1, 0);
		CHECK(a.dirty_words >= 100000 / 64 && !a.hints);
		expect_disk(d, m, DMC_SB_CLEAN);
		dmc_md_close(md);

		/* Another policy: it does not matter what it says of hints that are not there. */
		md = md_open_ok(&p);
		strcpy(m->policy.name, "mq");
		CHECK_OK(start_tracking(md, m));
		model_new_hints(m);
		shut_down_asking(md, &a, 1, 0);
		CHECK_EQ(a.hints, 100000);
		expect_disk(d, m, DMC_SB_CLEAN);
		md_done(md, d, m);
	}
}

/* Back to a clear flag: when there is no room, and when the metadata has failed. */
static void test_leave(void)
{
	int how;

	for (how = 0; how < 4; how++) {
		struct model *m = model_create(600);
		struct shim_disk *d;
		struct dmc_md_params p;
		struct dmc_md *md;

		model_fill(m, ORIGIN_BLOCKS, 50);
		d = disk_of(m, how & 1, DISK_BLOCKS);
		md = md_on(d, how & 1, &p);
		CHECK_OK(start_tracking(md, m));
		if (how & 2) {
			CHECK_OK(dmc_md_abort(md));
			CHECK(dmc_md_is_tracking(md));
			CHECK_OK(dmc_md_set_needs_check(md));
			expect_disk(d, m, DMC_SB_NEEDS_CHECK);
			CHECK_EQ(dmc_md_set_dirty(md, to_cblock(0), true), -EPERM);
			CHECK_EQ(start_tracking(md, m), -EPERM);
		} else {
			CHECK_OK(dmc_md_stop_tracking(md));
			expect_disk(d, m, 0);
			CHECK_OK(dmc_md_commit(md, NULL));
			expect_disk(d, m, 0);
		}
		CHECK(!dmc_md_is_tracking(md));
		md_done(md, d, m);
	}
}

/* Stale bits of unmapped blocks, as a crash under the kernel's module leaves them. */
static void test_stray_bits(void)
{
	struct model *m = model_create(600);
	struct shim_disk *d, *stale;
	struct dmc_md_params p;
	struct dmc_md_shutdown s;
	struct dmc_md *md;
	struct md_content c;

	model_map(m, 5, 50, true);
	model_map(m, 6, 60, false);
	d = disk_of(m, true, DISK_BLOCKS);
	md = md_on(d, true, &p);
	s = model_shutdown(m);
	m->dirty[7] = 1;
	CHECK_OK(dmc_md_begin_changes(md));
	CHECK_OK(dmc_md_commit_clean(md, &s));
	dmc_md_close(md);
	md_content_free((struct md_content[]){ fsck_ok(d, FSCK_UNMAPPED_DIRTY_OK) });
	stale = disk_clone(d);

	m->dirty[7] = 0;
	md = md_open_ok(&p);
	expect_load(md, m);
	CHECK_OK(start_tracking(md, m));
	c = fsck_ok(d, 0);
	CHECK(c.dirty[5] && !c.dirty[6]);
	md_content_free(&c);
	dmc_md_close(md);
	disk_free(d);

	/* If they were not read: at the latest when the block is mapped. */
	p.bdev = disk_bdev(stale);
	md = md_open_ok(&p);
	CHECK_OK(start_tracking(md, m));
	CHECK_OK(dmc_md_insert(md, to_cblock(7), to_oblock(99)));
	CHECK_OK(dmc_md_commit(md, NULL));
	dmc_md_close(md);
	c = fsck_ok(stale, 0);
	CHECK(c.dirty[5] && !c.dirty[7]);
	md_content_free(&c);
	disk_free(stale);
	model_free(m);
}

/* Hints that cannot be read, below a flag that was clear: the cache starts without them. */
static void test_damaged_hints(void)
{
	struct model *m = model_create(3000);
	struct shim_disk *d;
	struct dmc_md_params p;
	struct dmc_md *md;
	struct md_content c;
	u64 root;

	model_fill(m, ORIGIN_BLOCKS, 50);
	d = disk_of(m, true, DISK_BLOCKS);
	md = md_on(d, true, &p);
	CHECK_OK(dmc_md_begin_changes(md));
	dmc_md_close(md);
	root = ((struct dmc_superblock *)d->data)->hint_root;
	d->data[root * 4096 + 100] ^= 1;

	md = md_open_ok(&p);
	CHECK_OK(start_tracking(md, m));
	dmc_md_close(md);
	c = fsck_ok(d, FSCK_LEAKS_OK);
	CHECK(c.flags == DMC_SB_CLEAN && !c.nr_hints && !c.hint_size);
	md_content_free(&c);
	disk_free(d);
	model_free(m);
}

/* A refusal changes nothing on the disk. */
static void test_refusals(void)
{
	struct model *m = model_create(1200);
	struct shim_disk *d, *before;
	struct dmc_md_params p;
	struct dmc_md_tracking live = { .nr_cblocks = 900 };
	struct dmc_md *md;
	cblock_t busy;

	model_map(m, 3, 30, true);
	model_map(m, 1000, 70, true);
	d = disk_of(m, true, 64);
	before = disk_clone(d);
	md = md_on(d, true, &p);
	CHECK_EQ(dmc_md_start_tracking(md, &live, &busy), -EBUSY);
	CHECK_EQ(from_cblock(busy), 1000);
	live.nr_cblocks = 100000;
	CHECK_EQ(dmc_md_start_tracking(md, &live, &busy), -ENOSPC);
	live.nr_cblocks = 1200;
	live.nr_dblocks = 5;
	CHECK_EQ(dmc_md_start_tracking(md, &live, &busy), -EINVAL);
	CHECK(!dmc_md_is_tracking(md) && !dmc_md_changed(md));
	CHECK(!memcmp(d->data, before->data, 64 * 4096));
	live.discard_block_sectors = 64;
	CHECK_OK(dmc_md_start_tracking(md, &live, &busy));
	dmc_md_close(md);
	disk_free(before);
	disk_free(d);
	model_free(m);
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "power cut at every event of a live cache, format 1", test_format1 },
		{ "power cut at every event of a live cache, format 2", test_format2 },
		{ "every read, write, flush and allocation fails once", test_faults },
		{ "another user of the device in between is noticed", test_others },
		{ "all dirty, with little room", test_all_dirty_in_slices },
		{ "what a mark costs", test_cost },
		{ "many marks at once", test_many },
		{ "a shutdown asks for what may have changed", test_little_asked },
		{ "no longer live", test_leave },
		{ "stale dirty bits go", test_stray_bits },
		{ "damaged hints do not matter", test_damaged_hints },
		{ "a refusal changes nothing", test_refusals },
		{ }
	};

	return unit_main(argc, argv, tests);
}
