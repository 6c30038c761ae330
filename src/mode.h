/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mode.h - a metadata failure becomes less service; mode.c.
 *
 * Contexts: md_mutex is held; mode_name() any.
 */
#ifndef DM_CACHE_MODE_H
#define DM_CACHE_MODE_H

struct cache;

/* How far the metadata can be used.  It only ever goes down. */
enum md_mode {
	MD_WRITE,
	MD_READ_ONLY,
	MD_FAIL,
};

void mode_metadata_failed(struct cache *c, const char *what, int error);
void mode_metadata_foreign(struct cache *c);
const char *mode_name(enum md_mode mode);

#endif
