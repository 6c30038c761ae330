// SPDX-License-Identifier: GPL-2.0-only
/*
 * rw-flags read|write|peek|submit FLAGS DEV OFFSET BYTES - direct I/O with these RWF_* flags.
 *
 * FLAGS: "-", or words joined by commas: nowait, atomic.  Prints "ok", or what is wrong in one word
 * (EAGAIN, EOPNOTSUPP, EINVAL, else a number).  "write" takes its data from stdin, "peek" is a
 * "read" that prints the data instead.  "submit" writes BYTES of zeroes, 4 KiB in each 32 KiB, all
 * at once: it prints how many have ended when all are submitted, and then how each of them went.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#ifndef RWF_ATOMIC
#define RWF_ATOMIC 0x40
#endif
#define REQUEST 4096
#define STRIDE 32768
#define MOST 64

static int flags_of(const char *words)
{
	return (strstr(words, "nowait") ? RWF_NOWAIT : 0) |
	       (strstr(words, "atomic") ? RWF_ATOMIC : 0);
}

static int say(int error)
{
	switch (error) {
	case 0:
		puts("ok");
		return 0;
	case EAGAIN:
		puts("EAGAIN");
		break;
	case EOPNOTSUPP:
		puts("EOPNOTSUPP");
		break;
	case EINVAL:
		puts("EINVAL");
		break;
	default:
		printf("%d\n", error);
	}
	return 1;
}

static int submit(int fd, int flags, off_t at, char *data, size_t bytes)
{
	struct iocb requests[MOST] = {}, *list[MOST];
	struct io_event ended[MOST];
	aio_context_t context = 0;
	const long nr = bytes / REQUEST;
	struct timespec now = {};
	long i, n;
	int r = 0;

	if (nr > MOST || syscall(SYS_io_setup, MOST, &context))
		return 2;
	for (i = 0; i < nr; i++) {
		list[i] = &requests[i];
		requests[i].aio_fildes = fd;
		requests[i].aio_lio_opcode = IOCB_CMD_PWRITE;
		requests[i].aio_buf = (unsigned long)(data + i * REQUEST);
		requests[i].aio_nbytes = REQUEST;
		requests[i].aio_offset = at + i * STRIDE;
		requests[i].aio_rw_flags = flags;
	}
	if (syscall(SYS_io_submit, context, nr, list) != nr)
		return say(errno);
	n = syscall(SYS_io_getevents, context, 0, nr, ended, &now);
	if (n < 0)
		return say(errno);
	printf("submitted, %ld ended\n", n);
	if (syscall(SYS_io_getevents, context, nr - n, nr - n, ended + n, NULL) != nr - n)
		return say(errno);
	for (i = 0; i < nr; i++)
		r |= say(ended[i].res == REQUEST ? 0 : -(int)ended[i].res);
	return r;
}

int main(int argc, char **argv)
{
	struct iovec v;
	ssize_t n;
	int fd, write, flags;
	off_t at;

	if (argc != 6)
		return 2;
	write = argv[1][0] == 'w' || argv[1][0] == 's';
	flags = flags_of(argv[2]);
	at = strtoull(argv[4], NULL, 10);
	v.iov_len = strtoull(argv[5], NULL, 10);
	if (posix_memalign(&v.iov_base, 4096, v.iov_len))
		return 2;
	memset(v.iov_base, 0, v.iov_len);
	if (argv[1][0] == 'w' && fread(v.iov_base, 1, v.iov_len, stdin) != v.iov_len)
		return 2;
	fd = open(argv[3], (write ? O_WRONLY : O_RDONLY) | O_DIRECT);
	if (fd < 0)
		return say(errno);
	if (argv[1][0] == 's')
		return submit(fd, flags, at, v.iov_base, v.iov_len);
	n = write ? pwritev2(fd, &v, 1, at, flags) : preadv2(fd, &v, 1, at, flags);
	if (n < 0)
		return say(errno);
	if (n != (ssize_t)v.iov_len)
		return say(EIO);
	if (strcmp(argv[1], "peek"))
		return say(0);
	fwrite(v.iov_base, 1, v.iov_len, stdout);
	return 0;
}
