/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * errors.h - I/O errors of the data devices: counted, told, not repeated at once; errors.c.
 */
#ifndef DM_CACHE_ERRORS_H
#define DM_CACHE_ERRORS_H

#include <linux/atomic.h>
#include <linux/types.h>

struct cache;

/* Which I/O went wrong */
enum cache_error {
	ERR_CACHE,	/* any on the cache device; reads of clean blocks went to the origin */
	ERR_ORIGIN,
	/* a read of a dirty block: the data may be lost; also counted in ERR_CACHE */
	ERR_DIRTY,
	NR_CACHE_ERRORS,
};

/* Work that failed is left alone for a while, ever longer */
struct error_pause {
	unsigned long pause;		/* jiffies; 0: all is well */
	unsigned long over_at, failed_at;
};

struct io_errors {
	atomic_t nr[NR_CACHE_ERRORS];
	u32 dirty_block;		/* the last of ERR_DIRTY */
	atomic_t retired_now;		/* since the last tick */
	u32 seen[NR_CACHE_ERRORS];	/* the tick's: reported with an event */
	u32 said[NR_CACHE_ERRORS];	/* the tick's: reported in the log */
	struct error_pause promoting, cleaning;
	bool serialize;			/* one copy at a time */
	unsigned long serialize_until;	/* when that ends; jiffies */
};

void errors_note(struct cache *c, enum cache_error e);
void errors_note_dirty(struct cache *c, u32 cblock);
bool errors_retire(struct cache *c);
void errors_tell(struct cache *c);
void errors_origin_unwritten(struct cache *c);
bool errors_serialize_copies(struct cache *c);
bool errors_may_promote(struct cache *c);
void errors_promoting(struct cache *c);
void errors_promoted(struct cache *c, bool failed);
bool errors_may_clean(struct cache *c);
void errors_origin_flushed(struct cache *c, bool ok);

#endif
