// SPDX-License-Identifier: GPL-2.0-only
/*
 * errors.c - I/O errors of the data devices: counted, reported, and not repeated at once.
 *
 * Beside the bio's path: map.c, copy.c and commit.c note an error in whatever context they meet it;
 * the engine's tick tells the user: a line in the kernel log each time a count has doubled, and a
 * device-mapper event for any new error.  status.c shows the counts.
 *
 * If the cache device fails a promotion, there are no promotions for a pause, which doubles when
 * the next one fails too.  So a device that is gone costs the load next to nothing, and one that
 * comes back is used again.  In the same way, if the origin fails a FLUSH, nothing is copied to it
 * for a pause: the copies would have to be made again.
 *
 * After a copy that the origin could not write, copies are made one at a time for a while.  Those
 * of neighbouring blocks may be merged into one request, which a driver may fail as a whole: one
 * bad block would keep the good ones beside it dirty for ever.
 *
 * Errors of the metadata device: mode.c.
 *
 * Locks: none; the counts are atomic, and only the tick uses the counts reported last.
 */
#include "dm-cache.h"

#define PAUSE_FIRST HZ
#define PAUSE_MOST (64 * HZ)

/* Longer than a policy waits before it offers failed work again (policies/penalty.h). */
#define SINGLY_FOR (16 * HZ)

/* Blocks that may be retired between two ticks; if more fail, it is the device, not the blocks. */
#define RETIRE_MOST 8

/* Any context. */
void errors_note(struct cache *c, enum cache_error e)
{
	atomic_inc(&c->errors.nr[e]);
}

/* Any context. */
void errors_note_dirty(struct cache *c, u32 cblock)
{
	WRITE_ONCE(c->errors.dirty_block, cblock);
	errors_note(c, ERR_DIRTY);
}

/* A block of the cache device failed.  Is it to be retired?  Any context. */
bool errors_retire(struct cache *c)
{
	return atomic_inc_return(&c->errors.retired_now) <= RETIRE_MOST;
}

static void say(struct cache *c, enum cache_error e, u32 nr)
{
	switch (e) {
	case ERR_CACHE:
		DMERR("%s: cache device %s: %u I/O errors, %d of its blocks are not used for now; what is clean is served from the origin. See what the kernel log says of the device",
		      cache_name(c), c->cache_dev->name, nr, (int)READ_ONCE(c->free.retired.nr));
		break;
	case ERR_ORIGIN:
		DMERR("%s: origin device %s: %u I/O errors: requests to it fail; a copy that failed is made again later. See what the kernel log says of the device",
		      cache_name(c), c->origin_dev->name, nr);
		break;
	case ERR_DIRTY:
		DMERR("%s: cache device %s: %u reads of dirty blocks failed, the last of cache block %u. Nothing else holds their data: keep the device, repair it, or write the data anew",
		      cache_name(c), c->cache_dev->name, nr, READ_ONCE(c->errors.dirty_block));
		break;
	case NR_CACHE_ERRORS:
		break;
	}
}

/* Once a second, may sleep. */
void errors_tell(struct cache *c)
{
	struct io_errors *x = &c->errors;
	bool news = false;
	int e;

	atomic_set(&x->retired_now, 0);
	if (unlikely(x->serialize) && time_after_eq(jiffies, READ_ONCE(x->serialize_until)))
		WRITE_ONCE(x->serialize, false);
	for (e = 0; e < NR_CACHE_ERRORS; e++) {
		u32 nr = atomic_read(&x->nr[e]);

		if (likely(nr == x->seen[e]))
			continue;
		news = true;
		x->seen[e] = nr;
		if (nr < 2ULL * x->said[e])
			continue;
		x->said[e] = nr;
		say(c, e, nr);
	}
	if (unlikely(news))
		dm_table_event(c->ti->table);
}

/*----- copies to a failing origin -----*/

/* kcopyd's callback. */
void errors_origin_unwritten(struct cache *c)
{
	WRITE_ONCE(c->errors.serialize_until, jiffies + SINGLY_FOR);
	WRITE_ONCE(c->errors.serialize, true);
}

/* Is only one copy to be made at a time?  The answer may be stale. */
bool errors_serialize_copies(struct cache *c)
{
	return unlikely(READ_ONCE(c->errors.serialize));
}

/*----- pauses -----*/

static bool may_begin(const struct error_pause *p)
{
	return likely(!READ_ONCE(p->pause)) || time_after_eq(jiffies, READ_ONCE(p->over_at));
}

/* After a failure: a pause, twice as long as the last one. */
static void begin_pause(struct error_pause *p)
{
	unsigned long pause = READ_ONCE(p->pause);

	/* Attempts that began together fail together, and count once. */
	if (pause && !time_after_eq(jiffies, p->failed_at + pause / 2))
		return;
	p->failed_at = jiffies;
	pause = clamp_t(unsigned long, 2 * pause, PAUSE_FIRST, PAUSE_MOST);
	WRITE_ONCE(p->over_at, jiffies + pause);
	WRITE_ONCE(p->pause, pause);
}

static void end_pause(struct error_pause *p)
{
	if (unlikely(READ_ONCE(p->pause)))
		WRITE_ONCE(p->pause, 0);
}

/* Are promotions allowed now?  The answer may be stale. */
bool errors_may_promote(struct cache *c)
{
	return may_begin(&c->errors.promoting);
}

/* A promotion begins.  After a pause it is a trial, and the others wait for its end. */
void errors_promoting(struct cache *c)
{
	struct error_pause *p = &c->errors.promoting;
	unsigned long pause = READ_ONCE(p->pause);

	if (unlikely(pause))
		WRITE_ONCE(p->over_at, jiffies + pause);
}

/* A promotion has ended, or @failed on the cache device.  Engine and commit worker. */
void errors_promoted(struct cache *c, bool failed)
{
	if (failed)
		begin_pause(&c->errors.promoting);
	else
		end_pause(&c->errors.promoting);
}

/* Are copies to the origin allowed, or did it fail a FLUSH?  The answer may be stale. */
bool errors_may_clean(struct cache *c)
{
	return may_begin(&c->errors.cleaning);
}

/* Commit worker. */
void errors_origin_flushed(struct cache *c, bool ok)
{
	if (likely(ok))
		end_pause(&c->errors.cleaning);
	else
		begin_pause(&c->errors.cleaning);
}
