/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tunables.h - small things that several policies need: tunables and large tables.
 *
 * Nowhere near a bio.  Tunables are parsed from a table line or a message and printed for status;
 * tables are allocated when a policy is created.  All of it may sleep, except tunable_get(), which
 * any context may call.  No locks: a tunable is one word, read and written whole.
 */
#ifndef DMC_TUNABLES_H
#define DMC_TUNABLES_H

#include <linux/compiler.h>
#include <linux/types.h>

/* One key of a policy: what a user may set, from 0 up to what. */
struct tunable {
	const char *key;
	u32 def;
	u32 max;
};

static inline u32 tunable_get(const u32 *values, unsigned int which)
{
	return READ_ONCE(values[which]);
}

/* Fills @values, one for each of the @nr rows of @table, with the defaults. */
void dmc_tunable_defaults(const struct tunable *table, unsigned int nr, u32 *values);

/*
 * 0, or -EINVAL with a message that starts with @policy and nothing changed: the key is unknown, or
 * the value is not a decimal number within the bound of its row.
 */
int dmc_tunable_set(const char *policy, const struct tunable *table, unsigned int nr, u32 *values,
		    const char *key, const char *value);

/* "<count> <key> <value>..." as emit_config() of policy.h wants it. */
int dmc_tunable_emit(const struct tunable *table, unsigned int nr, const u32 *values, char *buf,
		     size_t len);

/* The same without the count: " <key> <value>...". */
int dmc_tunable_emit_pairs(const struct tunable *table, unsigned int nr, const u32 *values,
			   char *buf, size_t len);

/*
 * A zeroed array that may be as large as a cache has blocks: from vmalloc, since a kmalloc of that
 * size fails on any machine that has run for a while, and the kvmalloc family refuses 2 GiB and
 * more.  NULL if there is no memory.  Freed with vfree().
 */
void *dmc_zalloc_table(size_t nr, size_t size);

#endif
