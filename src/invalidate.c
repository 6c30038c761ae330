// SPDX-License-Identifier: GPL-2.0-only
/*
 * invalidate.c - blocks whose cached copy cannot be trusted any more, and bios that wait until they
 * are gone.
 *
 * Beside the bio's path: where I/O on the cache device failed, map.c and map-multi.c name the
 * blocks (block_broke()), and the engine drops those that are clean: a migration of the kind
 * MG_INVALIDATE each.  A dirty one is the only copy, and stays.
 *
 * Two kinds of bios wait for that, since in writethrough mode the origin has all that is needed,
 * and a cache device that is gone is no reason for an error:
 *
 *   a write   the origin took it, the cache did not.  It is acknowledged when no mapping, on disk
 *             neither, leads to the old data any more
 *   a FLUSH   the cache device did not do it, so may forget what was written to it since the last.
 *             Those are the blocks that are marked (write-intent.c); when they are dropped, the
 *             origin's FLUSH is all it takes
 *
 * Such a bio goes to the engine, which looks at its blocks in turn: parks it on the migration of
 * one that is being dropped, or comes again later.  If the mapping cannot be removed, it ends with
 * an error.
 *
 * All blocks of a large cache may have to go.  So the engine looks at so many of them a round,
 * and goes on in the next; and FLUSHes that fail while one is being seen to wait, and share the
 * next look.
 *
 * Contexts: drop_after_*(), block_broke() and drop_start() any; the rest the engine's.  Locks:
 * none here.
 */
#include "block-lock.h"
#include "write-intent.h"
#include <linux/bitmap.h>
#include <linux/mm.h>

#define DROPS_A_COMMIT 1024
#define BITS_A_ROUND (1U << 20)
#define BLOCKS_A_ROUND (1U << 16)

int drop_init(struct cache *c)
{
	struct invalidation *d = &c->invalidation;

	bio_list_init(&d->followers);
	bio_list_init(&d->next);
	d->broken.bits = kvcalloc(BITS_TO_LONGS(c->geo.nr_cblocks), sizeof(long), GFP_KERNEL);
	d->broken.suspect = kvcalloc(BITS_TO_LONGS(c->geo.nr_cblocks), sizeof(long), GFP_KERNEL);
	return d->broken.bits && d->broken.suspect ? 0 : -ENOMEM;
}

void drop_exit(struct cache *c)
{
	kvfree(c->invalidation.broken.bits);
	kvfree(c->invalidation.broken.suspect);
}

/*
 * @sure: the cblock itself failed, and is not to be used for now; else something beside it may
 * have.
 */
void block_broke(struct cache *c, u32 cblock, bool sure)
{
	broken_add(&c->invalidation.broken, cblock, !sure || !errors_retire(c));
	engine_kick(c);
}

static void start_dropping(struct cache *c, struct bio *bio, u32 first, u32 nr)
{
	struct bio_ctx *x = bio_ctx(bio);

	x->dropping = true;
	x->named = false;
	x->all = false;
	x->index = first;
	x->nr = nr;
	atomic_inc(&c->invalidation.nr_waiting);
}

/*
 * A write to @nr cblocks from @first on has failed; they are still counted.  True: it waits for
 * them to be dropped, and goes to engine_defer() when they are not counted any more.
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

/*
 * True: the FLUSH, which the cache device failed, goes to engine_defer().  Before flush_ended():
 * from here on no mark is taken away.
 */
bool drop_after_flush(struct cache *c, struct bio *bio)
{
	errors_note(c, ERR_CACHE);
	if (c->io_mode != IO_WRITETHROUGH)
		return false;
	bio_ctx(bio)->oblock = to_oblock(NO_OBLOCK);
	start_dropping(c, bio, 0, c->geo.nr_cblocks);
	return true;
}

/*----- the engine -----*/

/*
 * Starts the migration that drops the mapping of @cb to @oblock.  @broken: its copy cannot be
 * trusted.  0, an error of mg_start(), or -ENOMEM: no migration is to be had at the moment.
 */
int drop_start(struct cache *c, cblock_t cb, oblock_t oblock, bool broken)
{
	struct migration *mg = mg_alloc(c, MG_INVALIDATE, oblock, cb);
	int r;

	if (!mg)
		return -ENOMEM;
	mg->drops = broken;
	mg->retire_cblock = broken && !test_bit(from_cblock(cb), c->invalidation.broken.suspect);
	r = mg_start(mg);
	if (r)
		mg_free(mg);
	return r;
}

/*
 * Drops the mapping of @cb, if it has one and is not the only copy.  False: no migration is to be
 * had.
 */
static bool drop_one(struct cache *c, u32 cb)
{
	u64 oblock = table_oblock(&c->table, to_cblock(cb));
	int r;

	if (oblock == NO_OBLOCK || atomic_read(&c->table.entries[cb].state) & BL_DIRTY) {
		broken_remove(&c->invalidation.broken, cb);
		return true;
	}
	r = drop_start(c, to_cblock(cb), to_oblock(oblock), true);
	if (r == -ENOMEM)
		return false;
	if (r != -EBUSY)
		broken_remove(&c->invalidation.broken, cb);
	return true;		/* if busy: the next time round */
}

static bool may_drop(struct cache *c)
{
	struct invalidation *d = &c->invalidation;

	if (cache_md_mode(c) != MD_WRITE ||
	    (d->paused && time_before(jiffies, d->not_before)))
		return false;
	d->paused = false;
	/*
	 * During a suspend only bios that wait count; drop_broken_now() drops what is left.
	 */
	return !READ_ONCE(c->quiescing) || atomic_read(&d->nr_waiting);
}

/*
 * Starts the migrations that drop the broken blocks: as many as there are to be had, and within a
 * part of the cache.  Goes on there in the next round.
 */
void drop_broken(struct cache *c)
{
	struct invalidation *d = &c->invalidation;
	unsigned long bit;
	u32 end;

	if (likely(!broken_any(&d->broken)) || !may_drop(c))
		return;
	if (!d->left) {
		d->left = c->geo.nr_cblocks;
		d->hand = 0;
	}
	end = d->hand + min(d->left, BITS_A_ROUND);
	for (bit = d->hand; bit < end; bit++) {
		bit = find_next_bit(d->broken.bits, end, bit);
		if (bit < end && !drop_one(c, bit))
			break;	/* the end of one brings the engine back */
	}
	bit = min_t(unsigned long, bit, end);
	d->left -= bit - d->hand;
	d->hand = bit;
	if (bit == end && d->left)
		engine_kick(c);
}

/* @mg, which was to drop a broken block, failed.  The block has to go all the same. */
void drop_failed(struct migration *mg)
{
	struct cache *c = mg->c;

	broken_add(&c->invalidation.broken, from_cblock(mg->cblock), !mg->retire_cblock);
	if (mg->error == -EBUSY)
		return;
	c->invalidation.paused = true;
	c->invalidation.not_before = jiffies + HZ;
}

static void end_dropping(struct cache *c, struct bio *bio, bool ok)
{
	bio_ctx(bio)->dropping = false;
	bio_ctx(bio)->held = HELD_REFUSED;
	atomic_dec(&c->invalidation.nr_waiting);
	compat_bio_end_again(bio, ok ? BLK_STS_OK : BLK_STS_IOERR);
}

/*----- the engine: FLUSHes -----*/

/*
 * The leader has an answer, which is that of its followers.  One of those that came since is
 * next.
 */
static void end_flushes(struct cache *c, bool ok)
{
	struct invalidation *d = &c->invalidation;
	struct bio_list ended = d->followers;
	struct bio *bio = d->leader;

	d->leader = bio_list_pop(&d->next);
	d->followers = d->next;
	bio_list_init(&d->next);
	if (d->leader)
		engine_defer(c, d->leader, false);
	for (; bio; bio = bio_list_pop(&ended))
		end_dropping(c, bio, ok);
}

/* False: @bio, a FLUSH, waits for the end of another. */
static bool leads(struct cache *c, struct bio *bio)
{
	struct invalidation *d = &c->invalidation;

	if (!d->leader)
		d->leader = bio;
	if (d->leader == bio)
		return true;
	bio_list_add(&d->next, bio);
	return false;
}

static void end_waiting(struct cache *c, struct bio *bio, bool ok)
{
	if (bio == c->invalidation.leader)
		end_flushes(c, ok);
	else
		end_dropping(c, bio, ok);
}

/* @bio was parked on a migration that did not drop its block. */
void drop_parked(struct cache *c, struct bio *bio)
{
	end_waiting(c, bio, false);
}

/* Names what the cache device may forget, a part of it.  Returns false if some of that is dirty. */
static bool name_unflushed(struct cache *c, struct bio_ctx *x)
{
	const u32 end = x->index + min(x->nr, BLOCKS_A_ROUND);
	u32 state;

	/* A leader has the cache to itself. */
	if (!x->index)
		c->invalidation.put_back = intent_put_back(c);
	for (; x->index < end; x->index++, x->nr--) {
		state = atomic_read(&c->table.entries[x->index].state);
		if (state & BL_DIRTY)
			return false;
		if ((x->all || state & BL_INTENT) &&
		    table_oblock(&c->table, to_cblock(x->index)) != NO_OBLOCK)
			broken_add(&c->invalidation.broken, x->index, true);
	}
	if (x->nr)
		return true;
	x->named = x->all || intent_tell_all(c, c->invalidation.put_back);
	x->all = true;
	x->index = 0;
	x->nr = c->geo.nr_cblocks;
	return true;
}

/*----- the engine: bios that wait -----*/

enum drop_look {
	DROP_GONE,
	DROP_PARKED,		/* until the block's migration is over */
	DROP_LATER,		/* it could not be started yet */
	DROP_DIRTY,		/* it cannot be dropped */
};

/*
 * Is what @bio waits for gone from cblock @i?  The engine starts the migration and then clears
 * the bit; if it fails, the bit is set again, or the block is dirty: what had been written back
 * is lost.
 */
static enum drop_look drop_look_at(struct cache *c, struct bio *bio, u32 i)
{
	u64 oblock = table_oblock(&c->table, to_cblock(i));
	u64 wanted = from_oblock(bio_ctx(bio)->oblock);
	u32 state;
	bool broken;

	if (oblock == NO_OBLOCK || (wanted != NO_OBLOCK && oblock != wanted))
		return DROP_GONE;
	state = atomic_read(&c->table.entries[i].state);
	if (state & BL_DIRTY)
		return DROP_DIRTY;
	broken = test_bit(i, c->invalidation.broken.bits);
	if (!broken && !(state & BL_LOCKED))
		return DROP_GONE;	/* nothing wrong with it, or with what is there now */
	if (mg_park(c, to_oblock(oblock), bio))
		return DROP_PARKED;
	return broken ? DROP_LATER : DROP_GONE;
}

/*
 * Stops at a block that is not gone yet, and at the end of this round.  DROP_GONE: all blocks that
 * it has looked at are gone.
 */
static enum drop_look look_at_some(struct cache *c, struct bio *bio)
{
	struct bio_ctx *x = bio_ctx(bio);
	const u32 end = x->index + min(x->nr, BLOCKS_A_ROUND);
	const bool flush = from_oblock(x->oblock) == NO_OBLOCK;
	enum drop_look r;

	while (x->index < end) {
		r = drop_look_at(c, bio, x->index);
		if (r != DROP_GONE)
			return r;
		x->index++;
		x->nr--;
		if (!flush)
			x->oblock = to_oblock(from_oblock(x->oblock) + 1);
	}
	return DROP_GONE;
}

/* Engine: a bio that waits for its blocks to be dropped has its turn.  Consumes it. */
void drop_step(struct cache *c, struct bio *bio)
{
	struct bio_ctx *x = bio_ctx(bio);
	const bool flush = from_oblock(x->oblock) == NO_OBLOCK;

	if (flush && !leads(c, bio))
		return;
	if (cache_md_mode(c) != MD_WRITE) {
		end_waiting(c, bio, false);
		return;
	}
	if (flush && !x->named) {
		if (name_unflushed(c, x))
			engine_defer(c, bio, false);
		else
			end_waiting(c, bio, false);
		return;
	}
	switch (look_at_some(c, bio)) {
	case DROP_PARKED:
		break;
	case DROP_LATER:
		engine_defer(c, bio, true);
		break;
	case DROP_DIRTY:
		end_waiting(c, bio, false);
		break;
	case DROP_GONE:
		if (x->nr)
			engine_defer(c, bio, false);
		else
			end_waiting(c, bio, true);
		break;
	}
}

/*----- at a clean shutdown -----*/

/*
 * A mapping goes without a migration: there are no bios.  Its cblock is not used before the
 * resume, which is after the commit (rule R3).
 */
static int drop_now(struct cache *c, cblock_t cb)
{
	bool retire = test_bit(from_cblock(cb), c->invalidation.broken.bits) &&
		      !test_bit(from_cblock(cb), c->invalidation.broken.suspect);
	int r = dmc_md_remove(c->md, cb);

	if (r)
		return r;
	broken_remove(&c->invalidation.broken, from_cblock(cb));
	intent_publish(c, cb, false);
	table_remove(&c->table, cb);
	c->policy->type->invalidate(c->policy, cb);
	if (retire)
		free_block_retire(c, cb);
	else
		free_block_return(c, cb);
	return 0;
}

/* Commits now and then, so that the metadata device has room for any number of changes. */
static int drop_and_commit(struct cache *c, u32 cb, u32 *nr)
{
	struct dmc_md_stats stats;
	int r = drop_now(c, to_cblock(cb));

	if (r || ++*nr % DROPS_A_COMMIT)
		return r;
	stats_for_disk(c, &stats);
	return dmc_md_commit(c->md, &stats);
}

/*
 * Drops the blocks that were to be dropped when the suspend came.  If they were recorded as clean,
 * the next table would serve them.  What was written back has been flushed.  0, or an error of the
 * metadata's.
 */
int drop_broken_now(struct cache *c)
{
	unsigned long bit;
	u32 nr = 0;
	int r = 0;

	lockdep_assert_held(&c->md_mutex);
	if (likely(!broken_any(&c->invalidation.broken)))
		return 0;
	for_each_set_bit(bit, c->invalidation.broken.bits, c->geo.nr_cblocks) {
		if (table_oblock(&c->table, to_cblock(bit)) == NO_OBLOCK ||
		    atomic_read(&c->table.entries[bit].state) & BL_UNCLEAN)
			broken_remove(&c->invalidation.broken, bit);
		else
			r = drop_and_commit(c, bit, &nr);
		if (r)
			return r;
	}
	return 0;
}

/*
 * The cache device could not be flushed, so may have lost what was written to it.  If the origin
 * has all of that (writethrough mode, no dirty block), the mappings are dropped and *@gone is true;
 * else it is false.  0, or an error of the metadata's.
 */
int drop_unflushed(struct cache *c, bool *gone)
{
	const bool all = !intent_tell_all(c, intent_put_back(c));
	u32 i, nr = 0;
	int r = 0;

	lockdep_assert_held(&c->md_mutex);
	*gone = c->io_mode == IO_WRITETHROUGH && !atomic_read(&c->nr_dirty);
	if (!*gone)
		return 0;
	flush_told(&c->cache_flush);	/* nothing of the user's is lost */
	for (i = 0; i < c->geo.nr_cblocks && !r; i++)
		if (table_oblock(&c->table, to_cblock(i)) != NO_OBLOCK &&
		    (all || atomic_read(&c->table.entries[i].state) & BL_INTENT))
			r = drop_and_commit(c, i, &nr);
	DMWARN("%s: cache device %s cannot be flushed: %u blocks that it might have lost are dropped",
	       cache_name(c), c->cache_dev->name, nr);
	return r;
}
