// SPDX-License-Identifier: GPL-2.0-only
/*
 * program.c - counters.c in a program, on libdmc-pdata.a:
 *
 *	counters FILE-OR-DEVICE add 7 5	counter 7 grows by 5, durably
 *	counters FILE-OR-DEVICE get 7	prints 5
 *
 * 1000 counters; a file or device whose first 4096 bytes are zero is formatted.
 */
#include <dmc-pdata.h>

#include "counters.h"

#define NR 1000

static int work(struct counters *c, int argc, char **argv)
{
	u32 i = strtoul(argv[3], NULL, 10);
	u64 value;
	int r;

	if (argc == 5) {
		r = counters_add(c, i, strtoull(argv[4], NULL, 10));
		return r ? r : counters_commit(c);
	}
	r = counters_get(c, i, &value);
	if (!r)
		printf("%llu\n", value);
	return r;
}

int main(int argc, char **argv)
{
	struct block_device *bdev;
	struct counters *c;
	int r;

	if (!(argc == 5 && !strcmp(argv[2], "add")) && !(argc == 4 && !strcmp(argv[2], "get"))) {
		fprintf(stderr, "counters FILE add I N | counters FILE get I\n");
		return 2;
	}
	bdev = dmc_device_open(argv[1], true);
	if (!bdev) {
		fprintf(stderr, "counters: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	c = counters_open(bdev, argv[1], NR);
	r = PTR_ERR_OR_ZERO(c);
	if (!r) {
		r = work(c, argc, argv);
		counters_close(c);
	}
	dmc_device_close(bdev);
	if (r)
		fprintf(stderr, "counters: %s\n%s\n", strerror(-r), dmc_last_message());
	return r ? 1 : 0;
}
