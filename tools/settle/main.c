// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - dmcache-settle METADATA CACHE ORIGIN: writes the partial blocks of a cache that is not
 * active back to its origin, and removes them (offline.c).  `dmcache settle` finds the devices.
 *
 * Needs no module of device-mapper's cache.  Output: what stays, and progress, on stderr; at the
 * end a line of "KEY VALUE" pairs on stdout, for dmcache:
 *
 *	partial 12 settled 12 dirty 345 sectors 960 block 128
 *
 * Exit status: 0: no partial block is left; 1: some are, or it failed; 2: usage; 5: in use.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "bufio.h"
#include "dmc-pdata.h"
#include "offline.h"
#include "shim.h"

#define CACHED_METADATA_BLOCKS 16384	/* 64 MiB */
#define SECONDS_BETWEEN_LINES 10	/* where they are kept */

enum status {
	STATUS_OK,
	STATUS_FAILED,
	STATUS_USAGE,
	STATUS_BUSY = 5,
};

struct screen {
	time_t began, told;
	bool tty;
};

static time_t now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static void print_line(void *ctx, const char *line)
{
	const struct screen *screen = ctx;

	fprintf(stderr, "%sdmcache-settle: %s\n", screen->tty && screen->told ? "\n" : "", line);
}

static void print_progress(void *ctx, const struct offline *o)
{
	struct screen *screen = ctx;
	const time_t now = now_s(), took = now - screen->began;
	const u64 all = o->nr_sectors, done = o->nr_copied;

	if (now - screen->told < (screen->tty ? 1 : SECONDS_BETWEEN_LINES) || !done)
		return;
	screen->told = now;
	fprintf(stderr, "%ssettling: %.1f %%, %.1f of %.1f MiB, %llu s left%s",
		screen->tty ? "\r" : "", 100.0 * done / all, done / 2048.0, all / 2048.0,
		(all - done) * took / done, screen->tty ? "\033[K" : "\n");
}

/* Does not return if it cannot be opened. */
static struct block_device *open_or_exit(const char *path, bool write)
{
	struct block_device *bdev = dmc_device_open(path, write);

	if (bdev)
		return bdev;
	if (errno == EBUSY) {
		fprintf(stderr, "dmcache-settle: %s is in use: a cache that is active settles by itself, with write_allocate 0\n",
			path);
		exit(STATUS_BUSY);
	}
	fprintf(stderr, "dmcache-settle: %s: %s\n", path, strerror(errno));
	exit(STATUS_FAILED);
}

int main(int argc, char **argv)
{
	struct screen screen = { .began = now_s(), .told = now_s(), .tty = isatty(2) };
	struct offline o = { .tell = print_line, .progress = print_progress, .ctx = &screen };
	int r;

	if (argc != 4 || argv[1][0] == '-') {
		fprintf(stderr, "dmcache-settle METADATA CACHE ORIGIN; see dmcache settle --help\n");
		return STATUS_USAGE;
	}
	o.metadata = open_or_exit(argv[1], true);
	o.cache = open_or_exit(argv[2], false);
	o.origin = open_or_exit(argv[3], true);
	shim_bufio_set_cache(CACHED_METADATA_BLOCKS);
	r = shim_modules_init();
	if (!r)
		r = offline_settle(&o);
	if (screen.tty && screen.told != screen.began)
		fputc('\n', stderr);
	if (r && shim_nr_messages())
		fprintf(stderr, "dmcache-settle: %s\n", dmc_last_message());
	if (r)
		fprintf(stderr, "dmcache-settle: %s\n", o.why);
	printf("partial %u settled %u dirty %u sectors %llu block %u\n", o.nr_partial,
	       o.nr_settled, o.nr_dirty, o.nr_copied, o.block_sectors);
	return r ? STATUS_FAILED : STATUS_OK;
}
