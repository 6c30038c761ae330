/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * metadata.h - the cache's bookkeeping on the metadata device, at the level of transactions.
 *
 * Everything here is a promise about the disk: after dmc_md_commit() returned 0 the state given
 * to the calls before it survives a power cut; without a commit none of it does.  The on-disk
 * format (versions 1 and 2) is drawn in superblock.h.
 *
 * Contexts: all functions may sleep and do I/O.  The caller serialises them (the core calls from
 * its commit worker, or when that is idle); dmc_md_get_usage() alone may be called any time.
 *
 * Errors: 0 or a negative errno.  After an error from a changing call (insert, remove, resize,
 * write_*, commit) the running transaction is undefined: call dmc_md_abort(), which returns to the
 * last commit, or dmc_md_close().
 *
 * Also compiled in userspace, on a simulated disk.
 */
#ifndef DMC_METADATA_H
#define DMC_METADATA_H

#include "../block-types.h"
#include "../persistent-data/damage.h"

struct block_device;
struct dmc_md;

#define DMC_MD_POLICY_NAME_LEN 16
#define DMC_MD_BLOCK_SECTORS 8		/* of a metadata block: 4096 bytes */
#define DMC_MD_WORD_BITS 64		/* of a word of dirty bits, or of discard bits */
#define DMC_MD_MAPPINGS_PER_BLOCK 509	/* that share an array block; so do words of 64 bits */

/* The policy that stored the hints. */
struct dmc_md_policy {
	char name[DMC_MD_POLICY_NAME_LEN];	/* NUL-terminated */
	u32 version[3];
	u32 hint_size;				/* 0 or 4 */
};

/* Counters kept across restarts.  32 bits on disk; saturated when stored, never wrapped. */
struct dmc_md_stats {
	u64 read_hits;
	u64 read_misses;
	u64 write_hits;
	u64 write_misses;
};

struct dmc_md_params {
	struct block_device *bdev;	/* metadata device; borrowed */
	const char *dev_name;		/* for messages, e.g. "253:3" */
	u32 block_sectors;		/* cache block size from the table line, 512-byte sectors */
	u64 origin_blocks;		/* whole oblocks of the origin */
	bool origin_partial;		/* and behind them comes a part of one more */
	bool format2;			/* when formatting: use format 2 */

	/*
	 * What the metadata will have to hold, so that a device too small for it is not formatted;
	 * 0: not known yet, then only one too small for anything is refused.
	 */
	u32 nr_cblocks;
	u64 nr_dblocks;
};

/* What a look at the superblock told. */
struct dmc_md_summary {
	bool blank;		/* all zero: would be formatted */
	u32 version;		/* 1 or 2 */
	u32 block_sectors;
	u32 nr_cblocks;
	bool clean;		/* clean-shutdown flag */
	bool needs_check;
	u32 fingerprint;	/* what dmc_md_fingerprint() returns once it is open */
	struct dmc_md_policy policy;	/* that stored the hints; an empty name: there are none */
};

/*
 * Why a device was refused: what to tell the user, one line without the device's name, ending in
 * the next command to run where there is one.  Static storage.
 */
typedef const char *dmc_md_reason_t;

/*
 * Look, change nothing: may be called while another table has the device open.  0 if the device
 * could be opened with @p (blank ones too), else -errno and *@why.
 */
int dmc_md_probe(const struct dmc_md_params *p, struct dmc_md_summary *out, dmc_md_reason_t *why);

/*
 * Metadata blocks (4096 bytes) that a cache of @nr_cblocks and @nr_dblocks needs, with room to copy
 * on write what any one commit of DMC_MD_COMMIT_CHANGES changes; hints included.
 */
#define DMC_MD_COMMIT_CHANGES 192
#define DMC_MD_COMMIT_MOST (4 * DMC_MD_COMMIT_CHANGES)	/* more are not worth a longer commit */
u64 dmc_md_min_blocks(u64 nr_cblocks, u64 nr_dblocks, bool format2);

/*
 * Metadata blocks that @to instead of @from cache blocks take, hints included, with room to copy on
 * write.  If fewer are free a resize fails with DMC_NO_ROOM.
 */
u64 dmc_md_growth(u32 from, u32 to, bool format2);

/*
 * How many changes one commit has room for, with @nr_free of @nr_blocks metadata blocks free at the
 * last one: DMC_MD_COMMIT_MOST at most.  A change is that of a mapping and its dirty bit, or of
 * the dirty bits of a word.  The least is 1, which may then fail with DMC_NO_ROOM.
 */
u32 dmc_md_changes_fit(u32 nr_cblocks, bool format2, u64 nr_blocks, u64 nr_free);

/*
 * Opens the metadata; a blank device (all of block 0 zero) is formatted and committed first,
 * nothing else is ever formatted.  Nothing is written to a formatted device until
 * dmc_md_begin_changes().  ERR_PTR on error, with *@why.
 */
struct dmc_md *dmc_md_open(const struct dmc_md_params *p, dmc_md_reason_t *why);

/* Drops everything uncommitted.  @md is gone afterwards. */
void dmc_md_close(struct dmc_md *md);

u32 dmc_md_version(struct dmc_md *md);		/* 1 or 2 */
/* length of the mapping array, current transaction */
u32 dmc_md_nr_cblocks(struct dmc_md *md);
bool dmc_md_needs_check(struct dmc_md *md);
/* Was the clean-shutdown flag set when the superblock was last read from the device? */
bool dmc_md_was_clean(struct dmc_md *md);
/*
 * Was the flag set by dmc_md_start_tracking(), not by a clean shutdown?  Then the cache crashed.
 */
bool dmc_md_was_tracking(struct dmc_md *md);
/* Changes with every committed superblock (its checksum): has another system written? */
u32 dmc_md_fingerprint(struct dmc_md *md);
void dmc_md_get_stats(struct dmc_md *md, struct dmc_md_stats *stats);
void dmc_md_get_policy(struct dmc_md *md, struct dmc_md_policy *policy);
/* The hints on disk are those of @policy: same name, major version and hint size. */
bool dmc_md_policy_matches(struct dmc_md *md, const struct dmc_md_policy *policy);
/* Blocks of 4096 bytes.  Callable at any time, from any context that may sleep. */
void dmc_md_get_usage(struct dmc_md *md, u64 *used, u64 *total);

/*
 * Makes the mapping array (and dirty bitset) @nr long.  Refuses, before changing anything, with
 * -EBUSY and the offending block in *@busy when a block that would go is dirty (every mapped
 * block counts as dirty unless was_clean and nothing was inserted since), and with DMC_NO_ROOM when
 * the metadata device has no room for the longer arrays.  After other errors: abort.
 */
int dmc_md_resize(struct dmc_md *md, u32 nr, cblock_t *busy);

/*
 * Calls @fn for runs of cblocks, ascending, that leave out no mapped one.
 *
 *  - A block is dirty if its stored bit is set, or if not was_clean.
 *  - There are hints only if was_clean and name, major version and hint size equal @policy's.
 *  - @hints_fn, optional, is shown all hints once, before the first run.  It may change what @fn
 *    will be told; then the shutdown's policy must be another than @policy, since the disk keeps
 *    the hints that it has.
 *  - The structure of all arrays is checked on the way, and that no oblock comes twice.
 *  - If a mapping lies beyond p->origin_blocks: -EFBIG if it is dirty.  If it is clean, @fn is not
 *    shown it, and begin_changes removes it (the next commit, if begin_changes came before).
 *    The same holds for a mapping that may be an earlier version's of a partial block (mappings.c).
 *  - It stops at the first error, its own or @fn's.
 *  - @fn may sleep, and must not call anything of this header.
 */
typedef int (*dmc_md_run_fn)(void *ctx, const struct dmc_run *run);
typedef void (*dmc_md_hints_fn)(void *ctx, u32 *hints, u32 nr);
int dmc_md_load_mappings(struct dmc_md *md, const struct dmc_md_policy *policy,
			 dmc_md_hints_fn hints_fn, dmc_md_run_fn fn, void *ctx);

/*
 * Calls @fn for each maximal run of discarded sectors [begin, end), rounded to the discard block
 * size on disk; for none if not was_clean.  The last discard block is left out if the origin may
 * have ended within it.
 */
typedef int (*dmc_md_discard_fn)(void *ctx, u64 begin_sector, u64 end_sector);
int dmc_md_load_discards(struct dmc_md *md, dmc_md_discard_fn fn, void *ctx);

/*
 * Clears the clean-shutdown flag on disk, durably (superblock written in place, then flushed), if
 * it is set.  After every open and every commit_clean it must have returned 0 before the first
 * change of any kind, on the metadata or the data devices.  (If the caller forgot it, the changing
 * calls below and resize do it; nothing can do it for the data devices.)  -EPERM when needs_check
 * is set.
 */
int dmc_md_begin_changes(struct dmc_md *md);

/*
 * The other way to begin, instead of dmc_md_begin_changes(): from here until the next
 * dmc_md_commit_clean() or dmc_md_stop_tracking() every commit leaves metadata that may be taken
 * for a clean shutdown, so the flag stays set (superblock.h).  In return the caller sees to it,
 * with dmc_md_set_dirty(), that the stored dirty bit of a block is durable before the first write
 * to it is sent, and is cleared only when the block is durably the same on cache and origin.
 *
 * Makes the arrays @l->nr_cblocks long, as dmc_md_resize() does (-EBUSY and *@busy, DMC_NO_ROOM:
 * nothing was changed), sets the dirty bit of every mapped block if the flag was clear, empties the
 * discards, and commits all of that.  DMC_NO_ROOM can also come later, and then as any other error:
 * abort.
 */
struct dmc_md_tracking {
	u32 nr_cblocks;
	u64 nr_dblocks;
	u64 discard_block_sectors;
};
int dmc_md_start_tracking(struct dmc_md *md, const struct dmc_md_tracking *l, cblock_t *busy);
bool dmc_md_is_tracking(const struct dmc_md *md);

/*
 * Clears the flag after all: commits, and from then on the state is as after
 * dmc_md_begin_changes().
 */
int dmc_md_stop_tracking(struct dmc_md *md);

/* The stored dirty bit of a mapped block; DMC_NO_ENTRY, and nothing changed, if it is none. */
int dmc_md_set_dirty(struct dmc_md *md, cblock_t cblock, bool dirty);

/*
 * The same for many, fastest if they ascend: then each block of the metadata is changed once.
 * Those that get dirty have to be mapped; of the others, unmapped ones do not matter.  -EINVAL, and
 * nothing changed, if there is no such cblock.
 */
int dmc_md_set_dirty_many(struct dmc_md *md, const u32 *cblocks, u32 nr, bool dirty);

/* The mapping is stored as clean. */
int dmc_md_insert(struct dmc_md *md, cblock_t cblock, oblock_t oblock);

/*
 * None of @cblocks is mapped any more, or dirty, or partial.  Fastest if they ascend: then each
 * block of the metadata is changed once.  -EINVAL, and nothing changed, if there is no such cblock.
 */
int dmc_md_remove_many(struct dmc_md *md, const u32 *cblocks, u32 nr);
int dmc_md_remove(struct dmc_md *md, cblock_t cblock);	/* the same for one */

/*
 * Partial blocks: of these only some granules are valid, that is in the cache block; what the rest
 * holds is on the origin alone.  Every block is divided into granules of
 * dmc_granule_sectors(block_sectors) sectors, the last of which may be shorter; a map has a bit for
 * each, lowest granule first.
 */
#define DMC_GRANULE_SECTORS 8		/* at least; more where a map would get too long */
#define DMC_MAX_GRANULES 256
#define DMC_VALID_WORDS (DMC_MAX_GRANULES / 64)
u32 dmc_granule_sectors(u32 block_sectors);
u32 dmc_nr_granules(u32 block_sectors);

/*
 * The mapped block @cblock is partial, and so much of it is valid; or, if @valid is NULL, it is
 * full.  While one is partial, no module opens the device that would take it for full.  Its dirty
 * bit is to be stored too, by dmc_md_set_dirty(): what is valid is newer than the origin.  Commit
 * after the data of @valid are durable on the cache device, not before.  dmc_md_insert() makes a
 * block full, dmc_md_remove() takes the map away.  DMC_NO_ENTRY, and nothing changed, if the block
 * is not mapped; -EINVAL if no granule or all of them are valid.
 */
int dmc_md_set_valid(struct dmc_md *md, cblock_t cblock, const u64 *valid);
u32 dmc_md_nr_partial(const struct dmc_md *md);		/* in the current transaction */

/*
 * Calls @fn for each partial block, ascending, after dmc_md_load_mappings(). All are below @nr,
 * the blocks of the cache device, which may be smaller now: one beyond is damage. (It is not
 * dirty, or the size would have been refused before.) Is it mapped, and dirty? That is for @fn
 * to judge, by what was loaded before: on a damaged disk it may not be. Stops at the first
 * error, its own or @fn's. @fn may sleep, and must not call anything of this header.
 */
typedef int (*dmc_md_valid_fn)(void *ctx, cblock_t cblock, const u64 *valid);
int dmc_md_load_valid(struct dmc_md *md, u32 nr, dmc_md_valid_fn fn, void *ctx);

bool dmc_md_changed(struct dmc_md *md);			/* anything since the last commit? */

/*
 * Commits the running transaction, clean-shutdown flag clear unless tracking.  @stats may be NULL:
 * as before.  Writes the superblock alone if only @stats differ, and nothing if nothing does.
 */
int dmc_md_commit(struct dmc_md *md, const struct dmc_md_stats *stats);

/*
 * The clean shutdown: dirty bits, discards, hints and statistics, then one commit with the
 * clean-shutdown flag set.  Only what differs from the disk is written.  Any failure: returns
 * the error, the flag is not set.  Mapping changes made before are committed first, by themselves:
 * they are on disk unless their own commit failed.
 *
 * @dirty_word(ctx, i): dirty bits of cblocks 64 i .. 64 i + 63, lowest first; unmapped ones 0.
 * @discard_word(ctx, i): likewise for dblocks.  @hints(ctx, first, nr, out): those of cblocks first
 * to first + nr - 1; none is asked for if policy->hint_size is 0.
 *
 * Optional: @dirty_changed(ctx, first, nr) is false if these cblocks have the very dirty bits that
 * dmc_md_load_mappings() gave and dmc_md_set_dirty() made; asked only while tracking.
 * @hints_changed(ctx, first, nr) is false if the mapped ones of these cblocks have the very hints
 * that loading gave as valid, or that the last dmc_md_commit_clean() stored; not asked if another
 * policy did.
 */
struct dmc_md_shutdown {
	void *ctx;
	u64 (*dirty_word)(void *ctx, u32 index);
	u64 (*discard_word)(void *ctx, u64 index);
	void (*hints)(void *ctx, cblock_t first, u32 nr, u32 *out);
	bool (*dirty_changed)(void *ctx, cblock_t first, u32 nr);
	bool (*hints_changed)(void *ctx, cblock_t first, u32 nr);
	struct dmc_md_policy policy;
	u64 discard_block_sectors;
	u64 nr_dblocks;
	struct dmc_md_stats stats;
};
int dmc_md_commit_clean(struct dmc_md *md, const struct dmc_md_shutdown *s);

/*
 * Back to the last commit that returned 0: drops the running transaction and every buffer, and
 * reads the space map again.  A commit that failed while writing the superblock may have left its
 * own on the device; dmc_md_set_needs_check() replaces it.  If abort fails the metadata is
 * unusable: only close is allowed.
 */
int dmc_md_abort(struct dmc_md *md);

/*
 * Sets needs_check in the superblock on disk (its other fields as committed, clean flag clear) and
 * flushes.  After dmc_md_abort(), else -EINVAL.  No longer tracking.  From then on changes give
 * -EPERM.  When it returns
 * 0 the superblock on disk is known to be that of the last successful commit.
 */
int dmc_md_set_needs_check(struct dmc_md *md);

#endif
