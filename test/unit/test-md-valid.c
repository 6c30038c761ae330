// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-md-valid.c - partial blocks on disk: their maps come and go with the transaction, the
 * superblock keeps others out as long as there is one, and an image that makes no sense is refused.
 * Maps that a repair of the space map freed are taken back, and survive a power cut like others.
 * (The power cuts of md-crash, and the failing I/O of md-faults, know them too.)
 */
#include "md-life.h"
#include "metadata/superblock.h"
#include "persistent-data/damage.h"
#include <linux/crc32c.h>

#define NR 2000
#define MANY 700		/* enough for a tree of two levels */

static const struct dmc_superblock *sb_of(const struct shim_disk *d)
{
	return (const struct dmc_superblock *)d->data;
}

static bool has_feature(const struct shim_disk *d)
{
	return le32_to_cpu(sb_of(d)->incompat_flags) & DMC_SB_HAS_PARTIAL;
}

/* What a cache of NR blocks, all mapped and dirty, can be told. */
struct fixture {
	struct shim_disk *d;
	struct dmc_md_params p;
	struct dmc_md *md;
	struct model *m;
};

static void fixture_begin(struct fixture *f, bool format2)
{
	u32 i;

	f->m = model_create(NR);
	for (i = 0; i < NR; i++)
		model_map(f->m, i, 3 * i, true);
	f->d = disk_of(f->m, format2, DISK_BLOCKS);
	f->p = params(f->d, format2);
	f->md = md_open_ok(&f->p);
}

static void fixture_end(struct fixture *f)
{
	if (f->md)
		dmc_md_close(f->md);
	model_free(f->m);
	disk_free(f->d);
}

static int set_valid(struct fixture *f, u32 cb)
{
	return dmc_md_set_valid(f->md, to_cblock(cb),
				model_is_partial(f->m, cb) ? f->m->valid[cb].words : NULL);
}

static void make_partial(struct fixture *f, u32 cb)
{
	model_make_partial(f->m, cb);
	CHECK_OK(set_valid(f, cb));
}

static void make_full(struct fixture *f, u32 cb)
{
	model_make_full(f->m, cb);
	CHECK_OK(set_valid(f, cb));
}

/* Closed and opened, raw bytes and loaded state are those of the model. */
static void expect(struct fixture *f)
{
	struct md_content c = fsck_ok(f->d, 0);
	struct model *got;
	int r;

	CHECK_MSG(!content_differs(&c, f->m), "disk: %s", content_differs(&c, f->m));
	CHECK_EQ(has_feature(f->d), c.nr_partial != 0);
	md_content_free(&c);
	dmc_md_close(f->md);
	f->md = md_open_ok(&f->p);
	got = model_load(f->md, &f->m->policy, &r);
	CHECK_OK(r);
	CHECK_MSG(!model_differs(f->m, got), "loaded: %s", model_differs(f->m, got));
	model_free(got);
}

static void commit(struct fixture *f)
{
	struct dmc_md_shutdown s = model_shutdown(f->m);

	CHECK_OK(dmc_md_commit_clean(f->md, &s));
}

/*----- granules -----*/

static void test_granules(void)
{
	static const struct {
		u32 block, granule, nr;
	} want[] = {
		{ 64, 8, 8 }, { 128, 8, 16 }, { 192, 8, 24 }, { 2048, 8, 256 },
		{ 2112, 16, 132 }, { 4096, 16, 256 }, { 4160, 24, 174 }, { 2097152, 8192, 256 },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(want); i++) {
		CHECK_EQ(dmc_granule_sectors(want[i].block), want[i].granule);
		CHECK_EQ(dmc_nr_granules(want[i].block), want[i].nr);
	}
	for (i = 64; i <= 2097152; i += 64)
		CHECK(dmc_granule_sectors(i) % 8 == 0 && dmc_nr_granules(i) > 1 &&
		      dmc_nr_granules(i) <= DMC_MAX_GRANULES);
}

/*----- coming and going -----*/

static void come_and_go(bool format2)
{
	static const u32 gone[] = { 7 * 7, 7 * 3, 7 * 3 + 1 };
	struct fixture f;
	u64 used_before, used, total;
	u32 i;

	fixture_begin(&f, format2);
	CHECK(!has_feature(f.d) && !dmc_md_nr_partial(f.md));
	commit(&f);
	dmc_md_get_usage(f.md, &used_before, &total);
	for (i = 0; i < MANY; i++)
		make_partial(&f, i * 7 % NR);
	CHECK_EQ(dmc_md_nr_partial(f.md), MANY);
	CHECK(!has_feature(f.d));	/* not committed yet */
	commit(&f);
	expect(&f);

	/* Other maps, some full, some dropped with others, one dropped and mapped anew. */
	for (i = 0; i < MANY; i += 2)
		make_partial(&f, i * 7 % NR);
	for (i = 1; i < MANY; i += 4)
		make_full(&f, i * 7 % NR);
	CHECK_OK(dmc_md_remove_many(f.md, gone, ARRAY_SIZE(gone)));
	for (i = 0; i < ARRAY_SIZE(gone); i++)
		model_unmap(f.m, gone[i]);
	CHECK_OK(dmc_md_insert(f.md, to_cblock(7 * 7), to_oblock(99999)));
	model_map(f.m, 7 * 7, 99999, true);
	commit(&f);
	expect(&f);

	/* The commit that takes the last one away takes tree and feature away. */
	for (i = 0; i < NR; i++)
		if (model_is_partial(f.m, i))
			make_full(&f, i);
	CHECK(!dmc_md_nr_partial(f.md) && has_feature(f.d));
	commit(&f);
	CHECK(!has_feature(f.d));
	expect(&f);
	dmc_md_get_usage(f.md, &used, &total);
	CHECK_EQ(used, used_before);
	fixture_end(&f);
}

static void test_come_and_go(void)
{
	come_and_go(false);
	come_and_go(true);
}

/* A mapping that is made where a partial one was, without a removal, is full. */
static void test_insert_makes_full(void)
{
	struct fixture f;

	fixture_begin(&f, true);
	make_partial(&f, 5);
	make_partial(&f, 6);
	CHECK_OK(dmc_md_insert(f.md, to_cblock(5), to_oblock(77777)));
	model_map(f.m, 5, 77777, true);
	commit(&f);
	expect(&f);
	fixture_end(&f);
}

static void test_refused(void)
{
	const u64 one[DMC_VALID_WORDS] = { 1 }, none[DMC_VALID_WORDS] = { 0 };
	const u64 all[DMC_VALID_WORDS] = { 0xff }, beyond[DMC_VALID_WORDS] = { 0x101 };
	const u64 far[DMC_VALID_WORDS] = { 1, 0, 0, 1 };
	struct fixture f;

	fixture_begin(&f, true);
	CHECK_EQ(dmc_md_set_valid(f.md, to_cblock(NR), one), -EINVAL);
	CHECK_EQ(dmc_md_set_valid(f.md, to_cblock(0), none), -EINVAL);
	CHECK_EQ(dmc_md_set_valid(f.md, to_cblock(0), all), -EINVAL);
	CHECK_EQ(dmc_md_set_valid(f.md, to_cblock(0), beyond), -EINVAL);
	CHECK_EQ(dmc_md_set_valid(f.md, to_cblock(0), far), -EINVAL);
	CHECK(!dmc_md_changed(f.md));
	CHECK_OK(dmc_md_remove(f.md, to_cblock(0)));
	model_unmap(f.m, 0);
	CHECK_EQ(dmc_md_set_valid(f.md, to_cblock(0), one), DMC_NO_ENTRY);
	CHECK_EQ(dmc_md_set_valid(f.md, to_cblock(0), NULL), DMC_NO_ENTRY);
	CHECK_OK(dmc_md_set_valid(f.md, to_cblock(1), NULL));	/* it is */
	commit(&f);
	expect(&f);
	fixture_end(&f);
}

/* An abort goes back to the maps of the last commit. */
static void test_abort(void)
{
	struct model *before;
	struct fixture f;
	u32 i;

	fixture_begin(&f, true);
	for (i = 0; i < 50; i++)
		make_partial(&f, i);
	commit(&f);
	before = model_clone(f.m);
	for (i = 0; i < 50; i++)
		if (i % 3)
			make_full(&f, i);
	for (i = 100; i < 120; i++)
		make_partial(&f, i);
	CHECK_OK(dmc_md_abort(f.md));
	CHECK_EQ(dmc_md_nr_partial(f.md), 50);
	model_free(f.m);
	f.m = before;
	expect(&f);
	fixture_end(&f);
}

/*----- freed by a repair -----*/

static void free_block(struct shim_disk *d, u64 b)
{
	u64 index = get_unaligned_le64(d->data + 80);
	u64 bitmap = get_unaligned_le64(d->data + index * 4096 + 16);
	u8 *p = d->data + bitmap * 4096;

	p[16 + b / 4] &= ~(3 << 2 * (b % 4));
	*(__le32 *)p = cpu_to_le32(crc32c(~0U, p + 4, 4092) ^ 240779);
}

/* What is in the nodes is not believed: a power cut may have left anything. */
static u32 free_tree(struct shim_disk *d, u64 b)
{
	const u8 *node = d->data + b * 4096;
	u32 i, nr, max, freed = 1;

	if (!b || b >= DISK_BLOCKS)
		return 0;
	nr = get_unaligned_le32(node + 16);
	max = get_unaligned_le32(node + 20);
	if (get_unaligned_le32(node + 4) == 1 && nr <= max && max <= 252)
		for (i = 0; i < nr; i++)
			freed += free_tree(d, get_unaligned_le64(node + 32 + 8 * (max + i)));
	free_block(d, b);
	return freed;
}

/*
 * As "cache_check --auto-repair" does: the tree of maps is free, and what leads to it is not.
 * Returns how many blocks are.
 */
static u32 free_maps(struct shim_disk *d)
{
	return has_feature(d) ? free_tree(d, le64_to_cpu(sb_of(d)->partial.root)) : 0;
}

/* The first transaction after that, of several kinds. */
enum first {
	FIRST_CHANGE,		/* maps in more than one leaf */
	FIRST_MERGE,		/* most of them go with their blocks, new ones come */
	FIRST_DELETE,		/* all go, and so does the tree, new ones come */
	NR_FIRST,
};

static void remove_most(struct fixture *f)
{
	u32 gone[MANY], i;

	for (i = 0; i < MANY - 50; i++) {
		gone[i] = i;
		model_unmap(f->m, i);
	}
	CHECK_OK(dmc_md_remove_many(f->md, gone, i));
}

static void first_transaction(struct fixture *f, enum first first)
{
	u32 i;

	if (first == FIRST_MERGE)
		remove_most(f);
	for (i = 0; i < MANY && first == FIRST_DELETE; i++)
		make_full(f, i);
	for (i = 0; i < MANY && first == FIRST_CHANGE; i += 20)
		make_partial(f, i);
	for (i = MANY; i < MANY + 300 && first != FIRST_CHANGE; i++)
		make_partial(f, i);
}

struct cuts {
	struct life l;		/* what was promised */
	u32 freed_again;
};

static u64 seq_of_state(void *ctx, unsigned int state)
{
	struct cuts *c = ctx;

	return c->l.states[state].seq;
}

/* Loads as one of the two states, and can be worked on, even if the maps are freed once more. */
static void check_cut(void *ctx, struct shim_disk *cut, unsigned int at, u64 seed)
{
	struct cuts *c = ctx;
	struct fixture f = { .d = disk_clone(cut), .p = c->l.p };
	unsigned int last = min(at + 1, c->l.nr_states - 1);
	const char *differs = NULL;
	int r;

	c->freed_again += free_maps(f.d);
	f.p.bdev = disk_bdev(f.d);
	f.md = md_open_ok(&f.p);
	f.m = model_load(f.md, &c->l.states[0].m->policy, &r);
	CHECK_OK(r);
	for (; at <= last; at++) {
		differs = model_differs(c->l.states[at].m, f.m);
		if (!differs)
			break;
	}
	CHECK_MSG(!differs, "%s", differs);
	if (!seed) {
		make_partial(&f, NR - 1);
		commit(&f);
		expect(&f);
	}
	fixture_end(&f);
}

/* A cache with two leaves of maps or more, which are free in the space map. */
static void begin_freed(struct fixture *f, bool format2)
{
	u32 i, nr;

	fixture_begin(f, format2);
	for (i = 0; i < MANY; i++)
		make_partial(f, i);
	commit(f);
	dmc_md_close(f->md);
	nr = free_maps(f->d);
	CHECK_MSG(nr > 2, "%u blocks", nr);
	disk_log_start(f->d);
}

static void power_cuts_freed(bool format2, enum first first)
{
	struct cuts c = { };
	struct fixture f;
	struct md_cuts cuts = { .seeds = 6, .seq = seq_of_state, .check = check_cut, .ctx = &c };
	char replay[40];
	u32 i;

	begin_freed(&f, format2);
	c.l.m = f.m;
	c.l.p = f.p;
	life_promise(&c.l, 0, false);
	f.md = md_open_ok(&f.p);
	expect_load(f.md, f.m);
	CHECK_OK(start_tracking(f.md, f.m));
	first_transaction(&f, first);
	for (i = 0; i < 6; i++) {
		CHECK_OK(dmc_md_commit(f.md, NULL));
		life_promise(&c.l, 0, false);
		make_partial(&f, NR - 1);
		make_partial(&f, MANY + i);
	}
	commit(&f);
	life_promise(&c.l, 0, false);
	expect(&f);

	snprintf(replay, sizeof(replay), "format2 %d, first %d: ", format2, first);
	cuts.d = f.d;
	cuts.nr_states = c.l.nr_states;
	cuts.replay = replay;
	md_cut_everywhere(&cuts);
	CHECK(c.freed_again);
	while (c.l.nr_states)
		model_free(c.l.states[--c.l.nr_states].m);
	fixture_end(&f);
}

static void test_freed(void)
{
	enum first first;

	for (first = 0; first < NR_FIRST; first++) {
		power_cuts_freed(false, first);
		power_cuts_freed(true, first);
	}
}

/*----- images that make no sense -----*/

static void seal(struct shim_disk *d)
{
	struct dmc_superblock *sb = (struct dmc_superblock *)d->data;

	sb->csum = dmc_sb_checksum(sb);
}

/* What is in the superblock. */
static void test_bad_superblock(void)
{
	static const struct {
		u32 at, value;
		const char *why;
	} bad[] = {
		{ 112, 0, "partial blocks makes no sense" },		/* root */
		{ 112, 0x7fffffff, "partial blocks makes no sense" },
		{ 120, 0, "partial blocks makes no sense" },		/* number */
		{ 120, NR + 1, "partial blocks makes no sense" },
		{ 124, 16, "partial blocks makes no sense" },		/* granule */
		{ 4, 2, "needs_check is set: use dmcache settle" },
		{ 192, 0, "is not a metadata block: use dmcache settle" },	/* mappings */
		{ 80, 0x7fffffff, "is damaged: use dmcache settle" },		/* space map */
		{ 252, 1U << 31 | 1, "unknown incompatible features" },
		{ 252, 1U << 30, "unknown incompatible features" },
	};
	struct dmc_md_summary s;
	dmc_md_reason_t why;
	struct fixture f;
	u32 i, old;
	__le32 *at;

	fixture_begin(&f, true);
	make_partial(&f, 5);
	commit(&f);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		at = (__le32 *)(f.d->data + bad[i].at);
		old = le32_to_cpu(*at);
		*at = cpu_to_le32(bad[i].value);
		seal(f.d);
		CHECK(dmc_md_probe(&f.p, &s, &why));
		CHECK_MSG(strstr(why, bad[i].why), "%u: %s", i, why);
		*at = cpu_to_le32(old);
	}
	seal(f.d);
	CHECK_OK(dmc_md_probe(&f.p, &s, &why));
	fixture_end(&f);
}

/* Changes bytes of the tree's root, which is a leaf. */
static void poke_leaf(struct shim_disk *d, u32 offset, const void *bytes, u32 nr)
{
	u8 *leaf = d->data + le64_to_cpu(sb_of(d)->partial.root) * 4096;

	memcpy(leaf + offset, bytes, nr);
	*(__le32 *)leaf = cpu_to_le32(crc32c(~0U, leaf + 4, 4092) ^ 121107);
}

/* And what is in the tree. */
static void test_bad_maps(void)
{
	static const u64 nothing, too_much = 0xff, beyond = 0x100, no_block = NR;
	static const u32 header = 32, max = 99;	/* (4096 - 32) / (8 + 32), by threes */
	static const struct {
		u32 at;
		const u64 *value;
	} bad[] = {
		{ header, &no_block },
		{ header + 8 * max, &nothing },
		{ header + 8 * max, &too_much },
		{ header + 8 * max, &beyond },
	};
	struct shim_disk *good;
	struct model *got;
	struct fixture f;
	u32 i, nr;
	int r;

	fixture_begin(&f, true);
	make_partial(&f, 5);
	commit(&f);
	dmc_md_close(f.md);
	good = disk_clone(f.d);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		poke_leaf(f.d, bad[i].at, bad[i].value, 8);
		f.md = md_open_ok(&f.p);
		got = model_load(f.md, &f.m->policy, &r);
		CHECK(!got && dmc_is_damage(r));
		dmc_md_close(f.md);
		memcpy(f.d->data, good->data, DISK_BLOCKS * 4096);
	}

	/* More in the tree than the superblock says, or fewer. */
	for (nr = 2; nr < 4; nr++) {
		((struct dmc_superblock *)f.d->data)->partial.nr = cpu_to_le32(nr);
		seal(f.d);
		f.md = md_open_ok(&f.p);
		got = model_load(f.md, &f.m->policy, &r);
		CHECK(!got && dmc_is_damage(r));
		dmc_md_close(f.md);
	}
	memcpy(f.d->data, good->data, DISK_BLOCKS * 4096);
	f.md = md_open_ok(&f.p);
	expect(&f);
	disk_free(good);
	fixture_end(&f);
}

static int count_below(void *ctx, cblock_t cb, const u64 *valid)
{
	u32 *count = ctx;

	CHECK(from_cblock(cb) < count[1]);
	count[0]++;
	return 0;
}

/* A cache that is smaller now hears of no map beyond its end. */
static void test_smaller_cache(void)
{
	u32 count[2] = { 0, NR };
	struct fixture f;

	fixture_begin(&f, true);
	make_partial(&f, 5);
	make_partial(&f, NR - 1);
	commit(&f);
	CHECK_OK(dmc_md_load_valid(f.md, NR, count_below, count));
	CHECK_EQ(count[0], 2);
	count[0] = 0;
	count[1] = NR - 1;
	CHECK(dmc_is_damage(dmc_md_load_valid(f.md, NR - 1, count_below, count)));
	CHECK_EQ(count[0], 1);
	fixture_end(&f);
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "a block has 2 to 256 granules of 4 KiB or more", test_granules },
		{ "maps come, change and go, and with the last one the feature", test_come_and_go },
		{ "a new mapping is full", test_insert_makes_full },
		{ "maps that make no sense, or of unmapped blocks, are refused", test_refused },
		{ "an abort brings the maps back", test_abort },
		{ "maps that a repair freed survive each power cut", test_freed },
		{ "a superblock that makes no sense is refused", test_bad_superblock },
		{ "a tree that makes no sense is damage", test_bad_maps },
		{ "a smaller cache hears of no map beyond its end", test_smaller_cache },
		{ }
	};

	return unit_main(argc, argv, tests);
}
