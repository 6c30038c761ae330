/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * private.h - what the files behind metadata.h share: metadata.c (open, commit, abort),
 * mappings.c (cblock -> oblock), tracking.c (what is kept right while the cache runs),
 * metadata/discards.c and metadata/shutdown.c (what a clean shutdown writes).
 *
 * Nowhere on a bio's path.  All of it may sleep; the caller serialises every call but
 * dmc_md_get_usage(), hence no locks here.
 */
#ifndef DMC_METADATA_PRIVATE_H
#define DMC_METADATA_PRIVATE_H

#include <linux/atomic.h>
#include <linux/device-mapper.h>
#include <linux/types.h>

#include "metadata.h"
#include "superblock.h"
#include "persistent-data/array.h"
#include "persistent-data/bitset.h"
#include "persistent-data/btree.h"
#include "persistent-data/transaction.h"

#define DM_MSG_PREFIX "cache metadata"

/* A mapping on disk: oblock << 16 | flags.  Without the valid flag the rest means nothing. */
#define MAP_VALID (1ULL << 0)
#define MAP_DIRTY (1ULL << 1)			/* format 1 only; as of the last clean shutdown */
#define MAP_OBLOCK_SHIFT 16

/* What is known of the hint array below hint_root. */
enum md_hints {
	MD_HINTS_NONE,		/* there is none */
	MD_HINTS_UNKNOWN,	/* not looked at; of unknown length */
	MD_HINTS_SOUND,		/* read or written through, and hints_len long at least */
	MD_HINTS_DAMAGED,	/* cannot be read, so cannot be freed either */
};

struct dmc_md {
	struct dmc_md_params p;		/* p.dev_name points to @name */
	char name[64];

	struct dmc_bm *bm;
	struct dmc_tm *tm;		/* NULL after an abort that failed: only close is left */

	struct dmc_superblock *sb;	/* byte for byte as last committed */
	struct dmc_superblock *next;	/* the one being put together */
	/* What @sb said when opened or aborted to. */
	bool was_clean;			/* the clean-shutdown flag */
	u32 opened_cblocks;		/* how many blocks */
	bool was_tracking;		/* the tracking mark */
	bool was_whole;			/* its mark says that no mapping is of a partial block */

	bool whole;	/* @was_whole, or mappings of partial blocks were dropped by loading */
	bool tracking;			/* commits keep the flag set; tracking.c */
	bool keep_flags;		/* commits leave flag and mark as they are */

	/* The running transaction. */
	bool changed;			/* differs from what @sb leads to */
	bool failed;		/* a change went wrong half way: only abort or close are left */
	u32 nr_cblocks;
	struct dmc_array_info maps_info;
	mblock_t maps_root;
	struct dmc_bitset dirty;	/* format 2 */
	struct dmc_bitset discards;
	u64 discard_block_sectors;
	struct dmc_array_info hints_info;
	mblock_t hint_root;
	enum md_hints hints;
	struct dmc_btree_info valid_info;
	mblock_t valid_root;		/* 0: no block is partial */
	u32 nr_partial;
	u32 hints_len;			/* of a sound hint array */

	/*
	 * The stored dirty bits still describe the blocks: the last shutdown was clean, and no
	 * mapping was made since.
	 */
	bool dirty_bits_valid;

	bool inserted;		/* mappings, since opened or aborted: their hints are of others */

	/* Loading met dirty bits of unmapped blocks (format 2). */
	bool stray_dirty;

	/*
	 * Mappings that loading found, and the next begin_changes removes: those beyond the origin
	 * (@drop_beyond), and that of @drop_oblock.  The dirty bit of @drop_dirty goes with them
	 * (U32_MAX: none).
	 */
	bool drop_beyond;
	u64 drop_oblock;
	u32 drop_dirty;
	bool dropped;			/* they are gone from the running transaction */

	/* For dmc_md_get_usage(), which is called while all of the above changes. */
	atomic64_t nr_blocks;
	atomic64_t nr_free;
};

/* How the message about @error goes on: with what to do about it, if it is damage. */
static inline const char *md_mend(const struct dmc_md *md, int error)
{
	if (!dmc_is_damage(error))
		return "";
	return DMC_SB_MEND(dmc_sb_has_partial(md->sb), "");
}

static inline bool md_format2(const struct dmc_md *md)
{
	return le32_to_cpu(md->sb->version) == 2;
}

/* metadata.c */

/* 0 if the transaction may be changed at all. */
int md_change_allowed(const struct dmc_md *md);

/*
 * Opens every change: 0 if the transaction may be changed, with the clean-shutdown flag cleared
 * on disk if it was still set.
 */
int md_change_begin(struct dmc_md *md);

/*
 * Closes every change: notes the result @r, and returns it.
 */
int md_change_end(struct dmc_md *md, int r);

/*
 * Commits.  @stats NULL: as before.  @s NULL: clean-shutdown flag clear; else set, and @s->policy
 * stored.
 */
int md_commit(struct dmc_md *md, const struct dmc_md_stats *stats, const struct dmc_md_shutdown *s);

/* Blocks (array blocks and tree nodes) of an array of @n values of @value_size bytes, at most. */
u64 md_array_blocks(u64 n, u32 value_size);

/* mappings.c */

/* -EBUSY and *@busy, or DMC_NO_ROOM, if the arrays cannot be made @nr long.  Changes nothing. */
int md_check_length(struct dmc_md *md, u32 nr, cblock_t *busy);
int md_change_length(struct dmc_md *md, u32 nr);

/*
 * A bit for each cblock that is mapped and counts as dirty: if @all, every mapped one.  To be
 * freed with vfree().
 */
int md_dirty_words(struct dmc_md *md, bool all, u64 **words);

/* Removes the mappings that loading found to be dropped. */
int md_drop_beyond(struct dmc_md *md);

int md_is_mapped(struct dmc_md *md, u32 cblock, bool *mapped);

/* metadata/valid-maps.c */
void md_valid_init(struct dmc_md *md);
int md_valid_forget(struct dmc_md *md, u32 cblock);

/* metadata/discards.c */
int md_write_discards(struct dmc_md *md, const struct dmc_md_shutdown *s);

/* metadata/shutdown.c */

/* Commits if that is needed to have @blocks free: only then are replaced blocks free again. */
int md_make_room(struct dmc_md *md, u64 blocks);
int md_write_dirty(struct dmc_md *md, const struct dmc_md_shutdown *s);
int md_drop_hints(struct dmc_md *md);
/*
 * A change of the hints failed with @error.  0: they are damaged, which is known now, and the
 * transaction is aborted, so that the change can be tried once more without them.  Else an error.
 */
int md_without_damaged_hints(struct dmc_md *md, int error);
int md_resize_hints(struct dmc_md *md);

#endif
