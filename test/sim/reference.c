// SPDX-License-Identifier: GPL-2.0-only
/*
 * reference.c - LRU, ARC and Belady's optimum, as the literature defines them.
 *
 * Yardsticks: they admit every miss at once and see every hit in order, as no policy of a kernel
 * can.  That their miss ratios are the published ones (run-tests) shows that the simulator reads
 * and splits requests rightly.  They are charged as core.c charges a policy.
 *
 * Blocks are numbered from 1; lists are circular, linked through the arrays of struct lists.
 */
#include "sim.h"

enum { LIST_T1, LIST_T2, LIST_B1, LIST_B2, LIST_NR, NOWHERE = LIST_NR };

struct lists {
	u32 *prev, *next;	/* LIST_NR heads, then the blocks */
	u8 *where;
	u32 size[LIST_NR + 1];
};

struct ref {
	const struct run *run;
	struct result *res;
	u32 *block;		/* of each reference, numbered from 0 in order of appearance */
	u8 *write;
	u32 *sectors;
	u64 nr;
	u32 nr_blocks;
	u8 *dirty;
};

static void lists_init(struct lists *l, u32 nr)
{
	u32 i;

	l->prev = malloc((nr + LIST_NR) * sizeof(u32));
	l->next = malloc((nr + LIST_NR) * sizeof(u32));
	l->where = malloc(nr + LIST_NR);
	memset(l->where, NOWHERE, nr + LIST_NR);
	memset(l->size, 0, sizeof(l->size));
	for (i = 0; i < LIST_NR; i++)
		l->prev[i] = l->next[i] = i;
}

static void lists_free(struct lists *l)
{
	free(l->prev);
	free(l->next);
	free(l->where);
}

/* @b leaves where it is, and becomes the most recent of @list. */
static void move_to(struct lists *l, u32 b, u8 list)
{
	u32 i = b + LIST_NR;

	if (l->where[i] != NOWHERE) {
		l->next[l->prev[i]] = l->next[i];
		l->prev[l->next[i]] = l->prev[i];
		l->size[l->where[i]]--;
	}
	l->where[i] = list;
	if (list == NOWHERE)
		return;
	l->size[list]++;
	l->prev[i] = l->prev[list];
	l->next[i] = list;
	l->next[l->prev[list]] = i;
	l->prev[list] = i;
}

static u32 oldest(const struct lists *l, u8 list)
{
	return l->next[list] - LIST_NR;
}

static u8 where(const struct lists *l, u32 b)
{
	return l->where[b + LIST_NR];
}

/*----- the trace as a string of references -----*/

static void expand(struct ref *x)
{
	const struct trace *t = x->run->trace;
	u32 bs = x->run->block_sectors;
	u64 nr_oblocks = t->per_block ? t->origin_sectors : t->origin_sectors / bs + 1;
	u32 *number = calloc(nr_oblocks, sizeof(*number));
	u64 i, total;
	u32 j;

	trace_footprint(t, bs, &total);
	x->block = malloc(total * sizeof(*x->block));
	x->write = malloc(total);
	x->sectors = malloc(total * sizeof(*x->sectors));
	for (i = 0; i < t->nr; i++) {
		for (j = 0; j < request_pieces(t, &t->r[i], bs); j++) {
			struct piece p = request_piece(t, &t->r[i], bs, j);

			if (!number[p.oblock])
				number[p.oblock] = ++x->nr_blocks;
			x->block[x->nr] = number[p.oblock] - 1;
			x->write[x->nr] = t->r[i].write;
			x->sectors[x->nr++] = p.sectors;
		}
	}
	x->dirty = calloc(x->nr_blocks, 1);
	free(number);
}

/*----- the bill; there is no head to move, so no request is contiguous -----*/

static void charge(struct ref *x, double origin_sectors, double cache_sectors)
{
	const struct timing *t = x->run->timing;

	if (origin_sectors)
		x->res->us += t->origin_us + origin_sectors * t->origin_sector_us;
	if (cache_sectors)
		x->res->us += t->cache_us + cache_sectors * t->cache_sector_us;
}

static void hit(struct ref *x, u64 i)
{
	x->res->hits++;
	charge(x, 0, x->sectors[i]);
	x->dirty[x->block[i]] |= x->write[i];
}

/* The missed block comes in. */
static void miss(struct ref *x, u64 i)
{
	u32 bs = x->run->block_sectors;
	bool cheap = x->write[i] && x->sectors[i] == bs;

	x->res->misses++;
	x->res->promotions++;
	x->res->cheap += cheap;
	if (!cheap)
		charge(x, x->sectors[i], 0);
	charge(x, cheap ? 0 : bs, bs);
	x->dirty[x->block[i]] = cheap;
}

static void evict(struct ref *x, u32 b)
{
	x->res->demotions++;
	if (x->dirty[b]) {
		x->res->writebacks++;
		charge(x, x->run->block_sectors, x->run->block_sectors);
	}
	x->dirty[b] = 0;
}

/*----- LRU -----*/

static void lru(struct ref *x)
{
	struct lists l;
	u64 i;

	lists_init(&l, x->nr_blocks);
	for (i = 0; i < x->nr; i++) {
		u32 b = x->block[i];

		if (where(&l, b) == LIST_T1) {
			hit(x, i);
		} else {
			if (l.size[LIST_T1] == x->run->cache_blocks) {
				evict(x, oldest(&l, LIST_T1));
				move_to(&l, oldest(&l, LIST_T1), NOWHERE);
			}
			miss(x, i);
		}
		move_to(&l, b, LIST_T1);
	}
	lists_free(&l);
}

/*----- ARC: recency in T1, frequency in T2, what each has lost in B1 and B2 -----*/

static void arc_replace(struct ref *x, struct lists *l, double target, bool in_b2)
{
	u8 from = LIST_T2;

	if (l->size[LIST_T1] &&
	    (l->size[LIST_T1] > target || (in_b2 && l->size[LIST_T1] == (u32)target)))
		from = LIST_T1;
	if (!l->size[from])
		from = from == LIST_T1 ? LIST_T2 : LIST_T1;
	evict(x, oldest(l, from));
	move_to(l, oldest(l, from), from == LIST_T1 ? LIST_B1 : LIST_B2);
}

static void arc_forget(struct lists *l, u8 list)
{
	move_to(l, oldest(l, list), NOWHERE);
}

/* A block that is in none of the four lists. */
static void arc_new(struct ref *x, struct lists *l, double target)
{
	u32 c = x->run->cache_blocks, total;
	u32 l1 = l->size[LIST_T1] + l->size[LIST_B1];

	total = l1 + l->size[LIST_T2] + l->size[LIST_B2];
	if (l1 == c) {
		if (l->size[LIST_T1] < c) {
			arc_forget(l, LIST_B1);
			arc_replace(x, l, target, false);
		} else {
			evict(x, oldest(l, LIST_T1));
			arc_forget(l, LIST_T1);
		}
	} else if (total >= c) {
		if (total == 2 * c)
			arc_forget(l, LIST_B2);
		arc_replace(x, l, target, false);
	}
}

static void arc(struct ref *x)
{
	double target = 0, c = x->run->cache_blocks;
	struct lists l;
	u64 i;

	lists_init(&l, x->nr_blocks);
	for (i = 0; i < x->nr; i++) {
		u32 b = x->block[i];
		double b1 = l.size[LIST_B1], b2 = l.size[LIST_B2];

		switch (where(&l, b)) {
		case LIST_T1:
		case LIST_T2:
			hit(x, i);
			move_to(&l, b, LIST_T2);
			continue;
		case LIST_B1:
			target = min(c, target + max(b2 / b1, 1.0));
			arc_replace(x, &l, target, false);
			move_to(&l, b, LIST_T2);
			break;
		case LIST_B2:
			target = max(0.0, target - max(b1 / b2, 1.0));
			arc_replace(x, &l, target, true);
			move_to(&l, b, LIST_T2);
			break;
		default:
			arc_new(x, &l, target);
			move_to(&l, b, LIST_T1);
		}
		miss(x, i);
	}
	lists_free(&l);
}

/*----- Belady: throws out what is wanted last -----*/

struct heap {
	u64 *key;	/* of a block: its next use */
	u32 *at;	/* the blocks, the largest key on top */
	u32 *pos;	/* of a block; U32_MAX: not in */
	u32 nr;
};

static void heap_set(struct heap *h, u32 i, u32 b)
{
	h->at[i] = b;
	h->pos[b] = i;
}

static void heap_up(struct heap *h, u32 i, u32 b)
{
	while (i && h->key[h->at[(i - 1) / 2]] < h->key[b]) {
		heap_set(h, i, h->at[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_set(h, i, b);
}

static u32 heap_pop(struct heap *h)
{
	u32 top = h->at[0], b = h->at[--h->nr], i = 0, child;

	h->pos[top] = U32_MAX;
	if (!h->nr)
		return top;
	while ((child = 2 * i + 1) < h->nr) {
		if (child + 1 < h->nr && h->key[h->at[child + 1]] > h->key[h->at[child]])
			child++;
		if (h->key[h->at[child]] <= h->key[b])
			break;
		heap_set(h, i, h->at[child]);
		i = child;
	}
	heap_set(h, i, b);
	return top;
}

static u64 *next_uses(const struct ref *x)
{
	u64 *next = malloc(x->nr * sizeof(*next)), *last = malloc(x->nr_blocks * sizeof(*last)), i;

	for (i = 0; i < x->nr_blocks; i++)
		last[i] = U64_MAX;
	for (i = x->nr; i--; ) {
		next[i] = last[x->block[i]];
		last[x->block[i]] = i;
	}
	free(last);
	return next;
}

static void belady(struct ref *x)
{
	struct heap h = {
		.key = malloc(x->nr_blocks * sizeof(u64)),
		.at = malloc(x->nr_blocks * sizeof(u32)),
		.pos = malloc(x->nr_blocks * sizeof(u32)),
	};
	u64 *next = next_uses(x), i;

	memset(h.pos, 0xff, x->nr_blocks * sizeof(u32));
	for (i = 0; i < x->nr; i++) {
		u32 b = x->block[i];

		h.key[b] = next[i];
		if (h.pos[b] != U32_MAX) {
			hit(x, i);
			heap_up(&h, h.pos[b], b);
			continue;
		}
		if (h.nr == x->run->cache_blocks)
			evict(x, heap_pop(&h));
		miss(x, i);
		heap_up(&h, h.nr++, b);
	}
	free(next);
	free(h.key);
	free(h.at);
	free(h.pos);
}

static const struct {
	const char *name;
	void (*run)(struct ref *x);
} references[] = {
	{ "ref-lru", lru },
	{ "ref-arc", arc },
	{ "ref-belady", belady },
};

bool sim_reference(const struct run *run, struct result *res)
{
	struct ref x = { .run = run, .res = res };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(references); i++) {
		if (strcmp(references[i].name, run->policy))
			continue;
		expand(&x);
		references[i].run(&x);
		res->references = x.nr;
		free(x.block);
		free(x.write);
		free(x.sectors);
		free(x.dirty);
		return true;
	}
	return false;
}
