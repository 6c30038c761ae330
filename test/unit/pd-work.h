/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pd-work.h - a workload over all of the library, in numbered transactions, that can be
 * checked: what
 * transaction n leaves behind is a function of n.  For the tests of faults and power cuts.
 *
 * Roots: 0 a tree of one level, 1 a tree of two, 2 an array, 3 a bitset, 4 a copy of root 2 as
 * it was
 * some transactions ago, so that nodes are shared.  The number is in the word of root 7.
 */
#ifndef PD_WORK_H
#define PD_WORK_H

#include "pd-world.h"

#define WORK_BLOCKS 160		/* enough for all of it */

/* Does what makes transaction @n out of @n - 1, without committing.  0 or -errno. */
int work_step(struct world *w, u64 n);
u64 work_number(struct world *w);	/* of the committed state that was opened */
/* -EPROTO if the content is not that of the number; other errors from below. */
int work_check(struct world *w);

#endif
