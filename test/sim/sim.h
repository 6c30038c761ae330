/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sim.h - the trace simulator: a load, a policy, and what the two cost.
 *
 * A *trace* is a list of requests (trace.c reads files, generate.c makes them up).  core.c plays
 * the part of dm-cache for one policy of src/policies and counts; reference.c does the same for
 * LRU, ARC and Belady's optimum, which are no policies of ours but known yardsticks.  main.c runs a
 * grid of them, several at a time, and prints tables and CSV.
 */
#ifndef SIM_H
#define SIM_H

#include "policies/policy.h"

struct request {
	u64 sector;
	u32 sectors;
	u32 time_ms;	/* since the start; 0 throughout if the trace has no times */
	bool write;
};

struct trace {
	char name[32];
	struct request *r;
	u64 nr;
	u64 origin_sectors;
	bool per_block;	/* addresses are block numbers: one is one cache block, of any size */
};

/* What things take, in microseconds. */
struct timing {
	double origin_us;	/* a request, before its first sector */
	double origin_contiguous_us;	/* one that starts where the last one ended */
	double origin_sector_us;
	double cache_us;
	double cache_sector_us;
};

struct run {
	const struct trace *trace;
	const char *policy;		/* a name of ours, or lru-exact, arc, belady */
	const char *const *config;	/* key, value, ..., NULL; or NULL */
	u32 block_sectors;
	u32 cache_blocks;
	double percent;			/* of the footprint; for the report only */
	unsigned int idle_ms;		/* a gap as long lets background work happen; 0: never */
	double write_allocate;		/* percent of the blocks that may be partial; 0: none */
	const struct timing *timing;
};

struct result {
	u64 references;		/* requests, split at block boundaries */
	u64 hits;
	u64 misses;
	u64 promotions;
	u64 cheap;		/* of those, without a read of the origin */
	u64 demotions;
	u64 writebacks;		/* demotions of dirty blocks included */
	u64 dirty_at_end;
	u64 allocated;		/* partial blocks: writes that got one, ... */
	u64 filled;		/* ... read from the origin, ... */
	u64 dropped;		/* ... written back and removed, evictions included */
	u64 made_room;		/* clean blocks that went ahead of need */
	double us;		/* devices busy: requests and copies */
	double warm_us;		/* the second half of the references alone */
	u64 first_miss;		/* misses in the first half */
	char status[64];	/* what the policy says of its memory, if it does */
	int error;
};

/* trace.c: NULL after a message. */
struct trace *trace_read(const char *path);
struct trace *trace_alloc(const char *name, u64 nr);
/* Cache blocks of @block_sectors that the trace touches; references, if @references. */
u64 trace_footprint(const struct trace *t, u32 block_sectors, u64 *references);
/* generate.c: "zipf", "zipf:1.1" ...; NULL if there is no such generator. */
struct trace *trace_generate(const char *spec);
extern const char *const generators[];

/* core.c */
struct dmc_policy_type *sim_type(const char *name);
extern struct dmc_policy_type *sim_types[64];
extern unsigned int sim_nr_types;
void sim_policy(const struct run *run, struct result *res);
/* reference.c; false if run->policy is none of these */
bool sim_reference(const struct run *run, struct result *res);

/* The @i-th block that request @r touches, and how much of it. */
struct piece {
	u64 oblock;
	u64 sector;
	u32 sectors;
};

static inline u32 request_pieces(const struct trace *t, const struct request *r, u32 block_sectors)
{
	if (t->per_block)
		return 1;
	return (r->sector + r->sectors - 1) / block_sectors - r->sector / block_sectors + 1;
}

static inline struct piece request_piece(const struct trace *t, const struct request *r,
					 u32 block_sectors, u32 i)
{
	struct piece p;
	u64 end;

	if (t->per_block) {
		p.oblock = r->sector;
		p.sector = p.oblock * block_sectors;
		p.sectors = r->sectors;
		return p;
	}
	p.oblock = r->sector / block_sectors + i;
	p.sector = i ? p.oblock * block_sectors : r->sector;
	end = min((p.oblock + 1) * block_sectors, r->sector + r->sectors);
	p.sectors = end - p.sector;
	return p;
}

#endif
