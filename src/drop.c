// SPDX-License-Identifier: GPL-2.0-only
/*
 * drop.c - blocks whose cached copy cannot be trusted any more, and bios that wait until they are gone.
 *
 * Beside the bio's path: where I/O on the cache device failed, map.c and span.c name the blocks
 * (block_broke()), and the engine drops those that are clean: a migration of the kind MG_INVALIDATE
 * each.  A dirty one is the only copy, and stays.
 *
 * Two kinds of bios wait for that, since in writethrough mode the origin has all that is needed, and a
 * cache device that is gone is no reason for an error:
 *
 *   a write   the origin took it, the cache did not.  It is acknowledged when no mapping, on disk
 *             neither, leads to the old data any more
 *   a FLUSH   the cache device did not do it, so may forget what was written to it since the last.
 *             Those are the blocks that are marked (marks.c); when they are dropped, the origin's
 *             FLUSH is all it takes
 *
 * Such a bio goes to the engine, which looks at its blocks in turn: parks it on the migration of one that
 * is being dropped, or comes again later.  If the metadata cannot be changed, it ends with an error.
 *
 * Contexts: drop_after_*() and block_broke() any; the rest the engine's.  Locks: none here.
 */
#include "block-lock.h"
#include "marks.h"
#include <linux/bitmap.h>

#define DROPS_A_COMMIT 1024

/*
 * @sure: the cblock itself failed, and is not to be used again; else something beside it may have.
 */
void block_broke(struct cache *c, u32 cblock, bool sure)
{
	if (sure && errors_retire(c))
		clear_bit(cblock, c->suspect);
	else
		set_bit(cblock, c->suspect);
	set_bit(cblock, c->broken);
	WRITE_ONCE(c->any_broken, true);
	engine_kick(c);
}

static void start_dropping(struct cache *c, struct bio *bio, u32 first, u32 nr)
{
	struct bio_ctx *x = bio_ctx(bio);

	x->dropping = true;
	x->named = false;
	x->index = first;
	x->nr = nr;
	atomic_inc(&c->nr_dropping);
}

/*
 * A write to @nr cblocks from @first on has failed; they are still counted.  True: it waits for them to be
 * dropped, and goes to engine_defer() when they are not counted any more.
 */
bool drop_after_write(struct cache *c, struct bio *bio, u32 first, u32 nr)
{
	struct bio_ctx *x = bio_ctx(bio);
	u32 i;

	if (!x->paired) {
		errors_note(c, ERR_CACHE);
		return false;
	}
	if (x->origin_failed)
		errors_note(c, ERR_ORIGIN);
	if (x->cache_failed)
		errors_note(c, ERR_CACHE);
	/* The two sides may differ now, whichever failed. */
	for (i = first; i < first + nr; i++)
		block_broke(c, i, x->cache_failed && nr == 1);
	if (x->origin_failed || blocks_any_dirty(c, first, nr))
		return false;
	x->oblock = to_oblock(table_oblock(&c->table, to_cblock(first)));
	start_dropping(c, bio, first, nr);
	return true;
}

/* True: the FLUSH, which the cache device failed, goes to engine_defer(). */
bool drop_after_flush(struct cache *c, struct bio *bio)
{
	errors_note(c, ERR_CACHE);
	if (c->io_mode != IO_WRITETHROUGH)
		return false;
	bio_ctx(bio)->oblock = to_oblock(NO_OBLOCK);
	start_dropping(c, bio, 0, c->nr_cblocks);
	return true;
}

/*----- the engine -----*/

/* Drops the mapping of @cb if it has one; its content cannot be trusted. */
static void invalidate_broken(struct cache *c, cblock_t cb)
{
	u64 oblock = table_oblock(&c->table, cb);
	struct migration *mg;
	int r;

	if (oblock == NO_OBLOCK)
		goto forget;
	mg = mg_alloc(c, MG_INVALIDATE, to_oblock(oblock), cb);
	if (!mg)
		return;		/* the bit stays: next round */
	mg->retire_cblock = !test_bit(from_cblock(cb), c->suspect);
	r = mg_start(mg);
	if (r)
		mg_free(mg);
	if (r == -EBUSY)
		return;
forget:
	clear_bit(from_cblock(cb), c->suspect);
	clear_bit(from_cblock(cb), c->broken);
}

/* Starts the migrations that drop the broken blocks. */
void drop_broken(struct cache *c)
{
	unsigned long bit;

	if (likely(!READ_ONCE(c->any_broken)) || cache_md_mode(c) != MD_WRITE)
		return;
	/* What is left at a suspend waits for the first tick after the resume, unless the suspend waits for it. */
	if (READ_ONCE(c->quiescing) && !atomic_read(&c->nr_dropping))
		return;
	WRITE_ONCE(c->any_broken, false);
	for_each_set_bit(bit, c->broken, c->nr_cblocks) {
		if (atomic_read(&c->table.entries[bit].state) & BL_DIRTY)
			clear_bit(bit, c->broken);	/* the only copy: keep it */
		else
			invalidate_broken(c, to_cblock(bit));
	}
	if (!bitmap_empty(c->broken, c->nr_cblocks))
		WRITE_ONCE(c->any_broken, true);
}

/* Names what the cache device may forget.  Returns false if some of that is dirty. */
static bool name_unflushed(struct cache *c)
{
	bool all = false;
	u32 i, state;

again:
	for (i = 0; i < c->nr_cblocks; i++) {
		state = atomic_read(&c->table.entries[i].state);
		if (state & BL_DIRTY)
			return false;
		if ((all || state & BL_MARKED) &&
		    table_oblock(&c->table, to_cblock(i)) != NO_OBLOCK)
			block_broke(c, i, false);
	}
	if (!all && !marks_tell_all(c)) {
		all = true;
		goto again;
	}
	return true;
}

static void end_dropping(struct cache *c, struct bio *bio, bool ok)
{
	bio_ctx(bio)->dropping = false;
	atomic_dec(&c->nr_dropping);
	compat_bio_end_again(bio, ok ? BLK_STS_OK : BLK_STS_IOERR);
}

enum drop_look {
	DROP_GONE,
	DROP_PARKED,		/* until the block's migration is over */
	DROP_LATER,		/* it could not be started yet */
};

/*
 * Is what @bio waits for gone from cblock @i?  The engine starts the migration and then clears the bit; that
 * it fails, and the metadata can be changed yet, cannot be: no block gets dirty here.
 */
static enum drop_look look(struct cache *c, struct bio *bio, u32 i)
{
	u64 oblock = table_oblock(&c->table, to_cblock(i));
	u64 wanted = from_oblock(bio_ctx(bio)->oblock);
	bool broken;

	if (oblock == NO_OBLOCK || (wanted != NO_OBLOCK && oblock != wanted))
		return DROP_GONE;
	broken = test_bit(i, c->broken);
	if (!broken && !(atomic_read(&c->table.entries[i].state) & BL_LOCKED))
		return DROP_GONE;	/* nothing wrong with it, or with what is there now */
	if (mg_park(c, to_oblock(oblock), bio))
		return DROP_PARKED;
	return broken ? DROP_LATER : DROP_GONE;
}

/* Engine: a bio that waits for its blocks to be dropped has its turn.  Consumes it. */
void drop_step(struct cache *c, struct bio *bio)
{
	struct bio_ctx *x = bio_ctx(bio);
	const bool flush = from_oblock(x->oblock) == NO_OBLOCK;

	if (flush && !x->named) {
		x->named = true;
		if (!name_unflushed(c)) {
			end_dropping(c, bio, false);
			return;
		}
	}
	drop_broken(c);
	for (; x->nr; x->nr--, x->index++) {
		if (cache_md_mode(c) != MD_WRITE) {
			end_dropping(c, bio, false);
			return;
		}
		switch (look(c, bio, x->index)) {
		case DROP_PARKED:
			return;
		case DROP_LATER:
			engine_defer(c, bio, true);
			return;
		case DROP_GONE:
			break;
		}
		if (!flush)
			x->oblock = to_oblock(from_oblock(x->oblock) + 1);
	}
	end_dropping(c, bio, true);
}

/*----- at a clean shutdown -----*/

/* A mapping goes without a migration: there are no bios.  Its cblock is not used before the next load. */
static int drop_now(struct cache *c, cblock_t cb)
{
	int r = dmc_md_remove(c->md, cb);

	if (r)
		return r;
	marks_publish(c, cb, false);
	table_remove(&c->table, cb);
	c->policy->type->invalidate(c->policy, cb);
	atomic_inc(&c->nr_retired);
	return 0;
}

/*
 * The cache device could not be flushed, so may have lost what was written to it.  In writethrough mode
 * the origin has that: without the mappings all is well.  -EIO if it does not; other errors are the
 * metadata's.  Commits now and then, or the metadata device might not have room for the changes.
 */
int drop_unflushed(struct cache *c)
{
	const bool all = !marks_tell_all(c);
	struct dmc_md_stats stats;
	u32 i, nr = 0;
	int r = 0;

	lockdep_assert_held(&c->md_mutex);
	if (c->io_mode != IO_WRITETHROUGH || atomic_read(&c->nr_dirty))
		return -EIO;
	for (i = 0; i < c->nr_cblocks && !r; i++) {
		if (table_oblock(&c->table, to_cblock(i)) == NO_OBLOCK ||
		    !(all || atomic_read(&c->table.entries[i].state) & BL_MARKED))
			continue;
		r = drop_now(c, to_cblock(i));
		if (r || ++nr % DROPS_A_COMMIT)
			continue;
		stats_for_disk(c, &stats);
		r = dmc_md_commit(c->md, &stats);
	}
	DMWARN("%s: cache device %s cannot be flushed: %u blocks that it might have lost are dropped",
	       cache_name(c), c->cache_dev->name, nr);
	return r;
}
