// SPDX-License-Identifier: GPL-2.0-only
/*
 * commit.c - makes finished copies count: one metadata commit for as many migrations as wait.
 *
 * Step 5 of a migration (migrate.h).  It is a work item of its own, so that the engine goes on
 * while a commit waits for the disks.  What is copied meanwhile forms the next batch.  If no bio
 * waits for a copy, its commit is delayed a moment, so that one commit serves many; until then its
 * block is served from where it was.
 *
 * The order is the whole point (rules R2, R13).  A copy is durable on its destination before the
 * metadata that relies on it: promotions on the cache device; on the origin, before any mapping
 * goes or dirty bit is cleared, all that was ever written back (settle.c).  Then the metadata
 * changes and commits; only then does mg_finish() show the result to bios.  Write intents
 * (write-intent.c) that are no longer needed are cleared along the way, with both devices flushed.
 *
 * Locks: md_mutex over the metadata calls; migrations.lock to take the batch.
 */
#include "block-lock.h"
#include "write-intent.h"
#include "partial.h"
#include "settle.h"
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sort.h>

/* How long a copy may stay uncommitted if no bio waits for it: others join its commit meanwhile. */
#define COMMIT_DELAY (HZ / 10)

/* So many migrations are handed back with the lock held, and interrupts off. */
#define HAND_BACK 64

/* So much of the free metadata device is for one map; and so many maps have always room. */
#define METADATA_BLOCKS_PER_MAP 8
#define MAPS_ALWAYS 32ULL

int commit_init(struct cache *c)
{
	INIT_LIST_HEAD(&c->commit.waiting);
	INIT_DELAYED_WORK(&c->commit.work, commit_work_fn);
	/* No batch is longer. */
	c->commit.removed = kvcalloc(DMC_MD_COMMIT_MOST, sizeof(u32), GFP_KERNEL);
	return c->commit.removed ? 0 : -ENOMEM;
}

void commit_exit(struct cache *c)
{
	kvfree(c->commit.removed);
}

/* A bio, or the engine, waits for a migration in commit.waiting.  Any context. */
void commit_soon(struct cache *c)
{
	mod_delayed_work(c->engine.wq, &c->commit.work, 0);
}

/* Nothing waits, but it must not take long. */
void commit_shortly(struct cache *c)
{
	queue_delayed_work(c->engine.wq, &c->commit.work, 1);
}

void commit_later(struct cache *c)
{
	queue_delayed_work(c->engine.wq, &c->commit.work, COMMIT_DELAY);
}

/*
 * No more than one commit has room for: @room changes, where many marks may be one.  True: some are
 * left.  Meanwhile all of them are in a list of our own, so that the lock is not held for long.
 */
static bool take_batch(struct cache *c, struct list_head *batch, u32 room)
{
	struct migration *mg;
	LIST_HEAD(waiting);

	spin_lock_irq(&c->mg.lock);
	list_splice_init(&c->commit.waiting, &waiting);
	spin_unlock_irq(&c->mg.lock);
	intent_begin_batch(c);
	while ((mg = list_first_entry_or_null(&waiting, struct migration, list))) {
		if (!intent_fits(c, mg, &room))
			break;
		if (mg->posted && mg->kind == MG_WRITE_INTENT)
			posted_taken(mg);
		list_move_tail(&mg->list, batch);
	}
	if (!mg)
		return false;
	spin_lock_irq(&c->mg.lock);
	list_splice(&waiting, &c->commit.waiting);
	spin_unlock_irq(&c->mg.lock);
	return true;
}

static bool batch_fills(struct list_head *batch)
{
	struct migration *mg;

	list_for_each_entry(mg, batch, list)
		if (mg_fills(mg))
			return true;
	return false;
}

/*
 * One flush for all that this commit relies on to be durable on the cache device: promotions,
 * fills, and what was written to partial blocks.  If the device cannot flush, or could not since
 * they were copied, promotions and fills fail and no others.
 */
static void flush_cache(struct cache *c, struct list_head *batch)
{
	const bool fills = batch_fills(batch);
	struct migration *mg;
	int r, partial;
	u32 lost;

	if (!fills && !partial_changes(c))
		return;
	r = flush_device(&c->cache_flush);
	lost = flush_lost(&c->cache_flush);
	partial = partial_flushed(c, r);
	list_for_each_entry(mg, batch, list) {
		if (!mg_fills(mg) || mg->error)
			continue;
		mg->error = mg->kind == MG_FILL ? partial : r;
		if (!mg->error && mg->lost != lost)
			mg->error = -EIO;
		if (mg->error)
			errors_promoted(c, true);
	}
	if (!r)
		return;
	if (fills)
		DMERR_LIMIT("%s: cannot flush the cache device (%d): not promoting", cache_name(c), r);
	errors_note(c, ERR_CACHE);
}

static int compare_cblocks(const void *a, const void *b)
{
	const u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

void commit_sort(u32 *cblocks, u32 nr)
{
	u32 i;

	for (i = 1; i < nr; i++)
		if (cblocks[i] < cblocks[i - 1])
			break;
	if (i < nr)
		sort(cblocks, nr, sizeof(*cblocks), compare_cblocks, NULL);
}

static int change_mappings(struct cache *c, struct list_head *batch)
{
	u32 *removed = c->commit.removed, nr = 0;
	struct migration *mg;
	int r = 0;

	list_for_each_entry(mg, batch, list) {
		if (mg->error)
			continue;
		if (mg->kind == MG_PROMOTE)
			r = dmc_md_insert(c->md, mg->cblock, mg->oblock);
		else if (mg_removes(mg) && !mg->fresh)
			removed[nr++] = from_cblock(mg->cblock);
		if (r)
			return r;
	}
	commit_sort(removed, nr);
	return dmc_md_remove_many(c->md, removed, nr);
}

static int change_metadata(struct cache *c, struct list_head *batch)
{
	int r;

	lockdep_assert_held(&c->md_mutex);
	r = partial_change(c);
	if (!r)
		r = change_mappings(c, batch);
	return r ? r : intent_change(c, batch);
}

/*
 * 0, or an error after which nothing of the batch is durable and the metadata mode has gone down.
 */
static int commit_batch(struct cache *c, struct list_head *batch)
{
	struct dmc_md_stats stats;
	int r;

	lockdep_assert_held(&c->md_mutex);
	if (!c->md || cache_md_mode(c) != MD_WRITE)
		return -EROFS;

	r = intent_check_room(c);
	if (!r)
		r = change_metadata(c, batch);
	if (r) {
		mode_metadata_failed(c, "changing a mapping", r);
		return r;
	}
	if (!dmc_md_changed(c->md))
		return 0;
	stats_for_disk(c, &stats);
	r = dmc_md_commit(c->md, &stats);
	if (r) {
		mode_metadata_failed(c, "commit", r);
		return r;
	}
	dmc_md_get_usage(c->md, &c->md_used, &c->md_total);
	return 0;
}

/* The commit is durable, or failed with @r: each migration has its error.  True: more is due. */
static bool committed(struct cache *c, struct list_head *batch, int r)
{
	struct migration *mg;
	bool more;

	list_for_each_entry(mg, batch, list) {
		if (r && !mg->error)
			mg->error = r;
		if (mg->error)
			partial_keep(mg);
	}
	more = partial_committed(c, r);
	return intent_committed(c, batch, r) || more;
}

/* A batch may be long, so the lock is let go of now and then. */
static void hand_back(struct cache *c, struct list_head *batch)
{
	struct migration *mg;
	u32 nr = 0;

	spin_lock_irq(&c->mg.lock);
	while ((mg = list_first_entry_or_null(batch, struct migration, list))) {
		mg->state = MG_COMMITTED;
		c->commit.nr -= !mg_is_extra(mg);
		list_move_tail(&mg->list, &c->mg.ready);
		if (++nr % HAND_BACK)
			continue;
		spin_unlock_irq(&c->mg.lock);
		spin_lock_irq(&c->mg.lock);
	}
	spin_unlock_irq(&c->mg.lock);
	if (nr)
		engine_kick(c);
}

/*
 * Partial blocks have a share of what one commit has room for.  A change of theirs takes more: a
 * map beside the mapping; and as maps are in a tree, each may copy a block.
 */
static bool take(struct cache *c, struct list_head *batch)
{
	const u64 maps = (c->md_total - c->md_used) / METADATA_BLOCKS_PER_MAP;
	const u32 room = intent_leave_room(c);
	bool more;

	if (likely(!partial_used(c)))
		return take_batch(c, batch, room);
	more = take_batch(c, batch, max(room / 2, 1U));
	partial_begin(c, batch, min_t(u64, room / 4, max(maps, MAPS_ALWAYS)));
	return more;
}

static void commit(struct cache *c)
{
	LIST_HEAD(batch);
	bool more;
	int r;

	more = take(c, &batch);
	r = settle_batch(c, &batch, intent_collect(c));
	if (!intent_flush(c, r) && list_empty(&batch) && !partial_changes(c)) {
		partial_committed(c, 0);
		return;
	}

	flush_cache(c, &batch);
	intent_of_promotions(c, &batch);
	mutex_lock(&c->md_mutex);
	r = commit_batch(c, &batch);
	mutex_unlock(&c->md_mutex);
	if (committed(c, &batch, r) || more)
		commit_soon(c);
	hand_back(c, &batch);
}

/* Writes wait for this, so no allocation in it may wait for a write. */
void commit_work_fn(struct work_struct *work)
{
	struct cache *c = container_of(to_delayed_work(work), struct cache, commit.work);
	unsigned int noio;

	if (unlikely(READ_ONCE(c->held)))
		return;
	noio = memalloc_noio_save();
	commit(c);
	memalloc_noio_restore(noio);
}
