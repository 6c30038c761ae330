// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-md-shutdown.c - the clean shutdown: only what differs is written, with whatever room there
 * is, under changing policies, and over hints that are damaged.
 */
#include "md-test.h"
#include "metadata/superblock.h"

/* Nothing changed: nothing written. Statistics alone: the superblock alone. */
static void test_idle_commits(void)
{
	int format2;

	for (format2 = 0; format2 < 2; format2++) {
		struct model *m = model_create(3000);
		struct dmc_md_params p;
		struct shim_disk *d;
		struct dmc_md *md;
		struct dmc_md_stats stats = { 5, 6, 7, 1ULL << 40 };
		struct dmc_md_stats got;
		unsigned long writes;
		u32 print;

		model_set_dblocks(m, 2000, 64);
		model_fill(m, ORIGIN_BLOCKS, 50);
		d = disk_of(m, format2, DISK_BLOCKS);
		md = md_on(d, format2, &p);
		print = dmc_md_fingerprint(md);
		CHECK_OK(dmc_md_begin_changes(md));
		CHECK(print != dmc_md_fingerprint(md));
		writes = d->count[DISK_WRITE];
		CHECK_OK(dmc_md_commit(md, NULL));
		CHECK_EQ(d->count[DISK_WRITE], writes);
		CHECK_OK(dmc_md_commit(md, &stats));
		CHECK_EQ(d->count[DISK_WRITE], writes + 1);
		CHECK_EQ(dmc_md_fingerprint(md), le32_to_cpup((__le32 *)d->data));
		dmc_md_get_stats(md, &got);
		CHECK(got.read_hits == 5 && got.write_hits == 7 && got.write_misses == U32_MAX);

		/* A shutdown with everything as it was: one superblock. */
		shutdown_ok(md, m);
		CHECK_EQ(d->count[DISK_WRITE], writes + 2);
		shutdown_ok(md, m);
		CHECK_EQ(d->count[DISK_WRITE], writes + 2);
		expect_disk(d, m, DMC_SB_CLEAN);
		/* One dirty bit: its block and what leads there, not the whole array. */
		CHECK_OK(dmc_md_begin_changes(md));
		writes = d->count[DISK_WRITE];
		for (u32 i = 0; i < m->nr; i++)
			if (m->oblock[i] != NO_OBLOCK) {
				m->dirty[i] ^= 1;
				break;
			}
		shutdown_ok(md, m);
		CHECK(d->count[DISK_WRITE] > writes && d->count[DISK_WRITE] <= writes + 6);
		expect_disk(d, m, DMC_SB_CLEAN);
		md_done(md, d, m);
	}
}

/* Policies come and go: with hints, without, under another name. */
static void test_policy_switch(void)
{
	int format2;

	for (format2 = 0; format2 < 2; format2++) {
		struct model *m = model_create(700);
		struct shim_disk *d;
		struct dmc_md_params p;
		int i;

		model_fill(m, ORIGIN_BLOCKS, 50);
		d = disk_of(m, format2, DISK_BLOCKS);
		p = params(d, format2);
		for (i = 0; i < 12; i++) {
			struct dmc_md *md = md_open_ok(&p);
			struct dmc_md_policy policy = m->policy;

			unit_note("round %d, format %d", i, 1 + format2);
			/* As activation does: load for the policy of the table, then run. */
			if (i % 3 == 0)
				strcpy(m->policy.name, i % 2 ? "mq" : "cleaner");
			m->policy.hint_size = i % 4 == 1 ? 0 : 4;
			for (u32 k = 0; k < m->nr; k++)
				m->hint_valid[k] = 0;
			if (!memcmp(&policy, &m->policy, sizeof(policy)) || i % 2)
				expect_load(md, m);
			CHECK_OK(dmc_md_begin_changes(md));
			model_fill(m, ORIGIN_BLOCKS, 50);
			for (u32 k = 0; k < m->nr; k++)
				CHECK_OK(dmc_md_remove(md, to_cblock(k)));
			CHECK_OK(md_insert_all(md, m));
			shutdown_ok(md, m);
			expect_disk(d, m, DMC_SB_CLEAN);
			dmc_md_close(md);
		}
		disk_free(d);
		model_free(m);
	}
}

static void triple(void *ctx, u32 *hints, u32 nr)
{
	struct model *m = ctx;
	u32 i;

	CHECK_EQ(nr, m->nr);
	for (i = 0; i < nr; i++)
		hints[i] *= 3;
}

static int is_triple(void *ctx, const struct dmc_run *run)
{
	struct model *m = ctx;
	u32 i, cb;

	CHECK(run->hints);
	for (i = 0; i < run->nr; i++) {
		cb = from_cblock(run->first) + i;
		CHECK(!dmc_run_maps(run, i) || run->hints[i] == 3 * m->hint[cb]);
	}
	return 0;
}

static bool none_changed(void *ctx, cblock_t first, u32 nr)
{
	return false;
}

/*
 * A policy is told the hints of another, in its own terms.  It then says that none has changed
 * since; all must be written nevertheless, for the disk has the other's.  Next time only what did
 * change.
 */
static void test_translated_hints(void)
{
	int format2;

	for (format2 = 0; format2 < 2; format2++) {
		struct model *m = model_create(3000);
		struct dmc_md_shutdown s;
		struct shim_disk *d;
		struct dmc_md_params p;
		struct dmc_md *md;
		unsigned long writes;
		u32 i;

		model_fill(m, ORIGIN_BLOCKS, 50);
		d = disk_of(m, format2, DISK_BLOCKS);
		md = md_on(d, format2, &p);
		CHECK_OK(dmc_md_load_mappings(md, &m->policy, triple, is_triple, m));
		strcpy(m->policy.name, "other");
		for (i = 0; i < m->nr; i++)
			m->hint[i] *= 3;
		CHECK_OK(dmc_md_begin_changes(md));
		s = model_shutdown(m);
		s.hints_changed = none_changed;
		CHECK_OK(dmc_md_commit_clean(md, &s));
		expect_disk(d, m, DMC_SB_CLEAN);

		writes = d->count[DISK_WRITE];
		CHECK_OK(dmc_md_begin_changes(md));
		CHECK_OK(dmc_md_commit_clean(md, &s));
		CHECK(d->count[DISK_WRITE] <= writes + 2);
		md_done(md, d, m);
	}
}

/*
 * The cleaner has no hints, and brings nothing in: what is left keeps the hints of the policy
 * before.
 */
static void test_kept_hints(void)
{
	int inserts;

	for (inserts = 0; inserts < 2; inserts++) {
		struct model *m = model_create(3000);
		struct shim_disk *d;
		struct dmc_md_params p;
		struct dmc_md *md;
		struct dmc_md_policy policy = m->policy;
		u32 i;

		model_fill(m, ORIGIN_BLOCKS, 50);
		for (i = 0; i < 10; i++)
			model_map(m, i, ORIGIN_BLOCKS - 1 - i, false);
		d = disk_of(m, inserts, DISK_BLOCKS);
		md = md_on(d, inserts, &p);
		strcpy(m->policy.name, "cleaner");
		m->policy.hint_size = 0;
		CHECK_OK(dmc_md_begin_changes(md));
		for (i = 0; i < 10; i++) {
			CHECK_OK(dmc_md_remove(md, to_cblock(i)));
			model_unmap(m, i);
		}
		if (inserts) {
			CHECK_OK(dmc_md_insert(md, to_cblock(0), to_oblock(ORIGIN_BLOCKS - 1)));
			model_map(m, 0, ORIGIN_BLOCKS - 1, false);
		}
		shutdown_ok(md, m);
		dmc_md_close(md);

		m->policy = policy;
		md = md_open_ok(&p);
		for (i = 0; i < m->nr; i++)
			m->hint_valid[i] = !inserts;
		expect_load(md, m);
		if (inserts) {
			dmc_md_get_policy(md, &policy);
			CHECK(!strcmp(policy.name, "cleaner"));
		}
		md_done(md, d, m);
	}
}

/* No room for old and new hints and flags side by side: it shuts down all the same. */
static void test_shutdown_in_slices(void)
{
	int format2, round;

	for (format2 = 0; format2 < 2; format2++) {
		u32 nr = 60000;
		struct model *m = model_create(nr);
		struct shim_disk *d = blank_disk(250);
		struct dmc_md_params p = params(d, format2);
		struct dmc_md *md = md_open_ok(&p);
		u64 used, total;

		resize_ok(md, nr);
		CHECK_OK(dmc_md_commit(md, NULL));
		for (round = 0; round < 3; round++) {
			model_fill(m, ORIGIN_BLOCKS, 70);
			for (u32 i = 0; i < nr; i++) {
				if (m->oblock[i] != NO_OBLOCK)
					CHECK_OK(dmc_md_insert(md, to_cblock(i),
							       to_oblock(m->oblock[i])));
				else
					CHECK_OK(dmc_md_remove(md, to_cblock(i)));
				if (i % 2000 == 1999)
					CHECK_OK(dmc_md_commit(md, NULL));
			}
			shutdown_ok(md, m);
			expect_disk(d, m, DMC_SB_CLEAN);
		}
		dmc_md_get_usage(md, &used, &total);
		CHECK_EQ(total, 250);
		CHECK(used > 180);
		md_done(md, d, m);
	}
}

/* A hint array that cannot be read costs the hints, not the shutdown. */
static void test_damaged_hints(void)
{
	int i;

	for (i = 0; i < 6; i++) {
		struct model *m = model_create(3000);
		struct shim_disk *d;
		struct dmc_md_params p;
		struct dmc_md *md;
		struct md_content c;
		u64 root;

		unit_note("variant %d", i);
		model_fill(m, ORIGIN_BLOCKS, 50);
		d = disk_of(m, i & 1, DISK_BLOCKS);
		p = params(d, i & 1);
		if (i & 2) {	/* unclean, so that the hints were not read before */
			md = md_open_ok(&p);
			CHECK_OK(dmc_md_begin_changes(md));
			dmc_md_close(md);
		}
		root = le64_to_cpu(((struct dmc_superblock *)d->data)->hint_root);
		d->data[root * 4096 + 100] ^= 1;
		md = md_open_ok(&p);
		for (u32 k = 0; k < m->nr; k++)
			m->hint_valid[k] = 0;
		if (i & 2)
			memset(m->dirty, 1, m->nr);
		for (u32 k = 0; k < m->nr; k++)
			m->hint[k] = 0;
		if (i < 4) /* else resumed without a reload: the shutdown is the first to notice */
			expect_load(md, m);
		for (u32 k = 0; k < m->nr; k++)
			m->dirty[k] &= m->oblock[k] != NO_OBLOCK;
		CHECK_OK(dmc_md_begin_changes(md));
		CHECK_OK(dmc_md_remove(md, to_cblock(0)));
		model_unmap(m, 0);
		shutdown_ok(md, m);
		CHECK(shim_message_seen("damaged hint array is replaced"));
		dmc_md_close(md);
		c = fsck_ok(d, FSCK_LEAKS_OK);
		CHECK_EQ(c.flags, DMC_SB_CLEAN);
		CHECK_MSG(!content_differs(&c, m), "%s", content_differs(&c, m));
		md_content_free(&c);
		md = md_open_ok(&p);
		for (u32 k = 0; k < m->nr; k++)
			m->hint_valid[k] = 1;
		expect_load(md, m);
		md_done(md, d, m);
	}
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "nothing changed, nothing written", test_idle_commits },
		{ "policies come and go", test_policy_switch },
		{ "the hints of another policy, translated", test_translated_hints },
		{ "hints outlive a policy without", test_kept_hints },
		{ "a shutdown with little room", test_shutdown_in_slices },
		{ "damaged hints cost only the hints", test_damaged_hints },
		{ }
	};

	return unit_main(argc, argv, tests);
}
