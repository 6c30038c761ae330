// SPDX-License-Identifier: GPL-2.0-only
/*
 * copy.c - move the data of one block.
 *
 * Step 3 of a migration (migrate.h): copy_start() is called by the engine, with the bios that would
 * disturb the copy kept out.  The copy is done by dm-kcopyd, whose callback runs in its own
 * thread, or by a bio that overwrites the whole block.  mg_copied() hands the migration back.
 *
 * All blocks are whole: the origin's last one, if it ends within, is never cached (rule R11).  Of a
 * partial block (partial.c) only runs of granules are copied.
 *
 * Locks: none held.
 */
#include "block-lock.h"
#include "copy.h"
#include "migrate.h"
#include "partial.h"
#include "remap.h"

/* The copy has ended; @error negative or 0.  Any context. */
void mg_copied(struct migration *mg, int error)
{
	mg->error = error;
	mg_make_ready(mg, MG_COPIED);
}

static bool copy_next_run(struct migration *mg);

/* If the cache device failed, at the read or at the write, its cblock is retired. */
static void copy_ended(int read_err, unsigned long write_err, void *context)
{
	struct migration *mg = context;
	struct cache *c = mg->c;
	bool to_cache = mg_fills(mg);

	flush_note_copy(to_cache ? &c->cache_flush : &c->origin_flush);
	if (!read_err && !write_err) {
		if (!copy_next_run(mg))
			mg_copied(mg, 0);
		return;
	}
	DMERR_LIMIT("%s: %s error on the %s device, block %llu: %s", cache_name(c),
		    read_err ? "read" : "write",
		    to_cache == !!read_err ? "origin" : "cache",
		    (unsigned long long)(to_cache == !!read_err ? from_oblock(mg->oblock) :
								  from_cblock(mg->cblock)),
		    mg->kind == MG_FILL ? "not filled" :
		    to_cache ? "not promoted" : "stays dirty in the cache");
	errors_note(c, to_cache == !!read_err ? ERR_ORIGIN : ERR_CACHE);
	if (!to_cache && !read_err)
		errors_origin_unwritten(c);
	if (to_cache && !read_err) {
		mg->retire_cblock = errors_retire(c);
		errors_promoted(c, true);
	}
	mg_copied(mg, -EIO);
}

static void make_regions(struct migration *mg, struct dm_io_region *origin,
			 struct dm_io_region *cache)
{
	struct cache *c = mg->c;

	origin->bdev = c->origin_dev->bdev;
	origin->sector = oblock_to_sector(c, mg->oblock);
	origin->count = c->geo.block_sectors;
	cache->bdev = c->cache_dev->bdev;
	cache->sector = cblock_to_sector(c, mg->cblock);
	cache->count = origin->count;
}

/*
 * Of a partial block, what is valid is copied to the origin, or what is not from it: one run of
 * granules after the other.  False: there is none left, or the block is not partial.  Bios that
 * would change what is valid are kept out.
 */
static bool copy_next_run(struct migration *mg)
{
	struct cache *c = mg->c;
	struct dm_io_region origin, cache;
	u32 sectors;

	if (!mg->by_runs ||
	    !partial_next_run(c, mg->cblock, mg->kind != MG_FILL, &mg->offset, &sectors))
		return false;
	make_regions(mg, &origin, &cache);
	origin.sector += mg->offset;
	cache.sector += mg->offset;
	origin.count = cache.count = sectors;
	mg->offset += sectors;
	if (mg->kind == MG_FILL)
		dm_kcopyd_copy(c->mg.copier, &origin, 1, &cache, 0, copy_ended, mg);
	else
		dm_kcopyd_copy(c->mg.copier, &cache, 1, &origin, 0, copy_ended, mg);
	return true;
}

/* The bio writes to the cache and, in writethrough mode, to the origin. */
static void copy_by_overwriting(struct migration *mg)
{
	struct cache *c = mg->c;
	struct bio *bio = mg->overwriter;
	struct bio_ctx *x = bio_ctx(bio);
	int r;

	compat_bio_own(bio);
	x->held = HELD_OVERWRITE;
	if (c->io_mode == IO_WRITEBACK)
		r = remap_to_cache(c, bio, mg->cblock);
	else
		r = remap_to_both(c, bio, mg->cblock);
	if (r == DM_MAPIO_REMAPPED)
		submit_bio_noacct(bio);
}

void copy_start(struct migration *mg)
{
	struct cache *c = mg->c;
	struct dm_io_region origin, cache;
	bool dirty = atomic_read(&entry_of(c, mg->cblock)->state) & BL_DIRTY;

	if (mg->overwriter) {
		copy_by_overwriting(mg);
		return;
	}
	if (mg->kind == MG_INVALIDATE || mg_makes_room(mg)) {
		/* A write may have come before the lock: then this is the only copy. */
		mg_copied(mg, dirty ? -EBUSY : 0);
		return;
	}
	if (mg->kind == MG_DEMOTE && !dirty) {
		mg_copied(mg, 0);
		return;
	}
	/* From here on there is no more to do for the origin than a flush: settle.c. */
	mg->copied = !mg_fills(mg);
	/*
	 * What was written before a discard is of no value any more: an origin that has given up
	 * the space is not to be filled again.  A write after it has taken the mark away when it
	 * was counted, and writers are kept out now.
	 */
	if (!mg_fills(mg) && discarded(&c->discards, mg->oblock)) {
		mg_copied(mg, 0);
		return;
	}
	if (mg->kind == MG_FILL ||
	    (mg->copied && atomic_read(&entry_of(c, mg->cblock)->state) & BL_PARTIAL)) {
		mg->by_runs = true;
		if (!copy_next_run(mg))
			mg_copied(mg, 0);
		return;
	}

	make_regions(mg, &origin, &cache);
	if (mg->copied)
		dm_kcopyd_copy(c->mg.copier, &cache, 1, &origin, 0, copy_ended, mg);
	else if (discarded(&c->discards, mg->oblock))
		/* Nothing to preserve; but a read must not return what lay on the cache before. */
		dm_kcopyd_zero(c->mg.copier, 1, &cache, 0, copy_ended, mg);
	else if (mg->copyless)
		/* Not discarded any more: the bios that wait for it go to the origin instead. */
		mg_copied(mg, -ECANCELED);
	else
		dm_kcopyd_copy(c->mg.copier, &origin, 1, &cache, 0, copy_ended, mg);
}
