// SPDX-License-Identifier: GPL-2.0-only
/*
 * entries.c - the table of block entries: memory, and the pool of extra ones.
 *
 * Called when a policy is created or destroyed, and by miss() for a block not seen before.  The
 * pool is protected by the policy's lock; see entries.h.
 */
#include <linux/errno.h>
#include <linux/log2.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "entries.h"
#include "policy-util.h"

int entries_init(struct entries *t, u32 nr_heads, u32 nr_blocks, u32 nr_extra, bool hashed)
{
	u64 total = (u64)nr_heads + nr_blocks + nr_extra;
	u32 i;

	if (total > U32_MAX)
		return -EINVAL;

	t->first_block = nr_heads;
	t->first_extra = nr_heads + nr_blocks;
	t->nr_extra = nr_extra;
	t->extra_used = 0;
	t->extra_free = ENTRY_NIL;

	t->buckets = NULL;
	t->e = policy_zalloc_table(total, sizeof(*t->e));
	if (!t->e)
		return -ENOMEM;

	for (i = 0; i < nr_heads; i++)
		el_init(t, i);
	if (!hashed)
		return 0;

	/* One or two entries a bucket: chains are walked under the lock, so keep them short. */
	t->hash_bits = clamp(ilog2(total), 4, 31);
	t->buckets = policy_zalloc_table((size_t)1 << t->hash_bits, sizeof(*t->buckets));
	if (!t->buckets) {
		vfree(t->e);
		return -ENOMEM;
	}
	return 0;
}

void entries_exit(struct entries *t)
{
	vfree(t->buckets);
	vfree(t->e);
}

u32 entries_get_extra(struct entries *t)
{
	u32 i = t->extra_free;

	if (i != ENTRY_NIL)
		t->extra_free = t->e[i].chain;
	else if (t->extra_used < t->nr_extra)
		i = t->first_extra + t->extra_used++;
	else
		return ENTRY_NIL;

	memset(&t->e[i], 0, sizeof(t->e[i]));
	el_init(t, i);
	return i;
}

void entries_put_extra(struct entries *t, u32 i)
{
	entry_set_state(&t->e[i], ENTRY_FREE);
	t->e[i].chain = t->extra_free;
	t->extra_free = i;
}
