// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty.c - which cblocks hold data that the origin lacks.
 *
 * On the bio's path: the first write to a clean block sets the bit, before the write is sent, so
 * that the block counts as dirty whatever becomes of the write.  Later writes only read it.
 * (That a crash remembers it is the business of marks.c.)
 * The engine clears it after a writeback, with writers kept out of the block.
 *
 * The bit lives in the entry's state word (block-lock.h): reading it costs nothing extra.  The
 * number of dirty blocks is atomic since any CPU may change it, but it changes on transitions only.
 *
 * Locks: none; whoever sets the bit holds a writer's count, whoever clears it has locked writers
 * out.  So the policy's set_dirty() and clear_dirty() of one block never run at the same time.
 */
#include "block-lock.h"
#include "marks.h"

/* The caller holds a writer's count on @cb. */
void dirty_set(struct cache *c, cblock_t cb)
{
	struct cblock_entry *e = entry_of(c, cb);

	if (likely(atomic_read(&e->state) & BL_DIRTY))
		return;
	if (atomic_fetch_or(BL_DIRTY, &e->state) & BL_DIRTY)
		return;
	atomic_inc(&c->nr_dirty);
	c->policy->type->set_dirty(c->policy, cb);
}

/*
 * The caller has locked writers out and the last of them is gone.  Returns true if this was the
 * last dirty block of the cache.
 */
bool dirty_clear(struct cache *c, cblock_t cb)
{
	struct cblock_entry *e = entry_of(c, cb);

	if (!(atomic_fetch_andnot(BL_DIRTY, &e->state) & BL_DIRTY))
		return false;
	c->policy->type->clear_dirty(c->policy, cb);
	return atomic_dec_and_test(&c->nr_dirty);
}

/* Activation: no bio, and the policy is told by load_run() or load_mapping(). */
void dirty_load(struct cache *c, cblock_t cb)
{
	atomic_or(BL_DIRTY, &entry_of(c, cb)->state);
	atomic_inc(&c->nr_dirty);
	marks_publish(c, cb, true);
}

/* For the clean shutdown: bits of cblocks 64 @index and up, lowest first. */
u64 dirty_word(void *ctx, u32 index)
{
	struct cache *c = ctx;
	u64 first = (u64)index * 64, word = 0;
	const struct cblock_entry *e = c->table.entries + first;
	unsigned int i, nr = first < c->nr_cblocks ? min_t(u64, c->nr_cblocks - first, 64) : 0;

	for (i = 0; i < nr; i++)
		word |= (u64)!!(atomic_read(&e[i].state) & BL_DIRTY) << i;
	return word;
}
