// SPDX-License-Identifier: GPL-2.0-only
/*
 * space-map-metadata.c - the metadata space map: counts of three and more, and the map on disk.
 *
 * Called by the transaction manager only, which its caller serialises; may sleep and do I/O, holds
 * no lock of its own.  It calls back into the transaction manager for its own blocks (the nodes of
 * the reference count btree), which calls in here again: see change_big() for how that ends.
 */
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "messages.h"
#include "space-map.h"

/*----- on disk -----*/

struct sm_disk_root {
	__le64 nr_blocks;
	__le64 nr_allocated;
	__le64 bitmap_root;
	__le64 ref_count_root;
};

struct sm_disk_entry {
	__le64 blocknr;
	__le32 nr_free;
	__le32 none_free_before;
};

struct sm_disk_index {
	__le32 csum;
	__le32 padding;
	__le64 blocknr;
	struct sm_disk_entry entries[SM_MAX_BITMAPS];
};

struct sm_disk_bitmap {
	__le32 csum;
	__le32 padding;
	__le64 blocknr;
	__le64 counts[SM_WORDS_PER_BITMAP];
};

static const struct dmc_validator index_validator = {
	.name = "space map index",
	.salt = 160478,
	.blocknr_offset = offsetof(struct sm_disk_index, blocknr),
};

static const struct dmc_validator bitmap_validator = {
	.name = "space map bitmap",
	.salt = 240779,
	.blocknr_offset = offsetof(struct sm_disk_bitmap, blocknr),
};

static void smm_check_sizes(void)
{
	BUILD_BUG_ON(sizeof(struct sm_disk_root) != DMC_SM_ROOT_SIZE);
	BUILD_BUG_ON(sizeof(struct sm_disk_index) != DMC_MD_BLOCK_SIZE);
	BUILD_BUG_ON(sizeof(struct sm_disk_bitmap) != DMC_MD_BLOCK_SIZE);
}

/*----- counts of three and more -----*/

/* A change of a count that came while the btree was being changed. */
struct sm_queued {
	struct list_head list;
	mblock_t block;
	int delta;
};

static int big_lookup(struct dmc_sm *sm, mblock_t b, u32 *count)
{
	__le32 v;
	u64 key = b;
	int r;

	r = dmc_btree_lookup(&sm->ref_info, sm->ref_root, &key, &v);
	if (r == DMC_NO_ENTRY || (!r && !v)) {
		pd_err(sm->name, "block %llu: the space map has no count for it", b);
		return DMC_DAMAGED;
	}
	if (!r)
		*count = le32_to_cpu(v);
	return r;
}

static int big_store(struct dmc_sm *sm, mblock_t b, u32 count)
{
	__le32 v = cpu_to_le32(count);
	u64 key = b;

	return dmc_btree_insert(&sm->ref_info, sm->ref_root, &key, &v, &sm->ref_root, NULL);
}

/* One change, with the btree at rest. */
static int change_one(struct dmc_sm *sm, mblock_t b, int delta)
{
	u32 old = sm_get(sm, b);
	u64 key = b;
	int r;

	if (old == 3) {
		r = big_lookup(sm, b, &old);
		if (r)
			return r;
	}
	if (delta > 0 ? !old || old == U32_MAX : !old) {
		pd_err(sm->name, "block %llu: count %u cannot be %s", b, old,
		       delta > 0 ? "raised" : "lowered");
		return DMC_DAMAGED;
	}
	if (old + delta >= 3) {
		r = big_store(sm, b, old + delta);
		if (r)
			return r;
	} else if (sm_get(sm, b) == 3) {
		r = dmc_btree_remove(&sm->ref_info, sm->ref_root, &key, &sm->ref_root);
		if (r)
			return r;
	}
	sm_set(sm, b, min_t(u32, old + delta, 3));
	return 0;
}

static int enqueue(struct dmc_sm *sm, mblock_t b, int delta)
{
	struct sm_queued *q = kmalloc(sizeof(*q), GFP_NOIO);

	if (!q)
		return -ENOMEM;
	q->block = b;
	q->delta = delta;
	list_add_tail(&q->list, &sm->queue);
	return 0;
}

static void drop_queue(struct dmc_sm *sm)
{
	struct sm_queued *q, *next;

	list_for_each_entry_safe(q, next, &sm->queue, list)
		kfree(q);
	INIT_LIST_HEAD(&sm->queue);
}

/*
 * A change that needs the btree.  Changing the btree changes counts of its own nodes.  Those are 0
 * or 1 and need no btree, unless the metadata is damaged; then they wait here, instead of
 * recursing.
 */
static int change_big(struct dmc_sm *sm, mblock_t b, int delta)
{
	int r;

	if (sm->ref_busy)
		return enqueue(sm, b, delta);
	sm->ref_busy = true;
	r = change_one(sm, b, delta);
	while (!r && !list_empty(&sm->queue)) {
		struct sm_queued *q = list_first_entry(&sm->queue, struct sm_queued, list);

		list_del(&q->list);
		r = change_one(sm, q->block, q->delta);
		kfree(q);
	}
	sm->ref_busy = false;
	return r;
}

int dmc_sm_inc(struct dmc_sm *sm, mblock_t b)
{
	u32 old = sm_get(sm, b);

	if (old == 1) {
		sm_set(sm, b, 2);
		return 0;
	}
	return change_big(sm, b, 1);
}

int dmc_sm_dec(struct dmc_sm *sm, mblock_t b)
{
	u32 old = sm_get(sm, b);

	if (old == 1 || old == 2) {
		sm_set(sm, b, old - 1);
		return 0;
	}
	return change_big(sm, b, -1);
}

int dmc_sm_count(struct dmc_sm *sm, mblock_t b, u32 *count)
{
	int r;

	*count = sm_get(sm, b);
	/* While the btree changes 3 has to do: the caller wants to know if it is shared. */
	if (*count < 3 || sm->ref_busy)
		return 0;
	sm->ref_busy = true;
	r = big_lookup(sm, b, count);
	sm->ref_busy = false;
	return r;
}

/*----- allocation -----*/

bool dmc_sm_valid(struct dmc_sm *sm, mblock_t b)
{
	return b && b < sm->nr_blocks;
}

/* What a commit may need: each bitmap moves at most once, and the index. */
static u64 reserve(struct dmc_sm *sm)
{
	return sm->nr_bitmaps - sm->nr_moved + !sm->index_moved + DMC_TM_RESERVE;
}

int dmc_sm_new(struct dmc_sm *sm, mblock_t *b)
{
	int r;

	if (!sm->committing && !sm->ref_busy && sm->nr_avail <= reserve(sm))
		return DMC_NO_ROOM;
	r = sm_find_free(sm, b);
	if (!r)
		sm_set(sm, *b, 1);
	return r;
}

/*----- commit -----*/

/* Gives a changed part of the map a place of its own for this transaction. */
static int move_part(struct dmc_sm *sm, mblock_t *place, bool *moved)
{
	mblock_t old = *place;
	int r;

	r = dmc_sm_new(sm, place);
	if (r)
		return r;
	*moved = true;
	return old ? dmc_sm_dec(sm, old) : 0;
}

/* Moving one part can change another.  Goes on until no part moves; each moves only once. */
static int move_changed(struct dmc_sm *sm)
{
	bool again = true;
	int r;
	u32 i;

	while (again) {
		again = false;
		for (i = 0; i < sm->nr_bitmaps; i++) {
			struct sm_bitmap *bm = &sm->bitmaps[i];

			if (!bm->changed || bm->moved)
				continue;
			r = move_part(sm, &bm->block, &bm->moved);
			if (r)
				return r;
			sm->nr_moved++;
			again = true;
		}
		if (sm->nr_moved && !sm->index_moved) {
			r = move_part(sm, &sm->index, &sm->index_moved);
			if (r)
				return r;
			again = true;
		}
	}
	return 0;
}

static int write_bitmap(struct dmc_sm *sm, struct sm_bitmap *bm)
{
	struct sm_disk_bitmap *disk;
	struct dmc_block *blk;
	int r;

	r = dmc_bm_write_lock_zero(dmc_tm_bm(sm->tm), bm->block, &bitmap_validator, &blk);
	if (r)
		return r;
	disk = dmc_block_data(blk);
	memcpy(disk->counts, bm->now, sizeof(disk->counts));
	dmc_bm_unlock(blk);
	bm->changed = false;
	return 0;
}

static u32 first_free(const struct sm_bitmap *bm)
{
	u32 w;

	for (w = 0; w < SM_WORDS_PER_BITMAP; w++) {
		u64 x = ~le64_to_cpu(bm->now[w]);

		/* A count of 0 is two bits that are both set now. */
		x &= x >> 1 & 0x5555555555555555ULL;
		if (x)
			return w * 32 + __ffs64(x) / 2;
	}
	return SM_COUNTS_PER_BITMAP;
}

static int write_index(struct dmc_sm *sm)
{
	struct sm_disk_index *disk;
	struct dmc_block *blk;
	u32 i;
	int r;

	r = dmc_bm_write_lock_zero(dmc_tm_bm(sm->tm), sm->index, &index_validator, &blk);
	if (r)
		return r;
	disk = dmc_block_data(blk);
	for (i = 0; i < sm->nr_bitmaps; i++) {
		disk->entries[i].blocknr = cpu_to_le64(sm->bitmaps[i].block);
		disk->entries[i].nr_free = cpu_to_le32(sm->bitmaps[i].nr_free);
		disk->entries[i].none_free_before = cpu_to_le32(first_free(&sm->bitmaps[i]));
	}
	dmc_bm_unlock(blk);
	return 0;
}

int dmc_sm_write(struct dmc_sm *sm)
{
	u32 i;
	int r;

	sm->committing = true;
	r = move_changed(sm);
	sm->committing = false;
	if (r)
		return r;
	for (i = 0; i < sm->nr_bitmaps; i++) {
		if (!sm->bitmaps[i].changed)
			continue;
		r = write_bitmap(sm, &sm->bitmaps[i]);
		if (r)
			return r;
	}
	return sm->index_moved ? write_index(sm) : 0;
}

void dmc_sm_copy_root(struct dmc_sm *sm, void *root)
{
	struct sm_disk_root disk = {
		.nr_blocks = cpu_to_le64(sm->nr_blocks),
		.nr_allocated = cpu_to_le64(sm->nr_allocated),
		.bitmap_root = cpu_to_le64(sm->index),
		.ref_count_root = cpu_to_le64(sm->ref_root),
	};

	memcpy(root, &disk, sizeof(disk));
}

void dmc_sm_committed(struct dmc_sm *sm)
{
	u32 i;

	sm_forget_committed(sm);
	for (i = 0; i < sm->nr_bitmaps; i++)
		sm->bitmaps[i].moved = false;
	sm->nr_moved = 0;
	sm->index_moved = false;
}

/*----- create, open -----*/

static int sm_init(struct dmc_sm *sm, struct dmc_tm *tm, mblock_t nr_blocks)
{
	smm_check_sizes();
	memset(sm, 0, sizeof(*sm));
	sm->tm = tm;
	sm->name = dmc_bm_name(dmc_tm_bm(tm));
	sm->ref_info.tm = tm;
	sm->ref_info.levels = 1;
	sm->ref_info.value_type.size = sizeof(__le32);
	INIT_LIST_HEAD(&sm->queue);
	return sm_alloc_bitmaps(sm, nr_blocks);
}

void dmc_sm_exit(struct dmc_sm *sm)
{
	drop_queue(sm);
	sm_free_bitmaps(sm);
}

int dmc_sm_create(struct dmc_sm *sm, struct dmc_tm *tm, mblock_t superblock)
{
	mblock_t nr_blocks = min_t(u64, dmc_bm_nr_blocks(dmc_tm_bm(tm)), SM_MAX_BLOCKS);
	u32 i;
	int r;

	/* The superblock, the index, a bitmap, the reference counts, and one to work with. */
	if (superblock >= nr_blocks || nr_blocks < 4 + DMC_TM_RESERVE + 1) {
		pd_err(dmc_bm_name(dmc_tm_bm(tm)), "too small: %llu blocks of 4 KiB", nr_blocks);
		return DMC_NO_ROOM;
	}
	r = sm_init(sm, tm, nr_blocks);
	if (r)
		return r;
	for (i = 0; i < sm->nr_bitmaps; i++) {
		sm_count_bitmap(sm, i);
		sm->bitmaps[i].nr_free = SM_COUNTS_PER_BITMAP;
		sm->bitmaps[i].changed = true;
	}
	sm_set(sm, superblock, 1);
	return dmc_btree_empty(&sm->ref_info, &sm->ref_root);
}

static int smm_bad_root(struct dmc_sm *sm, const char *what, u64 value)
{
	pd_err(sm->name, "space map: bad %s (%llu)", what, value);
	return DMC_DAMAGED;
}

static int load_bitmap(struct dmc_sm *sm, struct sm_bitmap *bm)
{
	const struct sm_disk_bitmap *disk;
	struct dmc_block *blk;
	int r;

	r = dmc_bm_read_lock(dmc_tm_bm(sm->tm), bm->block, &bitmap_validator, &blk);
	if (r)
		return r;
	disk = dmc_block_data(blk);
	memcpy(bm->now, disk->counts, sizeof(disk->counts));
	memcpy(bm->committed, disk->counts, sizeof(disk->counts));
	dmc_bm_unlock(blk);
	return 0;
}

static int load_index(struct dmc_sm *sm)
{
	const struct sm_disk_index *disk;
	struct dmc_block *blk;
	int r = 0;
	u32 i;

	r = dmc_bm_read_lock(dmc_tm_bm(sm->tm), sm->index, &index_validator, &blk);
	if (r)
		return r;
	disk = dmc_block_data(blk);
	for (i = 0; i < sm->nr_bitmaps; i++) {
		const struct sm_disk_entry *e = &disk->entries[i];
		struct sm_bitmap *bm = &sm->bitmaps[i];

		bm->block = le64_to_cpu(e->blocknr);
		bm->nr_free = le32_to_cpu(e->nr_free);
		if (!dmc_sm_valid(sm, bm->block) || bm->nr_free > SM_COUNTS_PER_BITMAP ||
		    le32_to_cpu(e->none_free_before) > SM_COUNTS_PER_BITMAP) {
			r = smm_bad_root(sm, "index entry", i);
			break;
		}
		dmc_bm_prefetch(dmc_tm_bm(sm->tm), bm->block);
	}
	dmc_bm_unlock(blk);
	return r;
}

/*
 * Two ways to count the free blocks of a bitmap that the device ends in are in use: with or without
 * those past the end.  Keep what is there; mend any other figure.
 */
static void mend_nr_free(struct dmc_sm *sm, u32 i, u64 nr_used)
{
	struct sm_bitmap *bm = &sm->bitmaps[i];
	u32 nr = min_t(u64, SM_COUNTS_PER_BITMAP, sm->nr_blocks - (u64)i * SM_COUNTS_PER_BITMAP);

	if (bm->nr_free == nr - nr_used || bm->nr_free == SM_COUNTS_PER_BITMAP - nr_used)
		return;
	pd_warn(sm->name, "space map: bitmap %u: %llu blocks in use, its index entry says %u free",
		i, nr_used, bm->nr_free);
	bm->nr_free = SM_COUNTS_PER_BITMAP - nr_used;
}

/* What the map itself is made of must be in use, or the next allocation overwrites it. */
static int smm_check_in_use(struct dmc_sm *sm, mblock_t superblock)
{
	u32 i;

	if (!sm_get(sm, superblock))
		return smm_bad_root(sm, "count 0 of the superblock, block", superblock);
	if (!sm_get(sm, sm->index))
		return smm_bad_root(sm, "count 0 of the index, block", sm->index);
	for (i = 0; i < sm->nr_bitmaps; i++)
		if (!sm_get(sm, sm->bitmaps[i].block))
			return smm_bad_root(sm, "count 0 of a bitmap, block", sm->bitmaps[i].block);
	return 0;
}

static int load_map(struct dmc_sm *sm, mblock_t superblock, u64 nr_allocated)
{
	u32 i;
	int r;

	r = load_index(sm);
	if (r)
		return r;
	for (i = 0; i < sm->nr_bitmaps; i++) {
		u64 before = sm->nr_allocated;

		r = load_bitmap(sm, &sm->bitmaps[i]);
		if (r)
			return r;
		sm_count_bitmap(sm, i);
		mend_nr_free(sm, i, sm->nr_allocated - before);
	}
	if (sm->nr_allocated != nr_allocated)
		pd_warn(sm->name, "space map: %llu blocks in use, not %llu", sm->nr_allocated,
			nr_allocated);
	return smm_check_in_use(sm, superblock);
}

int dmc_sm_open(struct dmc_sm *sm, struct dmc_tm *tm, mblock_t superblock, const void *root)
{
	const char *name = dmc_bm_name(dmc_tm_bm(tm));
	struct sm_disk_root disk;
	u64 nr_blocks, nr_allocated, unused;
	int r;

	memcpy(&disk, root, sizeof(disk));
	nr_blocks = le64_to_cpu(disk.nr_blocks);
	nr_allocated = le64_to_cpu(disk.nr_allocated);
	if (!nr_blocks || nr_blocks > SM_MAX_BLOCKS || superblock >= nr_blocks ||
	    nr_blocks > dmc_bm_nr_blocks(dmc_tm_bm(tm))) {
		pd_err(name, "the space map covers %llu blocks, the device has %llu",
		       nr_blocks, dmc_bm_nr_blocks(dmc_tm_bm(tm)));
		return DMC_DAMAGED;
	}
	r = sm_init(sm, tm, nr_blocks);
	if (r)
		return r;
	sm->index = le64_to_cpu(disk.bitmap_root);
	sm->ref_root = le64_to_cpu(disk.ref_count_root);
	if (nr_allocated > nr_blocks)
		return smm_bad_root(sm, "number of allocated blocks", nr_allocated);
	if (!dmc_sm_valid(sm, sm->index))
		return smm_bad_root(sm, "index block", sm->index);
	if (!dmc_sm_valid(sm, sm->ref_root))
		return smm_bad_root(sm, "reference count root", sm->ref_root);
	r = load_map(sm, superblock, nr_allocated);
	if (r)
		return r;
	/* An error is better now than in the middle of a change. */
	r = dmc_btree_lowest(&sm->ref_info, sm->ref_root, &unused);
	return r == DMC_NO_ENTRY ? 0 : r;
}
