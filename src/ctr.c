// SPDX-License-Identifier: GPL-2.0-only
/*
 * ctr.c - table line -> struct cache, and back to nothing.
 * The words are taken apart by parse.c.
 *
 * Called by device-mapper when a table is loaded or dropped, in process context, while an older
 * table of the same device may be live.  So nothing is written here, not even to blank metadata:
 * that is activation's (activate.c).  Every refusal says why, in ti->error and, where numbers
 * matter, in the log, and unwinds completely.
 */
#include "block-lock.h"
#include "activate.h"
#include "partial.h"
#include "policy-registry.h"
#include "settle.h"
#include "target.h"
#include "write-intent.h"
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>

static int ctr_bad(struct dm_target *ti, char *why)
{
	ti->error = why;
	return -EINVAL;
}

/*----- words -----*/

static int read_table_line(struct cache *c, unsigned int argc, char **argv, struct table_line *line)
{
	int r = parse_table_line(line, argc, argv, &c->ti->error);

	if (r)
		return r;
	c->io_mode = line->io_mode;
	c->metadata2 = line->metadata2;
	c->discards.no_passdown = line->no_discard_passdown;
	c->geo.block_sectors = line->block_sectors;
	c->geo.block_shift = is_power_of_2(c->geo.block_sectors) ? ilog2(c->geo.block_sectors) : -1;
	return 0;
}

/* Everything after the devices, for the table line. */
static int copy_ctr_args(struct cache *c, unsigned int argc, char **argv)
{
	unsigned int i;

	c->ctr_args = kcalloc(argc, sizeof(*c->ctr_args), GFP_KERNEL);
	if (!c->ctr_args)
		return -ENOMEM;
	c->nr_ctr_args = argc;
	for (i = 0; i < argc; i++) {
		c->ctr_args[i] = kstrdup(argv[i], GFP_KERNEL);
		if (!c->ctr_args[i])
			return -ENOMEM;
	}
	return 0;
}

static void free_ctr_args(struct cache *c)
{
	unsigned int i;

	for (i = 0; i < c->nr_ctr_args; i++)
		kfree(c->ctr_args[i]);
	kfree(c->ctr_args);
}

/*----- devices -----*/

static int open_devices(struct cache *c, const struct table_line *line)
{
	const struct {
		const char *path;
		struct dm_dev **dev;
		char *error;
	} devices[] = {
		{ line->metadata_path, &c->metadata_dev, "Error opening metadata device" },
		{ line->cache_path, &c->cache_dev, "Error opening cache device" },
		{ line->origin_path, &c->origin_dev, "Error opening origin device" },
	};
	unsigned int i;
	int r;

	/* Written to even if the table is read-only: promotions, and demotions of older writes. */
	for (i = 0; i < ARRAY_SIZE(devices); i++) {
		r = dm_get_device(c->ti, devices[i].path, COMPAT_OPEN_RW, devices[i].dev);
		if (r) {
			c->ti->error = devices[i].error;
			return r;
		}
	}
	return 0;
}

static void close_devices(struct cache *c)
{
	if (c->origin_dev)
		dm_put_device(c->ti, c->origin_dev);
	if (c->cache_dev)
		dm_put_device(c->ti, c->cache_dev);
	if (c->metadata_dev)
		dm_put_device(c->ti, c->metadata_dev);
}

static int check_devices(struct cache *c)
{
	struct dm_target *ti = c->ti;
	u64 nr_cblocks;

	if (c->metadata_dev->bdev == c->cache_dev->bdev ||
	    c->metadata_dev->bdev == c->origin_dev->bdev ||
	    c->cache_dev->bdev == c->origin_dev->bdev)
		return ctr_bad(ti, "Metadata, cache and origin must be three different devices");

	/* Blocks are written in any order, which a zone does not allow. */
	if (bdev_is_zoned(c->metadata_dev->bdev) || bdev_is_zoned(c->cache_dev->bdev) ||
	    bdev_is_zoned(c->origin_dev->bdev))
		return ctr_bad(ti, "Zoned devices cannot be cached, nor be used as a cache");

	/* The rest of a longer device is not ours: it may belong to another target. */
	c->geo.origin_sectors = ti->len;
	c->geo.cache_sectors = bdev_nr_sectors(c->cache_dev->bdev);
	if (c->geo.origin_sectors > bdev_nr_sectors(c->origin_dev->bdev))
		return ctr_bad(ti, "Device size larger than cached device");

	nr_cblocks = div64_u64(c->geo.cache_sectors, c->geo.block_sectors);
	if (!nr_cblocks)
		return ctr_bad(ti, "Data block size is larger than the cache device");
	if (nr_cblocks > DMC_MAX_CBLOCKS)
		return ctr_bad(ti, "Too many cache blocks: use a larger block size");
	c->geo.nr_cblocks = nr_cblocks;

	c->geo.nr_oblocks = div64_u64(c->geo.origin_sectors, c->geo.block_sectors);
	if (c->geo.nr_oblocks + 1 >= DMC_MAX_OBLOCKS)
		return ctr_bad(ti, "Origin too large for this block size");
	return 0;
}

/*----- policy -----*/

static oblock_t mappings_oblock_of(const struct dmc_mappings *map, cblock_t cb)
{
	struct cache *c = container_of(map, struct cache, mappings);

	return to_oblock(table_oblock(&c->table, cb));
}

static bool mappings_lookup(const struct dmc_mappings *map, oblock_t ob, cblock_t *cb)
{
	return table_lookup(&container_of(map, struct cache, mappings)->table, ob, cb);
}

static int create_policy(struct cache *c, const struct table_line *line)
{
	struct dmc_policy_type *type = policy_type_get(line->policy_name);
	struct dmc_policy *policy;
	unsigned int i;
	int r;

	if (!type) {
		DMERR("unknown policy '%s': is the module dm-cache-%s installed?",
		      line->policy_name, line->policy_name);
		return ctr_bad(c->ti, "Unknown policy type");
	}
	c->mappings.oblock_of = mappings_oblock_of;
	c->mappings.lookup = mappings_lookup;
	policy = type->create(&c->mappings, c->geo.nr_cblocks,
			      c->geo.nr_oblocks * c->geo.block_sectors, c->geo.block_sectors);
	if (IS_ERR(policy)) {
		policy_type_put(type);
		c->ti->error = "Error creating the policy";
		return PTR_ERR(policy);
	}
	c->policy = policy;

	for (i = 0; i < line->nr_policy_args; i += 2) {
		r = cache_set_config(c, line->policy_args[i], line->policy_args[i + 1]);
		if (r) {
			c->ti->error = "Error setting a policy argument";
			return r;
		}
	}
	return 0;
}

static void destroy_policy(struct cache *c)
{
	struct dmc_policy_type *type;

	if (!c->policy)
		return;
	type = (struct dmc_policy_type *)c->policy->type;
	type->destroy(c->policy);
	policy_type_put(type);
}

/*----- the parts of struct cache -----*/

static int slots_init(struct cache *c)
{
	/* Enough that two busy blocks seldom share one; small beside the table. */
	u32 nr = clamp_t(u32, roundup_pow_of_two(c->geo.nr_cblocks / 8 + 1), 1024, 16384);

	c->slot_mask = nr - 1;
	c->slots = kvcalloc(nr, sizeof(*c->slots), GFP_KERNEL);
	return c->slots ? 0 : -ENOMEM;
}

/* In this order; parts_exit() copes with any prefix. */
static int parts_init(struct cache *c)
{
	int r;

	mutex_init(&c->md_mutex);
	INIT_LIST_HEAD(&c->live);
	INIT_LIST_HEAD(&c->sleeper);
	c->migration_threshold = CACHE_MIGRATION_THRESHOLD;
	flush_init(&c->origin_flush, c->origin_dev->bdev);
	flush_init(&c->cache_flush, c->cache_dev->bdev);
	posted_init(c);

	r = stats_init(c);
	/* The partial block behind the whole ones is looked up, too. */
	if (!r)
		r = table_init(&c->table, c->geo.nr_cblocks, c->geo.nr_oblocks + 1);
	if (!r)
		r = slots_init(c);
	if (!r)
		r = drop_init(c);
	if (!r)
		r = intent_init(c);
	if (!r)
		r = settle_init(c);
	if (!r)
		r = partial_init(c);
	if (!r)
		r = free_blocks_init(c);
	if (!r)
		r = discard_init(c);
	if (!r)
		r = engine_init(c);
	if (r)
		c->ti->error = "Cannot allocate the cache: out of memory";
	return r;
}

static void parts_exit(struct cache *c)
{
	engine_exit(c);
	discard_exit(c);
	free_blocks_exit(c);
	partial_exit(c);
	settle_exit(c);
	intent_exit(c);
	drop_exit(c);
	kvfree(c->slots);
	table_exit(&c->table);
	stats_exit(c);
}

static void cache_free(struct cache *c)
{
	activate_forget_hints(c);
	destroy_policy(c);
	parts_exit(c);
	close_devices(c);
	free_ctr_args(c);
	kfree(c);
}

static int set_target(struct cache *c)
{
	struct dm_target *ti = c->ti;

	ti->num_flush_bios = 2;		/* cache and origin; flush.c decides whether */
	ti->flush_supported = true;
	ti->num_discard_bios = 1;
	ti->discards_supported = true;
	ti->per_io_data_size = sizeof(struct bio_ctx);
	compat_ti_limit_swap_bios(ti);
	compat_ti_no_zeroes_after_discard(ti);
	return compat_ti_cut_bios(ti, c->geo.block_sectors);
}

static int construct(struct cache *c, unsigned int argc, char **argv)
{
	struct table_line line;
	int r;

	r = read_table_line(c, argc, argv, &line);
	if (!r)
		r = copy_ctr_args(c, argc - 3, argv + 3);
	if (!r)
		r = open_devices(c, &line);
	if (!r)
		r = check_devices(c);
	if (!r)
		r = parts_init(c);
	if (!r)
		r = create_policy(c, &line);
	if (!r)
		r = activate_check_table(c, &c->ti->error);
	if (!r)
		r = set_target(c);
	return r;
}

int cache_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct cache *c = kzalloc(sizeof(*c), GFP_KERNEL);
	int r;

	if (!c) {
		ti->error = "Cannot allocate the cache: out of memory";
		return -ENOMEM;
	}
	c->ti = ti;
	/* If the live table is suspended already, this one is needed to go on: see target.c. */
	if (dm_suspended(ti)) {
		unsigned int noio = memalloc_noio_save();

		r = construct(c, argc, argv);
		memalloc_noio_restore(noio);
	} else {
		r = construct(c, argc, argv);
	}
	if (r) {
		cache_free(c);
		return r;
	}
	ti->private = c;
	return 0;
}

void cache_dtr(struct dm_target *ti)
{
	unsigned int noio = memalloc_noio_save();

	/* Only if another target of the table failed to resume after this one was activated. */
	deactivate(ti->private);
	cache_free(ti->private);
	memalloc_noio_restore(noio);
}
