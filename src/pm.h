/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pm.h - the machine hibernates, or is suspended to RAM; pm.c.
 *
 * Contexts: pm_note_waiting() and pm_refuses() any, the rest process.
 */
#ifndef DM_CACHE_PM_H
#define DM_CACHE_PM_H

#include <linux/types.h>

struct bio;
struct cache;

int pm_init(void);
void pm_exit(void);
void pm_enter(struct cache *c);
void pm_leave(struct cache *c);
void pm_note_waiting(struct cache *c);
bool pm_refuses(struct cache *c, const struct bio *bio);

#endif
