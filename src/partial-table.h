/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * partial-table.h - partial blocks by their cblocks; partial-table.c.
 */
#ifndef DM_CACHE_PARTIAL_TABLE_H
#define DM_CACHE_PARTIAL_TABLE_H

#include "partial-memory.h"

struct partials;

#define PARTIAL_NONE 0x7fffffffU	/* no partial_block */

/* For at most @nr blocks, at least one; nothing, if it was made.  May sleep.  0 or -ENOMEM. */
int partial_table_make(struct partials *p, u32 nr);

/*
 * Memory for PARTIAL_CHUNK more, if more may be, and there is any.  Activation, and the engine: one
 * at a time.  May sleep; takes partials.lock.
 */
void partial_table_grow(struct partials *p);

/* With partials.lock.  NULL: the block is full, or was when it was asked for. */
struct partial_block *partial_find(struct partials *p, u32 cblock);

/* With partials.lock.  A new one, all 0.  NULL: no memory. */
struct partial_block *partial_insert(struct partials *p, u32 cblock);

/* With partials.lock. */
void partial_remove(struct partials *p, struct partial_block *b);

#endif
