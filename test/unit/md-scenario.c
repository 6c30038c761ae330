// SPDX-License-Identifier: GPL-2.0-only
#include "md-scenario.h"

#define NR 1100
#define GROWN 1700
#define SHRUNK 1018

static struct dmc_md_params params_of(const struct scenario *s, struct shim_disk *d)
{
	struct dmc_md_params p = md_params(d);

	p.format2 = s->format2;
	p.origin_blocks = ORIGIN_BLOCKS;
	return p;
}

struct shim_disk *scenario_disk(bool format2, struct model **m)
{
	struct scenario s = { .format2 = format2 };
	struct shim_disk *d = disk_create(128 * 8);
	struct dmc_md_params p = params_of(&s, d);
	struct dmc_md *md = md_open_ok(&p);
	struct dmc_md_shutdown shutdown;
	cblock_t busy;

	*m = model_create(NR);
	model_set_dblocks(*m, 1000, 64);
	/* The last ones are for change(): no origin block is mapped twice. */
	model_fill(*m, ORIGIN_BLOCKS - 2048, 50);
	CHECK_OK(dmc_md_resize(md, NR, &busy));
	CHECK_OK(md_insert_all(md, *m));
	shutdown = model_shutdown(*m);
	CHECK_OK(dmc_md_commit_clean(md, &shutdown));
	dmc_md_close(md);
	return d;
}

static void promised(struct scenario *s, bool clean)
{
	struct state *st = &s->states[s->nr_states++];

	shim_assert(s->nr_states <= SCENARIO_MAX_STATES);
	st->seq = disk_now();
	st->m = model_clone(s->m);
	st->clean = clean;
	s->in_commit = false;
}

void scenario_init(struct scenario *s, struct shim_disk *d, const struct model *m, bool format2)
{
	memset(s, 0, sizeof(*s));
	s->d = disk_clone(d);
	s->format2 = format2;
	s->m = model_clone(m);
	promised(s, true);
}

void scenario_free(struct scenario *s)
{
	unsigned int i;

	for (i = 0; i < s->nr_states; i++)
		model_free(s->states[i].m);
	model_free(s->m);
	disk_free(s->d);
}

/*----- the steps -----*/

static int open_and_load(struct scenario *s)
{
	struct dmc_md_params p = params_of(s, s->d);
	dmc_md_reason_t why;
	struct dmc_md *md = dmc_md_open(&p, &why);
	struct model *got;
	int r;

	if (IS_ERR(md))
		return PTR_ERR(md);
	s->md = md;
	got = model_load(md, &s->m->policy, &r);
	if (got) {
		const char *what = model_differs(s->m, got);

		model_free(got);
		CHECK_MSG(!what, "loaded: %s", what);
	}
	return r;
}

static int begin(struct scenario *s)
{
	int r;

	s->in_commit = true;
	s->clean_next = false;
	r = dmc_md_begin_changes(s->md);
	if (!r)
		promised(s, false);
	return r;
}

/* Deterministic changes that touch both array blocks. */
static int change(struct scenario *s, u32 salt)
{
	u32 i, cb, gone[12], nr = 0;
	int r = 0;

	for (i = 0; i < 12 && !r; i++) {
		cb = (i * 97 + salt * 31) % s->m->nr;
		if (s->m->oblock[cb] != NO_OBLOCK) {
			gone[nr++] = cb;
		} else {
			u64 ob = ORIGIN_BLOCKS - 1 - salt * 16 - i;

			r = dmc_md_insert(s->md, to_cblock(cb), to_oblock(ob));
			model_map(s->m, cb, ob, cb % 2);
		}
	}
	if (!r)
		r = dmc_md_remove_many(s->md, gone, nr);
	for (i = 0; i < nr && !r; i++)
		model_unmap(s->m, gone[i]);
	return r;
}

/* Some blocks become partial, or more or less so; some full. */
static int change_valid(struct scenario *s, u32 salt)
{
	u32 i, cb;
	int r = 0;

	for (i = 0; i < 12 && !r; i++) {
		cb = (i * 89 + salt * 29) % s->m->nr;
		if (s->m->oblock[cb] == NO_OBLOCK)
			continue;
		if (unit_below(3)) {
			model_make_partial(s->m, cb);
			r = dmc_md_set_dirty(s->md, to_cblock(cb), true);
			r = r ? r : dmc_md_set_valid(s->md, to_cblock(cb), s->m->valid[cb].words);
		} else {
			model_make_full(s->m, cb);
			r = dmc_md_set_valid(s->md, to_cblock(cb), NULL);
		}
	}
	return r;
}

/* All of them get full, or their mappings go; as if they had been filled or written back. */
static int drain(struct scenario *s)
{
	u32 i;
	int r = 0;

	for (i = 0; i < s->m->nr && !r; i++) {
		if (!model_is_partial(s->m, i))
			continue;
		if (i % 2) {
			r = dmc_md_remove(s->md, to_cblock(i));
			model_unmap(s->m, i);
		} else {
			r = dmc_md_set_valid(s->md, to_cblock(i), NULL);
			model_make_full(s->m, i);
		}
	}
	CHECK(r || !dmc_md_nr_partial(s->md));
	return r;
}

static int commit(struct scenario *s)
{
	int r;

	s->in_commit = true;
	s->clean_next = false;
	r = dmc_md_commit(s->md, NULL);
	if (!r)
		promised(s, false);
	return r;
}

static int resize(struct scenario *s, u32 nr)
{
	bool was_clean = s->states[s->nr_states - 1].clean;
	cblock_t busy;
	int r;

	/* Where begin_changes was forgotten, resizing clears the flag; no more is on disk yet. */
	s->in_commit = was_clean;
	s->clean_next = false;
	r = dmc_md_resize(s->md, nr, &busy);
	if (!r && was_clean)
		promised(s, false);
	if (!r)
		model_resize(s->m, nr);
	return r;
}

static int shut_down(struct scenario *s, u32 salt)
{
	struct dmc_md_shutdown shutdown;
	u32 i;
	int r;

	for (i = salt; i < s->m->nr; i += 41)
		s->m->hint[i] = i * salt;
	for (i = 0; i < s->m->nr_dblocks; i += 7)
		s->m->discard[i] ^= 1;
	shutdown = model_shutdown(s->m);
	s->in_commit = true;
	s->clean_next = true;
	r = dmc_md_commit_clean(s->md, &shutdown);
	if (!r)
		promised(s, true);
	return r;
}

/* Cleans what a shrink would cut, as if it had been written back. */
static void clean_tail(struct scenario *s, u32 nr)
{
	u32 i;

	for (i = nr; i < s->m->nr; i++)
		s->m->dirty[i] = 0;
}

static int reopen(struct scenario *s)
{
	dmc_md_close(s->md);
	s->md = NULL;
	return open_and_load(s);
}

void scenario_run(struct scenario *s)
{
	int r;

	r = open_and_load(s);
	r = r ? r : begin(s);
	r = r ? r : change(s, 1);
	r = r ? r : commit(s);
	r = r ? r : change(s, 2);
	r = r ? r : change_valid(s, 2);
	r = r ? r : resize(s, GROWN);
	r = r ? r : change(s, 3);
	r = r ? r : commit(s);
	r = r ? r : change_valid(s, 3);
	r = r ? r : commit(s);
	r = r ? r : drain(s);
	clean_tail(s, SHRUNK);
	r = r ? r : shut_down(s, 4);
	r = r ? r : begin(s);
	r = r ? r : change(s, 5);
	clean_tail(s, SHRUNK);
	r = r ? r : shut_down(s, 6);
	r = r ? r : reopen(s);
	r = r ? r : resize(s, SHRUNK);
	r = r ? r : change(s, 7);
	r = r ? r : commit(s);
	r = r ? r : change(s, 8);
	r = r ? r : shut_down(s, 9);
	s->error = r;
	if (!r) {
		dmc_md_close(s->md);
		s->md = NULL;
	}
}

static int drain_tail(struct scenario *s, u32 nr)
{
	u32 i;
	int r = 0;

	for (i = nr; i < s->m->nr && !r; i++) {
		if (!model_is_partial(s->m, i))
			continue;
		r = dmc_md_set_valid(s->md, to_cblock(i), NULL);
		model_make_full(s->m, i);
	}
	return r;
}

/* Shut down, and on: opened anew or not, perhaps with another length. */
static int restart(struct scenario *s, u32 salt)
{
	u32 nr = SHRUNK + unit_below(GROWN - SHRUNK);
	bool fresh = unit_below(2), resized = unit_below(2);
	int r;

	clean_tail(s, nr);
	r = drain_tail(s, nr);
	if (!r)
		r = shut_down(s, salt);
	if (!r && fresh)
		r = reopen(s);
	if (!r && unit_below(2))
		r = begin(s);
	/*
	 * What is clean is known from loading only: without that, only growing is sure to be
	 * granted.
	 */
	return r || !resized || (nr < s->m->nr && !fresh) ? r : resize(s, nr);
}

void scenario_run_random(struct scenario *s, u64 seed)
{
	u32 salt;
	int r;

	unit_srand(seed);
	r = open_and_load(s);
	for (salt = 1; salt < 9 && !r; salt++) {
		r = change(s, salt * 7 + unit_below(7));
		if (!r && unit_below(2))
			r = change_valid(s, salt);
		if (!r && !unit_below(4))
			r = drain(s);
		if (!r && unit_below(3))
			r = commit(s);
		if (!r && !unit_below(3))
			r = restart(s, salt);
	}
	r = r ? r : shut_down(s, salt);
	s->error = r;
	if (!r) {
		dmc_md_close(s->md);
		s->md = NULL;
	}
}

/*----- looking at a disk -----*/

/* Does @c hold what @st promised?  Without the flag only the mappings count. */
static bool holds(const struct md_content *c, const struct state *st)
{
	if ((c->flags & 1) && !st->clean)
		return false;
	return !content_differs(c, st->m);
}

const char *scenario_check(const struct scenario *s, struct shim_disk *d, unsigned int first,
			   unsigned int last)
{
	static char text[200];
	struct md_content c;
	struct state running = { .m = s->m, .clean = s->clean_next };
	const char *what = md_fsck(d->data, d->nr_sectors * SECTOR_SIZE, 0, &c);
	unsigned int i;
	bool found = false;

	for (i = first; i <= last && !what && !found; i++)
		if (i < s->nr_states)
			found = holds(&c, &s->states[i]);
		else if (s->in_commit)
			found = holds(&c, &running);
	if (!what && !found) {
		snprintf(text, sizeof(text), "flags %u: holds none of the states %u..%u of %u", c.flags,
			 first, last, s->nr_states);
		what = text;
	}
	md_content_free(&c);
	return what;
}

const char *scenario_reopen(struct scenario *s, struct shim_disk *d)
{
	static char text[200];
	struct dmc_md_params p = params_of(s, d);
	struct dmc_md_policy policy = s->m->policy;
	dmc_md_reason_t why;
	struct dmc_md *md = dmc_md_open(&p, &why);
	struct md_content c;
	const char *what;
	struct model *m;
	int r;

	if (IS_ERR(md)) {
		snprintf(text, sizeof(text), "does not open: %ld %s", PTR_ERR(md), why);
		return text;
	}
	m = model_load(md, &policy, &r);
	dmc_md_close(md);
	if (!m) {
		snprintf(text, sizeof(text), "does not load: %d", r);
		return text;
	}
	what = md_fsck(d->data, d->nr_sectors * SECTOR_SIZE, 0, &c);
	if (!what && c.flags & 1) {
		/* Runs of discards that were loaded end at the last set bit. */
		model_set_dblocks(m, c.nr_dblocks, c.discard_block_sectors);
		memcpy(m->policy.version, c.policy_version, sizeof(c.policy_version));
		if (!m->nr_mapped)
			memcpy(m->hint, c.hints, 4 * m->nr);
		for (u32 i = 0; i < m->nr; i++)
			if (m->oblock[i] == NO_OBLOCK)
				m->hint[i] = c.hints[i];
		what = content_differs(&c, m);
	} else if (!what) {
		what = content_differs(&c, m);
	}
	md_content_free(&c);
	model_free(m);
	return what;
}
