// SPDX-License-Identifier: GPL-2.0-only
/*
 * pq-tunables.c - the tunables that all policies of policy-queues.h have; see there.
 *
 * Beside the bio's path: table lines, messages, status.  Locks: pq->lock while tables are swapped.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "policy-queues.h"
#include "tunables.h"

const struct tunable pq_common_tunables[PQ_COMMON] = {
	[PQ_SEQUENTIAL] = { "sequential_threshold", 0, INT_MAX },
	[PQ_RANDOM] = { "random_threshold", 4, INT_MAX },
};

static u64 ghost_bytes(const struct policy_queues *pq)
{
	return pq->ops->sketch_period ? sketch_bytes(&pq->sketch) : ghost_table_bytes(&pq->ghosts);
}

/* All that was remembered is forgotten, unless the table is as large as that already. */
static int set_ghost_bytes(struct policy_queues *pq, u32 bytes)
{
	struct ghost_table ghosts = { 0 };
	struct sketch sketch = { 0 };
	unsigned long flags;
	int err;

	if (bytes == ghost_bytes(pq))
		return 0;
	err = pq->ops->sketch_period ? sketch_init_bytes(&sketch, bytes, pq->sketch.period) :
					 ghost_table_init(&ghosts, bytes / sizeof(*ghosts.slots));
	if (err)
		return err;

	spin_lock_irqsave(&pq->lock, flags);
	swap(pq->ghosts, ghosts);
	swap(pq->sketch, sketch);
	spin_unlock_irqrestore(&pq->lock, flags);
	ghost_table_exit(&ghosts);
	sketch_exit(&sketch);
	return 0;
}

static bool is_common(const char *key)
{
	unsigned int i;

	for (i = 0; i < PQ_COMMON; i++)
		if (!strcmp(key, pq_common_tunables[i].key))
			return true;
	return false;
}

int dmc_pq_set_config(struct dmc_policy *p, const char *key, const char *value)
{
	static const struct tunable bytes = { "ghost_bytes", 0, PQ_GHOST_BYTES_MAX };
	struct policy_queues *pq = to_pq(p);
	const char *name = p->type->name;
	u32 wanted;
	int err;

	if (is_common(key))
		return dmc_tunable_set(name, pq_common_tunables, PQ_COMMON, pq->common, key, value);
	if (strcmp(key, bytes.key))
		return dmc_tunable_set(name, pq->ops->tunables, pq->ops->nr_tunables, pq->tunables,
				       key, value);
	err = dmc_tunable_set(name, &bytes, 1, &wanted, key, value);
	return err ? err : set_ghost_bytes(pq, wanted);
}
EXPORT_SYMBOL_GPL(dmc_pq_set_config);

int dmc_pq_emit_config(struct dmc_policy *p, char *buf, size_t len)
{
	struct policy_queues *pq = to_pq(p);
	const struct pq_ops *ops = pq->ops;
	int n;

	n = scnprintf(buf, len, "%u", 2 * (ops->nr_tunables + PQ_COMMON + 1));
	n += dmc_tunable_emit_pairs(ops->tunables, ops->nr_tunables, pq->tunables, buf + n,
				    len - n);
	n += dmc_tunable_emit_pairs(pq_common_tunables, PQ_COMMON, pq->common, buf + n, len - n);
	n += scnprintf(buf + n, len - n, " ghost_bytes %llu", ghost_bytes(pq));
	return n;
}
EXPORT_SYMBOL_GPL(dmc_pq_emit_config);
