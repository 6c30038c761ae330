// SPDX-License-Identifier: GPL-2.0-only
/*
 * generate.c - loads made up from a formula, the same on every run.
 *
 * Requests of 4 KiB over 1 GiB, three in ten of them writes unless said otherwise.  What is hot is
 * hot in *extents* of 64 KiB that lie scattered over the origin, so that larger cache blocks catch
 * some cold data with the hot.
 */
#include <math.h>

#include "sim.h"

#define SECTORS		2097152ULL	/* 1 GiB */
#define PAGE		8
#define EXTENT		128
#define EXTENTS		(SECTORS / EXTENT)
#define REQUESTS	300000

static u64 state;

static u64 rnd(void)
{
	/* An odd multiplier and a mix of the high bits: good enough for loads. */
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (state >> 33) ^ (state >> 11);
}

static u64 below(u64 n)
{
	return (rnd() & 0x3fffffffffffULL) % n;
}

static double unit(void)
{
	return (rnd() & 0xfffffff) / (double)0x10000000;
}

/* A permutation of the extents. */
static u64 scatter(u64 extent)
{
	return (extent * 7919 + 4027) % EXTENTS;
}

static void add(struct trace *t, u64 sector, u32 sectors, bool write)
{
	t->r[t->nr++] = (struct request){ .sector = sector, .sectors = sectors, .write = write };
}

static void page_of(struct trace *t, u64 extent)
{
	add(t, scatter(extent) * EXTENT + below(EXTENT / PAGE) * PAGE, PAGE, below(10) < 3);
}

/*----- the loads -----*/

static void uniform(struct trace *t, double unused)
{
	while (t->nr < REQUESTS)
		add(t, below(SECTORS / PAGE) * PAGE, PAGE, below(10) < 3);
}

static void uniform_writes(struct trace *t, double unused)
{
	while (t->nr < REQUESTS)
		add(t, below(SECTORS / PAGE) * PAGE, PAGE, true);
}

static void zipf(struct trace *t, double theta)
{
	double *cdf = malloc(EXTENTS * sizeof(*cdf)), sum = 0;
	u64 i, lo, hi;

	for (i = 0; i < EXTENTS; i++)
		cdf[i] = sum += pow(i + 1, -theta);
	while (t->nr < REQUESTS) {
		double u = unit() * sum;

		for (lo = 0, hi = EXTENTS - 1; lo < hi; ) {
			u64 mid = (lo + hi) / 2;

			if (cdf[mid] < u)
				lo = mid + 1;
			else
				hi = mid;
		}
		page_of(t, lo);
	}
	free(cdf);
}

/* Nine in ten requests to a tenth of the extents. */
static void zoned(struct trace *t, double unused)
{
	while (t->nr < REQUESTS)
		page_of(t, below(10) ? below(EXTENTS / 10) : below(EXTENTS));
}

/* The same part of the origin in order, over and over. */
static void loop(struct trace *t, double part)
{
	u64 pages = SECTORS / PAGE * part, i = 0;

	while (t->nr < REQUESTS)
		add(t, i++ % pages * PAGE, PAGE, false);
}

/* A hot tenth, and every now and then a quarter of the origin is read from end to end. */
static void scan(struct trace *t, double unused)
{
	u64 at = 0, left = 0;

	while (t->nr < REQUESTS) {
		if (!left && !below(40000))
			left = SECTORS / EXTENT / 4;
		if (left && below(2)) {
			add(t, at, EXTENT, false);
			at = (at + EXTENT) % SECTORS;
			left--;
		} else {
			page_of(t, below(20) ? below(EXTENTS / 10) : below(EXTENTS));
		}
	}
}

/* A hot twentieth that moves on to other blocks five times. */
static void shifting(struct trace *t, double unused)
{
	u64 hot = EXTENTS / 20;

	while (t->nr < REQUESTS) {
		u64 first = t->nr / (REQUESTS / 6) * hot * 2;

		page_of(t, below(10) ? (first + below(hot)) % EXTENTS : below(EXTENTS));
	}
}

/* Random reads with a hot part; between them, one request in three continues a stream. */
static void stream(struct trace *t, double unused)
{
	u64 at = 0;

	while (t->nr < REQUESTS) {
		if (below(3)) {
			page_of(t, below(10) < 7 ? below(EXTENTS / 10) : below(EXTENTS));
		} else {
			add(t, at, 32, false);
			at = (at + 32) % SECTORS;
		}
	}
}

static const struct {
	const char *name;
	void (*generate)(struct trace *t, double argument);
	double argument;
} table[] = {
	{ "uniform", uniform, 0 },
	{ "uniform-writes", uniform_writes, 0 },
	{ "zipf", zipf, 1.1 },
	{ "zipf-flat", zipf, 0.8 },
	{ "zoned", zoned, 0 },
	{ "gen-loop", loop, 0.25 },
	{ "scan", scan, 0 },
	{ "shifting", shifting, 0 },
	{ "stream", stream, 0 },
};

const char *const generators[] = { "uniform", "uniform-writes", "zipf", "zipf-flat", "zoned",
	"gen-loop", "scan", "shifting", "stream", NULL };

struct trace *trace_generate(const char *spec)
{
	size_t n = strcspn(spec, ":");
	struct trace *t;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (strlen(table[i].name) == n && !strncmp(table[i].name, spec, n))
			break;
	if (i == ARRAY_SIZE(table))
		return NULL;

	state = 20121213;
	t = trace_alloc(spec, REQUESTS);
	t->origin_sectors = SECTORS;
	table[i].generate(t, spec[n] ? strtod(spec + n + 1, NULL) : table[i].argument);
	return t;
}
