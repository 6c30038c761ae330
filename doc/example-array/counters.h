/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * counters.h - numbered counters that survive a crash: an example of the persistent-data library.
 *
 * One caller at a time, in process context; every call may sleep.  What is added is durable when
 * counters_commit() has returned 0; a crash before that leaves the counters of the last commit.
 */
#ifndef COUNTERS_H
#define COUNTERS_H

#include <linux/types.h>

struct block_device;
struct counters;

/*
 * A device whose first 4096 bytes are zero gets @nr counters of 0; another one keeps what it has.
 */
struct counters *counters_open(struct block_device *bdev, const char *name, u32 nr);
void counters_close(struct counters *c);

int counters_add(struct counters *c, u32 i, u64 n);
int counters_get(struct counters *c, u32 i, u64 *value);
int counters_commit(struct counters *c);

#endif
