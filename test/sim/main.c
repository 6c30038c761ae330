// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - the command: a grid of traces, sizes, block sizes and policies, run on all CPUs.
 *
 * Each run is independent.  Workers are processes, since the shim's locks and allocator know one
 * thread; results come back through shared memory, and are printed in order as CSV.
 */
#include <getopt.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim.h"

#define MAX 64

static const char usage[] =
"usage: sim [OPTION]... \n"
"  -t TRACE,...    files, or generators: uniform uniform-writes zipf[:THETA] zipf-flat zoned\n"
"                  gen-loop[:PART] scan shifting stream (default: all generators)\n"
"  -p POLICY,...   ours by name, ref-lru, ref-arc, ref-belady (default: all)\n"
"  -s PERCENT,...  cache size, of the blocks that the trace touches (default 1,5,10,20)\n"
"  -b KIB,...      block size (default 32,64,256)\n"
"  -c KEY=VALUE    a tunable for all policies; may be repeated\n"
"  -o MS  -O MS    what a request to the origin takes (default 8); one that starts where the\n"
"                  last one ended (default: the same)\n"
"  -f MS           what a request to the cache takes (default 0.1)\n"
"  -B MB/s,MB/s    transfer rates of origin and cache (default 150,500)\n"
"  -w PERCENT      write_allocate: writes that miss get partial blocks, at most so many (default 0)\n"
"  -i MS           a gap as long between requests lets background work happen (default: none)\n"
"  -j JOBS         processes (default: as many as CPUs)\n"
"  -l              list the policies\n"
"Prints one line of CSV a run.\n";

static struct timing timing = { 8000, -1, 512 / 150.0, 100, 512 / 500.0 };
static struct trace *traces[MAX];
static const char *policies[MAX];
static double percents[MAX] = { 1, 5, 10, 20 };
static unsigned int blocks[MAX] = { 32, 64, 256 };
static unsigned int nr_traces, nr_policies, nr_percents = 4, nr_blocks = 3, idle_ms;
static double write_allocate;
static const char *config[2 * MAX + 1];

static void fail(const char *what, const char *value)
{
	fprintf(stderr, "sim: %s: '%s'\n%s", what, value, usage);
	exit(2);
}

/* The next of a list separated by commas; NULL at its end. */
static char *next_of(char **list)
{
	char *item;

	while ((item = strsep(list, ",")))
		if (*item)
			return item;
	return NULL;
}

static double number(const char *s, double most)
{
	char *end;
	double v = strtod(s, &end);

	if (end == s || *end || !(v >= 0 && v <= most))
		fail("not a number, or out of range", s);
	return v;
}

static void add_traces(char *list)
{
	char *item;

	while ((item = next_of(&list))) {
		struct trace *t = strchr(item, '/') || !access(item, R_OK) ? trace_read(item) :
									    trace_generate(item);

		if (!t || nr_traces == MAX)
			fail("no such trace", item);
		traces[nr_traces++] = t;
	}
}

static void add_all(void)
{
	unsigned int i;

	if (!nr_traces)
		for (i = 0; generators[i]; i++)
			traces[nr_traces++] = trace_generate(generators[i]);
	if (nr_policies)
		return;
	for (i = 0; i < sim_nr_types; i++)
		policies[nr_policies++] = sim_types[i]->name;
	policies[nr_policies++] = "ref-lru";
	policies[nr_policies++] = "ref-arc";
	policies[nr_policies++] = "ref-belady";
}

static void add_config(char *pair)
{
	char *value = strchr(pair, '=');
	unsigned int n = 0;

	if (!value)
		fail("not KEY=VALUE", pair);
	*value++ = '\0';
	while (config[n])
		n += 2;
	if (n == 2 * MAX)
		fail("too many tunables", pair);
	config[n] = pair;
	config[n + 1] = value;
}

static void set_rates(char *list)
{
	timing.origin_sector_us = 512 / max(number(next_of(&list) ?: "", 1e6), 0.001);
	timing.cache_sector_us = 512 / max(number(next_of(&list) ?: "", 1e6), 0.001);
}

static unsigned int parse(int argc, char **argv)
{
	unsigned int jobs = sysconf(_SC_NPROCESSORS_ONLN);
	char *item;
	int opt;

	while ((opt = getopt(argc, argv, "t:p:s:b:c:o:O:f:B:i:w:j:lh")) != -1) {
		switch (opt) {
		case 't':
			add_traces(optarg);
			break;
		case 'p':
			while ((item = next_of(&optarg)) && nr_policies < MAX)
				policies[nr_policies++] = item;
			break;
		case 's':
			for (nr_percents = 0; (item = next_of(&optarg)) && nr_percents < MAX; )
				percents[nr_percents++] = number(item, 100);
			break;
		case 'b':
			for (nr_blocks = 0; (item = next_of(&optarg)) && nr_blocks < MAX; )
				blocks[nr_blocks++] = max(number(item, 1 << 20), 1.0);
			break;
		case 'c':
			add_config(optarg);
			break;
		case 'o':
			timing.origin_us = number(optarg, 1e6) * 1000;
			break;
		case 'O':
			timing.origin_contiguous_us = number(optarg, 1e6) * 1000;
			break;
		case 'f':
			timing.cache_us = number(optarg, 1e6) * 1000;
			break;
		case 'B':
			set_rates(optarg);
			break;
		case 'i':
			idle_ms = number(optarg, 1e6);
			break;
		case 'w':
			write_allocate = number(optarg, 50);
			break;
		case 'j':
			jobs = max(number(optarg, 256), 1.0);
			break;
		case 'l':
			for (jobs = 0; jobs < sim_nr_types; jobs++)
				puts(sim_types[jobs]->name);
			exit(0);
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs(usage, stderr);
			exit(2);
		}
	}
	if (optind < argc)
		fail("what is this", argv[optind]);
	if (timing.origin_contiguous_us < 0)
		timing.origin_contiguous_us = timing.origin_us;
	return jobs;
}

/* The cells of the grid, policies innermost, so that a worker's share is like the others'. */
static struct run *make_runs(unsigned int *nr)
{
	struct run *runs = calloc(nr_traces * nr_blocks * nr_percents * nr_policies, sizeof(*runs));
	unsigned int t, b, s, p;

	*nr = 0;
	for (t = 0; t < nr_traces; t++) {
		for (b = 0; b < nr_blocks; b++) {
			u64 footprint = trace_footprint(traces[t], blocks[b] * 2, NULL);

			for (s = 0; s < nr_percents; s++) {
				for (p = 0; p < nr_policies; p++) {
					runs[(*nr)++] = (struct run){
						.trace = traces[t],
						.policy = policies[p],
						.config = config,
						.block_sectors = blocks[b] * 2,
						.cache_blocks =
							max(footprint * percents[s] / 100, 1.0),
						.percent = percents[s],
						.idle_ms = idle_ms,
						.write_allocate = write_allocate,
						.timing = &timing,
					};
				}
			}
		}
	}
	return runs;
}

static void print(const struct run *run, const struct result *r)
{
	printf("%s,%s,%u,%g,%u,%llu,%llu,%llu,%llu,%llu,%llu,%llu,%llu,%.4f,%.1f,%.1f",
	       run->trace->name, run->policy, run->block_sectors / 2, run->percent,
	       run->cache_blocks, r->references, r->hits, r->misses, r->promotions, r->cheap,
	       r->demotions, r->writebacks, r->dirty_at_end,
	       (double)r->misses / r->references, r->us / r->references,
	       r->warm_us / (r->references - r->references / 2));
	if (write_allocate)
		printf(",%llu,%llu,%llu,%llu", r->allocated, r->filled, r->dropped, r->made_room);
	putchar('\n');
}

/* Takes the runs that no other worker has taken yet. */
static void work(const struct run *runs, struct result *results, unsigned int nr,
		 unsigned int *next)
{
	unsigned int i;

	while ((i = __atomic_fetch_add(next, 1, __ATOMIC_RELAXED)) < nr) {
		if (!sim_reference(&runs[i], &results[i]))
			sim_policy(&runs[i], &results[i]);
	}
}

static int run_all(struct run *runs, unsigned int nr, unsigned int jobs)
{
	size_t size = nr * sizeof(struct result) + sizeof(unsigned int);
	unsigned int *next = mmap(NULL, size + 64, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct result *results = (struct result *)(next + 16);
	unsigned int i;
	int status, bad = 0;

	for (i = 0; i < jobs; i++) {
		if (fork() == 0) {
			work(runs, results, nr, next);
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		bad |= status;

	printf("trace,policy,block_kib,percent,blocks,references,hits,misses,promotions,cheap,"
	       "demotions,writebacks,dirty_at_end,miss_ratio,mean_us,warm_us%s\n",
	       write_allocate ? ",allocated,filled,dropped,made_room" : "");
	for (i = 0; i < nr; i++) {
		if (results[i].error || !results[i].references) {
			fprintf(stderr, "sim: %s on %s: error %d\n", runs[i].policy,
				runs[i].trace->name, results[i].error);
			bad = 1;
			continue;
		}
		print(&runs[i], &results[i]);
	}
	return bad ? 1 : 0;
}

int main(int argc, char **argv)
{
	unsigned int jobs, nr, i;
	struct run *runs;

	if (shim_modules_init()) {
		fprintf(stderr, "sim: a policy does not register\n");
		return 1;
	}
	jobs = parse(argc, argv);
	add_all();
	for (i = 0; i < nr_policies; i++)
		if (!sim_type(policies[i]) && strncmp(policies[i], "ref-", 4))
			fail("no such policy", policies[i]);
	runs = make_runs(&nr);
	return run_all(runs, nr, jobs);
}
