// SPDX-License-Identifier: GPL-2.0-only
/*
 * disk.c - a disk in RAM that can fail, lose and tear.  See disk.h.
 */
#include "disk.h"

#define BLOCK 4096
#define BLOCK_SECTORS 8

static u64 now;

u64 disk_now(void)
{
	return now;
}

struct shim_disk *disk_create_from(const void *data, size_t bytes, u64 nr_sectors)
{
	struct shim_disk *d = calloc(1, sizeof(*d));
	size_t size = nr_sectors * SECTOR_SIZE;

	shim_assert(d);
	d->bdev.disk = d;
	d->nr_sectors = nr_sectors;
	d->data = calloc(1, size + BLOCK);
	shim_assert(d->data);
	if (data)
		memcpy(d->data, data, bytes < size ? bytes : size);
	return d;
}

struct shim_disk *disk_create(u64 nr_sectors)
{
	return disk_create_from(NULL, 0, nr_sectors);
}

struct shim_disk *disk_clone(struct shim_disk *d)
{
	return disk_create_from(d->data, d->nr_sectors * SECTOR_SIZE, d->nr_sectors);
}

static void log_free(struct shim_disk *d)
{
	unsigned long i;

	for (i = 0; i < d->nr_events; i++)
		free(d->log[i].data);
	free(d->log);
	free(d->base);
	d->log = NULL;
	d->base = NULL;
	d->nr_events = d->max_events = 0;
}

void disk_free(struct shim_disk *d)
{
	if (!d)
		return;
	log_free(d);
	free(d->touched);
	free(d->data);
	free(d);
}

/*----- operations -----*/

/*
 * What the block layer makes of: an I/O error, a bad medium, bad protection data, no space below.
 */
static const int errors[] = { -EIO, -ENODATA, -EILSEQ, -ENOSPC };

/* 0 or -errno. */
static int fails(struct shim_disk *d, enum disk_op op)
{
	unsigned long n = ++d->count[op];

	if (!d->fail_at[op] || n < d->fail_at[op] || (n > d->fail_at[op] && !d->fail_on[op]))
		return 0;
	d->failed[op] = true;
	return d->fail_with ? d->fail_with : errors[n % ARRAY_SIZE(errors)];
}

void disk_fail(struct shim_disk *d, enum disk_op op, unsigned long n, bool on)
{
	d->fail_at[op] = n ? d->count[op] + n : 0;
	d->fail_on[op] = on;
	d->failed[op] = false;
}

static void log_event(struct shim_disk *d, enum disk_op op, u64 sector, u32 nr, const void *buf)
{
	struct disk_event *e;

	now++;
	if (!d->logging)
		return;
	if (d->nr_events == d->max_events) {
		d->max_events = d->max_events ? 2 * d->max_events : 256;
		d->log = realloc(d->log, d->max_events * sizeof(*d->log));
		shim_assert(d->log);
	}
	e = &d->log[d->nr_events++];
	*e = (struct disk_event) { .op = op, .seq = now, .sector = sector, .nr_sectors = nr };
	if (nr) {
		e->data = malloc(nr * SECTOR_SIZE);
		shim_assert(e->data);
		memcpy(e->data, buf, nr * SECTOR_SIZE);
	}
}

static void touch(struct shim_disk *d, u64 sector, u32 nr)
{
	u64 b;

	for (b = sector / BLOCK_SECTORS; nr && b <= (sector + nr - 1) / BLOCK_SECTORS; b++) {
		if (d->nr_touched == d->max_touched) {
			d->max_touched = d->max_touched ? 2 * d->max_touched : 64;
			d->touched = realloc(d->touched, d->max_touched * sizeof(*d->touched));
			shim_assert(d->touched);
		}
		d->touched[d->nr_touched++] = b;
	}
}

static void apply(struct shim_disk *d, u64 sector, u32 nr, const void *buf)
{
	if (d->track)
		touch(d, sector, nr);
	memcpy(d->data + sector * SECTOR_SIZE, buf, nr * SECTOR_SIZE);
}

int disk_read(struct shim_disk *d, u64 sector, u32 nr, void *buf)
{
	int r = fails(d, DISK_READ);

	if (r)
		return r;
	if (sector > d->nr_sectors || nr > d->nr_sectors - sector)
		return -EIO;
	memcpy(buf, d->data + sector * SECTOR_SIZE, nr * SECTOR_SIZE);
	return 0;
}

int disk_write(struct shim_disk *d, u64 sector, u32 nr, const void *buf)
{
	int r = fails(d, DISK_WRITE);

	if (sector > d->nr_sectors || nr > d->nr_sectors - sector)
		return -EIO;
	if (d->read_only)
		return -EPERM;
	if (r && d->tear_failed_writes)
		nr = 1;
	else if (r)
		return r;
	apply(d, sector, nr, buf);
	log_event(d, DISK_WRITE, sector, nr, buf);
	return r;
}

int disk_flush(struct shim_disk *d)
{
	int r = fails(d, DISK_FLUSH);

	if (r)
		return r;
	log_event(d, DISK_FLUSH, 0, 0, NULL);
	return 0;
}

sector_t bdev_nr_sectors(struct block_device *bdev)
{
	return bdev->disk->nr_sectors;
}

int bdev_read_only(struct block_device *bdev)
{
	return bdev->disk->read_only;
}

/*----- the log and crash states -----*/

void disk_log_stop(struct shim_disk *d)
{
	d->logging = false;
}

void disk_log_start(struct shim_disk *d)
{
	size_t size = d->nr_sectors * SECTOR_SIZE + BLOCK;

	log_free(d);
	d->base = malloc(size);
	shim_assert(d->base);
	memcpy(d->base, d->data, size);
	d->logging = true;
}

struct disk_crash {
	struct shim_disk *from;
	struct shim_disk *state;	/* handed out */
	struct shim_disk *durable;	/* base and all writes before event @flushed */
	unsigned long flushed;		/* number of events that are in @durable */
};

struct disk_crash *disk_crash_begin(struct shim_disk *d)
{
	struct disk_crash *c = calloc(1, sizeof(*c));

	shim_assert(c && d->base);
	d->logging = false;
	c->from = d;
	c->durable = disk_create_from(d->base, d->nr_sectors * SECTOR_SIZE, d->nr_sectors);
	c->state = disk_clone(c->durable);
	c->state->track = true;
	return c;
}

void disk_crash_end(struct disk_crash *c)
{
	disk_free(c->durable);
	disk_free(c->state);
	free(c);
}

unsigned long disk_crash_events(struct disk_crash *c)
{
	return c->from->nr_events;
}

u64 disk_crash_seq(struct disk_crash *c, unsigned long k)
{
	return k ? c->from->log[k - 1].seq : 0;
}

/* Everything before event @f (exclusive index) becomes durable; the state follows. */
static void set_durable(struct disk_crash *c, unsigned long f)
{
	struct shim_disk *d = c->from;
	unsigned long i;

	if (f < c->flushed) {
		memcpy(c->durable->data, d->base, d->nr_sectors * SECTOR_SIZE);
		memcpy(c->state->data, d->base, d->nr_sectors * SECTOR_SIZE);
		c->state->nr_touched = 0;
		c->flushed = 0;
	}
	for (i = c->flushed; i < f; i++) {
		struct disk_event *e = &d->log[i];

		if (e->op != DISK_WRITE)
			continue;
		apply(c->durable, e->sector, e->nr_sectors, e->data);
		touch(c->state, e->sector, e->nr_sectors);
	}
	c->flushed = f;
}

static void undo_touched(struct disk_crash *c)
{
	unsigned long i;

	for (i = 0; i < c->state->nr_touched; i++)
		memcpy(c->state->data + (size_t)c->state->touched[i] * BLOCK,
		       c->durable->data + (size_t)c->state->touched[i] * BLOCK, BLOCK);
	c->state->nr_touched = 0;
}

static u64 mix(u64 *x)
{
	u64 z = *x += 0x9E3779B97F4A7C15ull;

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
	return z ^ (z >> 31);
}

/* Applies those sectors of @e that are set in @mask. */
static void apply_sectors(struct shim_disk *s, const struct disk_event *e, u64 mask)
{
	u32 i;

	for (i = 0; i < e->nr_sectors; i++)
		if (mask >> (i % 64) & 1)
			apply(s, e->sector + i, 1, e->data + i * SECTOR_SIZE);
}

struct shim_disk *disk_crash_state(struct disk_crash *c, unsigned long k, u64 seed)
{
	struct disk_event *log = c->from->log;
	struct shim_disk *s = c->state;
	unsigned long f = k, i;
	u64 rnd = seed ^ ((u64)k << 32);

	shim_assert(k <= c->from->nr_events);
	while (f && log[f - 1].op != DISK_FLUSH)
		f--;
	set_durable(c, f);
	undo_touched(c);
	for (i = f; i < k && seed; i++) {
		u64 r = mix(&rnd), mask = ~0ull;

		if (seed == 2 && i == k - 1)
			mask = (1ull << log[i].nr_sectors / 2) - 1;
		else if (seed > 2)
			mask = r & 1 ? 0 : (r >> 1 & 7) ? ~0ull : r >> 8;
		if (mask == ~0ull)
			apply(s, log[i].sector, log[i].nr_sectors, log[i].data);
		else
			apply_sectors(s, &log[i], mask);
	}
	memset(s->fail_at, 0, sizeof(s->fail_at));
	return s;
}

struct shim_disk *disk_crash_state_at(struct disk_crash *c, u64 seq, u64 seed)
{
	unsigned long lo = 0, hi = c->from->nr_events;

	while (lo < hi) {
		unsigned long mid = (lo + hi) / 2;

		if (c->from->log[mid].seq <= seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	return disk_crash_state(c, lo, seed);
}
