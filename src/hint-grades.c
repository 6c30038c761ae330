// SPDX-License-Identifier: GPL-2.0-only
/*
 * hint-grades.c - see hint-grades.h for what, where and when.
 *
 * Grades come from a sample: the error of a rank among 4096 is far below a grade.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "hint-grades.h"

#define SAMPLE_MAX 4096

struct grades {
	u32 least[DMC_GRADES];	/* the smallest hint of each grade */
	u32 *sample;
	u32 nr;
};

static int compare(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

/* Takes the sample: hints that are not 0, evenly spread. */
static void take_sample(struct grades *g, const u32 *hints, u32 nr)
{
	u32 warm = 0, every, i, n = 0;

	for (i = 0; i < nr; i++)
		warm += !!hints[i];
	every = warm / SAMPLE_MAX + 1;
	g->nr = 0;
	for (i = 0; i < nr; i++)
		if (hints[i] && !(n++ % every))
			g->sample[g->nr++] = hints[i];
	sort(g->sample, g->nr, sizeof(*g->sample), compare, NULL);
}

/* Equal hints have one grade, that of the middle one of them. */
static void find_limits(struct grades *g)
{
	u32 first, end, grade, above = 1;

	for (first = 0; first < g->nr; first = end) {
		for (end = first + 1; end < g->nr && g->sample[end] == g->sample[first]; end++)
			;
		grade = 1 + (first + end) / 2 * (DMC_GRADES - 1) / g->nr;
		for (; above <= grade; above++)
			g->least[above] = g->sample[first];
	}
	for (; above < DMC_GRADES; above++)
		g->least[above] = U32_MAX;
}

static u32 grade_of(const struct grades *g, u32 hint)
{
	u32 grade = 0;

	if (!hint)
		return 0;
	while (grade + 1 < DMC_GRADES && hint >= g->least[grade + 1])
		grade++;
	/* Smaller than all of the sample. */
	return max(grade, 1U);
}

int hint_grades_translate(u32 *hints, u32 nr, const struct dmc_policy_type *to)
{
	struct grades *g = kmalloc(sizeof(*g), GFP_NOIO);
	u32 i, last = 0, translated = to->grade_hint(0);

	if (!g)
		return -ENOMEM;
	g->sample = kmalloc_array(SAMPLE_MAX, sizeof(*g->sample), GFP_NOIO);
	if (!g->sample) {
		kfree(g);
		return -ENOMEM;
	}
	take_sample(g, hints, nr);
	find_limits(g);
	for (i = 0; i < nr; i++) {
		/* Neighbours have the same as a rule. */
		if (hints[i] != last) {
			last = hints[i];
			translated = to->grade_hint(grade_of(g, last));
		}
		hints[i] = translated;
	}
	kfree(g->sample);
	kfree(g);
	return 0;
}
