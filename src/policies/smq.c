// SPDX-License-Identifier: GPL-2.0-only
/*
 * smq.c - the stochastic multiqueue policy: what LVM asks for by name.  No tuning needed.
 *
 * Cached blocks stand in 64 levels by how often they were hit of late, one hit a level.  Of blocks
 * that are not cached there are counts only, as many as cached blocks: an estimate, as a block is known by
 * a fingerprint, and the coldest are forgotten (ghost-counts.h).  Its errors do not last, as all counts are
 * halved each epoch, the cached blocks' too.
 *
 * A block is promoted if it is warmer than the coldest cached blocks by MARGIN; or on
 * the first touch while there are free blocks.  It is counted once a tick at most, so a scan
 * leaves one hit.  If watching a sample shows that promotions gain nothing
 * (uniformly random load), more is asked of candidates (promotion-feedback.h).  A hint is the level.
 *
 * sequential_threshold N leaves sequential streams to the origin (streams.h), from the bio after the
 * Nth on; 0, the default, does not.  The other tunables of old tables are taken and ignored, with
 * a warning: nothing here corresponds to them.
 *
 * Where this differs from mq: levels are linear, so hot blocks are told apart better and very hot ones not
 * at all; reads and writes are alike, and a newcomer needs less.
 *
 * On the bio's path: smq_hit(), and smq_miss(), which takes the lock only for a block that is to
 * come in.  The migration engine calls smq_next_work() and smq_work_done(); a worker smq_tick().
 * Locks: the one of struct resident.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../version.h"
#include "lib/mq-common.h"
#include "lib/streams.h"
#include "lib/tunables.h"

#define SMQ_LEVELS	64
#define SMQ_MARGIN	2
#define SMQ_RANDOM	4	/* credit of a stream, as random_threshold of mq */

enum smq_tunable {
	SMQ_SEQUENTIAL_THRESHOLD,
	SMQ_IGNORED,			/* and those behind it */
	SMQ_NR_TUNABLES = SMQ_IGNORED + 4,
};

static const struct tunable smq_tunables[SMQ_NR_TUNABLES] = {
	[SMQ_SEQUENTIAL_THRESHOLD] = { "sequential_threshold", 0, INT_MAX },
	{ "random_threshold", 0, INT_MAX },
	{ "read_promote_adjustment", 0, INT_MAX },
	{ "write_promote_adjustment", 0, INT_MAX },
	{ "discard_promote_adjustment", 0, INT_MAX },
};

struct smq {
	struct dmc_policy policy;
	u32 tunables[SMQ_NR_TUNABLES];
	struct resident cache;
	struct streams streams;
	bool warned;			/* about tunables */
};

static struct smq *to_smq(struct dmc_policy *p)
{
	return container_of(p, struct smq, policy);
}

/*----- bios -----*/

static enum dmc_advice smq_miss(struct dmc_policy *p, oblock_t oblock, enum dmc_dir dir,
				u64 sector, u32 sectors, bool cheap, u32 nr_free)
{
	struct smq *smq = to_smq(p);
	struct resident *r = &smq->cache;
	bool first;
	u32 hits;

	if (stream_sequential(&smq->streams, oblock, sector, sectors,
			      tunable_get(smq->tunables, SMQ_SEQUENTIAL_THRESHOLD), SMQ_RANDOM))
		return DMC_LEAVE;

	hits = resident_missed(r, oblock, &first);
	return resident_advise(r, oblock, hits,
			       resident_has_room(r, nr_free) ||
			       (first && hits >= READ_ONCE(r->need) + SMQ_MARGIN),
			       cheap, nr_free);
}

static void smq_hit(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, enum dmc_dir dir,
		    u32 sectors)
{
	resident_hit(&to_smq(p)->cache, cblock);
}

/*----- work -----*/

static int smq_next_work(struct dmc_policy *p, bool idle, u32 nr_free, struct dmc_work *work)
{
	return resident_next_work(&to_smq(p)->cache, idle, nr_free, work);
}

static void smq_work_done(struct dmc_policy *p, const struct dmc_work *work, bool success)
{
	resident_work_done(&to_smq(p)->cache, work, success);
}

static void smq_invalidate(struct dmc_policy *p, cblock_t cblock)
{
	resident_invalidate(&to_smq(p)->cache, cblock);
}

static void smq_set_dirty(struct dmc_policy *p, cblock_t cblock)
{
	resident_set_dirty(&to_smq(p)->cache, cblock);
}

static void smq_clear_dirty(struct dmc_policy *p, cblock_t cblock)
{
	resident_clear_dirty(&to_smq(p)->cache, cblock);
}

static void smq_tick(struct dmc_policy *p)
{
	resident_tick(&to_smq(p)->cache);
}

/*----- restart, status, tunables -----*/

static int smq_load_mapping(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, bool dirty,
			    u32 hint, bool hint_valid)
{
	return resident_load(&to_smq(p)->cache, cblock, oblock, dirty, hint, hint_valid);
}

static int smq_load_run(struct dmc_policy *p, const struct dmc_run *run)
{
	return resident_load_run(&to_smq(p)->cache, run);
}

static void smq_get_hints(struct dmc_policy *p, cblock_t first, u32 nr, u32 *out)
{
	resident_get_hints(&to_smq(p)->cache, first, nr, out);
}

static bool smq_hints_changed(struct dmc_policy *p, cblock_t first, u32 nr)
{
	return hint_groups_changed(&to_smq(p)->cache.hints, first, nr);
}

static void smq_hints_saved(struct dmc_policy *p)
{
	hint_groups_saved(&to_smq(p)->cache.hints);
}

static u32 smq_residency(struct dmc_policy *p)
{
	return READ_ONCE(to_smq(p)->cache.nr_resident);
}

static int smq_set_config(struct dmc_policy *p, const char *key, const char *value)
{
	struct smq *smq = to_smq(p);
	int err;

	err = tunable_set(p->type->name, smq_tunables, SMQ_NR_TUNABLES, smq->tunables, key, value);
	if (!err && strcmp(key, smq_tunables[SMQ_SEQUENTIAL_THRESHOLD].key) && !smq->warned) {
		smq->warned = true;
		pr_warn("dm-cache smq: tunables of old policies, such as %s, are ignored\n", key);
	}
	return err;
}

/* Nothing, as tools have always seen of smq, unless something was set. */
static int smq_emit_config(struct dmc_policy *p, char *buf, size_t len)
{
	const u32 *tunables = to_smq(p)->tunables;
	unsigned int nr = tunable_get(tunables, SMQ_SEQUENTIAL_THRESHOLD) ? 1 : 0;

	return tunable_emit(smq_tunables, nr, tunables, buf, len);
}

static struct dmc_policy_type smq_type;

static struct dmc_policy *smq_create(const struct dmc_mappings *map, u32 nr_cblocks,
				     u64 origin_sectors, u64 block_sectors)
{
	const struct resident_shape shape = {
		.nr_levels = SMQ_LEVELS,
		.linear = true,
		.max_hits = SMQ_LEVELS - 1,
	};
	struct smq *smq;
	int err;

	smq = kzalloc(sizeof(*smq), GFP_KERNEL);
	if (!smq)
		return ERR_PTR(-ENOMEM);

	err = resident_init(&smq->cache, map, nr_cblocks, &shape);
	if (err) {
		kfree(smq);
		return ERR_PTR(err);
	}

	tunable_defaults(smq_tunables, SMQ_NR_TUNABLES, smq->tunables);
	smq->cache.margin = SMQ_MARGIN;
	smq->policy.type = &smq_type;
	return &smq->policy;
}

static void smq_destroy(struct dmc_policy *p)
{
	struct smq *smq = to_smq(p);

	resident_exit(&smq->cache);
	kfree(smq);
}

/*----- the module -----*/

static struct dmc_policy_type smq_type = {
	.name = "smq",
	.version = { 2, 0, 0 },
	.hint_size = 4,
	.owner = THIS_MODULE,
	.create = smq_create,
	.destroy = smq_destroy,
	.load_mapping = smq_load_mapping,
	.load_run = smq_load_run,
	.hit = smq_hit,
	.miss = smq_miss,
	.next_work = smq_next_work,
	.work_done = smq_work_done,
	.invalidate = smq_invalidate,
	.set_dirty = smq_set_dirty,
	.clear_dirty = smq_clear_dirty,
	.tick = smq_tick,
	.get_hints = smq_get_hints,
	.hints_changed = smq_hints_changed,
	.hints_saved = smq_hints_saved,
	.grade_hint = resident_grade_hint,
	.residency = smq_residency,
	.set_config = smq_set_config,
	.emit_config = smq_emit_config,
};

static int __init smq_module_init(void)
{
	return dmc_policy_register(&smq_type);
}

static void __exit smq_module_exit(void)
{
	dmc_policy_unregister(&smq_type);
}

module_init(smq_module_init);
module_exit(smq_module_exit);

MODULE_DESCRIPTION("Stochastic multiqueue replacement policy for dm-cache");
MODULE_AUTHOR("dm-cache maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMC_VERSION);
