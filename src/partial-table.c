// SPDX-License-Identifier: GPL-2.0-only
/*
 * partial-table.c - finds what is known of a partial block by the cblock it has.
 *
 * A hash table.  The memory of the blocks comes in chunks, which stay: any context that adds one
 * finds memory for it, or does without.
 *
 * Called by partial.c alone, which adds a chunk in time.  Locks: partials.making while the table is
 * made, since two messages may want that, and the activation, all at the same time; for the rest
 * partials.lock, which the caller holds.
 */
#include "dm-cache.h"
#include "partial.h"
#include "partial-table.h"
#include <linux/hash.h>
#include <linux/mm.h>

static int new_table(struct partials *p, u32 nr)
{
	struct partial_block **chunks;
	u32 *buckets, nr_buckets, i;

	nr_buckets = partial_buckets(nr);
	buckets = kvmalloc_array(nr_buckets, sizeof(*buckets), GFP_KERNEL);
	chunks = kvcalloc(partial_chunks(nr), sizeof(*chunks), GFP_KERNEL);
	if (!buckets || !chunks) {
		kvfree(buckets);
		kvfree(chunks);
		return -ENOMEM;
	}
	for (i = 0; i < nr_buckets; i++)
		buckets[i] = PARTIAL_NONE;
	spin_lock_irq(&p->lock);
	p->buckets = buckets;
	p->nr_buckets = nr_buckets;
	p->most_chunks = partial_chunks(nr);
	p->chunks = chunks;
	spin_unlock_irq(&p->lock);
	return 0;
}

int partial_table_make(struct partials *p, u32 nr)
{
	int r = 0;

	mutex_lock(&p->making);
	if (!p->chunks)
		r = new_table(p, nr);
	mutex_unlock(&p->making);
	return r;
}

static struct partial_block *block_at(const struct partials *p, u32 i)
{
	return &p->chunks[i / PARTIAL_CHUNK][i % PARTIAL_CHUNK];
}

void partial_table_grow(struct partials *p)
{
	struct partial_block *chunk;
	u32 i, first;

	if (p->nr_chunks == p->most_chunks)
		return;
	chunk = kvcalloc(PARTIAL_CHUNK, sizeof(*chunk), GFP_NOIO | __GFP_NOWARN);
	if (!chunk)
		return;
	first = p->nr_chunks * PARTIAL_CHUNK;
	for (i = 0; i < PARTIAL_CHUNK; i++)
		chunk[i].next = i + 1 < PARTIAL_CHUNK ? first + i + 1 : PARTIAL_NONE;
	spin_lock_irq(&p->lock);
	p->chunks[p->nr_chunks] = chunk;
	WRITE_ONCE(p->nr_chunks, p->nr_chunks + 1);
	chunk[PARTIAL_CHUNK - 1].next = p->free;
	p->free = first;
	spin_unlock_irq(&p->lock);
}

static u32 *chain_of(struct partials *p, u32 cblock)
{
	return &p->buckets[hash_32(cblock, 32) & (p->nr_buckets - 1)];
}

struct partial_block *partial_find(struct partials *p, u32 cblock)
{
	struct partial_block *b;
	u32 i;

	lockdep_assert_held(&p->lock);
	if (!p->chunks)
		return NULL;
	for (i = *chain_of(p, cblock); i != PARTIAL_NONE; i = b->next) {
		b = block_at(p, i);
		if (b->cblock == cblock)
			return b;
	}
	return NULL;
}

struct partial_block *partial_insert(struct partials *p, u32 cblock)
{
	u32 *chain = chain_of(p, cblock), i = p->free;
	struct partial_block *b;

	lockdep_assert_held(&p->lock);
	if (i == PARTIAL_NONE)
		return NULL;
	b = block_at(p, i);
	p->free = b->next;
	memset(b, 0, sizeof(*b));
	INIT_LIST_HEAD(&b->pending);
	b->cblock = cblock;
	b->next = *chain;
	*chain = i;
	p->nr++;
	return b;
}

void partial_remove(struct partials *p, struct partial_block *b)
{
	u32 *chain = chain_of(p, b->cblock), i = *chain;
	struct partial_block *prev;

	lockdep_assert_held(&p->lock);
	if (block_at(p, i) == b) {
		*chain = b->next;
	} else {
		do {
			prev = block_at(p, i);
			i = prev->next;
		} while (block_at(p, i) != b);
		prev->next = b->next;
	}
	b->next = p->free;
	p->free = i;
	p->nr--;
}
