// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-vectors.c - metadata written by in-tree kernels and by thin-provisioning-tools, and damaged
 * metadata: the first loads with exactly what it holds and can be worked on, the second is refused
 * or, where it cannot be told apart cheaply, fails cleanly.
 */
#include "md-test.h"
#include "metadata/superblock.h"

/*----- good ones -----*/

struct good {
	const char *name;
	u64 origin_sectors;
	unsigned int fsck;	/* blemishes it came with */
};

#define ORIGIN 262144

static const struct good goods[] = {
	{ "g01-empty-v1-restore", ORIGIN, FSCK_LEAKS_OK },
	{ "g02-empty-v2-restore", ORIGIN },
	{ "g03-few-clean-v1", ORIGIN, FSCK_LEAKS_OK },
	{ "g04-few-mixed-hints-v2", ORIGIN },
	{ "g06-all-dirty-v2", ORIGIN, FSCK_LEAKS_OK },
	{ "g07-hints-v1", ORIGIN, FSCK_LEAKS_OK },
	{ "g08-unclean-v2", ORIGIN },
	{ "g09-kernel-just-formatted-v1", ORIGIN },
	{ "g10-kernel-just-formatted-v2", ORIGIN },
	{ "g11-kernel-empty-clean-v1", ORIGIN },
	{ "g13-kernel-dirty-discards-clean-v1", ORIGIN },
	{ "g14-kernel-dirty-discards-clean-v2", ORIGIN },
	{ "g15-kernel-active-unclean-v1", ORIGIN },
	{ "g16-kernel-active-unclean-v2", ORIGIN },
	{ "g17-kernel-reopened-v2", ORIGIN },
	{ "g18-kernel-grown-v1", ORIGIN },
	{ "g20-kernel-stale-tail-v1", ORIGIN, FSCK_STALE_OK },
	{ "g21-kernel-stale-gap-v2", ORIGIN, FSCK_STALE_OK },
	{ "g22-kernel-cleaner-v1", ORIGIN },
	{ "g23-kernel-200k-v1", 2097152 },
	{ "g24-kernel-200k-v2", 2097152 },
	{ "g25-restore-200k-v2", 64000192 },
	{ "g28-shared-array-block-v1", ORIGIN },
	{ "g30-few-clean-v1-rust", ORIGIN },
	{ "g32-partial-v1", 67108864 },
	{ "g33-partial-v2", 67108864 },
};

static struct dmc_md_params params_for(const struct good *g, struct shim_disk *d)
{
	struct dmc_md_params p = md_params(d);

	p.origin_blocks = g->origin_sectors / 64;
	return p;
}

static struct dmc_md_policy smq(void)
{
	return (struct dmc_md_policy){ .name = "smq", .version = { 2, 0, 0 }, .hint_size = 4 };
}

static void check_discards(const struct md_content *c, struct dmc_md *md, const struct model *got)
{
	u64 i;

	for (i = 0; i < c->nr_dblocks; i++)
		CHECK_EQ(i < got->nr_dblocks && got->discard[i], c->flags & 1 && c->discards[i]);
}

/* The discards loaded come in units that depend on what is stored. */
static struct model *load_ok(struct dmc_md *md, const struct dmc_md_policy *policy)
{
	struct model *m;
	int r;

	m = model_load(md, policy, &r);
	CHECK_MSG(m, "loading gives %d", r);
	return m;
}

/* Loads @md and compares with the XML and with the raw image. */
static struct model *check_load(const struct good *g, struct dmc_md *md, const struct md_content *c)
{
	struct dmc_md_policy policy = smq();
	struct model *want = vector_model(g->name), *got;
	bool usable = c->flags & 1 && c->hint_size == 4 && !strcmp(c->policy, "smq") &&
		      c->policy_version[0] == 2;
	u32 i;

	got = model_create(0);
	model_free(got);
	got = load_ok(md, &policy);
	if (!(c->flags & 1))
		memset(want->dirty, 1, want->nr);
	/* cache_dump says 0 blocks are 0 blocks; so does the superblock. */
	CHECK_MSG(!model_differs(want, got), "%s", model_differs(want, got));
	for (i = 0; i < got->nr; i++)
		if (got->oblock[i] != NO_OBLOCK)
			CHECK_EQ(got->hint_valid[i], usable);
	if (c->discard_block_sectors == 64)
		check_discards(c, md, got);
	CHECK_EQ(dmc_md_version(md), c->version);
	CHECK_EQ(dmc_md_was_clean(md), c->flags & 1);
	CHECK_EQ(got->stats.read_hits, c->stats[0]);
	CHECK_EQ(got->stats.write_misses, c->stats[3]);
	model_free(want);
	return got;
}

/* Random insertions and removals, in the metadata and in @m. */
static void change_some(struct dmc_md *md, struct model *m, u64 origin_blocks, unsigned int n)
{
	u8 *taken = calloc(origin_blocks, 1);
	u32 i, cb;
	u64 ob;

	for (i = 0; i < m->nr; i++)
		if (m->oblock[i] != NO_OBLOCK)
			taken[m->oblock[i]] = 1;
	for (i = 0; i < n; i++) {
		cb = unit_below(m->nr);
		if (m->oblock[cb] != NO_OBLOCK) {
			taken[m->oblock[cb]] = 0;
			CHECK_OK(dmc_md_remove(md, to_cblock(cb)));
			model_unmap(m, cb);
			continue;
		}
		ob = unit_below(origin_blocks);
		if (taken[ob])
			continue;
		taken[ob] = 1;
		CHECK_OK(dmc_md_insert(md, to_cblock(cb), to_oblock(ob)));
		model_map(m, cb, ob, unit_below(2));
	}
	free(taken);
}

static void expect(struct shim_disk *d, const struct model *m, unsigned int flags, bool clean)
{
	struct md_content c = fsck_ok(d, flags);
	const char *what = content_differs(&c, m);

	CHECK_MSG(!what, "on disk: %s", what);
	CHECK_EQ(c.flags, clean);
	md_content_free(&c);
}

/* begin, change, commit, shut down; then the disk holds @m. */
static void work_on(const struct good *g, struct shim_disk *d, struct dmc_md *md, struct model *m)
{
	unsigned int flags = g->fsck | FSCK_UNMAPPED_DIRTY_OK;
	struct dmc_md_shutdown s;
	u64 i;

	CHECK_OK(dmc_md_begin_changes(md));
	expect(d, m, flags, false);
	if (!m->nr) {
		cblock_t busy;

		model_resize(m, 512);
		CHECK_OK(dmc_md_resize(md, 512, &busy));
	}
	change_some(md, m, g->origin_sectors / 64, 150);
	CHECK(dmc_md_changed(md));
	CHECK_OK(dmc_md_commit(md, NULL));
	CHECK(!dmc_md_changed(md));
	expect(d, m, flags, false);

	change_some(md, m, g->origin_sectors / 64, 20);
	model_new_hints(m);
	model_set_dblocks(m, 3000, 128);
	for (i = 0; i < m->nr_dblocks; i++)
		m->discard[i] = unit_below(2);
	s = model_shutdown(m);
	CHECK_OK(dmc_md_commit_clean(md, &s));
	expect(d, m, g->fsck, true);
}

static void check_untouched(struct shim_disk *d, struct shim_disk *before)
{
	CHECK_EQ(d->count[DISK_WRITE], 0);
	CHECK(!memcmp(d->data, before->data, d->nr_sectors * SECTOR_SIZE));
}

static void check_probe(const struct dmc_md_params *p, const struct md_content *c)
{
	struct dmc_md_summary s;
	dmc_md_reason_t why;

	CHECK_EQ(dmc_md_probe(p, &s, &why), 0);
	CHECK(!s.blank && s.version == c->version && s.nr_cblocks == c->nr_cblocks);
	CHECK(s.clean == (c->flags & 1) && !s.needs_check && s.block_sectors == 64);
	CHECK(!strcmp(s.policy.name, c->policy) && s.policy.hint_size == c->hint_size);
}

static void one_good(const struct good *g)
{
	struct shim_disk *d = vector_disk(g->name), *before = disk_clone(d);
	struct dmc_md_params p = params_for(g, d);
	struct md_content c = fsck_ok(d, g->fsck | FSCK_UNMAPPED_DIRTY_OK);
	struct model *m, *again;
	struct dmc_md *md;
	struct dmc_md_policy policy = smq();

	unit_note("%s", g->name);
	check_probe(&p, &c);
	md = md_open_ok(&p);
	m = check_load(g, md, &c);
	dmc_md_close(md);
	check_untouched(d, before);

	/* The same, and on: what it was opened with stays the base. */
	md = md_open_ok(&p);
	model_free(load_ok(md, &policy));
	work_on(g, d, md, m);
	dmc_md_close(md);
	md = md_open_ok(&p);
	CHECK(dmc_md_was_clean(md));
	again = model_load(md, &policy, &(int){ 0 });
	CHECK(again);
	CHECK_MSG(!model_differs(m, again), "again: %s", model_differs(m, again));
	CHECK_EQ(again->nr_mapped, m->nr_mapped);
	dmc_md_close(md);
	model_free(again);
	model_free(m);
	md_content_free(&c);
	disk_free(before);
	disk_free(d);
}

static void test_good(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(goods); i++)
		one_good(&goods[i]);
}

/* A formatted image changes in the flags only, and the checksum over them, when it is opened. */
static void test_begin_changes_flag_only(void)
{
	static const char *const names[] = { "g14-kernel-dirty-discards-clean-v2",
					     "g13-kernel-dirty-discards-clean-v1" };
	int i;
	u64 k;

	for (i = 0; i < 2; i++) {
		struct shim_disk *d = vector_disk(names[i]), *before = disk_clone(d);
		struct shim_disk *g17 = vector_disk("g17-kernel-reopened-v2");
		struct dmc_md_params p = md_params(d);
		struct dmc_md *md = md_open_ok(&p);

		CHECK_OK(dmc_md_begin_changes(md));
		CHECK_EQ(d->count[DISK_WRITE], 1);
		CHECK(d->count[DISK_FLUSH] >= 1);
		for (k = 5; k < d->nr_sectors * SECTOR_SIZE; k++)
			CHECK_EQ(d->data[k], before->data[k]);
		CHECK_EQ(d->data[4], 0);
		CHECK(i || !memcmp(d->data, g17->data, 4096));
		/* Once is enough. */
		CHECK_OK(dmc_md_begin_changes(md));
		CHECK_EQ(d->count[DISK_WRITE], 1);
		dmc_md_close(md);
		disk_free(g17);
		disk_free(before);
		disk_free(d);
	}
}

/* Array blocks past the end, as kernels leave them, go when the array is resized. */
static void test_stale_tails_go(void)
{
	static const char *const names[] = { "g20-kernel-stale-tail-v1", "g21-kernel-stale-gap-v2" };
	static const u32 sizes[] = { 510, 1018, 1019, 2000 };
	int i, k;

	for (i = 0; i < 2; i++)
		for (k = 0; k < 4; k++) {
			struct shim_disk *d = vector_disk(names[i]);
			struct dmc_md_params p = md_params(d);
			struct dmc_md *md = md_open_ok(&p);
			struct dmc_md_policy policy = smq();
			struct model *m = load_ok(md, &policy);
			struct dmc_md_shutdown s;
			cblock_t busy;

			unit_note("%s to %u", names[i], sizes[k]);
			CHECK_OK(dmc_md_begin_changes(md));
			CHECK_OK(dmc_md_resize(md, sizes[k], &busy));
			model_resize(m, sizes[k]);
			CHECK_OK(dmc_md_commit(md, NULL));
			s = model_shutdown(m);
			CHECK_OK(dmc_md_commit_clean(md, &s));
			expect(d, m, 0, true);
			dmc_md_close(md);
			model_free(m);
			disk_free(d);
		}
}

/* Another policy's hints, name, version or size: not used, no error. */
static void test_hints_of_others(void)
{
	static const struct dmc_md_policy others[] = {
		{ "mq", { 2, 0, 0 }, 4 },
		{ "smq", { 1, 0, 0 }, 4 },
		{ "smq", { 2, 0, 0 }, 0 },
		{ "smqq", { 2, 0, 0 }, 4 },
		{ "sm", { 2, 0, 0 }, 4 },
		{ "", { 2, 0, 0 }, 4 },
	};
	struct shim_disk *d = vector_disk("g04-few-mixed-hints-v2");
	struct dmc_md_params p = md_params(d);
	struct dmc_md *md = md_open_ok(&p);
	struct dmc_md_policy minor = { "smq", { 2, 7, 9 }, 4 };
	struct model *m;
	int i;

	for (i = 0; i < ARRAY_SIZE(others); i++) {
		m = load_ok(md, &others[i]);
		CHECK(m->nr_mapped == 6 && !m->hint_valid[0]);
		model_free(m);
	}
	m = load_ok(md, &minor);
	CHECK(m->hint_valid[0] && m->hint[0] == 0x01020304);
	model_free(m);
	dmc_md_close(md);
	disk_free(d);
}

static void test_needs_check(void)
{
	struct shim_disk *d = vector_disk("g27-needs-check-v2");
	struct dmc_md_params p = md_params(d);
	struct dmc_md_summary s;
	dmc_md_reason_t why;
	struct dmc_md *md;

	CHECK_EQ(dmc_md_probe(&p, &s, &why), -EPERM);
	CHECK(s.needs_check && s.version == 2 && s.nr_cblocks == 508 && !s.clean);
	CHECK(strstr(why, "cache_check --clear-needs-check-flag"));
	md = dmc_md_open(&p, &why);
	CHECK(IS_ERR(md) && PTR_ERR(md) == -EPERM);
	CHECK(strstr(why, "needs_check"));
	CHECK_EQ(d->count[DISK_WRITE], 0);
	disk_free(d);
}

/*----- damaged ones -----*/

enum treatment {
	REFUSE,			/* at open or load */
	LOADS,			/* with so many mappings, and then works */
	MAY_LOAD,		/* then changes may fail, cleanly */
};

static const struct bad {
	const char *name;
	enum treatment treatment;
	int error;		/* 0: any */
	u32 mapped;
	bool hints;
} bads[] = {
	{ "c01-sb-magic", REFUSE, -EILSEQ },
	{ "c02-sb-csum", REFUSE, -EILSEQ },
	{ "c04-sb-version3", REFUSE, -EINVAL },
	{ "c05-sb-version0", REFUSE, -EINVAL },
	{ "c07-sb-compat-ro", REFUSE, -EINVAL },
	{ "c08-sb-hintsize8", LOADS, .mapped = 6 },
	{ "c10-truncated", REFUSE, -ENOSPC },
	{ "c11-node-nr-entries", REFUSE },
	{ "c13-node-max-overflow", REFUSE },
	{ "c14-node-csum", REFUSE, -EILSEQ },
	{ "c16-node-valsize", REFUSE },
	{ "c17-node-blocknr", REFUSE, -ENOTBLK },
	{ "c19-node-keygap", REFUSE },
	{ "c20-node-internal-leafdata", REFUSE },
	{ "c22-array-max-entries", REFUSE },
	{ "c23-array-valsize", REFUSE },
	{ "c25-array-empty", REFUSE },
	{ "c26-array-csum", REFUSE, -EILSEQ },
	{ "c28-array-out-of-range", REFUSE },
	{ "c29-root-out-of-device", REFUSE, -EILSEQ },
	{ "c31-cycle-self", REFUSE },
	{ "c32-cycle-two", REFUSE },
	{ "c34-index-out-of-range", MAY_LOAD },
	{ "c35-index-wrong-kind", MAY_LOAD },
	{ "c37-index-nrfree-huge", MAY_LOAD },
	{ "c38-index-csum", REFUSE },
	{ "c40-sm-nrblocks", REFUSE, -ENOSPC },
	{ "c41-sm-nrblocks-huge", REFUSE, -EILSEQ },
	{ "c43-sm-live-block-free", MAY_LOAD, .mapped = 6 },
	{ "c44-sm-refcount3-no-entry", MAY_LOAD, .mapped = 6 },
	{ "c46-beyond-origin", LOADS, .mapped = 5, .hints = true },
	{ "c47-map-flags", LOADS, .mapped = 6, .hints = true },
	{ "c49-dirty-root-zero", REFUSE, -EILSEQ },
	{ "c50-dirty-root-range", REFUSE, -EILSEQ },
	{ "c52-dirty-unmapped", LOADS, .mapped = 6, .hints = true },
	{ "c53-hint-root-range", LOADS, .mapped = 6 },
	{ "c55-cacheblocks-max", REFUSE },
	{ "c56-discard-nr-larger", REFUSE },
	{ "c58-policy-no-nul", LOADS, .mapped = 6 },
	{ "c59-random", REFUSE, -ENOTBLK },
	{ "c61-beyond-origin-dirty", REFUSE, -EFBIG },
	{ "c63-cacheblocks-2g", REFUSE, -EILSEQ },
	{ "c65-partial-unmapped", REFUSE, -EILSEQ },
	{ "c66-partial-clean", REFUSE, -EILSEQ },
	{ "c67-partial-clean-last", REFUSE, -EILSEQ },
	{ "c68-partial-of-mappings", REFUSE, -EILSEQ },
	{ "c69-partial-of-dirty", REFUSE, -EILSEQ },
	{ "c70-partial-of-hints", REFUSE, -EILSEQ },
	{ "c71-partial-no-root", REFUSE, -EILSEQ },
	{ "c73-partial-no-feature", LOADS, .mapped = 101, .hints = true },
	{ "c74-partial-map-too-long", REFUSE, -EILSEQ },
	{ "c76-partial-beyond-cache", REFUSE, -EILSEQ },
	{ "c77-partial-csum", REFUSE, -EILSEQ },
	{ "c79-partial-count", REFUSE, -EILSEQ },
};

static void one_bad(const struct bad *b)
{
	struct shim_disk *d = vector_disk(b->name), *before = disk_clone(d);
	struct dmc_md_params p = md_params(d);
	struct dmc_md_policy policy = smq();
	dmc_md_reason_t why = "";
	struct model *m = NULL;
	struct dmc_md *md;
	int r = 0;

	unit_note("%s", b->name);
	p.origin_blocks = ORIGIN / 64;
	shim_clear_messages();
	md = dmc_md_open(&p, &why);
	if (IS_ERR(md)) {
		r = PTR_ERR(md);
		CHECK_MSG(why && strlen(why) > 20, "no reason for %d", r);
	} else {
		m = model_load(md, &policy, &r);
		CHECK(!r == !!m);
		CHECK(!r || shim_nr_messages());
		why = r ? shim_last_message() : "";
	}
	/* What the tools make of partial blocks would be wrong data. */
	if (dmc_sb_has_partial((void *)d->data) && r == -EILSEQ && !strstr(why, "but not dirty"))
		CHECK_MSG(strstr(why, "use dmcache settle") && !strstr(why, "run cache"), "%s", why);
	check_untouched(d, before);
	CHECK_MSG(b->treatment != REFUSE || r, "it loads");
	CHECK_MSG(b->treatment != LOADS || !r, "it does not load: %d %s", r, why);
	CHECK_MSG(!b->error || r == b->error, "error %d, not %d", r, b->error);
	if (m) {
		CHECK_MSG(!b->mapped || m->nr_mapped == b->mapped, "%llu mappings", m->nr_mapped);
		CHECK_EQ(m->hint_valid[0], b->hints || b->treatment == MAY_LOAD);
		r = md_cycle(md, m);
		CHECK_MSG(b->treatment == MAY_LOAD || !r, "working on it gives %d", r);
	}
	if (m && r)
		md_give_up(md, &p);
	else if (!IS_ERR(md))
		dmc_md_close(md);
	/* What was left of it is now in order, but for what only cache_repair can mend. */
	if (b->treatment == LOADS && strcmp(b->name, "c47-map-flags"))
		expect(d, m, FSCK_LEAKS_OK, true);
	model_free(m);
	disk_free(before);
	disk_free(d);
}

static void test_bad(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(bads); i++)
		one_bad(&bads[i]);
}

/* Probing says the same of the superblock and the space map as opening does, and never writes. */
static void test_probe_bad(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(bads); i++) {
		struct shim_disk *d = vector_disk(bads[i].name), *before = disk_clone(d);
		struct dmc_md_params p = md_params(d);
		struct dmc_md_summary s;
		dmc_md_reason_t why, why_open;
		struct dmc_md *md;
		int r;

		unit_note("%s", bads[i].name);
		r = dmc_md_probe(&p, &s, &why);
		/* Roots are judged before anything is looked up below them. */
		if (strstr(bads[i].name, "-root-"))
			CHECK_EQ(r, strstr(bads[i].name, "hint-root") ? 0 : -EILSEQ);
		md = dmc_md_open(&p, &why_open);
		CHECK_EQ(r, IS_ERR(md) ? PTR_ERR(md) : 0);
		CHECK_MSG(!strcmp(why, why_open), "'%s', '%s'", why, why_open);
		check_untouched(d, before);
		if (!IS_ERR(md))
			dmc_md_close(md);
		disk_free(before);
		disk_free(d);
	}
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "good images load with what they hold, and can be worked on", test_good },
		{ "begin_changes writes the flag and nothing else", test_begin_changes_flag_only },
		{ "stale array blocks go when the cache is resized", test_stale_tails_go },
		{ "hints of another policy are not used", test_hints_of_others },
		{ "needs_check is refused, with the command to run", test_needs_check },
		{ "damaged images are refused or fail cleanly", test_bad },
		{ "probing judges as opening does", test_probe_bad },
		{ }
	};

	return unit_main(argc, argv, tests);
}
