// SPDX-License-Identifier: GPL-2.0-only
/*
 * flush.c - FLUSH, and which device one has to reach.
 *
 * On the bio's path: device-mapper turns a FLUSH into two empty bios, number 0 for the cache
 * device and 1 for the origin.  Each is sent on only if a write completed on that device since the
 * start of its last successful flush; otherwise it is done at once.  So an fsync of cached data
 * does not wait for the slow origin.  commit.c asks the same question before it commits.  What one
 * of its flushes loses, the next FLUSH tells the user.
 *
 * How that is known without a lock: flush.h.  Any context but flush_device(), which sleeps.
 *
 * A FLUSH waits until what was posted before it is written (posted.c), and for no other migration.
 * For a metadata commit it waits only if something was written to partial blocks (partial.c): any
 * other mapping that a completed write depends on was committed before the write was acknowledged
 * (rule R1).
 */
#include "dm-cache.h"
#include "partial.h"

/* What happened to the device before is not known: assume writes. */
void flush_init(struct flush_state *f, struct block_device *bdev)
{
	f->bdev = bdev;
	atomic_set(&f->word, FLUSH_WRITTEN | FLUSH_OF_USER);
	atomic_set(&f->lost, 0);
	atomic_set(&f->untold, 0);
}

int flush_map(struct cache *c, struct bio *bio)
{
	bool origin = dm_bio_get_target_bio_nr(bio) != 0;
	struct flush_state *f = origin ? &c->origin_flush : &c->cache_flush;

	if (!origin && !bio_ctx(bio)->none_posted) {
		bio_ctx(bio)->none_posted = true;
		if (posted_wait(c, bio))
			return DM_MAPIO_SUBMITTED;
	}
	if (!origin && posted_lost(c))
		return bio_refuse(bio, BLK_STS_IOERR);
	if (!origin && !bio_ctx(bio)->waited) {
		/* Once it waits it may be over at any time. */
		bio_ctx(bio)->waited = true;
		if (partial_wait(c, bio))
			return DM_MAPIO_SUBMITTED;
	}
	/* In passthrough mode nothing is written to the cache device, which may be gone. */
	if ((!origin && c->io_mode == IO_PASSTHROUGH) || !flush_begin(f))
		return bio_refuse(bio, BLK_STS_OK);
	bio_ctx(bio)->held = origin ? HELD_FLUSH_ORIGIN : HELD_FLUSH_CACHE;
	bio_set_dev(bio, f->bdev);
	return DM_MAPIO_REMAPPED;
}

/*
 * Makes everything that was written to the device durable, if anything was.  If it cannot, and the
 * user has written any of that, the next FLUSH fails.  Sleeps.
 */
int flush_device(struct flush_state *f)
{
	const int begun = flush_begin(f);
	int r;

	if (!begun)
		return 0;
	r = blkdev_issue_flush(f->bdev);
	if (unlikely(r))
		flush_own_failed(f, begun);
	flush_ended(f, !r);
	return r;
}
