// SPDX-License-Identifier: GPL-2.0-only
/*
 * remap.c - point a bio at the origin, the cache, or (writethrough) both.
 *
 * On the bio's path: the last step of map.c.  Any context that may submit a bio; nothing is
 * allocated and nothing sleeps, since the second bio of a writethrough pair lives in the per-bio
 * data.
 *
 * Each function returns a DM_MAPIO_* code: REMAPPED, the caller (or device-mapper) submits @bio.
 */
#include "dm-cache.h"

int remap_to_origin(struct cache *c, struct bio *bio)
{
	bio_set_dev(bio, c->origin_dev->bdev);
	bio->bi_iter.bi_sector = dm_target_offset(c->ti, bio->bi_iter.bi_sector);
	return DM_MAPIO_REMAPPED;
}

static sector_t offset_in_block(struct cache *c, sector_t sector)
{
	if (likely(c->block_shift >= 0))
		return sector & (c->block_sectors - 1);
	return sector_div(sector, c->block_sectors);
}

int remap_to_cache(struct cache *c, struct bio *bio, cblock_t cb)
{
	sector_t sector = dm_target_offset(c->ti, bio->bi_iter.bi_sector);

	bio_set_dev(bio, c->cache_dev->bdev);
	bio->bi_iter.bi_sector = cblock_to_sector(c, cb) + offset_in_block(c, sector);
	return DM_MAPIO_REMAPPED;
}

/*
 * One of the two writes failed: both sides may differ now, so the caller gets the error and
 * map_end_io() has the block dropped.
 */
static void pair_end_io(struct bio *clone)
{
	struct bio_ctx *x = container_of(clone, struct bio_ctx, clone);
	struct bio *bio = bio_of_ctx(x);

	if (clone->bi_status && !bio->bi_status)
		bio->bi_status = clone->bi_status;
	bio_uninit(clone);
	bio_endio(bio);		/* the second of two calls ends it; see bio_inc_remaining() */
}

/*
 * The clone goes to the origin at once; @bio itself, to the cache, is for the caller to submit.
 * SUBMITTED: @bio has ended with an error, the usual way, so what it holds is given back.
 */
int remap_to_both(struct cache *c, struct bio *bio, cblock_t cb)
{
	struct bio_ctx *x = bio_ctx(bio);
	struct bio *clone = &x->clone;

	if (bio_init_clone(c->origin_dev->bdev, clone, bio, GFP_NOIO)) {
		bio->bi_status = BLK_STS_RESOURCE;
		bio_endio(bio);
		return DM_MAPIO_SUBMITTED;
	}
	clone->bi_end_io = pair_end_io;
	clone->bi_iter.bi_sector = dm_target_offset(c->ti, bio->bi_iter.bi_sector);
	x->paired = true;

	remap_to_cache(c, bio, cb);
	bio_inc_remaining(bio);
	submit_bio_noacct(clone);
	return DM_MAPIO_REMAPPED;
}
