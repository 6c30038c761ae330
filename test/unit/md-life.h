/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * md-life.h - a life of a cache whose metadata are kept right while it runs, and the power cuts at
 * each event of it: the disk is one that may be taken for a clean shutdown, and holds just what the
 * last commit promised, or the one that was under way.
 */
#ifndef MD_LIFE_H
#define MD_LIFE_H

#include "md-scenario.h"

#define MAX_STATES 32

/* What the disk was before it went live. */
enum start {
	START_CLEAN,
	START_UNCLEAN,		/* another system had it open, and crashed */
	START_CRASHED,		/* we had it live, and crashed */
	NR_STARTS,
};

/* What a commit promised. */
struct promise {
	u64 seq;
	struct model *m;
	u32 flags;
	bool live;
};

struct life {
	struct shim_disk *d;
	struct dmc_md_params p;
	struct dmc_md *md;
	struct model *m;
	struct promise states[MAX_STATES];
	unsigned int nr_states;
	u32 nr_allocated;
};

int start_tracking(struct dmc_md *md, const struct model *m);
/* The metadata is as l->m from now on, with these flags. */
void life_promise(struct life *l, u32 flags, bool live);
/* Dirties, cleans, maps and unmaps some blocks, as the core would tell the metadata. */
void life_change(struct life *l, u32 salt);

/* The disk to begin with, and what it holds as states[0]. */
void life_begin(struct life *l, enum start start, bool format2);
void life_end(struct life *l);
/* Returns how many disks were looked at.  @replay: in front of what a failure says. */
unsigned long life_cut_everywhere(struct life *l, const char *replay);

#endif
