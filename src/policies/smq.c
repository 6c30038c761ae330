// SPDX-License-Identifier: GPL-2.0-only
/*
 * smq.c - the stochastic multiqueue policy: what LVM asks for by name.  No tuning needed.
 *
 * Cached blocks stand in 64 levels by how often they were hit of late, one hit a level.  Of blocks
 * that are not cached there are counts only, as many as cached blocks: an estimate, as a block is
 * known by a fingerprint, and the coldest are forgotten (ghost-counts.h).  Its errors do not last,
 * as all counts are halved each epoch, the cached blocks' too.
 *
 * A block is promoted if it is warmer than the coldest cached blocks by MARGIN; or on
 * the first touch while there are free blocks.  It is counted once a tick at most, so a scan
 * leaves one hit.  If watching a sample shows that promotions gain nothing
 * (uniformly random load), more is asked of candidates (promotion-feedback.h).  A hint is the
 * level.
 *
 * sequential_threshold N leaves sequential streams to the origin (streams.h), from the bio after
 * the Nth on; 0, the default, does not.  The other tunables of old tables are taken and ignored,
 * with a warning: nothing here corresponds to them.
 *
 * Where this differs from mq: levels are linear, so hot blocks are told apart better and very hot
 * ones not at all; reads and writes are alike, and a newcomer needs less.
 *
 * On the bio's path: smq_miss(), which takes the lock only for a block that is to come in.  All
 * other methods are those of lib/mq-methods.c.  Locks: the one of struct mq_common.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/module.h>
#include <linux/string.h>

#include "../version.h"
#include "lib/mq-common.h"
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
	struct mq_common common;
	u32 tunables[SMQ_NR_TUNABLES];
	bool warned;			/* about tunables */
};

/* Of the kernel's own, whose queue of migrations it bounds.  Here what is wanted is not queued. */
static unsigned int smq_max_background_work;
module_param(smq_max_background_work, uint, 0644);
MODULE_PARM_DESC(smq_max_background_work,
		 "accepted and ignored: nothing is queued, see migration_threshold");

static struct smq *to_smq(struct dmc_policy *p)
{
	return container_of(p, struct smq, common.policy);
}

/*----- bios -----*/

static enum dmc_advice smq_miss(struct dmc_policy *p, oblock_t oblock, enum dmc_dir dir,
				u64 sector, u32 sectors, bool cheap, u32 nr_free)
{
	struct smq *smq = to_smq(p);
	struct mq_common *m = &smq->common;
	bool first;
	u32 hits;

	if (stream_sequential(&smq->common.streams, oblock, sector, sectors,
			      tunable_get(smq->tunables, SMQ_SEQUENTIAL_THRESHOLD), SMQ_RANDOM))
		return DMC_LEAVE;

	hits = mqc_missed(m, oblock, &first);
	return mqc_advise(m, oblock, hits,
			  mqc_has_room(m, cheap, nr_free) ||
			  (first && hits >= READ_ONCE(m->need) + SMQ_MARGIN),
			  cheap, nr_free);
}

/*----- tunables -----*/

static int smq_set_config(struct dmc_policy *p, const char *key, const char *value)
{
	struct smq *smq = to_smq(p);
	int err;

	err = dmc_tunable_set(p->type->name, smq_tunables, SMQ_NR_TUNABLES, smq->tunables, key,
			      value);
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

	return dmc_tunable_emit(smq_tunables, nr, tunables, buf, len);
}

static struct dmc_policy_type smq_type;

static struct dmc_policy *smq_create(const struct dmc_mappings *map, u32 nr_cblocks,
				     u64 origin_sectors, u64 block_sectors)
{
	const struct mqc_shape shape = {
		.nr_levels = SMQ_LEVELS,
		.linear = true,
		.max_hits = SMQ_LEVELS - 1,
	};
	struct mq_common *common;
	struct smq *smq;

	common = dmc_mqc_create(&smq_type, sizeof(*smq), map, nr_cblocks, &shape);
	if (IS_ERR(common))
		return ERR_CAST(common);

	smq = to_smq(&common->policy);
	dmc_tunable_defaults(smq_tunables, SMQ_NR_TUNABLES, smq->tunables);
	common->margin = SMQ_MARGIN;
	return &common->policy;
}

/*----- the module -----*/

static struct dmc_policy_type smq_type = {
	.name = "smq",
	.version = { 2, 0, 0 },
	.hint_size = 4,
	.owner = THIS_MODULE,
	.create = smq_create,
	.miss = smq_miss,
	MQC_METHODS,
	.set_config = smq_set_config,
	.emit_config = smq_emit_config,
};

module_dmc_policy(smq_type);

MODULE_DESCRIPTION("Stochastic multiqueue replacement policy for dm-cache");
MODULE_AUTHOR("dm-cache maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMC_VERSION);
