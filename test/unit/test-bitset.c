// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bitset against a byte a bit.
 */
#include "pd-world.h"

#define MAX_BITS 80000

static u8 model[MAX_BITS];
static struct dmc_bitset bs;
static struct world w;

static u64 model_word(u32 index)
{
	u64 word = 0;
	u32 i;

	for (i = 0; i < 64 && index * 64 + i < bs.nr_bits; i++)
		word |= (u64)model[index * 64 + i] << i;
	return word;
}

static int check_word(void *ctx, u32 index, u64 word)
{
	CHECK_EQ(index, (*(u32 *)ctx)++);
	CHECK_EQ(word, model_word(index));
	return 0;
}

static int stop_walk(void *ctx, u32 index, u64 word)
{
	return 5;
}

static void check_all(void)
{
	u32 next = 0;

	CHECK_OK(dmc_bitset_walk_words(&bs, check_word, &next));
	CHECK_EQ(next, DIV_ROUND_UP(bs.nr_bits, 64));
	if (next)
		CHECK_EQ(dmc_bitset_walk_words(&bs, stop_walk, NULL), 5);
}

static u64 random_word(void *ctx, u32 index)
{
	u64 word = model_word(index);
	u32 i;

	/* Most stay as they are; the bits past the end do not count. */
	if (!unit_below(200)) {
		word = unit_rand();
		for (i = 0; i < 64 && index * 64 + i < bs.nr_bits; i++)
			model[index * 64 + i] = word >> i & 1;
	}
	return word;
}

static void random_bit(void)
{
	u32 bit = unit_below(bs.nr_bits + 70);
	bool was;
	int want = bit < bs.nr_bits ? 0 : DMC_NO_ENTRY;

	switch (unit_below(3)) {
	case 0:
		CHECK_EQ(dmc_bitset_set(&bs, bit), want);
		if (!want)
			model[bit] = 1;
		break;
	case 1:
		CHECK_EQ(dmc_bitset_clear(&bs, bit), want);
		if (!want)
			model[bit] = 0;
		break;
	default:
		CHECK_EQ(dmc_bitset_test(&bs, bit, &was), want);
		if (!want)
			CHECK_EQ(was, model[bit]);
	}
}

/* Many at once: neighbours, or all over; in their order, or not. */
static void random_bits(void)
{
	static u32 bits[2000];
	const u32 nr = unit_below(ARRAY_SIZE(bits)), step = unit_below(2) ? 1 : unit_below(300);
	u32 at = bs.nr_bits ? unit_below(bs.nr_bits) : 0, i, end;
	const bool value = unit_below(2);

	for (i = 0; i < nr && at < bs.nr_bits; i++, at += step)
		bits[i] = at;
	end = i;
	if (end > 1 && !unit_below(3)) {
		at = bits[0];
		bits[0] = bits[end / 2];
		bits[end / 2] = at;
	}
	if (end && !unit_below(4)) {
		bits[end - 1] = bs.nr_bits + unit_below(100);
		CHECK_EQ(dmc_bitset_change(&bs, bits, end, value), DMC_NO_ENTRY);
		return;
	}
	CHECK_OK(dmc_bitset_change(&bs, bits, end, value));
	for (i = 0; i < end; i++)
		model[bits[i]] = value;
}

static void resize(u32 n)
{
	bool value = unit_below(2);
	u32 i;

	CHECK_OK(dmc_bitset_resize(&bs, n, value));
	for (i = 0; i < MAX_BITS; i++)
		if (i >= n)
			model[i] = value;	/* what the next growth must not see */
	CHECK_EQ(bs.nr_bits, n);
}

static void grow(u32 n)
{
	bool value = unit_below(2);
	u32 i;

	for (i = bs.nr_bits; i < n; i++)
		model[i] = value;
	CHECK_OK(dmc_bitset_resize(&bs, n, value));
}

static void commit(void)
{
	CHECK_OK(dmc_bitset_flush(&bs));
	w.roots[0] = (struct world_root) { ROOT_ARRAY, bs.root, bs.nr_bits };
	world_check(&w);
}

static void begin(void)
{
	memset(model, 0, sizeof(model));
	world_create(&w, 500);
	dmc_bitset_init(&bs, w.tm);
	CHECK_OK(dmc_bitset_empty(&bs));
}

static u64 zero_word(void *ctx, u32 index)
{
	return 0;
}

/* The word that is cached does not outlive an update of the block it is in. */
static void test_update_forgets(void)
{
	bool was;

	begin();
	grow(40000);
	CHECK_OK(dmc_bitset_set(&bs, 3));
	CHECK_OK(dmc_bitset_set(&bs, 39999));
	CHECK_OK(dmc_bitset_test(&bs, 3, &was));
	CHECK_OK(dmc_bitset_update_block(&bs, 100, zero_word, NULL));
	CHECK_OK(dmc_bitset_test(&bs, 3, &was));
	CHECK(!was);
	CHECK_OK(dmc_bitset_test(&bs, 39999, &was));
	CHECK(was);
	world_destroy(&w);
}

static void test_random(void)
{
	unsigned int i, j;
	u32 n;

	begin();
	check_all();
	for (i = 0; i < 400; i++) {
		n = unit_below(3) ? unit_below(MAX_BITS) : 64 * unit_below(MAX_BITS / 64);
		if (!unit_below(5)) {
			if (n < bs.nr_bits)
				resize(n);
			else
				grow(n);
		}
		for (j = unit_below(300); j; j--)
			random_bit();
		if (!unit_below(2))
			random_bits();
		if (!unit_below(4))
			CHECK_OK(dmc_bitset_update_words(&bs, random_word, NULL));
		if (!unit_below(4)) {
			u32 bit = unit_below(bs.nr_bits + 100);

			CHECK_EQ(dmc_bitset_update_block(&bs, bit, random_word, NULL),
				 bit < bs.nr_bits ? 0 : DMC_NO_ENTRY);
		}
		if (!unit_below(3))
			check_all();
		if (!unit_below(8)) {
			commit();
			world_reopen(&w);
			dmc_bitset_init(&bs, w.tm);
			dmc_bitset_open(&bs, w.roots[0].block, w.roots[0].word);
			check_all();
		}
	}
	commit();
	CHECK_OK(dmc_bitset_del(&bs));
	w.roots[0].kind = ROOT_NONE;
	world_check(&w);
	world_destroy(&w);
}

/* Bits past the end are 0 on disk, whatever happened before. */
static void test_tail(void)
{
	static const u32 sizes[] = { 1, 63, 64, 65, 127, 128, 32575, 32576, 32577, 70000 };
	unsigned int i, j;
	bool bit;
	u32 k;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (j = 0; j < ARRAY_SIZE(sizes); j++) {
			unit_note("%u to %u", sizes[i], sizes[j]);
			begin();
			CHECK_OK(dmc_bitset_resize(&bs, sizes[i], true));
			CHECK_OK(dmc_bitset_resize(&bs, sizes[j], false));
			for (k = 0; k < sizes[j]; k += k < 70 || k + 70 > sizes[j] ? 1 : 97) {
				CHECK_OK(dmc_bitset_test(&bs, k, &bit));
				CHECK_EQ(bit, k < sizes[i]);
			}
			CHECK_OK(dmc_bitset_resize(&bs, 0, false));
			CHECK_EQ(dmc_bitset_test(&bs, 0, &bit), DMC_NO_ENTRY);
			CHECK_OK(dmc_bitset_resize(&bs, sizes[j], false));
			for (k = 0; k < sizes[j]; k += 13) {
				CHECK_OK(dmc_bitset_test(&bs, k, &bit));
				CHECK(!bit);
			}
			/* Full words in the array underneath. */
			CHECK_OK(dmc_bitset_resize(&bs, 0, false));
			CHECK_OK(dmc_bitset_resize(&bs, sizes[i], true));
			if (sizes[i] % 64) {
				__le64 word;

				CHECK_OK(dmc_array_get(&bs.array_info, bs.root, sizes[i] / 64,
						       &word));
				CHECK_EQ(le64_to_cpu(word), (1ull << sizes[i] % 64) - 1);
			}
			commit();
			world_destroy(&w);
		}
	}
}

/* The cached word reaches the tree by flush, and by moving to another word. */
static void test_word_cache(void)
{
	struct dmc_bitset other;
	bool bit;

	begin();
	CHECK_OK(dmc_bitset_resize(&bs, 1000, false));
	CHECK_OK(dmc_bitset_set(&bs, 5));
	dmc_bitset_init(&other, w.tm);
	dmc_bitset_open(&other, bs.root, 1000);
	CHECK_OK(dmc_bitset_test(&other, 5, &bit));
	CHECK(!bit);
	CHECK_OK(dmc_bitset_flush(&bs));
	dmc_bitset_open(&other, bs.root, 1000);
	CHECK_OK(dmc_bitset_test(&other, 5, &bit));
	CHECK(bit);
	CHECK_OK(dmc_bitset_set(&bs, 6));
	CHECK_OK(dmc_bitset_set(&bs, 600));
	dmc_bitset_open(&other, bs.root, 1000);
	CHECK_OK(dmc_bitset_test(&other, 6, &bit));
	CHECK(bit);
	CHECK_OK(dmc_bitset_test(&other, 600, &bit));
	CHECK(!bit);
	commit();
	world_destroy(&w);
}

static void test_too_short(void)
{
	bool bit;

	begin();
	CHECK_OK(dmc_bitset_resize(&bs, 1000, false));
	commit();
	dmc_bitset_open(&bs, bs.root, 100000);
	CHECK_EQ(dmc_bitset_test(&bs, 99999, &bit), -EILSEQ);
	CHECK_EQ(dmc_bitset_walk_words(&bs, stop_walk, NULL), -EILSEQ);
	CHECK_EQ(dmc_bitset_set(&bs, 99999), -EILSEQ);
	dmc_bitset_open(&bs, 3, U32_MAX);
	CHECK(dmc_bitset_test(&bs, U32_MAX - 1, &bit) < 0);
	CHECK_EQ(dmc_bitset_test(&bs, U32_MAX, &bit), DMC_NO_ENTRY);
	world_destroy(&w);
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "an update forgets the cached word", test_update_forgets },
		{ "random operations", test_random },
		{ "bits past the end", test_tail },
		{ "the word cache", test_word_cache },
		{ "shorter than it should be", test_too_short },
		{ }
	};

	return unit_main(argc, argv, tests);
}
