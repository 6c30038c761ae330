// SPDX-License-Identifier: GPL-2.0-only
/*
 * metadata/valid-maps.c - partial blocks on disk: which granules of a cache block hold data.
 *
 * On a bio's path only through the commit worker, which records here what was written to partial
 * blocks before it acknowledges a FLUSH.  Loading runs at activation.  Everything may sleep and do
 * I/O; no locks (the caller serialises all metadata work).
 *
 * A mapped block is full, and costs nothing here, or partial: then a tree leads from its number to
 * a map of its valid granules, and the origin holds the rest.  The tree exists as long as it has
 * entries.  As long as it exists the superblock carries an incompatible feature, so that no module
 * that would take a partial block for a full one opens the device.  The commit that takes the last
 * entry away takes the feature away.
 *
 * A partial block is stored as dirty: its valid granules are newer than the origin.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "private.h"

/* A tree's value: the map, lowest granule first. */
struct stored_map {
	__le64 words[DMC_VALID_WORDS];
} __packed;

static const struct dmc_btree_value_type valid_value_type = {
	.size = sizeof(struct stored_map),
};

u32 dmc_granule_sectors(u32 block_sectors)
{
	return DMC_GRANULE_SECTORS *
	       DIV_ROUND_UP(block_sectors, DMC_GRANULE_SECTORS * DMC_MAX_GRANULES);
}

u32 dmc_nr_granules(u32 block_sectors)
{
	return DIV_ROUND_UP(block_sectors, dmc_granule_sectors(block_sectors));
}

static int look(void *ctx, const u64 *keys, const void *value)
{
	return 0;
}

/*
 * "cache_check --auto-repair", which lvm2 runs before it activates a volume, does not know the tree,
 * and frees its blocks.  Nothing may be allocated in them: what cannot be read is not known to be
 * in use, so nothing is changed any more then.
 *
 * That alone is nothing to be committed: until something is, the next load takes them back, too.
 */
static void take_back(struct dmc_md *md)
{
	dmc_tm_take_back(md->tm, true);
	if (dmc_btree_walk(&md->valid_info, md->valid_root, look, NULL))
		dmc_tm_spoil(md->tm);
	dmc_tm_take_back(md->tm, false);
}

void md_valid_init(struct dmc_md *md)
{
	BUILD_BUG_ON(sizeof(struct stored_map) * 8 != DMC_MAX_GRANULES);
	BUILD_BUG_ON(sizeof(struct stored_map) > DMC_BTREE_MAX_VALUE);

	md->valid_info.tm = md->tm;
	md->valid_info.levels = 1;
	md->valid_info.value_type = valid_value_type;
	md->valid_root = dmc_sb_valid_root(md->sb);
	md->nr_partial = dmc_sb_nr_partial(md->sb);
	if (md->valid_root)
		take_back(md);
}

u32 dmc_md_nr_partial(const struct dmc_md *md)
{
	return md->nr_partial;
}

/*----- maps -----*/

/* Neither empty nor full, and no bit beyond the last granule. */
static bool map_makes_sense(const struct dmc_md *md, const u64 *valid)
{
	const u32 nr = dmc_nr_granules(md->p.block_sectors);
	u32 i, set = 0;

	for (i = 0; i < DMC_VALID_WORDS; i++) {
		u64 mask = nr >= 64 * (i + 1) ? ~0ULL : nr <= 64 * i ? 0 : (1ULL << nr % 64) - 1;

		if (valid[i] & ~mask)
			return false;
		set += hweight64(valid[i]);
	}
	return set && set < nr;
}

static void map_store(struct stored_map *stored, const u64 *valid)
{
	int i;

	for (i = 0; i < DMC_VALID_WORDS; i++)
		stored->words[i] = cpu_to_le64(valid[i]);
}

static void map_fetch(const void *value, u64 *valid)
{
	struct stored_map stored;
	int i;

	memcpy(&stored, value, sizeof(stored));
	for (i = 0; i < DMC_VALID_WORDS; i++)
		valid[i] = le64_to_cpu(stored.words[i]);
}

/*----- changes -----*/

static int insert_map(struct dmc_md *md, u64 key, const u64 *valid)
{
	struct stored_map stored;
	bool inserted;
	int r = 0;

	if (!md->valid_root)
		r = dmc_btree_empty(&md->valid_info, &md->valid_root);
	if (r)
		return r;
	map_store(&stored, valid);
	r = dmc_btree_insert(&md->valid_info, md->valid_root, &key, &stored, &md->valid_root,
			     &inserted);
	if (!r)
		md->nr_partial += inserted;
	return r;
}

/* The block's map, if it has one, goes; with the last one the tree does. */
int md_valid_forget(struct dmc_md *md, u32 cblock)
{
	const u64 key = cblock;
	int r;

	if (likely(!md->valid_root))
		return 0;
	r = dmc_btree_remove(&md->valid_info, md->valid_root, &key, &md->valid_root);
	if (r == DMC_NO_ENTRY)
		return 0;
	md->changed = true;
	if (r || --md->nr_partial)
		return r;
	r = dmc_btree_del(&md->valid_info, md->valid_root);
	md->valid_root = 0;
	return r;
}

int dmc_md_set_valid(struct dmc_md *md, cblock_t cblock, const u64 *valid)
{
	bool mapped;
	int r;

	if (from_cblock(cblock) >= md->nr_cblocks || (valid && !map_makes_sense(md, valid)))
		return -EINVAL;
	r = md_change_begin(md);
	if (r)
		return r;
	r = md_is_mapped(md, from_cblock(cblock), &mapped);
	if (!r && !mapped)
		return DMC_NO_ENTRY;
	if (!r && !valid)
		r = md_valid_forget(md, from_cblock(cblock));
	else if (!r) {
		md->changed = true;
		r = insert_map(md, from_cblock(cblock), valid);
	}
	return md_change_end(md, r == DMC_NO_ENTRY ? DMC_DAMAGED : r);
}

/*----- load -----*/

struct load_valid {
	struct dmc_md *md;
	u32 end;			/* no block beyond */
	u32 nr;
	bool refused;			/* by @fn */
	dmc_md_valid_fn fn;
	void *ctx;
};

static int load_valid_map(void *ctx, const u64 *keys, const void *value)
{
	struct load_valid *load = ctx;
	struct dmc_md *md = load->md;
	u64 valid[DMC_VALID_WORDS];
	int r;

	map_fetch(value, valid);
	if (*keys >= load->end || !map_makes_sense(md, valid)) {
		DMERR("%s: the map of valid granules of cache block %llu makes no sense%s",
		      md->name, *keys, md_mend(md, DMC_DAMAGED));
		return DMC_DAMAGED;
	}
	load->nr++;
	r = load->fn(load->ctx, to_cblock(*keys), valid);
	load->refused = r;
	return r;
}

int dmc_md_load_valid(struct dmc_md *md, u32 nr, dmc_md_valid_fn fn, void *ctx)
{
	struct load_valid load = {
		.md = md,
		.end = min(nr, md->nr_cblocks),
		.fn = fn,
		.ctx = ctx,
	};
	int r;

	if (!md->tm || md->failed)
		return -EIO;
	if (!md->valid_root)
		return 0;
	r = dmc_btree_walk(&md->valid_info, md->valid_root, load_valid_map, &load);
	if (!r && load.nr != md->nr_partial) {
		DMERR("%s: %u partial blocks, but the superblock says %u%s", md->name, load.nr,
		      md->nr_partial, md_mend(md, DMC_DAMAGED));
		r = DMC_DAMAGED;
	}
	if (r && !load.refused)
		DMERR("%s: the maps of valid granules cannot be read (%d)%s", md->name, r,
		      md_mend(md, r));
	return r;
}
