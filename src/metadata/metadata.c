// SPDX-License-Identifier: GPL-2.0-only
/*
 * metadata.c - opens, formats, commits and aborts the cache's metadata.
 *
 * On a bio's path only through the commit worker: a migration's mapping change ends with
 * dmc_md_commit().  Everything here may sleep and do I/O.  No locks: the caller serialises, and
 * dmc_md_get_usage() reads two atomics.
 *
 * Two superblocks are kept in memory: md->sb, byte for byte what the last successful commit wrote,
 * and md->next, the one being put together.  So going back to the last commit never depends on
 * reading a device that is just failing.  If the write of a superblock failed, the device may hold
 * either; dmc_md_set_needs_check() writes the former again.
 */
#include <linux/bug.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "private.h"

#define MD_PROBE_TRIES 3

/* A btree node that is not its tree's root is at least this full. */
#define MD_NODE_MIN_ENTRIES 84

/*----- sizes -----*/

static u64 round_up_div(u64 n, u32 d)
{
	return div_u64(n + d - 1, d);
}

/* Blocks of an array of @n values, and of its tree, if @changes values at most are changed. */
static u64 array_part(u64 n, u32 value_size, u64 changes)
{
	u64 level = round_up_div(n, (DMC_MD_BLOCK_SIZE - DMC_ARRAY_HEADER_SIZE) / value_size);
	u64 sum = min(level, changes);

	do {
		level = round_up_div(level, MD_NODE_MIN_ENTRIES);
		sum += clamp_t(u64, level, 1, changes);
	} while (level > 1);
	return sum;
}

u64 md_array_blocks(u64 n, u32 value_size)
{
	return array_part(n, value_size, U64_MAX);
}

/*
 * What @changes copy at most, in one commit.  A word of dirty bits is in one block of the bitset,
 * but the flags of as many mappings, in format 1, are in two.
 */
static u64 commit_copies(u64 nr_cblocks, bool format2, u32 changes)
{
	if (!format2)
		return array_part(nr_cblocks, sizeof(u64), 2 * changes);
	return array_part(nr_cblocks, sizeof(u64), changes) +
	       array_part(round_up_div(nr_cblocks, DMC_MD_WORD_BITS), sizeof(u64), changes);
}

u32 dmc_md_changes_fit(u32 nr_cblocks, bool format2, u64 nr_blocks, u64 nr_free)
{
	u64 reserve = DMC_TM_RESERVE + 1 + round_up_div(nr_blocks, DMC_SB_BLOCKS_PER_BITMAP);
	u32 changes = DMC_MD_COMMIT_MOST;

	while (changes > 1 && commit_copies(nr_cblocks, format2, changes) + reserve > nr_free)
		changes -= changes > DMC_MD_COMMIT_CHANGES ? changes / 2 : changes / 4 + 1;
	return max(changes, 1U);
}

/* With @room blocks to copy on write, at least. */
static u64 blocks_for(u64 nr_cblocks, u64 nr_dblocks, bool format2, u64 room)
{
	u64 n;

	n = md_array_blocks(nr_cblocks, sizeof(u64));
	n += md_array_blocks(nr_cblocks, sizeof(u32));
	n += md_array_blocks(round_up_div(nr_dblocks, DMC_MD_WORD_BITS), sizeof(u64));
	if (format2)
		n += md_array_blocks(round_up_div(nr_cblocks, DMC_MD_WORD_BITS), sizeof(u64));

	/* A shutdown that needs more room is done in slices. */
	n += max(n / 8 + 32, room);

	/* Superblock; index, reference counts and bitmaps, each with its copy. */
	return n + 1 + 2 * (1 + 1 + round_up_div(n, DMC_SB_BLOCKS_PER_BITMAP));
}

u64 dmc_md_min_blocks(u64 nr_cblocks, u64 nr_dblocks, bool format2)
{
	u64 copies = commit_copies(nr_cblocks, format2, DMC_MD_COMMIT_CHANGES);

	return blocks_for(nr_cblocks, nr_dblocks, format2, copies + DMC_TM_RESERVE);
}

/* Where that leaves little room, commits are for less at a time. */
u64 dmc_md_growth(u32 from, u32 to, bool format2)
{
	return blocks_for(to, 0, format2, 0) - blocks_for(from, 0, format2, 0);
}

/*----- errors -----*/

/*
 * The format's space map has a limit, however large the device.  The metadata of about 1.2 thousand
 * million cache blocks would exceed it.
 */
static u64 usable_blocks(struct dmc_bm *bm)
{
	return min_t(u64, dmc_bm_nr_blocks(bm), DMC_SB_MAX_MD_BLOCKS);
}

static dmc_md_reason_t reason_for(int r, dmc_md_reason_t otherwise)
{
	switch (r) {
	case -ENOMEM:
		return "out of memory";
	case -EIO:
		return "I/O error on the metadata device: look for its errors in the kernel log";
	case DMC_NO_ROOM:
		return "the metadata device is too small for a cache of so many blocks: give a larger "
		       "one, or a larger block_size";
	}
	return otherwise;
}

/*----- usage -----*/

/* The count comes from the space map, so it is taken after each change, never during one. */
static void note_usage(struct dmc_md *md)
{
	atomic64_set(&md->nr_blocks, dmc_tm_nr_blocks(md->tm));
	atomic64_set(&md->nr_free, dmc_tm_nr_free(md->tm));
}

void dmc_md_get_usage(struct dmc_md *md, u64 *used, u64 *total)
{
	u64 nr_free = atomic64_read(&md->nr_free);

	*total = atomic64_read(&md->nr_blocks);
	*used = *total > nr_free ? *total - nr_free : 0;
}

/*----- opening -----*/

/* The 8-byte and 4-byte values of the arrays; plain data, so nothing to count. */
static const struct dmc_btree_value_type map_value_type = { .size = sizeof(__le64) };
static const struct dmc_btree_value_type hint_value_type = { .size = sizeof(__le32) };

static void init_transaction(struct dmc_md *md)
{
	dmc_array_info_init(&md->maps_info, md->tm, &map_value_type);
	dmc_array_info_init(&md->hints_info, md->tm, &hint_value_type);
	dmc_bitset_init(&md->dirty, md->tm);
	dmc_bitset_init(&md->discards, md->tm);
	md_valid_init(md);
	md->changed = false;
	md->failed = false;
	md->dropped = false;
}

/* What is known of the hints before they are read. */
static enum md_hints judge_hints(const struct dmc_md *md)
{
	if (!md->sb->hint_root)
		return MD_HINTS_NONE;
	if (!dmc_sb_root_ok(md->sb, md->sb->hint_root))
		return MD_HINTS_DAMAGED;
	/* Found damaged before, and still the same? */
	if (md->hints == MD_HINTS_DAMAGED && md->hint_root == le64_to_cpu(md->sb->hint_root))
		return MD_HINTS_DAMAGED;
	return MD_HINTS_UNKNOWN;
}

/* The space map that @sb names, which must have as many blocks in use as what @sb claims takes. */
static int open_space_map(struct dmc_bm *bm, const struct dmc_superblock *sb, const char *name,
			  struct dmc_tm **tm)
{
	u64 nr_used;
	int r;

	r = dmc_tm_open(bm, DMC_SB_BLOCK, &sb->sm_root, tm);
	if (r)
		return r;
	nr_used = dmc_tm_nr_blocks(*tm) - dmc_tm_nr_free(*tm);
	if (dmc_sb_arrays_fit(sb, nr_used))
		return 0;
	DMERR("%s: %u cache blocks and %llu discard blocks cannot be in %llu metadata blocks", name,
	      le32_to_cpu(sb->nr_cblocks), le64_to_cpu(sb->discard_nr_blocks), nr_used);
	dmc_tm_destroy(*tm);
	return DMC_DAMAGED;
}

/* Starts a transaction from md->sb. */
static int open_transaction(struct dmc_md *md)
{
	const struct dmc_superblock *sb = md->sb;
	int r;

	r = open_space_map(md->bm, sb, md->name, &md->tm);
	if (r) {
		md->tm = NULL;
		return r;
	}

	init_transaction(md);
	md->nr_cblocks = md->opened_cblocks = le32_to_cpu(sb->nr_cblocks);
	md->maps_root = le64_to_cpu(sb->mapping_root);
	if (md_format2(md))
		dmc_bitset_open(&md->dirty, le64_to_cpu(sb->dirty_root), md->nr_cblocks);
	dmc_bitset_open(&md->discards, le64_to_cpu(sb->discard_root),
			le64_to_cpu(sb->discard_nr_blocks));
	md->discard_block_sectors = le64_to_cpu(sb->discard_block_sectors);
	md->hints = judge_hints(md);
	md->hint_root = le64_to_cpu(sb->hint_root);
	md->was_clean = le32_to_cpu(sb->flags) & DMC_SB_CLEAN;
	md->was_tracking = dmc_sb_is_tracking(sb);
	md->was_whole = dmc_sb_is_whole(sb);
	if (md->was_whole)
		md->whole = true;
	md->inserted = false;
	md->dirty_bits_valid = md->was_clean;
	note_usage(md);
	return 0;
}

/* Empty trees and a first commit. */
static int format(struct dmc_md *md)
{
	int r;

	if (usable_blocks(md->bm) <
	    dmc_md_min_blocks(md->p.nr_cblocks, md->p.nr_dblocks, md->p.format2))
		return DMC_NO_ROOM;
	r = dmc_tm_create(md->bm, DMC_SB_BLOCK, &md->tm);
	if (r) {
		md->tm = NULL;
		return r;
	}

	dmc_sb_init(md->sb, &md->p);
	init_transaction(md);
	r = dmc_array_empty(&md->maps_info, &md->maps_root);
	if (!r && md_format2(md))
		r = dmc_bitset_empty(&md->dirty);
	if (!r)
		r = dmc_bitset_empty(&md->discards);
	if (r)
		return r;
	md->was_whole = md->whole = true;
	md->changed = true;
	return md_commit(md, NULL, NULL);
}

static struct dmc_bm *open_device(const struct dmc_md_params *p, dmc_md_reason_t *why)
{
	struct dmc_bm *bm = dmc_bm_create(p->bdev, p->dev_name);

	if (IS_ERR(bm))
		*why = reason_for(PTR_ERR(bm), "cannot open the metadata device");
	return bm;
}

/* Reads and judges the superblock. */
static int metadata_look(struct dmc_bm *bm, const struct dmc_md_params *p,
			 struct dmc_superblock *sb,
			 struct dmc_md_summary *out, dmc_md_reason_t *why)
{
	u64 device_blocks = dmc_bm_nr_blocks(bm), min;
	int r;

	memset(out, 0, sizeof(*out));
	r = dmc_sb_read(bm, sb);
	if (r) {
		*why = reason_for(r, "the superblock cannot be read");
		return r;
	}
	/*
	 * It was read before it was known what it is.  So the next use reads it, and checks it,
	 * anew.
	 */
	dmc_bm_forget(bm, DMC_SB_BLOCK);
	if (!dmc_sb_is_blank(sb)) {
		r = dmc_sb_check(sb, p, device_blocks, out, why);
		dmc_sb_get_policy(sb, &out->policy);
		return r;
	}

	out->blank = true;
	min = dmc_md_min_blocks(p->nr_cblocks, p->nr_dblocks, p->format2);
	if (min > DMC_SB_MAX_MD_BLOCKS)
		*why = "so many cache blocks need more metadata than its format can hold, 15.9 GiB: give a larger block_size";
	else if (device_blocks < min)
		*why = reason_for(DMC_NO_ROOM, NULL);
	else
		return 0;
	return DMC_NO_ROOM;
}

static dmc_md_reason_t space_map_damaged(const struct dmc_superblock *sb)
{
	return DMC_SB_MEND(dmc_sb_has_partial(sb),
			   "the space map, or what it has to hold, is damaged");
}

/* Can the space map that @sb names be opened?  Reads, never writes. */
static int probe_space_map(struct dmc_bm *bm, const struct dmc_superblock *sb, const char *name,
			   dmc_md_reason_t *why)
{
	struct dmc_tm *tm;
	int r;

	r = open_space_map(bm, sb, name, &tm);
	if (r)
		*why = reason_for(r, space_map_damaged(sb));
	else
		dmc_tm_destroy(tm);
	return r;
}

/*
 * With a block manager of its own, so that it sees what the device holds now.  @sb_only: the
 * superblock.
 */
static int probe_once(const struct dmc_md_params *p, struct dmc_superblock *sb, bool sb_only,
		      struct dmc_md_summary *out, dmc_md_reason_t *why)
{
	struct dmc_bm *bm = open_device(p, why);
	int r;

	if (IS_ERR(bm))
		return PTR_ERR(bm);
	r = metadata_look(bm, p, sb, out, why);
	if (!r && !out->blank && !sb_only)
		r = probe_space_map(bm, sb, p->dev_name, why);
	dmc_bm_destroy(bm);
	return r;
}

int dmc_md_probe(const struct dmc_md_params *p, struct dmc_md_summary *out, dmc_md_reason_t *why)
{
	struct dmc_superblock *sb;
	dmc_md_reason_t ignored;
	u32 fingerprint;
	int tries = 0;
	int r;

	*why = "";
	memset(out, 0, sizeof(*out));
	sb = kmalloc(sizeof(*sb), GFP_NOIO);
	if (!sb) {
		*why = reason_for(-ENOMEM, NULL);
		return -ENOMEM;
	}

	/*
	 * While another table has the device open, its commits may reuse what the superblock just
	 * read refers to.  A space map found bad counts only if the superblock is still the same.
	 */
	r = probe_once(p, sb, false, out, why);
	while (r && ++tries < MD_PROBE_TRIES) {
		fingerprint = out->fingerprint;
		if (probe_once(p, sb, true, out, &ignored) || out->fingerprint == fingerprint)
			break;
		r = probe_once(p, sb, false, out, why);
	}
	if (!r)
		*why = "";
	kfree(sb);
	return r;
}

static struct dmc_md *alloc_md(const struct dmc_md_params *p)
{
	struct dmc_md *md = kzalloc(sizeof(*md), GFP_NOIO);

	if (!md)
		return NULL;
	md->sb = kzalloc(sizeof(*md->sb), GFP_NOIO);
	md->next = kzalloc(sizeof(*md->next), GFP_NOIO);
	if (!md->sb || !md->next) {
		dmc_md_close(md);
		return NULL;
	}
	md->p = *p;
	snprintf(md->name, sizeof(md->name), "%s", p->dev_name);
	md->p.dev_name = md->name;
	return md;
}

struct dmc_md *dmc_md_open(const struct dmc_md_params *p, dmc_md_reason_t *why)
{
	struct dmc_md_summary summary;
	struct dmc_md *md;
	int r;

	*why = "";
	md = alloc_md(p);
	if (!md) {
		*why = reason_for(-ENOMEM, NULL);
		return ERR_PTR(-ENOMEM);
	}
	md->bm = open_device(&md->p, why);
	if (IS_ERR(md->bm)) {
		r = PTR_ERR(md->bm);
		md->bm = NULL;
		goto err_close;
	}
	r = metadata_look(md->bm, &md->p, md->sb, &summary, why);
	if (r)
		goto err_close;
	if (summary.blank) {
		r = format(md);
		*why = reason_for(r, "formatting the metadata device failed");
	} else {
		r = open_transaction(md);
		*why = reason_for(r, space_map_damaged(md->sb));
	}
	if (r)
		goto err_close;
	*why = "";
	return md;

err_close:
	dmc_md_close(md);
	return ERR_PTR(r);
}

static void close_device(struct dmc_md *md)
{
	if (md->tm)
		dmc_tm_destroy(md->tm);
	md->tm = NULL;
	if (md->bm)
		dmc_bm_destroy(md->bm);
	md->bm = NULL;
}

void dmc_md_close(struct dmc_md *md)
{
	close_device(md);
	kfree(md->next);
	kfree(md->sb);
	kfree(md);
}

/*----- what the superblock says -----*/

u32 dmc_md_version(struct dmc_md *md)
{
	return le32_to_cpu(md->sb->version);
}

u32 dmc_md_nr_cblocks(struct dmc_md *md)
{
	return md->nr_cblocks;
}

bool dmc_md_needs_check(struct dmc_md *md)
{
	return le32_to_cpu(md->sb->flags) & DMC_SB_NEEDS_CHECK;
}

bool dmc_md_was_clean(struct dmc_md *md)
{
	return md->was_clean;
}

bool dmc_md_was_tracking(struct dmc_md *md)
{
	return md->was_tracking;
}

u32 dmc_md_fingerprint(struct dmc_md *md)
{
	return le32_to_cpu(md->sb->csum);
}

void dmc_md_get_stats(struct dmc_md *md, struct dmc_md_stats *stats)
{
	stats->read_hits = le32_to_cpu(md->sb->read_hits);
	stats->read_misses = le32_to_cpu(md->sb->read_misses);
	stats->write_hits = le32_to_cpu(md->sb->write_hits);
	stats->write_misses = le32_to_cpu(md->sb->write_misses);
}

void dmc_md_get_policy(struct dmc_md *md, struct dmc_md_policy *policy)
{
	dmc_sb_get_policy(md->sb, policy);
}

bool dmc_md_policy_matches(struct dmc_md *md, const struct dmc_md_policy *policy)
{
	return dmc_sb_policy_matches(md->sb, policy);
}

bool dmc_md_changed(struct dmc_md *md)
{
	return md->changed;
}

/*----- committing -----*/

static __le32 saturate(u64 count)
{
	return cpu_to_le32(min_t(u64, count, U32_MAX));
}

/*
 * The name of the policy that stored the hints is left as it is: the hints are as they were, and
 * belong to the blocks that are mapped.
 */
static bool hints_are_kept(const struct dmc_md *md, const struct dmc_md_policy *policy)
{
	return !policy->hint_size && md->hint_root && md->hints != MD_HINTS_DAMAGED &&
	       md->was_clean && !md->inserted;
}

/* Is no mapping of this transaction of a partial block? */
static bool all_whole(const struct dmc_md *md)
{
	return md->was_whole || (md->whole && (!md->drop_beyond || md->dropped));
}

/* Puts the next superblock together in md->next; all but the space map's root and the mark. */
static void compose(struct dmc_md *md, const struct dmc_md_stats *stats,
		    const struct dmc_md_shutdown *s)
{
	struct dmc_superblock *next = md->next;
	int i;

	memcpy(next, md->sb, sizeof(*next));
	if (s || md->tracking)
		next->flags |= cpu_to_le32(DMC_SB_CLEAN);
	else if (!md->keep_flags)
		next->flags &= cpu_to_le32(~DMC_SB_CLEAN);
	next->mapping_root = cpu_to_le64(md->maps_root);
	next->hint_root = cpu_to_le64(md->hint_root);
	next->discard_root = cpu_to_le64(md->discards.root);
	next->discard_block_sectors = cpu_to_le64(md->discard_block_sectors);
	next->discard_nr_blocks = cpu_to_le64(md->discards.nr_bits);
	next->nr_cblocks = cpu_to_le32(md->nr_cblocks);
	dmc_sb_set_partial(next, md->valid_root, md->nr_partial);
	if (md_format2(md))
		next->dirty_root = cpu_to_le64(md->dirty.root);
	if (stats) {
		next->read_hits = saturate(stats->read_hits);
		next->read_misses = saturate(stats->read_misses);
		next->write_hits = saturate(stats->write_hits);
		next->write_misses = saturate(stats->write_misses);
	}
	if (!md->hint_root)
		next->policy_hint_size = 0;
	if (!s || hints_are_kept(md, &s->policy))
		return;

	memset(next->policy_name, 0, sizeof(next->policy_name));
	memcpy(next->policy_name, s->policy.name,
	       strnlen(s->policy.name, sizeof(next->policy_name) - 1));
	for (i = 0; i < 3; i++)
		next->policy_version[i] = cpu_to_le32(s->policy.version[i]);
	/*
	 * A policy without hints leaves those of another in place; its name keeps stale ones
	 * unused.
	 */
	if (s->policy.hint_size)
		next->policy_hint_size = cpu_to_le32(s->policy.hint_size);
}

/*
 * Writes md->next over block 0, durably, and after everything it refers to.  What was on the
 * device before need not be readable.
 */
static int write_superblock(struct dmc_md *md)
{
	struct dmc_block *blk;
	int r;

	md->next->csum = dmc_sb_checksum(md->next);
	r = dmc_bm_write_lock_zero(md->bm, DMC_SB_BLOCK, &dmc_sb_validator, &blk);
	if (r)
		return r;
	memcpy(dmc_block_data(blk), md->next, sizeof(*md->next));
	if (md->changed) {
		r = dmc_tm_commit(md->tm, blk);
	} else {
		dmc_bm_unlock(blk);
		r = dmc_bm_flush(md->bm);
	}
	if (r)
		return r;

	memcpy(md->sb, md->next, sizeof(*md->sb));
	md->changed = false;
	return 0;
}

int md_commit(struct dmc_md *md, const struct dmc_md_stats *stats, const struct dmc_md_shutdown *s)
{
	bool tracking;
	int r;

	/* The superblock alone may differ (flag, statistics): then it is all that is written. */
	if (md->changed) {
		r = md_format2(md) ? dmc_bitset_flush(&md->dirty) : 0;
		if (!r)
			r = dmc_bitset_flush(&md->discards);
		if (!r)
			r = dmc_tm_pre_commit(md->tm);
		if (r)
			return md_change_end(md, r);
	}
	compose(md, stats, s);
	if (md->changed)
		dmc_tm_copy_sm_root(md->tm, &md->next->sm_root);
	tracking = !s && (md->tracking || (md->keep_flags && dmc_sb_is_tracking(md->sb)));
	dmc_sb_set_mark(md->next, tracking, all_whole(md));
	md->next->csum = dmc_sb_checksum(md->next);
	if (!md->changed && !memcmp(md->next, md->sb, sizeof(*md->sb)))
		return 0;
	return md_change_end(md, write_superblock(md));
}

int md_change_end(struct dmc_md *md, int r)
{
	/* Half a change must not reach the disk: this transaction can only be aborted. */
	if (r)
		md->failed = true;
	else
		note_usage(md);
	return r;
}

int md_change_allowed(const struct dmc_md *md)
{
	if (!md->tm || md->failed)
		return -EIO;
	return le32_to_cpu(md->sb->flags) & DMC_SB_NEEDS_CHECK ? -EPERM : 0;
}

int md_change_begin(struct dmc_md *md)
{
	int r = md_change_allowed(md);

	if (r || md->tracking)
		return r;
	if (md->drop_beyond) {
		r = md_drop_beyond(md);
		if (r)
			return md_change_end(md, r);
	} else if (!(le32_to_cpu(md->sb->flags) & DMC_SB_CLEAN)) {
		return 0;
	}
	/* One commit clears the flag and removes the mappings that loading found to be dropped. */
	r = md_commit(md, NULL, NULL);
	if (!r)
		md->drop_beyond = false;
	return r;
}

int dmc_md_begin_changes(struct dmc_md *md)
{
	return md_change_begin(md);
}

int dmc_md_commit(struct dmc_md *md, const struct dmc_md_stats *stats)
{
	int r = md_change_begin(md);

	return r ? r : md_commit(md, stats, NULL);
}

/*----- after errors -----*/

int dmc_md_abort(struct dmc_md *md)
{
	int r;

	/* Closing the block manager drops all buffers, changed ones too. */
	close_device(md);
	md->bm = dmc_bm_create(md->p.bdev, md->name);
	if (IS_ERR(md->bm)) {
		r = PTR_ERR(md->bm);
		md->bm = NULL;
		return r;
	}
	r = open_transaction(md);
	if (r)
		close_device(md);
	return r;
}

int dmc_md_set_needs_check(struct dmc_md *md)
{
	/* A running transaction must not be committed by this. */
	if (!md->tm || md->failed || md->changed)
		return -EINVAL;
	md->tracking = false;
	compose(md, NULL, NULL);
	md->next->flags |= cpu_to_le32(DMC_SB_NEEDS_CHECK);
	dmc_sb_set_mark(md->next, false, all_whole(md));
	return write_superblock(md);
}
