/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stats.h - hits and misses, counted per CPU; stats.c.
 */
#ifndef DM_CACHE_STATS_H
#define DM_CACHE_STATS_H

#include <linux/types.h>

struct cache;
struct dmc_md_stats;

struct cache_stats {
	u64 read_hits;
	u64 read_misses;
	u64 write_hits;
	u64 write_misses;
};

int stats_init(struct cache *c);
void stats_exit(struct cache *c);
void stats_sum(struct cache *c, struct cache_stats *sum);
void stats_for_disk(struct cache *c, struct dmc_md_stats *out);

#endif
