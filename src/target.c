// SPDX-License-Identifier: GPL-2.0-only
/*
 * target.c - the entry points that device-mapper calls; module load and unload.
 *
 * Start reading here: cache_map() is where each bio comes in, cache_end_io() where it leaves.
 * The life of a device: cache_ctr() (ctr.c) for a table line; preresume activates the metadata,
 * resume lets migrations start; presuspend stops new ones, postsuspend writes a clean shutdown and
 * lets go of the metadata; cache_dtr().  A suspended cache holds nothing open but its devices, so
 * another table over the same devices can take over.
 */
#include "dm-cache.h"
#include "activate.h"
#include "map.h"
#include "pm.h"
#include "target.h"
#include <linux/module.h>
#include <linux/sched/mm.h>

#include "version.h"

static int cache_map(struct dm_target *ti, struct bio *bio)
{
	return map_bio(ti->private, bio);
}

static int cache_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *status)
{
	return map_end_io(ti->private, bio, status);
}

static void __maybe_unused cache_presuspend(struct dm_target *ti)
{
	struct cache *c = ti->private;

	WRITE_ONCE(c->quiescing, true);
}

static void __maybe_unused cache_presuspend_undo(struct dm_target *ti)
{
	struct cache *c = ti->private;

	WRITE_ONCE(c->quiescing, false);
	engine_kick(c);
}

/*
 * While the device is suspended, an allocation must not wait for I/O: the pages to be written may
 * belong to a file system or swap above, which waits for the resume, and the resume for it.  So in
 * these two nothing may, dm-bufio included.
 */
static void cache_postsuspend(struct dm_target *ti)
{
	unsigned int noio = memalloc_noio_save();

	deactivate(ti->private);
	memalloc_noio_restore(noio);
}

static int cache_preresume(struct dm_target *ti)
{
	unsigned int noio = memalloc_noio_save();
	int r = activate(ti->private);

	memalloc_noio_restore(noio);
	return r;
}

static void cache_resume(struct dm_target *ti)
{
	engine_start(ti->private);
}

static int cache_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	struct cache *c = ti->private;
	int r = fn(ti, c->cache_dev, 0, c->geo.cache_sectors, data);

	return r ? r : fn(ti, c->origin_dev, 0, ti->len, data);
}

static void cache_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct cache *c = ti->private;
	u64 block_bytes = (u64)c->geo.block_sectors << SECTOR_SHIFT;

	/* Aligned I/O of whole blocks is cached without a copy; keep a larger fitting wish. */
	if (block_bytes <= UINT_MAX &&
	    (limits->io_opt < block_bytes || limits->io_opt % (u32)block_bytes)) {
		limits->io_min = block_bytes;
		limits->io_opt = block_bytes;
	}
	discard_limits(c, limits);
}

COMPAT_DEFINE_END_IO(cache_end_io)
COMPAT_DEFINE_MESSAGE(cache_message)

static struct target_type cache_target = {
	.name = "cache",
	.version = {2, 4, 0},
	.features = DM_TARGET_NOWAIT,
	.module = THIS_MODULE,
	.ctr = cache_ctr,
	.dtr = cache_dtr,
	.map = cache_map,
	.end_io = COMPAT_END_IO(cache_end_io),
	COMPAT_PRESUSPEND(cache_presuspend, cache_presuspend_undo)
	.postsuspend = cache_postsuspend,
	.preresume = cache_preresume,
	.resume = cache_resume,
	.status = cache_status,
	.message = COMPAT_MESSAGE(cache_message),
	.iterate_devices = cache_iterate_devices,
	.io_hints = cache_io_hints,
};

static int __init dm_cache_init(void)
{
	int r = pm_init();

	if (r)
		return r;
	r = dm_register_target(&cache_target);
	if (r)
		pm_exit();
	if (r)
		DMERR("cannot register the target 'cache' (%d)%s", r,
		      r == -EEXIST || r == -EBUSY ? ": the kernel's own dm-cache is loaded; remove its devices and run 'rmmod dm_cache_smq dm_cache' first" : "");
	else
		DMINFO("out-of-tree dm-cache %s", DMC_VERSION);
	return r;
}

static void __exit dm_cache_exit(void)
{
	dm_unregister_target(&cache_target);
	pm_exit();
}

module_init(dm_cache_init);
module_exit(dm_cache_exit);

MODULE_DESCRIPTION("device-mapper cache target (out of tree)");
MODULE_AUTHOR("dm-cache maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMC_VERSION);
