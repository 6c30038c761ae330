// SPDX-License-Identifier: GPL-2.0-only
/*
 * partial.c - a write that misses does not wait for the origin: it gets a partial block.
 *
 * On the bio's path: in writeback mode a write that misses takes a free cache block.  Of that block
 * only those granules are valid that were written; the origin has the rest.  map-partial.c asks
 * here which granules a bio touches, and tells of the end of each write.
 *
 *	allocated   mapped, dirty, in memory only; no granule is valid
 *	written     the write has ended: its granules are valid, and pending
 *	committed   the data flushed; mapping, dirty bit and map of valid granules on disk
 *	full        all granules are valid: after one more commit a block as any other
 *
 * A write is durable when a FLUSH or FUA after it is acknowledged, not before: these, and these
 * only, wait for the commit of what is pending (rule R15).  A commit *round* begins when one waits,
 * and once a second, with all that is pending then.  So it covers each write that ended before it,
 * and each FLUSH that came before it.  What ends later is pending for the next round.
 *
 * The commit worker copies the maps first, then flushes the cache device, then changes the
 * metadata.  So no granule is valid on disk before its data is durable (rule R16).  If that flush
 * fails, or any has since the data was sent (flush.h), the round is not stored, and a FLUSH fails:
 * one that waits, or the next.  Then the granules are pending as if just written: what the device
 * returns for them now its next flush makes durable.
 *
 * What is read after a crash is stable (rule R16).  A block that is not committed is not there
 * after a crash, and the origin was not touched.  A granule that is not committed reads from the
 * origin.  A granule that is committed is dirty on disk, so it may be overwritten in place.
 *
 * A partial block is always dirty.  It leaves that state in three ways: all granules are written;
 * a *fill* reads the missing ones from the origin; or it is *dropped*: the valid granules are
 * copied to the origin, then the mapping goes.
 *
 * Contexts: as each part of partial.h says.  Locks: partials.lock, interrupts off; only
 * partial-table.c is called with it held.
 */
#include "block-lock.h"
#include "partial.h"
#include "partial-table.h"
#include <linux/mm.h>

/* Changes that one round hands to one commit. */
#define PARTIAL_BATCH 512U
/* Metadata blocks that stay free for commits, and pending maps that may need one more. */
#define METADATA_RESERVE 64
#define MAPS_PER_METADATA_BLOCK 16

int partial_init(struct cache *c)
{
	struct partials *p = kzalloc(sizeof(*p), GFP_KERNEL);

	c->partials = p;
	if (!p)
		return -ENOMEM;
	spin_lock_init(&p->lock);
	mutex_init(&p->making);
	p->granule_sectors = dmc_granule_sectors(c->geo.block_sectors);
	p->nr_granules = dmc_nr_granules(c->geo.block_sectors);
	p->free = PARTIAL_NONE;
	INIT_LIST_HEAD(&p->pending);
	INIT_LIST_HEAD(&p->round);
	bio_list_init(&p->waiting);
	bio_list_init(&p->covered);
	p->batch = kvcalloc(PARTIAL_BATCH + CACHE_MAX_MIGRATIONS, sizeof(*p->batch), GFP_KERNEL);
	return p->batch ? 0 : -ENOMEM;
}

void partial_exit(struct cache *c)
{
	struct partials *p = c->partials;
	u32 i;

	if (!p)
		return;
	for (i = 0; i < p->nr_chunks; i++)
		kvfree(p->chunks[i]);
	kvfree(p->chunks);
	kvfree(p->buckets);
	kvfree(p->batch);
	kfree(p);
}

static u32 percent_of(const struct cache *c, u32 percent)
{
	return mult_frac(c->geo.nr_cblocks, percent, 100);
}

/* For as many blocks as may be partial at all, and at least @nr.  May sleep. */
static int make_table(struct cache *c, u32 nr)
{
	return partial_table_make(c->partials,
				  max3(nr, percent_of(c, CACHE_MAX_WRITE_ALLOCATE), 1U));
}

/* Sees to it that one can be added, if there is memory and no other adds beside. */
static void make_room(struct partials *p)
{
	if (p->free == PARTIAL_NONE)
		partial_table_grow(p);
}

/*----- pending -----*/

/* What becomes pending was sent when flush_lost() was @lost, or later. */
static void note_sent(struct partials *p, u32 lost)
{
	lockdep_assert_held(&p->lock);
	if (list_empty(&p->pending) || (s32)(lost - p->pending_lost) < 0)
		p->pending_lost = lost;
	/* It may be of a block that the round under way has not come to. */
	if (!list_empty(&p->round) && (s32)(lost - p->round_lost) < 0)
		p->round_lost = lost;
}

static void make_pending(struct partials *p, struct partial_block *b, u32 lost)
{
	note_sent(p, lost);
	if (!list_empty(&b->pending))
		return;
	list_add_tail(&b->pending, &p->pending);
	p->nr_pending++;
}

/* False: it was not pending. */
static bool take_pending(struct partials *p, struct partial_block *b)
{
	lockdep_assert_held(&p->lock);
	if (list_empty(&b->pending))
		return false;
	list_del_init(&b->pending);
	p->nr_pending--;
	return true;
}

/* As loaded, is the block dirty? */
static bool loaded_dirty(struct cache *c, cblock_t cb)
{
	return table_oblock(&c->table, cb) != NO_OBLOCK &&
	       atomic_read(&entry_of(c, cb)->state) & BL_DIRTY;
}

int partial_load(void *ctx, cblock_t cb, const u64 *valid)
{
	struct cache *c = ctx;
	struct partials *p = c->partials;
	struct partial_block *b;
	int r;

	r = make_table(c, dmc_md_nr_partial(c->md));
	if (r)
		return r;
	make_room(p);
	if (!loaded_dirty(c, cb)) {
		DMERR("%s: cache block %u is partial, but not dirty: use dmcache settle, which tells more",
		      cache_name(c), from_cblock(cb));
		return -EINVAL;
	}
	spin_lock_irq(&p->lock);
	b = partial_insert(p, from_cblock(cb));
	if (b)
		memcpy(b->valid, valid, sizeof(b->valid));
	spin_unlock_irq(&p->lock);
	if (!b)
		return -ENOMEM;
	atomic_or(BL_PARTIAL, &entry_of(c, cb)->state);
	return 0;
}

/* Is anything not on disk? */
bool partial_pending(struct cache *c)
{
	struct partials *p = c->partials;
	bool pending;

	if (likely(!READ_ONCE(p->nr)))
		return false;
	spin_lock_irq(&p->lock);
	pending = p->in_round || p->nr_pending;
	spin_unlock_irq(&p->lock);
	return pending;
}

/*
 * What is pending is to be on disk soon, though no bio waits for it.  A commit for other reasons
 * leaves it, since more is written to these blocks as a rule.
 */
void partial_store(struct cache *c)
{
	struct partials *p = c->partials;

	if (!partial_pending(c))
		return;
	spin_lock_irq(&p->lock);
	p->due = true;
	spin_unlock_irq(&p->lock);
	commit_soon(c);
}

/*----- how many -----*/

int partial_set_limit(struct cache *c, u32 percent)
{
	struct partials *p = c->partials;
	int r = percent ? make_table(c, 0) : 0;

	if (r)
		return r;
	spin_lock_irq(&p->lock);
	p->percent = percent;
	WRITE_ONCE(p->limit, percent ? max(percent_of(c, percent), 1U) : 0);
	spin_unlock_irq(&p->lock);
	return 0;
}

void partial_refused(struct cache *c, enum partial_refusal why)
{
	atomic64_inc(&c->partials->nr_refused[why]);
}

/* Does the range begin and end at granules?  The block's end is one. */
static bool whole_granules(const struct cache *c, u32 offset, u32 sectors)
{
	const u32 granule = c->partials->granule_sectors, end = offset + sectors;

	return !(offset % granule) && (!(end % granule) || end == c->geo.block_sectors);
}

/*
 * Each pending block may need more of the metadata device than there is now.  A commit that finds
 * no room would end all changes for good, so writes are sent to the origin long before.
 */
static bool metadata_has_room(const struct cache *c)
{
	const u64 used = READ_ONCE(c->md_used), total = READ_ONCE(c->md_total);

	return used + METADATA_RESERVE + READ_ONCE(c->partials->nr_pending) /
	       MAPS_PER_METADATA_BLOCK < total;
}

/*
 * Can the write @bio, which begins @offset sectors into its block, have a partial block?  A glance:
 * partial_allocate() decides.
 */
bool partial_may_allocate(struct cache *c, const struct bio *bio, u32 offset)
{
	struct partials *p = c->partials;

	if (likely(!READ_ONCE(p->limit)) || c->io_mode != IO_WRITEBACK)
		return false;
	if (!whole_granules(c, offset, bio_sectors(bio)))
		partial_refused(c, PARTIAL_UNALIGNED);
	else if (READ_ONCE(p->nr) >= READ_ONCE(p->limit))
		partial_refused(c, PARTIAL_NO_ROOM);
	else if (!metadata_has_room(c))
		partial_refused(c, PARTIAL_NO_METADATA);
	else
		return true;
	return false;
}

/*----- what bios do -----*/

static u32 first_granule(const struct partials *p, u32 offset)
{
	return offset / p->granule_sectors;
}

static u32 end_granule(const struct partials *p, u32 offset, u32 sectors)
{
	return DIV_ROUND_UP(offset + sectors, p->granule_sectors);
}

static bool granule_valid(const struct partial_block *b, u32 granule)
{
	return b->valid[granule / 64] >> (granule % 64) & 1;
}

/* Where the granules from @first on, before @end, cease to be as the first one is. */
static u32 end_of_run(const struct partial_block *b, u32 first, u32 end)
{
	const bool valid = granule_valid(b, first);
	u32 i = first;

	while (i < end && granule_valid(b, i) == valid)
		i++;
	return i;
}

/*
 * Is the range's first granule in the cache?  *@same: so many sectors, from the first one on, are
 * where that is.
 */
bool partial_look(struct cache *c, cblock_t cb, u32 offset, u32 sectors, u32 *same)
{
	struct partials *p = c->partials;
	const u32 first = first_granule(p, offset), end = end_granule(p, offset, sectors);
	struct partial_block *b;
	bool valid = true;
	unsigned long flags;
	u32 run = end;

	spin_lock_irqsave(&p->lock, flags);
	b = partial_find(p, from_cblock(cb));
	if (b) {
		run = end_of_run(b, first, end);
		valid = granule_valid(b, first);
	}
	spin_unlock_irqrestore(&p->lock, flags);
	*same = min(sectors, run * p->granule_sectors - offset);
	return valid;
}

/* Can the range be written in place?  Not if it covers a granule in part that is not valid. */
bool partial_can_write(struct cache *c, cblock_t cb, u32 offset, u32 sectors)
{
	struct partials *p = c->partials;
	const u32 first = first_granule(p, offset), end = end_granule(p, offset, sectors);
	struct partial_block *b;
	unsigned long flags;
	bool ok = true;

	if (likely(whole_granules(c, offset, sectors)))
		return true;
	spin_lock_irqsave(&p->lock, flags);
	b = partial_find(p, from_cblock(cb));
	if (b && offset % p->granule_sectors)
		ok = granule_valid(b, first);
	if (b && ok && !whole_granules(c, 0, offset + sectors))
		ok = granule_valid(b, end - 1);
	spin_unlock_irqrestore(&p->lock, flags);
	return ok;
}

static bool set_valid(struct partial_block *b, u32 first, u32 end)
{
	bool changed = false;
	u32 i;

	for (i = first; i < end; i++) {
		changed |= !granule_valid(b, i);
		b->valid[i / 64] |= 1ULL << i % 64;
	}
	return changed;
}

/* A write of the range, sent at the flush_lost() @lost, has ended well; it is still counted. */
void partial_written(struct cache *c, cblock_t cb, u32 offset, u32 sectors, u32 lost)
{
	struct partials *p = c->partials;
	struct partial_block *b;
	unsigned long flags;

	spin_lock_irqsave(&p->lock, flags);
	b = partial_find(p, from_cblock(cb));
	if (b && set_valid(b, first_granule(p, offset), end_granule(p, offset, sectors)))
		make_pending(p, b, lost);
	spin_unlock_irqrestore(&p->lock, flags);
}

/*
 * Has anything been written that is not on disk?  True: @bio, a FLUSH that came, or a write with
 * FUA that has ended, is taken: it goes on when the commit is durable.
 */
bool partial_wait(struct cache *c, struct bio *bio)
{
	struct partials *p = c->partials;
	unsigned long flags;
	bool wait = true;

	if (likely(!READ_ONCE(p->nr)))
		return false;
	spin_lock_irqsave(&p->lock, flags);
	if (!list_empty(&p->pending))
		bio_list_add(&p->waiting, bio);
	else if (p->in_round)
		bio_list_add(&p->covered, bio);
	else
		wait = false;
	spin_unlock_irqrestore(&p->lock, flags);
	if (wait)
		commit_soon(c);
	return wait;
}

/* A read had to go to the origin.  True: not for the first time, so a fill would pay. */
bool partial_missed(struct cache *c, cblock_t cb)
{
	struct partials *p = c->partials;
	struct partial_block *b;
	unsigned long flags;
	bool again = false;

	spin_lock_irqsave(&p->lock, flags);
	b = partial_find(p, from_cblock(cb));
	if (b) {
		again = b->wanted;
		b->wanted = true;
	}
	spin_unlock_irqrestore(&p->lock, flags);
	return again;
}

/*
 * The next run of granules that are @valid, or not, from sector *@offset of the block on: its first
 * sector and length.  Bios that could change them are kept out.  False: there is none.  A commit
 * may find meanwhile that the block is full: then all the rest is valid.
 */
bool partial_next_run(struct cache *c, cblock_t cb, bool valid, u32 *offset, u32 *sectors)
{
	struct partials *p = c->partials;
	u32 i = end_granule(p, 0, *offset), end;
	struct partial_block *b;
	unsigned long flags;

	spin_lock_irqsave(&p->lock, flags);
	b = partial_find(p, from_cblock(cb));
	while (b && i < p->nr_granules && granule_valid(b, i) != valid)
		i++;
	end = i;
	if (!b && valid)
		end = p->nr_granules;
	else if (b && i < p->nr_granules)
		end = end_of_run(b, i, p->nr_granules);
	spin_unlock_irqrestore(&p->lock, flags);
	if (end == i)
		return false;
	*offset = i * p->granule_sectors;
	*sectors = min(end * p->granule_sectors, c->geo.block_sectors) - *offset;
	return true;
}

/*----- coming and going -----*/

/*
 * A block for a mapping that is to be made: partial, with nothing valid.  It is pending from the
 * end of its first write on.  False: as many blocks as may be are partial, or a bio is still
 * counted in what the cblock held before.
 */
bool partial_add(struct cache *c, cblock_t cb)
{
	struct partials *p = c->partials;
	struct partial_block *b = NULL;
	unsigned long flags;

	spin_lock_irqsave(&p->lock, flags);
	if (p->nr < p->limit)
		b = partial_insert(p, from_cblock(cb));
	if (b)
		b->fresh = true;
	spin_unlock_irqrestore(&p->lock, flags);
	if (!b)
		return false;
	/*
	 * A bio that looked up what the cblock held before may be counted for a moment.  If the
	 * same block came to the same place meanwhile, it would take it for whole.
	 */
	if (unlikely(atomic_fetch_or(BL_PARTIAL, &entry_of(c, cb)->state) &
		     (BL_READERS | BL_WRITERS))) {
		spin_lock_irqsave(&p->lock, flags);
		partial_remove(p, b);
		spin_unlock_irqrestore(&p->lock, flags);
		atomic_andnot(BL_PARTIAL, &entry_of(c, cb)->state);
		return false;
	}
	atomic64_inc(&c->partials->nr_allocated);
	return true;
}

/* The same, by the engine, which has memory made for it. */
bool partial_allocate(struct cache *c, cblock_t cb)
{
	bool added;

	make_room(c->partials);
	added = partial_add(c, cb);
	if (!added)
		partial_refused(c, PARTIAL_NO_ROOM);
	return added;
}

/* Will there soon be no memory for another, though there might be? */
bool partial_is_short(const struct cache *c)
{
	const struct partials *p = c->partials;
	const u32 nr_chunks = READ_ONCE(p->nr_chunks);

	return nr_chunks * PARTIAL_CHUNK - READ_ONCE(p->nr) < PARTIAL_CHUNK / 2 &&
	       nr_chunks < p->most_chunks;
}

/* Once a round. */
void partial_prepare(struct cache *c)
{
	if (unlikely(partial_limit(c)) && partial_is_short(c))
		partial_table_grow(c->partials);
}

/* The block has all its granules, or its mapping goes. */
static void forget_partial(struct cache *c, cblock_t cb)
{
	struct partials *p = c->partials;
	struct partial_block *b;

	spin_lock_irq(&p->lock);
	b = partial_find(p, from_cblock(cb));
	if (b) {
		take_pending(p, b);
		partial_remove(p, b);
	}
	spin_unlock_irq(&p->lock);
	atomic_andnot(BL_PARTIAL, &entry_of(c, cb)->state);
}

/* A fill is durable; writers are kept out. */
void partial_filled(struct cache *c, cblock_t cb)
{
	forget_partial(c, cb);
	atomic64_inc(&c->partials->nr_filled);
}

/* The mapping goes; the block is locked. */
void partial_dropped(struct cache *c, cblock_t cb)
{
	if (likely(!(atomic_read(&entry_of(c, cb)->state) & BL_PARTIAL)))
		return;
	forget_partial(c, cb);
	atomic64_inc(&c->partials->nr_dropped);
}

/*----- the commit worker -----*/

static bool all_valid(const struct partials *p, const struct partial_block *b)
{
	return granule_valid(b, 0) && end_of_run(b, 0, p->nr_granules) == p->nr_granules;
}

/* Is any block partial, or does a bio wait?  A bio queues the commit after it was listed. */
bool partial_used(struct cache *c)
{
	const struct partials *p = c->partials;

	return READ_ONCE(p->nr) || p->in_round || !bio_list_empty(&p->waiting);
}

/* A round begins, if one is wanted: all that is pending, and the FLUSHes that came. */
static void begin_round(struct partials *p)
{
	lockdep_assert_held(&p->lock);
	if (p->in_round)
		return;
	p->missed = false;
	if (!p->due && bio_list_empty(&p->waiting))
		return;
	p->due = false;
	p->round_lost = p->pending_lost;
	list_splice_init(&p->pending, &p->round);
	bio_list_merge(&p->covered, &p->waiting);
	bio_list_init(&p->waiting);
	p->in_round = !list_empty(&p->round) || !bio_list_empty(&p->covered);
}

/* What is valid in @b now is to be durable with this commit; all of it, if @fill has read it. */
static void take_block(struct partials *p, struct partial_block *b, struct migration *fill)
{
	struct partial_change *ch = &p->batch[p->nr_batch++];

	lockdep_assert_held(&p->lock);
	take_pending(p, b);
	ch->cblock = to_cblock(b->cblock);
	ch->fresh = b->fresh;
	ch->full = all_valid(p, b);
	ch->fill = fill;
	memcpy(ch->valid, b->valid, sizeof(ch->valid));
}

/* A partial block that is to go need not be stored first.  One that was filled is stored. */
static void begin_migration(struct partials *p, struct migration *mg)
{
	const bool removes = mg_removes(mg);
	struct partial_block *b;

	if (!removes && mg->kind != MG_FILL)
		return;
	b = partial_find(p, from_cblock(mg->cblock));
	if (!b)
		return;
	mg->fresh = b->fresh;
	if (removes) {
		mg->given_up = take_pending(p, b);
		p->in_round |= mg->given_up;
	} else {
		/* What was pending in it is durable with this commit, and not before. */
		p->in_round |= !list_empty(&b->pending);
		take_block(p, b, mg);
	}
}

/* flush_lost() when the first of all that is pending was sent. */
static u32 oldest_lost(struct cache *c)
{
	struct partials *p = c->partials;
	u32 lost = flush_lost(&c->cache_flush);

	lockdep_assert_held(&p->lock);
	if (!list_empty(&p->round))
		lost = p->round_lost;
	if (!list_empty(&p->pending) && (s32)(p->pending_lost - lost) < 0)
		lost = p->pending_lost;
	return lost;
}

/*
 * Begins a commit, of the migrations of @batch and of @room pending blocks at most.  A round may
 * take several commits.  The cache device is flushed afterwards: partial_flushed().
 */
void partial_begin(struct cache *c, struct list_head *batch, u32 room)
{
	struct partials *p = c->partials;
	struct partial_block *b, *next;
	struct migration *mg;

	p->nr_batch = 0;
	p->flush_error = 0;
	p->stores = true;
	spin_lock_irq(&p->lock);
	begin_round(p);
	p->batch_lost = oldest_lost(c);
	list_for_each_entry(mg, batch, list)
		begin_migration(p, mg);
	room = clamp(room, 1U, PARTIAL_BATCH);
	list_for_each_entry_safe(b, next, &p->round, pending) {
		if (!room--)
			break;
		take_block(p, b, NULL);
	}
	spin_unlock_irq(&p->lock);
}

/* Has partial_begin() taken any? */
bool partial_changes(struct cache *c)
{
	return c->partials->nr_batch;
}

/*
 * The cache device was flushed, or that failed with @error.  Returns that, or -EIO if a flush has
 * failed since the first of what was taken was sent: then nothing of it is stored.  But when the
 * cache is suspended it is stored all the same: the maps in memory may be forgotten, and the data
 * is most likely there.  A FLUSH fails for it.
 */
int partial_flushed(struct cache *c, int error)
{
	struct partials *p = c->partials;

	if (unlikely(!error && p->nr_batch && flush_lost(&c->cache_flush) != p->batch_lost)) {
		flush_untell(&c->cache_flush);
		error = -EIO;
	}
	if (unlikely(error && p->nr_batch))
		DMERR_LIMIT("%s: cannot flush the cache device (%d): %u partial blocks are not durable",
			    cache_name(c), error, p->nr_batch);
	p->flush_error = error;
	/* Decided here, once: what partial_change() does partial_committed() has to know. */
	p->stores = !error || READ_ONCE(c->quiescing);
	return error;
}

static bool is_empty(const struct partial_change *ch)
{
	return !memchr_inv(ch->valid, 0, sizeof(ch->valid));
}

static int store_one(struct cache *c, struct partial_change *ch)
{
	int r = 0;

	ch->full |= ch->fill && !ch->fill->error;
	/* Nothing was written to it, and the fill failed: there is nothing to store. */
	if (!ch->full && is_empty(ch))
		return 0;
	if (ch->fresh)
		r = dmc_md_insert(c->md, ch->cblock,
				  to_oblock(table_oblock(&c->table, ch->cblock)));
	if (!r && dmc_md_is_tracking(c->md))
		r = dmc_md_set_dirty(c->md, ch->cblock, true);
	if (!r)
		r = dmc_md_set_valid(c->md, ch->cblock, ch->full ? NULL : ch->valid);
	return r;
}

/* Within the transaction, before migrations change it. */
int partial_change(struct cache *c)
{
	struct partials *p = c->partials;
	u32 i;
	int r = 0;

	lockdep_assert_held(&c->md_mutex);
	if (!p->stores)
		return 0;
	for (i = 0; i < p->nr_batch && !r; i++)
		r = store_one(c, &p->batch[i]);
	return r;
}

/*
 * @mg was to remove its mapping, and cannot: then what is valid in its block is still to be stored,
 * and no FLUSH is done before that.
 */
void partial_keep(struct migration *mg)
{
	struct partials *p = mg->c->partials;
	struct partial_block *b;

	if (likely(!mg->given_up))
		return;
	mg->given_up = false;
	spin_lock_irq(&p->lock);
	b = partial_find(p, from_cblock(mg->cblock));
	if (b)
		make_pending(p, b, p->batch_lost);
	p->missed = true;
	spin_unlock_irq(&p->lock);
}

/* What was taken of a block is on disk; or is not, and is pending again. */
static void note_committed(struct cache *c, const struct partial_change *ch, bool ok)
{
	struct partials *p = c->partials;
	struct partial_block *b;

	lockdep_assert_held(&p->lock);
	b = partial_find(p, from_cblock(ch->cblock));
	if (!b)
		return;
	if (!ok) {
		make_pending(p, b, flush_lost(&c->cache_flush));
		return;
	}
	b->fresh &= !ch->full && is_empty(ch);
	if (!ch->full)
		return;
	take_pending(p, b);
	partial_remove(p, b);
	atomic_andnot(BL_PARTIAL, &entry_of(c, ch->cblock)->state);
}

/* A FLUSH goes on to the device, for what was written since; it waits for no other commit. */
static void let_go(struct cache *c, struct bio *bio, int error)
{
	if (!(bio->bi_opf & REQ_PREFLUSH)) {
		compat_bio_end_again(bio, error ? BLK_STS_IOERR : BLK_STS_OK);
	} else if (error) {
		flush_told(&c->cache_flush);
		bio_refuse(bio, BLK_STS_IOERR);
	} else {
		engine_defer(c, bio, false);
	}
}

/* The bios that this commit, with its @error, lets go on. */
static void end_round(struct cache *c, int error, struct bio_list *ended)
{
	struct partials *p = c->partials;

	lockdep_assert_held(&p->lock);
	if (error) {
		note_sent(p, flush_lost(&c->cache_flush));
		list_splice_init(&p->round, &p->pending);
	}
	if (!list_empty(&p->round))
		return;
	p->in_round = false;
	if (p->missed && !error)
		bio_list_merge(&p->waiting, &p->covered);
	else
		bio_list_merge(ended, &p->covered);
	bio_list_init(&p->covered);
}

/*
 * The commit is durable, or failed: what waited for it goes on, or fails.  True: there is more to
 * commit, and something waits for it.
 */
bool partial_committed(struct cache *c, int error)
{
	struct partials *p = c->partials;
	struct bio_list ended;
	struct bio *bio;
	bool more;
	u32 i;

	if (likely(!partial_used(c)))
		return false;
	bio_list_init(&ended);
	spin_lock_irq(&p->lock);
	for (i = 0; i < p->nr_batch; i++)
		note_committed(c, &p->batch[i], !error && p->stores);
	end_round(c, error ? error : p->flush_error, &ended);
	more = p->in_round || !bio_list_empty(&p->waiting);
	spin_unlock_irq(&p->lock);
	if (!error)
		error = p->flush_error;
	p->nr_batch = 0;
	while ((bio = bio_list_pop(&ended)))
		let_go(c, bio, error);
	return more;
}
