// SPDX-License-Identifier: GPL-2.0-only
/*
 * mq-methods.c - the methods of policy.h that mq and smq have in common, on mq-common.c.
 *
 * On the bio's path: dmc_mqc_hit(), which takes no lock.  The migration engine calls
 * dmc_mqc_next_work() and dmc_mqc_work_done(); a worker dmc_mqc_tick(), once a second.  Locks: the
 * one of struct mq_common, below.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/slab.h>

#include "mq-common.h"

struct mq_common *dmc_mqc_create(const struct dmc_policy_type *type, size_t size,
				 const struct dmc_mappings *map, u32 nr_blocks,
				 const struct mqc_shape *shape)
{
	struct mq_common *m = kzalloc(size, GFP_KERNEL);
	int err;

	if (!m)
		return ERR_PTR(-ENOMEM);
	err = mqc_init(m, map, nr_blocks, shape);
	if (err) {
		kfree(m);
		return ERR_PTR(err);
	}
	m->policy.type = type;
	return m;
}
EXPORT_SYMBOL_GPL(dmc_mqc_create);

void dmc_mqc_destroy(struct dmc_policy *p)
{
	struct mq_common *m = to_mqc(p);

	mqc_exit(m);
	kfree(m);
}
EXPORT_SYMBOL_GPL(dmc_mqc_destroy);

int dmc_mqc_load_run(struct dmc_policy *p, const struct dmc_run *run)
{
	return mqc_load_run(to_mqc(p), run);
}
EXPORT_SYMBOL_GPL(dmc_mqc_load_run);

int dmc_mqc_load_mapping(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, bool dirty,
			 u32 hint, bool hint_valid)
{
	unsigned long bit = dirty;
	struct dmc_run run = dmc_run_of_one(cblock, &oblock, &bit, &hint, hint_valid);

	return mqc_load_run(to_mqc(p), &run);
}
EXPORT_SYMBOL_GPL(dmc_mqc_load_mapping);

void dmc_mqc_hit(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, enum dmc_dir dir,
		 u32 sectors)
{
	mqc_hit(to_mqc(p), cblock);
}
EXPORT_SYMBOL_GPL(dmc_mqc_hit);

int dmc_mqc_next_work(struct dmc_policy *p, bool idle, u32 nr_free, struct dmc_work *work)
{
	return mqc_next_work(to_mqc(p), idle, nr_free, work);
}
EXPORT_SYMBOL_GPL(dmc_mqc_next_work);

void dmc_mqc_work_done(struct dmc_policy *p, const struct dmc_work *work, bool success)
{
	mqc_work_done(to_mqc(p), work, success);
}
EXPORT_SYMBOL_GPL(dmc_mqc_work_done);

void dmc_mqc_invalidate(struct dmc_policy *p, cblock_t cblock)
{
	mqc_invalidate(to_mqc(p), cblock);
}
EXPORT_SYMBOL_GPL(dmc_mqc_invalidate);

void dmc_mqc_set_dirty(struct dmc_policy *p, cblock_t cblock)
{
	mqc_set_dirty(to_mqc(p), cblock);
}
EXPORT_SYMBOL_GPL(dmc_mqc_set_dirty);

void dmc_mqc_clear_dirty(struct dmc_policy *p, cblock_t cblock)
{
	mqc_clear_dirty(to_mqc(p), cblock);
}
EXPORT_SYMBOL_GPL(dmc_mqc_clear_dirty);

void dmc_mqc_tick(struct dmc_policy *p)
{
	mqc_tick(to_mqc(p));
}
EXPORT_SYMBOL_GPL(dmc_mqc_tick);

void dmc_mqc_get_hints(struct dmc_policy *p, cblock_t first, u32 nr, u32 *out)
{
	mqc_get_hints(to_mqc(p), first, nr, out);
}
EXPORT_SYMBOL_GPL(dmc_mqc_get_hints);

bool dmc_mqc_hints_changed(struct dmc_policy *p, cblock_t first, u32 nr)
{
	return hint_groups_changed(&to_mqc(p)->hints, first, nr);
}
EXPORT_SYMBOL_GPL(dmc_mqc_hints_changed);

void dmc_mqc_hints_saved(struct dmc_policy *p)
{
	hint_groups_saved(&to_mqc(p)->hints);
}
EXPORT_SYMBOL_GPL(dmc_mqc_hints_saved);

/* As many hits. */
u32 dmc_mqc_grade_hint(u32 grade)
{
	return grade;
}
EXPORT_SYMBOL_GPL(dmc_mqc_grade_hint);

u32 dmc_mqc_residency(struct dmc_policy *p)
{
	return READ_ONCE(to_mqc(p)->nr_resident);
}
EXPORT_SYMBOL_GPL(dmc_mqc_residency);
