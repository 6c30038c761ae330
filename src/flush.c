// SPDX-License-Identifier: GPL-2.0-only
/*
 * flush.c - FLUSH, and which device one has to reach.
 *
 * On the bio's path: device-mapper turns a FLUSH into two empty bios, number 0 for the cache
 * device and 1 for the origin.  Each is sent on only if a write completed on that device since the
 * start of its last successful flush; otherwise it is done at once.  So an fsync of cached data
 * does not wait for the slow origin.  commit.c asks the same question before it commits.
 *
 * The answer is one word a device: bit 0 "written since", the rest counts flushes in flight.
 *
 *   write completed    sets bit 0, if clear, before anyone learns of the completion
 *   flush starts       in one step: clears bit 0, counts itself
 *   flush succeeded    uncounts itself
 *   flush failed       in one step: sets bit 0, uncounts itself
 *   needless?          the word is 0
 *
 * A write that finds bit 0 set and leaves it alone completed before a later flush clears it, so
 * that flush covers it.  While a flush is in flight the word is not 0, so a second one does not
 * overtake the first and report success for it.  No lock; any context but flush_device(), which sleeps.
 *
 * A FLUSH never waits for a migration or a metadata commit: a mapping that a completed write
 * depends on was committed before the write was acknowledged (rule R1).
 */
#include "dm-cache.h"

#define FLUSH_WRITTEN	1
#define FLUSH_ONE	2

/* What happened to the device before is not known: assume writes. */
void flush_init(struct flush_state *f, struct block_device *bdev)
{
	f->bdev = bdev;
	atomic_set(&f->word, FLUSH_WRITTEN);
}

/* False: nothing to flush.  True: started; flush_ended() must follow. */
static bool flush_begin(struct flush_state *f)
{
	int old = atomic_read(&f->word);

	do {
		if (!old)
			return false;
	} while (!atomic_try_cmpxchg(&f->word, &old, (old & ~FLUSH_WRITTEN) + FLUSH_ONE));
	return true;
}

void flush_ended(struct flush_state *f, bool ok)
{
	int old = atomic_read(&f->word);

	while (!atomic_try_cmpxchg(&f->word, &old, (old - FLUSH_ONE) | (ok ? 0 : FLUSH_WRITTEN)))
		;
}

int flush_map(struct cache *c, struct bio *bio)
{
	bool origin = dm_bio_get_target_bio_nr(bio) != 0;
	struct flush_state *f = origin ? &c->origin_flush : &c->cache_flush;

	if (!flush_begin(f)) {
		bio_endio(bio);
		return DM_MAPIO_SUBMITTED;
	}
	bio_ctx(bio)->held = origin ? HELD_FLUSH_ORIGIN : HELD_FLUSH_CACHE;
	bio_set_dev(bio, f->bdev);
	return DM_MAPIO_REMAPPED;
}

/* Makes everything that was written to the device durable, if anything was.  Sleeps. */
int flush_device(struct flush_state *f)
{
	int r;

	if (!flush_begin(f))
		return 0;
	r = blkdev_issue_flush(f->bdev);
	flush_ended(f, !r);
	return r;
}
