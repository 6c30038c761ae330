/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * md-scenario.h - a life of a cache's metadata, from opening to the clean shutdown, that notes what
 * must be on disk at each point.  The fault sweeps stop it half way, the power cuts look back.
 */
#ifndef MD_SCENARIO_H
#define MD_SCENARIO_H

#include "md-test.h"

#define SCENARIO_MAX_STATES 32

/* What a commit promised. */
struct state {
	u64 seq;		/* disk_now() when it returned */
	struct model *m;
	bool clean;		/* with the clean-shutdown flag */
};

struct scenario {
	struct shim_disk *d;
	bool format2;
	struct dmc_md *md;	/* open, or NULL */
	struct model *m;	/* what the running transaction says */

	struct state states[SCENARIO_MAX_STATES];
	unsigned int nr_states;	/* promised so far */
	bool in_commit;		/* the one after the last may be on disk, too */
	bool clean_next;	/* and has the flag */
	int error;		/* what stopped it */
};

/*
 * A cache of 1100 blocks, half of them mapped, shut down; states[0] of a scenario on a clone of it
 * is @m.
 */
struct shim_disk *scenario_disk(bool format2, struct model **m);

/* @d and @m are cloned. */
void scenario_init(struct scenario *s, struct shim_disk *d, const struct model *m, bool format2);
/* Leaves s->md open if it stops. */
void scenario_run(struct scenario *s);
/* Likewise, another life for each @seed. */
void scenario_run_random(struct scenario *s, u64 seed);
void scenario_free(struct scenario *s);

/*
 * NULL if the raw @d holds state @first or a later one up to @last (in part of the flags, also
 * what lies between), and every count is right.
 */
const char *scenario_check(const struct scenario *s, struct shim_disk *d, unsigned int first,
			   unsigned int last);

/* NULL if @d opens and loads as the raw bytes say. */
const char *scenario_reopen(struct scenario *s, struct shim_disk *d);

#endif
