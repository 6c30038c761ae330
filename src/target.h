/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * target.h - methods of the target that have files of their own: ctr.c, status.c, message.c.
 *
 * device-mapper calls them through the table of methods in target.c, in process context.  One
 * header for the three, since each has one method or two, and no other file but ctr.c calls one.
 */
#ifndef DM_CACHE_TARGET_H
#define DM_CACHE_TARGET_H

#include <linux/device-mapper.h>

struct cache;

/* ctr.c */
int cache_ctr(struct dm_target *ti, unsigned int argc, char **argv);
void cache_dtr(struct dm_target *ti);

/* status.c */
void cache_status(struct dm_target *ti, status_type_t type, unsigned int flags,
		  char *result, unsigned int maxlen);

/* message.c */
int cache_message(struct dm_target *ti, unsigned int argc, char **argv,
		  char *result, unsigned int maxlen);
int cache_set_config(struct cache *c, const char *key, const char *value);

#endif
