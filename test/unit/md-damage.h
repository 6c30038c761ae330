/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * md-damage.h - random damage under right checksums, for the tests that look what is made of it.
 */
#ifndef MD_DAMAGE_H
#define MD_DAMAGE_H

#include "unit.h"

struct shim_disk;

struct damage_base {
	struct shim_disk *d;
	u32 blocks[600];	/* those in use, and some that were */
	u32 salt[600];		/* of their kind */
	unsigned int nr;
	const char *kind;	/* what was changed last: in a block of this kind */
	u32 offset, size;
};

/* @d, which stays the caller's, holds metadata. */
void damage_init(struct damage_base *b, struct shim_disk *d);

/*
 * Changes 1 to 8 bytes of one of the blocks on @d, a copy of the base's disk.  Mostly in headers
 * and first entries; a number that is likely to hurt, or any.
 */
void damage_once(struct damage_base *b, struct shim_disk *d);

#endif
