// SPDX-License-Identifier: GPL-2.0-only
/*
 * write-intent.c - dirty bits that are on disk before they are needed.
 *
 * After a crash the blocks to write back are those whose dirty bit is on disk.  So the bit has to
 * be there, durably, before the first write to a clean block is sent: not when it is acknowledged,
 * since a write that was only sent may reach the cache, be read back after the crash, and then
 * vanish when the block, taken for clean, is dropped.  A block whose bit is on disk is *marked*:
 *
 *	unmarked   cache and origin are the same, durably
 *	marked     they may differ; its first write need not wait
 *	dirty      marked, and the cache is known to be newer; so are volatile blocks (dirty.c)
 *
 * On the bio's path: map.c looks at one bit of the word that it reads anyway.  A write to an
 * unmarked block parks on a migration of the kind MG_WRITE_INTENT, which goes straight to the
 * commit worker.  In writethrough mode a block is marked as well: of the two halves of a write a
 * crash may keep one.
 *
 * Marking costs a commit, so unmarked neighbours that share the metadata block are marked too.  And
 * a block that was cleaned stays marked, so a block that is written again and again pays once.
 *
 * A crash makes blocks dirty for nothing if they are marked but not dirty: the *excess*.  It is
 * kept to one in INTENT_BUDGET of the cache blocks (INTENT_BUDGET_MIN in a tiny cache).  Beyond
 * three quarters of that, marks are cleared down to half; when the cache is idle, down to a
 * quarter.  Only what is under way (at most CACHE_MAX_MIGRATIONS blocks being marked, copied or
 * cleaned) may exceed the budget.  In writethrough mode it holds when the cache is idle; until then
 * blocks that were written stay marked, and up to 31 neighbours of each.
 *
 * Clearing: take the bit away in memory, from blocks that are clean (dirty.c) and have no
 * writer; then flush both data devices, which makes all that was ever written to the block
 * durable on both; then clear the bits and commit.  A write that comes meanwhile finds the block
 * unmarked, and waits for the commit after that.
 *
 * The intent bits in memory: set by the commit worker, after its commit, and for promotions by the
 * engine, when they appear; taken away by the commit worker, and by the engine with the mapping.
 *
 * Locks: none; single bits of a block's state word, by atomic operations.
 */
#include "block-lock.h"
#include "write-intent.h"
#include <linux/mm.h>

#define INTENT_BUDGET 20		/* one in so many cache blocks: 5 % */
#define INTENT_BUDGET_MIN 8U
/* Neighbours that are marked together. */
#define INTENT_GROUP DMC_MD_WORD_BITS
/* Cache blocks whose bits, or mappings, share a metadata block. */
#define INTENT_LEAF DMC_MD_MAPPINGS_PER_BLOCK
#define INTENT_RESERVE 24	/* metadata blocks that a commit takes, beside the leaves */
#define INTENT_PAUSE (10 * HZ)	/* after a flush for them that failed */

/* So many blocks have their marks in the same metadata block. */
static u32 leaf_size(const struct cache *c)
{
	return c->md_version == 2 ? INTENT_LEAF * DMC_MD_WORD_BITS : INTENT_LEAF;
}

/* At most: the format may not be known yet. */
static u32 nr_leaves(const struct cache *c)
{
	return c->geo.nr_cblocks / INTENT_LEAF + 1;
}

int intent_init(struct cache *c)
{
	struct write_intent *m = kzalloc(sizeof(*m), GFP_KERNEL);

	c->intent = m;
	if (!m)
		return -ENOMEM;
	m->clear = kvcalloc(INTENT_BATCH, sizeof(*m->clear), GFP_KERNEL);
	m->ahead = kvcalloc(INTENT_BATCH, sizeof(*m->ahead), GFP_KERNEL);
	m->set = kvcalloc(INTENT_SET_MOST, sizeof(*m->set), GFP_KERNEL);
	m->leaves = kvcalloc(BITS_TO_LONGS(nr_leaves(c)), sizeof(long), GFP_KERNEL);
	return m->clear && m->ahead && m->set && m->leaves ? 0 : -ENOMEM;
}

void intent_exit(struct cache *c)
{
	if (!c->intent)
		return;
	kvfree(c->intent->clear);
	kvfree(c->intent->ahead);
	kvfree(c->intent->set);
	kvfree(c->intent->leaves);
	kfree(c->intent);
}

/*----- how many -----*/

/* How many blocks are marked but not dirty.  The answer may be stale. */
static u32 excess(struct cache *c)
{
	int marked = atomic_read(&c->intent->nr), dirty = atomic_read(&c->nr_dirty);

	return marked > dirty ? marked - dirty : 0;
}

static u32 budget(struct cache *c)
{
	return max(c->geo.nr_cblocks / INTENT_BUDGET, INTENT_BUDGET_MIN);
}

/*
 * Clearing starts when the excess is above this.  In writethrough mode no block gets dirty.  So
 * under load clearing would take the bits from blocks that are being written: it waits until the
 * cache is idle.
 */
static u32 high_water(struct cache *c)
{
	if (c->io_mode == IO_WRITETHROUGH && !READ_ONCE(c->intent->idle))
		return c->geo.nr_cblocks;
	return READ_ONCE(c->intent->idle) ? budget(c) / 4 : budget(c) - budget(c) / 4;
}

/* Clearing ends when the excess is down to this; marking ahead when it is up to this. */
static u32 low_water(struct cache *c)
{
	return READ_ONCE(c->intent->idle) ? budget(c) / 4 : budget(c) / 2;
}

/* Are bits to be cleared now? */
bool intent_due(struct cache *c)
{
	unsigned long not_before = READ_ONCE(c->intent->not_before);

	return excess(c) > high_water(c) && intent_needed(c) && !READ_ONCE(c->quiescing) &&
	       !atomic_read(&c->invalidation.nr_waiting) &&
	       (!not_before || time_after(jiffies, not_before));
}

void intent_note_idle(struct cache *c, bool idle)
{
	if (c->intent->idle != idle)
		WRITE_ONCE(c->intent->idle, idle);
}

/* Free metadata blocks, as of the last commit: nothing is changed between two commits. */
static u64 free_metadata(struct cache *c)
{
	return c->md_total - c->md_used;
}

/* How many changes a commit has room for. */
static u32 changes_fit(struct cache *c)
{
	return dmc_md_changes_fit(c->geo.nr_cblocks, c->md_version == 2, c->md_total,
				  free_metadata(c));
}

/* How many of them may be for bits that no bio waits for. */
static u32 spare_leaves(struct cache *c)
{
	return free_metadata(c) < 4 * INTENT_RESERVE ? 0 : changes_fit(c) / 3;
}

/* How many of them are left for migrations. */
u32 intent_leave_room(struct cache *c)
{
	return changes_fit(c) - spare_leaves(c);
}

void intent_begin_batch(struct cache *c)
{
	bitmap_zero(c->intent->leaves, nr_leaves(c));
	c->intent->nr_leaves = 0;
	c->intent->nr_marks = 0;
}

/* Marks in the same leaf are one change. */
bool intent_fits(struct cache *c, const struct migration *mg, u32 *room)
{
	const bool mark = mg->kind == MG_WRITE_INTENT;
	struct write_intent *m = c->intent;
	const u32 leaf = from_cblock(mg->cblock) / leaf_size(c);

	if (mark && m->nr_marks == INTENT_MARKS)
		return false;
	m->nr_marks += mark;
	if (mark && test_bit(leaf, m->leaves))
		return true;
	if (!*room)
		return false;
	--*room;
	if (mark) {
		__set_bit(leaf, m->leaves);
		m->nr_leaves++;
	}
	return true;
}

/*----- in memory -----*/

static void intent_set(struct cache *c, cblock_t cb)
{
	if (!(atomic_fetch_or(BL_INTENT, &entry_of(c, cb)->state) & BL_INTENT))
		atomic_inc(&c->intent->nr);
}

static void intent_drop(struct cache *c, cblock_t cb)
{
	if (atomic_fetch_andnot(BL_INTENT, &entry_of(c, cb)->state) & BL_INTENT)
		atomic_dec(&c->intent->nr);
}

/* A mapping appears, or has gone. */
void intent_publish(struct cache *c, cblock_t cb, bool marked)
{
	if (marked)
		intent_set(c, cb);
	else
		intent_drop(c, cb);
}

/* True: the block was marked, and is not any more. */
static bool intent_try_drop(struct cache *c, cblock_t cb)
{
	struct cblock_entry *e = entry_of(c, cb);
	int s = atomic_read(&e->state);

	do {
		if ((s & (BL_INTENT | BL_UNCLEAN)) != BL_INTENT || s & BL_WRITERS)
			return false;
	} while (!atomic_try_cmpxchg(&e->state, &s, s & ~BL_INTENT));
	atomic_dec(&c->intent->nr);
	return true;
}

/*----- clearing -----*/

/*
 * Chooses bits to clear, and takes them away in memory.  True: there are some, so the flushes
 * come next.
 */
bool intent_collect(struct cache *c)
{
	struct write_intent *m = c->intent;
	u32 leaves, leaf, last_leaf = ~0U, n;

	m->nr_clear = 0;
	if (likely(!intent_due(c)))
		return false;
	WRITE_ONCE(m->clearing, true);
	leaves = spare_leaves(c);
	for (n = 0; n < c->geo.nr_cblocks && m->nr_clear < INTENT_BATCH; n++) {
		if (!(n & 65535) && excess(c) <= low_water(c))
			break;
		if (m->hand >= c->geo.nr_cblocks)
			m->hand = 0;
		leaf = m->hand / INTENT_LEAF;
		if (leaf != last_leaf && !leaves)
			break;
		if (table_oblock(&c->table, to_cblock(m->hand)) != NO_OBLOCK &&
		    intent_try_drop(c, to_cblock(m->hand))) {
			leaves -= leaf != last_leaf;
			last_leaf = leaf;
			m->clear[m->nr_clear++] = m->hand;
			if (excess(c) <= low_water(c))
				break;
		}
		m->hand++;
	}
	return m->nr_clear;
}

/*
 * Marks the chosen blocks again: no commit came in between, so their bits are still on disk.  A
 * block whose mapping the engine took away is not marked.  If the engine does so just now, a mark
 * is left, which is set right when its cblock is mapped again.
 */
static void put_back(struct cache *c)
{
	struct write_intent *m = c->intent;
	u32 i;

	for (i = 0; i < m->nr_clear; i++)
		if (table_oblock(&c->table, to_cblock(m->clear[i])) != NO_OBLOCK)
			intent_set(c, to_cblock(m->clear[i]));
	m->nr_clear = 0;
	smp_wmb();	/* pairs with intent_put_back() */
	WRITE_ONCE(m->put_back, m->put_back + 1);
}

/*
 * Makes durable on both sides what was ever written to the chosen blocks; on the origin it is
 * durable already if @settled is 0.  If that fails, false: the blocks are marked again, since when
 * a cache device is gone, what is not marked passes for durable.
 */
bool intent_flush(struct cache *c, int settled)
{
	struct write_intent *m = c->intent;
	u32 nr = m->nr_clear;
	int r = settled;

	if (!nr) {
		WRITE_ONCE(m->clearing, false);
		return false;
	}
	if (!r)
		r = flush_device(&c->cache_flush);
	/*
	 * A FLUSH may have failed since the look at the bits, and waits for what they tell, or one
	 * of ours failed before, and the next FLUSH will ask: invalidate.c.
	 */
	if (!r && (flush_untold(&c->cache_flush) || atomic_read(&c->invalidation.nr_waiting)))
		r = -EIO;
	if (r)
		put_back(c);
	WRITE_ONCE(m->not_before, r ? (jiffies + INTENT_PAUSE) | 1 : 0);
	smp_wmb();	/* intent_tell_all() sees the one or the other */
	WRITE_ONCE(m->clearing, false);
	if (!r)
		return true;
	DMERR_LIMIT("%s: cannot flush the data devices (%d): %u clean blocks would count as dirty after a crash",
		    cache_name(c), r, nr);
	return false;
}

/*----- setting -----*/

/*
 * A promotion commits its intent bit with its mapping, if it will need one: the block is dirty at
 * once; a write waits for it; or what was copied is in the origin's volatile cache still, or was
 * written to both, so that a crash can leave the two different.
 */
void intent_of_promotions(struct cache *c, struct list_head *batch)
{
	bool origin_is_ahead = flush_needed(&c->origin_flush);
	struct migration *mg;

	if (!intent_needed(c))
		return;
	list_for_each_entry(mg, batch, list) {
		if (mg->kind != MG_PROMOTE)
			continue;
		spin_lock_irq(&c->mg.lock);
		mg->intent = origin_is_ahead || mg->overwriter || !bio_list_empty(&mg->parked);
		spin_unlock_irq(&c->mg.lock);
	}
}

/* Could @cb be written soon, and is it mapped, on disk too? */
static bool intent_worthwhile(struct cache *c, u32 cb)
{
	struct cblock_entry *e = entry_of(c, to_cblock(cb));
	/* In this order: the mapping of a removed block goes before its lock. */
	u32 s = (u32)atomic_read_acquire(&e->state);

	return !(s & (BL_LOCKED | BL_INTENT)) && table_oblock(&c->table,
							      to_cblock(cb)) != NO_OBLOCK;
}

/*
 * How high the excess may get by marking ahead in [begin, end).  In writethrough mode blocks that
 * were written stay in the excess; there, a group of which two blocks were written is marked as a
 * whole.
 */
static u32 ahead_limit(struct cache *c, u32 begin, u32 end)
{
	u32 marked = 0, i;

	if (c->io_mode != IO_WRITETHROUGH)
		return low_water(c);
	for (i = begin; i < end; i++)
		marked += !!(atomic_read(&c->table.entries[i].state) & BL_INTENT);
	return marked >= 2 ? c->geo.nr_cblocks : budget(c) / 2;
}

/*
 * The neighbours of @cb that are marked with it, as far as the budget goes: those in the same
 * metadata block, which changes anyway.
 */
static void intent_ahead(struct cache *c, u32 cb)
{
	struct write_intent *m = c->intent;
	const u32 leaf = cb - cb % leaf_size(c), group = round_down(cb, INTENT_GROUP);
	const u32 begin = max(group, leaf);
	const u32 end = min3(group + INTENT_GROUP, leaf + leaf_size(c), c->geo.nr_cblocks);
	u32 limit = ahead_limit(c, begin, end), have = excess(c) + m->nr_ahead, i;

	for (i = begin; i < end && have < limit && m->nr_ahead < INTENT_BATCH; i++) {
		if (i == cb || !intent_worthwhile(c, i))
			continue;
		m->set[m->nr_set++] = i;
		m->ahead[m->nr_ahead++] = i;
		have++;
	}
}

void intent_warn_no_room(struct cache *c)
{
	DMWARN("%s: metadata device %s is nearly full: after a crash every cached block will count as dirty",
	       cache_name(c), c->metadata_dev->name);
}

/* If the device has so little room, no bits are set: after a crash every block counts as dirty. */
int intent_check_room(struct cache *c)
{
	const u32 wanted = c->intent->nr_leaves;
	int r;

	if (!wanted || !dmc_md_is_tracking(c->md) || free_metadata(c) >= wanted + INTENT_RESERVE)
		return 0;
	r = dmc_md_stop_tracking(c->md);
	if (r)
		return r;
	intent_warn_no_room(c);
	c->intent->strayed = true;
	WRITE_ONCE(c->intent->kept, false);
	return 0;
}

static int set_bits(struct cache *c, struct list_head *batch)
{
	struct write_intent *m = c->intent;
	bool spare = spare_leaves(c);
	struct migration *mg;

	m->nr_ahead = 0;
	m->nr_set = 0;
	list_for_each_entry(mg, batch, list) {
		if (mg->error || (mg->kind != MG_WRITE_INTENT && !mg->intent))
			continue;
		m->set[m->nr_set++] = from_cblock(mg->cblock);
		if (mg->kind == MG_WRITE_INTENT && spare)
			intent_ahead(c, from_cblock(mg->cblock));
	}
	commit_sort(m->set, m->nr_set);
	return dmc_md_set_dirty_many(c->md, m->set, m->nr_set, true);
}

/*
 * Within the transaction: what is to be cleared first, so that a block that is asked for again
 * keeps its bit.  The mappings of @batch have been changed.
 */
int intent_change(struct cache *c, struct list_head *batch)
{
	int r;

	lockdep_assert_held(&c->md_mutex);
	if (!dmc_md_is_tracking(c->md))
		return 0;
	/* Some may have no mapping any more, though the engine did not get to say so. */
	r = dmc_md_set_dirty_many(c->md, c->intent->clear, c->intent->nr_clear, false);
	if (!r)
		r = set_bits(c, batch);
	return r;
}

/* The commit is durable, or failed.  True: more bits are to be cleared. */
bool intent_committed(struct cache *c, struct list_head *batch, int error)
{
	struct write_intent *m = c->intent;
	bool cleared = m->nr_clear;
	struct migration *mg;
	u32 i;

	if (!error && intent_needed(c)) {
		list_for_each_entry(mg, batch, list)
			if (mg->kind == MG_WRITE_INTENT && !mg->error)
				intent_set(c, mg->cblock);
		for (i = 0; i < m->nr_ahead; i++)
			intent_set(c, to_cblock(m->ahead[i]));
	}
	m->nr_clear = 0;
	m->nr_ahead = 0;
	return cleared && !error && intent_due(c);
}

/*----- activation and shutdown -----*/

/* @kept: the metadata is tracking, and its dirty bits are those of the blocks that are marked. */
void intent_begin(struct cache *c, bool kept)
{
	c->intent->hand = 0;
	if (!kept)
		c->intent->strayed = true;
	WRITE_ONCE(c->intent->kept, kept);
}

/* The cache is suspended: nothing changes the bits any more. */
void intent_end(struct cache *c)
{
	WRITE_ONCE(c->intent->kept, false);
}

/* Are all marked blocks dirty, and all dirty ones marked? */
static bool settled(struct cache *c)
{
	return !c->intent->strayed && atomic_read(&c->intent->nr) == atomic_read(&c->nr_dirty);
}

/* For the clean shutdown: do the dirty bits on disk differ for some of these blocks? */
bool intent_differ(void *ctx, cblock_t first, u32 nr)
{
	struct cache *c = ctx;
	const struct cblock_entry *e = entry_of(c, first), *end = e + nr;

	if (settled(c))
		return false;
	if (c->intent->strayed)
		return true;
	for (; e < end; e++)
		if ((atomic_read(&e->state) & (BL_INTENT | BL_DIRTY)) == BL_INTENT)
			return true;
	return false;
}

/* A clean shutdown stored the very dirty bits: just the dirty blocks are marked. */
void intent_settled(struct cache *c)
{
	struct cblock_entry *e = c->table.entries, *end = e + c->geo.nr_cblocks;

	if (settled(c))
		return;
	c->intent->strayed = false;
	for (; e < end; e++) {
		u32 s = atomic_read(&e->state), both = s & (BL_DIRTY | BL_INTENT);

		if (both == BL_DIRTY || both == BL_INTENT)
			atomic_set(&e->state, s ^ BL_INTENT);
	}
	atomic_set(&c->intent->nr, atomic_read(&c->nr_dirty));
}
