/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * activate.h - from a table to a running cache, and to a clean shutdown; activate.c.
 *
 * Contexts: process, no bio in flight; activate_check_woken() after a hibernation.
 */
#ifndef DM_CACHE_ACTIVATE_H
#define DM_CACHE_ACTIVATE_H

struct cache;

int activate_check_table(struct cache *c, char **error);
void activate_forget_hints(struct cache *c);
int activate(struct cache *c);
void deactivate(struct cache *c);
void activate_check_woken(struct cache *c);

#endif
