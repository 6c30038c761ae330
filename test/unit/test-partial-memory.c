// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-partial-memory.c - a partial block takes at most 64 bytes of memory (rule R18), with its
 * share of what finds it; partial-memory.h, whose structs and sizes partial.c allocates.
 */
#include "partial-memory.h"
#include "unit.h"

#define MOST 64

/* All that partial.c ever allocates for @nr blocks. */
static u64 bytes_of(u32 nr)
{
	return (u64)partial_chunks(nr) *
		       (PARTIAL_CHUNK * sizeof(struct partial_block) + sizeof(void *)) +
	       (u64)partial_buckets(nr) * sizeof(u32);
}

static void check(u32 nr)
{
	/* The last chunk is allocated as a whole, and may be used in part. */
	u64 blocks = (u64)partial_chunks(nr) * PARTIAL_CHUNK;

	CHECK(blocks >= nr && blocks - nr < PARTIAL_CHUNK);
	CHECK_MSG(bytes_of(nr) <= MOST * blocks, "%u blocks take %llu bytes: %llu bytes for each",
		  nr, (unsigned long long)bytes_of(nr),
		  (unsigned long long)DIV_ROUND_UP(bytes_of(nr), blocks));
}

static void test_memory(void)
{
	u32 nr;

	/* The worst are powers of two, with a bucket for each block. */
	for (nr = 1; nr <= 1U << 30; nr *= 2) {
		check(nr);
		check(nr + nr / 2);
		check(2 * nr - 1);
	}
}

/* A bucket for each block or two, so that chains stay short: memory is not saved there. */
static void test_buckets(void)
{
	u32 nr;

	for (nr = 1; nr < 100000; nr++) {
		CHECK(!(partial_buckets(nr) & (partial_buckets(nr) - 1)));
		CHECK(partial_buckets(nr) <= nr && nr < 2 * partial_buckets(nr));
	}
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "a partial block takes at most 64 bytes", test_memory },
		{ "a table has a bucket for each block or two", test_buckets },
		{ }
	};

	return unit_main(argc, argv, tests);
}
