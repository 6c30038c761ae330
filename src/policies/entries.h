/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * entries.h - a table of block entries, linked into lists and one hash by 32-bit indices.
 *
 * What a policy remembers of a block, in 24 bytes: pointers would double that, and a cache of a
 * few TiB has tens of millions of blocks.  The table is one array:
 *
 *	0 ................ nr_heads   list heads, which use only their links
 *	first_block ...... + nr       one entry for each cblock, found by its number
 *	first_extra ...... + nr       entries for blocks that are not in the cache, from a pool
 *
 * Lists are circular through their head, so an entry leaves its list without knowing which one it
 * is, and two lists join in O(1).  An entry that is on no list is linked to itself.  Index 0 is a
 * head and never hashed: in a hash chain it means the end.
 *
 * Called by the policies on all their paths.  Everything is protected by the policy's lock, except
 * the last four bytes of an entry: those are written by hits, without any lock.
 */
#ifndef DMC_ENTRIES_H
#define DMC_ENTRIES_H

#include <linux/hash.h>

#include "../block-types.h"

#define ENTRY_NIL 0U

enum entry_state {
	ENTRY_FREE,	/* holds no block */
	ENTRY_QUEUED,	/* holds one, and is on a queue of its level */
	ENTRY_WAITING,	/* extra only: a candidate for promotion */
	ENTRY_OWED,	/* extra only: a candidate for which a block is being evicted */
	ENTRY_BUSY,	/* named in work that is not done; on no list */
	ENTRY_PENALTY,	/* its last work failed: left alone for some ticks */
};

#define ENTRY_STATE_MASK	0x07
#define ENTRY_DIRTY		0x08	/* resident entries only */

struct entry {
	u32 prev, next;		/* a list */
	u32 chain;		/* the next in the hash chain */
	u32 oblock_lo;
	u16 oblock_hi;		/* an oblock has 48 bits */
	u8 state;		/* enum entry_state, and ENTRY_DIRTY */
	u8 epoch;		/* ageing of @hits is up to date with this one */

	/* Written by hits: relaxed, no lock.  Two at once may count as one. */
	u16 hits;		/* at most one a tick is counted; halved at each epoch */
	u8 tick;		/* the last one that was */
	u8 mark;		/* hit since somebody looked */
};

struct entries {
	struct entry *e;
	u32 *buckets;
	u8 hash_bits;
	u32 first_block;	/* index of cblock 0 */
	u32 first_extra;
	u32 nr_extra;
	u32 extra_used;		/* of those, ever handed out: no need to link millions at create */
	u32 extra_free;		/* returned ones, a stack linked by @chain */
};

/*
 * @hashed: entries are to be found by oblock.  Sums that would not fit the index are refused.  0,
 * -EINVAL or -ENOMEM with nothing held.  May sleep.
 */
int entries_init(struct entries *t, u32 nr_heads, u32 nr_blocks, u32 nr_extra, bool hashed);
void entries_exit(struct entries *t);

static inline enum entry_state entry_state(const struct entry *e)
{
	return e->state & ENTRY_STATE_MASK;
}

static inline void entry_set_state(struct entry *e, enum entry_state state)
{
	e->state = (e->state & ~ENTRY_STATE_MASK) | state;
}

static inline oblock_t entry_oblock(const struct entry *e)
{
	return to_oblock((u64)e->oblock_hi << 32 | e->oblock_lo);
}

static inline void entry_set_oblock(struct entry *e, oblock_t oblock)
{
	e->oblock_lo = (u32)from_oblock(oblock);
	e->oblock_hi = (u16)(from_oblock(oblock) >> 32);
}

/*----- lists -----*/

static inline void el_init(struct entries *t, u32 i)
{
	t->e[i].prev = i;
	t->e[i].next = i;
}

static inline bool el_empty(const struct entries *t, u32 head)
{
	return t->e[head].next == head;
}

/* The oldest one, or @head itself. */
static inline u32 el_oldest(const struct entries *t, u32 head)
{
	return t->e[head].next;
}

static inline void el_unlink(struct entries *t, u32 i)
{
	struct entry *e = &t->e[i];

	t->e[e->prev].next = e->next;
	t->e[e->next].prev = e->prev;
	el_init(t, i);
}

/* @i must be on no list. */
static inline void el_append(struct entries *t, u32 head, u32 i)
{
	u32 last = t->e[head].prev;

	t->e[i].prev = last;
	t->e[i].next = head;
	t->e[last].next = i;
	t->e[head].prev = i;
}

/* Everything on @from goes behind what @to has. */
static inline void el_join(struct entries *t, u32 to, u32 from)
{
	u32 first = t->e[from].next, last = t->e[from].prev, end = t->e[to].prev;

	if (first == from)
		return;

	t->e[end].next = first;
	t->e[first].prev = end;
	t->e[last].next = to;
	t->e[to].prev = last;
	el_init(t, from);
}

/*----- hash by oblock -----*/

static inline u32 *entries_bucket(const struct entries *t, oblock_t oblock)
{
	return &t->buckets[hash_64(from_oblock(oblock), t->hash_bits)];
}

/* The index of the entry that holds @oblock, resident or extra; ENTRY_NIL if there is none. */
static inline u32 entries_find(const struct entries *t, oblock_t oblock)
{
	u32 i;

	for (i = *entries_bucket(t, oblock); i != ENTRY_NIL; i = t->e[i].chain)
		if (from_oblock(entry_oblock(&t->e[i])) == from_oblock(oblock))
			break;
	return i;
}

static inline void entries_hash(struct entries *t, u32 i)
{
	u32 *bucket = entries_bucket(t, entry_oblock(&t->e[i]));

	t->e[i].chain = *bucket;
	*bucket = i;
}

static inline void entries_unhash(struct entries *t, u32 i)
{
	u32 *p = entries_bucket(t, entry_oblock(&t->e[i]));

	while (*p != i)
		p = &t->e[*p].chain;
	*p = t->e[i].chain;
	t->e[i].chain = ENTRY_NIL;
}

/*----- extra entries -----*/

static inline bool entries_is_extra(const struct entries *t, u32 i)
{
	return i >= t->first_extra;
}

/* A zeroed extra entry on no list, or ENTRY_NIL when all are in use. */
u32 entries_get_extra(struct entries *t);
/* @i must be off every list and out of the hash. */
void entries_put_extra(struct entries *t, u32 i);

#endif
