// SPDX-License-Identifier: GPL-2.0-only
/*
 * iocost.c - time per request of random O_DIRECT I/O, as little of our own in it as can be.
 *
 *   iocost DEV read|write|sync BYTES DEPTH COUNT FIRST SECTORS
 *
 * COUNT requests of BYTES, at aligned random places within SECTORS sectors from FIRST on, DEPTH at
 * a time (Linux aio, submitted and reaped one by one); `sync` is a write and an fdatasync.  Prints
 * the mean nanoseconds of a request.  Under QEMU's -icount a nanosecond is an instruction of the
 * guest.
 *
 * The places are the same at each run.  A tenth more requests go before, uncounted, to warm up.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static uint64_t state = 88172645463325252ULL;

/* xorshift64 (Marsaglia, 2003). */
static uint64_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void die(const char *what)
{
	fprintf(stderr, "iocost: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

struct job {
	int fd;
	char op;
	size_t bytes;
	uint64_t first, places;
	char *buf;
	aio_context_t ctx;
};

static uint64_t place(const struct job *j)
{
	return j->first * 512 + rnd() % j->places * j->bytes;
}

static void one_by_one(const struct job *j, long count)
{
	while (count--) {
		ssize_t r = j->op == 'r' ? pread(j->fd, j->buf, j->bytes, place(j)) :
					   pwrite(j->fd, j->buf, j->bytes, place(j));

		if (r != (ssize_t)j->bytes || (j->op == 's' && fdatasync(j->fd)))
			die("I/O");
	}
}

static void submit(const struct job *j, struct iocb *cb)
{
	memset(cb, 0, sizeof(*cb));
	cb->aio_fildes = j->fd;
	cb->aio_lio_opcode = j->op == 'r' ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE;
	cb->aio_buf = (uintptr_t)j->buf;
	cb->aio_nbytes = j->bytes;
	cb->aio_offset = place(j);
	if (syscall(SYS_io_submit, j->ctx, 1, &cb) != 1)
		die("io_submit");
}

static void many(const struct job *j, int depth, long count)
{
	struct iocb *cbs = calloc(depth, sizeof(*cbs));
	long started = 0, ended = 0;

	for (; started < depth && started < count; started++)
		submit(j, cbs + started);
	while (ended < count) {
		struct io_event e;

		if (syscall(SYS_io_getevents, j->ctx, 1, 1, &e, NULL) != 1 ||
		    e.res != (long long)j->bytes)
			die("io_getevents");
		ended++;
		if (started++ < count)
			submit(j, (struct iocb *)(uintptr_t)e.obj);
	}
	free(cbs);
}

static void run(const struct job *j, int depth, long count)
{
	if (depth == 1)
		one_by_one(j, count);
	else
		many(j, depth, count);
}

int main(int argc, char **argv)
{
	struct job j = { 0 };
	int depth;
	long count;
	uint64_t t;

	if (argc != 8) {
		fprintf(stderr, "usage: iocost DEV read|write|sync BYTES DEPTH COUNT FIRST SECTORS\n");
		return 2;
	}
	j.op = argv[2][0];
	j.bytes = strtoul(argv[3], NULL, 0);
	depth = atoi(argv[4]);
	count = atol(argv[5]);
	j.first = strtoull(argv[6], NULL, 0);
	j.places = strtoull(argv[7], NULL, 0) * 512 / j.bytes;
	j.fd = open(argv[1], O_RDWR | O_DIRECT);
	if (j.fd < 0)
		die(argv[1]);
	if (posix_memalign((void **)&j.buf, 4096, j.bytes))
		die("memory");
	memset(j.buf, 'c', j.bytes);
	if (depth > 1 && syscall(SYS_io_setup, depth, &j.ctx))
		die("io_setup");

	run(&j, depth, count / 10);
	t = now();
	run(&j, depth, count);
	printf("%llu\n", (unsigned long long)((now() - t) / count));
	return 0;
}
