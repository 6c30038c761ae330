// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz-metadata.c - a damaged metadata image is probed, opened, loaded, worked on and shut down: it
 * is refused with a reason, or fails cleanly, or works (rules R7, R8).
 *
 * Input: which image (1 byte), what the table says (1 byte), edits.
 */
#include "fuzz.h"
#include "md-test.h"

#define SKIP 2

static struct image images[6];

static struct shim_disk *disk_with(u32 nr, bool format2, unsigned int percent)
{
	struct model *m = model_create(nr);
	struct shim_disk *d;

	model_set_dblocks(m, 1000, 64);
	model_fill(m, ORIGIN_BLOCKS, percent);
	d = disk_of(m, format2, 160);
	model_free(m);
	return d;
}

/* With partial blocks: if @percent is 90, so many that their tree has two levels. */
static struct shim_disk *partial_disk(bool format2, unsigned int percent)
{
	struct model *m = model_create(600);
	struct dmc_md_params p;
	struct shim_disk *d;
	struct dmc_md *md;
	u32 i;

	model_set_dblocks(m, 1000, 64);
	model_fill(m, ORIGIN_BLOCKS, percent);
	d = disk_of(m, format2, 160);
	p = params(d, format2);
	md = md_open_ok(&p);
	CHECK_OK(dmc_md_begin_changes(md));
	for (i = 0; i < m->nr; i++) {
		if (m->oblock[i] == NO_OBLOCK || unit_below(100) >= percent)
			continue;
		model_make_partial(m, i);
		CHECK_OK(dmc_md_set_valid(md, to_cblock(i), m->valid[i].words));
	}
	shutdown_ok(md, m);
	dmc_md_close(md);
	model_free(m);
	return d;
}

/* In use when the power went: nothing but the mappings is to be believed. */
static struct shim_disk *unclean_disk(void)
{
	struct shim_disk *d = disk_with(1100, true, 60);
	struct dmc_md_params p = params(d, true);
	struct dmc_md *md = md_open_ok(&p);

	CHECK_OK(dmc_md_begin_changes(md));
	CHECK_OK(dmc_md_remove(md, to_cblock(5)));
	CHECK_OK(dmc_md_commit(md, NULL));
	dmc_md_close(md);
	return d;
}

static void make_images(void)
{
	if (images[0].disk)
		return;
	unit_srand(7);
	image_init(&images[0], disk_with(600, false, 50));
	image_init(&images[1], disk_with(600, true, 50));
	image_init(&images[2], disk_with(3000, true, 90));
	image_init(&images[3], unclean_disk());
	image_init(&images[4], partial_disk(false, 20));
	image_init(&images[5], partial_disk(true, 90));
}

/* What the table line may say beside what the image was made with. */
static struct dmc_md_params table_params(struct shim_disk *d, unsigned int how)
{
	struct dmc_md_params p = params(d, how & 1);

	p.block_sectors = how & 2 ? 128 : 64;
	p.origin_blocks = how & 4 ? 700 : ORIGIN_BLOCKS;
	p.nr_cblocks = how & 8 ? 5000 : 0;
	return p;
}

static int load_mapping(void *ctx, cblock_t cblock, oblock_t oblock, bool dirty, u32 hint,
			bool valid)
{
	struct model *m = ctx;

	CHECK(from_cblock(cblock) < m->nr && (s64)from_cblock(cblock) > m->last);
	m->last = from_cblock(cblock);
	model_map(m, m->last, from_oblock(oblock), dirty);
	return 0;
}

/* Ascending; refuses what the core refuses. */
static int load_valid(void *ctx, cblock_t cblock, const u64 *valid)
{
	struct model *m = ctx;
	u32 cb = from_cblock(cblock), granules = dmc_nr_granules(m->block_sectors), i, set = 0;

	CHECK(cb < m->nr && (s64)cb > m->last);
	m->last = cb;
	for (i = 0; i < DMC_MAX_GRANULES; i++) {
		if (!(valid[i / 64] >> (i % 64) & 1))
			continue;
		CHECK(i < granules);
		set++;
	}
	CHECK(set && set < granules);
	if (m->oblock[cb] == NO_OBLOCK || !m->dirty[cb])
		return -EINVAL;
	memcpy(&m->valid[cb], valid, sizeof(m->valid[cb]));
	return 0;
}

/* Runs ascend, with a gap between them. */
static int load_discard(void *ctx, u64 begin, u64 end)
{
	u64 *last = ctx;

	CHECK(begin < end && (!*last || begin > *last));
	*last = end;
	return 0;
}

static struct model *load(struct dmc_md *md, const struct dmc_md_policy *policy, u32 block_sectors)
{
	struct model *m = model_create(dmc_md_nr_cblocks(md));
	u64 last = 0;

	m->policy = *policy;
	m->last = -1;
	model_set_dblocks(m, 1000, 64);
	m->block_sectors = block_sectors;
	if (!md_load_each(md, policy, load_mapping, m)) {
		m->last = -1;
		if (!dmc_md_load_valid(md, U32_MAX, load_valid, m) &&
		    !dmc_md_load_discards(md, load_discard, &last))
			return m;
	}
	model_free(m);
	return NULL;
}

/* Every second partial block goes, or gets full; some blocks get partial. */
static int change_partial(struct dmc_md *md, struct model *m)
{
	u32 i;
	int r = 0;

	for (i = 0; i < m->nr && !r; i += 3) {
		if (m->oblock[i] == NO_OBLOCK)
			continue;
		if (!model_is_partial(m, i)) {
			model_make_partial(m, i);
			r = dmc_md_set_valid(md, to_cblock(i), m->valid[i].words);
		} else if (i % 2) {
			r = dmc_md_set_valid(md, to_cblock(i), NULL);
			model_make_full(m, i);
		} else {
			r = dmc_md_remove(md, to_cblock(i));
			model_unmap(m, i);
		}
	}
	return r;
}

static void use(struct dmc_md *md, const struct dmc_md_params *p, unsigned int how)
{
	struct dmc_md_policy policy = { .name = "smq", .version = { 2 }, .hint_size = how & 16 ? 0 : 4 };
	u32 nr = dmc_md_nr_cblocks(md);
	struct model *m;
	cblock_t busy;
	int r;

	/* The core refuses so many as well, before it has a table for them. */
	m = nr < 1 << 20 ? load(md, &policy, p->block_sectors) : NULL;
	if (!m) {
		dmc_md_close(md);
		return;
	}
	r = 0;
	if (how & 32) {
		u32 to = how & 64 ? nr / 2 : nr + 300;

		r = dmc_md_resize(md, to, &busy);
		if (!r)
			model_resize(m, to);
		else if (r == -EBUSY || r == -ENOSPC)
			CHECK(!dmc_md_changed(md));
		if (r == -EBUSY || r == -ENOSPC)
			r = 0;
	}
	if (!r && how & 128)
		r = change_partial(md, m);
	if (!r)
		r = md_cycle(md, m);
	if (r)
		md_give_up(md, p);
	else
		dmc_md_close(md);
	model_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = { data, size };
	dmc_md_reason_t why = NULL;
	struct dmc_md_summary s;
	struct dmc_md_params p;
	struct shim_disk *d, *before;
	struct dmc_md *md;
	unsigned int how;
	struct image *im;

	make_images();
	fuzz_begin();
	im = &images[take(&b, 1) % ARRAY_SIZE(images)];
	how = take(&b, 1);
	d = image_damaged(im, &b);
	before = disk_clone(d);

	p = table_params(d, how);
	dmc_md_probe(&p, &s, &why);
	md = dmc_md_open(&p, &why);
	/* Whatever was found, looking has written nothing. */
	CHECK(!memcmp(before->data, d->data, d->nr_sectors * SECTOR_SIZE));
	disk_free(before);
	if (IS_ERR(md))
		CHECK(why && why[0]);
	else
		use(md, &p, how);
	disk_free(d);
	fuzz_end();
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	make_images();
	return mutate_edits(&images[(size ? data[0] : 0) % ARRAY_SIZE(images)], data, size, max,
			    SKIP, seed);
}
