// SPDX-License-Identifier: GPL-2.0-only
/*
 * md-shutdown.c - the clean shutdown: writes what is kept in memory only while the cache runs.
 *
 * Nowhere on a bio's path: called when the cache is suspended, with all bios and migrations done.
 * May sleep and do I/O; no locks (the caller serialises all metadata work).
 *
 * Dirty bits, discard bits and hints are compared with what is stored, and what differs is
 * written; then one commit sets the clean-shutdown flag.  A metadata device with little room left
 * may be unable to hold old and new side by side.  Then the work is cut in slices, each committed
 * with the flag still clear: nobody believes the half-written state.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "metadata-private.h"

#define WORD_BITS 64
#define ARRAY_HEADER 24
#define HINTS_AT_A_TIME 64

/*----- room -----*/

/* What changing @blocks array blocks may take, copies of tree nodes and space map included. */
static u64 room_for(const struct dmc_md *md, u64 blocks)
{
	return blocks + blocks / 64 + 16 + 2 * div_u64(dmc_tm_nr_blocks(md->tm), 16320);
}

/* Commits if that is needed to have @blocks free: only then are replaced blocks free again. */
static int make_room(struct dmc_md *md, u64 blocks)
{
	if (!md->changed || dmc_tm_nr_free(md->tm) >= room_for(md, blocks))
		return 0;
	return md_commit(md, NULL, NULL);
}

/* How many elements can be changed with what is free now; all of @size if possible. */
static u32 slice_size(const struct dmc_md *md, u32 size, u32 value_size)
{
	u64 per_block = (DMC_MD_BLOCK_SIZE - ARRAY_HEADER) / value_size;
	u64 nr_free = dmc_tm_nr_free(md->tm);
	u64 overhead = room_for(md, 0);

	if (nr_free >= room_for(md, md_array_blocks(size, value_size)))
		return size;
	if (nr_free < 2 * overhead)
		return per_block;
	return min_t(u64, size, per_block * max_t(u64, 1, (nr_free - overhead) / 2));
}

/*----- arrays -----*/

/* Elements @begin to @end - 1 are to be brought up to date, the others left alone. */
struct slice {
	const struct dmc_md_shutdown *s;
	u32 begin;
	u32 end;
	u64 dirty;		/* the dirty bits of the word that element @dirty_index is in */
	u32 dirty_index;
	u32 hints[HINTS_AT_A_TIME];	/* of the elements from @hints_begin on */
	u32 hints_begin;
};

static bool in_slice(const struct slice *slice, u32 index)
{
	if (!(index & 1023))
		cond_resched();
	return index >= slice->begin && index < slice->end;
}

static int fill_dirty_flag(void *ctx, u32 index, void *value)
{
	struct slice *slice = ctx;
	__le64 v;
	u64 map;

	if (!in_slice(slice, index))
		return 0;
	if (index == slice->begin || index / WORD_BITS != slice->dirty_index) {
		slice->dirty_index = index / WORD_BITS;
		slice->dirty = slice->s->dirty_word(slice->s->ctx, slice->dirty_index);
	}

	memcpy(&v, value, sizeof(v));
	map = le64_to_cpu(v) & ~MAP_DIRTY;
	if (map & MAP_VALID && slice->dirty >> (index % WORD_BITS) & 1)
		map |= MAP_DIRTY;
	v = cpu_to_le64(map);
	memcpy(value, &v, sizeof(v));
	return 0;
}

static int fill_hint(void *ctx, u32 index, void *value)
{
	struct slice *slice = ctx;
	__le32 hint;

	if (!in_slice(slice, index))
		return 0;
	if (index == slice->begin || index - slice->hints_begin >= HINTS_AT_A_TIME) {
		slice->hints_begin = index;
		slice->s->hints(slice->s->ctx, to_cblock(index),
				min_t(u32, slice->end - index, HINTS_AT_A_TIME), slice->hints);
	}
	hint = cpu_to_le32(slice->hints[index - slice->hints_begin]);
	memcpy(value, &hint, sizeof(hint));
	return 0;
}

/* Brings the array below *@root, @md->nr_cblocks long, up to date. */
static int update_array(struct dmc_md *md, const struct dmc_md_shutdown *s,
			struct dmc_array_info *info, mblock_t *root, dmc_array_fill_fn fill)
{
	u32 size = md->nr_cblocks;
	struct slice slice = { .s = s };
	mblock_t old_root;
	int r = 0;

	while (!r && slice.end < size) {
		if (slice.end)
			r = md_commit(md, NULL, NULL);
		if (r)
			break;
		slice.begin = slice.end;
		slice.end += min(size - slice.begin,
				 slice_size(md, size, info->value_type.size));
		old_root = *root;
		r = dmc_array_update(info, *root, size, fill, &slice, root);
		if (*root != old_root)
			md->changed = true;
	}
	return r;
}

/*----- the three of them -----*/

static u64 next_dirty_word(void *ctx, u32 index)
{
	const struct dmc_md_shutdown *s = ctx;

	return s->dirty_word(s->ctx, index);
}

static int write_dirty(struct dmc_md *md, const struct dmc_md_shutdown *s)
{
	mblock_t old_root = md->dirty.root;
	int r;

	if (!md_format2(md)) {
		r = make_room(md, md_array_blocks(md->nr_cblocks, sizeof(__le64)));
		return r ? r : update_array(md, s, &md->maps_info, &md->maps_root, fill_dirty_flag);
	}

	r = make_room(md, md_array_blocks(md->nr_cblocks / WORD_BITS + 1, sizeof(__le64)));
	if (!r)
		r = dmc_bitset_update_words(&md->dirty, next_dirty_word, (void *)s);
	if (!r)
		r = dmc_bitset_flush(&md->dirty);
	if (md->dirty.root != old_root)
		md->changed = true;
	return r;
}

/*
 * Nobody looked at the hints, but a clean shutdown under this policy wrote them, as many as there
 * were blocks.  Should they be damaged nevertheless, updating them will tell.
 */
static void recognise_hints(struct dmc_md *md, const struct dmc_md_policy *policy)
{
	if (md->hints == MD_HINTS_UNKNOWN && md->was_clean &&
	    dmc_sb_policy_matches(md->sb, policy)) {
		md->hints = MD_HINTS_SOUND;
		md->hints_len = md->opened_cblocks;
	}
}

/* A hint array of @md->nr_cblocks entries, whatever there was before. */
static int prepare_hints(struct dmc_md *md, const struct dmc_md_policy *policy)
{
	const u8 zero[sizeof(__le32)] = { 0 };
	u64 blocks = md_array_blocks(md->nr_cblocks, sizeof(__le32));
	int r;

	recognise_hints(md, policy);
	if (md->hints == MD_HINTS_SOUND && md->hints_len == md->nr_cblocks)
		return make_room(md, blocks);

	if (md->hints == MD_HINTS_UNKNOWN) {
		/* Its length is not known, so it cannot be resized. */
		md->changed = true;
		r = dmc_array_del(&md->hints_info, md->hint_root);
		if (r)
			return r;
		md->hint_root = 0;
		md->hints = MD_HINTS_NONE;
	}
	r = make_room(md, blocks);
	if (r)
		return r;

	if (md->hints == MD_HINTS_DAMAGED)
		DMWARN("%s: a damaged hint array is replaced; its blocks stay allocated until cache_check --auto-repair (of thin-provisioning-tools 1.0 or newer) frees them",
		       md->name);
	md->changed = true;
	if (md->hints != MD_HINTS_SOUND) {
		md->hints_len = 0;
		r = dmc_array_empty(&md->hints_info, &md->hint_root);
		if (r)
			return r;
	}
	r = dmc_array_resize(&md->hints_info, md->hint_root, md->hints_len, md->nr_cblocks, zero,
			     &md->hint_root);
	if (r)
		return r;
	md->hints = MD_HINTS_SOUND;
	md->hints_len = md->nr_cblocks;
	return 0;
}

static int write_hints(struct dmc_md *md, const struct dmc_md_shutdown *s)
{
	int r;

	if (!s->policy.hint_size)
		return 0;
	r = prepare_hints(md, &s->policy);
	return r ? r : update_array(md, s, &md->hints_info, &md->hint_root, fill_hint);
}

/* *@at_hints: it is the hints that failed. */
static int write_all(struct dmc_md *md, const struct dmc_md_shutdown *s, bool *at_hints)
{
	int r;

	*at_hints = false;
	r = write_dirty(md, s);
	if (!r)
		r = make_room(md, md_array_blocks(s->nr_dblocks / WORD_BITS + 1, sizeof(__le64)));
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
	/* The mappings do not hang on whether the rest can be written. */
	if (!r && md->changed)
		r = md_commit(md, NULL, NULL);
	if (r)
		return r;

	r = write_all(md, s, &at_hints);
	if (r && at_hints && md_is_damage(r) && md->hints != MD_HINTS_DAMAGED) {
		/* Hints are not worth an unclean shutdown: once more, without the old ones. */
		r = dmc_md_abort(md);
		if (r)
			return r;
		md->hints = MD_HINTS_DAMAGED;
		r = write_all(md, s, &at_hints);
	}
	if (r)
		return r;
	return md_commit(md, &s->stats, s);
}
