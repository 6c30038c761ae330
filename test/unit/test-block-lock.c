// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-block-lock.c - block-lock.h and table.c under threads: no bio is in a block that a migration
 * has, each is in the block that it looked up, and no migration waits for ever.
 *
 * Threads are bios: each looks a block of the origin up, counts itself in its cblock or, for a
 * write that misses, in its slot, and looks around.  One thread is the engine: it writes blocks
 * back, takes them out of the cache and brings others in, and waits only for mg_drained().
 *
 * The core's own header is replaced by the little that block-lock.h needs of it.
 */
#include <pthread.h>
#include <sched.h>

#define DM_CACHE_H

#include "block-types.h"
#include "table.h"
#include "unit.h"
#include <linux/atomic.h>

struct cache {
	struct mapping_table table;
	atomic_t *slots;
	u32 slot_mask;
};

static inline struct cblock_entry *entry_of(struct cache *c, cblock_t cb)
{
	return c->table.entries + from_cblock(cb);
}

static inline cblock_t cblock_of(struct cache *c, const struct cblock_entry *e)
{
	return to_cblock(e - c->table.entries);
}

static void mg_drained(struct cache *c, u32 slot);

#include "block-lock.h"

#define NR_CBLOCKS 4
#define NR_OBLOCKS 12
#define NR_SLOTS 4
#define THREADS 3
#define ROUNDS 40000

static atomic_t slots[NR_SLOTS];
static struct cache cache = { .slots = slots, .slot_mask = NR_SLOTS - 1 };
static atomic_t kicked, stop;

/* Of the model: which bios are where. */
static atomic_t readers[NR_CBLOCKS], writers[NR_CBLOCKS], missing[NR_OBLOCKS];
static u64 owner[NR_CBLOCKS];			/* the oblock whose data a cblock has */
static bool barred[NR_CBLOCKS];		/* to writers */
static atomic_t turns[THREADS];			/* bios that each thread is through with */
static atomic_t running;
static atomic_t faults, lost, hits, misses, parked;

static void mg_drained(struct cache *c, u32 slot)
{
	atomic_xchg(&kicked, 1);
}

static void look(bool ok)
{
	if (!ok)
		atomic_inc(&faults);
}

/*----- bios -----*/

static void hit(struct cblock_entry *e, u32 cb, u64 ob, u32 unit, u32 x)
{
	const bool write = unit == BL_WRITER;
	u32 i;

	atomic_inc(write ? &writers[cb] : &readers[cb]);
	for (i = 0; i < x % 8; i++) {
		look(READ_ONCE(owner[cb]) == ob && !(write && READ_ONCE(barred[cb])));
		if (x % 128 < 2)
			sched_yield();
	}
	atomic_dec(write ? &writers[cb] : &readers[cb]);
	block_put(&cache, e, unit);
	atomic_inc(&hits);
}

static void write_miss(u64 ob, u32 x)
{
	const u32 slot = slot_of(&cache, to_oblock(ob));
	cblock_t cb;
	u32 i;

	if (!miss_tryget(&cache, slot)) {
		atomic_inc(&parked);
		return;
	}
	if (!table_lookup(&cache.table, to_oblock(ob), &cb)) {
		atomic_inc(&missing[ob]);
		for (i = 0; i < x % 8; i++) {
			look(!table_lookup(&cache.table, to_oblock(ob), &cb));
			if (x % 128 < 2)
				sched_yield();
		}
		atomic_dec(&missing[ob]);
		atomic_inc(&misses);
	}
	miss_put(&cache, slot);
}

static void *bios(void *arg)
{
	const unsigned long me = (unsigned long)arg;
	u32 n, x = (u32)me * 2654435761U + 40503, unit;
	struct cblock_entry *e;
	cblock_t cb;
	u64 ob;

	for (n = 0; n < ROUNDS && !atomic_read(&lost); n++, atomic_inc(&turns[me])) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		ob = (x >> 8) % NR_OBLOCKS;
		unit = x & 1 ? BL_WRITER : BL_READER;
		if (!table_lookup(&cache.table, to_oblock(ob), &cb)) {
			if (unit == BL_WRITER)
				write_miss(ob, x >> 12);
			continue;
		}
		/* Now the block may go, and another come in its place. */
		if (x % 32 < 2)
			sched_yield();
		e = entry_of(&cache, cb);
		if (block_tryget(&cache, e, to_oblock(ob), unit) == BL_OK)
			hit(e, from_cblock(cb), ob, unit, x >> 12);
		else
			atomic_inc(&parked);
	}
	atomic_dec(&running);
	return NULL;
}

/*----- the engine -----*/

/* Each thread has ended the bio that it was at when @then was noted, or is through with all. */
static bool all_went_on(const int *then)
{
	u32 i;

	for (i = 0; i < THREADS; i++)
		if (atomic_read(&running) && atomic_read(&turns[i]) == then[i])
			return false;
	return true;
}

/*
 * Looks only when it is kicked, as the core's.  False: all bios were out, each thread has been
 * through with another bio since, and none has said so.
 */
static bool wait_drained(bool (*drained)(u32), u32 what)
{
	bool out = drained(what), seen = false;
	int then[THREADS];
	u32 i;

	while (!out) {
		if (atomic_xchg(&kicked, 0)) {
			out = drained(what);
			seen = false;
		} else if (seen && all_went_on(then) && !atomic_read(&kicked)) {
			return false;
		} else if (!seen && drained(what)) {
			seen = true;
			for (i = 0; i < THREADS; i++)
				then[i] = atomic_read(&turns[i]);
		}
		sched_yield();
	}
	return true;
}

static bool all_out(u32 cb)
{
	return block_drained(cache.table.entries + cb, BL_LOCKED);
}

static bool writers_out(u32 cb)
{
	return block_drained(cache.table.entries + cb, BL_NO_WRITE);
}

static bool slot_out(u32 slot)
{
	return slot_drained(&cache, slot);
}

static bool write_back(u32 cb)
{
	struct cblock_entry *e = cache.table.entries + cb;

	block_lock(e, BL_NO_WRITE);
	if (!wait_drained(writers_out, cb))
		return false;
	WRITE_ONCE(barred[cb], true);
	look(!atomic_read(&writers[cb]));
	sched_yield();
	look(!atomic_read(&writers[cb]));
	WRITE_ONCE(barred[cb], false);
	block_unlock(e, BL_NO_WRITE);
	return true;
}

static bool demote(u32 cb)
{
	struct cblock_entry *e = cache.table.entries + cb;

	block_lock(e, BL_LOCKED);
	if (!wait_drained(all_out, cb))
		return false;
	look(!atomic_read(&readers[cb]) && !atomic_read(&writers[cb]));
	table_remove(&cache.table, to_cblock(cb));
	WRITE_ONCE(owner[cb], NO_OBLOCK);
	sched_yield();
	look(!atomic_read(&readers[cb]) && !atomic_read(&writers[cb]));
	block_unlock(e, BL_LOCKED);
	return true;
}

static bool promote(u32 cb, u64 ob)
{
	const u32 slot = slot_of(&cache, to_oblock(ob));

	slot_claim(&cache, slot);
	if (!wait_drained(slot_out, slot))
		return false;
	look(!atomic_read(&missing[ob]));
	sched_yield();
	look(!atomic_read(&missing[ob]));
	WRITE_ONCE(owner[cb], ob);
	table_insert(&cache.table, to_cblock(cb), to_oblock(ob));
	slot_unclaim(&cache, slot);
	return true;
}

static void *engine(void *unused)
{
	u32 x = 88172645, cb;
	cblock_t other;
	bool ok = true;
	u64 ob;

	while (ok && !atomic_read(&stop)) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		cb = x % NR_CBLOCKS;
		ob = (x >> 8) % NR_OBLOCKS;
		if (owner[cb] == NO_OBLOCK) {
			if (!table_lookup(&cache.table, to_oblock(ob), &other))
				ok = promote(cb, ob);
		} else if (x & 1024) {
			ok = write_back(cb);
		} else {
			ok = demote(cb);
		}
	}
	if (!ok)
		atomic_inc(&lost);
	return NULL;
}

static void test_exclusion(void)
{
	pthread_t threads[THREADS], e;
	unsigned long i;

	CHECK_OK(table_init(&cache.table, NR_CBLOCKS, NR_OBLOCKS));
	for (i = 0; i < NR_CBLOCKS; i++)
		owner[i] = NO_OBLOCK;
	atomic_set(&running, THREADS);
	CHECK_OK(pthread_create(&e, NULL, engine, NULL));
	for (i = 0; i < THREADS; i++)
		CHECK_OK(pthread_create(&threads[i], NULL, bios, (void *)i));
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	atomic_set(&stop, 1);
	pthread_join(e, NULL);

	unit_note("%d hits, %d write misses, %d parked", atomic_read(&hits), atomic_read(&misses),
		  atomic_read(&parked));
	CHECK_EQ(atomic_read(&faults), 0);
	CHECK_EQ(atomic_read(&lost), 0);
	for (i = 0; i < NR_CBLOCKS; i++)
		CHECK(!(atomic_read(&cache.table.entries[i].state) & (BL_READERS | BL_WRITERS)));
	for (i = 0; i < NR_SLOTS; i++)
		CHECK_EQ(atomic_read(&slots[i]), 0);
	CHECK(atomic_read(&hits) > 100 && atomic_read(&misses) > 100);
	table_exit(&cache.table);
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "block lock: bios and migrations exclude each other, under three threads", test_exclusion },
		{ }
	};

	return unit_main(argc, argv, tests);
}
