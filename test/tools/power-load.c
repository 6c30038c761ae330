// SPDX-License-Identifier: GPL-2.0-only
/*
 * power-load.c - load for power cuts and failing devices, and the checker that goes with it.
 *
 *   power-load run LOG SEED SECONDS [-e] DEVICE...
 *	write, read, flush, discard; -e: I/O errors are no failure
 *   power-load check LOG [-k] DEVICE...
 *	is every sector what it may be?  -k: count, and go on
 *
 * Where: in the guest of a VM test, above the cache; LOG is a disk of its own that loses nothing.
 *
 * Every 512-byte sector says which device and sector it is and which generation of its 4 KiB block.
 * Each thread owns every Nth group of 32 KiB and does one I/O at a time. What it is about to write
 * is noted in LOG before the write; that it was flushed is noted after fdatasync, or after a write
 * with O_DSYNC. So LOG bounds what a sector may hold after a cut:
 *
 *   pin          the last value that was durable (flushed), or that a check has read since
 *   lo < g <= hi generations written since, in part or in whole, flushed or not
 *   loose        discarded: zeroes, or any older generation of its own
 *
 * A check reads all, and pins what it saw: the next check, after a writeback, from the bare origin
 * or after the next cut, has to see the same (or what was written since). So a block that changes
 * by itself is found out. While it runs, each thread also reads its own blocks and knows exactly
 * what they hold.
 *
 * LOG: a header, two snapshots of the model in turn, then a region of records for each thread.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define SECTOR 512
#define BLOCK 4096
#define GROUP 8				/* blocks of 4 KiB: one cache block of 32 KiB */
#define WRITERS 3			/* a device */
#define MAX_DEVICES 4
#define MAGIC 0x64616f6c2d727770ULL
#define SNAPSHOT (1 << 20)
#define SNAPSHOT_SIZE (7 << 20)
#define REGIONS (16 << 20)
#define REGION (3 << 20)

struct blk {
	uint32_t pin[BLOCK / SECTOR];
	uint32_t lo, hi, loose;
	uint32_t reported;		/* found foreign before, and not written since */
};

/* What this process knows beyond the model, of its own writes. */
struct view {
	uint32_t exact;			/* holds @hi, whole */
	uint32_t unflushed;
};

struct device {
	int fd, dsync;
	const char *path;
	uint32_t nr;
	struct blk *blk;
	struct view *view;
};

struct header {
	uint64_t magic;
	uint32_t epoch, slot, nr_devices, nr[MAX_DEVICES];
	uint32_t failures;	/* wrong reads of a run: a power cut must not make them forgotten */
};

enum { REC_WRITE = 1, REC_DISCARD, REC_SYNCED, REC_FLUSHED, REC_FAILED };

struct record {
	uint64_t magic;
	uint32_t epoch, seq, type, dev, block, count;
};

struct unit {
	uint64_t magic;
	uint32_t dev, sector, gen, mix, pad[2];
};

static struct device devices[MAX_DEVICES];
static unsigned int nr_devices;
static struct header head;
static int log_fd, errors_ok, keep_going, failed;
static uint32_t flush_share;	/* 0 to 7: some runs flush a lot, some hardly ever */
static double until;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what, const char *name)
{
	fprintf(stderr, "power-load: %s %s: %s\n", what, name, strerror(errno));
	exit(2);
}

static void *pages(size_t size)
{
	void *p;

	if (posix_memalign(&p, BLOCK, size))
		die("no memory", "");
	memset(p, 0, size);
	return p;
}

static uint32_t mix(uint32_t dev, uint32_t sector, uint32_t gen)
{
	return (dev * 2654435761u ^ sector) * 2246822519u ^ gen * 3266489917u;
}

static void fill(void *buf, uint32_t dev, uint32_t block, uint32_t gen)
{
	struct unit *u = buf;
	unsigned int i;

	for (i = 0; i < BLOCK / sizeof(*u); i++) {
		uint32_t sector = block * (BLOCK / SECTOR) + i / (SECTOR / sizeof(*u));

		u[i] = (struct unit) {
			MAGIC, dev, sector, gen, mix(dev, sector, gen), { gen, sector }
		};
	}
}

/* The generation of a sector, 0 if it is zeroes; false if it is not this sector's. */
static int generation(const void *buf, uint32_t dev, uint32_t sector, uint32_t *gen)
{
	static const char zeroes[SECTOR];
	const struct unit *u = buf;
	unsigned int i;

	*gen = 0;
	if (!memcmp(buf, zeroes, SECTOR))
		return 1;
	if (u->magic != MAGIC || u->dev != dev || u->sector != sector ||
	    u->mix != mix(dev, sector, u->gen))
		return 0;
	for (i = 1; i < SECTOR / sizeof(*u); i++)
		if (memcmp(u, u + i, sizeof(*u)))
			return 0;
	*gen = u->gen;
	return 1;
}

static int allowed(const struct blk *b, unsigned int s, uint32_t gen)
{
	return gen == b->pin[s] || (gen > b->lo && gen <= b->hi) || (b->loose && gen <= b->hi);
}

/* ----- the model and LOG ----- */

static void model_flushed(struct blk *b)
{
	unsigned int s;

	for (s = 0; s < BLOCK / SECTOR; s++)
		b->pin[s] = b->hi;
	b->lo = b->hi;
	b->loose = 0;
}

static void model_write(struct device *d, uint32_t block, uint32_t count)
{
	for (; count--; block++) {
		d->blk[block].hi++;
		d->blk[block].reported = 0;
		d->view[block].unflushed = 1;
	}
}

static void model_discard(struct device *d, uint32_t block, uint32_t count)
{
	for (; count--; block++) {
		d->blk[block].loose = 1;
		d->view[block] = (struct view) { 0, 0 };
	}
}

static void model_synced(struct device *d, uint32_t block, uint32_t count)
{
	for (; count--; block++) {
		model_flushed(d->blk + block);
		d->view[block].unflushed = 0;
	}
}

/* Maybe written, maybe not: no flush makes it sure. */
static void model_failed(struct device *d, uint32_t block, uint32_t count)
{
	for (; count--; block++)
		d->view[block] = (struct view) { 0, 0 };
}

static int owner(uint32_t block)
{
	return block / GROUP % WRITERS;
}

/* All that thread @n of the device wrote is durable. */
static void model_flushed_all(struct device *d, int n)
{
	uint32_t b;

	for (b = 0; b < d->nr; b++) {
		if (owner(b) != n || !d->view[b].unflushed)
			continue;
		model_flushed(d->blk + b);
		d->view[b].unflushed = 0;
	}
}

static void log_io(int write, void *buf, size_t size, off_t at)
{
	ssize_t r = write ? pwrite(log_fd, buf, size, at) : pread(log_fd, buf, size, at);

	if (r != (ssize_t)size)
		die(write ? "writing" : "reading", "the log");
}

static size_t snapshot(int write, unsigned int slot)
{
	off_t at = SNAPSHOT + (off_t)slot * SNAPSHOT_SIZE;
	size_t total = 0;
	unsigned int i;

	for (i = 0; i < nr_devices; i++) {
		size_t size = (devices[i].nr * sizeof(struct blk) + BLOCK - 1) / BLOCK * BLOCK;

		if (total + size > SNAPSHOT_SIZE)
			die("too large", devices[i].path);
		log_io(write, devices[i].blk, size, at + total);
		total += size;
	}
	return total;
}

static void write_header(void)
{
	struct header *h = pages(BLOCK);

	*h = head;
	log_io(1, h, BLOCK, 0);
	free(h);
}

/* From now on records of earlier epochs are void. */
static void save(void)
{
	unsigned int i;

	head.magic = MAGIC;
	head.epoch++;
	head.slot = !head.slot;
	head.nr_devices = nr_devices;
	for (i = 0; i < nr_devices; i++)
		head.nr[i] = devices[i].nr;
	snapshot(1, head.slot);
	write_header();
}

static off_t region(unsigned int dev, int n)
{
	return REGIONS + (off_t)(dev * WRITERS + n) * REGION;
}

static void replay(unsigned int dev, int n)
{
	char *buf = pages(REGION);
	struct device *d = devices + dev;
	unsigned int seq;

	log_io(0, buf, REGION, region(dev, n));
	for (seq = 0; seq < REGION / SECTOR; seq++) {
		struct record *r = (void *)(buf + seq * SECTOR);

		if (r->magic != MAGIC || r->epoch != head.epoch || r->seq != seq)
			break;
		switch (r->type) {
		case REC_WRITE: model_write(d, r->block, r->count); break;
		case REC_DISCARD: model_discard(d, r->block, r->count); break;
		case REC_SYNCED: model_synced(d, r->block, r->count); break;
		case REC_FLUSHED: model_flushed_all(d, n); break;
		case REC_FAILED: model_failed(d, r->block, r->count); break;
		}
	}
	free(buf);
}

static void load(void)
{
	struct header *h = pages(BLOCK);
	unsigned int i;
	int n;

	log_io(0, h, BLOCK, 0);
	if (h->magic == MAGIC) {
		head = *h;
		if (head.nr_devices != nr_devices)
			die("another number of devices in", "the log");
		snapshot(0, head.slot);
		for (i = 0; i < nr_devices; i++)
			for (n = 0; n < WRITERS; n++)
				replay(i, n);
		/* No flush to come makes sure of a write whose fate is not known. */
		for (i = 0; i < nr_devices; i++)
			memset(devices[i].view, 0, devices[i].nr * sizeof(struct view));
	}
	free(h);
}

/* ----- the load ----- */

struct writer {
	pthread_t thread;
	unsigned int dev;
	int n;
	uint64_t rnd;
	uint32_t seq;
	char *buf;
	struct record *rec;
	unsigned long writes, reads, flushes, discards, errors;
};

static uint32_t below(struct writer *w, uint32_t n)
{
	w->rnd ^= w->rnd << 13;
	w->rnd ^= w->rnd >> 7;
	w->rnd ^= w->rnd << 17;
	return (w->rnd >> 32) % n;
}

/* False: the region is full. */
static int note(struct writer *w, uint32_t type, uint32_t block, uint32_t count)
{
	if (w->seq >= REGION / SECTOR)
		return 0;
	*w->rec = (struct record) { MAGIC, head.epoch, w->seq, type, w->dev, block, count };
	log_io(1, w->rec, SECTOR, region(w->dev, w->n) + (off_t)w->seq * SECTOR);
	w->seq++;
	return 1;
}

/* An I/O error: is that one? */
static void trouble(struct writer *w, const char *what, uint32_t block)
{
	w->errors++;
	if (errors_ok)
		return;
	printf("  %s: %s of block %u: %s\n", devices[w->dev].path, what, block, strerror(errno));
	failed = 1;
}

static int do_write(struct writer *w, uint32_t block, uint32_t count, int dsync)
{
	struct device *d = devices + w->dev;
	uint32_t i;

	if (!note(w, REC_WRITE, block, count))
		return 0;
	model_write(d, block, count);
	for (i = 0; i < count; i++) {
		d->view[block + i].exact = 0;
		fill(w->buf + i * BLOCK, w->dev, block + i, d->blk[block + i].hi);
	}
	w->writes++;
	if (pwrite(dsync ? d->dsync : d->fd, w->buf, count * BLOCK, (off_t)block * BLOCK) !=
	    count * BLOCK) {
		trouble(w, "write", block);
		model_failed(d, block, count);
		return errors_ok && note(w, REC_FAILED, block, count);
	}
	for (i = 0; i < count; i++)
		d->view[block + i].exact = 1;
	if (!dsync)
		return 1;
	model_synced(d, block, count);
	return note(w, REC_SYNCED, block, count);
}

static void do_read(struct writer *w, uint32_t block, uint32_t count)
{
	struct device *d = devices + w->dev;
	uint32_t i, s, gen;

	w->reads++;
	if (pread(d->fd, w->buf, count * BLOCK, (off_t)block * BLOCK) != count * BLOCK) {
		trouble(w, "read", block);
		return;
	}
	for (i = 0; i < count; i++) {
		const struct blk *b = d->blk + block + i;
		uint32_t first = (block + i) * (BLOCK / SECTOR);

		for (s = 0; s < BLOCK / SECTOR; s++) {
			int own = generation(w->buf + i * BLOCK + s * SECTOR, w->dev, first + s,
					     &gen);

			if (own && (d->view[block + i].exact ? gen == b->hi : allowed(b, s, gen)))
				continue;
			printf("  %s, while it runs: sector %u of block %u: %s generation %u; pinned %u, written %u to %u%s\n",
			       d->path, s, block + i, own ? "wrong" : "FOREIGN", gen, b->pin[s], b->lo + 1, b->hi,
			       d->view[block + i].exact ? ", exactly the last" : "");
			failed = 1;
			head.failures++;
			write_header();
			return;
		}
	}
}

static int do_flush(struct writer *w)
{
	struct device *d = devices + w->dev;

	w->flushes++;
	if (fdatasync(d->fd)) {
		trouble(w, "flush", 0);
		return errors_ok;
	}
	model_flushed_all(d, w->n);
	return note(w, REC_FLUSHED, 0, 0);
}

static int do_discard(struct writer *w, uint32_t block, uint32_t count)
{
	struct device *d = devices + w->dev;
	uint64_t range[2] = { (uint64_t)block * BLOCK, (uint64_t)count * BLOCK };

	if (!note(w, REC_DISCARD, block, count))
		return 0;
	model_discard(d, block, count);
	w->discards++;
	if (ioctl(d->fd, BLKDISCARD, range) && errno != EOPNOTSUPP)
		trouble(w, "discard", block);
	return 1;
}

/* Half of all go to an eighth of the groups, another eighth in each epoch. */
static uint32_t pick_group(struct writer *w)
{
	uint32_t groups = (devices[w->dev].nr + GROUP - 1) / GROUP;
	uint32_t mine = (groups - w->n + WRITERS - 1) / WRITERS, g;

	g = below(w, mine);
	if (below(w, 2))
		g = (below(w, mine / 8 + 1) + head.epoch % 8 * (mine / 8)) % mine;
	return g * WRITERS + w->n;
}

static int one(struct writer *w)
{
	uint32_t first = pick_group(w) * GROUP, room, at, count, what = below(w, 100);

	room = devices[w->dev].nr - first;
	if (room > GROUP)
		room = GROUP;
	at = below(w, room);
	count = 1 + (below(w, 2) ? 0 : below(w, room - at));
	if (what < 30)
		return do_write(w, first + at, count, 0);
	if (what < 40)
		return do_write(w, first, room, 0);
	if (what < 41 + flush_share / 2)
		return do_write(w, first + at, count, 1);
	if (what < 46 && below(w, 50) < flush_share * flush_share)
		return do_flush(w);
	if (what < 48)
		return do_discard(w, first, room);
	do_read(w, first + at, count);
	return 1;
}

static void *writer(void *arg)
{
	struct writer *w = arg;
	double t;

	while ((t = now()) < until && !failed) {
		/* Now and then all are quiet together: idle time is when a cache cleans. */
		if ((uint64_t)(t * 10) % 25 >= 20) {
			usleep(50000);
			continue;
		}
		if (!one(w))
			break;
	}
	return NULL;
}

static int run(uint64_t seed)
{
	struct writer w[MAX_DEVICES * WRITERS] = { { 0 } };
	unsigned long writes = 0, reads = 0, flushes = 0, discards = 0, errors = 0;
	unsigned int i;

	flush_share = (seed * 2654435761u >> 16) % 8;
	for (i = 0; i < nr_devices * WRITERS; i++) {
		w[i] = (struct writer) {
			.dev = i / WRITERS,
			.n = i % WRITERS,
			.buf = pages(GROUP * BLOCK),
			.rec = pages(BLOCK),
		};
		w[i].rnd = (seed * 1000003 + head.epoch * 7919 + i + 1) * 0x9e3779b97f4a7c15ULL | 1;
		if (pthread_create(&w[i].thread, NULL, writer, w + i))
			die("cannot start", "a thread");
	}
	for (i = 0; i < nr_devices * WRITERS; i++) {
		pthread_join(w[i].thread, NULL);
		writes += w[i].writes, reads += w[i].reads, flushes += w[i].flushes;
		discards += w[i].discards, errors += w[i].errors;
	}
	printf("  load: %lu writes, %lu reads, %lu flushes, %lu discards, %lu errors\n", writes, reads, flushes, discards, errors);
	return failed;
}

/* ----- the check ----- */

struct findings {
	unsigned long written, newer, torn, old, foreign, future, bad_reads;
};

static void pin(struct blk *b, const uint32_t *gen, int bad)
{
	memcpy(b->pin, gen, sizeof(b->pin));
	b->lo = b->hi;
	if (bad)
		b->loose = 1;
}

static void check_block(struct device *d, uint32_t block, const char *buf, struct findings *f)
{
	struct blk *b = d->blk + block;
	uint32_t gens[BLOCK / SECTOR], s;
	int bad = 0, torn = 0;

	f->written += b->hi != 0;
	for (s = 0; s < BLOCK / SECTOR; s++) {
		int own = generation(buf + s * SECTOR, d - devices, block * (BLOCK / SECTOR) + s,
				     gens + s);

		torn |= gens[s] != gens[0];
		f->newer += own && gens[s] > b->lo && gens[s] <= b->hi;
		if (own && allowed(b, s, gens[s]))
			continue;
		if (!own)
			f->foreign += !b->reported;
		else if (gens[s] > b->hi)
			f->future++;
		else
			f->old++;
		if (bad++ || b->reported || f->old + f->foreign + f->future > 20)
			continue;
		if (!own)
			printf("  %s block %u sector %u: FOREIGN: %.8s of device %u, sector %u, generation %u\n",
			       d->path, block, s, buf + s * SECTOR,
			       ((struct unit *)(buf + s * SECTOR))->dev,
			       ((struct unit *)(buf + s * SECTOR))->sector,
			       ((struct unit *)(buf + s * SECTOR))->gen);
		else
			printf("  %s block %u sector %u: generation %u; allowed are %u, and %u to %u\n", d->path, block, s,
			       gens[s], b->pin[s], b->lo + 1, b->hi);
	}
	f->torn += torn;
	b->reported |= bad;
	pin(b, gens, bad);
}

static int check(void)
{
	struct findings f = { 0 };
	char *buf = pages(64 * BLOCK);
	unsigned int i;
	uint32_t at, k;
	int bad;

	for (i = 0; i < nr_devices; i++) {
		struct device *d = devices + i;

		for (at = 0; at < d->nr; at += 64) {
			uint32_t n = d->nr - at < 64 ? d->nr - at : 64;

			if (pread(d->fd, buf, n * BLOCK, (off_t)at * BLOCK) != n * BLOCK) {
				printf("  %s cannot be read at block %u: %s\n", d->path, at, strerror(errno));
				f.bad_reads++;
				continue;
			}
			for (k = 0; k < n; k++)
				check_block(d, at + k, buf + k * BLOCK, &f);
		}
	}
	bad = f.old || f.foreign || f.future || f.bad_reads;
	printf("  check: %lu blocks ever written, %lu sectors unflushed but there, %lu torn blocks; LOST %lu, FOREIGN %lu, FUTURE %lu sectors, %lu failed reads\n",
	       f.written, f.newer, f.torn, f.old, f.foreign, f.future, f.bad_reads);
	if (!bad || keep_going)
		save();
	if (head.failures)
		printf("  and %u wrong reads while the load ran\n", head.failures);
	bad |= head.failures;
	if (!f.written)
		printf("  nothing was ever written\n");
	return keep_going ? 0 : bad;
}

static void open_device(struct device *d, const char *path)
{
	off_t end;

	d->path = path;
	d->fd = open(path, O_RDWR | O_DIRECT);
	d->dsync = open(path, O_RDWR | O_DIRECT | O_DSYNC);
	end = d->fd < 0 ? -1 : lseek(d->fd, 0, SEEK_END);
	if (d->dsync < 0 || end <= 0)
		die("cannot open", path);
	d->nr = end / BLOCK;
	d->blk = pages((d->nr * sizeof(struct blk) + BLOCK - 1) / BLOCK * BLOCK);
	d->view = calloc(d->nr, sizeof(struct view));
}

int main(int argc, char **argv)
{
	int running = argc > 1 && !strcmp(argv[1], "run"), at = running ? 5 : 3;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc <= at || (!running && strcmp(argv[1], "check"))) {
		fprintf(stderr, "usage: power-load run LOG SEED SECONDS [-e] DEVICE... | check LOG [-k] DEVICE...\n");
		return 2;
	}
	errors_ok = running && !strcmp(argv[at], "-e");
	keep_going = !running && !strcmp(argv[at], "-k");
	log_fd = open(argv[2], O_RDWR | O_DIRECT);
	if (log_fd < 0)
		die("cannot open", argv[2]);
	for (at += errors_ok + keep_going; at < argc && nr_devices < MAX_DEVICES;
	     at++, nr_devices++)
		open_device(devices + nr_devices, argv[at]);
	load();
	if (!running)
		return check();
	/*
	 * What an earlier run of this boot left unflushed stays unknown until a check has read it.
	 */
	save();
	until = now() + atof(argv[4]);
	return run(strtoull(argv[3], NULL, 0));
}
