// SPDX-License-Identifier: GPL-2.0-only
/*
 * map.c - a bio comes in: which block, hit or miss, where to; and out again.
 *
 * Called by target.c for every bio (in the context of the submitter, so nothing here waits for
 * memory or I/O) and by engine.c for bios that had to wait.  map_end_io() runs in interrupts.
 *
 * A hit looks its block up, counts itself in the entry (block-lock.h), marks its CPU's
 * statistics, leaves the policy a mark, and goes to the cache.  A miss tells the policy and goes
 * to the origin; a write counts itself in a slot first.  The origin's last, partial block is
 * always a miss, and the policy never hears of it.  A bio that meets a migration parks on it and
 * is mapped again at its end.
 *
 * A bio with REQ_NOWAIT is as any other: its submitter never waits here, since what has to wait is
 * sent by the engine, without the flag.  A device that has no place for it says so, and it ends.
 *
 * Locks: none here; parking takes migrations.lock.
 */
#include "block-lock.h"
#include "copy.h"
#include "dirty.h"
#include "map-multi.h"
#include "map.h"
#include "partial.h"
#include "pm.h"
#include "remap.h"
#include "write-intent.h"

int map_park(struct cache *c, oblock_t ob, struct bio *bio)
{
	return mg_park(c, ob, bio) ? DM_MAPIO_SUBMITTED : MAP_LOOK_AGAIN;
}

void map_tell_hit(struct cache *c, struct bio *bio, oblock_t ob, cblock_t cb, enum dmc_dir dir)
{
	c->policy->type->hit(c->policy, cb, ob, dir, bio_sectors(bio));
	if (dir == DMC_READ)
		this_cpu_inc(c->stats->read_hits);
	else
		this_cpu_inc(c->stats->write_hits);
}

/*
 * Counts @bio in the block, which begins @offset sectors into it.  False: *@r is what to return;
 * a bio of a partial block is done with.
 */
static bool enter_block(struct cache *c, struct bio *bio, oblock_t ob, cblock_t cb, u32 unit,
			u32 offset, int *r)
{
	struct bio_ctx *x = bio_ctx(bio);
	enum bl_result got = block_tryget(c, entry_of(c, cb), ob, unit);

	x->held = unit == BL_READER ? HELD_READ : HELD_WRITE;
	x->index = from_cblock(cb);
	if (likely(got == BL_OK))
		return true;
	if (got == BL_OK_PARTIAL) {
		*r = unit == BL_READER ? partial_read(c, bio, ob, cb, offset) :
					 partial_write(c, bio, ob, cb, offset);
		return false;
	}
	x->held = HELD_NOTHING;
	if (got == BL_MOVED) {
		*r = MAP_LOOK_AGAIN;
	} else if (got == BL_BUSY) {
		*r = DM_MAPIO_SUBMITTED;
		if (unit == BL_READER || !posted_join(c, bio, ob, cb, offset))
			*r = map_park(c, ob, bio);
	} else {
		engine_defer(c, bio, true);
		*r = DM_MAPIO_SUBMITTED;
	}
	return false;
}

static int map_read_hit(struct cache *c, struct bio *bio, oblock_t ob, cblock_t cb, u32 offset)
{
	int r;

	if (unlikely(c->io_mode == IO_PASSTHROUGH)) {
		this_cpu_inc(c->stats->read_hits);
		return remap_to_origin(c, bio);
	}
	if (!enter_block(c, bio, ob, cb, BL_READER, offset, &r))
		return r;
	compat_bio_save(bio, &bio_ctx(bio)->saved);
	map_tell_hit(c, bio, ob, cb, DMC_READ);
	return remap_to_cache(c, bio, cb);
}

/* Starts a migration for @bio's sake; the bio is mapped again at its end. */
int map_park_on_new(struct cache *c, struct bio *bio, enum mg_kind kind, oblock_t ob,
		    cblock_t cb)
{
	struct migration *mg = mg_alloc(c, kind, ob, cb);

	if (!mg) {
		/* That was no try (map-partial.c): all migrations are taken for the moment. */
		if (bio_ctx(bio)->tries)
			bio_ctx(bio)->tries--;
		engine_defer(c, bio, true);
		return DM_MAPIO_SUBMITTED;
	}
	mg->passed_by = kind == MG_INVALIDATE;
	bio_list_add(&mg->parked, bio);
	if (!mg_start(mg))
		return DM_MAPIO_SUBMITTED;

	/* Another migration has the block, or it is gone. */
	bio_list_init(&mg->parked);
	mg_free(mg);
	return map_park(c, ob, bio);
}

/*
 * The promotion @mg for @bio's sake did not start: the block is mapped, or being promoted, by now.
 * The engine tells the policy, the bio looks again.
 */
int map_came_late(struct cache *c, struct bio *bio, struct migration *mg)
{
	const oblock_t ob = mg->oblock;

	bio_list_init(&mg->parked);
	mg->error = -EBUSY;
	mg_make_ready(mg, MG_COMMITTED);
	return map_park(c, ob, bio);
}

/*
 * Passthrough: the origin is about to differ from the cached copy, so the mapping has to go, on
 * disk too, before the write.  The bio waits on the invalidation and then is a miss.
 */
static int map_passthrough_write(struct cache *c, struct bio *bio, oblock_t ob, cblock_t cb)
{
	if (cache_md_mode(c) != MD_WRITE)
		return bio_refuse(bio, BLK_STS_IOERR);	/* the stale mapping could not be removed */

	if (!bio_ctx(bio)->waited)
		this_cpu_inc(c->stats->write_hits);
	bio_ctx(bio)->waited = true;
	return map_park_on_new(c, bio, MG_INVALIDATE, ob, cb);
}

/*
 * The dirty bit has to be on disk before the first write is sent.  The write is posted, or else
 * waits for a commit; one to a block that was written back, and not flushed yet, is not posted.
 */
static int first_write(struct cache *c, struct bio *bio, oblock_t ob, cblock_t cb, u32 offset,
		       u32 state)
{
	int r;

	if (likely(!(state & BL_VOLATILE)) && posted_write(c, bio, ob, cb, offset, &r))
		return r;
	bio_ctx(bio)->held = HELD_NOTHING;
	block_put(c, entry_of(c, cb), BL_WRITER);
	return map_park_on_new(c, bio, MG_WRITE_INTENT, ob, cb);
}

static int map_write_hit(struct cache *c, struct bio *bio, oblock_t ob, cblock_t cb, u32 offset)
{
	u32 state;
	int r;

	if (unlikely(c->io_mode == IO_PASSTHROUGH))
		return map_passthrough_write(c, bio, ob, cb);
	if (!enter_block(c, bio, ob, cb, BL_WRITER, offset, &r))
		return r;
	/* An intent bit stays while a writer is counted. */
	state = atomic_read(&entry_of(c, cb)->state);
	if (unlikely(!(state & (BL_DIRTY | BL_INTENT))) && intent_needed(c))
		return first_write(c, bio, ob, cb, offset, state);
	discard_forget(&c->discards, ob);
	/* A bio that waited for its block has been counted as a miss. */
	if (likely(!bio_ctx(bio)->waited))
		map_tell_hit(c, bio, ob, cb, DMC_WRITE);
	if (c->io_mode == IO_WRITEBACK) {
		if (unlikely(!(state & BL_DIRTY)))
			dirty_set(c, cb);
		return remap_to_cache(c, bio, cb);
	}
	return remap_to_both(c, bio, cb);
}

/* Does the policy hear of a miss of @ob? */
static bool is_cacheable(const struct cache *c, oblock_t ob)
{
	return likely(c->io_mode != IO_PASSTHROUGH && !is_origin_tail(c, ob));
}

/* Tells the policy of a miss that goes to the origin. */
static __always_inline void tell_one_miss(struct cache *c, const struct bio *bio, oblock_t ob,
					  enum dmc_dir dir)
{
	const sector_t sector = dm_target_offset(c->ti, compat_bio_sector(bio));
	const u32 nr_free = unlikely(partial_limit(c)) ? reserve_spared(c) : READ_ONCE(c->free.nr);

	if (c->policy->type->miss(c->policy, ob, dir, sector, bio_sectors(bio), false,
				  nr_free) == DMC_WORK)
		engine_kick(c);
}

static int map_read_miss(struct cache *c, struct bio *bio, oblock_t ob)
{
	this_cpu_inc(c->stats->read_misses);
	if (is_cacheable(c, ob))
		tell_one_miss(c, bio, ob, DMC_READ);
	return remap_to_origin(c, bio);
}

static bool covers_block(struct cache *c, const struct bio *bio)
{
	/* By now it does not reach beyond one block, so the length tells. */
	return bio_sectors(bio) == c->geo.block_sectors;
}

/* Such a write brings its block in with no copy, so no limit to copies concerns it. */
static bool spares_origin(struct cache *c, const struct bio *bio, oblock_t ob)
{
	return covers_block(c, bio) || discarded(&c->discards, ob);
}

/*
 * Can the block come in for the sake of this write, at no cost to the origin?  Then a promotion
 * that brings it in.  A write that covers its block spares the origin; it waits for the commit,
 * which streams of such writes share.  A partial block takes any other at once.  Without one, a
 * write into a discarded block spares the origin, too, and the rest can wait for the copy, and then
 * be a hit: one request to the origin, where the write now and a copy later are two.
 */
static struct migration *promotion_for(struct cache *c, struct bio *bio, oblock_t ob, bool partial)
{
	struct migration *mg = NULL;
	bool copyless;

	copyless = !partial && spares_origin(c, bio, ob);
	if (partial || copyless || (c->io_mode == IO_WRITEBACK && mg_within_threshold(c, 0) &&
				    !errors_serialize_copies(c)))
		mg = mg_alloc_promotion(c, ob, !copyless && !partial);
	if (mg) {
		mg->partial = partial;
		mg->copyless = copyless;
	}
	return mg;
}

/*
 * While blocks are free, a write can bring its block in.  Everything the promotion needs is taken
 * before the policy is asked, so its yes can be honoured.  Returns true if the bio was taken, with
 * *@r.
 */
static bool try_write_allocate(struct cache *c, struct bio *bio, oblock_t ob, bool partial, int *r)
{
	const sector_t sector = dm_target_offset(c->ti, compat_bio_sector(bio));
	const bool reserved = partial || covers_block(c, bio);
	struct bio_ctx *x = bio_ctx(bio);
	struct migration *mg = NULL;
	enum dmc_advice advice;

	/* Unless it has to reach the origin all the same, or waited in vain before. */
	if (likely(!x->retried && !x->waited) && (!partial || reserve_has_block(c)))
		mg = promotion_for(c, bio, ob, partial);
	if (!mg && partial)
		partial_refused(c, PARTIAL_NO_FREE);
	advice = c->policy->type->miss(c->policy, ob, DMC_WRITE, sector, bio_sectors(bio),
				       mg != NULL, mg && reserved ? READ_ONCE(c->free.nr) :
								    reserve_spared(c));
	if (advice == DMC_WORK)
		engine_kick(c);
	if (likely(!mg))
		return false;
	if (advice != DMC_PROMOTE) {
		if (mg->partial)
			partial_refused(c, PARTIAL_NOT_WANTED);
		mg_free(mg);
		return false;
	}

	mg->asked_by_policy = true;
	if (covers_block(c, bio)) {
		mg->overwriter = bio;
		compat_bio_save(bio, &x->saved);
		x->mg = mg;
	} else {
		bio_list_add(&mg->parked, bio);
	}
	this_cpu_inc(c->stats->write_misses);
	x->waited = true;
	*r = DM_MAPIO_SUBMITTED;
	if (!mg_start(mg))
		return true;

	mg->overwriter = NULL;
	*r = map_came_late(c, bio, mg);
	return true;
}

/* The policy is asked, once.  Returns true if the bio was taken, with *@r. */
static bool comes_in(struct cache *c, struct bio *bio, oblock_t ob, u32 offset, int *r)
{
	const struct bio_ctx *x = bio_ctx(bio);
	bool partial;

	partial = unlikely(partial_limit(c)) && !x->retried && !x->waited &&
		  !covers_block(c, bio) && partial_may_allocate(c, bio, offset);
	if (partial && c->policy->type->allocated)
		return partial_allocate_now(c, bio, ob, r);
	return try_write_allocate(c, bio, ob, partial, r);
}

/* A glance: in a full cache no block can come in for a write, and that is known at no cost. */
static bool has_room(const struct cache *c)
{
	return unlikely(READ_ONCE(c->free.nr) || partial_limit(c));
}

static int map_write_miss(struct cache *c, struct bio *bio, oblock_t ob, u32 offset)
{
	const u32 slot = slot_of(c, ob);
	struct bio_ctx *x;
	cblock_t cb;
	int r;

	/*
	 * The promotion comes before the count, or it would wait for this very bio.  Whether the
	 * block got mapped meanwhile is found out below, or by mg_start().
	 */
	if (is_cacheable(c, ob)) {
		if (!has_room(c))
			tell_one_miss(c, bio, ob, DMC_WRITE);
		else if (comes_in(c, bio, ob, offset, &r))
			return r;
	}
	if (!miss_tryget(c, slot))
		return map_park(c, ob, bio);
	if (unlikely(table_lookup(&c->table, ob, &cb))) {
		miss_put(c, slot);
		return MAP_LOOK_AGAIN;
	}
	x = bio_ctx(bio);
	x->held = HELD_SLOT;
	x->index = slot;
	if (!x->waited)
		this_cpu_inc(c->stats->write_misses);
	discard_forget(&c->discards, ob);
	return remap_to_origin(c, bio);
}

static int map_data(struct cache *c, struct bio *bio)
{
	const bool write = op_is_write(bio_op(bio));
	u32 offset;
	const oblock_t ob = oblock_of(c, bio, &offset);
	cblock_t cb;
	int r;

	if (unlikely(offset + bio_sectors(bio) > c->geo.block_sectors)) {
		r = span_map(c, bio, ob, offset);
		if (r != SPAN_NO_RUN)
			return r;
	}
	do {
		if (table_lookup(&c->table, ob, &cb))
			r = write ? map_write_hit(c, bio, ob, cb, offset) :
				    map_read_hit(c, bio, ob, cb, offset);
		else
			r = write ? map_write_miss(c, bio, ob, offset) : map_read_miss(c, bio, ob);
	} while (unlikely(r == MAP_LOOK_AGAIN));
	return r;
}

/* Also called again for a bio that had to wait.  Returns a DM_MAPIO_* code. */
static int map_any(struct cache *c, struct bio *bio)
{
	if (unlikely(READ_ONCE(c->gate)) && (cache_md_mode(c) == MD_FAIL || pm_refuses(c, bio)))
		return DM_MAPIO_KILL;
	if (unlikely(bio->bi_opf & REQ_PREFLUSH))
		return flush_map(c, bio);
	if (unlikely(bio_op(bio) == REQ_OP_DISCARD))
		return discard_map(c, bio);
	return map_data(c, bio);
}

/* A bio comes in.  Returns a DM_MAPIO_* code. */
int map_bio(struct cache *c, struct bio *bio)
{
	struct bio_ctx *x = bio_ctx(bio);

	x->held = HELD_NOTHING;
	x->paired = false;
	x->retried = false;
	x->waited = false;
	x->room_awaited = false;
	x->deferred = false;
	x->tries = 0;
	x->none_posted = false;
	x->dropping = false;
	x->piecewise = false;
	return map_any(c, bio);
}

/* Engine: a bio that was parked or deferred has its turn.  Consumes it. */
void map_again(struct cache *c, struct bio *bio)
{
	int r;

	bio_ctx(bio)->deferred = true;
	if (unlikely(bio_ctx(bio)->dropping)) {
		drop_step(c, bio);
		return;
	}
	if (unlikely(bio_ctx(bio)->piecewise)) {
		span_read_again(c, bio);
		return;
	}
	/* One of a pair has its place, and only had to be sent from here. */
	if (bio_ctx(bio)->held != HELD_NOTHING)
		r = remap_to_both(c, bio, to_cblock(bio_ctx(bio)->index));
	else
		r = map_any(c, bio);
	switch (r) {
	case DM_MAPIO_REMAPPED:
		submit_bio_noacct(bio);
		break;
	case DM_MAPIO_KILL:
		bio_refuse(bio, BLK_STS_IOERR);
		break;
	}
}

/*
 * A read of a clean cblock failed: the origin has the same data.  The block is still counted, and
 * clean while it is: so the origin is good for any read that began before a later write.
 */
static bool read_elsewhere(struct cache *c, struct bio *bio, struct bio_ctx *x)
{
	if (atomic_read(&c->table.entries[x->index].state) & BL_DIRTY)
		return false;
	bio_rewind(bio);
	return true;
}

static int read_hit_ended(struct cache *c, struct bio *bio, struct bio_ctx *x, bool failed)
{
	bool again = false;

	if (unlikely(failed)) {
		errors_note(c, ERR_CACHE);
		again = read_elsewhere(c, bio, x);
		if (again)
			block_broke(c, x->index, true);
		else
			errors_note_dirty(c, x->index);
	}
	block_put(c, &c->table.entries[x->index], BL_READER);
	if (!again)
		return DM_ENDIO_DONE;
	engine_reread(c, bio);
	return DM_ENDIO_INCOMPLETE;
}

static int write_hit_ended(struct cache *c, struct bio *bio, struct bio_ctx *x, bool failed)
{
	const u32 cblock = x->index;
	bool drop;

	flush_note_write(&c->cache_flush);
	if (x->paired)
		flush_note_write(&c->origin_flush);
	drop = unlikely(failed) && drop_after_write(c, bio, cblock, 1);
	block_put(c, &c->table.entries[cblock], BL_WRITER);
	if (!drop)
		return DM_ENDIO_DONE;
	engine_defer(c, bio, false);
	return DM_ENDIO_INCOMPLETE;
}

static void fail_flush(struct flush_state *f, blk_status_t *status)
{
	if (*status == BLK_STS_OK)
		*status = BLK_STS_IOERR;
	flush_told(f);
}

static int flush_cache_ended(struct cache *c, struct bio *bio, blk_status_t *status)
{
	const bool ok = *status == BLK_STS_OK, failed = flush_failed(&c->cache_flush, ok);
	bool drop = failed && drop_after_flush(c, bio);

	if (failed)
		fail_flush(&c->cache_flush, status);
	flush_ended(&c->cache_flush, ok);
	if (likely(!drop))
		return DM_ENDIO_DONE;
	engine_defer(c, bio, false);
	return DM_ENDIO_INCOMPLETE;
}

static void flush_origin_ended(struct cache *c, blk_status_t *status)
{
	const bool ok = *status == BLK_STS_OK;

	if (unlikely(!ok))
		errors_note(c, ERR_ORIGIN);
	if (flush_failed(&c->origin_flush, ok))
		fail_flush(&c->origin_flush, status);
	flush_ended(&c->origin_flush, ok);
}

/* The bio that was to fill a block failed: mg_copied() sends it to the origin. */
static void overwrite_ended(struct cache *c, struct bio_ctx *x, bool failed)
{
	flush_note_write(&c->cache_flush);
	if (x->paired)
		flush_note_write(&c->origin_flush);
	if (likely(!failed) || (x->paired && !x->cache_failed))
		return;
	errors_note(c, ERR_CACHE);
	errors_promoted(c, true);
	x->mg->retire_cblock = errors_retire(c);
}

/*
 * A driver may refuse to read ahead, and tries nothing twice for it: that tells nothing of the
 * device.  The data are read again when they are wanted.
 */
static bool read_failed(const struct bio *bio, blk_status_t status)
{
	return bio_failed(bio, status) && !(bio->bi_opf & REQ_RAHEAD);
}

/* Gives back what the bio holds.  Returns a DM_ENDIO_* code. */
int map_end_io(struct cache *c, struct bio *bio, blk_status_t *status)
{
	struct bio_ctx *x = bio_ctx(bio);
	const enum held held = x->held;

	x->held = HELD_NOTHING;
	switch (held) {
	case HELD_NOTHING:
		if (read_failed(bio, *status))
			errors_note(c, ERR_ORIGIN);
		break;
	case HELD_REFUSED:
		break;
	case HELD_READ:
		return read_hit_ended(c, bio, x, read_failed(bio, *status));
	case HELD_WRITE:
		return write_hit_ended(c, bio, x, bio_failed(bio, *status));
	case HELD_PARTIAL:
		return partial_write_ended(c, bio, *status);
	case HELD_PARTIAL_ORIGIN:
		partial_origin_write_ended(c, bio, *status != BLK_STS_OK);
		break;
	case HELD_SLOT:
		if (bio_failed(bio, *status))
			errors_note(c, ERR_ORIGIN);
		flush_note_write(&c->origin_flush);
		miss_put(c, x->index);
		break;
	case HELD_FLUSH_ORIGIN:
		flush_origin_ended(c, status);
		break;
	case HELD_FLUSH_CACHE:
		return flush_cache_ended(c, bio, status);
	case HELD_DISCARD:
		if (*status == BLK_STS_OK)
			discard_done(c, x);
		break;
	case HELD_READS:
		return span_end_io(c, bio, held, read_failed(bio, *status));
	case HELD_WRITES:
	case HELD_SLOTS:
		return span_end_io(c, bio, held, bio_failed(bio, *status));
	case HELD_OVERWRITE:
		overwrite_ended(c, x, *status != BLK_STS_OK);
		mg_copied(x->mg, blk_status_to_errno(*status));
		return DM_ENDIO_INCOMPLETE;
	}
	return DM_ENDIO_DONE;
}
