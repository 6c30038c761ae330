// SPDX-License-Identifier: GPL-2.0-only
/*
 * engine.c - drives the migrations, and maps bios that had to wait.
 *
 * Beside the bio's path: one work a cache (engine-work.h), running once at a time.  Each round
 * takes the steps that are due, maps released bios, and asks the policy for more work, within the
 * limits:  migration_threshold sectors being copied, CACHE_MAX_MIGRATIONS at all, none while
 * suspending or when the metadata cannot be changed.  It is kicked by misses that interest the
 * policy, by ends of copies and commits, and by a tick once a second.
 *
 * The engine never sleeps on I/O: copies are asynchronous, commits run in their own work
 * (commit.c).  So released bios never wait for a commit they do not need.
 *
 * Bios wait for these works, so no allocation in them, whatever they call, may wait for I/O.
 *
 * Locks: migrations.lock or deferred_lock, briefly; the policy is called without any.
 */
#include "block-lock.h"
#include "map.h"
#include "partial.h"
#include "pm.h"
#include "remap.h"
#include "settle.h"
#include "write-intent.h"
#include <linux/sched/mm.h>

DECLARE_DM_KCOPYD_THROTTLE_WITH_MODULE_PARM(cache_copy_throttle,
	"percentage of time that copies to and from cache devices may take");

#define TICK_PERIOD HZ
#define IDLE_AFTER (HZ / 4)	/* without a bio: then background work disturbs none */
#define WORK_PER_ROUND 256
#define HOLD_TIMEOUT (60 * HZ)	/* how long the machine's going to sleep waits for copies */

void engine_kick(struct cache *c)
{
	engine_work_now(&c->engine.work);
}

/* Consumes @bio: maps it again, soon or, with @later, after a moment.  Any context. */
void engine_defer(struct cache *c, struct bio *bio, bool later)
{
	unsigned long flags;

	compat_bio_own(bio);
	spin_lock_irqsave(&c->engine.deferred_lock, flags);
	bio_list_add(&c->engine.deferred, bio);
	spin_unlock_irqrestore(&c->engine.deferred_lock, flags);
	if (later)
		engine_work_later(&c->engine.work);
	else
		engine_kick(c);
}

/* Consumes @bio, which failed on a clean cblock: reads it from the origin.  Any context. */
void engine_reread(struct cache *c, struct bio *bio)
{
	unsigned long flags;

	compat_bio_own(bio);
	spin_lock_irqsave(&c->engine.deferred_lock, flags);
	bio_list_add(&c->engine.reread, bio);
	spin_unlock_irqrestore(&c->engine.deferred_lock, flags);
	engine_kick(c);
}

static void map_deferred(struct cache *c)
{
	struct bio_list deferred, reread;
	unsigned long flags;
	struct bio *bio;

	spin_lock_irqsave(&c->engine.deferred_lock, flags);
	deferred = c->engine.deferred;
	reread = c->engine.reread;
	bio_list_init(&c->engine.deferred);
	bio_list_init(&c->engine.reread);
	spin_unlock_irqrestore(&c->engine.deferred_lock, flags);

	while ((bio = bio_list_pop(&reread))) {
		remap_to_origin(c, bio);
		submit_bio_noacct(bio);
	}
	while ((bio = bio_list_pop(&deferred)))
		map_again(c, bio);
}

static void step_ready(struct cache *c)
{
	struct migration *mg;
	LIST_HEAD(ready);

	spin_lock_irq(&c->mg.lock);
	list_splice_init(&c->mg.ready, &ready);
	spin_unlock_irq(&c->mg.lock);

	while ((mg = list_first_entry_or_null(&ready, struct migration, list))) {
		list_del_init(&mg->list);
		mg_step(mg);
	}
}

/* True after IDLE_AFTER without a bio. */
static bool engine_idle(struct cache *c)
{
	struct cache_stats s;
	u64 bios;

	stats_sum(c, &s);
	bios = s.read_hits + s.read_misses + s.write_hits + s.write_misses;
	if (bios != c->engine.seen_bios) {
		c->engine.seen_bios = bios;
		c->engine.busy_at = jiffies;
	}
	return time_after(jiffies, c->engine.busy_at + IDLE_AFTER);
}

/* A partial block that is to be written back goes: only its valid granules are copied. */
static enum mg_kind kind_of_copy(struct cache *c, const struct dmc_work *w)
{
	const u32 state = atomic_read(&entry_of(c, w->cblock)->state);

	return w->op == DMC_OP_DEMOTE || state & BL_PARTIAL ? MG_DEMOTE : MG_WRITEBACK;
}

static struct migration *promotion_asked_for(struct cache *c, oblock_t oblock)
{
	struct migration *mg = mg_alloc_promotion(c, oblock, false);

	if (mg && c->reserve.owed)
		WRITE_ONCE(c->reserve.owed, c->reserve.owed - 1);
	return mg;
}

static struct migration *mg_for_work(struct cache *c, const struct dmc_work *w)
{
	struct migration *mg;

	if (from_oblock(w->oblock) >= c->geo.nr_oblocks)
		return NULL;
	if (w->op == DMC_OP_PROMOTE)
		return promotion_asked_for(c, w->oblock);
	if (!errors_may_clean(c))
		return NULL;
	if (from_cblock(w->cblock) >= c->geo.nr_cblocks)
		return NULL;
	mg = mg_alloc(c, kind_of_copy(c, w), w->oblock, w->cblock);
	if (mg)
		mg->op = w->op;
	return mg;
}

static void start_work(struct cache *c, struct dmc_work *w)
{
	struct migration *mg = mg_for_work(c, w);

	if (mg) {
		mg->asked_by_policy = true;
		if (!mg_start(mg))
			return;
		mg_free(mg);
	}
	c->policy->type->work_done(c->policy, w, false);
}

static bool may_start_work(struct cache *c)
{
	u32 nr, copied;

	if (READ_ONCE(c->quiescing) || cache_md_mode(c) != MD_WRITE ||
	    c->io_mode == IO_PASSTHROUGH)
		return false;
	/*
	 * A migration that does not copy yet counts too; one that only waits for a commit does not.
	 */
	nr = mg_nr_others(c);
	copied = min(nr, READ_ONCE(c->commit.nr));
	if (errors_serialize_copies(c) && nr > copied)
		return false;
	return nr < CACHE_MAX_MIGRATIONS / 2 &&
	       mg_within_threshold(c, (u64)(nr - copied) * c->geo.block_sectors);
}

static void ask_policy(struct cache *c)
{
	const struct dmc_policy_type *t = c->policy->type;
	struct dmc_work w;
	bool idle;
	int i;

	idle = engine_idle(c);
	intent_note_idle(c, idle);
	settle_look(c, idle);
	if (!may_start_work(c))
		return;
	for (i = 0; i < WORK_PER_ROUND && may_start_work(c); i++) {
		if (t->next_work(c->policy, idle, reserve_spared(c), &w))
			break;
		start_work(c, &w);
	}
}

static void engine_work_fn(struct work_struct *work)
{
	struct cache *c = container_of(work, struct cache, engine.work.now);
	unsigned int noio;

	if (unlikely(READ_ONCE(c->held))) {
		pm_note_waiting(c);
		return;
	}
	noio = memalloc_noio_save();
	settle_lost(c);
	step_ready(c);
	posted_send(c);
	drop_broken(c);
	map_deferred(c);
	ask_policy(c);
	partial_prepare(c);
	reserve_fill(c);
	reserve_let_in(c);
	if (unlikely(intent_due(c)))
		commit_soon(c);
	memalloc_noio_restore(noio);
}

static void tick_work_fn(struct work_struct *work)
{
	struct cache *c = container_of(to_delayed_work(work), struct cache, engine.tick);
	unsigned int noio;

	if (unlikely(READ_ONCE(c->held)))
		return;
	noio = memalloc_noio_save();
	if (c->policy->type->tick)
		c->policy->type->tick(c->policy);
	errors_tell(c);
	if (atomic_read(&c->nr_volatile))
		settle_soon(c);
	partial_store(c);
	free_blocks_retry(c);
	memalloc_noio_restore(noio);
	engine_kick(c);
	queue_delayed_work(c->engine.wq, &c->engine.tick, TICK_PERIOD);
}

/* Resume: from here on migrations start. */
void engine_start(struct cache *c)
{
	c->engine.busy_at = jiffies;
	WRITE_ONCE(c->quiescing, false);
	queue_delayed_work(c->engine.wq, &c->engine.tick, TICK_PERIOD);
	if (partial_limit(c))
		engine_kick(c);
	pm_enter(c);
}

/* What was written to partial blocks is recorded, though no FLUSH asked for it. */
static void store_partial(struct cache *c)
{
	while (partial_pending(c) && cache_md_mode(c) == MD_WRITE) {
		partial_store(c);
		flush_delayed_work(&c->commit.work);
	}
	if (partial_pending(c))
		DMERR("%s: what was written to partial blocks since the last flush cannot be recorded",
		      cache_name(c));
}

/*
 * Postsuspend: no bio is in flight, none will come.  Returns when no migration is left and neither
 * work runs.  Migrations end by themselves, with an error if a device is gone.
 */
void engine_stop(struct cache *c)
{
	WRITE_ONCE(c->quiescing, true);
	cancel_delayed_work_sync(&c->engine.tick);
	/* A round that began before may still start a migration; later ones do not. */
	flush_work(&c->engine.work.now);
	commit_soon(c);
	wait_event(c->mg.idle_wait, !atomic_read(&c->mg.nr));
	store_partial(c);
	/* The last commit may still kick the engine, which has nothing to commit any more. */
	flush_delayed_work(&c->commit.work);
	cancel_delayed_work_sync(&c->engine.work.later);
	cancel_work_sync(&c->engine.work.now);
	pm_leave(c);
}

/*
 * The machine goes to sleep, and may forget what comes from here on.  When this returns 0, nothing
 * is being copied or committed, and the works do nothing until engine_release(): bios that need
 * them wait.  -EBUSY: copies do not end.  Not while a table is suspended or resumed.
 */
int engine_hold(struct cache *c)
{
	WRITE_ONCE(c->quiescing, true);
	flush_work(&c->engine.work.now);
	partial_store(c);
	commit_soon(c);
	if (!wait_event_timeout(c->mg.idle_wait, !atomic_read(&c->mg.nr), HOLD_TIMEOUT)) {
		engine_release(c);
		return -EBUSY;
	}
	WRITE_ONCE(c->held, true);
	cancel_delayed_work_sync(&c->engine.tick);
	cancel_delayed_work_sync(&c->engine.work.later);
	cancel_work_sync(&c->engine.work.now);
	cancel_delayed_work_sync(&c->commit.work);
	return 0;
}

void engine_release(struct cache *c)
{
	WRITE_ONCE(c->held, false);
	c->engine.busy_at = jiffies;
	WRITE_ONCE(c->quiescing, false);
	mod_delayed_work(c->engine.wq, &c->engine.tick, TICK_PERIOD);
	engine_kick(c);
	commit_soon(c);
}

/* On error engine_exit() cleans up. */
int engine_init(struct cache *c)
{
	struct dm_kcopyd_client *copier;

	spin_lock_init(&c->mg.lock);
	spin_lock_init(&c->engine.deferred_lock);
	INIT_LIST_HEAD(&c->mg.ready);
	bio_list_init(&c->engine.deferred);
	bio_list_init(&c->engine.reread);
	bio_list_init(&c->reserve.waiting);
	init_waitqueue_head(&c->mg.idle_wait);
	INIT_DELAYED_WORK(&c->engine.tick, tick_work_fn);
	c->quiescing = true;

	if (commit_init(c))
		return -ENOMEM;
	c->mg.pool = mempool_create_kmalloc_pool(CACHE_MAX_MIGRATIONS, sizeof(struct migration));
	if (!c->mg.pool)
		return -ENOMEM;
	c->engine.wq = alloc_workqueue("dm-" DM_MSG_PREFIX, WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!c->engine.wq)
		return -ENOMEM;
	engine_work_init(&c->engine.work, c->engine.wq, engine_work_fn);
	copier = dm_kcopyd_client_create(&dm_kcopyd_throttle);
	if (IS_ERR(copier))
		return PTR_ERR(copier);
	c->mg.copier = copier;
	return 0;
}

/* Copes with any part of engine_init(). */
void engine_exit(struct cache *c)
{
	if (c->mg.copier)
		dm_kcopyd_client_destroy(c->mg.copier);
	if (c->engine.wq)
		destroy_workqueue(c->engine.wq);
	mempool_destroy(c->mg.pool);
	commit_exit(c);
}
