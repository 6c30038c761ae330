// SPDX-License-Identifier: GPL-2.0-only
/*
 * tunables.c - tunables and large tables for the policies; see the header for contexts.
 *
 * Never on the way of a bio; no locks.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/overflow.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "tunables.h"

void dmc_tunable_defaults(const struct tunable *table, unsigned int nr, u32 *values)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		values[i] = table[i].def;
}
EXPORT_SYMBOL_GPL(dmc_tunable_defaults);

/* kstrtouint() lets a '+' and a newline pass; in a table both are mistakes. */
static int parse_decimal(const char *s, u32 *result)
{
	const char *p;

	for (p = s; *p; p++)
		if (*p < '0' || *p > '9')
			return -EINVAL;
	return kstrtouint(s, 10, result);
}

int dmc_tunable_set(const char *policy, const struct tunable *table, unsigned int nr, u32 *values,
		    const char *key, const char *value)
{
	unsigned int i;
	u32 v;

	for (i = 0; i < nr; i++) {
		if (strcmp(table[i].key, key))
			continue;

		if (parse_decimal(value, &v) || v > table[i].max) {
			pr_err("dm-cache %s: %s must be a number from 0 to %u, not '%s'\n", policy,
			       key, table[i].max, value);
			return -EINVAL;
		}
		WRITE_ONCE(values[i], v);
		return 0;
	}

	pr_err("dm-cache %s: there is no tunable '%s'\n", policy, key);
	return -EINVAL;
}
EXPORT_SYMBOL_GPL(dmc_tunable_set);

int dmc_tunable_emit_pairs(const struct tunable *table, unsigned int nr, const u32 *values,
			   char *buf, size_t len)
{
	unsigned int i;
	int n = 0;

	for (i = 0; i < nr; i++)
		n += scnprintf(buf + n, len - n, " %s %u", table[i].key,
			       tunable_get(values, i));
	return n;
}
EXPORT_SYMBOL_GPL(dmc_tunable_emit_pairs);

int dmc_tunable_emit(const struct tunable *table, unsigned int nr, const u32 *values, char *buf,
		     size_t len)
{
	int n = scnprintf(buf, len, "%u", nr * 2);

	return n + dmc_tunable_emit_pairs(table, nr, values, buf + n, len - n);
}
EXPORT_SYMBOL_GPL(dmc_tunable_emit);

void *dmc_zalloc_table(size_t nr, size_t size)
{
	return vzalloc(array_size(nr, size));
}
EXPORT_SYMBOL_GPL(dmc_zalloc_table);
