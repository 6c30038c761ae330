/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * map.h - a bio comes in, and goes out again; map.c.
 *
 * Contexts: map_bio() that of the submitter, map_again() the engine, map_end_io() interrupts too.
 */
#ifndef DM_CACHE_MAP_H
#define DM_CACHE_MAP_H

#include <linux/blk_types.h>
#include <linux/errno.h>

#include "block-types.h"
#include "migrate.h"
#include "policies/policy.h"

struct bio;
struct cache;

int map_bio(struct cache *c, struct bio *bio);
void map_again(struct cache *c, struct bio *bio);
int map_end_io(struct cache *c, struct bio *bio, blk_status_t *status);

/* Internal answer: the world changed under the look-up, start again. */
#define MAP_LOOK_AGAIN (-EAGAIN)

/* For map-partial.c and posted.c.  A hit is counted, and the policy told. */
void map_tell_hit(struct cache *c, struct bio *bio, oblock_t ob, cblock_t cb,
		  enum dmc_dir dir);
/* A migration has the block: wait for its end.  MAP_LOOK_AGAIN: it has just ended. */
int map_park(struct cache *c, oblock_t ob, struct bio *bio);
/* A promotion for @bio's sake did not start.  A DM_MAPIO_* code, or MAP_LOOK_AGAIN. */
int map_came_late(struct cache *c, struct bio *bio, struct migration *mg);
/* Starts a migration for @bio's sake; the bio is mapped again at its end.  A DM_MAPIO_* code. */
int map_park_on_new(struct cache *c, struct bio *bio, enum mg_kind kind, oblock_t ob,
		    cblock_t cb);

#endif
