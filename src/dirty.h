/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dirty.h - which cblocks hold data that the origin lacks, or may lose; dirty.c.
 *
 * Contexts: dirty_set() any, the rest where dirty.c says.
 */
#ifndef DM_CACHE_DIRTY_H
#define DM_CACHE_DIRTY_H

#include <linux/types.h>
#include "block-types.h"

struct cache;

void dirty_set(struct cache *c, cblock_t cb);
void dirty_born(struct cache *c, cblock_t cb);
bool dirty_clear(struct cache *c, cblock_t cb);
void dirty_written(struct cache *c, cblock_t cb);
bool dirty_settled(struct cache *c, cblock_t cb);
bool dirty_lost(struct cache *c, cblock_t cb);
void dirty_load(struct cache *c, cblock_t cb);
u64 dirty_word(void *ctx, u32 index);

#endif
