// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty.c - which cblocks hold data that the origin lacks, or may lose.
 *
 * On the bio's path: the first write to a clean block sets the bit, before the write is sent, so
 * that the block counts as dirty whatever becomes of the write.  Later writes only read it.
 * (That a crash remembers it is the business of write-intent.c.)
 *
 *	dirty      the cache is newer than the origin
 *	volatile   written back, but the origin may still lose it: it was not flushed since
 *	clean      the origin has it, durably
 *
 *	dirty_set()       clean, volatile -> dirty      a write
 *	dirty_born()      unmapped -> dirty             a write that gets a partial block
 *	dirty_written()   dirty -> volatile             a writeback
 *	dirty_settled()   volatile -> clean             a flush of the origin
 *	dirty_lost()      volatile -> dirty             that flush failed
 *	dirty_clear()     dirty -> clean                the mapping goes, after a copy and a flush
 *
 * The policy knows of dirty and clean only, and takes volatile for clean.  The number that users
 * see, and wait for, is that of all blocks that are not clean: 0 is durable.
 *
 * The bits live in the entry's state word (block-lock.h): reading them costs nothing extra.  The
 * numbers are atomic since any CPU may change them, but they change on transitions only.
 *
 * Locks: none.  The bits change by compare-and-exchange: of two that want the same transition one
 * makes it, and tells the policy.  dirty_set() needs a writer's count; dirty_written() and
 * dirty_clear() have locked writers out; those and dirty_lost() are the engine's.  So the
 * policy's set_dirty() and clear_dirty() of one block never run at the same time.
 * dirty_settled() tells it nothing.
 */
#include "block-lock.h"
#include "dirty.h"
#include "write-intent.h"

/* The caller holds a writer's count on @cb. */
void dirty_set(struct cache *c, cblock_t cb)
{
	struct cblock_entry *e = entry_of(c, cb);
	int s = atomic_read(&e->state);

	do {
		if (s & BL_DIRTY)
			return;
	} while (!atomic_try_cmpxchg(&e->state, &s, (s | BL_DIRTY) & ~BL_VOLATILE));
	if (s & BL_VOLATILE)
		atomic_dec(&c->nr_volatile);
	else
		atomic_inc(&c->nr_dirty);
	c->policy->type->set_dirty(c->policy, cb);
}

/* @cb is about to be mapped, and the policy is told that it is dirty. */
void dirty_born(struct cache *c, cblock_t cb)
{
	atomic_or(BL_DIRTY, &entry_of(c, cb)->state);
	atomic_inc(&c->nr_dirty);
}

/*
 * The caller has locked writers out and the last of them is gone, and the origin has the data,
 * durably. Returns true if this was the last block of the cache that was not clean.
 */
bool dirty_clear(struct cache *c, cblock_t cb)
{
	struct cblock_entry *e = entry_of(c, cb);

	if (!(atomic_fetch_andnot(BL_DIRTY, &e->state) & BL_DIRTY))
		return false;
	c->policy->type->clear_dirty(c->policy, cb);
	return atomic_dec_and_test(&c->nr_dirty);
}

/* The caller has locked writers out; it is the engine, and will have the origin flushed. */
void dirty_written(struct cache *c, cblock_t cb)
{
	struct cblock_entry *e = entry_of(c, cb);
	int s = atomic_read(&e->state);

	do {
		if (WARN_ON_ONCE(!(s & BL_DIRTY)))
			return;
	} while (!atomic_try_cmpxchg(&e->state, &s, (s & ~BL_DIRTY) | BL_VOLATILE));
	atomic_inc(&c->nr_volatile);
	c->policy->type->clear_dirty(c->policy, cb);
}

/* @cb leaves VOLATILE for @bits, unless a write was faster. */
static bool leave_volatile(struct cache *c, cblock_t cb, u32 bits)
{
	struct cblock_entry *e = entry_of(c, cb);
	int s = atomic_read(&e->state);

	do {
		if (!(s & BL_VOLATILE))
			return false;
	} while (!atomic_try_cmpxchg(&e->state, &s, (s & ~BL_VOLATILE) | bits));
	atomic_dec(&c->nr_volatile);
	return true;
}

/* The origin was flushed.  True: this was the last block of the cache that was not clean. */
bool dirty_settled(struct cache *c, cblock_t cb)
{
	return leave_volatile(c, cb, 0) && atomic_dec_and_test(&c->nr_dirty);
}

/* Engine: the origin may have lost what was written back.  True: the block is dirty again. */
bool dirty_lost(struct cache *c, cblock_t cb)
{
	if (!leave_volatile(c, cb, BL_DIRTY))
		return false;
	c->policy->type->set_dirty(c->policy, cb);
	return true;
}

/* Activation: no bio, and the policy is told by load_run() or load_mapping(). */
void dirty_load(struct cache *c, cblock_t cb)
{
	atomic_or(BL_DIRTY, &entry_of(c, cb)->state);
	atomic_inc(&c->nr_dirty);
	intent_publish(c, cb, true);
}

/*
 * For the clean shutdown, when no block is volatile: word @index of the dirty bits, the lowest
 * cblock first.
 */
u64 dirty_word(void *ctx, u32 index)
{
	struct cache *c = ctx;
	u64 first = (u64)index * DMC_MD_WORD_BITS, word = 0;
	const struct cblock_entry *e = c->table.entries + first;
	unsigned int i, nr = first < c->geo.nr_cblocks ?
			     min_t(u64, c->geo.nr_cblocks - first, DMC_MD_WORD_BITS) : 0;

	for (i = 0; i < nr; i++)
		word |= (u64)!!(atomic_read(&e[i].state) & BL_DIRTY) << i;
	return word;
}
