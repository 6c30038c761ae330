// SPDX-License-Identifier: GPL-2.0-only
/*
 * activate.c - from a table to a running cache, and to a clean shutdown.
 *
 * Called by ctr.c (check, nothing is written) and by target.c before a resume and after a suspend:
 * process context, no bio in flight, engine and commit idle.
 *
 * The metadata is open from resume to suspend only.  When a table is replaced, the old one has
 * been suspended, so has written its clean shutdown and let go, before the new one is activated.
 * live_caches knows which cache has which metadata open: no two share it.  The resume checks that.
 * The load cannot: lvm2 loads the table on another device while the old one runs, suspends the old
 * device and then resumes the other (a snapshot of a cached volume, for example).
 *
 * A table is judged when it is loaded, and again at each resume (rule R12).  Between the two, the
 * devices may get another size, and the cache other dirty blocks.
 *
 * Order of an activation: look, load, refuse if something is wrong; only then start to track in the
 * metadata (superblock.h), durably, and let bios in.  So a refused activation changes nothing on
 * disk, and no write is ever admitted while the disk holds dirty bits or discards that the write
 * would make wrong (rule R4; that includes a resume without a reload).
 *
 * Locks: live_caches.lock, then md_mutex.
 */
#include "block-lock.h"
#include "activate.h"
#include "dirty.h"
#include "hint-grades.h"
#include "partial.h"
#include "policy-registry.h"
#include "settle.h"
#include "write-intent.h"
#include <linux/sched/mm.h>

static struct {
	struct mutex lock;
	struct list_head list;		/* struct cache.live; under lock */
} live_caches = {
	.lock = __MUTEX_INITIALIZER(live_caches.lock),
	.list = LIST_HEAD_INIT(live_caches.list),
};

static struct cache *live_user(struct block_device *metadata)
{
	struct cache *c;

	lockdep_assert_held(&live_caches.lock);
	list_for_each_entry(c, &live_caches.list, live)
		if (c->metadata_dev->bdev->bd_dev == metadata->bd_dev)
			return c;
	return NULL;
}

static struct mapped_device *md_of(struct cache *c)
{
	return dm_table_get_md(c->ti->table);
}

/*
 * Take over.  When lvm2 takes the last snapshot off a cached volume, the volume's device gets the
 * cache's table; so far its table stood on another device, which had the cache.  lvm2 suspends both
 * devices.  Then it resumes the other one before the volume, to remove it afterwards.  That device
 * has no users: what stood on it is suspended, and being replaced by this table.  So we suspend it
 * once more, and it stays suspended until it is removed.
 */
static bool can_take_over(struct cache *c, struct cache *live)
{
	return c->cache_dev->bdev->bd_dev == live->cache_dev->bdev->bd_dev &&
	       c->origin_dev->bdev->bd_dev == live->origin_dev->bdev->bd_dev &&
	       compat_stands_on(md_of(c), md_of(live));
}

/* *@below, if not NULL, gets the device to take over from, held. */
static int live_try(struct cache *c, struct mapped_device **below)
{
	struct cache *other;
	int r = 0;

	mutex_lock(&live_caches.lock);
	other = live_user(c->metadata_dev->bdev);
	if (!other) {
		list_add(&c->live, &live_caches.list);
	} else {
		r = -EBUSY;
		if (below && can_take_over(c, other) && !dm_hold(md_of(other)))
			*below = md_of(other);
		else
			DMERR("%s: metadata device %s is in use by %s", cache_name(c),
			      c->metadata_dev->name, cache_name(other));
	}
	mutex_unlock(&live_caches.lock);
	return r;
}

static void take_over_end(struct mapped_device *below, bool failed)
{
	if (!below)
		return;
	if (failed)
		dm_internal_resume(below);
	dm_put(below);
}

/* Give *@below to take_over_end() in any case. */
static int live_enter(struct cache *c, struct mapped_device **below)
{
	int r;

	*below = NULL;
	r = live_try(c, below);
	if (!*below)
		return r;
	dm_internal_suspend_noflush(*below);
	DMINFO("%s: takes over from %s, which stays suspended", cache_name(c),
	       dm_disk(*below)->disk_name);
	return live_try(c, NULL);
}

static void live_leave(struct cache *c)
{
	mutex_lock(&live_caches.lock);
	list_del_init(&c->live);
	mutex_unlock(&live_caches.lock);
}

static void md_params(struct cache *c, struct dmc_md_params *p)
{
	*p = (struct dmc_md_params) {
		.bdev = c->metadata_dev->bdev,
		.dev_name = c->metadata_dev->name,
		.block_sectors = c->geo.block_sectors,
		.origin_blocks = c->geo.nr_oblocks,
		.origin_partial = c->geo.nr_oblocks * c->geo.block_sectors < c->geo.origin_sectors,
		.nr_cblocks = c->geo.nr_cblocks,
		.nr_dblocks = c->discards.nr,
		.format2 = c->metadata2,
	};
}

/*----- at table load -----*/

/* Does the live cache hold a dirty block for which @c, smaller, will have no place? */
static int check_smaller(struct cache *c, struct cache *live, char **error)
{
	u64 oblock;
	u32 i;

	if (c->geo.nr_cblocks >= live->geo.nr_cblocks && c->geo.nr_oblocks >= live->geo.nr_oblocks)
		return 0;
	for (i = 0; i < live->geo.nr_cblocks; i++) {
		if (!(atomic_read(&live->table.entries[i].state) & BL_UNCLEAN))
			continue;
		oblock = table_oblock(&live->table, to_cblock(i));
		if (i >= c->geo.nr_cblocks) {
			DMERR("%s: cannot shrink to %u cache blocks: block %u is dirty; clean the cache first (reload with the cleaner policy, wait for 0 dirty)",
			      cache_name(c), c->geo.nr_cblocks, i);
			*error = "Cannot shrink the cache over dirty blocks";
			return -EBUSY;
		}
		if (oblock >= c->geo.nr_oblocks) {
			DMERR("%s: cannot shrink the origin to %llu blocks: block %llu, cached in block %u, is dirty; clean the cache first (reload with the cleaner policy, wait for 0 dirty)",
			      cache_name(c), c->geo.nr_oblocks, oblock, i);
			*error = "Cannot shrink the origin over dirty blocks";
			return -EFBIG;
		}
	}
	return 0;
}

/* Is there room in the metadata of the live cache for @c, which is larger? */
static int check_larger(struct cache *c, struct cache *live, char **error)
{
	const u64 used = READ_ONCE(live->md_used), total = READ_ONCE(live->md_total);
	u64 need;

	if (c->geo.nr_cblocks <= live->geo.nr_cblocks || cache_md_mode(live) != MD_WRITE)
		return 0;
	need = dmc_md_growth(live->geo.nr_cblocks, c->geo.nr_cblocks, live->md_version == 2);
	if (total - used >= need)
		return 0;
	DMERR("%s: metadata device %s has no room for %u cache blocks instead of %u, %llu KiB are lacking: set write_allocate to 0, wait for 0 partial blocks, remove the cache, then use cache_repair onto a larger metadata device",
	      cache_name(c), c->metadata_dev->name, c->geo.nr_cblocks, live->geo.nr_cblocks,
	      (need - (total - used)) * DMC_MD_BLOCK_SECTORS / 2);
	*error = "The metadata device has no room for so many more cache blocks";
	return DMC_NO_ROOM;
}

/*
 * If this table is to replace @live, what would fail after the switch is refused now (rule R10).
 * On another device nothing is checked: by the time this table is resumed, @live may have cleaned
 * its dirty blocks, or its metadata may have been formatted anew.
 */
static int check_against_live(struct cache *c, struct cache *live, char **error)
{
	int r;

	if (md_of(live) != md_of(c))
		return 0;
	/* In mode "fail" nothing is served any more: there another table may be the way back. */
	if (cache_md_mode(live) == MD_READ_ONLY) {
		DMERR("%s: metadata device %s: needs_check is set, so no other table can use it: remove the cache, then run cache_check, or dmcache settle if there are partial blocks",
		      cache_name(c), c->metadata_dev->name);
		*error = "The live table's metadata needs a check";
		return -EPERM;
	}
	if (live->geo.block_sectors != c->geo.block_sectors) {
		DMERR("%s: the cache has %u-sector blocks, the new table says %u", cache_name(c),
		      live->geo.block_sectors, c->geo.block_sectors);
		*error = "Block size differs from the live table's";
		return -EINVAL;
	}
	if (c->io_mode == IO_PASSTHROUGH && atomic_read(&live->nr_dirty)) {
		DMERR("%s: %u dirty blocks: clean them first (reload with the cleaner policy, wait for 0 dirty), then switch to passthrough",
		      cache_name(c), atomic_read(&live->nr_dirty));
		*error = "Cannot enter passthrough mode with dirty blocks";
		return -EINVAL;
	}
	r = check_larger(c, live, error);
	return r ? r : check_smaller(c, live, error);
}

/* *@stored: the policy that stored hints there. */
static int check_on_disk(struct cache *c, struct dmc_md_policy *stored, char **error)
{
	struct dmc_md_params params;
	struct dmc_md_summary summary;
	dmc_md_reason_t why = "";
	int r;

	md_params(c, &params);
	r = dmc_md_probe(&params, &summary, &why);
	*stored = summary.policy;
	if (r) {
		DMERR("%s: metadata device %s: %s", cache_name(c), c->metadata_dev->name, why);
		*error = "Metadata device refused, see the message before";
	}
	return r;
}

static void policy_on_disk(const struct dmc_policy_type *t, struct dmc_md_policy *p)
{
	memset(p, 0, sizeof(*p));
	strscpy(p->name, dmc_policy_stored_name(t), sizeof(p->name));
	memcpy(p->version, t->version, sizeof(p->version));
	p->hint_size = t->hint_size;
}

/*
 * If another policy stored the hints, they will be translated for ours.  That policy's module is
 * needed only to know that this is possible.  It is loaded now, since at the resume its file may be
 * on this very device.
 */
static void find_hints_from(struct cache *c, const struct dmc_md_policy *stored)
{
	const struct dmc_policy_type *ours = c->policy->type;
	struct dmc_policy_type *type;

	if (!ours->grade_hint || stored->hint_size != sizeof(u32) ||
	    !strcmp(stored->name, dmc_policy_stored_name(ours)))
		return;
	type = policy_type_get(stored->name);
	if (type && type->grade_hint && type->version[0] == stored->version[0])
		c->hints_from = type;
	else if (type)
		policy_type_put(type);
}

void activate_forget_hints(struct cache *c)
{
	if (c->hints_from)
		policy_type_put(c->hints_from);
	c->hints_from = NULL;
}

/*
 * Could this table be activated?  Changes nothing.  0, or -errno with *@error.  If the metadata is
 * in use it is not read, since it changes meanwhile; the cache that uses it knows what it stores.
 */
int activate_check_table(struct cache *c, char **error)
{
	struct dmc_md_policy stored;
	struct cache *live;
	int r = 0;

	mutex_lock(&live_caches.lock);
	live = live_user(c->metadata_dev->bdev);
	if (live) {
		r = check_against_live(c, live, error);
		policy_on_disk(live->policy->type, &stored);
	}
	mutex_unlock(&live_caches.lock);

	if (!live)
		r = check_on_disk(c, &stored, error);
	if (!r)
		find_hints_from(c, &stored);
	return r;
}

/*----- before a resume -----*/

/* Blocks beyond the end of the cache are dropped by activate_begin(): 0 if that loses nothing. */
static int check_cut_off(struct cache *c, const struct dmc_run *run, u32 kept)
{
	u32 i;

	for (i = kept; i < run->nr; i++) {
		if (!dmc_run_dirty(run, i))
			continue;
		DMERR("%s: cannot shrink from %u to %u cache blocks: block %u is dirty; load the old size with the cleaner policy, wait for 0 dirty",
		      cache_name(c), dmc_md_nr_cblocks(c->md), c->geo.nr_cblocks,
		      from_cblock(run->first) + i);
		return -EBUSY;
	}
	return 0;
}

static int activate_load_dirty(struct cache *c, const struct dmc_run *run)
{
	u32 i;

	for (i = 0; i < run->nr; i++) {
		if (!dmc_run_dirty(run, i))
			continue;
		if (c->io_mode == IO_PASSTHROUGH) {
			DMERR("%s: cache block %u is dirty: clean the cache first (load it with the cleaner policy, wait for 0 dirty), then use passthrough",
			      cache_name(c), from_cblock(run->first) + i);
			return -EINVAL;
		}
		dirty_load(c, to_cblock(from_cblock(run->first) + i));
	}
	return 0;
}

static int activate_tell_policy(struct cache *c, const struct dmc_run *run)
{
	const struct dmc_policy_type *t = c->policy->type;
	u32 i;
	int r = 0;

	if (t->load_run)
		return t->load_run(c->policy, run);
	for (i = 0; i < run->nr && !r; i++)
		if (dmc_run_maps(run, i))
			r = t->load_mapping(c->policy, to_cblock(from_cblock(run->first) + i),
					    run->oblocks[i], dmc_run_dirty(run, i),
					    run->hints ? run->hints[i] : 0, run->hints != NULL);
	return r;
}

static int activate_load_run(void *ctx, const struct dmc_run *all)
{
	struct cache *c = ctx;
	struct dmc_run run = *all;
	int r = 0;

	if (unlikely(from_cblock(run.first) >= c->geo.nr_cblocks))
		run.nr = 0;
	else
		run.nr = min(run.nr, c->geo.nr_cblocks - from_cblock(run.first));
	if (unlikely(run.nr < all->nr))
		r = check_cut_off(c, all, run.nr);
	if (r || !run.nr)
		return r;
	free_blocks_occupy(c, &run, table_insert_run(&c->table, &run));
	if (run.dirty)
		r = activate_load_dirty(c, &run);
	return r ? r : activate_tell_policy(c, &run);
}

/* True: the hints on the disk are those of @c->hints_from, and *@stored names that policy. */
static bool translates(const struct cache *c, struct dmc_md_policy *stored)
{
	if (!c->hints_from)
		return false;
	policy_on_disk(c->hints_from, stored);
	return dmc_md_policy_matches(c->md, stored);
}

static void translate_hints(void *ctx, u32 *hints, u32 nr)
{
	struct cache *c = ctx;

	if (hint_grades_translate(hints, nr, c->policy->type)) {
		DMWARN("%s: no memory to translate the hints of policy %s: all blocks count as cold",
		       cache_name(c), dmc_policy_stored_name(c->hints_from));
		memset(hints, 0, sizeof(*hints) * nr);
		return;
	}
	DMINFO("%s: what policy %s knew of the cached blocks is told to policy %s", cache_name(c),
	       dmc_policy_stored_name(c->hints_from), c->policy->type->name);
}

/* Everything is read, and nothing written. */
static int load(struct cache *c)
{
	struct dmc_md_policy policy;
	bool others = translates(c, &policy);
	int r;

	if (!others)
		policy_on_disk(c->policy->type, &policy);
	r = dmc_md_load_mappings(c->md, &policy, others ? translate_hints : NULL,
				 activate_load_run, c);
	activate_forget_hints(c);
	if (!r)
		r = dmc_md_load_valid(c->md, c->geo.nr_cblocks, partial_load, c);
	if (!r)
		r = dmc_md_load_discards(c->md, discard_load, c);
	if (r) {
		/* The cause has been logged where it was found. */
		DMERR("%s: metadata device %s: cannot load (%d)", cache_name(c),
		      c->metadata_dev->name, r);
		return r;
	}
	if (dmc_md_nr_cblocks(c->md) && (!dmc_md_was_clean(c->md) || dmc_md_was_tracking(c->md)))
		DMWARN("%s: was not shut down cleanly: %d of %d cached blocks count as dirty",
		       cache_name(c), atomic_read(&c->nr_dirty),
		       atomic_read(&c->table.nr_mapped));
	dmc_md_get_stats(c->md, &c->base_stats);
	c->md_version = dmc_md_version(c->md);
	c->loaded = true;
	return 0;
}

/* A load that failed half-way cannot be repeated: table and policy know some of the blocks. */
static int load_once(struct cache *c)
{
	if (c->load_tried) {
		DMERR("%s: an earlier load failed: reload the table", cache_name(c));
		return -EINVAL;
	}
	c->load_tried = true;
	return load(c);
}

/* Resumed without a reload: what is in memory must still be what is on disk. */
static int check_unchanged(struct cache *c)
{
	if (dmc_md_fingerprint(c->md) == c->md_fingerprint)
		return 0;
	DMERR("%s: metadata on %s changed while the cache was suspended: reload the table",
	      cache_name(c), c->metadata_dev->name);
	return -ESTALE;
}

/*
 * The metadata device has no room to keep dirty bits up to date.  Clearing the clean-shutdown flag
 * takes no room, and makes the next load ignore them.
 */
static int begin_without_intent(struct cache *c)
{
	int r = dmc_md_abort(c->md);

	if (!r)
		r = dmc_md_begin_changes(c->md);
	if (!r)
		intent_warn_no_room(c);
	return r;
}

/*
 * The metadata starts tracking, with arrays that fit the cache device.  A resize that cannot be
 * done is refused before anything is touched.
 */
static int activate_begin(struct cache *c)
{
	struct dmc_md_tracking tracking = {
		.nr_cblocks = c->geo.nr_cblocks,
		.nr_dblocks = c->discards.nr,
		.discard_block_sectors = (u64)c->geo.block_sectors << c->discards.shift,
	};
	bool resize = dmc_md_nr_cblocks(c->md) != c->geo.nr_cblocks;
	cblock_t busy;
	int r;

	r = dmc_md_start_tracking(c->md, &tracking, &busy);
	if (r == DMC_NO_ROOM && !resize)
		r = begin_without_intent(c);
	else if (r && resize)
		DMERR("%s: metadata device %s: cannot resize to %u cache blocks (%d)%s",
		      cache_name(c), c->metadata_dev->name, c->geo.nr_cblocks, r,
		      r == DMC_NO_ROOM ? ": it is too small" : "");
	if (!r)
		intent_begin(c, dmc_md_is_tracking(c->md));
	return r;
}

static int open_and_load(struct cache *c)
{
	struct dmc_md_params params;
	dmc_md_reason_t why = "";
	struct dmc_md *md;
	int r;

	lockdep_assert_held(&c->md_mutex);
	md_params(c, &params);
	md = dmc_md_open(&params, &why);
	if (IS_ERR(md)) {
		DMERR("%s: metadata device %s: %s", cache_name(c), c->metadata_dev->name, why);
		return PTR_ERR(md);
	}
	c->md = md;

	r = c->loaded ? check_unchanged(c) : load_once(c);
	if (!r)
		r = activate_begin(c);
	if (r) {
		DMERR("%s: not activated (%d)", cache_name(c), r);
		dmc_md_close(md);
		c->md = NULL;
		return r;
	}
	dmc_md_get_usage(md, &c->md_used, &c->md_total);
	return 0;
}

/*
 * The devices may have got another size since the table was loaded.  If a device has size 0 it is
 * gone; that is not refused here, since its I/O errors are handled one by one.
 */
static int activate_check_sizes(struct cache *c)
{
	const u64 origin = bdev_nr_sectors(c->origin_dev->bdev);
	const u64 cache = div64_u64(bdev_nr_sectors(c->cache_dev->bdev), c->geo.block_sectors);

	if (origin && origin < c->geo.origin_sectors) {
		DMERR("%s: origin device %s has shrunk to %llu sectors, the table needs %llu: give it its former size, or load a shorter table",
		      cache_name(c), c->origin_dev->name, origin,
		      (unsigned long long)c->geo.origin_sectors);
		return -EFBIG;
	}
	if (bdev_nr_sectors(c->cache_dev->bdev) && cache < c->geo.nr_cblocks) {
		DMERR("%s: cache device %s has shrunk to %llu blocks, the table was loaded for %u: give it its former size, or reload the table",
		      cache_name(c), c->cache_dev->name, cache, c->geo.nr_cblocks);
		return -EFBIG;
	}
	if (cache > c->geo.nr_cblocks)
		DMWARN("%s: cache device %s has grown to %llu blocks, of which %u are used: reload the table to use all",
		       cache_name(c), c->cache_dev->name, cache, c->geo.nr_cblocks);
	return 0;
}

/* Before bios come in.  On error nothing is held, and the device stays suspended. */
int activate(struct cache *c)
{
	struct mapped_device *below;
	int r;

	if (c->md)
		return 0;
	r = activate_check_sizes(c);
	/* Metadata that failed earlier stays closed; hits and misses need none. */
	if (r || cache_md_mode(c) != MD_WRITE)
		return r;

	r = live_enter(c, &below);
	if (!r) {
		mutex_lock(&c->md_mutex);
		r = open_and_load(c);
		mutex_unlock(&c->md_mutex);
		if (r)
			live_leave(c);
	}
	take_over_end(below, r);
	return r;
}

/*----- after a suspend -----*/

static void hints_of(void *ctx, cblock_t first, u32 nr, u32 *out)
{
	struct cache *c = ctx;

	c->policy->type->get_hints(c->policy, first, nr, out);
}

static bool hints_changed(void *ctx, cblock_t first, u32 nr)
{
	struct cache *c = ctx;

	return c->policy->type->hints_changed(c->policy, first, nr);
}

/*
 * *@clean: the data devices hold what the metadata is to claim, no block is volatile, and no broken
 * block is mapped.  0, or an error of the metadata's.
 */
static int make_durable(struct cache *c, bool *clean)
{
	int r;

	settle_lost(c);
	*clean = !settle_now(c);
	settle_lost(c);
	if (!*clean)
		return 0;
	r = drop_broken_now(c);
	/* In passthrough mode nothing was written to the cache device, which may be gone. */
	if (r || c->io_mode == IO_PASSTHROUGH)
		return r;
	if (!flush_device(&c->cache_flush) && !flush_untold(&c->cache_flush))
		return 0;
	return drop_unflushed(c, clean);
}

/* What was dropped for it is not mapped any more, and so must not be on disk. */
static int shut_down_unclean(struct cache *c)
{
	struct dmc_md_stats stats;

	DMERR("%s: cannot flush the data devices: after the next load more blocks than these count as dirty",
	      cache_name(c));
	if (!dmc_md_changed(c->md))
		return 0;
	stats_for_disk(c, &stats);
	return dmc_md_commit(c->md, &stats);
}

/*
 * The flag says that the data devices hold what the metadata claims: so they are flushed first.  If
 * they cannot, the metadata stays as after a crash, right but not exact.
 */
static int shut_down_cleanly(struct cache *c)
{
	struct dmc_md_shutdown s = {
		.ctx = c,
		.dirty_word = dirty_word,
		.discard_word = discard_word,
		.hints = hints_of,
		.dirty_changed = intent_differ,
		.hints_changed = hints_changed,
		.discard_block_sectors = (u64)c->geo.block_sectors << c->discards.shift,
		.nr_dblocks = c->discards.nr,
	};
	bool clean;
	int r;

	lockdep_assert_held(&c->md_mutex);
	r = make_durable(c, &clean);
	if (r || !clean)
		return r ? r : shut_down_unclean(c);
	policy_on_disk(c->policy->type, &s.policy);
	stats_for_disk(c, &s.stats);
	r = dmc_md_commit_clean(c->md, &s);
	if (!r && s.policy.hint_size)
		c->policy->type->hints_saved(c->policy);
	if (!r)
		intent_settled(c);
	return r;
}

/* After the last bio.  Afterwards another table may use the devices.  Can be repeated. */
void deactivate(struct cache *c)
{
	int r;

	engine_stop(c);
	mutex_lock(&c->md_mutex);
	if (c->md) {
		if (cache_md_mode(c) == MD_WRITE) {
			r = shut_down_cleanly(c);
			if (r)
				mode_metadata_failed(c, "clean shutdown", r);
		}
		c->md_fingerprint = dmc_md_fingerprint(c->md);
		dmc_md_get_usage(c->md, &c->md_used, &c->md_total);
		dmc_md_close(c->md);
		c->md = NULL;
	}
	mutex_unlock(&c->md_mutex);
	intent_end(c);
	live_leave(c);
}

/*----- after hibernation -----*/

/*
 * The memory of before the hibernation is back.  If another system, or another boot of this one,
 * has used the cache meanwhile, nothing may be written from this memory.
 */
void activate_check_woken(struct cache *c)
{
	struct dmc_md_params params;
	struct dmc_md_summary summary;
	dmc_md_reason_t why;
	unsigned int noio = memalloc_noio_save();	/* bios wait until this is over */
	int r;

	mutex_lock(&c->md_mutex);
	if (c->md && cache_md_mode(c) == MD_WRITE) {
		md_params(c, &params);
		r = dmc_md_probe(&params, &summary, &why);
		if (r || summary.fingerprint != dmc_md_fingerprint(c->md))
			mode_metadata_foreign(c);
	}
	mutex_unlock(&c->md_mutex);
	memalloc_noio_restore(noio);
}
