/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * table.h - the mapping table, oblock -> cblock; how it works is told in table.c.
 *
 * Contexts: table_lookup() anywhere, on many CPUs at once; the rest from one caller at a time,
 * beside look-ups: under migrations.lock, or while there are no bios.  Only init and exit sleep.
 * Also compiled in userspace, for its stress test.
 */
#ifndef DM_CACHE_TABLE_H
#define DM_CACHE_TABLE_H

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/limits.h>

#include "block-types.h"

/*
 * One cache block.  @low are the lower 32 bits of the oblock, all of them set unless the block is
 * mapped: use table_oblock(); @next links the hash chain; @state belongs to block-lock.h, which
 * counts there the bios that use the block.
 */
struct cblock_entry {
	u32 low;
	u32 next;
	atomic_t state;
};

struct mapping_table {
	struct cblock_entry *entries;	/* one a cblock; they stay for the life of the table */
	u16 *high;			/* the upper bits of each oblock; NULL if all are 0 */
	u32 *buckets;
	u32 nr_buckets;
	u32 nr_entries;
	atomic_t nr_mapped;
};

/*
 * All cblocks unmapped.  1 <= @nr_entries <= DMC_MAX_CBLOCKS; no oblock, not even one that is
 * only looked up, will reach @nr_oblocks, which is below DMC_MAX_OBLOCKS.  0 or -ENOMEM.
 */
int table_init(struct mapping_table *t, u32 nr_entries, u64 nr_oblocks);
void table_exit(struct mapping_table *t);	/* also of a zeroed one */

#define TABLE_UNMAPPED	U32_MAX		/* in @low; below an @high of U16_MAX, where there is one */

/*
 * What @cb holds: an oblock, or NO_OBLOCK.  Beside a writer, what it held at some time during the
 * call; with @high, maybe one half each of two such values.  A bio that needs to know counts itself
 * in first (block_tryget()).
 */
static inline u64 table_oblock(const struct mapping_table *t, cblock_t cb)
{
	u64 oblock = READ_ONCE(t->entries[from_cblock(cb)].low);

	if (likely(!t->high))
		return oblock == TABLE_UNMAPPED ? NO_OBLOCK : oblock;
	smp_rmb();	/* pairs with that of table_insert(): @high was there before this @low */
	oblock |= (u64)READ_ONCE(t->high[from_cblock(cb)]) << 32;
	return oblock == DMC_MAX_OBLOCKS - 1 ? NO_OBLOCK : oblock;
}

/*
 * Is that @oblock, which is no more than the origin has?  What table_oblock() says of writers holds
 * here too.
 */
static inline bool table_holds(const struct mapping_table *t, const struct cblock_entry *e,
			       u64 oblock)
{
	if (READ_ONCE(e->low) != (u32)oblock)
		return false;
	return likely(!t->high) || table_oblock(t, to_cblock(e - t->entries)) == oblock;
}

/*
 * True, with *@cb: @cb mapped @ob at some time during the call; block_tryget() tells whether it
 * still does.  False: @ob was unmapped at some time during the call.
 */
bool table_lookup(const struct mapping_table *t, oblock_t ob, cblock_t *cb);

/* @cb is unmapped, and so is @ob. */
void table_insert(struct mapping_table *t, cblock_t cb, oblock_t ob);

/*
 * Inserts all of @run, while there are no look-ups: at activation.  Returns how many of its
 * blocks hold something.
 */
u32 table_insert_run(struct mapping_table *t, const struct dmc_run *run);

/* @cb is mapped. */
void table_remove(struct mapping_table *t, cblock_t cb);

#endif
