/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * block-lock.h - what may use a block: many bios, or one migration.
 *
 * Where: between the look-up and the remap of every bio (map.c), and at both ends of every
 * migration (migrate.c).  Any context; nothing here sleeps.
 *
 * Two places count bios.
 *
 * A *hit* counts itself in its cblock's entry, in one atomic add that also tells whether a
 * migration has locked the block:
 *
 *    31      30        29     28      27        26       25..13   12..0
 *    LOCKED  NO_WRITE  DIRTY  INTENT  VOLATILE  PARTIAL  writers  readers
 *
 * LOCKED excludes all bios (demotion, invalidation); NO_WRITE excludes writers only (writeback:
 * reads go on).  A bio that finds the block locked takes its count back and parks on the migration.
 * The migration sets its bit, then waits until the counts that exclude it are 0.  The bio that
 * takes the last one back calls mg_drained().
 *
 * DIRTY and VOLATILE belong to dirty.c, INTENT to write-intent.c, PARTIAL to partial.c: the count
 * tells a bio of it, so a full block costs no other look.
 *
 * The look-up has no lock, so the entry may map something else by the time the bio is counted.  So
 * it is checked again afterwards.  From then on it cannot change, since a migration has to wait for
 * the count.
 *
 * A *write miss* counts itself in a slot, found by hashing the oblock:
 *
 *    31..24   23..0
 *    claims   writes in flight to the origin
 *
 * A promotion claims the slot, waits for the writes to drain, and copies; writes that find a
 * claim park.  Two oblocks may share a slot, which costs a wait and nothing else.  After counting
 * itself a write miss looks the block up again: with the slot counted and not claimed, "not
 * mapped" stays true until the count is given back.
 *
 * A *read miss* counts nothing.  While a promotion copies, the origin still holds the data.  A read
 * that was sent to the origin before a mapping appeared began before any write to that mapping was
 * acknowledged, so either content is right.
 *
 * Each operation changes one word, by fully ordered read-modify-write atomics; no other barrier is
 * needed.
 */
#ifndef DM_CACHE_BLOCK_LOCK_H
#define DM_CACHE_BLOCK_LOCK_H

#include "dm-cache.h"
#include <linux/hash.h>

#define BL_READER	1U
#define BL_WRITER	(1U << 13)
#define BL_READERS	(BL_WRITER - 1)
#define BL_WRITERS	(BL_READERS * BL_WRITER)
#define BL_PARTIAL	(1U << 26)	/* always with DIRTY */
#define BL_VOLATILE	(1U << 27)	/* never with DIRTY */
#define BL_INTENT	(1U << 28)
#define BL_DIRTY	(1U << 29)
#define BL_NO_WRITE	(1U << 30)
#define BL_LOCKED	(1U << 31)

/* A count this high is not raised further; leaves room for as many CPUs to overshoot. */
#define BL_SATURATED	(1U << 12)

/* The origin does not hold the block's data durably. */
#define BL_UNCLEAN	(BL_DIRTY | BL_VOLATILE)

#define SLOT_CLAIM	(1U << 24)
#define SLOT_WRITES	(SLOT_CLAIM - 1)

enum bl_result {
	BL_OK,			/* counted */
	BL_OK_PARTIAL,		/* counted, and only some granules are there */
	BL_MOVED,		/* the entry maps something else now: look up again */
	BL_BUSY,		/* locked out: park */
	BL_FULL,		/* too many bios on one block: try later */
};

static inline u32 slot_of(struct cache *c, oblock_t ob)
{
	return hash_64(from_oblock(ob), 32) & c->slot_mask;
}

/* Gives back what block_tryget() took.  The last one out wakes a migration that waits. */
static inline void block_put(struct cache *c, struct cblock_entry *e, u32 unit)
{
	u32 s = atomic_sub_return(unit, &e->state);

	if (unlikely(s & (BL_LOCKED | BL_NO_WRITE)) &&
	    !(s & (s & BL_LOCKED ? BL_READERS | BL_WRITERS : BL_WRITERS)))
		mg_drained(c, slot_of(c, to_oblock(table_oblock(&c->table, cblock_of(c, e)))));
}

/* @unit: BL_READER or BL_WRITER. */
static inline enum bl_result block_tryget(struct cache *c, struct cblock_entry *e, oblock_t ob,
					  u32 unit)
{
	const u32 barred = unit == BL_READER ? BL_LOCKED : BL_LOCKED | BL_NO_WRITE;
	const u32 full = unit * BL_SATURATED;
	u32 s = atomic_add_return(unit, &e->state);
	const bool holds = table_holds(&c->table, e, from_oblock(ob));
	enum bl_result r;

	if (likely(!(s & (barred | full | BL_PARTIAL)) && holds))
		return BL_OK;
	if (!holds)
		r = BL_MOVED;
	else if (s & barred)
		r = BL_BUSY;
	else if (s & full)
		r = BL_FULL;
	else
		return BL_OK_PARTIAL;
	block_put(c, e, unit);
	return r;
}

/* Is one of the @nr cblocks from @first on dirty?  The answer may be stale. */
static inline bool blocks_any_dirty(struct cache *c, u32 first, u32 nr)
{
	while (nr--)
		if (atomic_read(&c->table.entries[first + nr].state) & BL_DIRTY)
			return true;
	return false;
}

/* A migration's side. @bit: BL_LOCKED or BL_NO_WRITE. */
static inline void block_lock(struct cblock_entry *e, u32 bit)
{
	atomic_or(bit, &e->state);
	smp_mb__after_atomic();	/* pairs with the full barrier of block_tryget()'s add */
}

static inline void block_unlock(struct cblock_entry *e, u32 bit)
{
	smp_mb__before_atomic();	/* a bio that sees the bit clear sees what was published */
	atomic_andnot(bit, &e->state);
}

static inline bool block_drained(struct cblock_entry *e, u32 bit)
{
	return !(atomic_read(&e->state) &
		 (bit == BL_LOCKED ? BL_READERS | BL_WRITERS : BL_WRITERS));
}

/* True: the write is counted.  False: the slot is claimed and nothing was counted. */
static inline bool miss_tryget(struct cache *c, u32 slot)
{
	if (likely((u32)atomic_inc_return(&c->slots[slot]) < SLOT_CLAIM))
		return true;
	if (!(atomic_dec_return(&c->slots[slot]) & SLOT_WRITES))
		mg_drained(c, slot);
	return false;
}

static inline void miss_put(struct cache *c, u32 slot)
{
	u32 s = atomic_dec_return(&c->slots[slot]);

	if (unlikely(s >= SLOT_CLAIM) && !(s & SLOT_WRITES))
		mg_drained(c, slot);
}

static inline void slot_claim(struct cache *c, u32 slot)
{
	atomic_add_return(SLOT_CLAIM, &c->slots[slot]);
}

static inline void slot_unclaim(struct cache *c, u32 slot)
{
	atomic_sub_return(SLOT_CLAIM, &c->slots[slot]);
}

static inline bool slot_drained(struct cache *c, u32 slot)
{
	return !(atomic_read(&c->slots[slot]) & SLOT_WRITES);
}

#endif
