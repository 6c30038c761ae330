// SPDX-License-Identifier: GPL-2.0-only
/*
 * map-partial.c - a bio meets a block of which only some granules are in the cache.
 *
 * On the bio's path: map.c comes here when the count of a hit tells that its block is partial, and
 * when such a write ends.  Which granules are valid is known to partial.c.
 *
 *	read, valid granules         the cache
 *	read, none of them valid     the origin; when that happens again the block is filled
 *	read, some valid             cut where they end; device-mapper brings the rest as a new bio
 *	write of whole granules      the cache; they are valid when it has ended
 *	write of a part of one       if that is valid: the cache.  Else after a fill
 *	write the cache refuses      the origin, if none of its granules is valid yet (rule R18)
 *	write that misses            a new block, at once; then as a write of whole granules
 *
 * A bio that cannot go on as things are waits for a fill.  If that fails, it waits until the block
 * is dropped, and then is a miss.  If that fails too, so does the bio.
 *
 * A read that goes to the origin counts nothing, as a read miss does: what a write puts into the
 * cache meanwhile was not acknowledged when the read began.  A write that goes there stays counted
 * in the block.  So no fill reads the old data, and a drop copies none of these granules.
 *
 * Contexts and locks: as map.c.  Nothing here sleeps.
 */
#include "block-lock.h"
#include "map.h"
#include "partial.h"
#include "remap.h"

/*----- a new block -----*/

/* The policy wants the block.  The engine makes it: something is in the way, or memory is short. */
static bool allocate_later(struct cache *c, struct bio *bio, oblock_t ob, cblock_t cb, int *r)
{
	struct migration *mg = mg_alloc(c, MG_PROMOTE, ob, cb);

	if (!mg) {
		c->policy->type->allocated(c->policy, cb, ob, false);
		free_block_return(c, cb);
		partial_refused(c, PARTIAL_NO_FREE);
		return false;
	}
	mg->owns_cblock = true;
	mg->partial = true;
	mg->asked_by_policy = true;
	bio_list_add(&mg->parked, bio);
	*r = mg_start(mg) ? map_came_late(c, bio, mg) : DM_MAPIO_SUBMITTED;
	return true;
}

/*
 * The write @bio, which missed, gets a partial block, if the policy wants it in.  True: it is
 * taken, with *@r, which may be MAP_LOOK_AGAIN: it is a hit now.  False: to the origin.
 */
bool partial_allocate_now(struct cache *c, struct bio *bio, oblock_t ob, int *r)
{
	const sector_t sector = dm_target_offset(c->ti, compat_bio_sector(bio));
	enum dmc_advice advice;
	cblock_t cb;
	bool got;

	*r = DM_MAPIO_SUBMITTED;
	got = reserve_has_block(c) && mg_may_promote(c) && free_block_take(c, &cb);
	if (!got && !reserve_has_block(c) && reserve_wait(c, bio))
		return true;
	advice = c->policy->type->miss(c->policy, ob, DMC_WRITE, sector, bio_sectors(bio), got,
				       got ? READ_ONCE(c->free.nr) : reserve_spared(c));
	if (advice == DMC_WORK)
		engine_kick(c);
	if (!got || advice != DMC_PROMOTE) {
		partial_refused(c, got ? PARTIAL_NOT_WANTED : PARTIAL_NO_FREE);
		if (got)
			free_block_return(c, cb);
		return false;
	}

	this_cpu_inc(c->stats->write_misses);
	bio_ctx(bio)->waited = true;
	if (!mg_map_partial(c, ob, cb))
		return allocate_later(c, bio, ob, cb, r);
	if (reserve_is_low(c) || partial_is_short(c))
		engine_kick(c);
	*r = MAP_LOOK_AGAIN;
	return true;
}

/*----- a block that is there -----*/

enum tries {
	TRY_FILL,
	TRY_DROP,
	TRY_NO_MORE,
};

/* Gives back the count of @unit, and waits until the block is another. */
static int wait_for(struct cache *c, struct bio *bio, oblock_t ob, cblock_t cb, u32 unit,
		    enum tries first)
{
	struct bio_ctx *x = bio_ctx(bio);
	const enum tries try = max_t(u8, x->tries, first);

	x->held = HELD_NOTHING;
	block_put(c, entry_of(c, cb), unit);
	if (try >= TRY_NO_MORE)
		return bio_refuse(bio, BLK_STS_IOERR);
	x->tries = try + 1;
	return map_park_on_new(c, bio, try == TRY_FILL ? MG_FILL : MG_DEMOTE, ob, cb);
}

/* In the background, if there is time for a copy. */
static void start_fill(struct cache *c, oblock_t ob, cblock_t cb)
{
	struct migration *mg;

	if (!mg_within_threshold(c, (u64)mg_nr_others(c) * c->geo.block_sectors) ||
	    READ_ONCE(c->quiescing) || cache_md_mode(c) != MD_WRITE || !errors_may_promote(c))
		return;
	mg = mg_alloc(c, MG_FILL, ob, cb);
	if (mg && mg_start(mg))
		mg_free(mg);
}

static int read_from_origin(struct cache *c, struct bio *bio, oblock_t ob, cblock_t cb)
{
	bio_ctx(bio)->held = HELD_NOTHING;
	c->policy->type->hit(c->policy, cb, ob, DMC_READ, bio_sectors(bio));
	this_cpu_inc(c->stats->read_misses);
	if (partial_missed(c, cb))
		start_fill(c, ob, cb);
	block_put(c, entry_of(c, cb), BL_READER);
	return remap_to_origin(c, bio);
}

/* The read @bio is counted in the block, and begins @offset sectors into it. */
int partial_read(struct cache *c, struct bio *bio, oblock_t ob, cblock_t cb, u32 offset)
{
	struct bio_ctx *x = bio_ctx(bio);
	bool valid;
	u32 same;

	valid = partial_look(c, cb, offset, bio_sectors(bio), &same);
	if (same < bio_sectors(bio)) {
		if (x->deferred || !compat_can_cut())
			return wait_for(c, bio, ob, cb, BL_READER, TRY_FILL);
		dm_accept_partial_bio(bio, same);
	}
	if (!valid)
		return read_from_origin(c, bio, ob, cb);
	compat_bio_save(bio, &x->saved);
	map_tell_hit(c, bio, ob, cb, DMC_READ);
	return remap_to_cache(c, bio, cb);
}

/* Is none of the granules valid? */
static bool all_missing(struct cache *c, cblock_t cb, u32 offset, u32 sectors)
{
	u32 same;

	return !partial_look(c, cb, offset, sectors, &same) && same == sectors;
}

/* Failed on the cache once. */
static int write_to_origin(struct cache *c, struct bio *bio, oblock_t ob, cblock_t cb, u32 offset)
{
	if (!all_missing(c, cb, offset, bio_sectors(bio)))
		return wait_for(c, bio, ob, cb, BL_WRITER, TRY_DROP);
	bio_ctx(bio)->held = HELD_PARTIAL_ORIGIN;
	return remap_to_origin(c, bio);
}

/* The write @bio is counted in the block, and begins @offset sectors into it. */
int partial_write(struct cache *c, struct bio *bio, oblock_t ob, cblock_t cb, u32 offset)
{
	struct bio_ctx *x = bio_ctx(bio);

	/* It was made in another mode: its data goes to the origin, where writes go now. */
	if (unlikely(c->io_mode != IO_WRITEBACK))
		return wait_for(c, bio, ob, cb, BL_WRITER, TRY_DROP);
	if (unlikely(x->retried))
		return write_to_origin(c, bio, ob, cb, offset);
	if (!partial_can_write(c, cb, offset, bio_sectors(bio)))
		return wait_for(c, bio, ob, cb, BL_WRITER, TRY_FILL);
	discard_forget(&c->discards, ob);
	if (!x->waited)
		map_tell_hit(c, bio, ob, cb, DMC_WRITE);
	compat_bio_save(bio, &x->saved);
	x->held = HELD_PARTIAL;
	x->piece = offset;
	x->nr = bio_sectors(bio);
	x->lost = flush_lost(&c->cache_flush);
	return remap_to_cache(c, bio, cb);
}

/* True: the origin can have it.  Valid granules hold older data, so then the write fails. */
static bool write_failed(struct cache *c, struct bio *bio, cblock_t cb)
{
	const struct bio_ctx *x = bio_ctx(bio);

	errors_note(c, ERR_CACHE);
	if (!all_missing(c, cb, x->piece, x->nr))
		return false;
	bio_rewind(bio);
	return true;
}

/* Gives back what the write holds.  A DM_ENDIO_* code.  Interrupt context. */
int partial_write_ended(struct cache *c, struct bio *bio, blk_status_t status)
{
	const bool failed = bio_failed(bio, status);
	struct bio_ctx *x = bio_ctx(bio);
	const cblock_t cb = to_cblock(x->index);
	bool again = false;

	flush_note_write(&c->cache_flush);
	if (unlikely(failed)) {
		errors_promoted(c, true);
		again = write_failed(c, bio, cb);
	} else if (likely(status == BLK_STS_OK)) {
		errors_promoted(c, false);
		partial_written(c, cb, x->piece, x->nr, x->lost);
	}
	block_put(c, entry_of(c, cb), BL_WRITER);
	if (unlikely(again)) {
		engine_defer(c, bio, false);
		return DM_ENDIO_INCOMPLETE;
	}
	if (status != BLK_STS_OK || !(bio->bi_opf & REQ_FUA))
		return DM_ENDIO_DONE;
	compat_bio_own(bio);
	x->held = HELD_REFUSED;
	return partial_wait(c, bio) ? DM_ENDIO_INCOMPLETE : DM_ENDIO_DONE;
}

void partial_origin_write_ended(struct cache *c, struct bio *bio, bool failed)
{
	if (unlikely(failed))
		errors_note(c, ERR_ORIGIN);
	flush_note_write(&c->origin_flush);
	block_put(c, &c->table.entries[bio_ctx(bio)->index], BL_WRITER);
}
