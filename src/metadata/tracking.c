// SPDX-License-Identifier: GPL-2.0-only
/*
 * tracking.c - from stored metadata to metadata that is kept right while the cache runs.
 *
 * Nowhere on a bio's path: called at activation, before the first bio.  May sleep and do I/O; no
 * locks (the caller serialises all metadata work).
 *
 * What "tracking" means is told in superblock.h.  To get there, from whatever the last user left:
 *
 *	dirty bits	clean-shutdown flag set: they stay.  Clear: all mapped blocks are dirty
 *	discards	none; what is in memory from now on is told to the disk at the shutdown only
 *	hints		stay if their array is as long as the mappings, or can be made so; else go
 *
 * One commit brings all of it, with the tracking mark.  Nothing else is written anywhere until that
 * commit is durable, so a crash before it leaves what was there.  If the metadata device has little
 * room, setting all dirty bits can take several commits; then the flag is clear anyway, and the
 * last commit sets it.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/vmalloc.h>

#include "private.h"

struct settle {
	const struct dmc_md_tracking *l;
	u64 *dirty;
};

static u64 dirty_word_of(void *ctx, u32 index)
{
	const struct settle *settle = ctx;

	return settle->dirty[index];
}

static u64 no_discards(void *ctx, u64 index)
{
	return 0;
}

static bool flag_is_set(const struct dmc_md *md)
{
	return le32_to_cpu(md->sb->flags) & DMC_SB_CLEAN;
}

static int settle_dirty(struct dmc_md *md, bool all)
{
	struct settle settle;
	struct dmc_md_shutdown s = { .ctx = &settle, .dirty_word = dirty_word_of };
	int r;

	r = md_dirty_words(md, all, &settle.dirty);
	if (r)
		return r;
	r = md_write_dirty(md, &s);
	vfree(settle.dirty);
	return r;
}

static int settle_hints(struct dmc_md *md)
{
	if (md->hints == MD_HINTS_NONE)
		return 0;
	if (md->hints == MD_HINTS_SOUND)
		return md->hints_len == md->nr_cblocks ? 0 : md_resize_hints(md);
	/* They were not read; those of a clean shutdown were as long as the mappings. */
	if (flag_is_set(md) && md->opened_cblocks == md->nr_cblocks)
		return 0;
	return md_drop_hints(md);
}

/* *@at_hints: it is the hints that failed. */
static int tracking_settle(struct dmc_md *md, const struct dmc_md_tracking *l, bool *at_hints)
{
	struct dmc_md_shutdown s = {
		.discard_word = no_discards,
		.discard_block_sectors = l->discard_block_sectors,
		.nr_dblocks = l->nr_dblocks,
	};
	int r = 0;

	*at_hints = false;
	if (!flag_is_set(md) || md->stray_dirty)
		r = settle_dirty(md, !flag_is_set(md));
	if (!r && md->drop_beyond)
		r = md_drop_beyond(md);
	if (!r && l->nr_cblocks != md->nr_cblocks)
		r = md_change_length(md, l->nr_cblocks);
	if (!r)
		r = md_write_discards(md, &s);
	if (!r) {
		*at_hints = true;
		r = settle_hints(md);
	}
	return md_change_end(md, r);
}

int dmc_md_start_tracking(struct dmc_md *md, const struct dmc_md_tracking *l, cblock_t *busy)
{
	bool at_hints;
	int r;

	if (l->nr_dblocks > U32_MAX || (l->nr_dblocks && !l->discard_block_sectors))
		return -EINVAL;
	r = md_change_allowed(md);
	if (!r)
		r = md_check_length(md, l->nr_cblocks, busy);
	if (r)
		return r;
	r = tracking_settle(md, l, &at_hints);
	/* Hints are not worth a cache that does not start. */
	if (r && at_hints) {
		r = md_without_damaged_hints(md, r);
		if (!r)
			r = tracking_settle(md, l, &at_hints);
	}
	if (r)
		return r;

	md->tracking = true;
	r = md_commit(md, NULL, NULL);
	if (r) {
		md->tracking = false;
		return r;
	}
	md->drop_beyond = false;
	md->stray_dirty = false;
	md->dirty_bits_valid = true;
	return 0;
}

bool dmc_md_is_tracking(const struct dmc_md *md)
{
	return md->tracking;
}

int dmc_md_stop_tracking(struct dmc_md *md)
{
	int r = md_change_allowed(md);

	if (r)
		return r;
	md->tracking = false;
	return md_commit(md, NULL, NULL);
}
