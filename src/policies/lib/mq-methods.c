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
#include <linux/lockdep.h>
#include <linux/slab.h>

#include "mq-common.h"

#define WAITING_MAX	1024	/* candidates; promising ones come again */

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

/*----- misses -----*/

static enum dmc_advice advise_locked(struct mq_common *m, oblock_t oblock, u32 hits, bool cheap,
				     bool room)
{
	struct candidates *cs = &m->wanted;
	u32 i = candidate_find(cs, oblock);
	cblock_t cblock;

	lockdep_assert_held(&m->lock);

	if (i == QUEUE_NIL) {
		/* Cached: the core looked before a promotion, and tells us after it. */
		if (m->map->lookup(m->map, oblock, &cblock))
			return DMC_LEAVE;
		i = candidate_new(cs, oblock, min_t(u32, hits, U16_MAX));
		if (i == QUEUE_NIL)
			return DMC_LEAVE;
	} else if (candidate_state(cs, i) == CANDIDATE_BUSY) {
		return DMC_LEAVE;	/* coming in */
	} else {
		candidate(cs, i)->tag = max(candidate(cs, i)->tag, hits);
	}

	if (cheap && room) {
		candidate_move(cs, i, CANDIDATE_BUSY);
		return DMC_PROMOTE;
	}
	if (candidate_state(cs, i) == CANDIDATE_BUSY) {
		/* If there are too many, the oldest gives way. */
		if (cs->nr_waiting == WAITING_MAX)
			candidate_free(cs, candidate_oldest(cs, CANDIDATE_WAITING));
		candidate_move(cs, i, CANDIDATE_WAITING);
	}
	return DMC_WORK;
}

enum dmc_advice dmc_mqc_consider(struct mq_common *m, oblock_t oblock, u32 hits, bool wanted,
				 bool cheap, u32 nr_free)
{
	enum dmc_advice advice = DMC_LEAVE;
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	feedback_missed(&m->feedback, oblock);
	if (wanted)
		advice = advise_locked(m, oblock, hits, cheap,
				       mqc_has_room(m, cheap, nr_free));
	spin_unlock_irqrestore(&m->lock, flags);
	return advice;
}
EXPORT_SYMBOL_GPL(dmc_mqc_consider);

void dmc_mqc_allocated(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, bool success)
{
	mqc_allocated(to_mqc(p), cblock, oblock, success);
}
EXPORT_SYMBOL_GPL(dmc_mqc_allocated);

/*----- work -----*/

int dmc_mqc_next_work(struct dmc_policy *p, bool idle, u32 nr_free, struct dmc_work *work)
{
	return mqc_next_work(to_mqc(p), idle, nr_free, work);
}
EXPORT_SYMBOL_GPL(dmc_mqc_next_work);

int dmc_mqc_make_room(struct dmc_policy *p, struct dmc_work *work)
{
	return mqc_make_room(to_mqc(p), work);
}
EXPORT_SYMBOL_GPL(dmc_mqc_make_room);

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
