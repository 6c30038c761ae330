// SPDX-License-Identifier: GPL-2.0-only
/*
 * tinylfu.c - admission by frequency, after W-TinyLFU: a newcomer must be asked for more often than
 * the block that it replaces.
 *
 * A sketch (sketch.h) estimates how often any block, cached or not, was asked for of late.  The
 * cache is a small *window*, where every newcomer stands first, and the rest, in two queues: the
 * *probation* queue, and the *protected* one for those that were hit in it.  When the window is full,
 * its oldest block and the oldest on probation are compared: the one of lower frequency is evicted.
 * (Einziger, Friedman and Manes, "TinyLFU: a highly efficient cache admission policy", 2017.)
 *
 * Evicting a newcomer is cheap in memory, but here it was copied in.  So by default the comparison
 * is made before: with filter 1 a missed block must have a higher frequency than the next victim, to
 * come in at all.  filter 0 admits every miss, as in the paper.
 *
 * A hit leaves a mark; the sketch learns of it when the block is looked at.  A hint is the mark and
 * the queue.
 *
 * On the bio's path: pool_hit(), pool_miss(); see pool.h for the callers and the lock.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "../version.h"
#include "policy-util.h"
#include "pool.h"
#include "sketch.h"

enum { WINDOW, PROBATION, PROTECTED, NR_QUEUES };

#define SKETCH_PERIOD	10	/* as in the paper */
#define LOOKS		256
#define HINT_PROTECTED	0x100

enum { WINDOW_PERCENT, PROTECTED_PERCENT, FILTER, NR_TUNABLES };

static const struct tunable tunables[NR_TUNABLES] = {
	[WINDOW_PERCENT] = { "window_percent", 1, 100 },
	[PROTECTED_PERCENT] = { "protected_percent", 80, 100 },
	[FILTER] = { "filter", 1, 1 },
};

struct tinylfu {
	struct pool pool;
	u32 tunables[NR_TUNABLES];
	struct sketch sketch;
};

static struct tinylfu *to_tinylfu(struct pool *pool)
{
	return container_of(pool, struct tinylfu, pool);
}

static u32 part(const struct tinylfu *t, unsigned int percent)
{
	return div_u64((u64)t->pool.nr * tunable_get(t->tunables, percent), 100);
}

static u32 window(const struct tinylfu *t)
{
	return max(part(t, WINDOW_PERCENT), 1U);
}

static u32 frequency(const struct tinylfu *t, u32 b)
{
	return sketch_get(&t->sketch, to_oblock(t->pool.oblock[b]));
}

static void touch(struct tinylfu *t, oblock_t oblock)
{
	sketch_touch(&t->sketch, oblock);
	sketch_age(&t->sketch, 1);
}

/*----- queues -----*/

/* What hits have left is told to the sketch.  Was there anything? */
static bool settle_hits(struct tinylfu *t, u32 b)
{
	u8 mark = min_t(u8, pool_mark(&t->pool, b), SKETCH_MAX);
	bool any = mark;

	pool_set_mark(&t->pool, b, 0);
	while (mark--)
		touch(t, to_oblock(t->pool.oblock[b]));
	return any;
}

/* The oldest of a queue that was not hit; those that were go to the back of queue @up. */
static u32 oldest(struct tinylfu *t, u8 which, u8 up, u32 *looks)
{
	u32 b;

	for (; *looks; --*looks) {
		b = pool_first_to_go(&t->pool, which, false);
		if (b == POOL_NONE || !settle_hits(t, b))
			return b;
		pool_requeue(&t->pool, up, b);
	}
	return POOL_NONE;
}

/* Who was hit long ago goes back on probation. */
static void shrink_protected(struct tinylfu *t)
{
	u32 most = part(t, PROTECTED_PERCENT), looks = LOOKS, b;

	while (t->pool.length[PROTECTED] > most) {
		b = oldest(t, PROTECTED, PROTECTED, &looks);
		if (b == POOL_NONE)
			return;
		pool_requeue(&t->pool, PROBATION, b);
	}
}

static u32 main_victim(struct tinylfu *t)
{
	u32 looks = LOOKS, b = oldest(t, PROBATION, PROTECTED, &looks);

	shrink_protected(t);
	if (b == POOL_NONE)
		b = pool_first_to_go(&t->pool, PROBATION, false);
	if (b == POOL_NONE)
		b = pool_first_to_go(&t->pool, PROTECTED, false);
	return b;
}

/*----- the answers to pool.h -----*/

static bool tinylfu_admit(struct pool *pool, oblock_t oblock, enum dmc_dir dir, u32 sectors,
			  bool room, u32 *tag)
{
	struct tinylfu *t = to_tinylfu(pool);
	u32 victim;

	touch(t, oblock);
	if (room || !tunable_get(t->tunables, FILTER))
		return true;
	victim = main_victim(t);
	return victim == POOL_NONE || sketch_get(&t->sketch, oblock) > frequency(t, victim) + 1;
}

static void tinylfu_insert(struct pool *pool, u32 b, u32 tag, int why)
{
	struct tinylfu *t = to_tinylfu(pool);
	bool protected = why == POOL_LOADED && tag != POOL_NONE && tag & HINT_PROTECTED;
	u32 n;

	if (why == POOL_LOADED) {
		/* Whoever was worth a place was asked for twice, or four times to be protected. */
		for (n = protected ? 4 : 2; n; n--)
			touch(t, to_oblock(pool->oblock[b]));
		if (tag != POOL_NONE)
			pool_set_mark(pool, b, min_t(u32, tag & 0xff, SKETCH_MAX));
		pool_enqueue(pool, protected ? PROTECTED : PROBATION, b);
	} else if (why == POOL_NEW && !tunable_get(t->tunables, FILTER)) {
		pool_enqueue(pool, WINDOW, b);
		/* While the cache fills, who falls out of the window has a place. */
		if (t->pool.length[WINDOW] > window(t) && !pool_is_full(pool))
			pool_requeue(&t->pool, PROBATION, pool_oldest(pool, WINDOW));
	} else {
		pool_enqueue(pool, PROBATION, b);
	}
}

static u32 tinylfu_victim(struct pool *pool)
{
	struct tinylfu *t = to_tinylfu(pool);
	u32 b = main_victim(t), newcomer, looks = LOOKS;

	/* The one that comes in now pushes another out of the window. */
	if (t->pool.length[WINDOW] < window(t) && b != POOL_NONE)
		return b;
	newcomer = oldest(t, WINDOW, WINDOW, &looks);
	if (newcomer == POOL_NONE)
		newcomer = pool_first_to_go(pool, WINDOW, false);
	if (newcomer == POOL_NONE || b == POOL_NONE)
		return newcomer == POOL_NONE ? b : newcomer;
	if (frequency(t, newcomer) <= frequency(t, b))
		return newcomer;
	pool_requeue(&t->pool, PROBATION, newcomer);
	return b;
}

static u32 tinylfu_hint(struct pool *pool, u32 b)
{
	return pool_mark(pool, b) | (pool_queue_of(pool, b) == PROTECTED ? HINT_PROTECTED : 0);
}

static const struct pool_ops tinylfu_ops = {
	.admit = tinylfu_admit,
	.insert = tinylfu_insert,
	.remove = pool_dequeue,
	.victim = tinylfu_victim,
	.hint = tinylfu_hint,
};

/*----- restart, status, tunables -----*/

static int tinylfu_set_config(struct dmc_policy *p, const char *key, const char *value)
{
	return tunable_set("tinylfu", tunables, NR_TUNABLES, to_tinylfu(to_pool(p))->tunables, key,
			   value);
}

static int tinylfu_emit_config(struct dmc_policy *p, char *buf, size_t len)
{
	return tunable_emit(tunables, NR_TUNABLES, to_tinylfu(to_pool(p))->tunables, buf, len);
}

static void tinylfu_destroy(struct dmc_policy *p)
{
	struct tinylfu *t = to_tinylfu(to_pool(p));

	sketch_exit(&t->sketch);
	pool_exit(&t->pool);
	kfree(t);
}

static struct dmc_policy_type tinylfu_type;

static struct dmc_policy *tinylfu_create(const struct dmc_mappings *map, u32 nr_cblocks,
					u64 origin_sectors, u64 block_sectors)
{
	struct tinylfu *t;
	int err;

	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t)
		return ERR_PTR(-ENOMEM);
	err = pool_init(&t->pool, map, nr_cblocks, NR_QUEUES, &tinylfu_ops);
	if (err)
		goto err_policy;
	err = sketch_init(&t->sketch, nr_cblocks, SKETCH_PERIOD);
	if (err)
		goto err_pool;

	t->pool.mark_max = SKETCH_MAX;
	tunable_defaults(tunables, NR_TUNABLES, t->tunables);
	t->pool.policy.type = &tinylfu_type;
	return &t->pool.policy;

err_pool:
	pool_exit(&t->pool);
err_policy:
	kfree(t);
	return ERR_PTR(err);
}

static struct dmc_policy_type tinylfu_type = {
	.name = "tinylfu",
	.version = { 1, 0, 0 },
	.hint_size = 4,
	.owner = THIS_MODULE,
	.create = tinylfu_create,
	.destroy = tinylfu_destroy,
	.hit = pool_method_hit,
	.miss = pool_miss,
	POOL_METHODS,
	.set_config = tinylfu_set_config,
	.emit_config = tinylfu_emit_config,
};

static int __init tinylfu_module_init(void)
{
	return dmc_policy_register(&tinylfu_type);
}

static void __exit tinylfu_module_exit(void)
{
	dmc_policy_unregister(&tinylfu_type);
}

module_init(tinylfu_module_init);
module_exit(tinylfu_module_exit);

MODULE_DESCRIPTION("Replacement policy for dm-cache with admission by frequency (TinyLFU)");
MODULE_AUTHOR("dm-cache maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMC_VERSION);
