// SPDX-License-Identifier: GPL-2.0-only
/*
 * core.c - dm-cache in miniature: one policy, one trace, and the bill.
 *
 * It does what the kernel's side does (src/map.c, src/engine.c), but at once: a promotion that the
 * policy asks for is finished before the next request.  Each request is charged to the device that
 * serves it, each copy to both.  The clock that policies see through tick() is the time the devices
 * were busy, or the one in the trace if that is ahead.
 */
#include "sim.h"

#define NOT_CACHED	U32_MAX
#define WORK_MAX	64	/* pieces of work between two requests */
#define IDLE_WORK_MAX	4096	/* in a gap */
#define RESERVE_MOST	256	/* as src/reserve.h */
#define GRANULE_SECTORS	8	/* or 1/256 of a block, as src/partial.c */

/* Of a partial block: which granules are in the cache.  @nr is 0 for others. */
struct valid {
	u64 bits[4];
	u32 nr;			/* granules of the block */
	bool wanted;		/* a read had to go to the origin once */
};

struct dmc_policy_type *sim_types[64];
unsigned int sim_nr_types;

int dmc_policy_register(struct dmc_policy_type *type)
{
	if (sim_nr_types == ARRAY_SIZE(sim_types) || sim_type(type->name))
		return -EEXIST;
	sim_types[sim_nr_types++] = type;
	return 0;
}

void dmc_policy_unregister(struct dmc_policy_type *type)
{
}

struct dmc_policy_type *sim_type(const char *name)
{
	unsigned int i;

	for (i = 0; i < sim_nr_types; i++)
		if (!strcmp(sim_types[i]->name, name))
			return sim_types[i];
	return NULL;
}

struct sim {
	struct dmc_mappings map;
	const struct run *run;
	struct result *res;
	struct dmc_policy_type *type;
	struct dmc_policy *p;
	u64 nr_oblocks;
	u32 *cblock;		/* of an oblock */
	u64 *oblock;		/* of a cblock */
	u8 *dirty;
	u32 *free;
	u32 nr_free;
	struct valid *valid;	/* of a cblock; NULL if there are no partial blocks */
	u32 granule;		/* sectors */
	u32 nr_partial;
	u32 limit;		/* of those */
	u32 owed;		/* free blocks that the policy has made, and not used */
	u64 origin_next;	/* the sector after the last one that the origin served */
	double now_us;
	u64 ticks;
};

static oblock_t sim_oblock_of(const struct dmc_mappings *map, cblock_t cblock)
{
	return to_oblock(container_of(map, struct sim, map)->oblock[from_cblock(cblock)]);
}

static bool sim_lookup(const struct dmc_mappings *map, oblock_t oblock, cblock_t *cblock)
{
	const struct sim *s = container_of(map, struct sim, map);
	u32 cb = from_oblock(oblock) < s->nr_oblocks ? s->cblock[from_oblock(oblock)] : NOT_CACHED;

	*cblock = to_cblock(cb);
	return cb != NOT_CACHED;
}

/*----- the bill -----*/

static void charge(struct sim *s, double us)
{
	s->res->us += us;
	s->now_us += us;
}

static void origin_io(struct sim *s, u64 sector, u32 sectors)
{
	const struct timing *t = s->run->timing;

	charge(s, (sector == s->origin_next ? t->origin_contiguous_us : t->origin_us) +
		  sectors * t->origin_sector_us);
	s->origin_next = sector + sectors;
}

static void cache_io(struct sim *s, u32 sectors)
{
	charge(s, s->run->timing->cache_us + sectors * s->run->timing->cache_sector_us);
}

static void copy(struct sim *s, u64 oblock)
{
	origin_io(s, oblock * s->run->block_sectors, s->run->block_sectors);
	cache_io(s, s->run->block_sectors);
}

/*----- partial blocks: src/partial.c, map-partial.c -----*/

static bool is_partial(const struct sim *s, u32 cb)
{
	return s->valid && s->valid[cb].nr;
}

static bool granule_valid(const struct valid *v, u32 i)
{
	return v->bits[i / 64] >> i % 64 & 1;
}

static u32 end_of_run(const struct valid *v, u32 i, u32 end)
{
	const bool valid = granule_valid(v, i);

	while (i < end && granule_valid(v, i) == valid)
		i++;
	return i;
}

static void not_partial(struct sim *s, u32 cb)
{
	if (is_partial(s, cb)) {
		s->nr_partial--;
		memset(&s->valid[cb], 0, sizeof(s->valid[cb]));
	}
}

/* Copies what is @valid, or what is not, between the devices, a run of granules at a time. */
static void copy_runs(struct sim *s, u32 cb, bool valid)
{
	const struct valid *v = &s->valid[cb];
	u32 i, end;

	for (i = 0; i < v->nr; i = end) {
		end = end_of_run(v, i, v->nr);
		if (granule_valid(v, i) != valid)
			continue;
		origin_io(s, s->oblock[cb] * s->run->block_sectors + i * s->granule,
			  (end - i) * s->granule);
		cache_io(s, (end - i) * s->granule);
	}
}

static void fill(struct sim *s, u32 cb)
{
	copy_runs(s, cb, false);
	not_partial(s, cb);
	s->res->filled++;
}

/* Of a piece within its block. */
static u32 first_granule(const struct sim *s, const struct piece *x)
{
	return (x->sector - x->oblock * s->run->block_sectors) / s->granule;
}

static u32 end_granule(const struct sim *s, const struct piece *x)
{
	return DIV_ROUND_UP(x->sector - x->oblock * s->run->block_sectors + x->sectors, s->granule);
}

static bool whole_granules(const struct sim *s, const struct piece *x)
{
	const u64 offset = x->sector - x->oblock * s->run->block_sectors;

	return !(offset % s->granule) && !((offset + x->sectors) % s->granule);
}

static void write_partial(struct sim *s, const struct piece *x, u32 cb)
{
	struct valid *v = &s->valid[cb];
	u32 i;

	if (!whole_granules(s, x))
		fill(s, cb);
	cache_io(s, x->sectors);
	if (!is_partial(s, cb))
		return;
	for (i = first_granule(s, x); i < end_granule(s, x); i++)
		v->bits[i / 64] |= 1ULL << i % 64;
	if (granule_valid(v, 0) && end_of_run(v, 0, v->nr) == v->nr)
		not_partial(s, cb);
}

/* What is there from the cache, the rest from the origin; when that comes again, a fill. */
static void read_partial(struct sim *s, const struct piece *x, u32 cb)
{
	struct valid *v = &s->valid[cb];
	u32 i, end, last = end_granule(s, x);
	bool missed = false;

	for (i = first_granule(s, x); i < last; i = end) {
		end = end_of_run(v, i, last);
		if (granule_valid(v, i)) {
			cache_io(s, (end - i) * s->granule);
			continue;
		}
		origin_io(s, x->oblock * s->run->block_sectors + i * s->granule,
			  (end - i) * s->granule);
		missed = true;
	}
	s->res->hits -= missed;
	s->res->misses += missed;
	if (missed && v->wanted)
		fill(s, cb);
	else
		v->wanted |= missed;
}

static bool may_allocate(const struct sim *s, const struct piece *x)
{
	return s->nr_partial < s->limit && s->nr_free > 1 && whole_granules(s, x) &&
	       x->sectors < s->run->block_sectors;
}

/* The policy wants it. */
static void allocate(struct sim *s, const struct piece *x)
{
	const u32 cb = s->free[--s->nr_free];

	s->type->allocated(s->p, to_cblock(cb), to_oblock(x->oblock), true);
	s->cblock[x->oblock] = cb;
	s->oblock[cb] = x->oblock;
	s->dirty[cb] = 1;
	s->valid[cb] = (struct valid){ .nr = s->run->block_sectors / s->granule };
	s->nr_partial++;
	s->res->allocated++;
	write_partial(s, x, cb);
}

/*----- work -----*/

static void writeback(struct sim *s, u32 cb)
{
	if (is_partial(s, cb))
		copy_runs(s, cb, true);
	else
		copy(s, s->oblock[cb]);
	s->res->writebacks++;
	s->dirty[cb] = 0;
	s->type->clear_dirty(s->p, to_cblock(cb));
}

static void unmap(struct sim *s, u32 cb)
{
	s->res->dropped += is_partial(s, cb);
	not_partial(s, cb);
	s->cblock[s->oblock[cb]] = NOT_CACHED;
	s->oblock[cb] = U64_MAX;
	s->free[s->nr_free++] = cb;
}

static void promote(struct sim *s, struct dmc_work *w, bool covered)
{
	u64 ob = from_oblock(w->oblock);
	u32 cb = s->free[--s->nr_free];

	if (!covered)
		copy(s, ob);
	s->cblock[ob] = cb;
	s->oblock[cb] = ob;
	w->cblock = to_cblock(cb);
	s->res->promotions++;
	s->res->cheap += covered;
	s->type->work_done(s->p, w, true);
}

static void do_work(struct sim *s, struct dmc_work *w)
{
	u32 cb = from_cblock(w->cblock);
	bool goes = false;

	switch (w->op) {
	case DMC_OP_PROMOTE:
		shim_assert(s->nr_free && s->cblock[from_oblock(w->oblock)] == NOT_CACHED);
		s->owed -= s->owed != 0;
		promote(s, w, false);
		return;
	case DMC_OP_DEMOTE:
		shim_assert(s->oblock[cb] == from_oblock(w->oblock));
		if (s->dirty[cb])
			writeback(s, cb);
		unmap(s, cb);
		s->owed++;
		s->res->demotions++;
		break;
	case DMC_OP_MAKE_ROOM:
		shim_assert(s->oblock[cb] == from_oblock(w->oblock) && !s->dirty[cb]);
		unmap(s, cb);
		s->res->made_room++;
		break;
	case DMC_OP_WRITEBACK:
		shim_assert(s->oblock[cb] == from_oblock(w->oblock) && s->dirty[cb]);
		goes = is_partial(s, cb);
		writeback(s, cb);
		if (goes)
			unmap(s, cb);
		break;
	}
	s->type->work_done(s->p, w, true);
	/* A partial block that is written back goes, though the policy did not ask for that. */
	if (goes)
		s->type->invalidate(s->p, w->cblock);
}

/* Free blocks that are kept for partial ones, and those that are not: src/reserve.c. */
static u32 reserve(const struct sim *s)
{
	return min((u32)RESERVE_MOST, s->limit / 4);
}

static u32 spared(const struct sim *s)
{
	const u32 reserved = reserve(s);

	return max(s->nr_free > reserved ? s->nr_free - reserved : 0, min(s->nr_free, s->owed));
}

static void make_room(struct sim *s)
{
	const u32 wanted = min(reserve(s), s->limit - min(s->nr_partial, s->limit));
	struct dmc_work w;

	if (s->nr_free >= DIV_ROUND_UP(wanted, 2))
		return;
	while (s->nr_free < wanted && !s->type->make_room(s->p, &w))
		do_work(s, &w);
}

static void ask(struct sim *s, bool idle, u32 most)
{
	struct dmc_work w;

	while (most-- && !s->type->next_work(s->p, idle, spared(s), &w))
		do_work(s, &w);
	make_room(s);
}

/*----- requests -----*/

static void write_into(struct sim *s, u32 cb)
{
	if (s->dirty[cb])
		return;
	s->dirty[cb] = 1;
	s->type->set_dirty(s->p, to_cblock(cb));
}

static void miss(struct sim *s, const struct piece *x, bool write)
{
	/* A read that covers the block needs a copy all the same: the data goes to its reader. */
	bool covered = write && x->sectors == s->run->block_sectors;
	struct dmc_work w = { .op = DMC_OP_PROMOTE, .oblock = to_oblock(x->oblock) };
	bool partial = write && may_allocate(s, x);
	enum dmc_advice advice;

	s->res->misses++;
	advice = s->type->miss(s->p, w.oblock, write ? DMC_WRITE : DMC_READ, x->sector, x->sectors,
			       write && s->nr_free,
			       partial || covered ? s->nr_free : spared(s));
	if (advice == DMC_PROMOTE && partial) {
		allocate(s, x);
		return;
	}
	if (advice == DMC_PROMOTE) {
		/*
		 * What it does not cover is copied first; the write waits, and does not reach the
		 * origin.
		 */
		promote(s, &w, covered);
		cache_io(s, x->sectors);
		write_into(s, from_cblock(w.cblock));
		return;
	}
	origin_io(s, x->sector, x->sectors);
}

static void reference(struct sim *s, const struct piece *x, bool write)
{
	u32 cb = s->cblock[x->oblock];

	s->res->references++;
	if (cb == NOT_CACHED) {
		miss(s, x, write);
	} else {
		s->res->hits++;
		s->type->hit(s->p, to_cblock(cb), to_oblock(x->oblock),
			     write ? DMC_WRITE : DMC_READ, x->sectors);
		if (!is_partial(s, cb))
			cache_io(s, x->sectors);
		else if (write)
			write_partial(s, x, cb);
		else
			read_partial(s, x, cb);
		if (write)
			write_into(s, cb);
	}
	ask(s, false, WORK_MAX);
}

/* The clock moves on to the request's time; whole seconds tick. */
static void time_passes(struct sim *s, const struct request *r)
{
	double due = r->time_ms * 1000.0;

	if (due > s->now_us) {
		if (s->run->idle_ms && due - s->now_us >= s->run->idle_ms * 1000.0)
			ask(s, true, IDLE_WORK_MAX);
		s->now_us = max(s->now_us, due);
	}
	for (; s->ticks < (u64)(s->now_us / 1e6); s->ticks++)
		if (s->type->tick)
			s->type->tick(s->p);
}

static int set_up(struct sim *s)
{
	const struct trace *t = s->run->trace;
	u32 i, nr = s->run->cache_blocks, bs = s->run->block_sectors;
	const char *const *c;

	s->nr_oblocks = t->per_block ? t->origin_sectors : DIV_ROUND_UP(t->origin_sectors, bs) + 1;
	s->cblock = malloc(s->nr_oblocks * sizeof(*s->cblock));
	memset(s->cblock, 0xff, s->nr_oblocks * sizeof(*s->cblock));
	s->oblock = malloc(nr * sizeof(*s->oblock));
	memset(s->oblock, 0xff, nr * sizeof(*s->oblock));
	s->dirty = calloc(nr, 1);
	s->free = malloc(nr * sizeof(*s->free));
	for (i = 0; i < nr; i++)
		s->free[i] = nr - 1 - i;
	s->nr_free = nr;
	/* A trace of whole blocks has nothing that could be partial; a policy may not take part. */
	if (!t->per_block && s->type->make_room && s->type->allocated)
		s->limit = nr * s->run->write_allocate / 100;
	s->granule = max(GRANULE_SECTORS, bs / 256);
	if (s->limit)
		s->valid = calloc(nr, sizeof(*s->valid));
	s->origin_next = U64_MAX;

	s->map = (struct dmc_mappings){ .oblock_of = sim_oblock_of, .lookup = sim_lookup };
	s->p = s->type->create(&s->map, nr, s->nr_oblocks * bs, bs);
	if (IS_ERR(s->p))
		return PTR_ERR(s->p);
	for (c = s->run->config; c && *c; c += 2)
		if (!s->type->set_config || s->type->set_config(s->p, c[0], c[1]))
			return -EINVAL;
	return 0;
}

static void tear_down(struct sim *s)
{
	if (!IS_ERR_OR_NULL(s->p))
		s->type->destroy(s->p);
	free(s->cblock);
	free(s->oblock);
	free(s->dirty);
	free(s->free);
	free(s->valid);
}

void sim_policy(const struct run *run, struct result *res)
{
	struct sim s = { .run = run, .res = res, .type = sim_type(run->policy) };
	const struct trace *t = run->trace;
	double half_us = 0;
	u64 i;
	u32 j;

	res->error = set_up(&s);
	for (i = 0; i < t->nr && !res->error; i++) {
		u32 pieces = request_pieces(t, &t->r[i], run->block_sectors);

		if (i == t->nr / 2) {
			half_us = res->us;
			res->first_miss = res->misses;
		}
		time_passes(&s, &t->r[i]);
		for (j = 0; j < pieces; j++) {
			struct piece x = request_piece(t, &t->r[i], run->block_sectors, j);

			reference(&s, &x, t->r[i].write);
		}
	}
	res->warm_us = res->us - half_us;
	for (j = 0; j < run->cache_blocks; j++)
		res->dirty_at_end += s.dirty[j];
	tear_down(&s);
}
