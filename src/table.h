/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * table.h - the mapping table, oblock -> cblock; how it works is told in table.c.
 *
 * Contexts: table_lookup() anywhere, on many CPUs at once; the rest from one caller at a time,
 * beside look-ups.  Only init and exit sleep.  Also compiled in userspace, for its stress test.
 */
#ifndef DM_CACHE_TABLE_H
#define DM_CACHE_TABLE_H

#include <linux/atomic.h>

#include "block-types.h"

/*
 * One cache block.  @oblock is NO_OBLOCK unless the block is mapped; @next links the hash chain;
 * @state belongs to block-lock.h, which counts there the bios that use the block.
 */
struct cblock_entry {
	u64 oblock;
	u32 next;
	atomic_t state;
};

struct mapping_table {
	struct cblock_entry *entries;	/* one a cblock; they stay for the life of the table */
	u32 *buckets;
	u32 nr_buckets;
	u32 nr_entries;
	atomic_t nr_mapped;
};

/* All cblocks unmapped.  1 <= @nr_entries <= DMC_MAX_CBLOCKS.  0 or -ENOMEM. */
int table_init(struct mapping_table *t, u32 nr_entries);
void table_exit(struct mapping_table *t);	/* also of a zeroed one */

/*
 * True, with *@cb: @cb mapped @ob at some time during the call; block_count() tells whether it
 * still does.  False: @ob was unmapped at some time during the call.
 */
bool table_lookup(const struct mapping_table *t, oblock_t ob, cblock_t *cb);

/* @cb is unmapped, and so is @ob. */
void table_insert(struct mapping_table *t, cblock_t cb, oblock_t ob);

/*
 * Inserts all of @run, while nobody looks anything up: at activation.  Returns how many of its blocks hold
 * something.
 */
u32 table_insert_run(struct mapping_table *t, const struct dmc_run *run);

/* @cb is mapped. */
void table_remove(struct mapping_table *t, cblock_t cb);

#endif
