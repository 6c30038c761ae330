// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz-offline.c - `dmcache settle` on a damaged metadata image (rules R7, R8): it is refused with
 * a reason and not a byte is written; or all that is partial goes to the origin; or a part of it
 * stays.
 *
 * Input: which image (1 byte), how long the devices are (1 byte), edits.
 */
#include "fuzz.h"
#include "md-test.h"
#include "metadata/superblock.h"
#include "../../tools/settle/offline.h"

#define SKIP 2
#define NR 96			/* cache blocks */
#define WHOLE 200		/* of the origin */
#define BLOCK 64

static struct image images[3];

/* How the cache stopped: by a crash, by a crash without the flag, or with needs_check. */
static struct shim_disk *disk_with(unsigned int how)
{
	struct dmc_md_tracking t = { NR, 50, 4 * BLOCK };
	struct shim_disk *d = disk_create(96 * 8);
	struct model *m = model_create(NR);
	struct dmc_md_params p = params(d, how != 1);
	struct dmc_md *md;
	cblock_t busy;
	u32 i;

	p.origin_blocks = WHOLE;
	md = md_open_ok(&p);
	CHECK_OK(how ? dmc_md_resize(md, NR, &busy) : dmc_md_start_tracking(md, &t, &busy));
	for (i = 0; i < NR; i += 1 + i % 3) {
		model_map(m, i, (i * 37 + 11) % WHOLE, i % 2);
		CHECK_OK(dmc_md_insert(md, to_cblock(i), to_oblock(m->oblock[i])));
		if (i % 4 == 1)
			model_make_partial(m, i);
		if (m->dirty[i])
			CHECK_OK(dmc_md_set_dirty(md, to_cblock(i), true));
		if (model_is_partial(m, i))
			CHECK_OK(dmc_md_set_valid(md, to_cblock(i), m->valid[i].words));
	}
	CHECK(dmc_md_nr_partial(md));
	CHECK_OK(dmc_md_commit(md, NULL));
	if (how == 2)
		CHECK_OK(dmc_md_set_needs_check(md));
	dmc_md_close(md);
	model_free(m);
	return d;
}

static void make_images(void)
{
	unsigned int i;

	if (images[0].disk)
		return;
	unit_srand(7);
	for (i = 0; i < ARRAY_SIZE(images); i++)
		image_init(&images[i], disk_with(i));
}

static void tell(void *ctx, const char *line)
{
	CHECK(line[0]);
}

static void check_done(struct offline *o, struct shim_disk *md)
{
	CHECK_EQ(o->nr_settled, o->nr_partial);
	CHECK(!dmc_sb_nr_partial((struct dmc_superblock *)md->data));
	CHECK_OK(offline_settle(o));
	CHECK_EQ(o->nr_partial, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct shim_disk *md, *before, *cache, *origin;
	struct bytes b = { data, size };
	struct offline o = { .tell = tell };
	unsigned int lengths;
	struct image *im;
	int r;

	make_images();
	fuzz_begin();
	im = &images[take(&b, 1) % ARRAY_SIZE(images)];
	lengths = take(&b, 1);
	md = image_damaged(im, &b);
	before = disk_clone(md);
	cache = disk_create(lengths & 1 ? 50 * BLOCK : NR * BLOCK);
	origin = disk_create(lengths & 2 ? 100 * BLOCK + 8 : WHOLE * BLOCK + lengths % 64);
	cache->read_only = true;
	o.metadata = disk_bdev(md);
	o.cache = disk_bdev(cache);
	o.origin = disk_bdev(origin);

	r = offline_settle(&o);
	CHECK(!r || o.why[0]);
	CHECK(o.nr_settled <= o.nr_partial);
	if (!r)
		check_done(&o, md);
	/* What could not be loaded is as it was. */
	if (!o.nr_partial && r) {
		CHECK(!memcmp(before->data, md->data, md->nr_sectors * SECTOR_SIZE));
		CHECK(!origin->count[DISK_WRITE]);
	}
	disk_free(origin);
	disk_free(cache);
	disk_free(before);
	disk_free(md);
	fuzz_end();
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	make_images();
	return mutate_edits(&images[(size ? data[0] : 0) % ARRAY_SIZE(images)], data, size, max,
			    SKIP, seed);
}
