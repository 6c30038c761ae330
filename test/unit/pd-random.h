/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pd-random.h - long random workloads over all of the library, each a function of its seed, with a
 * model beside them that knows what each commit must have left behind.  For the power cuts.
 *
 * Roots: 0 a tree, 1 a tree of trees, 2 an array, 3 a bitset, 4 and 5 copies of array and tree as
 * they were some transactions ago, so that nodes are shared.  The word of root 7 is the number of
 * the commit.  What a commit left is remembered as a digest, so that thousands of them cost
 * nothing.
 */
#ifndef PD_RANDOM_H
#define PD_RANDOM_H

#include "pd-world.h"

#define RANDOM_BLOCKS 200	/* enough for all of it */
#define RANDOM_KEYS 700
#define RANDOM_ELEMENTS 2600
#define RANDOM_BITS 5000

struct random_model {
	u64 commits;			/* so many */
	u64 tree[RANDOM_KEYS];		/* 0: no such key */
	u64 trees[3][RANDOM_KEYS / 3];
	u64 tree_copy[RANDOM_KEYS];
	u32 nr_elements, nr_copied, nr_bits;
	u64 elements[RANDOM_ELEMENTS];
	u64 elements_copy[RANDOM_ELEMENTS];
	u8 bits[RANDOM_BITS];
};

struct random_work {
	struct world w;
	u64 rnd;
	struct random_model now, committed;
};

/* Starts on a blank @disk, with a first commit that holds empty things. */
void random_begin(struct random_work *rw, struct shim_disk *disk, u64 seed);
/* Random changes, unlikely to be none; now and then dropped again instead of kept. */
void random_changes(struct random_work *rw);
void random_commit(struct random_work *rw);
void random_end(struct random_work *rw);

u64 random_digest(const struct random_model *m);
/* The same of what is on disk.  0 or the error of reading it. */
int random_digest_of(struct world *w, u64 *digest);

#endif
