// SPDX-License-Identifier: GPL-2.0-only
/*
 * space-map.c - the counts in memory: two bits a block, as they are now and as they were committed.
 *
 * Used by space-map-metadata.c, which keeps them on disk.  No I/O, no locks (the transaction
 * manager's caller serialises).  Block numbers are in range: the callers check.
 */
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "space-map.h"

#define LOW_BITS 0x5555555555555555ULL	/* the lower bit of each of 32 counts */

/* Bytes of the counts in a bitmap block. */
#define BITMAP_BYTES (SM_WORDS_PER_BITMAP * sizeof(__le64))

int sm_alloc_bitmaps(struct dmc_sm *sm, mblock_t nr_blocks)
{
	u32 i;

	sm->nr_blocks = nr_blocks;
	sm->nr_bitmaps = DIV_ROUND_UP((u32)nr_blocks, SM_COUNTS_PER_BITMAP);
	sm->bitmaps = kcalloc(sm->nr_bitmaps, sizeof(*sm->bitmaps), GFP_NOIO);
	if (!sm->bitmaps)
		return -ENOMEM;
	for (i = 0; i < sm->nr_bitmaps; i++) {
		sm->bitmaps[i].now = kzalloc(BITMAP_BYTES, GFP_NOIO);
		sm->bitmaps[i].committed = kzalloc(BITMAP_BYTES, GFP_NOIO);
		if (!sm->bitmaps[i].now || !sm->bitmaps[i].committed)
			return -ENOMEM;	/* sm_free_bitmaps() copes */
	}
	return 0;
}

void sm_free_bitmaps(struct dmc_sm *sm)
{
	u32 i;

	for (i = 0; sm->bitmaps && i < sm->nr_bitmaps; i++) {
		kfree(sm->bitmaps[i].now);
		kfree(sm->bitmaps[i].committed);
	}
	kfree(sm->bitmaps);
	sm->bitmaps = NULL;
}

/* Blocks that bitmap @i has counts for: all but the last have SM_COUNTS_PER_BITMAP. */
static u32 bitmap_nr(struct dmc_sm *sm, u32 i)
{
	return min_t(u64, SM_COUNTS_PER_BITMAP, sm->nr_blocks - (u64)i * SM_COUNTS_PER_BITMAP);
}

/* Of the 32 counts in word @w, those that are 0 here and there: their lower bits. */
static u64 free_in_both(const struct sm_bitmap *bm, u32 w)
{
	u64 x = le64_to_cpu(bm->now[w] | bm->committed[w]);

	return ~(x | x >> 1) & LOW_BITS;
}

/* The lower bits of the counts in word @w that belong to blocks below @nr. */
static u64 sm_covered(u32 nr, u32 w)
{
	u32 first = w * 32;

	if (nr <= first)
		return 0;
	return nr - first >= 32 ? LOW_BITS : LOW_BITS & ((1ULL << 2 * (nr - first)) - 1);
}

void sm_count_bitmap(struct dmc_sm *sm, u32 i)
{
	struct sm_bitmap *bm = &sm->bitmaps[i];
	u32 nr = bitmap_nr(sm, i), w, avail = 0, used = 0;

	for (w = 0; w < SM_WORDS_PER_BITMAP; w++) {
		u64 x = le64_to_cpu(bm->now[w]);

		avail += hweight64(free_in_both(bm, w) & sm_covered(nr, w));
		used += hweight64((x | x >> 1) & sm_covered(nr, w));
	}
	bm->nr_avail = avail;
	sm->nr_avail += avail;
	sm->nr_allocated += used;
}

static struct sm_bitmap *locate(struct dmc_sm *sm, mblock_t b, u32 *word, u32 *shift)
{
	u32 i = (u32)b / SM_COUNTS_PER_BITMAP, k = (u32)b % SM_COUNTS_PER_BITMAP;

	*word = k / 32;
	*shift = 2 * (k % 32);
	return &sm->bitmaps[i];
}

/* Its high-order bit is the lower one; the way back is the same. */
static u32 swap_bits(u32 two)
{
	return (two & 1) << 1 | two >> 1;
}

u32 sm_get(struct dmc_sm *sm, mblock_t b)
{
	u32 w, shift;
	struct sm_bitmap *bm = locate(sm, b, &w, &shift);

	return swap_bits(le64_to_cpu(bm->now[w]) >> shift & 3);
}

bool sm_was_free(struct dmc_sm *sm, mblock_t b)
{
	u32 w, shift;
	struct sm_bitmap *bm = locate(sm, b, &w, &shift);

	return !(le64_to_cpu(bm->committed[w]) >> shift & 3);
}

void sm_set(struct dmc_sm *sm, mblock_t b, u32 count)
{
	u32 w, shift, old = sm_get(sm, b);
	struct sm_bitmap *bm = locate(sm, b, &w, &shift);
	u64 x = le64_to_cpu(bm->now[w]);
	int freed = !count - !old;	/* +1: was in use, -1: was free */

	x &= ~(3ULL << shift);
	x |= (u64)swap_bits(count) << shift;
	bm->now[w] = cpu_to_le64(x);
	bm->changed = true;
	bm->nr_free += freed;
	sm->nr_allocated -= freed;
	if (freed && sm_was_free(sm, b)) {
		bm->nr_avail += freed;
		WRITE_ONCE(sm->nr_avail, sm->nr_avail + freed);
	}
}

void sm_take_back(struct dmc_sm *sm, mblock_t b)
{
	u32 w, shift;
	struct sm_bitmap *bm = locate(sm, b, &w, &shift);

	sm_set(sm, b, 1);
	bm->committed[w] |= cpu_to_le64((u64)swap_bits(1) << shift);
}

/* The first block at or after @k of bitmap @i that is free in both, or the bitmap's end. */
static u32 find_in_bitmap(struct dmc_sm *sm, u32 i, u32 k)
{
	struct sm_bitmap *bm = &sm->bitmaps[i];
	u32 nr = bitmap_nr(sm, i), w;

	for (w = k / 32; bm->nr_avail && w * 32 < nr; w++) {
		u64 candidates = free_in_both(bm, w) & sm_covered(nr, w);

		if (w == k / 32)
			candidates &= ~0ULL << 2 * (k % 32);
		if (candidates)
			return w * 32 + __ffs64(candidates) / 2;
	}
	return nr;
}

int sm_find_free(struct dmc_sm *sm, mblock_t *b)
{
	u32 i = (u32)sm->next / SM_COUNTS_PER_BITMAP, k = (u32)sm->next % SM_COUNTS_PER_BITMAP;
	u32 tries;

	if (!sm->nr_avail)
		return DMC_NO_ROOM;
	/* The bitmap that the search starts in comes again at the end, from its start. */
	for (tries = 0; tries <= sm->nr_bitmaps; tries++, i++, k = 0) {
		if (i >= sm->nr_bitmaps)
			i = 0;
		k = find_in_bitmap(sm, i, k);
		if (k < bitmap_nr(sm, i)) {
			*b = (mblock_t)i * SM_COUNTS_PER_BITMAP + k;
			sm->next = *b + 1 < sm->nr_blocks ? *b + 1 : 0;
			return 0;
		}
	}
	return DMC_NO_ROOM;
}

void sm_forget_committed(struct dmc_sm *sm)
{
	u64 total = 0;
	u32 i, w;

	for (i = 0; i < sm->nr_bitmaps; i++) {
		struct sm_bitmap *bm = &sm->bitmaps[i];

		if (bm->moved) {
			memcpy(bm->committed, bm->now, BITMAP_BYTES);
			bm->nr_avail = 0;
			for (w = 0; w < SM_WORDS_PER_BITMAP; w++)
				bm->nr_avail += hweight64(free_in_both(bm, w) &
							  sm_covered(bitmap_nr(sm, i), w));
		}
		total += bm->nr_avail;
	}
	WRITE_ONCE(sm->nr_avail, total);
	sm->next = 0;
}
