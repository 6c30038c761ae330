/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * policy-model.h - a core in miniature, to drive a policy and watch that it keeps the contract.
 *
 * It owns a mapping, dirty bits, a free list and work in flight, as the core does, and checks all
 * that the policy asks for against them: a policy that names a block that is busy, not there,
 * already there or clean fails the test.  After each event the policy's residency must be ours.
 */
#ifndef POLICY_MODEL_H
#define POLICY_MODEL_H

#include "policies/policy.h"

#define MODEL_NONE U32_MAX
#define MODEL_BLOCK_SECTORS 128
#define MODEL_INFLIGHT 64

/* What the stubs of dmc_policy_register() have recorded. */
#define MODEL_TYPES_MAX 64
extern struct dmc_policy_type *model_types[MODEL_TYPES_MAX];
extern unsigned int model_nr_types;
struct dmc_policy_type *model_type(const char *name);
/* For a policy that nothing is done with. */
extern const struct dmc_mappings model_no_mappings;

struct model {
	struct dmc_policy_type *type;
	struct dmc_policy *p;
	struct dmc_mappings map;

	u32 nr;
	u64 nr_oblocks;
	u64 *oblock;		/* of a cblock; U64_MAX: free */
	u32 *cblock;		/* of an oblock; MODEL_NONE: not cached */
	u8 *dirty;		/* of a cblock */
	u8 *busy;		/* of a cblock: enum dmc_op + 1 */
	u8 *coming;		/* of an oblock: being promoted */
	u32 *hints;		/* of a cblock: as on the disk */
	u32 *free;		/* a stack */
	u32 nr_free;
	u32 nr_resident;
	u32 nr_dirty;
	u32 nr_leaving;		/* for the reserve */
	u32 owed;		/* free blocks that next_work() has made, and not used */

	struct dmc_work work[MODEL_INFLIGHT];
	u32 nr_work;

	/* How it behaves. */
	unsigned int fail_percent;	/* of the work */
	unsigned int refuse_percent;	/* before it starts */
	bool surprises;			/* stale figures, odd but allowed orders of calls */
	u32 reserve;			/* free blocks to keep, by make_room() */
	bool at_once;			/* cheap writes get partial blocks: allocated() */

	/* What happened. */
	u64 hits, misses, promotions, demotions, writebacks, failures, refusals;
};

struct model *model_new(struct dmc_policy_type *type, u32 nr, u64 nr_oblocks);
void model_free(struct model *m);		/* with work in flight forgotten */
/* As a clean shutdown, which stores the hints that changed. */
void model_suspend(struct model *m);
/* And a new start after one, with the stored hints or without. */
void model_restart(struct model *m, bool with_hints);
/* In how many groups of so many blocks hints have changed since. */
u32 model_hints_changed(struct model *m, u32 group);

/* A bio: hit or miss, and dirtying.  @cheap: a promotion needs no read. */
void model_access(struct model *m, u64 ob, enum dmc_dir dir, bool cheap);
void model_access_at(struct model *m, u64 ob, enum dmc_dir dir, bool cheap, u64 sector,
		     u32 sectors);
/* Asks for work once and starts or refuses it.  False: there was none. */
bool model_ask(struct model *m, bool idle);
/* Starts what make_room() names, if the policy has it, until there are so many free blocks. */
void model_make_room(struct model *m);
/* Ends work in flight: a random piece of it, or all. */
void model_complete_one(struct model *m);
void model_complete_all(struct model *m);
/* Asks and completes until there is no more, @max times at most; returns how many. */
u32 model_pump(struct model *m, bool idle, u32 max);
void model_tick(struct model *m);
void model_invalidate_some(struct model *m);
void model_check(struct model *m);
/* As an activation: @cb holds @ob. */
void model_load(struct model *m, u32 cb, u64 ob, bool dirty, u32 hint, bool hint_valid);

/* Load generators. */
enum model_load { LOAD_RANDOM, LOAD_ZIPF, LOAD_SEQUENTIAL, LOAD_LOOP, LOAD_NR };
extern const char *const model_load_names[LOAD_NR];
/* The @i-th block of a load over @n blocks. */
u64 model_load_block(enum model_load load, u64 i, u64 n, u64 loop);
/* Like a Zipf distribution of exponent 1 over @n blocks, the ranks scattered. */
u64 model_zipf(u64 n);

#endif
