/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * map.h - a bio comes in, and goes out again; map.c.
 *
 * Contexts: map_bio() that of the submitter, map_again() the engine, map_end_io() interrupts too.
 */
#ifndef DM_CACHE_MAP_H
#define DM_CACHE_MAP_H

#include <linux/blk_types.h>

struct bio;
struct cache;

int map_bio(struct cache *c, struct bio *bio);
void map_again(struct cache *c, struct bio *bio);
int map_end_io(struct cache *c, struct bio *bio, blk_status_t *status);

#endif
