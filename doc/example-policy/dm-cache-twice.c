// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-cache-twice.c - a policy for dm-cache outside its tree: what is asked for twice comes in, and
 * leaves in turn.
 *
 * An example of the contract in policy.h, which says where each method is called from, and what it
 * may do.  A block that misses and is in a small table of recent misses is to be promoted.  When
 * the cache is full, a hand that goes round the cache says which block leaves.  When the device is
 * idle, dirty blocks are written back.
 *
 * Locks: lock, for the blocks that are to come in and those that are to leave for them.  The rest
 * are words and bits that change atomically.
 */
#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/hash.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>

#include <policies/policy.h>

#define SEEN_BITS 10
#define WANTS 32	/* blocks on their way in at a time: each waits for a commit, up to a second */
#define FAILURES_MAX 16		/* in a tick; when a device fails, so does all work */

/* A block that is to come in. */
struct want {
	enum { NOTHING, WANTED, DEMOTING, COMING } state;
	oblock_t oblock;
	u32 leaving;			/* DEMOTING: the cblock that leaves for it */
	bool gone;			/* that was invalidated meanwhile */
};

struct twice {
	struct dmc_policy policy;
	const struct dmc_mappings *map;
	u32 nr_cblocks;
	atomic_t nr_resident;
	unsigned long *resident;	/* a bit a cblock */
	unsigned long *dirty;		/* likewise */
	unsigned long *busy;		/* named in work that is not done; next_work() and work_done() */

	/* next_work(), work_done() and tick() */
	u32 hand;			/* the cblock that leaves next */
	u32 broom;			/* where to look for dirty blocks */
	u32 failures;			/* since the last tick */

	spinlock_t lock;		/* of wants */
	struct want wants[WANTS];
	u32 seen[1 << SEEN_BITS];	/* recent misses, by a hash; 0: none */
};

static struct twice *to_twice(struct dmc_policy *p)
{
	return container_of(p, struct twice, policy);
}

static struct dmc_policy *twice_create(const struct dmc_mappings *map, u32 nr_cblocks,
				       u64 origin_sectors, u64 block_sectors);

static void twice_destroy(struct dmc_policy *p)
{
	struct twice *t = to_twice(p);

	vfree(t->resident);
	vfree(t->dirty);
	vfree(t->busy);
	kfree(t);
}

static void now_resident(struct twice *t, u32 cblock)
{
	if (!test_and_set_bit(cblock, t->resident))
		atomic_inc(&t->nr_resident);
}

static void no_longer_resident(struct twice *t, u32 cblock)
{
	clear_bit(cblock, t->dirty);
	if (test_and_clear_bit(cblock, t->resident))
		atomic_dec(&t->nr_resident);
}

static int twice_load_mapping(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, bool dirty,
			      u32 hint, bool hint_valid)
{
	struct twice *t = to_twice(p);

	now_resident(t, from_cblock(cblock));
	if (dirty)
		set_bit(from_cblock(cblock), t->dirty);
	return 0;
}

static void twice_hit(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, enum dmc_dir dir,
		      u32 sectors)
{
	/* Which block leaves does not depend on hits. */
}

/*
 * True if @oblock missed before, not too long ago.  Many CPUs at once: at worst one miss is
 * forgotten.
 */
static bool seen_before(struct twice *t, oblock_t oblock)
{
	u64 b = from_oblock(oblock);
	u32 *slot = &t->seen[hash_64(b, SEEN_BITS)];
	u32 tag = (u32)b + 1;

	if (READ_ONCE(*slot) == tag) {
		WRITE_ONCE(*slot, 0);
		return true;
	}
	WRITE_ONCE(*slot, tag);
	return false;
}

/* False if it is on its way already, or too many others are. */
static bool want(struct twice *t, oblock_t oblock)
{
	struct want *w, *unused = NULL;

	lockdep_assert_held(&t->lock);
	for (w = t->wants; w < t->wants + WANTS; w++) {
		if (w->state == NOTHING)
			unused = w;
		else if (w->oblock == oblock)
			return false;
	}
	if (!unused)
		return false;
	*unused = (struct want){ .state = WANTED, .oblock = oblock };
	return true;
}

static enum dmc_advice twice_miss(struct dmc_policy *p, oblock_t oblock, enum dmc_dir dir,
				  u64 sector, u32 sectors, bool cheap, u32 nr_free)
{
	struct twice *t = to_twice(p);
	unsigned long flags;
	bool news;

	if (!seen_before(t, oblock))
		return DMC_LEAVE;
	spin_lock_irqsave(&t->lock, flags);
	news = want(t, oblock);
	spin_unlock_irqrestore(&t->lock, flags);
	return news ? DMC_WORK : DMC_LEAVE;
}

/* False if @i is not there to be worked on. */
static bool claim(struct twice *t, enum dmc_op op, u32 i, struct dmc_work *work)
{
	if (!test_bit(i, t->resident) || test_and_set_bit(i, t->busy))
		return false;
	*work = (struct dmc_work){ op, t->map->oblock_of(t->map, to_cblock(i)), to_cblock(i) };
	return true;
}

/* The next resident block at the hand that is not busy. */
static bool find_victim(struct twice *t, struct dmc_work *work)
{
	u32 n, i;

	for (n = 0; n < t->nr_cblocks; n++) {
		i = t->hand;
		t->hand = i + 1 < t->nr_cblocks ? i + 1 : 0;
		if (claim(t, DMC_OP_DEMOTE, i, work))
			return true;
	}
	return false;
}

/*
 * A dirty block; each once between two ticks at most, so that one that cannot be written is not
 * tried for ever.
 */
static bool find_dirty(struct twice *t, struct dmc_work *work)
{
	u32 i;

	while ((i = find_next_bit(t->dirty, t->nr_cblocks, t->broom)) < t->nr_cblocks) {
		t->broom = i + 1;
		if (claim(t, DMC_OP_WRITEBACK, i, work))
			return true;
	}
	t->broom = t->nr_cblocks;
	return false;
}

/* Brings in what is wanted, or makes room for it. */
static bool serve(struct twice *t, struct want *w, u32 nr_free, struct dmc_work *work)
{
	cblock_t cblock;

	lockdep_assert_held(&t->lock);
	/* It may have missed once more while it was brought in. */
	if (t->map->lookup(t->map, w->oblock, &cblock)) {
		w->state = NOTHING;
		return false;
	}
	if (nr_free) {
		w->state = COMING;
		*work = (struct dmc_work){ .op = DMC_OP_PROMOTE, .oblock = w->oblock };
		return true;
	}
	if (!find_victim(t, work))
		return false;
	w->state = DEMOTING;
	w->leaving = from_cblock(work->cblock);
	w->gone = false;
	return true;
}

static int twice_next_work(struct dmc_policy *p, bool idle, u32 nr_free, struct dmc_work *work)
{
	struct twice *t = to_twice(p);
	struct want *w;
	bool found = false;

	if (t->failures >= FAILURES_MAX)
		return DMC_NO_WORK;
	spin_lock_irq(&t->lock);
	for (w = t->wants; w < t->wants + WANTS && !found; w++)
		if (w->state == WANTED)
			found = serve(t, w, nr_free, work);
	spin_unlock_irq(&t->lock);
	return found || (idle && find_dirty(t, work)) ? 0 : DMC_NO_WORK;
}

/* With or without success; after a failure it must ask anew. */
static void promoted(struct twice *t, const struct dmc_work *work, bool success)
{
	struct want *w;

	spin_lock_irq(&t->lock);
	if (success)
		now_resident(t, from_cblock(work->cblock));
	for (w = t->wants; w < t->wants + WANTS; w++)
		if (w->state == COMING && w->oblock == work->oblock)
			w->state = NOTHING;
	spin_unlock_irq(&t->lock);
}

static void demoted(struct twice *t, u32 cblock, bool success)
{
	struct want *w;

	spin_lock_irq(&t->lock);
	for (w = t->wants; w < t->wants + WANTS; w++) {
		if (w->state != DEMOTING || w->leaving != cblock)
			continue;
		if (success && !w->gone)
			no_longer_resident(t, cblock);
		w->state = success ? WANTED : NOTHING;
	}
	spin_unlock_irq(&t->lock);
}

static void twice_work_done(struct dmc_policy *p, const struct dmc_work *work, bool success)
{
	struct twice *t = to_twice(p);
	u32 i = from_cblock(work->cblock);

	t->failures += !success;
	if (work->op == DMC_OP_PROMOTE) {
		promoted(t, work, success);
		return;
	}
	if (work->op == DMC_OP_DEMOTE)
		demoted(t, i, success);
	clear_bit(i, t->busy);
}

static void twice_invalidate(struct dmc_policy *p, cblock_t cblock)
{
	struct twice *t = to_twice(p);
	u32 i = from_cblock(cblock);
	unsigned long flags;
	struct want *w;

	spin_lock_irqsave(&t->lock, flags);
	for (w = t->wants; w < t->wants + WANTS; w++)
		if (w->state == DEMOTING && w->leaving == i)
			w->gone = true;
	no_longer_resident(t, i);
	spin_unlock_irqrestore(&t->lock, flags);
}

static void twice_set_dirty(struct dmc_policy *p, cblock_t cblock)
{
	set_bit(from_cblock(cblock), to_twice(p)->dirty);
}

static void twice_clear_dirty(struct dmc_policy *p, cblock_t cblock)
{
	clear_bit(from_cblock(cblock), to_twice(p)->dirty);
}

static void twice_tick(struct dmc_policy *p)
{
	struct twice *t = to_twice(p);

	t->failures = 0;
	if (t->broom >= t->nr_cblocks)
		t->broom = 0;
}

static u32 twice_residency(struct dmc_policy *p)
{
	return atomic_read(&to_twice(p)->nr_resident);
}

static struct dmc_policy_type twice_type = {
	.name = "twice",
	.version = { 1, 0, 0 },
	.owner = THIS_MODULE,
	.create = twice_create,
	.destroy = twice_destroy,
	.load_mapping = twice_load_mapping,
	.hit = twice_hit,
	.miss = twice_miss,
	.next_work = twice_next_work,
	.work_done = twice_work_done,
	.invalidate = twice_invalidate,
	.set_dirty = twice_set_dirty,
	.clear_dirty = twice_clear_dirty,
	.tick = twice_tick,
	.residency = twice_residency,
};

static struct dmc_policy *twice_create(const struct dmc_mappings *map, u32 nr_cblocks,
				       u64 origin_sectors, u64 block_sectors)
{
	size_t bytes = BITS_TO_LONGS(nr_cblocks) * sizeof(long);
	struct twice *t = kzalloc(sizeof(*t), GFP_KERNEL);

	if (!t)
		return ERR_PTR(-ENOMEM);
	t->policy.type = &twice_type;
	t->map = map;
	t->nr_cblocks = nr_cblocks;
	spin_lock_init(&t->lock);
	t->resident = vzalloc(bytes);
	t->dirty = vzalloc(bytes);
	t->busy = vzalloc(bytes);
	if (!t->resident || !t->dirty || !t->busy) {
		twice_destroy(&t->policy);
		return ERR_PTR(-ENOMEM);
	}
	return &t->policy;
}

module_dmc_policy(twice_type);

MODULE_DESCRIPTION("an example of a replacement policy for dm-cache: in when asked for twice, out in turn");
MODULE_LICENSE("GPL");
