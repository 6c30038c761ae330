// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-md-room.c - a metadata device of the least size has room for whatever one commit changes; a
 * smaller one for as much as dmc_md_changes_fit() says.
 */
#include "md-test.h"

#define NR_DBLOCKS 4096

/* A cache as the core keeps it, live and with marks. */
struct cache {
	struct shim_disk *d;
	struct dmc_md *md;
	u32 nr;
	bool format2;
	u8 *mapped;
	u64 next_oblock;
	u64 least_free;
};

static u32 room(const struct cache *c)
{
	u64 used, total;

	dmc_md_get_usage(c->md, &used, &total);
	return dmc_md_changes_fit(c->nr, c->format2, total, total - used);
}

static void commit(struct cache *c)
{
	struct dmc_md_stats stats = { 1, 2, 3, c->next_oblock };

	CHECK_OK(dmc_md_commit(c->md, &stats));
}

/* How the changes of one commit lie. */
enum spread { EVEN, RANDOM, CLUSTERED, NR_SPREADS };

static u32 place(const struct cache *c, enum spread spread, u32 i, u32 n, u32 shift)
{
	switch (spread) {
	case EVEN:
		return ((u64)c->nr * i / n + shift) % c->nr;
	case RANDOM:
		return unit_below(c->nr);
	default:
		return (shift + i) % c->nr;
	}
}

/* With all neighbours: in format 1 these may be in two array blocks. */
static void mark(struct cache *c, u32 cb, bool set)
{
	u32 first = cb / 64 * 64, i, nr = 0, cblocks[64];

	for (i = first; i < first + 64 && i < c->nr; i++)
		if (c->mapped[i])
			cblocks[nr++] = i;
	CHECK_OK(dmc_md_set_dirty_many(c->md, cblocks, nr, set));
}

static void promote(struct cache *c, u32 cb)
{
	CHECK_OK(dmc_md_insert(c->md, to_cblock(cb), to_oblock(c->next_oblock++)));
	CHECK_OK(dmc_md_set_dirty(c->md, to_cblock(cb), true));
	c->mapped[cb] = true;
}

static void demote(struct cache *c, u32 cb)
{
	CHECK_OK(dmc_md_remove(c->md, to_cblock(cb)));
	c->mapped[cb] = false;
}

static void note_free(struct cache *c)
{
	u64 used, total;

	dmc_md_get_usage(c->md, &used, &total);
	c->least_free = min(c->least_free, total - used);
}

/* Of @changes: promotions, evictions, marks and marks to clear, at once or of one kind. */
static void one_commit(struct cache *c, enum spread spread, u32 changes, u32 round)
{
	u32 shift = unit_below(c->nr), clear = changes / 3, i, cb;

	/* The bits of a word lie across the end of an array block of mappings. */
	if (spread == EVEN && round & 1)
		shift = 508;
	for (i = 0; i < clear; i++)
		mark(c, place(c, spread, i, changes, shift), false);
	for (; i < changes; i++) {
		cb = place(c, spread, i, changes, shift);
		switch (round % 4 < 3 ? round % 4 : i % 3) {
		case 0:
			mark(c, cb, true);
			break;
		case 1:
			if (c->mapped[cb])
				demote(c, cb);
			break;
		default:
			promote(c, cb);
		}
	}
	note_free(c);
	commit(c);
}

static struct cache *start(u32 nr, bool format2, u64 blocks)
{
	struct dmc_md_tracking live = { .nr_cblocks = nr, .nr_dblocks = NR_DBLOCKS,
				    .discard_block_sectors = 128 };
	struct cache *c = calloc(1, sizeof(*c));
	struct dmc_md_params p;
	cblock_t busy;
	u32 i;

	c->d = blank_disk(blocks);
	c->nr = nr;
	c->format2 = format2;
	c->mapped = calloc(nr, 1);
	c->next_oblock = 1;
	c->least_free = U64_MAX;
	p = params(c->d, format2);
	c->md = md_open_ok(&p);
	CHECK_OK(dmc_md_start_tracking(c->md, &live, &busy));
	for (i = 0; i < nr; ) {
		u32 n = room(c);

		for (; n && i < nr; n--)
			promote(c, i++);
		commit(c);
	}
	return c;
}

static u32 hint_of_block(u32 cb)
{
	return cb * 7 + 1;
}

static void give_hints(void *ctx, cblock_t first, u32 nr, u32 *out)
{
	u32 i;

	for (i = 0; i < nr; i++)
		out[i] = hint_of_block(from_cblock(first) + i);
}

static u64 every_other(void *ctx, u32 index)
{
	const struct cache *c = ctx;
	u64 word = 0;
	u32 i;

	for (i = index * 64; i < index * 64 + 64 && i < c->nr; i++)
		word |= (u64)(c->mapped[i] && i & 1) << (i - index * 64);
	return word;
}

static u64 discard_all(void *ctx, u64 index)
{
	return ~0ULL;
}

static u64 none_dirty(void *ctx, u32 index)
{
	return 0;
}

static struct dmc_md_shutdown shutdown_of(struct cache *c)
{
	return (struct dmc_md_shutdown){
		.ctx = c,
		.dirty_word = every_other,
		.discard_word = discard_all,
		.hints = give_hints,
		.policy = { "smq", { 2 }, 4 },
		.discard_block_sectors = 128,
		.nr_dblocks = NR_DBLOCKS,
	};
}

/* So that hints and discards take their room too; then live again. */
static void restart(struct cache *c)
{
	struct dmc_md_tracking live = { .nr_cblocks = c->nr, .nr_dblocks = NR_DBLOCKS,
				    .discard_block_sectors = 128 };
	struct dmc_md_shutdown s = shutdown_of(c);
	cblock_t busy;

	CHECK_OK(dmc_md_commit_clean(c->md, &s));
	CHECK_OK(dmc_md_start_tracking(c->md, &live, &busy));
}

static void end(struct cache *c)
{
	dmc_md_close(c->md);
	md_content_free((struct md_content[]){ fsck_ok(c->d, 0) });
	disk_free(c->d);
	free(c->mapped);
	free(c);
}

static void drive(struct cache *c, u32 rounds, bool least)
{
	u32 round, spread;

	for (spread = 0; spread < NR_SPREADS; spread++)
		for (round = 0; round < rounds; round++) {
			CHECK_MSG(!least || room(c) >= DMC_MD_COMMIT_CHANGES,
				  "room for %u changes only", room(c));
			unit_note("%u blocks, format %u, spread %u, round %u, %u changes", c->nr,
				  1 + c->format2, spread, round, room(c));
			one_commit(c, spread, room(c), round);
		}
}

static const u32 sizes[] = { 1, 64, 509, 510, 4096, 32768, 70000, 131072, 262144 };

static void test_least(void)
{
	unsigned int i;

	for (i = 0; i < 2 * ARRAY_SIZE(sizes); i++) {
		u32 nr = sizes[i / 2];
		struct cache *c = start(nr, i & 1, dmc_md_min_blocks(nr, NR_DBLOCKS, i & 1));

		drive(c, 4, true);
		restart(c);
		drive(c, 8, true);
		restart(c);
		end(c);
	}
}

/* The least size of earlier versions, which did not provide for this. */
static u64 former_min_blocks(u32 nr, bool format2)
{
	u32 leaves = DIV_ROUND_UP(nr, 509), hints = DIV_ROUND_UP(nr, 1018);
	u32 words = DIV_ROUND_UP(DIV_ROUND_UP(nr, 64), 509);
	u64 n = leaves + hints + (format2 ? words : 0) + DIV_ROUND_UP(leaves, 84) +
		DIV_ROUND_UP(hints, 84) + 5;

	n += n / 8 + 32;
	return n + 1 + 2 * (2 + DIV_ROUND_UP(n, 16320));
}

/* Where there is room for less, a commit of as much as is said to fit. */
static void test_less(void)
{
	unsigned int i;

	for (i = 0; i < 2 * ARRAY_SIZE(sizes); i++) {
		u32 nr = sizes[i / 2];
		struct cache *c = start(nr, i & 1, former_min_blocks(nr, i & 1));

		drive(c, 4, false);
		restart(c);
		CHECK_MSG(room(c) >= 8, "room for %u changes", room(c));
		drive(c, 8, false);
		restart(c);
		end(c);
	}
}

static int nothing(void *ctx, const struct dmc_run *run)
{
	return 0;
}

/* After a power cut at any time meanwhile, it loads. */
static void check_crashes(struct disk_crash *crash, struct dmc_md_params p)
{
	struct dmc_md_policy policy = { "smq", { 2 }, 4 };
	unsigned long k, nr = disk_crash_events(crash);

	CHECK(nr > 6);
	for (k = 1; k <= nr; k += nr / 4) {
		struct shim_disk *d = disk_crash_state(crash, k, k);
		struct dmc_md *md;

		p.bdev = disk_bdev(d);
		md = md_open_ok(&p);
		CHECK_OK(dmc_md_load_mappings(md, &policy, NULL, nothing, NULL));
		dmc_md_close(md);
	}
}

/* The origin has shrunk, and none of the mappings, which are all clean, leads anywhere: all go. */
static void drop_all(bool format2, bool live)
{
	const u32 nr = 300000;
	struct cache *c = start(nr, format2, dmc_md_min_blocks(nr, NR_DBLOCKS, format2));
	struct dmc_md_policy policy = { "smq", { 2 }, 4 };
	struct dmc_md_tracking l = { .nr_cblocks = nr, .nr_dblocks = NR_DBLOCKS,
				 .discard_block_sectors = 128 };
	struct dmc_md_shutdown s = shutdown_of(c);
	struct dmc_md_params p = params(c->d, format2);
	struct disk_crash *crash;
	struct md_content content;
	cblock_t busy;
	u32 i;

	unit_note("format %u, %s", 1 + format2, live ? "live" : "not live");
	s.dirty_word = none_dirty;
	CHECK_OK(dmc_md_commit_clean(c->md, &s));
	dmc_md_close(c->md);
	p.origin_blocks = 1;
	c->md = md_open_ok(&p);
	CHECK_OK(dmc_md_load_mappings(c->md, &policy, NULL, nothing, NULL));
	disk_log_start(c->d);
	CHECK_OK(live ? dmc_md_start_tracking(c->md, &l, &busy) : dmc_md_begin_changes(c->md));
	crash = disk_crash_begin(c->d);
	check_crashes(crash, p);
	disk_crash_end(crash);
	content = fsck_ok(c->d, 0);
	CHECK_EQ(content.flags, live);
	for (i = 0; i < nr; i++)
		CHECK(!content.maps[i]);
	md_content_free(&content);
	end(c);
}

static void test_drop_beyond(void)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		drop_all(i & 1, i & 1);
}

/* The estimate is none of a quite different size: it is nearly reached. */
static void test_not_wasteful(void)
{
	struct cache *c = start(131072, false, dmc_md_min_blocks(131072, NR_DBLOCKS, false));

	restart(c);
	drive(c, 8, true);
	CHECK_MSG(c->least_free < 100, "%llu blocks were always free", c->least_free);
	end(c);
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "the least size holds what one commit changes", test_least },
		{ "a smaller one holds as much as is said", test_less },
		{ "an origin that shrank under a full cache", test_drop_beyond },
		{ "and not much more is asked for", test_not_wasteful },
		{ }
	};

	return unit_main(argc, argv, tests);
}
