// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-metadata.c - the transactional API over the cache's metadata, call by call, in both formats.
 */
#include "md-test.h"
#include "metadata/superblock.h"

/*----- format -----*/

static void test_format(void)
{
	int format2;

	for (format2 = 0; format2 < 2; format2++) {
		struct shim_disk *d = blank_disk(DISK_BLOCKS);
		struct dmc_md_params p = params(d, format2);
		struct dmc_md_summary s;
		dmc_md_reason_t why;
		struct dmc_md *md;
		struct md_content c;
		u64 used, total;

		CHECK_OK(dmc_md_probe(&p, &s, &why));
		CHECK(s.blank && !s.version);
		CHECK_EQ(d->count[DISK_WRITE], 0);

		md = md_open_ok(&p);
		c = fsck_ok(d, 0);
		CHECK(c.version == 1 + format2 && !c.flags && !c.nr_cblocks && !c.hints);
		CHECK(c.block_sectors == 64 && !c.policy[0] && !c.hint_size && !c.nr_dblocks);
		CHECK_EQ(dmc_md_version(md), 1 + format2);
		CHECK(!dmc_md_was_clean(md) && !dmc_md_needs_check(md) && !dmc_md_nr_cblocks(md));
		CHECK(!dmc_md_changed(md));
		dmc_md_get_usage(md, &used, &total);
		CHECK(used == c.nr_used && total == DISK_BLOCKS);
		CHECK_EQ(dmc_md_fingerprint(md), le32_to_cpup((__le32 *)d->data));
		md_content_free(&c);
		dmc_md_close(md);

		/* The version on disk wins. */
		p.format2 = !format2;
		md = md_open_ok(&p);
		CHECK_EQ(dmc_md_version(md), 1 + format2);
		dmc_md_close(md);
		disk_free(d);
	}
}

/* One bit in block 0 is enough not to be formatted; what comes after block 0 does not matter. */
static void test_only_blank_is_formatted(void)
{
	static const u32 bytes[] = { 0, 7, 511, 512, 4095 };
	struct shim_disk *d, *before;
	struct dmc_md_params p;
	dmc_md_reason_t why;
	struct dmc_md *md;
	int i;

	for (i = 0; i < ARRAY_SIZE(bytes); i++) {
		d = blank_disk(DISK_BLOCKS);
		d->data[bytes[i]] = 4;
		before = disk_clone(d);
		p = params(d, true);
		md = dmc_md_open(&p, &why);
		CHECK(IS_ERR(md));
		CHECK(strstr(why, "nothing was formatted") && strstr(why, "dd if=/dev/zero"));
		CHECK_EQ(d->count[DISK_WRITE], 0);
		CHECK(!memcmp(d->data, before->data, DISK_BLOCKS * 4096));
		disk_free(before);
		disk_free(d);
	}

	d = blank_disk(DISK_BLOCKS);
	memset(d->data + 4096, 0xa5, (DISK_BLOCKS - 1) * 4096);
	md = md_on(d, true, &p);
	dmc_md_close(md);
	md_content_free((struct md_content[]){ fsck_ok(d, 0) });
	disk_free(d);
}

/* Too small: nothing is formatted. Exactly large enough: it can be filled and shut down. */
static void test_too_small(void)
{
	int format2;

	for (format2 = 0; format2 < 2; format2++) {
		u32 nr = 20000;
		u64 min = dmc_md_min_blocks(nr, 16384, format2), k;
		struct model *m = model_create(nr);
		struct shim_disk *d;
		struct dmc_md_params p;
		struct dmc_md_summary s;
		dmc_md_reason_t why;
		struct dmc_md *md;

		for (k = 0; k < min; k = k * 2 + 1) {
			d = blank_disk(k);
			p = params(d, format2);
			p.nr_cblocks = nr;
			p.nr_dblocks = 16384;
			CHECK_EQ(dmc_md_probe(&p, &s, &why), -ENOSPC);
			md = dmc_md_open(&p, &why);
			CHECK(IS_ERR(md) && PTR_ERR(md) == -ENOSPC);
			CHECK(d->count[DISK_WRITE] == 0);
			disk_free(d);
		}
		d = blank_disk(min - 1);
		p = params(d, format2);
		p.nr_cblocks = nr;
		p.nr_dblocks = 16384;
		md = dmc_md_open(&p, &why);
		CHECK(IS_ERR(md) && strstr(why, "too small"));
		disk_free(d);

		d = blank_disk(min);
		model_set_dblocks(m, 16384, 64);
		model_fill(m, ORIGIN_BLOCKS, 100);
		p.bdev = disk_bdev(d);
		md = md_open_ok(&p);
		resize_ok(md, nr);
		CHECK_OK(dmc_md_commit(md, NULL));
		CHECK_OK(md_insert_all(md, m));
		CHECK_OK(dmc_md_commit(md, NULL));
		for (k = 0; k < 3; k++) {
			model_fill(m, ORIGIN_BLOCKS, 100);
			for (u32 i = 0; i < nr; i++) {
				CHECK_OK(dmc_md_insert(md, to_cblock(i), to_oblock(m->oblock[i])));
				if (i % 4000 == 3999)
					CHECK_OK(dmc_md_commit(md, NULL));
			}
			shutdown_ok(md, m);
			expect_disk(d, m, DMC_SB_CLEAN);
		}
		md_done(md, d, m);
	}
	/* The kernel's documented 4 MiB + 16 bytes a block must do. */
	for (u64 nr = 1; nr < 1 << 30; nr *= 3)
		CHECK(dmc_md_min_blocks(nr, 16384, true) <= 1024 + nr * 16 / 4096);
}

/* More blocks than metadata of any size can hold: nothing is formatted. */
static void test_too_many(void)
{
	u64 most, i;
	int format2;

	for (format2 = 0; format2 < 2; format2++) {
		struct shim_disk *d = blank_disk(64);
		struct dmc_md_params p = params(d, format2);
		struct dmc_md_summary s;
		dmc_md_reason_t why;
		struct dmc_md *md;

		for (most = 0, i = 1 << 30; i; i >>= 1)
			if (dmc_md_min_blocks(most + i, 16384, format2) <= 255 * 16320)
				most += i;
		CHECK_MSG(most > 1150000000, "%llu", most);
		/* Sparse: only its first block is looked at. */
		d->nr_sectors = 20ULL << 21;
		p.nr_dblocks = 16384;
		p.nr_cblocks = most;
		CHECK_OK(dmc_md_probe(&p, &s, &why));
		p.nr_cblocks = most + 1;
		CHECK_EQ(dmc_md_probe(&p, &s, &why), -ENOSPC);
		CHECK(strstr(why, "larger block_size"));
		md = dmc_md_open(&p, &why);
		CHECK(IS_ERR(md) && PTR_ERR(md) == -ENOSPC);
		CHECK_EQ(d->count[DISK_WRITE], 0);
		d->nr_sectors = 64 * 8;
		disk_free(d);
	}
}

/*----- mapping -----*/

static void test_round_trip(void)
{
	static const u32 sizes[] = { 1, 63, 64, 65, 508, 509, 510, 1018, 1019, 5000 };
	int i, format2;

	for (i = 0; i < ARRAY_SIZE(sizes) * 2; i++) {
		struct model *m = model_create(sizes[i / 2]);
		struct shim_disk *d;
		struct dmc_md_params p;
		struct dmc_md *md;
		int round;

		format2 = i % 2;
		unit_note("%u cblocks, format %d", m->nr, 1 + format2);
		model_set_dblocks(m, unit_below(3000), 128);
		model_fill(m, ORIGIN_BLOCKS, 60);
		d = disk_of(m, format2, DISK_BLOCKS);
		for (round = 0; round < 3; round++) {
			md = md_on(d, format2, &p);
			CHECK(dmc_md_was_clean(md));
			expect_load(md, m);
			CHECK_OK(dmc_md_begin_changes(md));
			for (u32 cb = 0; cb < m->nr; cb++)
				if (m->oblock[cb] != NO_OBLOCK)
					CHECK_OK(dmc_md_remove(md, to_cblock(cb)));
			model_fill(m, ORIGIN_BLOCKS, 30 + 20 * round);
			CHECK_OK(md_insert_all(md, m));
			shutdown_ok(md, m);
			expect_disk(d, m, DMC_SB_CLEAN);
			dmc_md_close(md);
		}
		disk_free(d);
		model_free(m);
	}
}

/* Many mappings go at once, in order or not, dirty or clean, twice named or not mapped at all. */
static void test_remove_many(void)
{
	int format2, round;

	for (format2 = 0; format2 < 2; format2++) {
		struct model *m = model_create(1100);
		struct shim_disk *d;
		struct dmc_md_params p;
		struct dmc_md *md;
		struct md_content c;
		u32 i;

		model_fill(m, ORIGIN_BLOCKS, 90);
		d = disk_of(m, format2, DISK_BLOCKS);
		md = md_on(d, format2, &p);
		CHECK_OK(dmc_md_begin_changes(md));
		for (round = 0; round < 12; round++) {
			u32 cblocks[1101], nr = 0;

			for (i = 0; i < m->nr; i++)
				if (!unit_below(round % 4 < 2 ? 100 : 8))
					cblocks[nr++] = round % 2 ? i * 7 % m->nr : i;
			if (nr)
				cblocks[nr++] = cblocks[0];
			CHECK_OK(dmc_md_remove_many(md, cblocks, nr));
			for (i = 0; i < nr; i++)
				model_unmap(m, cblocks[i]);
			CHECK_OK(dmc_md_commit(md, NULL));
			c = fsck_ok(d, 0);
			CHECK(!memcmp(c.dirty, m->dirty, m->nr));
			md_content_free(&c);
		}
		/* Nothing is written for what is gone already. */
		CHECK_OK(dmc_md_remove_many(md, (u32[]) { 5 }, 1));
		CHECK_OK(dmc_md_commit(md, NULL));
		CHECK_OK(dmc_md_remove_many(md, (u32[]) { 5, 5 }, 2));
		CHECK_OK(dmc_md_remove_many(md, NULL, 0));
		CHECK(!dmc_md_changed(md));
		model_unmap(m, 5);
		dmc_md_close(md);
		c = fsck_ok(d, 0);
		CHECK(!memcmp(c.dirty, m->dirty, m->nr));
		for (i = 0; i < m->nr; i++)
			CHECK(!!c.maps[i] == (m->oblock[i] != NO_OBLOCK));
		md_content_free(&c);
		disk_free(d);
		model_free(m);
	}
}

static void test_bad_arguments(void)
{
	struct model *m = model_create(100);
	struct shim_disk *d = disk_of(m, true, DISK_BLOCKS);
	struct dmc_md_params p = params(d, true);
	struct dmc_md *md = md_open_ok(&p);
	struct dmc_md_shutdown s = model_shutdown(m);
	cblock_t busy;

	CHECK_EQ(dmc_md_insert(md, to_cblock(100), to_oblock(1)), -EINVAL);
	CHECK_EQ(dmc_md_insert(md, to_cblock(0), to_oblock(DMC_MAX_OBLOCKS)), -EINVAL);
	CHECK_EQ(dmc_md_remove(md, to_cblock(100)), -EINVAL);
	CHECK_EQ(dmc_md_remove_many(md, (u32[]) { 3, 100 }, 2), -EINVAL);
	CHECK_EQ(dmc_md_resize(md, 1U << 31, &busy), -EINVAL);
	CHECK_EQ(dmc_md_set_needs_check(md), 0);
	s.policy.hint_size = 8;
	CHECK_EQ(dmc_md_commit_clean(md, &s), -EINVAL);
	md_done(md, d, m);
}

/* What is not committed is not there; abort and close forget it; a failed call forbids a commit. */
static void test_abort(void)
{
	int format2;

	for (format2 = 0; format2 < 2; format2++) {
		struct model *m = model_create(600), *committed;
		struct shim_disk *d;
		struct dmc_md_params p;
		struct dmc_md *md;

		model_fill(m, ORIGIN_BLOCKS, 50);
		d = disk_of(m, format2, DISK_BLOCKS);
		md = md_on(d, format2, &p);
		CHECK_OK(dmc_md_begin_changes(md));
		committed = model_clone(m);
		CHECK_OK(dmc_md_insert(md, to_cblock(5), to_oblock(99999)));
		CHECK_OK(dmc_md_remove(md, to_cblock(590)));
		resize_ok(md, 700);
		CHECK(dmc_md_changed(md));
		CHECK_OK(dmc_md_abort(md));
		CHECK(!dmc_md_changed(md));
		CHECK_EQ(dmc_md_nr_cblocks(md), 600);
		expect_disk(d, committed, 0);
		memset(committed->dirty, 1, 600);
		memset(committed->hint, 0, 600 * 4);
		expect_load(md, committed);

		/* Life goes on after an abort. */
		CHECK_OK(dmc_md_insert(md, to_cblock(7), to_oblock(99998)));
		model_map(m, 7, 99998, false);
		CHECK_OK(dmc_md_commit(md, NULL));
		expect_disk(d, m, 0);
		CHECK_OK(dmc_md_insert(md, to_cblock(8), to_oblock(99997)));
		dmc_md_close(md);
		expect_disk(d, m, 0);
		disk_free(d);
		model_free(m);
		model_free(committed);
	}
}

static void test_failure_forbids_commit(void)
{
	struct model *m = model_create(600);
	struct shim_disk *d = disk_of(m, true, DISK_BLOCKS);
	struct dmc_md_params p = params(d, true);
	struct dmc_md *md = md_open_ok(&p);
	struct dmc_md_shutdown s = model_shutdown(m);
	int r;

	CHECK_OK(dmc_md_begin_changes(md));
	CHECK_OK(dmc_md_insert(md, to_cblock(5), to_oblock(5)));
	disk_fail(d, DISK_READ, 1, true);
	/* The second array block was not read yet. */
	r = dmc_md_insert(md, to_cblock(599), to_oblock(6));
	CHECK_EQ(r, -EIO);
	disk_fail(d, DISK_READ, 0, false);
	CHECK_EQ(dmc_md_commit(md, NULL), -EIO);
	CHECK_EQ(dmc_md_commit_clean(md, &s), -EIO);
	CHECK_EQ(dmc_md_insert(md, to_cblock(1), to_oblock(1)), -EIO);
	CHECK_EQ(dmc_md_set_needs_check(md), -EINVAL);
	expect_disk(d, m, 0);
	CHECK_OK(dmc_md_abort(md));
	CHECK_OK(dmc_md_insert(md, to_cblock(1), to_oblock(1)));
	CHECK_OK(dmc_md_commit(md, NULL));
	model_map(m, 1, 1, false);
	expect_disk(d, m, 0);
	md_done(md, d, m);
}

/* The flag is clear on disk before anything else is, even if the caller forgets to ask for it. */
static void test_clean_flag(void)
{
	int what;

	for (what = 0; what < 8; what++) {
		struct model *m = model_create(600);
		struct shim_disk *d;
		struct dmc_md_params p;
		struct dmc_md *md;

		unit_note("change %d", what);
		model_fill(m, ORIGIN_BLOCKS, 50);
		d = disk_of(m, what & 4, DISK_BLOCKS);
		md = md_on(d, what & 4, &p);
		if (what & 1)	/* suspended and resumed, without a reload */
			shutdown_ok(md, m);
		if (what & 2)
			CHECK_OK(dmc_md_insert(md, to_cblock(0), to_oblock(99999)));
		else
			CHECK_OK(dmc_md_begin_changes(md));
		expect_disk(d, m, 0);
		CHECK(dmc_md_was_clean(md));
		dmc_md_close(md);

		/* After a crash every mapping is dirty, hints and discards are not there. */
		md = md_open_ok(&p);
		CHECK(!dmc_md_was_clean(md));
		memset(m->dirty, 1, m->nr);
		memset(m->hint, 0, m->nr * 4);
		expect_load(md, m);
		md_done(md, d, m);
	}
}

/*----- resize -----*/

static void test_resize(void)
{
	static const u32 sizes[] = { 600, 1018, 509, 510, 509, 64, 63, 2000, 1527, 1, 1018, 1017 };
	int i, format2;

	for (format2 = 0; format2 < 2; format2++) {
		struct model *m = model_create(0);
		struct shim_disk *d = disk_of(m, format2, DISK_BLOCKS);
		struct dmc_md_params p = params(d, format2);

		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			struct dmc_md *md = md_open_ok(&p);
			u32 k;

			unit_note("to %u, format %d", sizes[i], 1 + format2);
			/* Clean what is to go. */
			CHECK_OK(dmc_md_begin_changes(md));
			for (k = sizes[i]; k < m->nr; k++) {
				m->nr_dirty -= m->dirty[k];
				m->dirty[k] = 0;
			}
			shutdown_ok(md, m);
			dmc_md_close(md);

			md = md_open_ok(&p);
			CHECK_OK(dmc_md_begin_changes(md));
			resize_ok(md, sizes[i]);
			model_resize(m, sizes[i]);
			/*
			 * Loading follows, in the same transaction; the hints are another length
			 * now.
			 */
			for (k = 0; k < m->nr; k++)
				m->hint_valid[k] = 0;
			expect_load(md, m);
			if (i % 2) {
				CHECK_OK(dmc_md_commit(md, NULL));
				expect_disk(d, m, 0);
			}
			for (k = 0; k < m->nr; k++) {
				m->hint[k] = unit_rand();
				if (m->oblock[k] != NO_OBLOCK || unit_below(2))
					continue;
				model_map(m, k, 5000 * i + k, unit_below(2));
				CHECK_OK(dmc_md_insert(md, to_cblock(k), to_oblock(5000 * i + k)));
			}
			shutdown_ok(md, m);
			expect_disk(d, m, DMC_SB_CLEAN);
			dmc_md_close(md);
		}
		disk_free(d);
		model_free(m);
	}
}

/* A shrink over a dirty block changes nothing, on disk or in memory. */
static void test_resize_busy(void)
{
	int format2;

	for (format2 = 0; format2 < 2; format2++) {
		struct model *m = model_create(1200);
		struct shim_disk *d, *before;
		struct dmc_md_params p;
		struct dmc_md *md;
		cblock_t busy;

		model_map(m, 3, 30, true);
		model_map(m, 700, 70, false);
		model_map(m, 900, 90, true);
		model_map(m, 1100, 110, true);
		d = disk_of(m, format2, DISK_BLOCKS);
		before = disk_clone(d);
		md = md_on(d, format2, &p);
		CHECK_EQ(dmc_md_resize(md, 600, &busy), -EBUSY);
		CHECK_EQ(from_cblock(busy), 900);
		CHECK_EQ(dmc_md_resize(md, 900, &busy), -EBUSY);
		CHECK_EQ(from_cblock(busy), 900);
		CHECK_EQ(dmc_md_nr_cblocks(md), 1200);
		CHECK(!dmc_md_changed(md) && dmc_md_was_clean(md));
		dmc_md_close(md);
		CHECK(!memcmp(d->data, before->data, DISK_BLOCKS * 4096));

		/* After a crash a clean block counts as dirty too. */
		md = md_open_ok(&p);
		CHECK_OK(dmc_md_begin_changes(md));
		dmc_md_close(md);
		md = md_open_ok(&p);
		CHECK_EQ(dmc_md_resize(md, 700, &busy), -EBUSY);
		CHECK_EQ(from_cblock(busy), 700);
		CHECK_EQ(dmc_md_resize(md, 1100, &busy), -EBUSY);
		CHECK_EQ(from_cblock(busy), 1100);
		resize_ok(md, 1101);
		dmc_md_close(md);
		disk_free(before);
		disk_free(d);
		model_free(m);
	}
}

static void test_growth_needs_room(void)
{
	struct model *m = model_create(100);
	struct shim_disk *d = disk_of(m, true, 64);
	struct dmc_md_params p = params(d, true);
	struct dmc_md *md = md_open_ok(&p);
	struct dmc_md_summary sum;
	dmc_md_reason_t why;
	cblock_t busy;

	CHECK_EQ(dmc_md_resize(md, 100000, &busy), -ENOSPC);
	CHECK(dmc_md_was_clean(md) && !dmc_md_changed(md));
	expect_disk(d, m, DMC_SB_CLEAN);
	/* A table that asks for it is refused before anything is opened. */
	p.nr_cblocks = 100000;
	CHECK_EQ(dmc_md_probe(&p, &sum, &why), -ENOSPC);
	CHECK(strstr(why, "no room"));
	p.nr_cblocks = 2000;
	CHECK_EQ(dmc_md_probe(&p, &sum, &why), 0);
	resize_ok(md, 2000);
	CHECK_OK(dmc_md_commit(md, NULL));
	md_done(md, d, m);
}

/*----- load -----*/

/* An origin that shrank: a clean mapping beyond it goes, for good, with the flag. */
static void test_origin_shrank(void)
{
	int i;

	for (i = 0; i < 4; i++) {
		struct model *m = model_create(1000);
		bool format2 = i & 1;
		struct dmc_md_params p;
		struct shim_disk *d;
		struct dmc_md *md;
		unsigned long writes;
		int r;

		model_map(m, 1, 10, true);
		model_map(m, 2, 500, false);
		model_map(m, 999, 501, false);
		d = disk_of(m, format2, DISK_BLOCKS);
		p = params(d, format2);
		p.origin_blocks = 500;
		writes = d->count[DISK_WRITE];
		md = md_open_ok(&p);
		model_unmap(m, 2);
		model_unmap(m, 999);
		if (i & 2)
			CHECK_OK(dmc_md_begin_changes(md));
		expect_load(md, m);
		if (i & 2) {
			CHECK_OK(dmc_md_commit(md, NULL));
		} else {
			CHECK_EQ(d->count[DISK_WRITE], writes);
			CHECK_OK(dmc_md_begin_changes(md));
		}
		expect_disk(d, m, 0);
		CHECK_OK(dmc_md_insert(md, to_cblock(2), to_oblock(499)));
		model_map(m, 2, 499, true);
		shutdown_ok(md, m);
		expect_disk(d, m, DMC_SB_CLEAN);
		dmc_md_close(md);

		p.origin_blocks = 499;
		md = md_open_ok(&p);
		CHECK(!model_load(md, &m->policy, &r));
		CHECK_EQ(r, -EFBIG);
		CHECK(shim_message_seen("origin block 499"));
		md_done(md, d, m);
	}
}

static int stop_at_77(void *ctx, cblock_t cblock, oblock_t ob, bool dirty, u32 hint, bool valid)
{
	++*(u32 *)ctx;
	return from_cblock(cblock) == 77 ? -ERANGE : 0;
}

static int stop_at_once(void *ctx, u64 begin, u64 end)
{
	CHECK(begin == 3 * 128 && end == 70 * 128);
	++*(u32 *)ctx;
	return -ERANGE;
}

static void test_callbacks_stop(void)
{
	struct model *m = model_create(600);
	struct shim_disk *d;
	struct dmc_md_params p;
	struct dmc_md *md;
	u32 i, calls = 0;

	for (i = 0; i < 600; i++)
		model_map(m, i, i, false);
	model_set_dblocks(m, 200, 128);
	memset(m->discard + 3, 1, 67);
	memset(m->discard + 128, 1, 72);
	d = disk_of(m, true, DISK_BLOCKS);
	md = md_on(d, true, &p);
	shim_clear_messages();
	CHECK_EQ(md_load_each(md, &m->policy, stop_at_77, &calls), -ERANGE);
	CHECK_EQ(calls, 78);
	/* What the caller does not want is no fault of the metadata. */
	CHECK_EQ(shim_nr_messages(), 0);
	calls = 0;
	CHECK_EQ(dmc_md_load_discards(md, stop_at_once, &calls), -ERANGE);
	CHECK_EQ(calls, 1);
	md_done(md, d, m);
}

/* Repair is advised for what is damaged, and for nothing else. */
static void test_what_is_damage(void)
{
	static const int damage[] = { -EILSEQ, -ENOTBLK, -ENXIO };
	static const int other[] = {
		0, -EINVAL, -EBUSY, -EFBIG, -ENOSPC, -ENODATA, -EIO, -ENOMEM, -EPERM
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(damage); i++)
		CHECK(dmc_is_damage(damage[i]));
	for (i = 0; i < ARRAY_SIZE(other); i++)
		CHECK(!dmc_is_damage(other[i]));
}

/* A mapping stored twice is found by either way of looking for it. */
static void test_duplicates(void)
{
	static const u64 origins[] = { 1000, ORIGIN_BLOCKS, 1ULL << 30, DMC_MAX_OBLOCKS };
	int i, k;

	for (i = 0; i < ARRAY_SIZE(origins) * 2; i++) {
		u64 origin = origins[i / 2];
		struct shim_disk *d = blank_disk(DISK_BLOCKS);
		struct dmc_md_params p = params(d, i & 1);
		struct dmc_md *md;
		struct model *m;
		int r;

		p.origin_blocks = origin;
		md = md_open_ok(&p);
		resize_ok(md, 900);
		for (k = 0; k < 900; k++)
			CHECK_OK(dmc_md_insert(md, to_cblock(k), to_oblock(origin - 1 - k)));
		m = model_load(md, &(struct dmc_md_policy){ .name = "smq" }, &r);
		CHECK(m && m->nr_mapped == 900);
		CHECK_OK(dmc_md_insert(md, to_cblock(899), to_oblock(origin - 1)));
		CHECK(!model_load(md, &m->policy, &r));
		CHECK_EQ(r, -EILSEQ);
		CHECK(shim_message_seen("mapped twice"));
		dmc_md_close(md);
		model_free(m);
		disk_free(d);
	}
}

/*----- needs_check -----*/

static void test_set_needs_check(void)
{
	struct model *m = model_create(600);
	struct shim_disk *d;
	struct dmc_md_params p;
	struct dmc_md *md;
	struct dmc_md_shutdown s;
	dmc_md_reason_t why;

	model_fill(m, ORIGIN_BLOCKS, 50);
	d = disk_of(m, true, DISK_BLOCKS);
	md = md_on(d, true, &p);
	CHECK_OK(dmc_md_begin_changes(md));
	CHECK_OK(dmc_md_insert(md, to_cblock(1), to_oblock(99999)));
	CHECK_EQ(dmc_md_set_needs_check(md), -EINVAL);
	CHECK_OK(dmc_md_abort(md));
	CHECK_OK(dmc_md_set_needs_check(md));
	CHECK(dmc_md_needs_check(md));
	expect_disk(d, m, DMC_SB_NEEDS_CHECK);
	CHECK_EQ(dmc_md_insert(md, to_cblock(1), to_oblock(99999)), -EPERM);
	CHECK_EQ(dmc_md_remove(md, to_cblock(1)), -EPERM);
	CHECK_EQ(dmc_md_begin_changes(md), -EPERM);
	CHECK_EQ(dmc_md_commit(md, NULL), -EPERM);
	s = model_shutdown(m);
	CHECK_EQ(dmc_md_commit_clean(md, &s), -EPERM);
	dmc_md_close(md);
	expect_disk(d, m, DMC_SB_NEEDS_CHECK);
	md = dmc_md_open(&p, &why);
	CHECK(IS_ERR(md) && PTR_ERR(md) == -EPERM);
	disk_free(d);
	model_free(m);
}

/*
 * A commit whose superblock got to the disk although its write "failed" is undone by needs_check.
 */
static void test_failed_commit_is_undone(void)
{
	enum disk_op op;
	int tear;

	for (op = DISK_WRITE; op <= DISK_FLUSH; op++)
		for (tear = 0; tear < 2; tear++) {
			struct model *m = model_create(600);
			struct shim_disk *d;
			struct dmc_md_params p;
			struct dmc_md *md;
			int n;

			for (n = 1; n < 30; n++) {
				int r;

				unit_note("op %d number %d", op, n);
				d = disk_of(m, true, DISK_BLOCKS);
				md = md_on(d, true, &p);
				CHECK_OK(dmc_md_begin_changes(md));
				CHECK_OK(dmc_md_insert(md, to_cblock(1), to_oblock(99999)));
				d->tear_failed_writes = tear;
				disk_fail(d, op, n, false);
				r = dmc_md_commit(md, NULL);
				disk_fail(d, op, 0, false);
				if (r) {
					CHECK_EQ(r, -EIO);
					CHECK_OK(dmc_md_abort(md));
					CHECK_OK(dmc_md_set_needs_check(md));
					expect_disk(d, m, DMC_SB_NEEDS_CHECK);
				}
				dmc_md_close(md);
				disk_free(d);
				if (!r)
					break;
			}
			CHECK(n > 1 && n < 30);
			model_free(m);
		}
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "formats a blank device", test_format },
		{ "formats nothing else", test_only_blank_is_formatted },
		{ "a device too small is refused, one just large enough works", test_too_small },
		{ "more blocks than any metadata can hold are refused", test_too_many },
		{ "what a shutdown stores, loads", test_round_trip },
		{ "many mappings go at once", test_remove_many },
		{ "bad arguments", test_bad_arguments },
		{ "abort goes back to the last commit", test_abort },
		{ "nothing is committed after a failure", test_failure_forbids_commit },
		{ "the clean-shutdown flag goes before anything else", test_clean_flag },
		{ "resize, both ways", test_resize },
		{ "a shrink over dirty blocks changes nothing", test_resize_busy },
		{ "growth needs room", test_growth_needs_room },
		{ "mappings beyond a shrunk origin", test_origin_shrank },
		{ "callbacks can stop a load", test_callbacks_stop },
		{ "what is damage", test_what_is_damage },
		{ "an origin block mapped twice is found", test_duplicates },
		{ "needs_check", test_set_needs_check },
		{ "a failed commit is undone", test_failed_commit_is_undone },
		{ }
	};

	return unit_main(argc, argv, tests);
}
