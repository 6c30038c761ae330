/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hint-groups.h - which hints have to be stored again.
 *
 * One byte for every HINT_GROUP cblocks: may a hint among them differ from what is stored?  So a
 * suspend after little use writes little, and one after none nothing.  Ageing changes all hints,
 * but comes once in many accesses to each block (mq-common.h): then all groups have changed.
 *
 * Set by hits, without a lock: a relaxed store of one byte, and only if it is not set yet, so that
 * CPUs share it for reading.  Set also under the policy's lock; cleared at a clean shutdown,
 * when nothing else is running.
 */
#ifndef DMC_HINT_GROUPS_H
#define DMC_HINT_GROUPS_H

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "../../block-types.h"
#include "tunables.h"

/*
 * A block of the hint array on disk has 1018 hints, so one that is touched once has a few of these.
 */
#define HINT_GROUP 128

struct hint_groups {
	u8 *changed;
	u32 nr;
};

static inline int hint_groups_init(struct hint_groups *g, u32 nr_blocks)
{
	g->nr = DIV_ROUND_UP(nr_blocks, HINT_GROUP);
	g->changed = dmc_zalloc_table(g->nr, 1);
	return g->changed ? 0 : -ENOMEM;
}

static inline void hint_groups_exit(struct hint_groups *g)
{
	vfree(g->changed);
}

/* The hint of @cblock is no longer as stored.  Any context. */
static inline void hint_group_changed(struct hint_groups *g, cblock_t cblock)
{
	u8 *changed = &g->changed[from_cblock(cblock) / HINT_GROUP];

	if (!READ_ONCE(*changed))
		WRITE_ONCE(*changed, 1);
}

/* All hints in the group of @cblock are as stored; while nothing else is running. */
static inline void hint_group_same(struct hint_groups *g, cblock_t cblock)
{
	g->changed[from_cblock(cblock) / HINT_GROUP] = 0;
}

/* For some of the @nr blocks from @first on, or a neighbour? */
static inline bool hint_groups_changed(const struct hint_groups *g, cblock_t first, u32 nr)
{
	u32 i = from_cblock(first) / HINT_GROUP;
	u32 last = nr ? (from_cblock(first) + nr - 1) / HINT_GROUP : 0;

	for (; nr && i <= last; i++)
		if (READ_ONCE(g->changed[i]))
			return true;
	return false;
}

/* The hints of the @nr > 0 blocks from @first on are no longer as stored. */
static inline void hint_groups_some_changed(struct hint_groups *g, cblock_t first, u32 nr)
{
	u32 i = from_cblock(first) / HINT_GROUP, last = (from_cblock(first) + nr - 1) / HINT_GROUP;

	memset(g->changed + i, 1, last - i + 1);
}

/* All are as stored. */
static inline void hint_groups_saved(struct hint_groups *g)
{
	memset(g->changed, 0, g->nr);
}

#endif
