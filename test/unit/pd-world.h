/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pd-world.h - a metadata device with a toy superblock, for the tests of the persistent-data
 * library.
 *
 * The superblock keeps what the library needs (space map root) and up to eight roots with a word
 * each of the test's own.  world_check_disk() looks at the raw bytes of a disk, shares no
 * code with the library, and compares every reference count with what it finds walking the roots.
 */
#ifndef PD_WORLD_H
#define PD_WORLD_H

#include "persistent-data/array.h"
#include "persistent-data/bitset.h"
#include "unit.h"

#define NR_ROOTS 8

enum root_kind {
	ROOT_NONE,
	ROOT_TREE1,	/* plain values */
	ROOT_TREE2,	/* two levels, plain values */
	ROOT_TREE3,
	ROOT_ARRAY,	/* array blocks under a one-level tree */
};

struct world_root {
	u64 kind;
	u64 block;
	u64 word;
};

struct world {
	struct shim_disk *disk;
	bool own_disk;
	struct dmc_bm *bm;
	struct dmc_tm *tm;
	struct world_root roots[NR_ROOTS];
};

extern const struct dmc_validator world_sb_validator;

/* 0 or -errno; on error nothing is left but the disk.  Formats a disk whose block 0 is zero. */
int world_open(struct world *w, struct shim_disk *disk);
int world_commit(struct world *w);
void world_close(struct world *w);	/* drops what was not committed; the disk stays */

/* For tests that expect no error: with a disk of @blocks of its own. */
void world_create(struct world *w, u64 blocks);
void world_reopen(struct world *w);
void world_destroy(struct world *w);	/* checks the disk, then frees it */

/* NULL, or what is wrong with the committed state of @disk. */
const char *world_check_disk(struct shim_disk *disk);
void world_check(struct world *w);	/* commit, then the same, as a CHECK */

/*
 * What an independent reader makes of array or tree entries on disk; fails the test if malformed.
 */
bool world_raw_lookup(struct shim_disk *disk, const struct world_root *root, const u64 *keys,
		      void *value);

/* Trees and arrays of values of 8 bytes. */
static inline struct dmc_btree_info tree_info(struct world *w, unsigned int levels)
{
	struct dmc_btree_info info = { .tm = w->tm, .levels = levels, .value_type.size = 8 };

	return info;
}

static inline void array_info(struct world *w, struct dmc_array_info *info)
{
	struct dmc_btree_value_type vt = { .size = 8 };

	dmc_array_info_init(info, w->tm, &vt);
}

#endif
