// SPDX-License-Identifier: GPL-2.0-only
/*
 * load.c - the demo's workload: runs in the guest, static, so that it needs nothing there.
 *
 *   load fill FILE                             stamp every 4 KiB block (on the host, before)
 *   load run DEV SECONDS THREADS SEED [NAME]   zipf-like random I/O; a line a second
 *   load records DEV                           write + fdatasync numbered records, until killed
 *   load verify DEV ACKED                      is each block whole, and each flushed record there?
 *
 * Every block is filled from its own number and the number of the write, so any block can be judged
 * alone: content of another block, garbage, and a mixture of two writes are all found. `run` judges
 * what it reads, too.
 *
 * Popularity is by regions of 64 KiB: the k-th most popular of them gets 1/k^1.3 of the I/O.
 * Regions lie scattered over the device. 70% of the I/O reads, 30% writes, 4 KiB each, O_DIRECT.
 * Records go to the last block of the most popular regions, which `run` leaves alone: so they are
 * written to blocks that are cached, and are dirty there.
 *
 * Lines on stdout, for the host:
 *   SAMPLE <ms since start> <I/Os> <mean us> <hits> <misses> <dirty>       in the last second
 *   TOTAL <I/Os> <mean us> <median us> <99% us> <hits> <misses> <wrong>    of the whole run
 *   ACK <n>                                                                record n is on disk
 *   LOST <words>                                                    a flushed record is not there
 *   VERIFY <blocks> <wrong blocks> <blocks with records> <blocks that lost a flushed record>
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/dm-ioctl.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096
#define WORDS (BLOCK / 8)
#define REGION_BLOCKS 16		/* 64 KiB */
#define RECORD_BLOCKS 256		/* in as many regions */
#define ZIPF_EXPONENT 1.3
#define READ_PERCENT 70
#define MAX_THREADS 16
#define MAX_SAMPLES (1 << 20)

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* ----- blocks that can be judged alone ----- */

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static void stamp(uint64_t *buf, uint64_t block, uint64_t seq)
{
	uint64_t key = mix(block ^ mix(seq + 1));

	buf[0] = block;
	buf[1] = seq;
	for (int i = 2; i < WORDS; i++)
		buf[i] = key + i * 0x9e3779b97f4a7c15ULL;
}

static int is_whole(const uint64_t *buf, uint64_t block)
{
	uint64_t key = mix(block ^ mix(buf[1] + 1));

	if (buf[0] != block)
		return 0;
	for (int i = 2; i < WORDS; i++)
		if (buf[i] != key + i * 0x9e3779b97f4a7c15ULL)
			return 0;
	return 1;
}

static uint64_t *block_buffer(size_t blocks)
{
	void *p;

	if (posix_memalign(&p, BLOCK, blocks * BLOCK))
		die("no memory");
	return p;
}

static int open_blocks(const char *path, int flags, uint64_t *blocks)
{
	int fd = open(path, flags);
	off_t size;

	if (fd < 0)
		die(path);
	size = lseek(fd, 0, SEEK_END);
	/* The largest power of two that fits, so that region_of_rank() permutes. */
	for (*blocks = REGION_BLOCKS; *blocks * 2 * BLOCK <= (uint64_t)size; *blocks *= 2)
		;
	if (*blocks < RECORD_BLOCKS * REGION_BLOCKS) {
		errno = ENOSPC;
		die(path);
	}
	return fd;
}

/* An odd multiplier modulo a power of two is a permutation: neighbours in rank are none on disk. */
static uint64_t region_of_rank(uint64_t rank, uint64_t regions)
{
	return (rank * 2654435761ULL + 12345) & (regions - 1);
}

static int fill(const char *path)
{
	uint64_t blocks, *buf = block_buffer(REGION_BLOCKS);
	int fd = open_blocks(path, O_WRONLY, &blocks);

	for (uint64_t b = 0; b < blocks; b += REGION_BLOCKS) {
		for (int i = 0; i < REGION_BLOCKS; i++)
			stamp(buf + i * WORDS, b + i, 0);
		if (pwrite(fd, buf, REGION_BLOCKS * BLOCK, b * BLOCK) != REGION_BLOCKS * BLOCK)
			die(path);
	}
	return close(fd) ? 2 : 0;
}

/* ----- what the cache says of itself ----- */

struct counters {
	uint64_t hits, misses, dirty;
};

/* From the status line; zeroes without a cache. */
static struct counters ask_cache(const char *name)
{
	static int fd = -1;
	static union {
		struct dm_ioctl io;
		char bytes[16384];
	} u;
	struct counters c = { 0 };
	uint64_t rh, rm, wh, wm;
	const char *line;

	if (!name)
		return c;
	if (fd < 0 && (fd = open("/dev/mapper/control", O_RDWR)) < 0)
		die("/dev/mapper/control");
	memset(&u, 0, sizeof(u));
	u.io.version[0] = DM_VERSION_MAJOR;
	u.io.data_size = sizeof(u);
	u.io.data_start = sizeof(u.io);
	u.io.flags = DM_NOFLUSH_FLAG;
	strncpy(u.io.name, name, sizeof(u.io.name) - 1);
	if (ioctl(fd, DM_TABLE_STATUS, &u.io))
		die("DM_TABLE_STATUS");
	line = u.bytes + u.io.data_start + sizeof(struct dm_target_spec);
	if (sscanf(line, "%*u %*u/%*u %*u %*u/%*u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %*u %*u %" SCNu64,
		   &rh, &rm, &wh, &wm, &c.dirty) != 5) {
		fprintf(stderr, "load: unexpected status line: %s\n", line);
		exit(2);
	}
	c.hits = rh + wh;
	c.misses = rm + wm;
	return c;
}

/* ----- run ----- */

static struct {
	int fd;
	uint64_t regions;
	int nr_threads;
	double *cdf;		/* cdf[k]: the share of the k + 1 most popular regions in the I/O */
	atomic_int stop;
	atomic_ulong ops, ns, wrong;
} run_;

struct worker {
	pthread_t thread;
	int index;
	uint64_t random;
	uint32_t *us;		/* latency of each I/O */
	uint32_t nr;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static uint64_t next_random(struct worker *w)
{
	return mix(w->random += 0x9e3779b97f4a7c15ULL);
}

static void make_zipf(void)
{
	double sum = 0;

	run_.cdf = malloc(run_.regions * sizeof(double));
	if (!run_.cdf)
		die("no memory");
	for (uint64_t k = 0; k < run_.regions; k++)
		run_.cdf[k] = sum += pow(k + 1, -ZIPF_EXPONENT);
	for (uint64_t k = 0; k < run_.regions; k++)
		run_.cdf[k] /= sum;
}

/* A block of this worker: no two workers share one, so none reads what another is just writing. */
static uint64_t pick_block(struct worker *w)
{
	double p = (next_random(w) >> 11) * 0x1p-53;
	uint64_t low = 0, high = run_.regions - 1, region, mine;

	while (low < high) {
		uint64_t mid = (low + high) / 2;

		if (run_.cdf[mid] < p)
			low = mid + 1;
		else
			high = mid;
	}
	region = region_of_rank(low, run_.regions);
	mine = (REGION_BLOCKS - 1 - w->index + run_.nr_threads - 1) / run_.nr_threads;
	return region * REGION_BLOCKS + next_random(w) % mine * run_.nr_threads + w->index;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t *buf = block_buffer(1);

	while (!atomic_load_explicit(&run_.stop, memory_order_relaxed)) {
		uint64_t block = pick_block(w), t;
		int write = next_random(w) % 100 >= READ_PERCENT;
		ssize_t n;

		if (write)
			stamp(buf, block, next_random(w));
		t = now_ns();
		n = write ? pwrite(run_.fd, buf, BLOCK, block * BLOCK) :
			    pread(run_.fd, buf, BLOCK, block * BLOCK);
		t = now_ns() - t;
		if (n != BLOCK)
			die(write ? "write" : "read");
		if (!write && !is_whole(buf, block))
			atomic_fetch_add(&run_.wrong, 1);
		atomic_fetch_add_explicit(&run_.ops, 1, memory_order_relaxed);
		atomic_fetch_add_explicit(&run_.ns, t, memory_order_relaxed);
		if (w->nr < MAX_SAMPLES)
			w->us[w->nr++] = t / 1000;
	}
	return NULL;
}

static void sample_until(uint64_t start, uint64_t end, const char *name)
{
	struct counters c, old = ask_cache(name);
	uint64_t old_ops = 0, old_ns = 0, next = start, ops, ns;
	struct timespec t;

	while (next < end) {
		next += 1000000000ULL;
		t.tv_sec = next / 1000000000ULL;
		t.tv_nsec = next % 1000000000ULL;
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
			;
		c = ask_cache(name);
		ops = atomic_load(&run_.ops);
		ns = atomic_load(&run_.ns);
		printf("SAMPLE %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
		       (next - start) / 1000000, ops - old_ops,
		       ops > old_ops ? (ns - old_ns) / (ops - old_ops) / 1000 : 0,
		       c.hits - old.hits, c.misses - old.misses, c.dirty);
		old = c;
		old_ops = ops;
		old_ns = ns;
	}
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void print_total(struct worker *w, struct counters from, struct counters to)
{
	uint32_t *all;
	size_t nr = 0;

	for (int i = 0; i < run_.nr_threads; i++)
		nr += w[i].nr;
	all = malloc((nr + 1) * sizeof(*all));
	if (!all || !nr)
		die("nothing measured");
	nr = 0;
	for (int i = 0; i < run_.nr_threads; i++) {
		memcpy(all + nr, w[i].us, w[i].nr * sizeof(*all));
		nr += w[i].nr;
	}
	qsort(all, nr, sizeof(*all), by_value);
	printf("TOTAL %lu %lu %u %u %" PRIu64 " %" PRIu64 " %lu\n", run_.ops, run_.ns / run_.ops / 1000, all[nr / 2],
	       all[nr - nr / 100 - 1], to.hits - from.hits, to.misses - from.misses, run_.wrong);
}

static int run(const char *dev, int seconds, int nr_threads, uint64_t seed, const char *name)
{
	struct worker w[MAX_THREADS] = { 0 };
	struct counters before;
	uint64_t blocks, start;

	if (nr_threads < 1 || nr_threads > REGION_BLOCKS - 1 || nr_threads > MAX_THREADS) {
		errno = EINVAL;
		die("number of threads");
	}
	run_.fd = open_blocks(dev, O_RDWR | O_DIRECT, &blocks);
	run_.regions = blocks / REGION_BLOCKS;
	run_.nr_threads = nr_threads;
	make_zipf();
	before = ask_cache(name);
	start = now_ns();
	for (int i = 0; i < nr_threads; i++) {
		w[i].index = i;
		w[i].random = mix(seed * MAX_THREADS + i + 1);
		w[i].us = malloc(MAX_SAMPLES * sizeof(uint32_t));
		if (!w[i].us || pthread_create(&w[i].thread, NULL, work, &w[i]))
			die("thread");
	}
	sample_until(start, start + seconds * 1000000000ULL, name);
	atomic_store(&run_.stop, 1);
	for (int i = 0; i < nr_threads; i++)
		pthread_join(w[i].thread, NULL);
	print_total(w, before, ask_cache(name));
	return 0;	/* what is wrong is in the total: the host judges */
}

/* ----- records ----- */

/*
 * Where record n goes: it can be recomputed, so that the count is all that must be remembered.
 */
static uint64_t slot_of_record(uint64_t n)
{
	return mix(n) % RECORD_BLOCKS;
}

static uint64_t block_of_slot(uint64_t slot, uint64_t blocks)
{
	return (region_of_rank(slot, blocks / REGION_BLOCKS) + 1) * REGION_BLOCKS - 1;
}

/* Until killed. */
static void records(const char *dev)
{
	uint64_t blocks, *buf = block_buffer(1);
	int fd = open_blocks(dev, O_RDWR | O_DIRECT, &blocks);

	for (uint64_t n = 1;; n++) {
		uint64_t block = block_of_slot(slot_of_record(n), blocks);

		stamp(buf, block, n);
		if (pwrite(fd, buf, BLOCK, block * BLOCK) != BLOCK)
			die("write");
		if (fdatasync(fd))
			die("fdatasync");
		printf("ACK %" PRIu64 "\n", n);
	}
}

/* The device is read by several threads, since it may be slow; each answers for its own regions. */
static struct {
	int fd;
	uint64_t blocks;
	atomic_ulong wrong;
} verify_;

static void *verify_regions(void *arg)
{
	uint64_t *buf = block_buffer(REGION_BLOCKS);
	uint64_t b = REGION_BLOCKS * (uint64_t)((struct worker *)arg)->index;

	for (; b < verify_.blocks; b += REGION_BLOCKS * MAX_THREADS) {
		if (pread(verify_.fd, buf, REGION_BLOCKS * BLOCK, b * BLOCK) !=
		    REGION_BLOCKS * BLOCK)
			die("read");
		for (int i = 0; i < REGION_BLOCKS; i++)
			verify_.wrong += !is_whole(buf + i * WORDS, b + i);
	}
	return NULL;
}

/*
 * The last flushed record of each block must be there, or a newer one: some may have been flushed
 * whose ACK never left the guest.
 */
static void verify_records(uint64_t acked, unsigned long *checked, unsigned long *lost)
{
	uint64_t last[RECORD_BLOCKS] = { 0 }, *buf = block_buffer(1);

	for (uint64_t n = 1; n <= acked; n++)
		last[slot_of_record(n)] = n;
	for (uint64_t slot = 0; slot < RECORD_BLOCKS; slot++) {
		uint64_t block = block_of_slot(slot, verify_.blocks);

		if (!last[slot])
			continue;
		if (pread(verify_.fd, buf, BLOCK, block * BLOCK) != BLOCK)
			die("read");
		++*checked;
		if (is_whole(buf, block) && buf[1] >= last[slot] && slot_of_record(buf[1]) == slot)
			continue;
		++*lost;
		printf("LOST block %" PRIu64 " has record %" PRIu64 " (%s) instead of %" PRIu64 "\n", block, buf[1],
		       is_whole(buf, block) ? "whole" : "damaged", last[slot]);
	}
}

static int verify(const char *dev, uint64_t acked)
{
	struct worker w[MAX_THREADS] = { 0 };
	unsigned long checked = 0, lost = 0;

	verify_.fd = open_blocks(dev, strncmp(dev, "/dev/", 5) ? O_RDONLY : O_RDONLY | O_DIRECT, &verify_.blocks);
	for (int i = 0; i < MAX_THREADS; i++) {
		w[i].index = i;
		if (pthread_create(&w[i].thread, NULL, verify_regions, &w[i]))
			die("thread");
	}
	for (int i = 0; i < MAX_THREADS; i++)
		pthread_join(w[i].thread, NULL);
	verify_records(acked, &checked, &lost);
	printf("VERIFY %" PRIu64 " %lu %lu %lu\n", verify_.blocks, verify_.wrong, checked, lost);
	return verify_.wrong || lost;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 3 && !strcmp(argv[1], "fill"))
		return fill(argv[2]);
	if ((argc == 6 || argc == 7) && !strcmp(argv[1], "run"))
		return run(argv[2], atoi(argv[3]), atoi(argv[4]), strtoull(argv[5], NULL, 0),
			   argc == 7 ? argv[6] : NULL);
	if (argc == 3 && !strcmp(argv[1], "records"))
		records(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "verify"))
		return verify(argv[2], strtoull(argv[3], NULL, 0));
	fprintf(stderr, "usage: load fill FILE | run DEV SECONDS THREADS SEED [NAME] | records DEV | verify DEV ACKED\n");
	return 2;
}
