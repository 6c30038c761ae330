// SPDX-License-Identifier: GPL-2.0-only
/*
 * metadata/shutdown.c - the clean shutdown: writes what is kept in memory only while the cache
 * runs.
 *
 * Nowhere on a bio's path: called when the cache is suspended, with all bios and migrations done.
 * May sleep and do I/O; no locks (the caller serialises all metadata work).
 *
 * The array blocks that may have changed, of dirty bits, discard bits and hints, are compared with
 * what is in memory, and what differs is written; then one commit sets the clean-shutdown flag.  A
 * metadata device with little room left may be unable to hold old and new side by side.  Then there
 * are commits in between.  Either the flag is still clear, so that the half-written state is not
 * trusted, or, while tracking (superblock.h), the state is right as it is.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "private.h"

/*----- room -----*/

/* What changing @blocks array blocks may take, copies of tree nodes and space map included. */
static u64 room_for(const struct dmc_md *md, u64 blocks)
{
	return blocks + blocks / 64 + 16 + 2 * div_u64(dmc_tm_nr_blocks(md->tm),
						       DMC_SB_BLOCKS_PER_BITMAP);
}

int md_make_room(struct dmc_md *md, u64 blocks)
{
	if (!md->changed || dmc_tm_nr_free(md->tm) >= room_for(md, blocks))
		return 0;
	return md_commit(md, NULL, NULL);
}

/*----- arrays -----*/

static int fill_dirty_flags(void *ctx, u32 first, u32 count, void *values)
{
	const struct dmc_md_shutdown *s = ctx;
	u64 word = s->dirty_word(s->ctx, first / DMC_MD_WORD_BITS);
	__le64 *v = values;
	u32 i, bit;

	for (i = 0; i < count; i++) {
		bit = (first + i) % DMC_MD_WORD_BITS;
		if (!bit && i)
			word = s->dirty_word(s->ctx, (first + i) / DMC_MD_WORD_BITS);
		v[i] &= cpu_to_le64(~MAP_DIRTY);
		if (v[i] & cpu_to_le64(MAP_VALID) && word >> bit & 1)
			v[i] |= cpu_to_le64(MAP_DIRTY);
	}
	return 0;
}

static int fill_hints(void *ctx, u32 first, u32 count, void *values)
{
	const struct dmc_md_shutdown *s = ctx;
	__le32 *stored = values;
	u32 *hints = values, i;

	s->hints(s->ctx, to_cblock(first), count, hints);
	for (i = 0; i < count; i++)
		stored[i] = cpu_to_le32(hints[i]);
	return 0;
}

/* Asks @changed, if there is such, of elements @first to @first + @nr - 1. */
static bool may_differ(const struct dmc_md_shutdown *s,
		       bool (*changed)(void *ctx, cblock_t first, u32 nr), u32 first, u32 nr)
{
	cond_resched();
	return !changed || changed(s->ctx, to_cblock(first), nr);
}

/* Brings the array below *@root, @md->nr_cblocks long, up to date where @changed says so. */
static int update_array(struct dmc_md *md, const struct dmc_md_shutdown *s,
			struct dmc_array_info *info, mblock_t *root, dmc_array_fill_block_fn fill,
			bool (*changed)(void *ctx, cblock_t first, u32 nr))
{
	u32 size = md->nr_cblocks, per_block = dmc_array_per_block(info), first, nr;
	mblock_t old_root;
	int r = 0;

	for (first = 0; first < size && !r; first += nr) {
		nr = min(per_block, size - first);
		if (!may_differ(s, changed, first, nr))
			continue;
		r = md_make_room(md, 1);
		if (r)
			break;
		old_root = *root;
		r = dmc_array_update_block(info, *root, size, first, fill, (void *)s, root);
		if (*root != old_root)
			md->changed = true;
	}
	return r;
}

/*----- dirty bits, discard bits, hints -----*/

static u64 next_dirty_word(void *ctx, u32 index)
{
	const struct dmc_md_shutdown *s = ctx;

	return s->dirty_word(s->ctx, index);
}

static int update_bitset(struct dmc_md *md, const struct dmc_md_shutdown *s,
			 bool (*changed)(void *ctx, cblock_t first, u32 nr))
{
	u32 first, nr;
	mblock_t old_root;
	int r = 0;

	for (first = 0; first < md->nr_cblocks && !r; first += nr) {
		nr = min_t(u32, DMC_BITSET_PER_BLOCK, md->nr_cblocks - first);
		if (!may_differ(s, changed, first, nr))
			continue;
		r = md_make_room(md, 1);
		if (r)
			break;
		old_root = md->dirty.root;
		r = dmc_bitset_update_block(&md->dirty, first, next_dirty_word, (void *)s);
		if (md->dirty.root != old_root)
			md->changed = true;
	}
	return r;
}

int md_write_dirty(struct dmc_md *md, const struct dmc_md_shutdown *s)
{
	/* Only while tracking do the stored bits follow those in memory. */
	bool (*changed)(void *ctx, cblock_t first, u32 nr) = md->tracking ? s->dirty_changed : NULL;

	if (md_format2(md))
		return update_bitset(md, s, changed);
	return update_array(md, s, &md->maps_info, &md->maps_root, fill_dirty_flags, changed);
}

/*
 * The hints were not read, but a clean shutdown under this policy wrote them, as many as there were
 * blocks.  If they are damaged nevertheless, updating them fails.
 */
static void recognise_hints(struct dmc_md *md, const struct dmc_md_policy *policy)
{
	if (md->hints == MD_HINTS_UNKNOWN && md->was_clean &&
	    dmc_sb_policy_matches(md->sb, policy)) {
		md->hints = MD_HINTS_SOUND;
		md->hints_len = md->opened_cblocks;
	}
}

/* The hints are to have no array: it is dropped, or at least forgotten. */
int md_drop_hints(struct dmc_md *md)
{
	int r = 0;

	md->changed = true;
	if (md->hints == MD_HINTS_DAMAGED)
		DMWARN("%s: a damaged hint array is replaced; its blocks stay allocated until cache_check --auto-repair (of thin-provisioning-tools 1.0 or newer) frees them",
		       md->name);
	else if (md->hints != MD_HINTS_NONE)
		r = dmc_array_del(&md->hints_info, md->hint_root);
	if (r)
		return r;
	md->hint_root = 0;
	md->hints_len = 0;
	md->hints = MD_HINTS_NONE;
	return 0;
}

/* An array whose length is known gets as long as the mappings. */
int md_without_damaged_hints(struct dmc_md *md, int error)
{
	int r;

	if (!dmc_is_damage(error) || md->hints == MD_HINTS_DAMAGED)
		return error;
	r = dmc_md_abort(md);
	if (!r)
		md->hints = MD_HINTS_DAMAGED;
	return r;
}

int md_resize_hints(struct dmc_md *md)
{
	const u8 zero[sizeof(__le32)] = { 0 };
	int r;

	md->changed = true;
	r = dmc_array_resize(&md->hints_info, md->hint_root, md->hints_len, md->nr_cblocks, zero,
			     &md->hint_root);
	if (!r)
		md->hints_len = md->nr_cblocks;
	return r;
}

/*
 * Makes a hint array of @md->nr_cblocks entries, whatever there was before.  *@known: it holds what
 * was stored for this policy, or loaded by it.  (Translated hints of another policy do not count.)
 */
static int prepare_hints(struct dmc_md *md, const struct dmc_md_policy *policy, bool *known)
{
	u64 blocks = md_array_blocks(md->nr_cblocks, sizeof(__le32));
	int r = 0;

	recognise_hints(md, policy);
	*known = md->hints == MD_HINTS_SOUND && dmc_sb_policy_matches(md->sb, policy);
	if (md->hints == MD_HINTS_SOUND && md->hints_len == md->nr_cblocks)
		return md_make_room(md, blocks);

	/* An array of unknown length cannot be resized. */
	if (md->hints == MD_HINTS_UNKNOWN)
		r = md_drop_hints(md);
	if (!r)
		r = md_make_room(md, blocks);
	if (!r && md->hints == MD_HINTS_DAMAGED)
		r = md_drop_hints(md);
	if (r)
		return r;

	if (md->hints == MD_HINTS_NONE) {
		md->changed = true;
		r = dmc_array_empty(&md->hints_info, &md->hint_root);
		if (r)
			return r;
		md->hints_len = 0;
		md->hints = MD_HINTS_SOUND;
	}
	return md_resize_hints(md);
}

static int write_hints(struct dmc_md *md, const struct dmc_md_shutdown *s)
{
	bool known;
	int r;

	if (!s->policy.hint_size)
		return 0;
	r = prepare_hints(md, &s->policy, &known);
	return r ? r : update_array(md, s, &md->hints_info, &md->hint_root, fill_hints,
				    known ? s->hints_changed : NULL);
}

/* *@at_hints: it is the hints that failed. */
static int write_all(struct dmc_md *md, const struct dmc_md_shutdown *s, bool *at_hints)
{
	int r;

	*at_hints = false;
	r = md_write_dirty(md, s);
	if (!r)
		r = md_make_room(md, md_array_blocks(s->nr_dblocks / DMC_MD_WORD_BITS + 1,
						     sizeof(__le64)));
	if (!r)
		r = md_write_discards(md, s);
	if (!r) {
		*at_hints = true;
		r = write_hints(md, s);
	}
	return md_change_end(md, r);
}

static bool makes_sense(const struct dmc_md_shutdown *s)
{
	return (!s->policy.hint_size || s->policy.hint_size == sizeof(__le32)) &&
	       strnlen(s->policy.name, sizeof(s->policy.name)) < sizeof(s->policy.name) &&
	       s->nr_dblocks <= U32_MAX && (!s->nr_dblocks || s->discard_block_sectors);
}

int dmc_md_commit_clean(struct dmc_md *md, const struct dmc_md_shutdown *s)
{
	bool at_hints;
	int r;

	if (!makes_sense(s))
		return -EINVAL;
	r = md->drop_beyond ? md_change_begin(md) : md_change_allowed(md);
	/* So the mappings are safe even if the rest cannot be written. */
	if (!r && md->changed)
		r = md_commit(md, NULL, NULL);
	if (r)
		return r;

	r = write_all(md, s, &at_hints);
	/* The old hints are not worth an unclean shutdown. */
	if (r && at_hints) {
		r = md_without_damaged_hints(md, r);
		if (!r)
			r = write_all(md, s, &at_hints);
	}
	if (!r)
		r = md_commit(md, &s->stats, s);
	if (!r)
		md->tracking = false;
	return r;
}
