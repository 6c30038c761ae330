/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ghost-table.h - what is remembered of blocks that are not cached: ghosts, in four bytes each.
 *
 * A table of sets of eight slots.  A slot holds a fingerprint of the oblock, how often the block
 * was touched, and when last; the block itself is not known, so one in some ten thousand is taken
 * for another, which costs a wrong guess and nothing more.  A new block takes the slot of its set
 * that was not touched for longest.
 *
 * Time is counted in touches of the whole table; ages are given in 256ths of its size, so an age of
 * 256 means that as many touches passed as the table has slots.
 *
 * Used by the policies under their lock, in miss() and when a block is evicted.
 */
#ifndef DMC_GHOST_TABLE_H
#define DMC_GHOST_TABLE_H

#include <linux/hash.h>
#include <linux/log2.h>
#include <linux/vmalloc.h>

#include "../../block-types.h"
#include "tunables.h"

#define GHOST_TABLE_WAYS	8
#define GHOST_TABLE_COUNT_MAX 15
#define GHOST_TABLE_AGES	4096	/* a stamp has 12 bits; older ones look young again */
#define GHOST_TABLE_AGE_UNIT 256	/* ages in the size of the table */

struct ghost_table {
	u32 *slots;		/* fingerprint << 16 | stamp << 4 | count; 0: empty */
	u32 nr;			/* a power of two */
	u32 now;		/* touches */
	u8 stamp_shift;
};

struct ghost_table_seen {
	u32 count;		/* earlier touches; 0: not known */
	u32 age;		/* since the last one */
};

/* At least @nr slots are wanted.  0 or -ENOMEM. */
static inline int ghost_table_init(struct ghost_table *h, u32 nr)
{
	nr = roundup_pow_of_two(clamp_t(u32, nr, 4 * GHOST_TABLE_WAYS, 1U << 28));
	h->slots = dmc_zalloc_table(nr, sizeof(*h->slots));
	h->nr = nr;
	h->now = 0;
	h->stamp_shift = max(ilog2(nr), 8) - 8;
	return h->slots ? 0 : -ENOMEM;
}

static inline void ghost_table_exit(struct ghost_table *h)
{
	vfree(h->slots);
}

static inline u64 ghost_table_bytes(const struct ghost_table *h)
{
	return (u64)h->nr * sizeof(*h->slots);
}

static inline u32 ghost_table_stamp(const struct ghost_table *h)
{
	return (h->now >> h->stamp_shift) & (GHOST_TABLE_AGES - 1);
}

static inline u32 ghost_table_age(const struct ghost_table *h, u32 slot)
{
	return (ghost_table_stamp(h) - (slot >> 4)) & (GHOST_TABLE_AGES - 1);
}

static inline u32 *ghost_table_set(const struct ghost_table *h, oblock_t oblock, u32 *fingerprint)
{
	u64 hash = from_oblock(oblock) * 0x9e3779b97f4a7c15ULL;

	hash ^= hash >> 32;
	hash *= 0xd6e8feb86659fd93ULL;
	*fingerprint = (u32)(hash >> 48) << 16;
	return &h->slots[((u32)(hash >> 16) & (h->nr / GHOST_TABLE_WAYS - 1)) * GHOST_TABLE_WAYS];
}

/* The slot of @oblock, or of an empty or the oldest other one (*@known false). */
static inline u32 *ghost_table_slot(const struct ghost_table *h, oblock_t oblock, u32 *fingerprint,
				    bool *known)
{
	u32 *set = ghost_table_set(h, oblock, fingerprint), *oldest = set;
	unsigned int i;

	*known = true;
	for (i = 0; i < GHOST_TABLE_WAYS; i++)
		if (set[i] && (set[i] & 0xffff0000) == *fingerprint)
			return &set[i];
	*known = false;
	for (i = 0; i < GHOST_TABLE_WAYS; i++) {
		if (!set[i])
			return &set[i];
		if (ghost_table_age(h, set[i]) > ghost_table_age(h, *oldest))
			oldest = &set[i];
	}
	return oldest;
}

static inline struct ghost_table_seen ghost_table_look(const struct ghost_table *h, oblock_t oblock)
{
	struct ghost_table_seen seen = { 0 };
	u32 fingerprint, *slot;
	bool known;

	slot = ghost_table_slot(h, oblock, &fingerprint, &known);
	if (known) {
		seen.count = *slot & GHOST_TABLE_COUNT_MAX;
		seen.age = ghost_table_age(h, *slot);
	}
	return seen;
}

/* Remembers @oblock with @count touches, as of now. */
static inline void ghost_table_put(struct ghost_table *h, oblock_t oblock, u32 count)
{
	u32 fingerprint, *slot;
	bool known;

	h->now++;
	slot = ghost_table_slot(h, oblock, &fingerprint, &known);
	*slot = fingerprint | ghost_table_stamp(h) << 4 |
		clamp_t(u32, count, 1, GHOST_TABLE_COUNT_MAX);
}

/* Counts a touch, and says what was known before it. */
static inline struct ghost_table_seen ghost_table_touch(struct ghost_table *h, oblock_t oblock)
{
	struct ghost_table_seen seen = ghost_table_look(h, oblock);

	ghost_table_put(h, oblock, seen.count + 1);
	return seen;
}

static inline void ghost_table_forget(struct ghost_table *h, oblock_t oblock)
{
	u32 fingerprint, *slot;
	bool known;

	slot = ghost_table_slot(h, oblock, &fingerprint, &known);
	if (known)
		*slot = 0;
}

#endif
