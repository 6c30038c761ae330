/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * discard.h - parts of the origin that hold nothing of value; discard.c.
 */
#ifndef DM_CACHE_DISCARD_H
#define DM_CACHE_DISCARD_H

#include <linux/bio.h>
#include <linux/bitops.h>
#include <linux/types.h>
#include "block-types.h"

struct bio_ctx;
struct cache;
struct queue_limits;

struct discards {
	unsigned long *bits;	/* one a dblock */
	u64 nr;			/* dblocks */
	int shift;		/* dblock = oblock >> shift */
	bool no_passdown;	/* feature */
	bool passdown;		/* in effect */
};

int discard_init(struct cache *c);
void discard_exit(struct cache *c);
int discard_map(struct cache *c, struct bio *bio);
void discard_done(struct cache *c, struct bio_ctx *x);
int discard_load(void *ctx, u64 begin, u64 end);
u64 discard_word(void *ctx, u64 index);
void discard_limits(struct cache *c, struct queue_limits *limits);

static inline bool discarded(const struct discards *d, oblock_t ob)
{
	return test_bit(from_oblock(ob) >> d->shift, d->bits);
}

/* Tested first: the bit is nearly always clear, and a read can be shared by all CPUs. */
static inline void discard_forget(struct discards *d, oblock_t ob)
{
	if (unlikely(discarded(d, ob)))
		clear_bit(from_oblock(ob) >> d->shift, d->bits);
}

#endif
