// SPDX-License-Identifier: GPL-2.0-only
/*
 * stats.c - hits and misses, counted per CPU so that counting shares no cache line.
 *
 * map.c counts (any context), status.c and the commits sum up.  The counters start at what the
 * superblock holds and survive restarts.
 */
#include "dm-cache.h"

int stats_init(struct cache *c)
{
	c->stats = alloc_percpu(struct cache_stats);
	return c->stats ? 0 : -ENOMEM;
}

void stats_exit(struct cache *c)
{
	free_percpu(c->stats);
}

/* Since the load, without what the superblock held. */
void stats_sum(struct cache *c, struct cache_stats *sum)
{
	int cpu;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		const struct cache_stats *s = per_cpu_ptr(c->stats, cpu);

		sum->read_hits += READ_ONCE(s->read_hits);
		sum->read_misses += READ_ONCE(s->read_misses);
		sum->write_hits += READ_ONCE(s->write_hits);
		sum->write_misses += READ_ONCE(s->write_misses);
	}
}

/* Over all activations. */
void stats_for_disk(struct cache *c, struct dmc_md_stats *out)
{
	struct cache_stats s;

	stats_sum(c, &s);
	out->read_hits = c->base_stats.read_hits + s.read_hits;
	out->read_misses = c->base_stats.read_misses + s.read_misses;
	out->write_hits = c->base_stats.write_hits + s.write_hits;
	out->write_misses = c->base_stats.write_misses + s.write_misses;
}
