// SPDX-License-Identifier: GPL-2.0-only
/*
 * minisim.c - strategies of admission on feedback; see minisim.h for what, where and when.
 *
 * Called by the payback policy, under its lock.
 */
#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/percpu.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "minisim.h"
#include "tunables.h"

#define MISS_COST	256
/* a disk reads, and an SSD writes, as much in the time of a disk's request */
#define SEEK_SECTORS	1800
#define PERIOD		4	/* accesses a block of the miniature, until costs count half */
#define PERIOD_MIN	1024
#define DRAIN_HITS	8	/* of a ring, looked at in one call */
#define DRAIN_CPUS	4	/* whose rings are looked at in one call */

int dmc_minisim_init(struct minisim *m, u32 nr_blocks, u64 block_sectors)
{
	u32 nr = nr_blocks;

	while (nr > MINISIM_SETS_MAX * MINISIM_WAYS) {
		nr /= 2;
		m->sample_shift++;
	}
	m->nr_ways = min_t(u32, nr, MINISIM_WAYS);
	m->nr_sets = nr / m->nr_ways;
	m->copy_cost = MISS_COST +
		       (u32)min_t(u64, block_sectors, 1 << 20) * MISS_COST / SEEK_SECTORS;
	m->best = FOUR_TIMES;
	m->cpu = cpumask_first(cpu_possible_mask);

	m->ways = dmc_zalloc_table(NR_STRATEGIES * m->nr_sets * MINISIM_WAYS,
				   sizeof(*m->ways));
	m->rings = alloc_percpu(struct minisim_ring);
	if (!m->ways || !m->rings || sketch_init(&m->sketch, m->nr_sets * m->nr_ways,
						       MINISIM_FORGETS))
		return -ENOMEM;
	return 0;
}
EXPORT_SYMBOL_GPL(dmc_minisim_init);

/* Copes with any part of dmc_minisim_init(). */
void dmc_minisim_exit(struct minisim *m)
{
	vfree(m->ways);
	free_percpu(m->rings);
	sketch_exit(&m->sketch);
}
EXPORT_SYMBOL_GPL(dmc_minisim_exit);

static struct minisim_way *find(const struct minisim *m, struct minisim_way *set, u64 oblock)
{
	u32 i;

	for (i = 0; i < m->nr_ways; i++)
		if (set[i].oblock == oblock)
			return &set[i];
	return NULL;
}

/* @way, which may hold something else now, becomes the first of its set. */
static void minisim_use(struct minisim_way *set, struct minisim_way *way, struct minisim_way now)
{
	memmove(set + 1, set, (way - set) * sizeof(*set));
	set[0] = now;
}

static u32 minisim_frequency(const struct minisim *m, const struct minisim_way *way)
{
	return sketch_get(&m->sketch, to_oblock(way->oblock - 1));
}

/*
 * The block in the window, which is the first way of each set, goes or stays; returns which way is
 * to be used again.
 */
static struct minisim_way *leave_window(struct minisim *m, struct minisim_way *set)
{
	struct minisim_way *last = &set[m->nr_ways - 1];

	return strategy_admits(WINDOW, minisim_frequency(m, &set[0]),
			       minisim_frequency(m, last)) ? last : &set[0];
}

/* One access, in the cache of one strategy; returns its cost. */
static u32 minisim_try(struct minisim *m, enum strategy s, u64 oblock,
		       bool write, u32 wanted)
{
	u32 n = (u32)(minisim_hash(to_oblock(oblock - 1)) >> 8) % m->nr_sets;
	struct minisim_way *set = &m->ways[((u32)s * m->nr_sets + n) * MINISIM_WAYS];
	struct minisim_way *way = find(m, set, oblock), *last = &set[m->nr_ways - 1];
	struct minisim_way now = { .oblock = oblock };
	u32 cost = MISS_COST;

	if (way) {
		now.dirty = way->dirty || write;
		/* A hit leaves the window to the newcomer in it. */
		if (s == WINDOW && way > set)
			minisim_use(set + 1, way, now);
		else
			minisim_use(set, way, now);
		return 0;
	}
	if (last->oblock && s == WINDOW)
		last = leave_window(m, set);
	else if (last->oblock && !strategy_admits(s, wanted, minisim_frequency(m, last)))
		return cost;
	if (last->dirty)
		cost += m->copy_cost;
	minisim_use(set, last, now);
	return cost + m->copy_cost;
}

static void minisim_judge(struct minisim *m)
{
	u32 s;

	for (s = 0; s < NR_STRATEGIES; s++) {
		/* Not for less than 1.5%: a change has its own cost. */
		if (m->cost[s] + m->cost[s] / 64 < m->cost[m->best])
			m->best = s;
	}
	/* What gains less than 1.5% is chance, and wear. */
	if (m->cost[IF_FREE] < m->cost[m->best])
		m->best = IF_FREE;
	for (s = 0; s < NR_STRATEGIES; s++)
		m->cost[s] /= 2;
	m->accesses = 0;
}

static void minisim_access(struct minisim *m, u64 oblock, bool write)
{
	u32 wanted, s;

	if (m->recent[oblock % MINISIM_RECENT] != oblock) {
		m->recent[oblock % MINISIM_RECENT] = oblock;
		sketch_touch(&m->sketch, to_oblock(oblock - 1));
	}
	sketch_age(&m->sketch, 1);
	wanted = sketch_get(&m->sketch, to_oblock(oblock - 1));
	for (s = 0; s < NR_STRATEGIES; s++)
		m->cost[s] += minisim_try(m, s, oblock, write, wanted);
	if (++m->accesses >= max_t(u32, m->nr_sets * m->nr_ways * PERIOD, PERIOD_MIN))
		minisim_judge(m);
}

void dmc_minisim_tick(struct minisim *m)
{
	memset(m->recent, 0, sizeof(m->recent));
}
EXPORT_SYMBOL_GPL(dmc_minisim_tick);

/* Up to *@budget of the hits in a ring.  Returns how many hits it had, or lost. */
static u32 drain_ring(struct minisim *m, struct minisim_ring *ring, u32 *budget)
{
	u32 nr = READ_ONCE(ring->next) - ring->done, hits = 0;

	if (nr > MINISIM_RING) {
		hits = nr - MINISIM_RING;
		nr = MINISIM_RING;
		ring->done += hits;
	}
	for (; nr && *budget; nr--, --*budget, hits++) {
		u64 noted = READ_ONCE(ring->oblock[ring->done++ % MINISIM_RING]);

		if (noted)
			minisim_access(m, noted & ~(1ULL << 63), noted >> 63);
	}
	return hits;
}

u32 dmc_minisim_drain(struct minisim *m)
{
	u32 budget = DRAIN_HITS, cpus, hits = 0;

	for (cpus = 0; cpus < DRAIN_CPUS && budget; cpus++) {
		u32 nr = drain_ring(m, per_cpu_ptr(m->rings, m->cpu), &budget);

		hits += nr;
		m->nr_empty = nr ? 0 : m->nr_empty + 1;
		if (!budget)
			break;	/* there may be more in this one */
		m->cpu = cpumask_next(m->cpu, cpu_possible_mask);
		if (m->cpu >= nr_cpu_ids)
			m->cpu = cpumask_first(cpu_possible_mask);
	}
	m->backlog = !budget;
	return hits << m->sample_shift;
}
EXPORT_SYMBOL_GPL(dmc_minisim_drain);

bool dmc_minisim_drained(const struct minisim *m)
{
	return m->nr_empty >= num_possible_cpus();
}
EXPORT_SYMBOL_GPL(dmc_minisim_drained);

void dmc_minisim_miss(struct minisim *m, oblock_t oblock, bool write)
{
	if (minisim_samples(m, oblock))
		minisim_access(m, from_oblock(oblock) + 1, write);
}
EXPORT_SYMBOL_GPL(dmc_minisim_miss);
