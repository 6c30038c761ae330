// SPDX-License-Identifier: GPL-2.0-only
/*
 * posted.c - a first write to a clean block does not wait for the metadata.
 *
 * On the bio's path: a write to a block that is not marked (write-intent.c) may be sent to the
 * cache device only when the mark is durable, which takes a commit.  Its data is copied to memory,
 * and the write acknowledged at once: it is *posted*, as in the volatile cache of a disk.
 *
 *	posted    the block is locked: bios for it park.  The migration MG_WRITE_INTENT has the data
 *	marked    the commit is durable: the data is sent to the cache device
 *	written   the block is dirty and unlocked, the parked bios go on
 *
 * So what is read is what was written, and nothing that the metadata calls clean is overwritten
 * (rule R19).  A FLUSH waits until all that were posted before it came are written; meanwhile no
 * more are, so it does not wait for ever.  A write with FUA is not posted.
 *
 * If the cache device refuses the data, the origin gets it, and then the block is dropped: an
 * invalidation, the same migration.  If the origin does not take it either, or the block cannot be
 * dropped, the next FLUSH fails: that is where a write error of a volatile cache is told.
 *
 * Bounded: POSTED_MOST writes of at most POSTED_BYTES.  Beyond, and without memory, a write waits
 * for its mark.
 *
 * The bio's count in the block is kept until the data is written, so that the mark stays.
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

int posted_init(struct cache *c)
{
	struct posted *p = &c->posted;
	struct dm_io_client *io;

	spin_lock_init(&p->lock);
	bio_list_init(&p->waiting);
	INIT_LIST_HEAD(&p->marked);
	io = dm_io_client_create();
	if (IS_ERR(io))
		return PTR_ERR(io);
	p->io = io;
	return 0;
}

void posted_exit(struct cache *c)
{
	if (c->posted.io)
		dm_io_client_destroy(c->posted.io);
}

/*----- bios -----*/

static bool may_post(struct cache *c, struct bio *bio)
{
	return c->io_mode == IO_WRITEBACK && bio_op(bio) == REQ_OP_WRITE &&
	       bio_sectors(bio) <= POSTED_BYTES >> SECTOR_SHIFT &&
	       !(bio->bi_opf & (REQ_FUA | REQ_PREFLUSH)) && !bio_ctx(bio)->retried &&
	       !READ_ONCE(c->quiescing) && !READ_ONCE(c->posted.closed);
}

static bool posted_get(struct cache *c)
{
	if (atomic_inc_return(&c->posted.nr) <= POSTED_MOST)
		return true;
	atomic_dec(&c->posted.nr);
	return false;
}

/* Lets the FLUSHes go on that waited. */
static void release(struct cache *c)
{
	struct posted *p = &c->posted;
	struct bio_list waiting;
	unsigned long flags;
	struct bio *bio;

	spin_lock_irqsave(&p->lock, flags);
	waiting = p->waiting;
	bio_list_init(&p->waiting);
	WRITE_ONCE(p->closed, false);
	spin_unlock_irqrestore(&p->lock, flags);
	while ((bio = bio_list_pop(&waiting)))
		engine_defer(c, bio, false);
}

static void uncount(struct cache *c)
{
	/* Fully ordered: a FLUSH that saw the old number has set @closed. */
	if (atomic_dec_and_test(&c->posted.nr) && READ_ONCE(c->posted.closed))
		release(c);
}

void posted_put(struct migration *mg)
{
	free_pages_exact(mg->data, mg->data_bytes);
	uncount(mg->c);
}

static struct migration *posted_alloc(struct cache *c, struct bio *bio, oblock_t ob, cblock_t cb,
				      u32 offset)
{
	const u32 bytes = bio_sectors(bio) << SECTOR_SHIFT;
	struct migration *mg;
	void *data;

	if (!may_post(c, bio) || !posted_get(c))
		return NULL;
	/* Not of the reserves, which are for what makes memory free: a write to swap, say. */
	data = alloc_pages_exact(bytes, GFP_NOWAIT | __GFP_NOMEMALLOC | __GFP_NOWARN);
	mg = data ? mg_alloc(c, MG_WRITE_INTENT, ob, cb) : NULL;
	if (!mg) {
		if (data)
			free_pages_exact(data, bytes);
		uncount(c);
		return NULL;
	}
	mg->posted = true;
	mg->data = data;
	mg->data_bytes = bytes;
	mg->offset = offset;
	return mg;
}

bool posted_write(struct cache *c, struct bio *bio, oblock_t ob, cblock_t cb, u32 offset, int *r)
{
	struct migration *mg = posted_alloc(c, bio, ob, cb, offset);
	struct bio_ctx *x = bio_ctx(bio);

	if (!mg)
		return false;
	compat_bio_copy_to(bio, mg->data);
	discard_forget(&c->discards, ob);
	if (!x->waited)
		map_tell_hit(c, bio, ob, cb, DMC_WRITE);
	x->waited = true;
	x->held = HELD_NOTHING;
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

/* So many, or something waits for them: their commit is not to wait for more. */
bool posted_urgent(struct cache *c)
{
	return atomic_read(&c->posted.nr) >= POSTED_MOST / 4 || READ_ONCE(c->posted.closed) ||
	       READ_ONCE(c->quiescing);
}

/*----- FLUSH -----*/

bool posted_wait(struct cache *c, struct bio *bio)
{
	struct posted *p = &c->posted;
	unsigned long flags;

	if (likely(!atomic_read(&p->nr)))
		return false;
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

/* One of those that were sent is done with.  Any context. */
static void sent_one_less(struct cache *c)
{
	struct posted *p = &c->posted;
	/* Fully ordered: posted_send() sees the new number, or here its list is seen. */
	const int left = atomic_dec_return(&p->nr_sent);

	if ((left == POSTED_SENT / 2 || !left) && !list_empty(&p->marked))
		engine_kick(c);
}

/* Any context.  What went well is over at once. */
static void write_ended(struct migration *mg, bool failed)
{
	struct cache *c = mg->c;

	flush_note_write(mg->elsewhere ? &c->origin_flush : &c->cache_flush);
	mg->error = failed ? -EIO : 0;
	if (failed || mg->elsewhere) {
		mg_make_ready(mg, MG_POSTED);
		return;
	}
	dirty_set(c, mg->cblock);
	block_put(c, entry_of(c, mg->cblock), BL_WRITER);
	sent_one_less(c);
	/* The last: a suspend waits for the migration, and then for no interrupt. */
	mg_finish(mg);
}

COMPAT_DM_IO_NOTIFY(posted_ended, failed, context)
{
	write_ended(context, failed);
}

/* If the mark could not be recorded, the data is sent as any write is then: not in MD_FAIL. */
static void send(struct migration *mg)
{
	struct cache *c = mg->c;
	const bool origin = mg->elsewhere;
	struct dm_io_region where = {
		.bdev = origin ? c->origin_dev->bdev : c->cache_dev->bdev,
		.sector = mg->offset + (origin ? oblock_to_sector(c, mg->oblock) :
						 cblock_to_sector(c, mg->cblock)),
		.count = mg->data_bytes >> SECTOR_SHIFT,
	};
	struct dm_io_request req = {
		COMPAT_DM_IO_WRITE,
		.mem.type = DM_IO_KMEM,
		.mem.ptr.addr = mg->data,
		.notify.fn = posted_ended,
		.notify.context = mg,
		.client = c->posted.io,
	};

	mg->state = MG_POSTING;
	flush_note_sent(origin ? &c->origin_flush : &c->cache_flush);
	if (cache_md_mode(c) == MD_FAIL) {
		mg->elsewhere = true;
		write_ended(mg, true);
	} else if (dm_io(&req, 1, &where, NULL, NULL, 0)) {
		write_ended(mg, true);
	}
}

void posted_marked(struct migration *mg)
{
	list_add_tail(&mg->list, &mg->c->posted.marked);
}

void posted_send(struct cache *c)
{
	struct posted *p = &c->posted;
	struct migration *mg;

	while ((mg = list_first_entry_or_null(&p->marked, struct migration, list))) {
		if (atomic_inc_return(&p->nr_sent) > POSTED_SENT) {
			sent_one_less(c);
			return;
		}
		list_del_init(&mg->list);
		send(mg);
	}
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
	sent_one_less(c);
	if (failed) {
		errors_note(c, ERR_ORIGIN);
		posted_lose(mg);
		block_put(c, entry_of(c, mg->cblock), BL_WRITER);
		mg_finish(mg);
	} else {
		mg_drop_instead(mg);
	}
}
