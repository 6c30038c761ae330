/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * offline.h - settles a cache that is not active: no partial block is left; how is told in
 * offline.c.
 *
 * Userspace, on top of the shim: `dmcache settle` (main.c) with real devices, the unit tests with
 * disks in RAM.
 */
#ifndef SETTLE_OFFLINE_H
#define SETTLE_OFFLINE_H

#include "metadata/metadata.h"

struct offline {
	struct block_device *metadata, *cache, *origin;
	/* A line about what stays, and why.  And where things are: the last members; optional. */
	void (*tell)(void *ctx, const char *line);
	void (*progress)(void *ctx, const struct offline *o);
	void *ctx;

	/* Results. */
	u32 nr_partial;			/* that were found */
	u32 nr_settled;			/* their mappings are gone, on disk */
	u32 nr_dirty;			/* full blocks that are dirty, and stay */
	u32 block_sectors;
	u64 nr_sectors;			/* valid ones of partial blocks... */
	u64 nr_copied;			/* ... and of these: the origin has them */
	char why[400];			/* after an error: what to tell the user */
};

/*
 * 0: there is no partial block any more, so that the kernel's own module opens the device.  Else
 * -errno and o->why; what was not settled is as it was.  It may be called again.
 */
int offline_settle(struct offline *o);

#endif
