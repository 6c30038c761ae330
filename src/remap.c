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
#include "remap.h"

int remap_to_origin(struct cache *c, struct bio *bio)
{
	if (op_is_write(bio_op(bio)))
		flush_note_sent(&c->origin_flush);
	bio_set_dev(bio, c->origin_dev->bdev);
	compat_bio_set_sector(bio, dm_target_offset(c->ti, compat_bio_sector(bio)));
	return DM_MAPIO_REMAPPED;
}

static sector_t offset_in_block(struct cache *c, sector_t sector)
{
	if (likely(c->geo.block_shift >= 0))
		return sector & (c->geo.block_sectors - 1);
	return sector_div(sector, c->geo.block_sectors);
}

int remap_to_cache(struct cache *c, struct bio *bio, cblock_t cb)
{
	sector_t sector = dm_target_offset(c->ti, compat_bio_sector(bio));

	if (op_is_write(bio_op(bio)))
		flush_note_sent(&c->cache_flush);
	bio_set_dev(bio, c->cache_dev->bdev);
	compat_bio_set_sector(bio, cblock_to_sector(c, cb) + offset_in_block(c, sector));
	return DM_MAPIO_REMAPPED;
}

/*
 * A half has ended; the last one ends @bio.  If one failed, the two sides may differ now.  Then the
 * block is dropped, and @bio waits for that or ends with an error: invalidate.c.
 */
static void half_ended(struct bio *bio, blk_status_t status, bool *failed)
{
	struct bio_ctx *x = bio_ctx(bio);

	if (unlikely(status != BLK_STS_OK)) {
		WRITE_ONCE(x->pair_status, status);
		*failed = true;
	}
	if (!atomic_dec_and_test(&x->halves))
		return;
	bio->bi_end_io = x->end_io;
	compat_bio_end_again(bio, x->pair_status);
}

COMPAT_BIO_END_IO(cache_half_end_io, bio, status)
{
	half_ended(bio, status, &bio_ctx(bio)->cache_failed);
}

COMPAT_BIO_END_IO(origin_half_end_io, clone, status)
{
	struct bio_ctx *x = container_of(clone, struct bio_ctx, clone.bio);

	bio_uninit(clone);
	half_ended(bio_of_ctx(x), status, &x->origin_failed);
}

/*
 * The clone goes to the origin at once; @bio itself, to the cache, is for the caller to submit.
 * SUBMITTED: the engine comes here again for @bio, which holds what it did; or it has ended with an
 * error, the usual way, so that is given back.
 *
 * If @bio must not wait, the engine sends it: either device may have no place, and if only one had,
 * the two would differ.
 */
int remap_to_both(struct cache *c, struct bio *bio, cblock_t cb)
{
	struct bio_ctx *x = bio_ctx(bio);
	struct bio *clone = &x->clone.bio;

	if (unlikely(bio->bi_opf & REQ_NOWAIT)) {
		engine_defer(c, bio, false);
		return DM_MAPIO_SUBMITTED;
	}
	compat_bio_own(bio);
	if (compat_init_clone(c->origin_dev->bdev, &x->clone, bio)) {
		compat_bio_end(bio, BLK_STS_RESOURCE);
		return DM_MAPIO_SUBMITTED;
	}
	clone->bi_end_io = origin_half_end_io;
	compat_bio_set_sector(clone, dm_target_offset(c->ti, compat_bio_sector(bio)));

	x->paired = true;
	x->pair_status = BLK_STS_OK;
	x->cache_failed = false;
	x->origin_failed = false;
	x->end_io = bio->bi_end_io;
	atomic_set(&x->halves, 2);
	flush_note_sent(&c->origin_flush);
	bio->bi_end_io = cache_half_end_io;
	remap_to_cache(c, bio, cb);
	submit_bio_noacct(clone);
	return DM_MAPIO_REMAPPED;
}
