// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-table.c - the mapping table, alone and under a writer that moves entries as fast as it can.
 *
 * The second part is what the lock-free look-up promises: an oblock that stays mapped is found by
 * every look-up, however many other entries are carried into and out of its chain meanwhile.  The
 * table is made small and its chains long, so that a reader is nearly always standing on an entry
 * that moves.
 */
#include <pthread.h>

#include "table.h"
#include "unit.h"

#define NR 64
#define STAYING 16		/* cblocks 0 .. STAYING - 1 never move */
#define LOOKUPS 3000000

/*
 * Of an origin whose blocks have numbers of 32 bits, and of one with so many that their lower
 * halves are the same.
 */
#define FEW (4 * NR)
#define MANY (DMC_MAX_OBLOCKS - 1)

/* The oblock of number @n, of FEW. */
static u64 oblock_in(u64 origin, u32 n)
{
	return origin == FEW ? n : n == 1 ? MANY - 1 : (u64)(n / 2) << 40 | (n & 1 ? U32_MAX : 0);
}

static void test_model_of(u64 origin)
{
	u64 model[NR];
	struct mapping_table t;
	cblock_t cb;
	int i, step;

	CHECK_OK(table_init(&t, NR, origin));
	for (i = 0; i < NR; i++)
		model[i] = NO_OBLOCK;

	for (step = 0; step < 200000; step++) {
		u32 c = unit_below(NR);
		u64 ob = oblock_in(origin, unit_below(FEW));
		bool mapped = false;

		for (i = 0; i < NR; i++)
			if (model[i] == ob) {
				mapped = true;
				CHECK(table_lookup(&t, to_oblock(ob), &cb));
				CHECK_EQ(from_cblock(cb), i);
			}
		if (!mapped)
			CHECK(!table_lookup(&t, to_oblock(ob), &cb));

		CHECK_EQ(table_oblock(&t, to_cblock(c)), model[c]);
		if (model[c] != NO_OBLOCK) {
			table_remove(&t, to_cblock(c));
			model[c] = NO_OBLOCK;
		} else if (!mapped) {
			table_insert(&t, to_cblock(c), to_oblock(ob));
			model[c] = ob;
		}
	}
	table_exit(&t);
}

static void test_model(void)
{
	test_model_of(FEW);
}

static void test_large_origin(void)
{
	test_model_of(MANY);
}

/* The last block that 32 bits can name, and the first that they cannot. */
static void test_32_bits(void)
{
	static const u64 origins[] = { U32_MAX, U32_MAX + 1ULL, U32_MAX + 2ULL };
	struct mapping_table t;
	cblock_t cb;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(origins); i++) {
		CHECK_OK(table_init(&t, 2, origins[i]));
		CHECK(!table_lookup(&t, to_oblock(origins[i] - 1), &cb));
		table_insert(&t, to_cblock(1), to_oblock(origins[i] - 1));
		CHECK(table_lookup(&t, to_oblock(origins[i] - 1), &cb));
		CHECK_EQ(table_oblock(&t, to_cblock(1)), origins[i] - 1);
		CHECK_EQ(table_oblock(&t, to_cblock(0)), NO_OBLOCK);
		table_remove(&t, to_cblock(1));
		CHECK_EQ(table_oblock(&t, to_cblock(1)), NO_OBLOCK);
		table_exit(&t);
	}
}

static void test_odd_sizes(void)
{
	static const u32 sizes[] = { 1, 2, 3, 1000 };
	struct mapping_table t;
	cblock_t cb;
	u32 i, s;

	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		CHECK_OK(table_init(&t, sizes[s], (1ULL << 47) + 1000));
		for (i = 0; i < sizes[s]; i++)
			table_insert(&t, to_cblock(i), to_oblock((1ULL << 47) + i));
		CHECK_EQ(atomic_read(&t.nr_mapped), sizes[s]);
		for (i = 0; i < sizes[s]; i++) {
			CHECK(table_lookup(&t, to_oblock((1ULL << 47) + i), &cb));
			CHECK_EQ(from_cblock(cb), i);
		}
		CHECK(!table_lookup(&t, to_oblock(0), &cb));
		table_exit(&t);
	}
}

/*
 * Runs of any length, with gaps: as if each block had been inserted by itself; chains can be taken
 * apart.
 */
static void test_runs(void)
{
	const u32 nr = 5000;
	oblock_t oblocks[600];
	struct mapping_table t;
	u32 i, n, mapped = 0;
	cblock_t cb;

	CHECK_OK(table_init(&t, nr, 1 << 30));
	for (i = 0; i < nr; i += n) {
		struct dmc_run run = { .first = to_cblock(i), .oblocks = oblocks };
		u32 k, here = 0;

		n = min(unit_below(600), nr - i);
		run.nr = n;
		for (k = 0; k < n; k++) {
			bool gap = (i + k) % 7 == 3;

			oblocks[k] = to_oblock(gap ? NO_OBLOCK : 1000000 + (i + k) * 3ULL);
			here += !gap;
		}
		CHECK_EQ(table_insert_run(&t, &run), here);
		mapped += here;
	}
	CHECK_EQ(atomic_read(&t.nr_mapped), mapped);
	for (i = 0; i < nr; i++) {
		CHECK_EQ(table_lookup(&t, to_oblock(1000000 + i * 3ULL), &cb), i % 7 != 3);
		CHECK(!table_lookup(&t, to_oblock(1000001 + i * 3ULL), &cb));
		if (i % 7 == 3)
			continue;
		CHECK_EQ(from_cblock(cb), 0U + i);
		table_remove(&t, cb);
		CHECK(!table_lookup(&t, to_oblock(1000000 + i * 3ULL), &cb));
	}
	CHECK_EQ(atomic_read(&t.nr_mapped), 0);
	table_exit(&t);
}

static void test_no_memory(void)
{
	struct mapping_table t;
	int n, r;

	for (n = 1; ; n++) {
		shim_fail_alloc(n);
		r = table_init(&t, NR, MANY);
		shim_fail_alloc(0);
		if (!r)
			break;
		CHECK_EQ(r, -ENOMEM);
	}
	CHECK(n > 1);
	table_exit(&t);
}

static struct mapping_table shared;
static atomic_t stop;
static atomic_t moves;
static bool large_origin;

/* In a large origin they differ in what the entries do not hold. */
static oblock_t moving_oblock(u64 n)
{
	return to_oblock(large_origin ? n << 32 | 7 : n);
}

/* One writer, as in the core: everything but the staying blocks wanders between few oblocks. */
static void *mover(void *unused)
{
	u64 x = 88172645463325252ULL;
	u64 at[NR];
	u32 i;

	for (i = 0; i < NR; i++)
		at[i] = NO_OBLOCK;
	while (!atomic_read(&stop)) {
		u32 c;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		c = STAYING + x % (NR - STAYING);
		if (at[c] != NO_OBLOCK) {
			table_remove(&shared, to_cblock(c));
			at[c] = NO_OBLOCK;
		} else {
			/* Each cblock has oblocks of its own, so none is mapped twice. */
			at[c] = 1000 + c + (x >> 32) % 64 * NR;
			table_insert(&shared, to_cblock(c), moving_oblock(at[c]));
		}
		atomic_inc(&moves);
	}
	return NULL;
}

static void find_staying_blocks(void)
{
	pthread_t thread;
	cblock_t cb;
	u32 i, lost = 0, wrong = 0;

	CHECK_OK(table_init(&shared, NR, large_origin ? MANY : 10000));
	/* Few chains: every entry is in the way of every other. */
	shared.nr_buckets = 2;
	for (i = 0; i < STAYING; i++)
		table_insert(&shared, to_cblock(i), moving_oblock(i));

	atomic_set(&stop, 0);
	atomic_set(&moves, 0);
	CHECK_OK(pthread_create(&thread, NULL, mover, NULL));
	for (i = 0; i < LOOKUPS; i++) {
		if (!table_lookup(&shared, moving_oblock(i % STAYING), &cb))
			lost++;
		else if (from_cblock(cb) != i % STAYING)
			wrong++;
	}
	atomic_set(&stop, 1);
	pthread_join(thread, NULL);
	table_exit(&shared);

	CHECK_EQ(lost, 0);
	CHECK_EQ(wrong, 0);
	CHECK_MSG(atomic_read(&moves) > 10000, "only %d moves: nothing was tested",
		  atomic_read(&moves));
}

static void test_staying_blocks_are_found(void)
{
	large_origin = false;
	find_staying_blocks();
	large_origin = true;
	find_staying_blocks();
}

/* More than the kvmalloc family gives.  The second allocation fails, so that none is filled. */
static void test_many_entries(void)
{
	struct mapping_table t;

	if (sizeof(long) < 8)
		return;
	shim_fail_alloc(2);
	CHECK_EQ(table_init(&t, INT_MAX / sizeof(struct cblock_entry) + 1, 1 << 30), -ENOMEM);
	CHECK(shim_alloc_failed());
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "table: look-ups, insertions and removals match a model", test_model },
		{ "table: the same with an origin whose blocks 32 bits cannot number", test_large_origin },
		{ "table: the largest oblock of 32 bits, and beyond", test_32_bits },
		{ "table: sizes that are no power of two, large oblocks", test_odd_sizes },
		{ "table: runs of blocks", test_runs },
		{ "table: each failing allocation is an error", test_no_memory },
		{ "table: more than 178,956,970 entries", test_many_entries },
		{ "table: a mapped block is found while others move", test_staying_blocks_are_found },
		{ }
	};

	return unit_main(argc, argv, tests);
}
