// SPDX-License-Identifier: GPL-2.0-only
/*
 * posted.c - a first write to a clean block does not wait for the metadata.
 *
 * On the bio's path: a write to a block that is not marked (write-intent.c) may be sent to the
 * cache device only when the mark is durable, which takes a commit.  Its data is copied to memory,
 * and the write acknowledged at once: it is *posted*, as in the volatile cache of a disk.
 *
 *	posted    the block is locked: reads park.  The migration MG_WRITE_INTENT has the data; more
 *	          writes to the block join it, and are acknowledged at once, too
 *	marked    the commit is durable
 *	sent      the data is on its way to the cache device: from here on writes park, too
 *	written   the block is dirty and unlocked, the parked bios go on
 *
 * So what is read is what was written, and nothing that the metadata calls clean is overwritten
 * (rule R19).  A FLUSH waits until all that were posted before it came are written; meanwhile no
 * more are, so it does not wait for ever.  A write with FUA is not posted.
 *
 * If the cache device refuses any of the data, the origin gets all of it, and then the block is
 * dropped: an invalidation, the same migration.  If the origin does not take all of it either, or
 * the block cannot be dropped, the next FLUSH fails: that is where a write error of a volatile
 * cache is told.  Then the block stays, dirty, if the cache device took any.
 *
 * Bounded: POSTED_MOST pages of data for a cache (16 MiB, and 2 MiB for what describes them), and
 * POSTED_BYTES in a write.  Beyond, and without memory, a write waits for its mark.  So many, since
 * a commit takes two flushes of the metadata device, which may take milliseconds each; meanwhile
 * writes go on.
 *
 * The engine sends it.  It must not wait long for a request of the device: so POSTED_SENT writes
 * are under way at once, and what else the last of their blocks has.
 *
 * The first bio's count in the block is kept until the data is written, so that the mark stays.
 *
 * A mark takes a commit, so a commit is to serve many: it waits a moment, unless a bio or a FLUSH
 * waits for it, or many writes are posted.
 *
 * Contexts: as each part of posted.h says.  Locks: posted.lock, interrupts off; bios are deferred
 * without it.
 */
#include "block-lock.h"
#include "dirty.h"
#include "map.h"
#include "posted.h"
#include "write-intent.h"

#define POSTED_MANY (POSTED_MOST / 4)	/* blocks: worth a commit */
/* Not of the reserves either, which are for what makes memory free: a write to swap, say. */
#define POSTED_GFP (GFP_NOWAIT | __GFP_NOMEMALLOC | __GFP_NOWARN)

void posted_init(struct cache *c)
{
	struct posted *p = &c->posted;

	spin_lock_init(&p->lock);
	bio_list_init(&p->waiting);
	INIT_LIST_HEAD(&p->marked);
}

/*----- bios -----*/

static bool may_post(struct cache *c, struct bio *bio)
{
	return c->io_mode == IO_WRITEBACK && bio_op(bio) == REQ_OP_WRITE &&
	       bio_sectors(bio) <= POSTED_BYTES >> SECTOR_SHIFT &&
	       !(bio->bi_opf & (REQ_FUA | REQ_PREFLUSH)) && !bio_ctx(bio)->retried &&
	       !READ_ONCE(c->quiescing) && !READ_ONCE(c->posted.closed);
}

static u32 pages_of(u32 bytes)
{
	return DIV_ROUND_UP(bytes, PAGE_SIZE);
}

static void uncount_pages(struct cache *c, u32 pages)
{
	atomic_sub(pages, &c->posted.nr_pages);
}

static bool count_pages(struct cache *c, u32 pages)
{
	if (atomic_add_return(pages, &c->posted.nr_pages) <= POSTED_MOST)
		return true;
	uncount_pages(c, pages);
	return false;
}

static void write_free(struct cache *c, struct posted_write *w)
{
	uncount_pages(c, pages_of(w->bytes));
	free_pages_exact(w->data, w->bytes);
	kfree(w);
}

/* With what @bio is to write.  NULL: it may not be posted, or there is no room or memory. */
static struct posted_write *write_alloc(struct cache *c, struct bio *bio, u32 offset)
{
	const u32 bytes = bio_sectors(bio) << SECTOR_SHIFT;
	struct posted_write *w;
	char *data;

	if (!may_post(c, bio) || !count_pages(c, pages_of(bytes)))
		return NULL;
	w = kmalloc(sizeof(*w), POSTED_GFP);
	data = w ? alloc_pages_exact(bytes, POSTED_GFP) : NULL;
	if (!data) {
		kfree(w);
		uncount_pages(c, pages_of(bytes));
		return NULL;
	}
	compat_bio_copy_to(bio, data);
	w->next = NULL;
	w->data = data;
	w->bytes = bytes;
	w->offset = offset;
	return w;
}

/*
 * Nothing is posted: lets the FLUSHes go on that waited.  If anything was lost, it was posted
 * before each of them.  A caller may come late, when more has been posted, and another FLUSH waits
 * for that: so the number is looked at again.  When it gets to 0, uncount() sees that posting is
 * closed.
 */
static void release(struct cache *c)
{
	struct posted *p = &c->posted;
	struct bio_list waiting;
	unsigned long flags;
	struct bio *bio;
	bool lost;

	spin_lock_irqsave(&p->lock, flags);
	if (atomic_read(&p->nr)) {
		spin_unlock_irqrestore(&p->lock, flags);
		return;
	}
	waiting = p->waiting;
	bio_list_init(&p->waiting);
	WRITE_ONCE(p->closed, false);
	spin_unlock_irqrestore(&p->lock, flags);
	lost = !bio_list_empty(&waiting) && posted_lost(c);
	while ((bio = bio_list_pop(&waiting))) {
		if (unlikely(lost))
			bio_refuse(bio, BLK_STS_IOERR);
		else
			engine_defer(c, bio, false);
	}
}

static void uncount(struct cache *c)
{
	/* Fully ordered: a FLUSH that saw the old number has set @closed. */
	if (atomic_dec_and_test(&c->posted.nr) && READ_ONCE(c->posted.closed))
		release(c);
}

void posted_put(struct migration *mg)
{
	struct posted_write *w, *next;

	for (w = mg->writes; w; w = next) {
		next = w->next;
		write_free(mg->c, w);
	}
	uncount(mg->c);
}

static struct migration *posted_alloc(struct cache *c, struct bio *bio, oblock_t ob, cblock_t cb,
				      u32 offset)
{
	struct posted_write *w = write_alloc(c, bio, offset);
	struct migration *mg;

	if (!w)
		return NULL;
	atomic_inc(&c->posted.nr);
	mg = mg_alloc(c, MG_WRITE_INTENT, ob, cb);
	if (!mg) {
		write_free(c, w);
		uncount(c);
		return NULL;
	}
	mg->posted = true;
	mg->writes = w;
	mg->nr_writes = 1;
	w->mg = mg;
	return mg;
}

static void tell_hit(struct cache *c, struct bio *bio, oblock_t ob, cblock_t cb)
{
	struct bio_ctx *x = bio_ctx(bio);

	discard_forget(&c->discards, ob);
	if (!x->waited)
		map_tell_hit(c, bio, ob, cb, DMC_WRITE);
	x->waited = true;
	x->held = HELD_NOTHING;
}

bool posted_write(struct cache *c, struct bio *bio, oblock_t ob, cblock_t cb, u32 offset, int *r)
{
	struct migration *mg = posted_alloc(c, bio, ob, cb, offset);

	if (!mg)
		return false;
	tell_hit(c, bio, ob, cb);
	*r = mg_start(mg);
	if (!*r) {
		*r = bio_refuse(bio, BLK_STS_OK);
		return true;
	}
	/* Another migration has the block, or it was marked meanwhile. */
	mg_free(mg);
	block_put(c, entry_of(c, cb), BL_WRITER);
	*r = *r == -EBUSY ? map_park(c, ob, bio) : MAP_LOOK_AGAIN;
	return true;
}

static bool overlap(const struct posted_write *a, const struct posted_write *b)
{
	return a->offset < b->offset + (b->bytes >> SECTOR_SHIFT) &&
	       b->offset < a->offset + (a->bytes >> SECTOR_SHIFT);
}

/* The data of @w is a part of that of @old, or all of it: which is what will be written. */
static bool put_into(struct posted_write *old, const struct posted_write *w)
{
	const u32 at = (w->offset - old->offset) << SECTOR_SHIFT;

	if (w->offset < old->offset || at + w->bytes > old->bytes)
		return false;
	memcpy(old->data + at, w->data, w->bytes);
	return true;
}

/* They are sent at once, in any order.  So a write that reaches beyond another waits for it. */
bool posted_add(struct migration *mg, struct posted_write **w)
{
	struct posted_write *old;

	for (old = mg->writes; old; old = old->next)
		if (overlap(old, *w))
			return put_into(old, *w);
	if (mg->nr_writes >= POSTED_A_BLOCK)
		return false;
	(*w)->mg = mg;
	(*w)->next = mg->writes;
	mg->writes = *w;
	mg->nr_writes++;
	*w = NULL;
	return true;
}

bool posted_join(struct cache *c, struct bio *bio, oblock_t ob, cblock_t cb, u32 offset)
{
	struct posted_write *w = NULL;
	bool ok;

	/* A glance, since most blocks are locked for something else. */
	if (atomic_read(&c->posted.nr) && atomic_read(&entry_of(c, cb)->state) & BL_LOCKED)
		w = write_alloc(c, bio, offset);
	if (!w)
		return false;
	ok = mg_join(c, ob, cb, &w);
	if (w)
		write_free(c, w);
	if (!ok)
		return false;
	/* By now its data may be written, and the block unlocked: only our count keeps it. */
	tell_hit(c, bio, ob, cb);
	block_put(c, entry_of(c, cb), BL_WRITER);
	bio_refuse(bio, BLK_STS_OK);
	return true;
}

/* Just now there are enough for a commit, or something waits for them. */
bool posted_queued(struct migration *mg)
{
	struct posted *p = &mg->c->posted;

	return atomic_inc_return(&p->unmarked) == POSTED_MANY || READ_ONCE(p->closed) ||
	       READ_ONCE(mg->c->quiescing);
}

void posted_taken(struct migration *mg)
{
	atomic_dec(&mg->c->posted.unmarked);
}

/*----- FLUSH -----*/

bool posted_wait(struct cache *c, struct bio *bio)
{
	struct posted *p = &c->posted;
	unsigned long flags;

	if (likely(!atomic_read(&p->nr))) {
		/* Pairs with uncount(): what was written, or lost, is seen by the caller. */
		smp_rmb();
		return false;
	}
	spin_lock_irqsave(&p->lock, flags);
	bio_list_add(&p->waiting, bio);
	WRITE_ONCE(p->closed, true);
	spin_unlock_irqrestore(&p->lock, flags);
	commit_soon(c);
	smp_mb();	/* pairs with uncount(): that sees @closed, or here the last one is gone */
	if (!atomic_read(&p->nr))
		release(c);
	return true;
}

bool posted_lost(struct cache *c)
{
	return unlikely(READ_ONCE(c->posted.lost)) && xchg(&c->posted.lost, false);
}

/*----- what is marked -----*/

/* The writes of @mg, which were sent, are done with.  Any context. */
static void sent_less(const struct migration *mg)
{
	struct posted *p = &mg->c->posted;
	const int nr = mg->nr_writes;
	/* Fully ordered: take_marked() sees the new number, or here its list is seen. */
	const int left = atomic_sub_return(nr, &p->nr_sent);

	if ((!left || (left <= POSTED_SENT / 2 && left + nr > POSTED_SENT / 2)) &&
	    !list_empty(&p->marked))
		engine_kick(mg->c);
}

/* Any context.  What went well is over at once. */
static void all_ended(struct migration *mg)
{
	struct cache *c = mg->c;

	if (mg->error || mg->elsewhere) {
		mg_make_ready(mg, MG_POSTED);
		return;
	}
	dirty_set(c, mg->cblock);
	block_put(c, entry_of(c, mg->cblock), BL_WRITER);
	sent_less(mg);
	/* The last: a suspend waits for the migration, and then for no interrupt. */
	mg_finish(mg);
}

COMPAT_BIO_END_IO(posted_ended, bio, status)
{
	struct posted_write *w = container_of(bio, struct posted_write, write.bio);
	struct migration *mg = w->mg;

	bio_uninit(bio);
	flush_note_write(mg->elsewhere ? &mg->c->origin_flush : &mg->c->cache_flush);
	if (unlikely(status != BLK_STS_OK))
		WRITE_ONCE(mg->error, -EIO);
	else if (!mg->elsewhere)
		WRITE_ONCE(mg->taken, true);
	if (atomic_dec_and_test(&mg->posting))
		all_ended(mg);
}

/* If the mark could not be recorded, the data is sent as any write is then: not in MD_FAIL. */
static void send(struct migration *mg)
{
	struct cache *c = mg->c;
	const bool origin = mg->elsewhere;
	struct flush_state *f = origin ? &c->origin_flush : &c->cache_flush;
	const sector_t block = origin ? oblock_to_sector(c, mg->oblock) :
					cblock_to_sector(c, mg->cblock);
	struct posted_write *w;

	mg->error = 0;
	atomic_set(&mg->posting, 1);	/* this function, until all are sent */
	if (cache_md_mode(c) == MD_FAIL) {
		mg->elsewhere = true;
		mg->error = -EIO;
	}
	flush_note_sent(f);
	for (w = mg->error ? NULL : mg->writes; w; w = w->next) {
		atomic_inc(&mg->posting);
		compat_write_init(&w->write, f->bdev, block + w->offset, w->data, w->bytes);
		w->write.bio.bi_end_io = posted_ended;
		submit_bio_noacct(&w->write.bio);
	}
	if (atomic_dec_and_test(&mg->posting))
		all_ended(mg);
}

void posted_marked(struct migration *mg)
{
	list_add_tail(&mg->list, &mg->c->posted.marked);
}

/* Moves to @now what is to be sent now: from here on no more writes join it. */
static void take_marked(struct cache *c, struct list_head *now)
{
	struct posted *p = &c->posted;
	struct migration *mg;

	/* Pairs with sent_less(): that sees our list, or here its number is seen. */
	smp_mb();
	spin_lock_irq(&c->mg.lock);
	while (atomic_read(&p->nr_sent) < POSTED_SENT && !list_empty(&p->marked)) {
		mg = list_first_entry(&p->marked, struct migration, list);
		mg->state = MG_POSTING;
		list_move_tail(&mg->list, now);
		atomic_add(mg->nr_writes, &p->nr_sent);
	}
	spin_unlock_irq(&c->mg.lock);
}

void posted_send(struct cache *c)
{
	struct migration *mg;
	struct blk_plug plug;
	LIST_HEAD(now);

	if (list_empty(&c->posted.marked))
		return;
	take_marked(c, &now);
	blk_start_plug(&plug);
	while ((mg = list_first_entry_or_null(&now, struct migration, list))) {
		list_del_init(&mg->list);
		send(mg);
	}
	blk_finish_plug(&plug);
}

/*----- what failed -----*/

void posted_lose(struct migration *mg)
{
	struct cache *c = mg->c;

	DMERR_LIMIT("%s: a write to block %llu that was acknowledged is lost: the next flush fails",
		    cache_name(c), (unsigned long long)from_oblock(mg->oblock));
	WRITE_ONCE(c->posted.lost, true);
}

/* The cache device refused it: the origin's turn. */
static void send_elsewhere(struct migration *mg)
{
	struct cache *c = mg->c;

	errors_note(c, ERR_CACHE);
	mg->retire_cblock = errors_retire(c);
	mg->elsewhere = true;
	/* If a flush of the origin fails from here on, it may be lost: check_settled(). */
	mg->copied = true;
	mg->lost = flush_lost(&c->origin_flush);
	send(mg);
}

void posted_step(struct migration *mg)
{
	struct cache *c = mg->c;
	const bool failed = mg->error;

	mg->error = 0;
	if (!mg->elsewhere) {
		send_elsewhere(mg);
		return;
	}
	sent_less(mg);
	if (failed) {
		errors_note(c, ERR_ORIGIN);
		posted_lose(mg);
	}
	/*
	 * What the cache device took of it, the origin may not have.  If it took nothing, the
	 * origin may have some, and what that has is read from now on.
	 */
	if (failed && mg->taken) {
		dirty_set(c, mg->cblock);
		block_put(c, entry_of(c, mg->cblock), BL_WRITER);
		mg_finish(mg);
	} else {
		mg_drop_instead(mg);
	}
}
