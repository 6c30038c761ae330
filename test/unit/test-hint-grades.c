// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-hint-grades.c - hints told in the terms of another policy: their order is what counts.
 */
#include "hint-grades.h"
#include "unit.h"

static u32 grade_times_ten(u32 grade)
{
	CHECK(grade < DMC_GRADES);
	return grade * 10;
}

static const struct dmc_policy_type to = { .name = "to", .grade_hint = grade_times_ten };

static void translate(u32 *hints, u32 nr)
{
	CHECK_OK(hint_grades_translate(hints, nr, &to));
}

/*
 * All different, of any size: each grade but 0 has its even share, and no pair changes its order.
 */
static void test_spread(void)
{
	static const u32 sizes[] = { 15, 100, 4096, 4097, 100000 };
	unsigned int k;

	for (k = 0; k < ARRAY_SIZE(sizes); k++) {
		u32 nr = sizes[k], count[DMC_GRADES] = { 0 }, i;
		u32 *hints = malloc(nr * sizeof(*hints)), *was = malloc(nr * sizeof(*was));

		unit_note("%u hints", nr);
		/* In no order: 7919 is a prime that divides none of the sizes. */
		for (i = 0; i < nr; i++)
			was[i] = hints[i] = 1 + (u32)((u64)i * 7919 % nr) * 40000;
		translate(hints, nr);
		for (i = 0; i < nr; i++) {
			count[hints[i] / 10]++;
			if (i)
				CHECK(was[i] < was[i - 1] ? hints[i] <= hints[i - 1] :
							    hints[i] >= hints[i - 1]);
		}
		CHECK_EQ(count[0], 0);
		for (i = 1; i < DMC_GRADES; i++)
			CHECK_MSG(count[i] >= nr / 15 * 9 / 10 && count[i] <= nr / 15 * 11 / 10 + 1,
				  "grade %u has %u of %u", i, count[i], nr);
		free(hints);
		free(was);
	}
}

/* 0 is nothing known, or nothing good. What is equal stays so, in the middle of its place. */
static void test_ties(void)
{
	u32 hints[1000], i;

	for (i = 0; i < 1000; i++)
		hints[i] = i % 2;
	translate(hints, 1000);
	for (i = 0; i < 1000; i++)
		CHECK_EQ(hints[i], i % 2 ? 80 : 0);

	for (i = 0; i < 1000; i++)
		hints[i] = i < 100 ? 0 : i < 400 ? 256 : U32_MAX;
	translate(hints, 1000);
	CHECK_EQ(hints[0], 0);
	CHECK_EQ(hints[100], hints[399]);
	CHECK_EQ(hints[400], hints[999]);
	CHECK(hints[100] > 0 && hints[100] < hints[400]);

	memset(hints, 0, sizeof(hints));
	translate(hints, 1000);
	for (i = 0; i < 1000; i++)
		CHECK_EQ(hints[i], 0);
	translate(hints, 0);
}

static void test_no_memory(void)
{
	u32 hints[] = { 3, 0, 9 };
	int i;

	for (i = 1; i <= 2; i++) {
		shim_fail_alloc(i);
		CHECK_EQ(hint_grades_translate(hints, 3, &to), -ENOMEM);
		shim_fail_alloc(0);
		CHECK(hints[0] == 3 && hints[1] == 0 && hints[2] == 9);
	}
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "grades are spread evenly, in order", test_spread },
		{ "nothing known, and equal hints", test_ties },
		{ "no memory: as they were", test_no_memory },
		{ }
	};

	return unit_main(argc, argv, tests);
}
