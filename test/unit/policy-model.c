// SPDX-License-Identifier: GPL-2.0-only
/*
 * policy-model.c - a core in miniature; see policy-model.h.
 */
#include <linux/bitops.h>

#include "policy-model.h"
#include "unit.h"

struct dmc_policy_type *model_types[MODEL_TYPES_MAX];
unsigned int model_nr_types;

int dmc_policy_register(struct dmc_policy_type *type)
{
	if (model_type(type->name))
		return -EEXIST;
	model_types[model_nr_types++] = type;
	return 0;
}

void dmc_policy_unregister(struct dmc_policy_type *type)
{
	unsigned int i;

	for (i = 0; i < model_nr_types; i++)
		if (model_types[i] == type)
			model_types[i] = model_types[--model_nr_types];
}

struct dmc_policy_type *model_type(const char *name)
{
	unsigned int i;

	for (i = 0; i < model_nr_types; i++)
		if (!strcmp(model_types[i]->name, name))
			return model_types[i];
	return NULL;
}

static oblock_t oblock_of(const struct dmc_mappings *map, cblock_t cblock)
{
	const struct model *m = container_of(map, struct model, map);

	shim_assert(from_cblock(cblock) < m->nr);
	return to_oblock(m->oblock[from_cblock(cblock)]);
}

static bool lookup(const struct dmc_mappings *map, oblock_t oblock, cblock_t *cblock)
{
	const struct model *m = container_of(map, struct model, map);
	u64 ob = from_oblock(oblock);

	if (ob >= m->nr_oblocks || m->cblock[ob] == MODEL_NONE)
		return false;
	*cblock = to_cblock(m->cblock[ob]);
	return true;
}

static oblock_t no_oblock_of(const struct dmc_mappings *map, cblock_t cblock)
{
	return to_oblock(U64_MAX);
}

static bool no_lookup(const struct dmc_mappings *map, oblock_t oblock, cblock_t *cblock)
{
	return false;
}

const struct dmc_mappings model_no_mappings = {
	.oblock_of = no_oblock_of,
	.lookup = no_lookup,
};

static struct dmc_policy *create(const struct model *m)
{
	struct dmc_policy *p = m->type->create(&m->map, m->nr, m->nr_oblocks * MODEL_BLOCK_SECTORS,
					       MODEL_BLOCK_SECTORS);

	CHECK(p && !IS_ERR(p));
	CHECK(p->type == m->type);
	return p;
}

struct model *model_new(struct dmc_policy_type *type, u32 nr, u64 nr_oblocks)
{
	struct model *m = calloc(1, sizeof(*m));
	u32 i;

	m->type = type;
	m->nr = nr;
	m->nr_oblocks = nr_oblocks;
	m->map = (struct dmc_mappings){ .oblock_of = oblock_of, .lookup = lookup };
	m->oblock = malloc(nr * sizeof(*m->oblock));
	memset(m->oblock, 0xff, nr * sizeof(*m->oblock));
	m->cblock = malloc(nr_oblocks * sizeof(*m->cblock));
	memset(m->cblock, 0xff, nr_oblocks * sizeof(*m->cblock));
	m->dirty = calloc(nr, 1);
	m->busy = calloc(nr, 1);
	m->hints = calloc(nr, sizeof(*m->hints));
	m->coming = calloc(nr_oblocks, 1);
	m->free = malloc(nr * sizeof(*m->free));
	for (i = 0; i < nr; i++)
		m->free[i] = nr - 1 - i;
	m->nr_free = nr;
	m->p = create(m);
	return m;
}

void model_free(struct model *m)
{
	m->type->destroy(m->p);
	free(m->oblock);
	free(m->cblock);
	free(m->dirty);
	free(m->busy);
	free(m->hints);
	free(m->coming);
	free(m->free);
	free(m);
}

void model_check(struct model *m)
{
	CHECK_EQ(m->type->residency(m->p), m->nr_resident);
	CHECK_EQ(shim_locks_held(), 0);
}

/* All of them, in uneven portions.  They must not hang on how they are asked for. */
static void get_hints(struct model *m, u32 *hints)
{
	u32 i, nr;

	for (i = 0; m->type->hint_size && i < m->nr; i += nr) {
		nr = min(1 + unit_below(300), m->nr - i);
		m->type->get_hints(m->p, to_cblock(i), nr, hints + i);
	}
	for (i = 0; i < m->nr; i++)
		CHECK(m->oblock[i] != U64_MAX || !hints[i]);
}

/* As a clean shutdown: what is said to be unchanged must be as it was stored. */
static void save_hints(struct model *m)
{
	u32 *now = calloc(m->nr, sizeof(*now));
	u32 i, nr;

	get_hints(m, now);
	for (i = 0; m->type->hint_size && i < m->nr; i += nr) {
		nr = min(1 + unit_below(300), m->nr - i);
		if (m->type->hints_changed(m->p, to_cblock(i), nr))
			memcpy(m->hints + i, now + i, nr * sizeof(*now));
	}
	for (i = 0; m->type->hint_size && i < m->nr; i++)
		CHECK_MSG(m->oblock[i] == U64_MAX || m->hints[i] == now[i],
			  "hint of %u: stored %u, is %u, said to be unchanged", i, m->hints[i],
			  now[i]);
	free(now);
	if (m->type->hint_size) {
		m->type->hints_saved(m->p);
		CHECK(!m->type->hints_changed(m->p, to_cblock(0), m->nr));
	}
}

void model_suspend(struct model *m)
{
	model_complete_all(m);
	save_hints(m);
}

/*
 * As the core does: whole runs, if the policy takes them; now and then, as of old, block by block.
 */
static void load_run(struct model *m, u32 first, u32 nr, bool with_hints)
{
	unsigned long dirty[300 / (8 * sizeof(long)) + 1] = { 0 };
	oblock_t oblocks[300];
	struct dmc_run run = {
		.first = to_cblock(first),
		.nr = nr,
		.oblocks = oblocks,
		.hints = with_hints ? m->hints + first : NULL,
	};
	u32 i;

	for (i = 0; i < nr; i++) {
		oblocks[i] = to_oblock(m->oblock[first + i]);
		if (m->oblock[first + i] != U64_MAX && m->dirty[first + i]) {
			__set_bit(i, dirty);
			run.dirty = dirty;
		}
	}
	if (m->type->load_run && unit_below(4)) {
		CHECK_OK(m->type->load_run(m->p, &run));
		return;
	}
	for (i = 0; i < nr; i++)
		if (dmc_run_maps(&run, i))
			CHECK_OK(m->type->load_mapping(m->p, to_cblock(first + i), oblocks[i],
						       dmc_run_dirty(&run, i),
						       with_hints ? m->hints[first + i] : 0,
						       with_hints));
}

void model_restart(struct model *m, bool with_hints)
{
	u32 *hints = calloc(m->nr, sizeof(*hints));
	u32 i, nr;

	model_suspend(m);
	m->type->destroy(m->p);
	m->p = create(m);

	for (i = 0; i < m->nr; i += nr) {
		nr = min(1 + unit_below(300), m->nr - i);
		load_run(m, i, nr, with_hints);
	}
	model_check(m);
	if (with_hints && m->type->hint_size) {
		CHECK(!m->type->hints_changed(m->p, to_cblock(0), m->nr));
		get_hints(m, hints);
		for (i = 0; i < m->nr; i++)
			CHECK(m->oblock[i] == U64_MAX || hints[i] == m->hints[i]);
	}
	free(hints);
}

u32 model_hints_changed(struct model *m, u32 group)
{
	u32 i, n = 0;

	for (i = 0; i < m->nr; i += group)
		n += m->type->hints_changed(m->p, to_cblock(i), min(group, m->nr - i));
	return n;
}

void model_load(struct model *m, u32 cb, u64 ob, bool dirty, u32 hint, bool hint_valid)
{
	u32 i;

	CHECK_OK(m->type->load_mapping(m->p, to_cblock(cb), to_oblock(ob), dirty, hint,
				       hint_valid));
	if (hint_valid)
		m->hints[cb] = hint;
	m->oblock[cb] = ob;
	m->cblock[ob] = cb;
	m->dirty[cb] = dirty;
	m->nr_dirty += dirty;
	m->nr_resident++;
	for (i = m->nr_free - 1; m->free[i] != cb; i--)
		;
	m->free[i] = m->free[--m->nr_free];
	model_check(m);
}

/*----- work -----*/

static bool chance(unsigned int percent)
{
	return percent && unit_below(100) < percent;
}

static void done(struct model *m, const struct dmc_work *w, bool success)
{
	m->type->work_done(m->p, w, success);
	if (!success)
		m->failures++;
}

static void mark_dirty(struct model *m, u32 cb)
{
	if (m->dirty[cb])
		return;
	m->dirty[cb] = 1;
	m->nr_dirty++;
	m->type->set_dirty(m->p, to_cblock(cb));
}

static void mark_clean(struct model *m, u32 cb)
{
	if (!m->dirty[cb])
		return;
	m->dirty[cb] = 0;
	m->nr_dirty--;
	m->type->clear_dirty(m->p, to_cblock(cb));
}

static void unmap(struct model *m, u32 cb)
{
	m->cblock[m->oblock[cb]] = MODEL_NONE;
	m->oblock[cb] = U64_MAX;
	m->nr_resident--;
	m->free[m->nr_free++] = cb;
}

/* Free blocks that do not belong to the reserve. */
static u32 spared(const struct model *m)
{
	return max(m->nr_free > m->reserve ? m->nr_free - m->reserve : 0, min(m->nr_free, m->owed));
}

/* Starts what may be started; @dirty: the bio that is promoted with is a write. */
static void start(struct model *m, struct dmc_work w)
{
	if (w.op == DMC_OP_PROMOTE) {
		w.cblock = to_cblock(m->free[--m->nr_free]);
		m->coming[from_oblock(w.oblock)] = 1;
	} else {
		m->nr_leaving += w.op == DMC_OP_MAKE_ROOM;
		m->busy[from_cblock(w.cblock)] = w.op + 1;
	}
	m->work[m->nr_work++] = w;
}

static void end_promote(struct model *m, const struct dmc_work *w, bool success)
{
	u32 cb = from_cblock(w->cblock);
	u64 ob = from_oblock(w->oblock);
	bool early = m->surprises && chance(20);

	m->coming[ob] = 0;
	if (!success) {
		m->free[m->nr_free++] = cb;
		done(m, w, false);
		return;
	}
	m->nr_resident++;
	if (early)
		mark_dirty(m, cb);
	/* As the core: the policy is told before the block can be found, or after. */
	if (m->surprises && chance(50)) {
		done(m, w, true);
		m->oblock[cb] = ob;
		m->cblock[ob] = cb;
	} else {
		m->oblock[cb] = ob;
		m->cblock[ob] = cb;
		done(m, w, true);
	}
	if (m->surprises && chance(30))
		mark_dirty(m, cb);
	m->promotions++;
}

static void end_demote(struct model *m, const struct dmc_work *w, bool success)
{
	u32 cb = from_cblock(w->cblock);

	m->busy[cb] = 0;
	if (!success) {
		done(m, w, false);
		return;
	}
	mark_clean(m, cb);
	unmap(m, cb);
	done(m, w, true);
	m->demotions++;
}

static void end_work(struct model *m, u32 i)
{
	struct dmc_work w = m->work[i];
	bool success = !chance(m->fail_percent);

	m->work[i] = m->work[--m->nr_work];
	m->nr_leaving -= w.op == DMC_OP_MAKE_ROOM;
	if (w.op == DMC_OP_PROMOTE) {
		end_promote(m, &w, success);
	} else if (w.op == DMC_OP_DEMOTE || w.op == DMC_OP_MAKE_ROOM) {
		m->owed += success && w.op == DMC_OP_DEMOTE;
		end_demote(m, &w, success);
	} else {
		m->busy[from_cblock(w.cblock)] = 0;
		if (success) {
			mark_clean(m, from_cblock(w.cblock));
			if (m->surprises && chance(20))
				mark_dirty(m, from_cblock(w.cblock));
			m->writebacks++;
		}
		done(m, &w, success);
	}
	model_check(m);
}

void model_complete_one(struct model *m)
{
	if (m->nr_work)
		end_work(m, unit_below(m->nr_work));
}

void model_complete_all(struct model *m)
{
	while (m->nr_work)
		end_work(m, 0);
}

static void check_promote(struct model *m, u64 ob)
{
	CHECK_MSG(ob < m->nr_oblocks, "promote %llu: there is no such block", ob);
	CHECK_MSG(m->cblock[ob] == MODEL_NONE, "promote %llu: it is in the cache", ob);
	CHECK_MSG(!m->coming[ob], "promote %llu: it is being promoted", ob);
	CHECK_MSG(m->nr_free, "promote %llu: there is no free block", ob);
}

static void check_resident(struct model *m, const struct dmc_work *w)
{
	u32 cb = from_cblock(w->cblock);
	const char *op = w->op == DMC_OP_DEMOTE ? "demote" :
			 w->op == DMC_OP_MAKE_ROOM ? "make room with" : "write back";

	CHECK_MSG(cb < m->nr, "%s %u: there is no such block", op, cb);
	CHECK_MSG(m->oblock[cb] != U64_MAX, "%s %u: it is free", op, cb);
	CHECK_MSG(m->oblock[cb] == from_oblock(w->oblock), "%s %u: it holds %llu, not %llu", op,
		  cb, m->oblock[cb], from_oblock(w->oblock));
	CHECK_MSG(!m->busy[cb], "%s %u: it is busy", op, cb);
	if (w->op == DMC_OP_WRITEBACK)
		CHECK_MSG(m->dirty[cb], "write back %u: it is clean", cb);
	if (w->op == DMC_OP_MAKE_ROOM)
		CHECK_MSG(!m->dirty[cb], "make room with %u: it is dirty", cb);
}

static void refuse_or_start(struct model *m, const struct dmc_work *w)
{
	if (chance(m->refuse_percent)) {
		m->refusals++;
		done(m, w, false);
		model_check(m);
	} else {
		start(m, *w);
	}
}

void model_make_room(struct model *m)
{
	u32 refused = m->refusals;
	int err;

	while (m->type->make_room && m->nr_free + m->nr_leaving < m->reserve &&
	       m->nr_work < MODEL_INFLIGHT && refused == m->refusals) {
		struct dmc_work w = { .op = 99 };

		err = m->type->make_room(m->p, &w);
		model_check(m);
		if (err) {
			CHECK_EQ(err, DMC_NO_WORK);
			return;
		}
		CHECK_EQ(w.op, DMC_OP_MAKE_ROOM);
		check_resident(m, &w);
		refuse_or_start(m, &w);
	}
}

bool model_ask(struct model *m, bool idle)
{
	struct dmc_work w = { .op = 99 };
	int err;

	if (m->nr_work == MODEL_INFLIGHT)
		return false;

	err = m->type->next_work(m->p, idle, spared(m), &w);
	model_check(m);
	if (err) {
		CHECK_EQ(err, DMC_NO_WORK);
		return false;
	}

	CHECK(w.op == DMC_OP_PROMOTE || w.op == DMC_OP_DEMOTE || w.op == DMC_OP_WRITEBACK);
	if (w.op == DMC_OP_PROMOTE) {
		check_promote(m, from_oblock(w.oblock));
		m->owed -= m->owed != 0;
	} else {
		check_resident(m, &w);
	}
	refuse_or_start(m, &w);
	return true;
}

u32 model_pump(struct model *m, bool idle, u32 max)
{
	u32 n = 0;

	while (n < max && model_ask(m, idle)) {
		n++;
		model_complete_all(m);
	}
	return n;
}

/*----- bios -----*/

static void hit(struct model *m, u64 ob, enum dmc_dir dir, u32 sectors)
{
	u32 cb = m->cblock[ob];

	/* A bio waits for an eviction, a write for a writeback too. */
	if (m->busy[cb] == DMC_OP_DEMOTE + 1 || (m->busy[cb] && dir == DMC_WRITE))
		return;

	m->hits++;
	m->type->hit(m->p, to_cblock(cb), to_oblock(ob), dir, sectors);
	if (dir == DMC_WRITE)
		mark_dirty(m, cb);
	/* The core looked up before the block came in, and says so late. */
	if (m->surprises && chance(2))
		CHECK(m->type->miss(m->p, to_oblock(ob), dir, ob * MODEL_BLOCK_SECTORS, sectors,
				    false, m->nr_free) != DMC_PROMOTE);
}

static void allocate_now(struct model *m, u64 ob)
{
	bool success = !chance(m->fail_percent);
	u32 cb = m->free[m->nr_free - 1];

	m->type->allocated(m->p, to_cblock(cb), to_oblock(ob), success);
	if (!success)
		return;
	m->nr_free--;
	m->oblock[cb] = ob;
	m->cblock[ob] = cb;
	m->dirty[cb] = 1;
	m->nr_dirty++;
	m->nr_resident++;
	m->promotions++;
}

void model_access_at(struct model *m, u64 ob, enum dmc_dir dir, bool cheap, u64 sector, u32 sectors)
{
	struct dmc_work w = { .op = DMC_OP_PROMOTE, .oblock = to_oblock(ob) };
	u32 nr_free = cheap ? m->nr_free : spared(m);
	enum dmc_advice advice;

	if (m->cblock[ob] != MODEL_NONE) {
		hit(m, ob, dir, sectors);
		model_check(m);
		return;
	}

	m->misses++;
	if (m->surprises && chance(10))
		nr_free = unit_below(m->nr + 1);
	advice = m->type->miss(m->p, w.oblock, dir, sector, sectors, cheap, nr_free);
	CHECK(advice == DMC_LEAVE || advice == DMC_WORK || advice == DMC_PROMOTE);
	if (advice == DMC_PROMOTE) {
		CHECK(cheap);
		CHECK(!m->coming[ob]);
		if (!m->nr_free || m->nr_work == MODEL_INFLIGHT || chance(m->refuse_percent)) {
			done(m, &w, false);
			m->refusals++;
		} else if (m->at_once && dir == DMC_WRITE && m->type->allocated) {
			allocate_now(m, ob);
		} else {
			start(m, w);
		}
	}
	model_check(m);
}

void model_access(struct model *m, u64 ob, enum dmc_dir dir, bool cheap)
{
	model_access_at(m, ob, dir, cheap, ob * MODEL_BLOCK_SECTORS,
			cheap ? MODEL_BLOCK_SECTORS : 8);
}

void model_tick(struct model *m)
{
	if (m->type->tick)
		m->type->tick(m->p);
	model_check(m);
}

void model_invalidate_some(struct model *m)
{
	u32 cb = unit_below(m->nr);

	if (m->oblock[cb] == U64_MAX || m->busy[cb])
		return;
	if (chance(50)) {
		mark_clean(m, cb);
	} else if (m->dirty[cb]) {
		m->dirty[cb] = 0;	/* a lost block: it was not cleaned */
		m->nr_dirty--;
	}
	unmap(m, cb);
	m->type->invalidate(m->p, to_cblock(cb));
	model_check(m);
}

/*----- loads -----*/

const char *const model_load_names[LOAD_NR] = { "random", "zipf", "sequential", "loop" };

/* Each octave of ranks is as likely as the next, as with a density of 1/rank. */
u64 model_zipf(u64 n)
{
	unsigned int octaves = fls64(n);
	u64 rank;

	do {
		u64 first = 1ULL << unit_below(octaves);

		rank = first + unit_below(first) - 1;
	} while (rank >= n);
	return rank * 0x9E3779B1ULL % n;
}

u64 model_load_block(enum model_load load, u64 i, u64 n, u64 loop)
{
	switch (load) {
	case LOAD_ZIPF:
		return model_zipf(n);
	case LOAD_SEQUENTIAL:
		return i % n;
	case LOAD_LOOP:
		return i % min(loop, n);
	default:
		return unit_below(n);
	}
}
