// SPDX-License-Identifier: GPL-2.0-only
/*
 * settle.c - a block that was written back is clean only after a flush of the origin (rule R13).
 *
 * Beside the bio's path.  A block that was written back is volatile (dirty.c): for bios and the
 * policy the same as clean, for everything that is durable the same as dirty.  Here it becomes
 * clean, by a flush of the origin, or dirty again, if a flush of the origin failed.  No metadata
 * commit removes a mapping, or clears a dirty bit, without that flush before it: commit.c.
 *
 * The volatile blocks are in two lists: those written back since the last flush began, and those
 * that this flush is for.  So no search goes through all blocks of a cache.  The lists are short:
 * if there is no place for a block, it goes to the commit worker instead, with writers locked out,
 * and is dirty until the flush.  A flush comes with the next removal of a mapping; when all blocks
 * are written back; when a list is half full; when the cache is idle; and once a second.
 *
 * A flush that fails, the user's or our own, may be the only sign that the drive has lost its cache
 * (flush.h).  Then all volatile blocks are dirty again, and removals that rely on what was written
 * before fail.  If the origin goes on failing, nothing is copied to it for a while: errors.c.
 *
 * Passthrough: no block is volatile, and a block that is removed is no newer than the origin.  So
 * there is no flush; it would cost one for each first write to a cached block.
 *
 * Contexts: the engine adds, and makes dirty; the commit worker, or the shutdown when neither
 * runs, flushes and makes clean.  Locks: settle.lock, then the policy's.
 */
#include "block-lock.h"
#include "dirty.h"
#include "settle.h"
#include <linux/mm.h>

/* When only volatile blocks are left the user is told soon; but a few times a second is enough. */
#define SETTLE_APART (HZ / 10)

#define NO_CBLOCK (~0U)

int settle_init(struct cache *c)
{
	struct settle *s = kzalloc(sizeof(*s), GFP_KERNEL);

	c->settle = s;
	if (!s)
		return -ENOMEM;
	spin_lock_init(&s->lock);
	s->last = jiffies;
	s->fresh.cblocks = kvcalloc(SETTLE_MOST, sizeof(u32), GFP_KERNEL);
	s->flushing.cblocks = kvcalloc(SETTLE_MOST, sizeof(u32), GFP_KERNEL);
	return s->fresh.cblocks && s->flushing.cblocks ? 0 : -ENOMEM;
}

void settle_exit(struct cache *c)
{
	if (!c->settle)
		return;
	kvfree(c->settle->fresh.cblocks);
	kvfree(c->settle->flushing.cblocks);
	kfree(c->settle);
}

void settle_soon(struct cache *c)
{
	WRITE_ONCE(c->settle->due, true);
	commit_soon(c);
}

/*----- the engine -----*/

/*
 * If a block is written back for the second time while the flush for the first is under way, that
 * flush does not make it clean.
 */
static void forget(struct settle_list *l, u32 cblock)
{
	u32 i;

	for (i = 0; i < l->nr; i++)
		if (l->cblocks[i] == cblock)
			l->cblocks[i] = NO_CBLOCK;
}

/* Are all blocks clean or volatile?  The answer may be stale. */
static bool all_written(struct cache *c)
{
	return atomic_read(&c->nr_volatile) >= atomic_read(&c->nr_dirty);
}

static void look_after_note(struct cache *c, u32 nr)
{
	if (nr >= SETTLE_MOST / 2)
		settle_soon(c);
	else if (all_written(c) && time_after(jiffies, READ_ONCE(c->settle->last) + SETTLE_APART))
		settle_soon(c);
	/* Else the next tick calls settle_soon(). */
}

/*
 * @mg has written its block back, and keeps writers out of it.  True: it is volatile.  False:
 * there is no place, or the copy may be lost; the commit worker has to see to it.
 */
bool settle_note(struct migration *mg)
{
	struct cache *c = mg->c;
	struct settle *s = c->settle;
	u32 nr, lost;

	spin_lock(&s->lock);
	nr = s->fresh.nr;
	lost = flush_lost(&c->origin_flush);
	if (s->failed || nr >= SETTLE_MOST || mg->lost != lost) {
		spin_unlock(&s->lock);
		return false;
	}
	if (!nr)
		s->lost = lost;
	forget(&s->flushing, from_cblock(mg->cblock));
	s->fresh.cblocks[s->fresh.nr++] = from_cblock(mg->cblock);
	dirty_written(c, mg->cblock);
	spin_unlock(&s->lock);
	look_after_note(c, nr + 1);
	return true;
}

static u32 make_dirty(struct cache *c, struct settle_list *l)
{
	u32 i, nr = 0;

	for (i = 0; i < l->nr; i++)
		if (l->cblocks[i] != NO_CBLOCK)
			nr += dirty_lost(c, to_cblock(l->cblocks[i]));
	l->nr = 0;
	return nr;
}

/*
 * After a flush that failed: what was volatile is dirty.  The engine's, or the shutdown's: no
 * migration can publish anything meanwhile.
 */
void settle_lost(struct cache *c)
{
	struct settle *s = c->settle;
	u32 nr;

	if (likely(!READ_ONCE(s->failed)))
		return;
	spin_lock(&s->lock);
	nr = make_dirty(c, &s->flushing) + make_dirty(c, &s->fresh);
	s->failed = false;
	spin_unlock(&s->lock);
	if (nr)
		DMERR_LIMIT("%s: origin device %s could not be flushed: %u blocks that were written back to it are dirty again",
			    cache_name(c), c->origin_dev->name, nr);
}

/* Once a round: an idle cache has time for it. */
void settle_look(struct cache *c, bool idle)
{
	if (unlikely(idle && atomic_read(&c->nr_volatile)) && !READ_ONCE(c->quiescing) &&
	    time_after(jiffies, READ_ONCE(c->settle->last) + SETTLE_APART))
		settle_soon(c);
}

/*----- the commit worker -----*/

static void make_clean(struct cache *c)
{
	struct settle *s = c->settle;
	bool last = false;
	u32 i;

	spin_lock(&s->lock);
	for (i = 0; i < s->flushing.nr; i++)
		if (s->flushing.cblocks[i] != NO_CBLOCK)
			last |= dirty_settled(c, to_cblock(s->flushing.cblocks[i]));
	s->flushing.nr = 0;
	spin_unlock(&s->lock);
	/* "dmsetup wait" returns. */
	if (last)
		dm_table_event(c->ti->table);
}

static void fail(struct cache *c, int error)
{
	struct settle *s = c->settle;

	DMERR_LIMIT("%s: cannot flush the origin device (%d): not demoting, nothing is clean",
		    cache_name(c), error);
	errors_note(c, ERR_ORIGIN);
	errors_origin_flushed(c, false);
	spin_lock(&s->lock);
	WRITE_ONCE(s->failed, true);
	spin_unlock(&s->lock);
}

/* False: the engine has not made dirty yet what the last flush lost. */
static bool take_fresh(struct cache *c, u32 *lost)
{
	struct settle *s = c->settle;
	bool ok;

	spin_lock(&s->lock);
	ok = !s->failed;
	if (ok) {
		*lost = s->fresh.nr ? s->lost : flush_lost(&c->origin_flush);
		swap(s->fresh, s->flushing);
	}
	spin_unlock(&s->lock);
	return ok;
}

/*
 * Flushes the origin; all that was written back before is clean then.  On an error it is to be
 * dirty: settle_lost() follows, by the engine.
 */
int settle_now(struct cache *c)
{
	u32 lost;
	int r;

	WRITE_ONCE(c->settle->due, false);
	WRITE_ONCE(c->settle->last, jiffies);
	if (!take_fresh(c, &lost))
		return -EIO;
	r = flush_device(&c->origin_flush);
	if (!r && flush_lost(&c->origin_flush) != lost)
		r = -EIO;
	if (r) {
		fail(c, r);
		return r;
	}
	errors_origin_flushed(c, true);
	make_clean(c);
	return 0;
}

static bool relies_on_origin(const struct migration *mg)
{
	return !mg_fills(mg) && mg->kind != MG_WRITE_INTENT;
}

/*
 * Is the origin all that is left, and all that is needed, of @mg's block?  What @mg itself copied
 * may be lost; what it did not copy may have got dirty again since.
 */
static int check_settled(struct cache *c, const struct migration *mg)
{
	if (mg->copied)
		return mg->lost == flush_lost(&c->origin_flush) ? 0 : -EIO;
	return atomic_read(&entry_of(c, mg->cblock)->state) & BL_UNCLEAN ? -EBUSY : 0;
}

/*
 * Before the metadata changes for @batch, some of which may fail here; or, with @clears_intent,
 * dirty bits are cleared.  0: what the origin holds of them is durable.
 */
int settle_batch(struct cache *c, struct list_head *batch, bool clears_intent)
{
	bool wanted = clears_intent || READ_ONCE(c->settle->due);
	struct migration *mg;
	int r;

	if (c->io_mode == IO_PASSTHROUGH)
		return 0;
	list_for_each_entry(mg, batch, list)
		wanted |= relies_on_origin(mg);
	if (!wanted)
		return 0;
	r = settle_now(c);
	if (r)
		engine_kick(c);
	list_for_each_entry(mg, batch, list)
		if (relies_on_origin(mg) && !mg->error)
			mg->error = r ? r : check_settled(c, mg);
	return r;
}
