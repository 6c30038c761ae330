/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * md-fsck.h - decodes and checks cache metadata from its raw bytes, sharing no code with what is
 * tested.  Everything a checker demands is checked: checksums, structure, order and ranges of keys,
 * occupancy, and every reference count against the references found.
 */
#ifndef MD_FSCK_H
#define MD_FSCK_H

#include <stdbool.h>

#define FSCK_LEAKS_OK 1		/* blocks with count 1 that nothing refers to */
#define FSCK_STALE_OK 2		/* array blocks past the end (in-tree kernels leave them) */
#define FSCK_UNMAPPED_DIRTY_OK 4	/* stale dirty bits of unmapped blocks */

struct md_content {
	u32 version, flags, block_sectors, nr_cblocks;
	char policy[17];
	u32 hint_size, policy_version[3], stats[4];
	u64 *maps;		/* nr_cblocks: as stored, oblock << 16 | flags */
	u8 *dirty;		/* nr_cblocks: as stored */
	u64 (*valid)[4];	/* nr_cblocks: of partial blocks, else 0 */
	u64 nr_partial;
	u32 *hints;		/* nr_hints */
	u64 nr_hints;
	u64 discard_block_sectors, nr_dblocks;
	u8 *discards;		/* nr_dblocks */
	u64 nr_blocks, nr_used;	/* metadata blocks */
};

/*
 * NULL if all is well, else what is not.  @c may be NULL; it is filled as far as it could be, and
 * is to be freed either way.
 */
const char *md_fsck(const u8 *data, u64 bytes, unsigned int flags, struct md_content *c);
void md_content_free(struct md_content *c);

#endif
