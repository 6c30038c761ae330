// SPDX-License-Identifier: GPL-2.0-only
/*
 * table.c - the mapping table: oblock -> cblock, read by every bio without a lock.
 *
 * Called by map.c (look-up, any context, many CPUs at once) and by migrate.c and activate.c
 * (changes; under migrations.lock or while no bio is there, so there is one writer).
 *
 * A hash table whose chains are linked by cblock index, one entry a cblock, all allocated at
 * load.  An entry is never freed while the cache is loaded, but it may be unlinked, and linked
 * into another chain, while a reader stands on it.  The reader is then carried into that other
 * chain.  It notices, because the end of each chain is marked with the chain's own number, and
 * starts again; insertion is at the head only, so a reader that ends in the right chain has
 * passed everything that was in it all along (the technique of the kernel's hlist_nulls lists).
 *
 * So: "not found" is right unless the oblock is mapped during the look-up, and "found" is a hint
 * that block_tryget() confirms.
 */
#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/prefetch.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "table.h"

/* Bit 31 marks the end of a chain; the other bits are the chain's number. */
#define CHAIN_END (1U << 31)

static u32 table_bucket(const struct mapping_table *t, u64 oblock)
{
	return (u64)hash_64(oblock, 32) * t->nr_buckets >> 32;
}

/* Of a block that readers do not count themselves in now. */
static void set_oblock(struct mapping_table *t, struct cblock_entry *e, u64 oblock)
{
	if (unlikely(t->high)) {
		WRITE_ONCE(t->high[e - t->entries], (u16)(oblock >> 32));
		smp_wmb();	/* a reader that sees the new @low sees its @high */
	}
	WRITE_ONCE(e->low, (u32)oblock);
}

int table_init(struct mapping_table *t, u32 nr_entries, u64 nr_oblocks)
{
	/*
	 * Three blocks a bucket: one look more than with one, and nearly three bytes less a block.
	 */
	const u32 nr_buckets = DIV_ROUND_UP(nr_entries, 3);
	struct cblock_entry *entries;
	u32 *buckets, i;

	t->nr_entries = nr_entries;
	t->nr_buckets = nr_buckets;
	atomic_set(&t->nr_mapped, 0);
	t->high = NULL;
	if (nr_oblocks > TABLE_UNMAPPED)
		t->high = vzalloc(array_size(nr_entries, sizeof(*t->high)));
	/*
	 * Not kvcalloc(): up to 4 MiB that rounds up to a power of two, and it refuses 2 GiB and
	 * more, which is 178,956,971 entries.
	 */
	t->entries = vzalloc(array_size(nr_entries, sizeof(*t->entries)));
	t->buckets = vzalloc(array_size(t->nr_buckets, sizeof(*t->buckets)));
	if (!t->entries || !t->buckets || (nr_oblocks > TABLE_UNMAPPED && !t->high)) {
		table_exit(t);
		return -ENOMEM;
	}

	entries = t->entries;
	for (i = 0; i < nr_entries; i++) {
		set_oblock(t, entries + i, NO_OBLOCK);
		if (!(i & 0xffff))
			cond_resched();
	}
	buckets = t->buckets;
	for (i = 0; i < nr_buckets; i++)
		buckets[i] = CHAIN_END | i;
	return 0;
}

void table_exit(struct mapping_table *t)
{
	vfree(t->high);
	vfree(t->entries);
	vfree(t->buckets);
	t->high = NULL;
	t->entries = NULL;
	t->buckets = NULL;
}

bool table_lookup(const struct mapping_table *t, oblock_t ob, cblock_t *cb)
{
	const u64 oblock = from_oblock(ob);
	const u32 b = table_bucket(t, oblock);
	u32 i;

	do {
		/* Pairs with the release in table_insert(): an entry reached is filled in. */
		i = smp_load_acquire(&t->buckets[b]);
		while (!(i & CHAIN_END)) {
			const struct cblock_entry *e = t->entries + i;

			if (table_holds(t, e, oblock)) {
				*cb = to_cblock(i);
				return true;
			}
			i = READ_ONCE(e->next);
		}
	} while (unlikely(i != (CHAIN_END | b)));

	return false;
}

void table_insert(struct mapping_table *t, cblock_t cb, oblock_t ob)
{
	struct cblock_entry *e = t->entries + from_cblock(cb);
	u32 *head = t->buckets + table_bucket(t, from_oblock(ob));

	WRITE_ONCE(e->next, *head);
	/*
	 * A reader that came to this entry by its old chain and sees the new oblock has found it;
	 * one that sees the old oblock and the new @next ends in another chain and starts again.
	 * So @next comes first.
	 */
	smp_wmb();
	set_oblock(t, e, from_oblock(ob));
	smp_store_release(head, from_cblock(cb));
	atomic_inc(&t->nr_mapped);
}

/* The chains of these blocks are all over the memory: ask for all of them, then use them. */
#define AT_A_TIME 16

u32 table_insert_run(struct mapping_table *t, const struct dmc_run *run)
{
	const u32 first = from_cblock(run->first);
	const oblock_t *oblocks = run->oblocks;
	struct cblock_entry *e = t->entries + first;
	u32 *buckets = t->buckets, *heads[AT_A_TIME];
	u16 *high = t->high ? t->high + first : NULL;
	u32 i, j, end, mapped = 0;

	for (i = 0; i < run->nr; i = end) {
		end = min(i + AT_A_TIME, run->nr);
		for (j = i; j < end; j++) {
			heads[j - i] = buckets + table_bucket(t, from_oblock(oblocks[j]));
			prefetchw(heads[j - i]);
		}
		for (j = i; j < end; j++) {
			const u64 oblock = from_oblock(oblocks[j]);
			u32 *head = heads[j - i];

			if (oblock == NO_OBLOCK)
				continue;
			e[j].next = *head;
			e[j].low = (u32)oblock;
			if (unlikely(high))
				high[j] = (u16)(oblock >> 32);
			*head = first + j;
			mapped++;
		}
	}
	atomic_add(mapped, &t->nr_mapped);
	return mapped;
}

void table_remove(struct mapping_table *t, cblock_t cb)
{
	struct cblock_entry *e = t->entries + from_cblock(cb);
	u32 *link = t->buckets + table_bucket(t, table_oblock(t, cb));

	while (!(*link & CHAIN_END) && *link != from_cblock(cb))
		link = &t->entries[*link].next;
	if (WARN_ON_ONCE(*link != from_cblock(cb)))
		return;

	WRITE_ONCE(*link, e->next);
	/* @next stays: a reader on this entry still has to find the end of its chain. */
	set_oblock(t, e, NO_OBLOCK);
	atomic_dec(&t->nr_mapped);
}
