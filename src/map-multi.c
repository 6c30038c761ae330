// SPDX-License-Identifier: GPL-2.0-only
/*
 * map-multi.c - a bio over several blocks goes through in one piece, as far as it can.
 *
 * On the bio's path: map.c sends every bio here that reaches beyond its first block.  A run of
 * blocks that are cached one behind the other, or of blocks that are not cached, is taken at once:
 * every block of it is counted and told to the policy, and the bio is cut where the run ends.
 * device-mapper brings the rest as a bio of its own.  Where there is no run, the bio is cut to its
 * first block, and map.c does the rest: whatever has to wait, be promoted or marked is one block.
 * No run reaches into the origin's last, partial block.
 *
 * A run of hits holds a count of each of its blocks, as block-lock.h tells; none is waited for, so
 * runs that overlap cannot deadlock.
 *
 * A run that cannot be read is read again by the engine, block by block, and stays counted: so a
 * block that cannot be read is known, dropped if it is clean, and had from the origin; the others
 * are left alone.
 *
 * Contexts and locks: as map.c, span_read_again() the engine's; nothing here sleeps, none are
 * taken.
 */
#include "block-lock.h"
#include "map-multi.h"
#include "partial.h"
#include "remap.h"
#include "write-intent.h"

/* The bio as it came in, in blocks. */
struct span {
	oblock_t first;
	u32 offset;		/* sectors, into the first block */
	u32 sectors;		/* of the bio */
	u32 nr;			/* whole blocks it touches */
};

static oblock_t nth_oblock(const struct span *s, u32 i)
{
	return to_oblock(from_oblock(s->first) + i);
}

/* Sectors of the bio up to the end of its @nr first blocks. */
static u32 sectors_of_first(struct cache *c, const struct span *s, u32 nr)
{
	return min_t(u64, s->sectors, (u64)nr * c->geo.block_sectors - s->offset);
}

/* Sectors of the bio within its block @i. */
static u32 sectors_of_nth(struct cache *c, const struct span *s, u32 i)
{
	return sectors_of_first(c, s, i + 1) - (i ? sectors_of_first(c, s, i) : 0);
}

static void cut(struct cache *c, struct bio *bio, const struct span *s, u32 nr)
{
	u32 sectors = sectors_of_first(c, s, nr);

	if (sectors < s->sectors)
		dm_accept_partial_bio(bio, sectors);
}

/*
 * Asked when the writer is counted: only then does a dirty block stay dirty, and a marked one
 * (write-intent.c) marked.
 */
static bool write_must_wait(struct cache *c, const struct cblock_entry *e)
{
	const u32 state = atomic_read(&e->state);

	if (c->io_mode == IO_WRITEBACK)
		return !(state & BL_DIRTY);
	return !(state & (BL_DIRTY | BL_INTENT)) && intent_needed(c);
}

/* Partial blocks are left to map.c. */
static bool count_whole(struct cache *c, struct cblock_entry *e, oblock_t ob, u32 unit)
{
	const enum bl_result r = block_tryget(c, e, ob, unit);

	if (unlikely(r == BL_OK_PARTIAL))
		block_put(c, e, unit);
	return r == BL_OK;
}

/*
 * Hits on cblocks in a row, from @cb.  A write in writeback mode takes dirty blocks only, since a
 * clean one may have to wait for its dirty bit.  Returns how many blocks are counted.
 */
static u32 count_hits(struct cache *c, const struct span *s, cblock_t cb, u32 unit)
{
	const bool dirty = atomic_read(&entry_of(c, cb)->state) & BL_DIRTY;
	const u32 first = from_cblock(cb);
	u32 i;

	if (unit == BL_WRITER && c->io_mode == IO_WRITEBACK && !dirty)
		return 0;
	for (i = 0; i < s->nr && i < c->geo.nr_cblocks - first; i++) {
		struct cblock_entry *e = c->table.entries + first + i;

		if (!!(atomic_read(&e->state) & BL_DIRTY) != dirty ||
		    !count_whole(c, e, nth_oblock(s, i), unit))
			break;
		if (unit == BL_WRITER && write_must_wait(c, e)) {
			block_put(c, e, unit);
			break;
		}
	}
	return i;
}

static void uncount_hits(struct cache *c, u32 first, u32 nr, u32 unit)
{
	while (nr--)
		block_put(c, &c->table.entries[first + nr], unit);
}

static void tell_hits(struct cache *c, const struct span *s, cblock_t cb, u32 nr, enum dmc_dir dir)
{
	u32 i;

	for (i = 0; i < nr; i++)
		c->policy->type->hit(c->policy, to_cblock(from_cblock(cb) + i), nth_oblock(s, i),
				     dir, sectors_of_nth(c, s, i));
	if (dir == DMC_READ)
		this_cpu_add(c->stats->read_hits, nr);
	else
		this_cpu_add(c->stats->write_hits, nr);
}

static int map_hits(struct cache *c, struct bio *bio, const struct span *s, cblock_t cb,
		    enum dmc_dir dir)
{
	const u32 unit = dir == DMC_READ ? BL_READER : BL_WRITER;
	u32 nr = count_hits(c, s, cb, unit), i;
	struct bio_ctx *x = bio_ctx(bio);

	if (nr < 2) {
		uncount_hits(c, from_cblock(cb), nr, unit);
		return SPAN_NO_RUN;
	}
	cut(c, bio, s, nr);
	x->held = dir == DMC_READ ? HELD_READS : HELD_WRITES;
	x->index = from_cblock(cb);
	x->nr = nr;
	compat_bio_save(bio, &x->saved);
	tell_hits(c, s, cb, nr, dir);
	if (dir == DMC_READ)
		return remap_to_cache(c, bio, cb);

	for (i = 0; i < nr; i++)
		discard_forget(&c->discards, nth_oblock(s, i));
	return c->io_mode == IO_WRITEBACK ? remap_to_cache(c, bio, cb) : remap_to_both(c, bio, cb);
}

/* A miss that a whole-block promotion might take is left to map.c. */
static bool may_come_in_cheaply(struct cache *c, const struct span *s, u32 i)
{
	return (sectors_of_nth(c, s, i) == c->geo.block_sectors ||
		READ_ONCE(c->partials->limit) || discarded(&c->discards, nth_oblock(s, i))) &&
	       mg_may_promote(c);
}

static void tell_miss(struct cache *c, struct bio *bio, const struct span *s, u32 i,
		      enum dmc_dir dir)
{
	sector_t sector = dm_target_offset(c->ti, compat_bio_sector(bio));

	if (i)
		sector += sectors_of_first(c, s, i);
	if (c->policy->type->miss(c->policy, nth_oblock(s, i), dir, sector,
				  sectors_of_nth(c, s, i), false,
				  READ_ONCE(c->free.nr)) == DMC_WORK)
		engine_kick(c);
}

static int map_read_misses(struct cache *c, struct bio *bio, const struct span *s)
{
	cblock_t cb;
	u32 nr, i;

	for (nr = 1; nr < s->nr; nr++)
		if (table_lookup(&c->table, nth_oblock(s, nr), &cb))
			break;
	if (nr < 2)
		return SPAN_NO_RUN;
	cut(c, bio, s, nr);
	for (i = 0; i < nr; i++)
		tell_miss(c, bio, s, i, DMC_READ);
	this_cpu_add(c->stats->read_misses, nr);
	return remap_to_origin(c, bio);
}

/* Counted in its slot, block @i stays unmapped until the count is given back. */
static bool count_write_miss(struct cache *c, const struct span *s, u32 i)
{
	const oblock_t ob = nth_oblock(s, i);
	const u32 slot = slot_of(c, ob);
	cblock_t cb;

	if (may_come_in_cheaply(c, s, i) || !miss_tryget(c, slot))
		return false;
	if (!table_lookup(&c->table, ob, &cb))
		return true;
	miss_put(c, slot);
	return false;
}

static void uncount_write_misses(struct cache *c, u64 oblock, u32 nr)
{
	while (nr--)
		miss_put(c, slot_of(c, to_oblock(oblock + nr)));
}

static int map_write_misses(struct cache *c, struct bio *bio, const struct span *s)
{
	struct bio_ctx *x = bio_ctx(bio);
	u32 nr = 0, i;

	while (nr < s->nr && count_write_miss(c, s, nr))
		nr++;
	if (nr < 2) {
		uncount_write_misses(c, from_oblock(s->first), nr);
		return SPAN_NO_RUN;
	}
	cut(c, bio, s, nr);
	x->held = HELD_SLOTS;
	x->oblock = s->first;
	x->nr = nr;
	for (i = 0; i < nr; i++) {
		tell_miss(c, bio, s, i, DMC_WRITE);
		discard_forget(&c->discards, nth_oblock(s, i));
	}
	this_cpu_add(c->stats->write_misses, nr);
	return remap_to_origin(c, bio);
}

/* How many blocks of @bio can be in a run: the origin's last, partial one cannot. */
static u32 nr_whole(struct cache *c, const struct bio *bio, oblock_t first, u32 offset)
{
	const u32 nr = DIV_ROUND_UP(offset + bio_sectors(bio), c->geo.block_sectors);

	/* The bio ends beyond its first block, so that one is whole. */
	return min_t(u64, nr, c->geo.nr_oblocks - from_oblock(first));
}

/*
 * @bio begins @offset sectors into @first and reaches beyond it.  A DM_MAPIO_* code, or
 * SPAN_NO_RUN:  now it does not reach beyond it any more.
 */
int span_map(struct cache *c, struct bio *bio, oblock_t first, u32 offset)
{
	const enum dmc_dir dir = op_is_write(bio_op(bio)) ? DMC_WRITE : DMC_READ;
	const struct span s = {
		.first = first,
		.offset = offset,
		.sectors = bio_sectors(bio),
		.nr = nr_whole(c, bio, first, offset),
	};
	int r = SPAN_NO_RUN;
	cblock_t cb;

	if (c->io_mode == IO_PASSTHROUGH)
		;
	else if (table_lookup(&c->table, first, &cb))
		r = map_hits(c, bio, &s, cb, dir);
	else if (dir == DMC_READ)
		r = map_read_misses(c, bio, &s);
	else
		r = map_write_misses(c, bio, &s);
	if (r == SPAN_NO_RUN)
		cut(c, bio, &s, 1);
	return r;
}

/*----- a run that could not be read -----*/

COMPAT_BIO_END_IO(span_piece_end_io, clone, status)
{
	struct bio_ctx *x = container_of(clone, struct bio_ctx, clone.bio);
	struct cache *c = clone->bi_private;

	bio_uninit(clone);
	x->piece_failed = status != BLK_STS_OK;
	engine_defer(c, bio_of_ctx(x), false);
}

/* Reads the part of @bio, which is as it came in, that lies in block @x->piece of its run. */
static void send_piece(struct cache *c, struct bio *bio, struct bio_ctx *x)
{
	const u32 cblock = x->index + x->piece;
	struct bio *clone = &x->clone.bio;
	struct dm_dev *dev;
	u32 skip, sectors;
	sector_t sector;
	struct span s;

	s.first = oblock_of(c, bio, &s.offset);
	s.sectors = bio_sectors(bio);
	s.nr = x->nr;
	skip = x->piece ? sectors_of_first(c, &s, x->piece) : 0;
	sectors = sectors_of_nth(c, &s, x->piece);
	dev = x->elsewhere ? c->origin_dev : c->cache_dev;
	if (compat_init_clone(dev->bdev, &x->clone, bio)) {
		engine_defer(c, bio, true);
		return;
	}
	if (x->elsewhere)
		sector = dm_target_offset(c->ti, compat_bio_sector(bio)) + skip;
	else
		sector = cblock_to_sector(c, to_cblock(cblock)) + (x->piece ? 0 : s.offset);
	compat_clone_trim(&x->clone, skip, sectors);
	compat_bio_set_sector(clone, sector);
	clone->bi_end_io = span_piece_end_io;
	clone->bi_private = c;
	x->piece_sent = true;
	submit_bio_noacct(clone);
}

/* False: the block cannot be read for @bio. */
static bool piece_read(struct cache *c, struct bio_ctx *x)
{
	const u32 cblock = x->index + x->piece;

	x->piece_sent = false;
	if (!x->piece_failed) {
		x->elsewhere = false;
		x->piece++;
		return true;
	}
	errors_note(c, x->elsewhere ? ERR_ORIGIN : ERR_CACHE);
	if (x->elsewhere)
		return false;
	if (atomic_read(&c->table.entries[cblock].state) & BL_DIRTY) {
		errors_note_dirty(c, cblock);
		return false;
	}
	/* Counted, and clean: the origin is good for any read that began before a later write. */
	block_broke(c, cblock, true);
	x->elsewhere = true;
	return true;
}

/* Engine: the next step of @bio, a run that could not be read as a whole.  Consumes it. */
void span_read_again(struct cache *c, struct bio *bio)
{
	struct bio_ctx *x = bio_ctx(bio);
	bool ok = !x->piece_sent || piece_read(c, x);

	if (ok && x->piece < x->nr) {
		send_piece(c, bio, x);
		return;
	}
	x->piecewise = false;
	uncount_hits(c, x->index, x->nr, BL_READER);
	x->held = HELD_REFUSED;
	compat_bio_end_again(bio, ok ? BLK_STS_OK : BLK_STS_IOERR);
}

static int reads_ended(struct cache *c, struct bio *bio, struct bio_ctx *x, bool failed)
{
	if (likely(!failed)) {
		uncount_hits(c, x->index, x->nr, BL_READER);
		return DM_ENDIO_DONE;
	}
	errors_note(c, ERR_CACHE);
	bio_rewind(bio);
	x->piecewise = true;
	x->piece_sent = false;
	x->elsewhere = false;
	x->piece = 0;
	engine_defer(c, bio, false);
	return DM_ENDIO_INCOMPLETE;
}

/*----- out again -----*/

static int writes_ended(struct cache *c, struct bio *bio, struct bio_ctx *x, bool failed)
{
	const u32 first = x->index, nr = x->nr;
	bool drop;

	flush_note_write(&c->cache_flush);
	if (x->paired)
		flush_note_write(&c->origin_flush);
	drop = unlikely(failed) && drop_after_write(c, bio, first, nr);
	uncount_hits(c, first, nr, BL_WRITER);
	if (!drop)
		return DM_ENDIO_DONE;
	engine_defer(c, bio, false);
	return DM_ENDIO_INCOMPLETE;
}

/* Gives back what a run holds.  Returns a DM_ENDIO_* code.  Interrupt context. */
int span_end_io(struct cache *c, struct bio *bio, enum held held, bool failed)
{
	struct bio_ctx *x = bio_ctx(bio);

	switch (held) {
	case HELD_READS:
		return reads_ended(c, bio, x, failed);
	case HELD_WRITES:
		return writes_ended(c, bio, x, failed);
	default:
		if (unlikely(failed))
			errors_note(c, ERR_ORIGIN);
		flush_note_write(&c->origin_flush);
		uncount_write_misses(c, from_oblock(x->oblock), x->nr);
	}
	return DM_ENDIO_DONE;
}
