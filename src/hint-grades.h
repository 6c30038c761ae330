/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hint-grades.h - the hints of one policy, told in the terms of another.
 *
 * When the policy is switched, what the old one knew of its blocks is worth keeping: which are
 * warm.  What its hints mean is its own affair, but for one thing (policy.h, grade_hint()): of two
 * the larger is of the warmer block.  So their order is kept: each hint is graded by how many
 * others are smaller, and the new policy says which hint it would have given a block of that grade.
 *
 * Called by activate.c once a load, before the policy is told of any block.  No locks.  Also
 * compiled in userspace.
 */
#ifndef DMC_HINT_GRADES_H
#define DMC_HINT_GRADES_H

#include "policies/policy.h"

/*
 * All @nr hints of a cache, in place.  Hints of 0 are of cold blocks or of none, and get grade 0;
 * the others share grades 1 to DMC_GRADES - 1.  May sleep.  -ENOMEM: @hints are as they were.
 */
int hint_grades_translate(u32 *hints, u32 nr, const struct dmc_policy_type *to);

#endif
