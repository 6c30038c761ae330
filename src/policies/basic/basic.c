// SPDX-License-Identifier: GPL-2.0-only
/*
 * basic.c - the basic family: the policies that every textbook has, one module, an alias each.
 *
 *	fifo filo		evicts the oldest block, the newest
 *	lru mru			the block used least recently, most recently
 *	lfu mfu			the block used least often, most often; _ws: counted in sectors
 *	random			any block
 *	multiqueue		queues by the logarithm of uses; unused blocks sink; _ws: sectors
 *	twoqueue		2Q: newcomers wait apart, and stay if missed again soon after
 *	q2			2Q without ghosts: newcomers stay if they were hit
 *	dumb			cache blocks in turn, whatever they hold
 *	noop			no block comes in, none goes
 *
 * All but noop admit a block on its promote_after'th miss (1: every miss).  Those that sort do so
 * by a heap: O(log n) an eviction; the queues are O(1).  They are for comparison and for loads that
 * are known to suit one of them.
 *
 * On the bio's path: the hit functions here; dmc_pq_miss().  See policy-queues.h for the callers
 * and the lock.
 */
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "../../version.h"
#include "../lib/tunables.h"
#include "basic.h"

#define LOOKS	256	/* cache blocks that cannot go are passed in a part of a search */

enum { PROMOTE_AFTER, NR_TUNABLES };

static const struct tunable tunables[NR_TUNABLES] = {
	[PROMOTE_AFTER] = { "promote_after", 1, GHOST_TABLE_COUNT_MAX },
};

/*----- hits: any CPU, no lock -----*/

static void hit_marks(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, enum dmc_dir dir,
		      u32 sectors)
{
	pq_hit(to_pq(p), cblock);
}

static void hit_is_late(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, enum dmc_dir dir,
			u32 sectors)
{
	struct basic *basic = to_basic(to_pq(p));

	WRITE_ONCE(basic->use[from_cblock(cblock)], READ_ONCE(basic->now) | 1);
	hint_group_changed(&basic->pq.hints, cblock);
	this_cpu_write(*basic->last, from_cblock(cblock));
}

static void count(struct basic *basic, cblock_t cblock, u32 n)
{
	u32 b = from_cblock(cblock);
	u32 use = READ_ONCE(basic->use[b]);

	WRITE_ONCE(basic->use[b], use + min(n, U32_MAX - use));
	hint_group_changed(&basic->pq.hints, cblock);
	this_cpu_write(*basic->last, b);
}

static void hit_counts(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, enum dmc_dir dir,
		       u32 sectors)
{
	count(to_basic(to_pq(p)), cblock, 1);
}

static void hit_counts_sectors(struct dmc_policy *p, cblock_t cblock, oblock_t oblock,
			       enum dmc_dir dir, u32 sectors)
{
	count(to_basic(to_pq(p)), cblock, sectors);
}

/*----- answers to policy-queues.h -----*/

static bool basic_admit(struct policy_queues *pq, oblock_t oblock, enum dmc_dir dir, u32 sectors,
			bool room, u32 *tag)
{
	struct basic *basic = to_basic(pq);
	u32 after = tunable_get(pq->tunables, PROMOTE_AFTER);
	struct ghost_table_seen seen;

	WRITE_ONCE(basic->now, basic->now + 2);
	if (basic->kind->ghosts) {
		seen = ghost_table_look(&pq->ghosts, oblock);
		if (seen.count == GHOST_TABLE_COUNT_MAX && seen.age <= GHOST_TABLE_AGE_UNIT / 2) {
			ghost_table_forget(&pq->ghosts, oblock);
			*tag = 1;
			return true;
		}
	}
	return room || after <= 1 || ghost_table_touch(&pq->ghosts, oblock).count + 1 >= after;
}

static bool noop_admit(struct policy_queues *pq, oblock_t oblock, enum dmc_dir dir, u32 sectors,
		       bool room, u32 *tag)
{
	return false;
}

static void plain_insert(struct policy_queues *pq, u32 b, u32 tag, int why)
{
	basic_first_use(to_basic(pq), b, tag, why);
	dmc_pq_append(pq, 0, b);
}

static u32 no_victim(struct policy_queues *pq)
{
	return PQ_NONE;
}

/* The first cache block from @b on, in the order of their numbers. */
static u32 victim_from(struct policy_queues *pq, u32 b)
{
	unsigned int looks;

	for (looks = 0; looks < LOOKS; looks++, b++) {
		if (b >= pq->nr)
			b = 0;
		if (pq_may_go(pq, b))
			return b;
	}
	return pq->insist ? PQ_NONE : PQ_AGAIN;
}

static u32 dumb_victim(struct policy_queues *pq)
{
	u32 *hand = &to_basic(pq)->hand, b = victim_from(pq, *hand);

	if (b < pq->nr)
		*hand = b + 1;
	else
		*hand = (*hand + LOOKS) % pq->nr;
	return b;
}

static u32 random_victim(struct policy_queues *pq)
{
	u32 *seed = &to_basic(pq)->hand;

	/* Predictable is good enough here: a linear congruence will do. */
	*seed = *seed * 1664525 + 1013904223;
	return victim_from(pq, ((u64)*seed * pq->nr) >> 32);
}

static u32 use_hint(struct policy_queues *pq, u32 b)
{
	return READ_ONCE(to_basic(pq)->use[b]);
}

static u32 queue_hint(struct policy_queues *pq, u32 b)
{
	return pq_queue_of(pq, b);
}

/* All but a time or a count of 0, which would be older or less than any. */
static u32 use_grade_hint(u32 grade)
{
	return grade + 1;
}

/* The second of the two queues is the warmer one. */
static u32 queue_grade_hint(u32 grade)
{
	return pq_grade_hint(grade, 0, 1);
}

/*----- parts -----*/

static void basic_exit(struct policy_queues *pq)
{
	struct basic *basic = to_basic(pq);

	vfree(basic->place);
	vfree(basic->heap);
	vfree(basic->queued);
	vfree(basic->use);
	free_percpu(basic->last);
}

static int basic_init(struct policy_queues *pq, u64 block_sectors)
{
	const struct basic_kind *kind = container_of(pq->ops, struct basic_kind, ops);
	struct basic *basic = to_basic(pq);

	basic->kind = kind;
	basic->now = 2;
	basic->cpu = cpumask_first(cpu_possible_mask);
	basic->last = alloc_percpu(u32);
	basic->use = dmc_zalloc_table(pq->nr, sizeof(u32));
	if (!basic->last || !basic->use)
		return -ENOMEM;
	if (kind->heap || kind->stamps)
		basic->queued = dmc_zalloc_table(pq->nr, sizeof(u32));
	if (kind->heap) {
		basic->heap = dmc_zalloc_table(pq->nr, sizeof(u32));
		basic->place = dmc_zalloc_table(pq->nr, sizeof(u32));
	}
	return (basic->queued || !(kind->heap || kind->stamps)) &&
	       ((basic->heap && basic->place) || !kind->heap) ? 0 : -ENOMEM;
}

/*----- the family -----*/

#define BASIC_TYPE(n, hit_function, grade_function)	\
	.type = {					\
		.name = #n,				\
		.version = { 1, 0, 0 },			\
		.hint_size = 4,				\
		.owner = THIS_MODULE,			\
		.create = n##_create,			\
		.hit = hit_function,			\
		PQ_METHODS,				\
		.grade_hint = grade_function,		\
		.set_config = dmc_pq_set_config,		\
	}

#define BASIC_KIND(n, hit_function, ...) BASIC_GRADED(n, hit_function, use_grade_hint, __VA_ARGS__)
#define BASIC_GRADED(n, hit_function, grade_function, ...)				\
	static struct dmc_policy *n##_create(const struct dmc_mappings *map, u32 nr,	\
					     u64 origin_sectors, u64 block_sectors);	\
	static struct basic_kind n##_kind = {						\
		BASIC_TYPE(n, hit_function, grade_function), __VA_ARGS__		\
	};										\
	static struct dmc_policy *n##_create(const struct dmc_mappings *map, u32 nr,	\
					     u64 origin_sectors, u64 block_sectors)	\
	{										\
		return dmc_pq_create(&n##_kind.type, &n##_kind.ops, map, nr, block_sectors);	\
	}										\
	MODULE_ALIAS("dm-cache-" #n)

#define BASIC_PARTS									\
	.init = basic_init, .exit = basic_exit, .size = sizeof(struct basic),		\
	.nr_heads = BASIC_HEADS,							\
	.ghosts_per_block = 1, .tunables = tunables, .nr_tunables = NR_TUNABLES
#define OPS(admit_, insert_, remove_, victim_, hint_)					\
	{ .admit = admit_, .insert = insert_, .remove = remove_, .victim = victim_,	\
	  .hint = hint_, BASIC_PARTS }
#define HEAP_OPS OPS(basic_admit, heap_insert, heap_remove, heap_victim, use_hint)
#define LEVELS_OPS OPS(basic_admit, levels_insert, dmc_pq_unlink, levels_victim, use_hint)
#define PLAIN_OPS(victim_) OPS(basic_admit, plain_insert, dmc_pq_unlink, victim_, use_hint)

BASIC_KIND(fifo, hit_marks, .ops = HEAP_OPS, .heap = true, .by_time = true);
BASIC_KIND(filo, hit_marks, .ops = HEAP_OPS, .heap = true, .by_time = true, .largest_first = true);
BASIC_KIND(lru, hit_is_late, .ops = HEAP_OPS, .heap = true, .by_time = true);
BASIC_KIND(mru, hit_is_late, .ops = HEAP_OPS, .heap = true, .by_time = true, .largest_first = true);
BASIC_KIND(lfu, hit_counts, .ops = HEAP_OPS, .heap = true);
BASIC_KIND(mfu, hit_counts, .ops = HEAP_OPS, .heap = true, .largest_first = true);
BASIC_KIND(lfu_ws, hit_counts_sectors, .ops = HEAP_OPS, .heap = true);
BASIC_KIND(mfu_ws, hit_counts_sectors, .ops = HEAP_OPS, .heap = true, .largest_first = true);
BASIC_KIND(random, hit_marks, .ops = PLAIN_OPS(random_victim));
BASIC_KIND(multiqueue, hit_counts, .ops = LEVELS_OPS, .stamps = true);
BASIC_KIND(multiqueue_ws, hit_counts_sectors, .ops = LEVELS_OPS, .stamps = true);
BASIC_GRADED(twoqueue, hit_marks, queue_grade_hint, .ghosts = true,
	   .ops = { .admit = basic_admit, .insert = two_insert, .remove = dmc_pq_dequeue,
		    .victim = twoqueue_victim, .evicted = twoqueue_evicted, .hint = queue_hint,
		    BASIC_PARTS });
BASIC_GRADED(q2, hit_marks, queue_grade_hint,
	     .ops = OPS(basic_admit, two_insert, dmc_pq_dequeue, q2_victim, queue_hint));
BASIC_KIND(dumb, hit_marks, .ops = PLAIN_OPS(dumb_victim));
BASIC_KIND(noop, hit_marks, .ops = OPS(noop_admit, plain_insert, dmc_pq_unlink, no_victim,
				       use_hint));

static struct dmc_policy_type *const basic_types[] = {
	&fifo_kind.type, &filo_kind.type, &lru_kind.type, &mru_kind.type, &lfu_kind.type,
	&mfu_kind.type, &lfu_ws_kind.type, &mfu_ws_kind.type, &random_kind.type,
	&multiqueue_kind.type, &multiqueue_ws_kind.type, &twoqueue_kind.type,
	&q2_kind.type, &dumb_kind.type, &noop_kind.type,
};

module_dmc_policies(basic_types);

MODULE_DESCRIPTION("Basic replacement policies for dm-cache: fifo, lru, lfu, random and others");
MODULE_AUTHOR("dm-cache maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMC_VERSION);
