// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-offline.c - `dmcache settle` (tools/settle): after it the origin has each valid granule of
 * each partial block, and nothing else of it has changed; full blocks are as they were; the
 * metadata is in order, and has no feature that keeps the kernel's own module out.  Wherever the
 * power goes meanwhile, it can be done again, and nothing is lost.
 */
#include "../../tools/settle/offline.h"
#include "md-test.h"
#include "metadata/superblock.h"

#define NR 96			/* cache blocks */
#define WHOLE 200		/* of the origin */
#define MD_BLOCKS 96		/* so few that it takes several commits */

struct world {
	struct shim_disk *md, *cache, *origin;
	u32 bs;
	u64 oblock[NR];			/* NO_OBLOCK: not mapped */
	bool dirty[NR];			/* as stored; partial ones are */
	u64 valid[NR][DMC_VALID_WORDS];	/* all zero: full */
	u32 nr_partial, nr_dirty;	/* dirty: of full blocks */
	u64 *want;			/* the word that each sector of the origin begins with */
	char told[256];			/* first line */
	unsigned int nr_told;
};

static u64 *sector_of(struct shim_disk *d, u64 sector)
{
	return (u64 *)(d->data + sector * SECTOR_SIZE);
}

static bool is_valid(const struct world *w, u32 cb, u32 granule)
{
	return w->valid[cb][granule / 64] >> (granule % 64) & 1;
}

/* Of a block that is not to be full: a few runs. */
static void choose_valid(struct world *w, u32 cb)
{
	const u32 nr = dmc_nr_granules(w->bs);
	u32 i, nr_valid = 0;

	for (i = 0; i < nr; i++) {
		if (unit_below(3) && (i || nr_valid))
			continue;
		w->valid[cb][i / 64] |= 1ULL << i % 64;
		nr_valid++;
	}
	if (!nr_valid || nr_valid == nr)
		w->valid[cb][0] ^= 1;
	w->nr_partial++;
}

/* What the origin is to have in the end. */
static void expect_origin(struct world *w)
{
	const u32 granule = dmc_granule_sectors(w->bs);
	u32 cb, s;
	u64 i;

	w->want = calloc(w->origin->nr_sectors, sizeof(u64));
	CHECK(w->want);
	for (i = 0; i < w->origin->nr_sectors; i++)
		w->want[i] = *sector_of(w->origin, i);
	for (cb = 0; cb < NR; cb++)
		for (s = 0; s < w->bs; s++)
			if (is_valid(w, cb, s / granule))
				w->want[w->oblock[cb] * w->bs + s] =
					*sector_of(w->cache, (u64)cb * w->bs + s);
}

static void fill_disks(struct world *w, u32 tail)
{
	u64 i;

	w->cache = disk_create((u64)NR * w->bs);
	w->origin = disk_create((u64)WHOLE * w->bs + tail);
	for (i = 0; i < w->cache->nr_sectors; i++)
		*sector_of(w->cache, i) = 0xcace00000000ULL + i;
	for (i = 0; i < w->origin->nr_sectors; i++)
		*sector_of(w->origin, i) = 0x1000000000ULL + i;
}

static void map_block(struct world *w, struct dmc_md *md, u32 cb)
{
	w->oblock[cb] = (cb * 37 + 11) % WHOLE;
	CHECK_OK(dmc_md_insert(md, to_cblock(cb), to_oblock(w->oblock[cb])));
	w->dirty[cb] = cb % 2;
	if (cb % 2 && cb % 4 == 1)
		choose_valid(w, cb);
	else if (w->dirty[cb])
		w->nr_dirty++;
}

/*
 * The cache ran, and stopped without a word: with the flag (@tracking), or without, so that all
 * blocks count as dirty.
 */
static void world_begin(struct world *w, u32 bs, u32 tail, bool format2, bool tracking)
{
	struct dmc_md_tracking t = { NR, 50, 4 * bs };
	struct dmc_md_params p;
	struct dmc_md *md;
	cblock_t busy;
	u32 cb;

	memset(w, 0, sizeof(*w));
	w->bs = bs;
	w->md = disk_create(MD_BLOCKS * 8);
	fill_disks(w, tail);
	p = params(w->md, format2);
	p.block_sectors = bs;
	p.origin_blocks = WHOLE;
	md = md_open_ok(&p);
	if (tracking)
		CHECK_OK(dmc_md_start_tracking(md, &t, &busy));
	else
		CHECK_OK(dmc_md_resize(md, NR, &busy));
	for (cb = 0; cb < NR; cb++) {
		w->oblock[cb] = NO_OBLOCK;
		if (cb % 8 != 7)
			map_block(w, md, cb);
	}
	for (cb = 0; cb < NR; cb++) {
		if (w->dirty[cb])
			CHECK_OK(dmc_md_set_dirty(md, to_cblock(cb), true));
		if (w->valid[cb][0] | w->valid[cb][1] | w->valid[cb][2] | w->valid[cb][3])
			CHECK_OK(dmc_md_set_valid(md, to_cblock(cb), w->valid[cb]));
	}
	CHECK_OK(dmc_md_commit(md, NULL));
	dmc_md_close(md);
	CHECK_EQ(w->nr_partial, NR / 4);
	expect_origin(w);
}

static void seal(struct shim_disk *d)
{
	struct dmc_superblock *sb = (struct dmc_superblock *)d->data;

	sb->csum = dmc_sb_checksum(sb);
}

static void set_needs_check(struct world *w)
{
	struct dmc_superblock *sb = (struct dmc_superblock *)w->md->data;

	sb->flags |= cpu_to_le32(DMC_SB_NEEDS_CHECK);
	seal(w->md);
}

static void world_end(struct world *w)
{
	disk_free(w->md);
	disk_free(w->cache);
	disk_free(w->origin);
	free(w->want);
}

static void note_line(void *ctx, const char *line)
{
	struct world *w = ctx;

	if (!w->nr_told++)
		snprintf(w->told, sizeof(w->told), "%s", line);
}

static int settle(struct world *w, struct shim_disk *md, struct shim_disk *origin,
		  struct offline *o)
{
	memset(o, 0, sizeof(*o));
	o->metadata = disk_bdev(md);
	o->cache = disk_bdev(w->cache);
	o->origin = disk_bdev(origin);
	o->tell = note_line;
	o->ctx = w;
	w->nr_told = 0;
	return offline_settle(o);
}

/* All of the origin is as it is to be in the end. */
static void check_origin(struct world *w, struct shim_disk *origin)
{
	u64 i;

	for (i = 0; i < origin->nr_sectors; i++)
		CHECK_MSG(*sector_of(origin, i) == w->want[i], "sector %llu has %llx, not %llx", i,
			  *sector_of(origin, i), w->want[i]);
}

/* The metadata has the full blocks, as they were, and no others. */
static void check_metadata(struct world *w, struct shim_disk *md, bool tracking)
{
	struct md_content c = fsck_ok(md, 0);
	u32 cb;

	CHECK_EQ(c.nr_partial, 0);
	CHECK(!((struct dmc_superblock *)md->data)->incompat_flags);
	CHECK_EQ(c.nr_cblocks, NR);
	CHECK_EQ(!!(c.flags & DMC_SB_CLEAN), tracking);
	for (cb = 0; cb < NR; cb++) {
		if (w->oblock[cb] == NO_OBLOCK || w->valid[cb][0] | w->valid[cb][1] |
		    w->valid[cb][2] | w->valid[cb][3]) {
			CHECK_MSG(!(c.maps[cb] & 1), "cache block %u is mapped", cb);
			continue;
		}
		CHECK_MSG(c.maps[cb] >> 16 == w->oblock[cb] && c.maps[cb] & 1,
			  "cache block %u has lost its mapping", cb);
		CHECK_MSG(c.dirty[cb] == w->dirty[cb], "cache block %u: dirty bit %u", cb,
			  c.dirty[cb]);
	}
	md_content_free(&c);
}

static void check_settled(struct world *w, struct shim_disk *md, struct shim_disk *origin,
			  bool tracking)
{
	check_origin(w, origin);
	check_metadata(w, md, tracking);
}

/*----- all goes well -----*/

static void settles(u32 bs, u32 tail, bool format2, bool tracking)
{
	struct offline o;
	struct world w;
	u64 writes;

	unit_note("block %u, tail %u, format %d, flag %d", bs, tail, 1 + format2, tracking);
	world_begin(&w, bs, tail, format2, tracking);
	CHECK_OK(settle(&w, w.md, w.origin, &o));
	CHECK_EQ(o.nr_partial, w.nr_partial);
	CHECK_EQ(o.nr_settled, w.nr_partial);
	CHECK_EQ(o.block_sectors, bs);
	CHECK_EQ(o.nr_copied, o.nr_sectors);
	if (tracking)
		CHECK_EQ(o.nr_dirty, w.nr_dirty);
	check_settled(&w, w.md, w.origin, tracking);

	/* Again: nothing to do, nothing is written. */
	writes = w.md->count[DISK_WRITE] + w.origin->count[DISK_WRITE];
	CHECK_OK(settle(&w, w.md, w.origin, &o));
	CHECK_EQ(o.nr_partial, 0);
	CHECK_EQ(w.md->count[DISK_WRITE] + w.origin->count[DISK_WRITE], writes);
	world_end(&w);
}

static void test_settles(void)
{
	settles(64, 0, true, true);
	settles(64, 8, false, true);
	settles(128, 127, true, false);
	settles(192, 100, false, false);
	settles(2112, 2000, true, true);	/* granules of 16 sectors */
}

/* In the origin's order, and the cache device is only read. */
static void test_order(void)
{
	struct offline o;
	struct world w;
	u64 last = 0;
	unsigned long i;

	world_begin(&w, 64, 0, true, true);
	disk_log_start(w.origin);
	w.cache->read_only = true;
	CHECK_OK(settle(&w, w.md, w.origin, &o));
	CHECK(w.origin->nr_events > w.nr_partial);
	for (i = 0; i < w.origin->nr_events; i++) {
		if (w.origin->log[i].op != DISK_WRITE)
			continue;
		CHECK(w.origin->log[i].sector >= last);
		last = w.origin->log[i].sector + w.origin->log[i].nr_sectors;
	}
	world_end(&w);
}

/*----- power cuts -----*/

/* All that was recorded can be found: in a valid granule of the cut metadata, or on the origin. */
static void check_cut(struct world *w, struct shim_disk *md, struct shim_disk *origin)
{
	const u32 granule = dmc_granule_sectors(w->bs);
	struct md_content c = fsck_ok(md, FSCK_LEAKS_OK);
	u32 cb, s, valid;
	u64 at;

	for (cb = 0; cb < NR; cb++) {
		for (s = 0; w->valid[cb][0] && s < w->bs; s++) {
			at = w->oblock[cb] * w->bs + s;
			valid = c.maps[cb] & 1 && c.valid[cb][s / granule / 64] >>
				(s / granule % 64) & 1;
			CHECK_MSG(valid || *sector_of(origin, at) == w->want[at],
				  "cache block %u: sector %u is neither here nor there", cb, s);
		}
	}
	md_content_free(&c);
}

/* One cut of both disks, with what each was not made to flush lost, kept, or in part. */
static void cut_at(struct world *w, struct disk_crash *md_cuts, struct disk_crash *origin_cuts,
		   u64 seq, u64 seed)
{
	struct shim_disk *md = disk_crash_state_at(md_cuts, seq, seed);
	struct shim_disk *origin = disk_crash_state_at(origin_cuts, seq, seed * 7 % 5);
	struct offline o;

	check_cut(w, md, origin);
	CHECK_OK(settle(w, md, origin, &o));
	CHECK(o.nr_settled == o.nr_partial);
	check_settled(w, md, origin, true);
}

static void test_cuts(void)
{
	struct disk_crash *md_cuts, *origin_cuts;
	struct offline o;
	struct world w;
	u64 seq, first, seed;
	unsigned long nr = 0;

	world_begin(&w, 64, 8, true, true);
	disk_log_start(w.md);
	disk_log_start(w.origin);
	first = disk_now();
	CHECK_OK(settle(&w, w.md, w.origin, &o));
	seq = disk_now();
	md_cuts = disk_crash_begin(w.md);
	origin_cuts = disk_crash_begin(w.origin);
	CHECK(seq - first > 100);
	for (; seq >= first; seq--) {
		for (seed = 0; seed < 5; seed++, nr++) {
			unit_note("event %llu of %llu, seed %llu", seq - first, disk_now() - first,
				  seed);
			cut_at(&w, md_cuts, origin_cuts, seq, seed);
		}
	}
	CHECK(nr > 500);
	disk_crash_end(md_cuts);
	disk_crash_end(origin_cuts);
	world_end(&w);
}

/*----- what fails -----*/

/*
 * After a run that failed: until all that names data was read, nothing of block 0 may change; from
 * then on it is one without needs_check, and in order.
 */
static void check_block_0(struct world *w, struct shim_disk *md, const struct offline *o)
{
	const struct dmc_superblock *sb = (struct dmc_superblock *)md->data;

	if (!o->nr_partial)
		CHECK_MSG(!memcmp(sb, w->md->data, sizeof(*sb)), "block 0 has changed: %s", o->why);
	else
		CHECK_MSG(!(le32_to_cpu(sb->flags) & DMC_SB_NEEDS_CHECK) &&
			  sb->csum == dmc_sb_checksum(sb), "block 0 is damaged: %s", o->why);
}

/* @op of @d fails, once or from then on, wherever in a run that is; then it is done again. */
static void fault_sweep(bool on_md, bool on_cache, enum disk_op op, bool on, bool needs_check)
{
	struct shim_disk *d, *md, *origin;
	struct offline o;
	struct world w;
	unsigned long n;
	int r;

	world_begin(&w, 64, 0, true, !needs_check);
	if (needs_check)
		set_needs_check(&w);
	for (n = 1; ; n++) {
		unit_note("%s: operation %d %lu%s%s", on_md ? "metadata" : on_cache ? "cache" :
			  "origin", op, n, on ? " and all that follow" : "",
			  needs_check ? ", needs_check" : "");
		md = disk_clone(w.md);
		origin = disk_clone(w.origin);
		d = on_md ? md : on_cache ? w.cache : origin;
		disk_fail(d, op, n, on);
		r = settle(&w, md, origin, &o);
		if (!d->failed[op])
			break;
		CHECK(r ? o.why[0] : o.nr_settled == o.nr_partial);
		disk_fail(d, op, 0, false);
		if (r && needs_check)
			check_block_0(&w, md, &o);
		check_cut(&w, md, origin);
		CHECK_OK(settle(&w, md, origin, &o));
		check_settled(&w, md, origin, !needs_check);
		disk_free(md);
		disk_free(origin);
	}
	CHECK_OK(r);
	CHECK(n > 2);
	disk_fail(d, op, 0, false);
	disk_free(md);
	disk_free(origin);
	world_end(&w);
}

static void test_faults(void)
{
	int i;

	for (i = 0; i < 4; i++) {
		fault_sweep(true, false, DISK_READ, i & 1, i & 2);
		fault_sweep(true, false, DISK_WRITE, i & 1, i & 2);
		fault_sweep(true, false, DISK_FLUSH, i & 1, i & 2);
		fault_sweep(false, true, DISK_READ, i & 1, i & 2);
		fault_sweep(false, false, DISK_WRITE, i & 1, i & 2);
		fault_sweep(false, false, DISK_FLUSH, i & 1, i & 2);
	}
}

/* What the cache device cannot read is told, and stays; the rest goes. */
static void test_unreadable(void)
{
	struct offline o;
	struct world w;

	world_begin(&w, 64, 0, true, true);
	disk_fail(w.cache, DISK_READ, 10, true);
	w.cache->fail_with = -EIO;
	CHECK_EQ(settle(&w, w.md, w.origin, &o), -EIO);
	CHECK(o.nr_settled > 0 && o.nr_settled < w.nr_partial);
	CHECK_EQ(w.nr_told, w.nr_partial - o.nr_settled);
	CHECK_MSG(strstr(w.told, "of the cache device: Input/output error; the block stays"),
		  "%s", w.told);
	CHECK(strstr(o.why, "partial blocks stay"));
	CHECK_EQ(dmc_sb_nr_partial((void *)w.md->data), w.nr_partial - o.nr_settled);
	disk_fail(w.cache, DISK_READ, 0, false);
	CHECK_OK(settle(&w, w.md, w.origin, &o));
	check_settled(&w, w.md, w.origin, true);
	world_end(&w);
}

/*----- what is refused -----*/

/* With @error, for a reason that has @why in it, and not a byte is written. */
static void refused(struct world *w, int error, const char *why)
{
	struct shim_disk *md = disk_clone(w->md), *origin = disk_clone(w->origin);
	struct offline o;
	int r;

	r = settle(w, md, origin, &o);
	CHECK_MSG(error ? r == error : r != 0, "%d: %s", r, o.why);
	CHECK_MSG(strstr(o.why, why), "%s", o.why);
	CHECK(!md->count[DISK_WRITE] && !origin->count[DISK_WRITE]);
	disk_free(md);
	disk_free(origin);
}

static struct shim_disk *shorter(struct shim_disk *d, u64 sectors)
{
	struct shim_disk *s = disk_create_from(d->data, sectors * SECTOR_SIZE, sectors);

	disk_free(d);
	return s;
}

static void test_refused(void)
{
	static const u32 bad_sizes[] = { 0, 8, 96, 1U << 22, ~0U };
	struct dmc_superblock *sb;
	struct shim_disk *good;
	struct world w;
	u32 i;

	world_begin(&w, 64, 0, true, true);
	good = disk_clone(w.md);
	sb = (struct dmc_superblock *)w.md->data;
	for (i = 0; i < ARRAY_SIZE(bad_sizes); i++) {
		sb->block_sectors = cpu_to_le32(bad_sizes[i]);
		seal(w.md);
		refused(&w, 0, "");
	}
	memset(w.md->data, 0, 4096);
	refused(&w, -ENODATA, "blank");
	memset(w.md->data, 0x5a, 4096);
	refused(&w, 0, "no dm-cache superblock");
	memcpy(w.md->data, good->data, 4096);
	sb->incompat_flags |= cpu_to_le32(1);
	seal(w.md);
	refused(&w, -EINVAL, "unknown incompatible features");
	memcpy(w.md->data, good->data, 4096);
	memset(w.md->data + le64_to_cpu(sb->partial.root) * 4096 + 100, 0xff, 8);
	refused(&w, 0, "the metadata is damaged");
	disk_free(w.md);
	w.md = good;
	w.cache = shorter(w.cache, w.cache->nr_sectors - 12 * 64);
	refused(&w, -ENOSPC, "the cache device has");
	world_end(&w);

	world_begin(&w, 64, 0, true, true);
	w.origin = shorter(w.origin, 100 * 64);
	refused(&w, -EFBIG, "beyond the end of the origin");
	world_end(&w);
}

/* needs_check: cache_check does not know such metadata, so it is judged here. */
static void test_needs_check(void)
{
	struct dmc_superblock *sb, before;
	struct shim_disk *good;
	struct offline o;
	struct world w;

	world_begin(&w, 64, 0, true, false);
	good = disk_clone(w.md);
	sb = (struct dmc_superblock *)w.md->data;
	set_needs_check(&w);
	before = *sb;
	memset(w.md->data + le64_to_cpu(sb->partial.root) * 4096 + 100, 0xff, 8);
	CHECK(settle(&w, w.md, w.origin, &o));
	CHECK_MSG(!memcmp(sb, &before, sizeof(before)), "it is cleared, though there is damage");
	CHECK(!w.origin->count[DISK_WRITE]);
	memcpy(w.md->data + 4096, good->data + 4096, (MD_BLOCKS - 1) * 4096);
	CHECK_OK(settle(&w, w.md, w.origin, &o));
	CHECK(!(le32_to_cpu(sb->flags) & DMC_SB_NEEDS_CHECK));
	check_settled(&w, w.md, w.origin, false);

	/* Without partial blocks, that is for cache_check. */
	set_needs_check(&w);
	refused(&w, -EPERM, "needs_check");
	disk_free(good);
	world_end(&w);
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "the origin has what partial blocks held, and these are gone", test_settles },
		{ "in the origin's order, and the cache is only read", test_order },
		{ "after a power cut it can be done again, and nothing is lost", test_cuts },
		{ "after any failure it can be done again, and nothing is lost", test_faults },
		{ "what the cache cannot read is told, and stays", test_unreadable },
		{ "needs_check goes if all of the metadata makes sense", test_needs_check },
		{ "what cannot be settled is refused, and nothing is written", test_refused },
		{ }
	};

	return unit_main(argc, argv, tests);
}
