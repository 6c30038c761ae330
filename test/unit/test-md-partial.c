// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-md-partial.c - metadata of an earlier version, in which the origin's last, partial block
 * may be mapped: never believed, whatever the origin's size is by now, and nothing else is lost.
 */
#include "md-test.h"
#include "metadata/superblock.h"

#define NR 200
#define WHOLE 1000		/* whole blocks of the origin as it was; a partial one follows */
#define PARTIAL_CB 77		/* holds it */
#define BLOCK 64

/* Which module wrote the superblock last, and how it stopped. */
enum last {
	EARLIER_CLEAN,		/* an earlier version of ours, or the kernel's module */
	EARLIER_LIVE,		/* crashed */
	KERNEL_CRASHED,
	OURS_CLEAN,
	OURS_LIVE,
};

static struct model *world(u64 highest, bool dirty, u32 dblock_blocks)
{
	struct model *m = model_create(NR);
	u32 i;

	for (i = 0; i < 60; i++)
		model_map(m, i, i * 3, i % 4 == 1);
	model_map(m, PARTIAL_CB, highest, dirty);
	model_set_dblocks(m, WHOLE / dblock_blocks + 1, BLOCK * dblock_blocks);
	memset(m->discard, 1, m->nr_dblocks);
	return m;
}

static void write_mark(struct shim_disk *d, enum last last)
{
	struct dmc_superblock *sb = (struct dmc_superblock *)d->data;

	if (last == KERNEL_CRASHED)
		sb->flags &= ~cpu_to_le32(DMC_SB_CLEAN);
	dmc_sb_set_mark(sb, last == EARLIER_LIVE || last == OURS_LIVE, last >= OURS_CLEAN);
	sb->csum = dmc_sb_checksum(sb);
}

static struct shim_disk *disk_by(struct model *m, bool format2, enum last last)
{
	struct shim_disk *d = disk_of(m, format2, DISK_BLOCKS);

	CHECK(dmc_sb_is_whole((struct dmc_superblock *)d->data));
	write_mark(d, last);
	return d;
}

static struct dmc_md *open_at(struct shim_disk *d, bool format2, u64 blocks, bool partial)
{
	struct dmc_md_params p = params(d, format2);

	p.origin_blocks = blocks;
	p.origin_partial = partial;
	return md_open_ok(&p);
}

static struct model *expected(const struct model *m, enum last last, bool kept)
{
	struct model *want = model_clone(m);
	u32 i;

	if (!kept)
		model_unmap(want, PARTIAL_CB);
	for (i = 0; last == KERNEL_CRASHED && i < NR; i++)
		if (want->oblock[i] != NO_OBLOCK)
			model_map(want, i, want->oblock[i], true);
	return want;
}

/* To the disk, by each way to begin, with an abort before it: the same block is gone there. */
static void goes_live(struct dmc_md *md, struct shim_disk *d, struct model *want, int how)
{
	struct dmc_md_tracking live = {
		.nr_cblocks = NR,
		.nr_dblocks = want->nr_dblocks,
		.discard_block_sectors = want->discard_sectors,
	};
	cblock_t busy;

	if (how & 1)
		CHECK_OK(dmc_md_abort(md));
	CHECK_OK(how & 2 ? dmc_md_begin_changes(md) : dmc_md_start_tracking(md, &live, &busy));
	if (how & 2)
		expect_disk(d, want, 0);
	shutdown_ok(md, want);
	dmc_md_close(md);
	expect_disk(d, want, DMC_SB_CLEAN);
	CHECK(dmc_sb_is_whole((struct dmc_superblock *)d->data));
	CHECK(!dmc_sb_is_tracking((struct dmc_superblock *)d->data));
}

/* The origin has @blocks whole blocks now, and @partial: a part of one more. */
static const struct partial_case {
	const char *what;
	enum last last;
	bool dirty;
	u64 blocks;
	bool partial;
	enum { KEPT, DROPPED, REFUSED } what_happens;
} cases[] = {
	{ "clean, same size", EARLIER_CLEAN, false, WHOLE, true, DROPPED },
	{ "clean, grown", EARLIER_CLEAN, false, WHOLE + 1, false, DROPPED },
	{ "clean, grown much", EARLIER_CLEAN, false, 5 * WHOLE, true, DROPPED },
	{ "clean, shrunk", EARLIER_CLEAN, false, WHOLE - 100, true, DROPPED },
	/* No partial block is stored as dirty but after a crash: it was a whole one. */
	{ "dirty, grown", EARLIER_CLEAN, true, 5 * WHOLE, true, KEPT },
	{ "dirty, shrunk into it", EARLIER_CLEAN, true, WHOLE, true, REFUSED },
	{ "crashed, same size", EARLIER_LIVE, true, WHOLE, true, DROPPED },
	{ "crashed, clean, same size", EARLIER_LIVE, false, WHOLE, true, DROPPED },
	{ "crashed, clean, grown", EARLIER_LIVE, false, 5 * WHOLE, true, DROPPED },
	{ "crashed, shrunk to its begin", EARLIER_LIVE, true, WHOLE, false, REFUSED },
	{ "crashed, shrunk", EARLIER_LIVE, true, WHOLE - 1, true, REFUSED },
	{ "crash of the kernel's, same size", KERNEL_CRASHED, false, WHOLE, true, DROPPED },
	{ "crash of the kernel's, shrunk", KERNEL_CRASHED, false, WHOLE - 1, true, REFUSED },
	{ "ours, clean", OURS_CLEAN, false, WHOLE + 1, true, KEPT },
	{ "ours, clean, shrunk", OURS_CLEAN, false, WHOLE, true, DROPPED },
	{ "ours, dirty, shrunk into it", OURS_CLEAN, true, WHOLE, true, REFUSED },
	{ "ours, crashed, shrunk into it", OURS_LIVE, true, WHOLE, true, REFUSED },
	{ "ours, crashed", OURS_LIVE, false, WHOLE + 1, true, KEPT },
};

static void one_case(const struct partial_case *k, bool format2, u32 dblock_blocks, int how)
{
	struct model *m = world(WHOLE, k->dirty, dblock_blocks), *want, *got;
	struct shim_disk *d = disk_by(m, format2, k->last), *before = disk_clone(d);
	struct dmc_md *md = open_at(d, format2, k->blocks, k->partial);
	int r;

	unit_note("%s, format %d, %u blocks a discard block, way %d", k->what, 1 + format2,
		  dblock_blocks, how);
	got = model_load(md, &m->policy, &r);
	CHECK(!memcmp(d->data, before->data, d->nr_sectors * SECTOR_SIZE));
	if (k->what_happens == REFUSED) {
		CHECK_EQ(r, -EFBIG);
		dmc_md_close(md);
	} else {
		CHECK_OK(r);
		want = expected(m, k->last, k->what_happens == KEPT);
		CHECK_MSG(!model_differs(want, got), "%s", model_differs(want, got));
		goes_live(md, d, want, how);
		/* And from then on it is believed. */
		md = open_at(d, format2, k->blocks, k->partial);
		expect_load(md, want);
		dmc_md_close(md);
		model_free(want);
		model_free(got);
	}
	disk_free(before);
	disk_free(d);
	model_free(m);
}

static void test_cases(void)
{
	u32 i, how;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (how = 0; how < 8; how++)
			one_case(&cases[i], how & 4, how & 1 ? 1 : 16, how & 3);
	}
}

/* Only the highest block can be partial, and only in the last discard block. */
static void test_others_stay(void)
{
	static const u64 highest[] = { WHOLE - 1, 800, WHOLE };
	u32 i;

	for (i = 0; i < 3; i++) {
		struct model *m = world(highest[i], false, i ? 16 : 1), *got;
		struct shim_disk *d;
		struct dmc_md *md;
		int r;

		if (i == 2) {
			model_map(m, PARTIAL_CB + 1, WHOLE + 1, true);
			model_map(m, PARTIAL_CB + 2, WHOLE - 2, false);
		}
		d = disk_by(m, true, EARLIER_CLEAN);
		md = open_at(d, true, 5 * WHOLE, false);
		got = model_load(md, &m->policy, &r);
		CHECK_OK(r);
		CHECK_MSG(!model_differs(m, got), "%s", model_differs(m, got));
		model_free(got);
		md_done(md, d, m);
	}
}

/* The last discard bit of an earlier version may be of a partial block; all others are believed. */
static void test_discards(void)
{
	u32 whole;

	for (whole = 0; whole < 2; whole++) {
		struct model *m = world(3 * WHOLE, true, 16), *got;
		struct shim_disk *d;
		struct dmc_md *md;
		u64 i;
		int r;

		d = disk_by(m, true, whole ? OURS_CLEAN : EARLIER_CLEAN);
		md = open_at(d, true, 5 * WHOLE, true);
		got = model_load(md, &m->policy, &r);
		CHECK_OK(r);
		/* In units of 64 sectors. */
		CHECK_EQ(got->nr_dblocks, (m->nr_dblocks - !whole) * 16);
		for (i = 0; i < got->nr_dblocks; i++)
			CHECK(got->discard[i]);
		model_free(got);
		md_done(md, d, m);
	}
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "a partial block of an earlier version is dropped", test_cases },
		{ "other blocks stay", test_others_stay },
		{ "the last discard bit", test_discards },
		{ }
	};

	return unit_main(argc, argv, tests);
}
