/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * remap.h - points a bio at the origin, the cache, or both; remap.c.
 *
 * Contexts: any that may submit a bio.
 */
#ifndef DM_CACHE_REMAP_H
#define DM_CACHE_REMAP_H

#include "block-types.h"

struct bio;
struct cache;

int remap_to_origin(struct cache *c, struct bio *bio);
int remap_to_cache(struct cache *c, struct bio *bio, cblock_t cb);
int remap_to_both(struct cache *c, struct bio *bio, cblock_t cb);

#endif
