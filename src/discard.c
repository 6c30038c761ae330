// SPDX-License-Identifier: GPL-2.0-only
/*
 * discard.c - remember which parts of the origin hold nothing of value.
 *
 * On the bio's path: a DISCARD comes here from map.c.  It is passed down to the origin if that
 * can take it (discard_passdown), and when it has succeeded the dblocks it covers *wholly* are
 * marked; a discard of part of a dblock marks nothing.  The last dblock, if the origin ends
 * within it, never is: the origin may be longer when the mark is read again.  A marked block is
 * promoted without a copy.  Each write and each promotion takes the mark away again
 * (discard_forget()).
 *
 * A dblock is a power of two of cache blocks, so that at most CACHE_MAX_DBLOCKS cover the origin;
 * the bits survive a clean shutdown.
 *
 * Contexts: discard_map() as map.c; discard_done() also in interrupts; the rest at load, status or
 * shutdown.  No lock: single bits, changed atomically.
 */
#include "dm-cache.h"
#include "remap.h"
#include <linux/blkdev.h>
#include <linux/mm.h>

static u64 dblock_sectors(const struct cache *c)
{
	return (u64)c->geo.block_sectors << c->discards.shift;
}

/* Passing a discard down is of use only if the origin takes it in units that fit our blocks. */
static bool origin_takes_discards(struct cache *c)
{
	struct queue_limits *limits = &bdev_get_queue(c->origin_dev->bdev)->limits;

	return bdev_max_discard_sectors(c->origin_dev->bdev) >= c->geo.block_sectors &&
	       limits->discard_granularity <= (u64)c->geo.block_sectors << SECTOR_SHIFT;
}

int discard_init(struct cache *c)
{
	c->discards.shift = 0;
	while (div64_u64(c->geo.origin_sectors, dblock_sectors(c)) > CACHE_MAX_DBLOCKS)
		c->discards.shift++;
	c->discards.nr = DIV64_U64_ROUND_UP(c->geo.origin_sectors, dblock_sectors(c));
	c->discards.passdown = !c->discards.no_passdown && origin_takes_discards(c);

	c->discards.bits = kvcalloc(BITS_TO_LONGS(c->discards.nr), sizeof(long), GFP_KERNEL);
	return c->discards.bits ? 0 : -ENOMEM;
}

void discard_exit(struct cache *c)
{
	kvfree(c->discards.bits);
}

/* Marks the dblocks that lie wholly within the sectors [begin, end). */
static void mark(struct cache *c, u64 begin, u64 end)
{
	u64 size = dblock_sectors(c);
	u64 first = DIV64_U64_ROUND_UP(begin, size);
	u64 last = div64_u64(min_t(u64, end, c->geo.origin_sectors), size);

	for (; first < last; first++)
		set_bit(first, c->discards.bits);
}

/* The discard has succeeded. */
void discard_done(struct cache *c, struct bio_ctx *x)
{
	u64 begin = dm_target_offset(c->ti, x->saved.bi_sector);

	mark(c, begin, begin + (x->saved.bi_size >> SECTOR_SHIFT));
}

int discard_map(struct cache *c, struct bio *bio)
{
	struct bio_ctx *x = bio_ctx(bio);

	compat_bio_save(bio, &x->saved);
	if (!c->discards.passdown) {
		discard_done(c, x);
		compat_bio_end(bio, BLK_STS_OK);
		return DM_MAPIO_SUBMITTED;
	}
	x->held = HELD_DISCARD;
	return remap_to_origin(c, bio);
}

/* Activation: a run of sectors that was discarded before the last clean shutdown. */
int discard_load(void *ctx, u64 begin, u64 end)
{
	mark(ctx, begin, end);
	return 0;
}

/* Clean shutdown: word @index of the discard bits, the lowest dblock first. */
u64 discard_word(void *ctx, u64 index)
{
	struct cache *c = ctx;
	const u64 first = index * DMC_MD_WORD_BITS;
	u64 word = 0;
	unsigned int i;

	for (i = 0; i < DMC_MD_WORD_BITS && first + i < c->discards.nr; i++)
		if (test_bit(first + i, c->discards.bits))
			word |= 1ULL << i;
	return word;
}

/* What users of the cache device may send. */
void discard_limits(struct cache *c, struct queue_limits *limits)
{
	struct queue_limits *origin = &bdev_get_queue(c->origin_dev->bdev)->limits;
	u64 most;

	if (!c->discards.passdown) {
		/* Only remembered here: any size goes, but less than a dblock is of no use. */
		most = min_t(u64, dblock_sectors(c) * 1024, c->geo.origin_sectors);
		compat_set_max_discard(limits, min_t(u64, most, UINT_MAX >> SECTOR_SHIFT));
		limits->discard_granularity = min_t(u64, dblock_sectors(c) << SECTOR_SHIFT,
						    1U << 31);
		limits->discard_alignment = 0;
		return;
	}
	compat_set_max_discard(limits, bdev_max_discard_sectors(c->origin_dev->bdev));
	limits->discard_granularity = origin->discard_granularity;
	limits->discard_alignment = origin->discard_alignment;
}
