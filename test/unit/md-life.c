// SPDX-License-Identifier: GPL-2.0-only
#include "md-life.h"
#include "metadata/superblock.h"

#define SEEDS 4

int start_tracking(struct dmc_md *md, const struct model *m)
{
	struct dmc_md_tracking live = {
		.nr_cblocks = m->nr,
		.nr_dblocks = m->nr_dblocks,
		.discard_block_sectors = m->discard_sectors,
	};
	cblock_t busy;

	return dmc_md_start_tracking(md, &live, &busy);
}

void life_promise(struct life *l, u32 flags, bool live)
{
	shim_assert(l->nr_states < MAX_STATES);
	l->states[l->nr_states++] =
		(struct promise){ disk_now(), model_clone(l->m), flags, live };
}

static void all_dirty(struct model *m)
{
	for (u32 i = 0; i < m->nr; i++)
		if (m->oblock[i] != NO_OBLOCK)
			model_map(m, i, m->oblock[i], true);
}

void life_change(struct life *l, u32 salt)
{
	struct model *m = l->m;
	u32 i;

	for (i = 0; i < 10; i++) {
		u32 cb = (i * 97 + salt * 31) % m->nr;

		if (m->oblock[cb] == NO_OBLOCK) {
			u64 ob = ORIGIN_BLOCKS - 1 - salt * 16 - i;

			CHECK_EQ(dmc_md_set_dirty(l->md, to_cblock(cb), true), DMC_NO_ENTRY);
			CHECK_OK(dmc_md_insert(l->md, to_cblock(cb), to_oblock(ob)));
			if (i & 1)
				CHECK_OK(dmc_md_set_dirty(l->md, to_cblock(cb), true));
			model_map(m, cb, ob, i & 1);
		} else if (i % 3) {
			CHECK_OK(dmc_md_set_dirty(l->md, to_cblock(cb), !m->dirty[cb]));
			model_map(m, cb, m->oblock[cb], !m->dirty[cb]);
		} else {
			CHECK_OK(dmc_md_remove(l->md, to_cblock(cb)));
			model_unmap(m, cb);
		}
	}
}

/*----- power cuts -----*/

void life_begin(struct life *l, enum start start, bool format2)
{
	memset(l, 0, sizeof(*l));
	l->d = scenario_disk(format2, &l->m);
	l->p = params(l->d, format2);
	if (start == START_CLEAN) {
		life_promise(l, DMC_SB_CLEAN, false);
		return;
	}
	l->md = md_open_ok(&l->p);
	if (start == START_UNCLEAN) {
		CHECK_OK(dmc_md_begin_changes(l->md));
		life_promise(l, 0, false);
		all_dirty(l->m);
	} else {
		CHECK_OK(start_tracking(l->md, l->m));
		life_change(l, 20);
		CHECK_OK(dmc_md_commit(l->md, NULL));
		life_promise(l, DMC_SB_CLEAN, true);
	}
	dmc_md_close(l->md);
}

static bool no_discards(const struct md_content *c)
{
	for (u64 i = 0; i < c->nr_dblocks; i++)
		if (c->discards[i])
			return false;
	return true;
}

/* Does the disk hold just what @s promised? */
static bool keeps(const struct shim_disk *d, const struct md_content *c, const struct promise *s)
{
	const struct dmc_superblock *sb = (const struct dmc_superblock *)d->data;
	struct md_content maps_only = *c;

	if (c->flags != s->flags || dmc_sb_is_tracking(sb) != s->live)
		return false;
	if (!s->live)
		return !content_differs(c, s->m) && !memchr_inv(&sb->mark + 1, 0, 80);
	maps_only.flags = 0;
	return !content_differs(&maps_only, s->m) && !memcmp(c->dirty, s->m->dirty, s->m->nr) &&
	       no_discards(c) && c->nr_dblocks == s->m->nr_dblocks;
}

static const char *look(const struct life *l, struct shim_disk *d, unsigned int at)
{
	static char text[100];
	struct md_content c;
	const char *what = md_fsck(d->data, d->nr_sectors * SECTOR_SIZE, 0, &c);
	unsigned int i;
	bool found = false;

	for (i = at; i <= at + 1 && i < l->nr_states && !what && !found; i++)
		found = keeps(d, &c, &l->states[i]);
	if (!what && !found) {
		snprintf(text, sizeof(text), "flags %u: neither state %u nor the next", c.flags, at);
		what = text;
	}
	md_content_free(&c);
	return what;
}

/* What ours finds after the crash is what the raw disk says. */
static void reopen(const struct life *l, struct shim_disk *d)
{
	struct dmc_md_params p = l->p;
	struct md_content c = fsck_ok(d, 0);
	struct dmc_md *md;
	struct model *m;
	int r;

	p.bdev = disk_bdev(d);
	md = md_open_ok(&p);
	m = model_load(md, &l->m->policy, &r);
	CHECK_OK(r);
	for (u32 i = 0; i < m->nr; i++)
		if (m->oblock[i] != NO_OBLOCK)
			CHECK_EQ(m->dirty[i], c.flags & DMC_SB_CLEAN ? c.dirty[i] : 1);
	CHECK(!memcmp(m->valid, c.valid, m->nr * sizeof(*m->valid)));
	model_free(m);
	dmc_md_close(md);
	md_content_free(&c);
}

static u64 seq_of_state(void *ctx, unsigned int state)
{
	struct life *l = ctx;

	return l->states[state].seq;
}

static void check_cut(void *ctx, struct shim_disk *d, unsigned int at, u64 seed)
{
	struct life *l = ctx;
	const char *what = look(l, d, at);

	CHECK_MSG(!what, "%s", what);
	if (!seed)
		reopen(l, d);
}

unsigned long life_cut_everywhere(struct life *l, const char *replay)
{
	const struct md_cuts cuts = {
		.d = l->d,
		.seeds = SEEDS,
		.nr_states = l->nr_states,
		.seq = seq_of_state,
		.check = check_cut,
		.ctx = l,
		.replay = replay,
	};

	return md_cut_everywhere(&cuts);
}

void life_end(struct life *l)
{
	while (l->nr_states)
		model_free(l->states[--l->nr_states].m);
	model_free(l->m);
	disk_free(l->d);
}
