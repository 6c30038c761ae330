/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * map-multi.h - bios that reach beyond one block; how they are taken is told in map-multi.c.
 *
 * Contexts: any that map.c runs in.
 */
#ifndef DM_CACHE_MAP_MULTI_H
#define DM_CACHE_MAP_MULTI_H

#include "dm-cache.h"

/* span_map(): the bio was cut to its first block and is to be mapped as any other. */
#define SPAN_NO_RUN (-ENOENT)

int span_map(struct cache *c, struct bio *bio, oblock_t first, u32 offset);
void span_read_again(struct cache *c, struct bio *bio);
int span_end_io(struct cache *c, struct bio *bio, enum held held, bool failed);

#endif
