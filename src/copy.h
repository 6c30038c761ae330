/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * copy.h - moves the data of one block; copy.c.
 *
 * Contexts: copy_start() the engine, mg_copied() any.
 */
#ifndef DM_CACHE_COPY_H
#define DM_CACHE_COPY_H

struct migration;

/* Starts the copy; mg_copied() when it has ended. */
void copy_start(struct migration *mg);
void mg_copied(struct migration *mg, int error);

#endif
