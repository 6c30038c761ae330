// SPDX-License-Identifier: GPL-2.0-only
/*
 * metadata/discards.c - the discard bitset on disk: which parts of the origin hold nothing.
 *
 * Nowhere on a bio's path: loaded at activation, written at a clean shutdown.  May sleep and do
 * I/O; no locks (the caller serialises all metadata work).
 *
 * The size of a discard block follows from the origin's, so it can differ between what is stored
 * and what the core uses now: loading speaks in sectors.
 */
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/kernel.h>

#include "private.h"

/* Finds the maximal runs of set bits in the words it is given one after the other. */
struct runs {
	dmc_md_discard_fn fn;
	void *ctx;
	u64 block_sectors;
	u64 nr_bits;
	bool open;		/* the bit before this one is set; the run began at @begin */
	u64 begin;
};

static int run_ends(struct runs *runs, u64 end)
{
	runs->open = false;
	return runs->fn(runs->ctx, runs->begin * runs->block_sectors, end * runs->block_sectors);
}

static int add_bit(struct runs *runs, u64 bit, bool set)
{
	if (set == runs->open)
		return 0;
	if (!set)
		return run_ends(runs, bit);
	runs->open = true;
	runs->begin = bit;
	return 0;
}

static int add_word(void *ctx, u32 index, u64 word)
{
	struct runs *runs = ctx;
	u64 bit = (u64)index * DMC_MD_WORD_BITS;
	u64 end = min(bit + DMC_MD_WORD_BITS, runs->nr_bits);
	int r = 0;

	/* Most words are all of one kind. */
	if (word == (runs->open ? ~0ULL : 0))
		return 0;
	for (; bit < end && !r; bit++, word >>= 1)
		r = add_bit(runs, bit, word & 1);
	return r;
}

static int check_word(void *ctx, u32 index, u64 word)
{
	return 0;
}

int dmc_md_load_discards(struct dmc_md *md, dmc_md_discard_fn fn, void *ctx)
{
	struct runs runs = {
		.fn = fn,
		.ctx = ctx,
		.block_sectors = md->discard_block_sectors,
		.nr_bits = md->discards.nr_bits,
	};
	int r;

	/* An earlier version set the last bit also of an origin that ended within that block. */
	if (!md->was_whole && runs.nr_bits)
		runs.nr_bits--;
	if (!md->tm || md->failed)
		return -EIO;
	/* Bits not to be believed are still read: a damaged bitset would fail the next shutdown. */
	r = dmc_bitset_walk_words(&md->discards, md->was_clean ? add_word : check_word, &runs);
	if (!r && runs.open)
		r = run_ends(&runs, runs.nr_bits);
	if (r)
		DMERR("%s: loading the discard bits failed (%d)%s", md->name, r,
		      md_mend(md, r));
	return r;
}

static u64 next_word(void *ctx, u32 index)
{
	const struct dmc_md_shutdown *s = ctx;
	u64 word = s->discard_word(s->ctx, index);
	u64 left = s->nr_dblocks - (u64)index * DMC_MD_WORD_BITS;

	/* What lies past the end is zero. */
	return left < DMC_MD_WORD_BITS ? word & ((1ULL << left) - 1) : word;
}

int md_write_discards(struct dmc_md *md, const struct dmc_md_shutdown *s)
{
	mblock_t old_root = md->discards.root;
	int r = 0;

	if (s->nr_dblocks != md->discards.nr_bits ||
	    s->discard_block_sectors != md->discard_block_sectors)
		md->changed = true;
	if (s->nr_dblocks != md->discards.nr_bits)
		r = dmc_bitset_resize(&md->discards, s->nr_dblocks, false);
	md->discard_block_sectors = s->discard_block_sectors;
	if (!r)
		r = dmc_bitset_update_words(&md->discards, next_word, (void *)s);
	if (!r)
		r = dmc_bitset_flush(&md->discards);
	if (md->discards.root != old_root)
		md->changed = true;
	return r;
}
