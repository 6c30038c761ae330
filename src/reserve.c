// SPDX-License-Identifier: GPL-2.0-only
/*
 * reserve.c - free cache blocks for writes that miss, ahead of need.
 *
 * A write that misses can have a partial block (partial.c) if a cblock is free.  In a full cache
 * none is, and a block that is removed can be used again only after a commit (rule R3).  So while
 * write_allocate is on, some cblocks are kept free: clean blocks are removed that the policy would
 * evict next.  Nothing is copied.  When half of the reserve is used up it is filled again, with all
 * removals in one commit.
 *
 * Whose the free blocks are: writes that get a partial block may have all but the last, and writes
 * of whole blocks all.  For anything else, those of the reserve do not count; but those do that the
 * policy has made itself.
 *
 * A write that finds too few waits, once, for those that are about to be free.  That is a commit,
 * where the origin would take a seek for each write.
 *
 * No more is removed than may still become partial: at the bound of write_allocate nothing is, and
 * when that is 0 there is no reserve.
 *
 * Contexts: as reserve.h says.  Locks: deferred_lock, over the list of waiting bios.
 */
#include "block-lock.h"
#include "partial.h"
#include "reserve.h"

/* As many free cblocks are the reserve, if there are so many. */
static u32 size(const struct cache *c)
{
	const u32 limit = partial_limit(c);

	if (likely(!limit) || c->io_mode != IO_WRITEBACK || !c->policy->type->make_room)
		return 0;
	return min(RESERVE_MOST, limit / 4);
}

/* So many are to be made free.  What cannot become partial needs none. */
static u32 wanted(const struct cache *c)
{
	const u32 limit = partial_limit(c), nr = READ_ONCE(c->partials->nr);

	return nr < limit ? min(size(c), limit - nr) : 0;
}

/* The last one is left to promotions. */
bool reserve_has_block(const struct cache *c)
{
	return READ_ONCE(c->free.nr) > 1;
}

u32 reserve_spared(const struct cache *c)
{
	const u32 nr_free = READ_ONCE(c->free.nr), reserved = size(c);

	if (likely(!reserved))
		return nr_free;
	return max(nr_free > reserved ? nr_free - reserved : 0,
		   min(nr_free, READ_ONCE(c->reserve.owed)));
}

/*----- filling it -----*/

static bool may_fill(struct cache *c)
{
	return !READ_ONCE(c->quiescing) && cache_md_mode(c) == MD_WRITE && errors_may_clean(c);
}

static u32 free_or_leaving(const struct cache *c)
{
	return READ_ONCE(c->free.nr) + atomic_read(&c->reserve.nr_leaving);
}

/* Are so many missing that it is worth a commit? */
bool reserve_is_low(const struct cache *c)
{
	return free_or_leaving(c) < DIV_ROUND_UP(wanted(c), 2);
}

/* False: @w is done with, and was not started. */
static bool start_leaving(struct cache *c, const struct dmc_work *w)
{
	struct migration *mg = NULL;

	if (from_cblock(w->cblock) < c->geo.nr_cblocks &&
	    from_oblock(w->oblock) < c->geo.nr_oblocks)
		mg = mg_alloc_leaving(c, w->oblock, w->cblock);
	if (mg && !mg_start(mg))
		return true;
	if (mg)
		mg_free(mg);
	c->policy->type->work_done(c->policy, w, false);
	return false;
}

/* Once a round of the engine. */
void reserve_fill(struct cache *c)
{
	struct dmc_work w;
	u32 nr = 0;

	if (likely(!partial_limit(c)) || !may_fill(c))
		return;
	if (c->reserve.not_before && time_before(jiffies, c->reserve.not_before))
		return;
	c->reserve.not_before = 0;
	if (!reserve_is_low(c))
		return;
	while (free_or_leaving(c) < wanted(c)) {
		if (c->policy->type->make_room(c->policy, &w) || !start_leaving(c, &w)) {
			/* Blocks get clean, or cold, some other time. */
			c->reserve.not_before = jiffies + 1;
			break;
		}
		nr++;
	}
	if (nr)
		commit_soon(c);
}

/*----- bios that wait for it -----*/

bool reserve_wait(struct cache *c, struct bio *bio)
{
	struct bio_ctx *x = bio_ctx(bio);
	unsigned long flags;

	if (x->room_awaited || !wanted(c))
		return false;
	x->room_awaited = true;
	spin_lock_irqsave(&c->engine.deferred_lock, flags);
	bio_list_add(&c->reserve.waiting, bio);
	spin_unlock_irqrestore(&c->engine.deferred_lock, flags);
	engine_kick(c);
	return true;
}

/* Once a round, behind reserve_fill(): if nothing is leaving then, there is nothing to wait for. */
void reserve_let_in(struct cache *c)
{
	bool any = false;

	if (likely(bio_list_empty(&c->reserve.waiting)))
		return;
	spin_lock_irq(&c->engine.deferred_lock);
	if (reserve_has_block(c) || !atomic_read(&c->reserve.nr_leaving)) {
		bio_list_merge(&c->engine.deferred, &c->reserve.waiting);
		bio_list_init(&c->reserve.waiting);
		any = true;
	}
	spin_unlock_irq(&c->engine.deferred_lock);
	if (any)
		engine_kick(c);
}
