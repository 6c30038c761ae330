// SPDX-License-Identifier: GPL-2.0-only
/*
 * payback.c - promotes what pays back.  Also registered as "default".
 *
 * A promotion costs a read of a whole block from the origin and a write to the cache.  It pays only
 * if the block is then hit a few times more than the block that has to go for it.  After how many
 * misses that can be expected depends on the load.  So several rules are simulated on a sample of
 * the I/O all the time, in memory (minisim.h), and the rule that would have taken the least time is
 * used.  A sketch (sketch.h) estimates how often a block was asked for of late.
 *
 * While there are free blocks, a missed block comes in at once: nothing has to go for it.
 *
 * Two queues.  Newcomers are on *probation*.  Those that were hit there, or had to be asked for
 * often to come in, are *protected*, five eighths of the cache, until no bio hits them in a round.
 * So a scan that is let in passes through a part of the cache only.  Of the oldest on probation a
 * clean one goes rather than a dirty one, which costs a write first.
 *
 * A hit leaves a mark; the sketch learns of it when the block is looked at.  A hint is the mark and
 * the queue.
 *
 * Memory: 10 bytes a cache block in the queues, 4 to 8 for the sketch; 256 KiB for the miniatures.
 *
 * On the bio's path: payback_hit(), and dmc_pq_miss(); see policy-queues.h for the callers and the
 * lock.
 */
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "../version.h"
#include "lib/minisim.h"
#include "lib/policy-queues.h"
#include "lib/sketch.h"
#include "lib/streams.h"
#include "lib/tunables.h"

enum { PROBATION, PROTECTED, WINDOWED, NR_QUEUES };

#define LOOKS		16	/* blocks moved on in a part of a search for a victim */
#define MISS_LOOKS	8	/* blocks moved on for a miss */
#define CLEAN_LOOKS	4
#define WINDOW_PART	64	/* of the cache, for newcomers on trial */
#define CHALLENGES	64

/* A mark: how many hits, at most one a tick, and the tick of the last. */
#define COUNT_MASK	0x0f
#define TICK_SHIFT	4
#define TICK_MASK	0x0f
#define HINT_PROTECTED	0x100

static const struct tunable ignored[] = {
	{ "read_promote_adjustment", 0, INT_MAX },
	{ "write_promote_adjustment", 0, INT_MAX },
	{ "discard_promote_adjustment", 0, INT_MAX },
};

struct payback {
	struct policy_queues pq;
	struct minisim trials;
	unsigned long *unlearned;	/* a bit a cblock, see learn() */
	u8 tick;		/* modulo 16 */
	u32 challenges;		/* that the coldest blocks have survived */
	bool warned;		/* about tunables */
};

static struct payback *to_payback(struct policy_queues *pq)
{
	return container_of(pq, struct payback, pq);
}

static void payback_touch(struct payback *t, u32 b, u32 times)
{
	sketch_add(&t->pq.sketch, pq_oblock(&t->pq, b), times);
}

/*
 * The sketch learns of a block that is there since the activation when it is first looked at: a
 * million of them would take long.  It counts as asked for twice, or four times if it is protected.
 */
static void learn(struct payback *t, u32 b)
{
	if (__test_and_clear_bit(b, t->unlearned))
		payback_touch(t, b, pq_queue_of(&t->pq, b) == PROTECTED ? 4 : 2);
}

static u32 payback_frequency(struct payback *t, u32 b)
{
	learn(t, b);
	return sketch_get(&t->pq.sketch, pq_oblock(&t->pq, b));
}

/*----- hits -----*/

/* A mark is a count and the tick when it last changed: a burst of small bios counts as one. */
static void mark_hit(struct payback *t, u32 b)
{
	u8 mark = READ_ONCE(t->pq.mark[b]), tick = READ_ONCE(t->tick);

	if (mark >> TICK_SHIFT == tick || (mark & COUNT_MASK) == COUNT_MASK)
		return;
	WRITE_ONCE(t->pq.mark[b], (mark & COUNT_MASK) + 1 + (tick << TICK_SHIFT));
	hint_group_changed(&t->pq.hints, to_cblock(b));
}

static u8 count_of(const struct payback *t, u32 b)
{
	return pq_mark(&t->pq, b) & COUNT_MASK;
}

static void set_count(struct payback *t, u32 b, u8 count)
{
	pq_set_mark(&t->pq, b, min_t(u32, count, COUNT_MASK) | t->tick << TICK_SHIFT);
}

static void payback_hit(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, enum dmc_dir dir,
			u32 sectors)
{
	struct payback *t = to_payback(to_pq(p));

	mark_hit(t, from_cblock(cblock));
	minisim_note_hit(&t->trials, oblock, dir == DMC_WRITE);
}

/* Tells the sketch of the hits since the last look at the block.  True: there were some. */
static bool payback_settle(struct policy_queues *pq, u32 b)
{
	struct payback *t = to_payback(pq);
	u8 count = count_of(t, b);

	learn(t, b);
	if (!count)
		return false;
	set_count(t, b, 0);
	payback_touch(t, b, count);
	return true;
}

/*----- queues -----*/

/* Without hits a block goes back on probation.  If every miss comes in, none is protected. */
static void payback_shrink_protected(struct payback *t, u32 looks)
{
	u32 most = t->trials.best == EVERY_MISS ? 0 : t->pq.nr - t->pq.nr / 8 * 3;
	u32 b;

	for (; t->pq.length[PROTECTED] > most && looks; looks--) {
		b = dmc_pq_coldest(&t->pq, PROTECTED, PROTECTED, &looks);
		if (b == PQ_NONE)
			return;
		dmc_pq_requeue(&t->pq, PROBATION, b);
	}
}

/* If looking on may find a better one, and @insist is not set: PQ_AGAIN. */
static u32 coldest(struct payback *t, u32 looks, bool insist)
{
	u8 up = t->trials.best == EVERY_MISS ? PROBATION : PROTECTED;
	u32 b;

	payback_shrink_protected(t, looks);
	b = dmc_pq_coldest(&t->pq, PROBATION, up, &looks);
	if (b == PQ_NONE && !looks && !insist)
		return PQ_AGAIN;
	if (b == PQ_NONE)
		b = dmc_pq_first_to_go(&t->pq, PROBATION, false);
	if (b == PQ_NONE)
		b = dmc_pq_first_to_go(&t->pq, PROTECTED, false);
	return b;
}

/*
 * The newcomers that are on trial, beyond a few: each goes on probation, or else it is the victim.
 */
static u32 window_victim(struct payback *t, u32 victim)
{
	u32 most = t->trials.best == WINDOW ? t->pq.nr / WINDOW_PART : 0;
	u32 looks = LOOKS, n, b;

	for (n = 0; n < LOOKS && t->pq.length[WINDOWED] > most; n++) {
		b = dmc_pq_coldest(&t->pq, WINDOWED, WINDOWED, &looks);
		if (b == PQ_NONE)
			b = dmc_pq_first_to_go(&t->pq, WINDOWED, false);
		if (b == PQ_NONE)
			return victim;
		if (victim == PQ_NONE ||
		    !strategy_admits(WINDOW, payback_frequency(t, b), payback_frequency(t, victim)))
			return b;
		dmc_pq_requeue(&t->pq, PROBATION, b);
	}
	return victim;
}

/*----- the answers to policy-queues.h -----*/

/*
 * Is a block that was asked for so often worth the place of the coldest block?  If that block's
 * frequency is of long ago, it would keep others out until it is forgotten.  So after some
 * challenges another block has to face them.
 */
static bool challenge(struct payback *t, u32 wanted)
{
	u32 victim = coldest(t, MISS_LOOKS, true);

	if (victim == PQ_NONE)
		return false;
	if (strategy_admits(t->trials.best, wanted, payback_frequency(t, victim)))
		return true;
	if (wanted > 1 && ++t->challenges >= CHALLENGES) {
		t->challenges = 0;
		dmc_pq_requeue(&t->pq, PROBATION, victim);
	}
	return false;
}

static bool payback_admit(struct policy_queues *pq, oblock_t oblock, enum dmc_dir dir, u32 sectors,
			  bool room, u32 *tag)
{
	struct payback *t = to_payback(pq);

	sketch_touch(&t->pq.sketch, oblock);
	sketch_age(&t->pq.sketch, 1);
	dmc_minisim_miss(&t->trials, oblock, dir == DMC_WRITE);
	if (room || t->trials.best == EVERY_MISS || t->trials.best == WINDOW)
		return true;
	if (t->trials.best == IF_FREE)
		return false;
	return challenge(t, sketch_get(&t->pq.sketch, oblock));
}

static bool payback_catch_up(struct policy_queues *pq)
{
	struct payback *t = to_payback(pq);

	sketch_age(&pq->sketch, dmc_minisim_drain(&t->trials));
	return t->trials.backlog;
}

/* A block that had to prove itself before it came in is as good as one that did so afterwards. */
static u8 queue_of_newcomer(struct payback *t, int why)
{
	if (why != PQ_NEW || !pq_is_full(&t->pq))
		return PROBATION;
	if (t->trials.best == WINDOW)
		return WINDOWED;
	return t->trials.best == FOUR_TIMES ||
	       t->trials.best == EIGHT_TIMES ? PROTECTED : PROBATION;
}

static void payback_insert(struct policy_queues *pq, u32 b, u32 tag, int why)
{
	struct payback *t = to_payback(pq);

	__clear_bit(b, t->unlearned);
	set_count(t, b, 0);
	dmc_pq_enqueue(pq, queue_of_newcomer(t, why), b);
}

static u8 payback_place(u32 tag, u8 *mark)
{
	*mark = 0;
	if (tag == PQ_NONE)
		return PROBATION;
	*mark = min_t(u32, tag & 0xff, COUNT_MASK);
	return tag & HINT_PROTECTED ? PROTECTED : PROBATION;
}

/* The bits of empty blocks are cleared when a block comes in. */
static void payback_loaded(struct policy_queues *pq, u32 first, u32 nr)
{
	bitmap_set(to_payback(pq)->unlearned, first, nr);
}

/* The coldest; or a clean one close behind it. */
static u32 payback_victim(struct policy_queues *pq)
{
	struct payback *t = to_payback(pq);
	u32 first = coldest(t, LOOKS, pq->insist), b, looks;

	if (first == PQ_AGAIN)
		return first;
	b = window_victim(t, first);
	if (b != first)
		return b;
	for (looks = 0; b != PQ_NONE && looks < CLEAN_LOOKS; looks++) {
		if (pq_may_go(pq, b) && !(pq->state[b] & PQ_DIRTY) && !count_of(t, b))
			return b;
		b = pq->link[b][1];
		if (pq_is_end(pq, b))
			break;
	}
	return first;
}

static bool payback_tick(struct policy_queues *pq, bool again)
{
	struct payback *t = to_payback(pq);
	bool more = sketch_age(&t->pq.sketch, dmc_minisim_drain(&t->trials));

	if (!again)
		WRITE_ONCE(t->tick, (t->tick + 1) & TICK_MASK);
	if (!dmc_minisim_drained(&t->trials))
		return true;
	dmc_minisim_tick(&t->trials);
	return more;
}

static u32 payback_hint(struct policy_queues *pq, u32 b)
{
	return count_of(to_payback(pq), b) | (pq_queue_of(pq, b) == PROTECTED ? HINT_PROTECTED : 0);
}

static u32 payback_grade_hint(u32 grade)
{
	return pq_grade_hint(grade, COUNT_MASK, HINT_PROTECTED);
}

static int payback_init(struct policy_queues *pq, u64 block_sectors)
{
	pq->count_mask = COUNT_MASK;
	to_payback(pq)->unlearned = dmc_zalloc_table(BITS_TO_LONGS(pq->nr), sizeof(long));
	if (!to_payback(pq)->unlearned)
		return -ENOMEM;
	return dmc_minisim_init(&to_payback(pq)->trials, pq->nr, block_sectors);
}

static void payback_exit(struct policy_queues *pq)
{
	dmc_minisim_exit(&to_payback(pq)->trials);
	vfree(to_payback(pq)->unlearned);
}

static const struct pq_ops payback_ops = {
	.catch_up = payback_catch_up,
	.admit = payback_admit,
	.insert = payback_insert,
	.place = payback_place,
	.loaded = payback_loaded,
	.remove = dmc_pq_dequeue,
	.victim = payback_victim,
	.tick = payback_tick,
	.hint = payback_hint,
	.settle = payback_settle,
	.init = payback_init,
	.exit = payback_exit,
	.size = sizeof(struct payback),
	.nr_heads = NR_QUEUES,
	.sketch_period = MINISIM_FORGETS,
};

/*----- tunables -----*/

/* Tables in use name the tunables of mq after "default". */
static int payback_set_config(struct dmc_policy *p, const char *key, const char *value)
{
	struct payback *t = to_payback(to_pq(p));
	u32 values[ARRAY_SIZE(ignored)];
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(ignored); i++)
		if (!strcmp(key, ignored[i].key))
			break;
	if (i == ARRAY_SIZE(ignored))
		return dmc_pq_set_config(p, key, value);

	err = dmc_tunable_set(p->type->name, ignored, ARRAY_SIZE(ignored), values, key, value);
	if (!err && !t->warned) {
		t->warned = true;
		pr_warn("dm-cache %s: tunables of old policies, such as %s, are ignored\n",
			p->type->name, key);
	}
	return err;
}

/*----- the module -----*/

#define PAYBACK_METHODS				\
	.version = { 1, 0, 0 },			\
	.hint_size = 4,				\
	.owner = THIS_MODULE,			\
	.hit = payback_hit,			\
	PQ_METHODS,				\
	.grade_hint = payback_grade_hint,	\
	.set_config = payback_set_config

static struct dmc_policy *payback_create(const struct dmc_mappings *map, u32 nr_cblocks,
					 u64 origin_sectors, u64 block_sectors);
static struct dmc_policy *default_create(const struct dmc_mappings *map, u32 nr_cblocks,
					 u64 origin_sectors, u64 block_sectors);

static struct dmc_policy_type payback_type = {
	.name = "payback",
	.create = payback_create,
	PAYBACK_METHODS
};

static struct dmc_policy_type default_type = {
	.name = "default",
	.real_name = "payback",
	.create = default_create,
	PAYBACK_METHODS
};

static struct dmc_policy *payback_create(const struct dmc_mappings *map, u32 nr_cblocks,
					 u64 origin_sectors, u64 block_sectors)
{
	return dmc_pq_create(&payback_type, &payback_ops, map, nr_cblocks, block_sectors);
}

static struct dmc_policy *default_create(const struct dmc_mappings *map, u32 nr_cblocks,
					 u64 origin_sectors, u64 block_sectors)
{
	return dmc_pq_create(&default_type, &payback_ops, map, nr_cblocks, block_sectors);
}

static struct dmc_policy_type *const payback_types[] = { &payback_type, &default_type };

module_dmc_policies(payback_types);

MODULE_DESCRIPTION("Default replacement policy for dm-cache: promotes what pays back");
MODULE_AUTHOR("dm-cache maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMC_VERSION);
MODULE_ALIAS("dm-cache-default");
