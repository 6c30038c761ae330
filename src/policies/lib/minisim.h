/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * minisim.h - what would each way of admitting blocks have cost?  Tried on a sample, in memory.
 *
 * How often a missed block must have been asked for before it is worth a promotion has no single
 * answer: with large blocks and neighbours read one after the other the first miss pays; with
 * uniformly random load no promotion ever does.  So some *strategies* are tried all the time: each
 * has a cache in miniature, which holds no data, and serves a sample of the origin's blocks, chosen
 * by hash, with a share of the cache blocks as large as the sample.  Whichever has cost least
 * lately is what the policy does.
 *
 * Costs are in 256ths of a request to the origin: a hit costs nothing to speak of, a miss 256, a
 * promotion or the writeback of an evicted block one more request, and the transfer of a whole
 * block on both devices.
 *
 * On the bio's path: minisim_note_hit() puts a sampled block into a ring of this CPU, no
 * lock, and may lose some; miss() and tick() empty the rings, under the policy's lock, a few hits
 * and a few CPUs at a time.
 */
#ifndef DMC_MINISIM_H
#define DMC_MINISIM_H

#include <linux/compiler.h>
#include <linux/percpu.h>

#include "../../block-types.h"
#include "sketch.h"

#define MINISIM_WAYS		8
#define MINISIM_RING		64
#define MINISIM_RECENT	64
#define MINISIM_FORGETS	32	/* accesses a block, until counts are halved */
#define MINISIM_SETS_MAX	256

/*
 * A missed block is promoted if it was asked for as often, and more often than the block that has
 * to go.  Of two strategies that cost the same the first is used.
 */
enum strategy {
	WINDOW,		/* at once, but stays only if it passes as one asked for four times would */
	EVERY_MISS,		/* at once, and the block used least recently goes */
	THREE_TIMES,	/* whichever block has to go: one that was hot long ago keeps none out */
	TWICE,
	FOUR_TIMES,
	EIGHT_TIMES,
	IF_FREE,		/* while there are free blocks only */
	NR_STRATEGIES
};

struct minisim_way {
	u64 oblock;		/* plus one; 0: empty */
	bool dirty;
};

struct minisim_ring {
	u32 next;	/* counts the hits that were noted */
	u32 done;	/* so many of them were looked at */
	u64 oblock[MINISIM_RING];	/* plus one, and in the top bit: a write */
};

struct minisim {
	struct minisim_ring __percpu *rings;
	u32 cpu;		/* whose ring is next */
	u32 nr_empty;		/* rings that were found empty, one after the other */
	bool backlog;		/* the last drain ended in the middle of one */
	u8 sample_shift;	/* one in 2^so many blocks is in the sample */

	u64 recent[MINISIM_RECENT];	/* blocks asked for in this tick: they count once */
	struct sketch sketch;	/* of the sample */
	struct minisim_way *ways;	/* [strategy][set][way], the last used first */
	u32 nr_sets;
	u32 nr_ways;		/* of each set, MINISIM_WAYS at most */
	u32 copy_cost;
	u64 cost[NR_STRATEGIES];
	u32 accesses;		/* since the costs were halved */
	enum strategy best;
};

/* 0 or -ENOMEM; dmc_minisim_exit() copes with any part of it. */
int dmc_minisim_init(struct minisim *m, u32 nr_blocks, u64 block_sectors);
void dmc_minisim_exit(struct minisim *m);

static inline u64 minisim_hash(oblock_t oblock)
{
	u64 hash = (from_oblock(oblock) + 1) * 0xff51afd7ed558ccdULL;

	return (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53ULL;
}

static inline bool minisim_samples(const struct minisim *m, oblock_t oblock)
{
	return !m->sample_shift || !(minisim_hash(oblock) >> (64 - m->sample_shift));
}

/* Any context, no lock. */
static inline void minisim_note_hit(struct minisim *m, oblock_t oblock, bool write)
{
	struct minisim_ring *ring;
	u32 at;

	if (!minisim_samples(m, oblock))
		return;
	/* Moved to another CPU in between, we disturb one entry of its ring. */
	ring = raw_cpu_ptr(m->rings);
	at = READ_ONCE(ring->next);
	WRITE_ONCE(ring->oblock[at % MINISIM_RING],
		   (from_oblock(oblock) + 1) | (u64)write << 63);
	WRITE_ONCE(ring->next, at + 1);
}

/*
 * Under the lock.  Looks at some of the hits that were noted, and tells how many there were in all,
 * about.  Were that all?  A miss.
 */
u32 dmc_minisim_drain(struct minisim *m);
bool dmc_minisim_drained(const struct minisim *m);
void dmc_minisim_tick(struct minisim *m);
void dmc_minisim_miss(struct minisim *m, oblock_t oblock, bool write);

/* The answer of a strategy, in miniature and in the policy that uses it. */
static inline bool strategy_admits(enum strategy s, u32 wanted, u32 victim)
{
	switch (s) {
	case EVERY_MISS:
		return true;
	case THREE_TIMES:
		return wanted >= 3;
	case TWICE:
		return wanted >= 2 && wanted > victim;
	case WINDOW:
	case FOUR_TIMES:
		return wanted >= 4 && 2 * wanted > 3 * victim;
	case EIGHT_TIMES:
		return wanted >= 8 && wanted > victim + 5;
	default:
		return false;
	}
}

#endif
