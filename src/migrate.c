// SPDX-License-Identifier: GPL-2.0-only
/*
 * migrate.c - promote, demote, clean, drop, mark: one state machine for a block.
 *
 * Beside the bio's path: started by the policy's wish (engine.c) or by a bio (map.c), driven by
 * the engine from step to step (migrate.h lists them).  mg_start(), mg_park() and mg_drained() run
 * in any context; mg_step() in the engine only.
 *
 * The mapping table and the entries' locks change in mg_finish() alone, after the commit, so
 * what bios see is never ahead of what is durable (rule R1), and a cblock is returned to the free
 * ones only there (rule R3).  But a partial block, which is dirty, is mapped without (rule R15), by
 * mg_map_partial() if nothing is in the way.
 *
 * Locks: migrations.lock, then free_lock or deferred_lock.
 */
#include "block-lock.h"
#include "copy.h"
#include "dirty.h"
#include "partial.h"
#include "posted.h"
#include "settle.h"
#include "write-intent.h"

static struct hlist_head *bucket_of_slot(struct cache *c, u32 slot)
{
	return &c->mg.hash[slot % CACHE_MG_BUCKETS];
}

static struct migration *mg_alloc_within(struct cache *c, enum mg_kind kind, oblock_t ob,
					 cblock_t cb, u32 limit)
{
	struct migration *mg;

	if (atomic_inc_return(&c->mg.nr) > limit)
		goto err_count;
	mg = mempool_alloc(c->mg.pool, GFP_NOWAIT | __GFP_NOWARN);
	if (!mg)
		goto err_count;

	memset(mg, 0, sizeof(*mg));
	mg->c = c;
	mg->kind = kind;
	mg->oblock = ob;
	mg->cblock = cb;
	mg->slot = slot_of(c, ob);
	INIT_HLIST_NODE(&mg->hash);
	INIT_LIST_HEAD(&mg->list);
	bio_list_init(&mg->parked);
	return mg;

err_count:
	if (atomic_dec_and_test(&c->mg.nr))
		wake_up(&c->mg.idle_wait);
	return NULL;
}

/* Those with a bound of their own: they copy nothing, and do not count to the limit. */
static u32 mg_nr_extra(const struct cache *c)
{
	return atomic_read(&c->posted.nr) + atomic_read(&c->reserve.nr_leaving);
}

/* How many there are but for those. */
u32 mg_nr_others(struct cache *c)
{
	return max_t(int, atomic_read(&c->mg.nr) - mg_nr_extra(c), 0);
}

/* Never sleeps.  NULL if the limit is reached or there is no memory. */
struct migration *mg_alloc(struct cache *c, enum mg_kind kind, oblock_t ob, cblock_t cb)
{
	return mg_alloc_within(c, kind, ob, cb, CACHE_MAX_MIGRATIONS + mg_nr_extra(c));
}

/* For the reserve.  These do not count to the limit of the others, since they copy nothing. */
struct migration *mg_alloc_leaving(struct cache *c, oblock_t ob, cblock_t cb)
{
	struct migration *mg = NULL;

	if (atomic_inc_return(&c->reserve.nr_leaving) <= RESERVE_MOST)
		mg = mg_alloc_within(c, MG_DEMOTE, ob, cb, CACHE_MAX_MIGRATIONS + mg_nr_extra(c));
	if (!mg) {
		atomic_dec(&c->reserve.nr_leaving);
		return NULL;
	}
	mg->op = DMC_OP_MAKE_ROOM;
	mg->asked_by_policy = true;
	return mg;
}

/*
 * May one more copy run, next to @sectors in progress?  A first one always may, or a block size
 * above the threshold would stop everything; but a threshold of 0 says that nothing is to move.
 */
bool mg_within_threshold(struct cache *c, u64 sectors)
{
	const u32 threshold = READ_ONCE(c->migration_threshold);

	return threshold && (!sectors || sectors + c->geo.block_sectors <= threshold);
}

/*
 * May one more write be held back until its block has come in?  As many may as the threshold has
 * room for, whatever the engine is copying: it counts them too, and so copies less meanwhile.
 */
static bool write_alloc_get(struct cache *c)
{
	const u32 others = atomic_inc_return(&c->mg.nr_write_allocs) - 1;

	if (mg_within_threshold(c, (u64)others * c->geo.block_sectors))
		return true;
	atomic_dec(&c->mg.nr_write_allocs);
	return false;
}

/*
 * Are promotions possible now?  The answer may be stale; that of mg_alloc_promotion() counts.  The
 * limit to copies is not asked for, since some promotions need no copy.
 */
bool mg_may_promote(struct cache *c)
{
	return !READ_ONCE(c->quiescing) && c->io_mode != IO_PASSTHROUGH &&
	       cache_md_mode(c) == MD_WRITE && READ_ONCE(c->free.nr) && errors_may_promote(c);
}

/*
 * A promotion with its free cblock, or NULL.  @write_alloc: a write is to wait until it is copied.
 * Never sleeps.
 */
struct migration *mg_alloc_promotion(struct cache *c, oblock_t ob, bool write_alloc)
{
	struct migration *mg;

	if (!mg_may_promote(c))
		return NULL;
	mg = mg_alloc(c, MG_PROMOTE, ob, to_cblock(0));
	if (!mg)
		return NULL;
	mg->write_alloc = write_alloc && write_alloc_get(c);
	if (mg->write_alloc == write_alloc)
		mg->owns_cblock = free_block_take(c, &mg->cblock);
	if (!mg->owns_cblock) {
		mg_free(mg);
		return NULL;
	}
	return mg;
}

/* @mg is in no list. */
void mg_free(struct migration *mg)
{
	struct cache *c = mg->c;

	if (mg->write_alloc)
		atomic_dec(&c->mg.nr_write_allocs);
	if (mg->posted)
		posted_put(mg);
	if (mg->owns_cblock && mg->retire_cblock)
		free_block_retire(c, mg->cblock);
	else if (mg->owns_cblock)
		free_block_return(c, mg->cblock);
	if (mg_makes_room(mg))
		atomic_dec(&c->reserve.nr_leaving);
	mempool_free(mg, c->mg.pool);
	/* The cache may go then; device-mapper waits for RCU first. */
	rcu_read_lock();
	if (atomic_dec_and_test(&c->mg.nr))
		wake_up(&c->mg.idle_wait);
	rcu_read_unlock();
}

static void mg_make_ready_locked(struct migration *mg, enum mg_state state)
{
	lockdep_assert_held(&mg->c->mg.lock);
	mg->state = state;
	list_add_tail(&mg->list, &mg->c->mg.ready);
}

/* Leaves @mg to the commit worker, whose work is to be queued. */
static void mg_make_committable_locked(struct migration *mg)
{
	lockdep_assert_held(&mg->c->mg.lock);
	mg->state = MG_COMMIT;
	list_add_tail(&mg->list, &mg->c->commit.waiting);
	mg->c->commit.nr += !mg_is_extra(mg);
}

/* Hands @mg to the engine.  Any context. */
void mg_make_ready(struct migration *mg, enum mg_state state)
{
	struct cache *c = mg->c;
	unsigned long flags;

	spin_lock_irqsave(&c->mg.lock, flags);
	mg_make_ready_locked(mg, state);
	spin_unlock_irqrestore(&c->mg.lock, flags);
	engine_kick(c);
}

static struct migration *mg_of_locked(const struct cache *c, oblock_t ob, u32 slot)
{
	struct migration *mg;

	lockdep_assert_held(&c->mg.lock);
	hlist_for_each_entry(mg, &c->mg.hash[slot % CACHE_MG_BUCKETS], hash)
		if (mg->oblock == ob)
			return mg;
	return NULL;
}

static u32 lock_bit(const struct migration *mg)
{
	return mg->kind == MG_WRITEBACK || mg->kind == MG_FILL ? BL_NO_WRITE : BL_LOCKED;
}

static bool mg_is_drained(const struct migration *mg)
{
	if (mg_locks_entry(mg))
		return block_drained(entry_of(mg->c, mg->cblock), lock_bit(mg));
	return slot_drained(mg->c, mg->slot);
}

/* Is the block still as it was when this migration was wanted? */
static int mg_check_locked(const struct migration *mg)
{
	struct cache *c = mg->c;
	cblock_t cb;
	bool mapped;

	if (mg_of_locked(c, mg->oblock, mg->slot))
		return -EBUSY;

	mapped = table_lookup(&c->table, mg->oblock, &cb);
	if (mg->kind == MG_PROMOTE)
		return mapped ? -EEXIST : 0;
	if (!mapped || cb != mg->cblock)
		return -ENOENT;
	if (mg->kind == MG_FILL && !(atomic_read(&entry_of(c, cb)->state) & BL_PARTIAL))
		return -ENOENT;
	if (mg->posted && atomic_read(&entry_of(c, cb)->state) & (BL_INTENT | BL_UNCLEAN))
		return -EEXIST;
	if (mg->kind == MG_WRITEBACK && !(atomic_read(&entry_of(c, cb)->state) & BL_DIRTY))
		return -ENOENT;
	return 0;
}

/*
 * Claims the block.  0: the migration runs and is no longer the caller's.  -EBUSY (another
 * migration of the oblock), -EEXIST (already mapped, or marked), -ENOENT (not mapped so, or not
 * dirty): nothing happened.  Never sleeps.
 */
int mg_start(struct migration *mg)
{
	struct cache *c = mg->c;
	unsigned long flags;
	bool drained, urgent;
	int r;

	spin_lock_irqsave(&c->mg.lock, flags);
	r = mg_check_locked(mg);
	if (r) {
		spin_unlock_irqrestore(&c->mg.lock, flags);
		return r;
	}

	hlist_add_head(&mg->hash, bucket_of_slot(c, mg->slot));
	if (mg->kind == MG_WRITE_INTENT) {
		if (mg->posted)
			block_lock(entry_of(c, mg->cblock), lock_bit(mg));
		urgent = !mg->posted || posted_queued(mg);
		mg_make_committable_locked(mg);
		/* As soon as the lock is free the commit worker may be through with @mg. */
		spin_unlock_irqrestore(&c->mg.lock, flags);
		if (urgent)
			commit_soon(c);
		else
			commit_shortly(c);
		return 0;
	}
	if (mg_locks_entry(mg)) {
		block_lock(entry_of(c, mg->cblock), lock_bit(mg));
	} else {
		slot_claim(c, mg->slot);
		errors_promoting(c);
	}
	/* A bio that leaves after this look sees the claim, and calls mg_drained(). */
	mg->state = MG_DRAINING;
	drained = mg_is_drained(mg);
	if (drained && mg_makes_room(mg)) {
		/* There is nothing to copy, and many of these are started at a time. */
		mg_make_committable_locked(mg);
		drained = false;
	} else if (drained) {
		mg_make_ready_locked(mg, MG_DRAINED);
	}
	spin_unlock_irqrestore(&c->mg.lock, flags);

	if (drained)
		engine_kick(c);
	return 0;
}

/* Engine: the origin has the data of the posted write @mg, and the block does not. */
void mg_drop_instead(struct migration *mg)
{
	struct cache *c = mg->c;

	spin_lock_irq(&c->mg.lock);
	mg->kind = MG_INVALIDATE;
	/* If it cannot be dropped now, that is tried again. */
	mg->drops = true;
	mg->state = MG_DRAINING;
	spin_unlock_irq(&c->mg.lock);
	/* The writer's count that the bio left: it is not drained before. */
	block_put(c, entry_of(c, mg->cblock), BL_WRITER);
}

/*
 * Maps @ob to @cb, which is free, as a partial block: with nothing valid, and dirty.  False:
 * nothing happened; a migration has @ob, it is mapped, or a write to it may be on its way to the
 * origin.  Like a promotion from the claim to its end, all in one.  Any context.
 */
bool mg_map_partial(struct cache *c, oblock_t ob, cblock_t cb)
{
	const u32 slot = slot_of(c, ob);
	unsigned long flags;
	cblock_t other;
	bool ok;

	spin_lock_irqsave(&c->mg.lock, flags);
	slot_claim(c, slot);
	ok = slot_drained(c, slot) && !mg_of_locked(c, ob, slot) &&
	     !table_lookup(&c->table, ob, &other) && partial_add(c, cb);
	if (ok) {
		errors_promoting(c);
		/* The policy knows the block before the first bio can hit it. */
		c->policy->type->allocated(c->policy, cb, ob, true);
		dirty_born(c, cb);
		intent_publish(c, cb, true);
		discard_forget(&c->discards, ob);
		table_insert(&c->table, cb, ob);
	}
	slot_unclaim(c, slot);
	spin_unlock_irqrestore(&c->mg.lock, flags);
	if (ok)
		atomic64_inc(&c->mg.nr_promotions);
	return ok;
}

/* The last bio that a migration of this slot waits for may have left.  Any context. */
void mg_drained(struct cache *c, u32 slot)
{
	struct migration *mg;
	unsigned long flags;
	bool kick = false;

	spin_lock_irqsave(&c->mg.lock, flags);
	hlist_for_each_entry(mg, bucket_of_slot(c, slot), hash) {
		if (mg->state == MG_DRAINING && mg_is_drained(mg)) {
			mg_make_ready_locked(mg, MG_DRAINED);
			kick = true;
		}
	}
	spin_unlock_irqrestore(&c->mg.lock, flags);
	if (kick)
		engine_kick(c);
}

/*
 * Leaves @bio to the migration that bars it: true, it will be mapped again at the end.  False:
 * that migration is over.  Any context.
 */
bool mg_park(struct cache *c, oblock_t ob, struct bio *bio)
{
	const u32 slot = slot_of(c, ob);
	struct migration *mg;
	unsigned long flags;
	bool parked = false, urgent = false;

	spin_lock_irqsave(&c->mg.lock, flags);
	hlist_for_each_entry(mg, bucket_of_slot(c, slot), hash) {
		if (mg->oblock == ob || (mg->kind == MG_PROMOTE && mg->slot == slot)) {
			bio_list_add(&mg->parked, bio);
			parked = true;
			urgent = mg->state == MG_COMMIT;
			break;
		}
	}
	spin_unlock_irqrestore(&c->mg.lock, flags);
	if (urgent)
		commit_soon(c);
	return parked;
}

/*
 * One more write to a block of which a write is posted: true if it goes with that, and a writer is
 * counted in the block, so that it stays mapped.  *@w is what is left of it, if anything.  Any
 * context.
 */
bool mg_join(struct cache *c, oblock_t ob, cblock_t cb, struct posted_write **w)
{
	struct migration *mg;
	unsigned long flags;
	bool ok;

	spin_lock_irqsave(&c->mg.lock, flags);
	mg = mg_of_locked(c, ob, slot_of(c, ob));
	ok = mg && mg->posted && mg->cblock == cb && mg->kind == MG_WRITE_INTENT &&
	     (mg->state == MG_COMMIT || mg->state == MG_COMMITTED) && posted_add(mg, w);
	if (ok)
		atomic_add(BL_WRITER, &entry_of(c, cb)->state);
	spin_unlock_irqrestore(&c->mg.lock, flags);
	return ok;
}

/* Is the end of @mg waited for?  A bio that comes later hurries the commit itself, in mg_park(). */
static bool mg_is_awaited(const struct migration *mg)
{
	const struct cache *c = mg->c;

	lockdep_assert_held(&c->mg.lock);
	return mg->overwriter || mg->kind == MG_INVALIDATE || mg->kind == MG_WRITEBACK ||
	       !bio_list_empty(&mg->parked) ||
	       (mg->kind == MG_DEMOTE && !READ_ONCE(c->free.nr)) || READ_ONCE(c->quiescing);
}

/* Step 4: the copy is there, or failed. */
static void mg_after_copy(struct migration *mg)
{
	struct cache *c = mg->c;
	unsigned long flags;
	bool urgent;

	if (!mg->error && mg->kind == MG_WRITEBACK)
		mg->noted = settle_note(mg);
	if (mg->error || mg->noted) {
		mg_make_ready(mg, MG_COMMITTED);
		return;
	}
	spin_lock_irqsave(&c->mg.lock, flags);
	mg_make_committable_locked(mg);
	urgent = mg_is_awaited(mg) || c->commit.nr >= CACHE_COMMIT_BATCH;
	spin_unlock_irqrestore(&c->mg.lock, flags);
	if (urgent)
		commit_soon(c);
	else
		commit_later(c);
}

/* When the last dirty block is clean, "dmsetup wait" returns. */
static void clean_block(struct migration *mg)
{
	struct cache *c = mg->c;

	if (dirty_clear(c, mg->cblock))
		dm_table_event(c->ti->table);
}

static void mg_tell_policy(struct migration *mg)
{
	struct cache *c = mg->c;
	const struct dmc_policy_type *t = c->policy->type;
	struct dmc_work work = {
		.op = mg->kind == MG_PROMOTE ? DMC_OP_PROMOTE : mg->op,
		.oblock = mg->oblock,
		.cblock = mg->cblock,
	};

	if (mg->asked_by_policy)
		t->work_done(c->policy, &work, !mg->error);
	/* A partial block that is written back goes, though the policy did not ask for that. */
	if (mg_removes(mg) && !mg->error &&
	    !(mg->asked_by_policy && mg->op != DMC_OP_WRITEBACK))
		t->invalidate(c->policy, mg->cblock);
}

/* The policy knows the block before the first bio can hit it. */
static void publish_promotion(struct migration *mg)
{
	struct cache *c = mg->c;

	mg->owns_cblock = false;
	if (!mg->partial)
		errors_promoted(c, false);
	mg_tell_policy(mg);
	/* A partial block is not on disk yet; it will be, with its dirty bit. */
	intent_publish(c, mg->cblock, mg->intent || mg->partial);
	if (mg->partial || (mg->overwriter && c->io_mode == IO_WRITEBACK))
		dirty_set(c, mg->cblock);
	discard_forget(&c->discards, mg->oblock);
	spin_lock_irq(&c->mg.lock);
	table_insert(&c->table, mg->cblock, mg->oblock);
	spin_unlock_irq(&c->mg.lock);
	atomic64_inc(&c->mg.nr_promotions);
}

/* The block is locked, so no bio can hit it, and stays so until the policy has forgotten it. */
static void publish_removal(struct migration *mg)
{
	struct cache *c = mg->c;

	clean_block(mg);
	intent_publish(c, mg->cblock, false);
	partial_dropped(c, mg->cblock);
	spin_lock_irq(&c->mg.lock);
	table_remove(&c->table, mg->cblock);
	spin_unlock_irq(&c->mg.lock);
	mg_tell_policy(mg);
	mg->owns_cblock = true;
	/* At most all that are free then are owed. */
	if (mg->asked_by_policy && mg->op == DMC_OP_DEMOTE)
		WRITE_ONCE(c->reserve.owed, min(c->reserve.owed, READ_ONCE(c->free.nr)) + 1);
	if (mg->kind == MG_DEMOTE || mg->passed_by)
		atomic64_inc(&c->mg.nr_demotions);
}

static void publish(struct migration *mg)
{
	if (mg->kind == MG_WRITE_INTENT) {
		/* The commit worker did. */
	} else if (mg->error) {
		mg_tell_policy(mg);
		if (mg->drops)
			drop_failed(mg);
		if (mg->posted)
			posted_lose(mg);
	} else if (mg->kind == MG_PROMOTE) {
		publish_promotion(mg);
	} else if (mg->kind == MG_FILL) {
		partial_filled(mg->c, mg->cblock);
	} else if (mg->kind == MG_WRITEBACK) {
		if (!mg->noted)
			clean_block(mg);
		mg_tell_policy(mg);
	} else {
		publish_removal(mg);
	}
}

static void end_overwriter(struct migration *mg)
{
	struct bio *bio = mg->overwriter;

	if (mg->error) {
		/* The cache did not take it.  It has not been acknowledged, so the origin can. */
		bio_rewind(bio);
		engine_defer(mg->c, bio, false);
		return;
	}
	compat_bio_end_again(bio, BLK_STS_OK);
}

/*
 * A passthrough write whose block could not be dropped must not reach the origin: the mapping on
 * disk would serve stale data later.
 */
static void release_parked(struct migration *mg, struct bio_list *parked)
{
	struct cache *c = mg->c;
	struct bio *bio;

	while ((bio = bio_list_pop(parked))) {
		if (mg->kind == MG_INVALIDATE && mg->error && c->io_mode == IO_PASSTHROUGH) {
			bio_refuse(bio, BLK_STS_IOERR);
		} else if (mg->drops && mg->error && bio_ctx(bio)->dropping) {
			drop_parked(c, bio);
		} else {
			engine_defer(c, bio, false);
		}
	}
}

/*
 * Step 6: the metadata is durable (or this failed): change what bios see, and let them in.  Engine;
 * a posted write that went well: any context.
 */
void mg_finish(struct migration *mg)
{
	struct cache *c = mg->c;
	struct bio_list parked;
	unsigned long flags;
	bool hashed = !hlist_unhashed(&mg->hash);

	publish(mg);
	if (hashed) {
		if (mg_locks_entry(mg))
			block_unlock(entry_of(c, mg->cblock), lock_bit(mg));
		else if (mg_claims_slot(mg))
			slot_unclaim(c, mg->slot);
	}
	spin_lock_irqsave(&c->mg.lock, flags);
	hlist_del_init(&mg->hash);
	parked = mg->parked;
	bio_list_init(&mg->parked);
	spin_unlock_irqrestore(&c->mg.lock, flags);

	if (mg->overwriter)
		end_overwriter(mg);
	release_parked(mg, &parked);
	mg_free(mg);
}

/* Engine: takes the next step.  The migration may be gone afterwards. */
void mg_step(struct migration *mg)
{
	switch (mg->state) {
	case MG_DRAINED:
		if (mg->partial) {
			/* There is nothing to copy, and its first write brings the commit. */
			mg->error = partial_allocate(mg->c, mg->cblock) ? 0 : -ENOSPC;
			mg_finish(mg);
			break;
		}
		mg->state = MG_COPYING;
		if (!mg->copied)	/* else before that began: posted.c */
			mg->lost = flush_lost(mg_fills(mg) ? &mg->c->cache_flush :
							     &mg->c->origin_flush);
		copy_start(mg);
		break;
	case MG_COPIED:
		mg_after_copy(mg);
		break;
	case MG_COMMITTED:
		if (mg->posted && mg->kind == MG_WRITE_INTENT)
			posted_marked(mg);
		else
			mg_finish(mg);
		break;
	case MG_POSTED:
		posted_step(mg);
		break;
	default:
		WARN_ON_ONCE(1);
	}
}
