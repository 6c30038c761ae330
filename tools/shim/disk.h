/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * disk.h - a disk in RAM that can fail, lose and tear.
 *
 * Content is what a reader sees: with all writes, flushed or not.  A log of writes and flushes
 * tells what could be found after a power cut: everything written before the last completed flush,
 * and of the writes since then any subset, each possibly torn at 512 bytes.
 *
 * disk_crash_*() build such states, cheaply: only what differs from the state before is copied.
 *
 *	disk_log_start(d);
 *	... work on it ...
 *	c = disk_crash_begin(d);
 *	for (k = 0; k <= disk_crash_events(c); k++)
 *		for (seed = 0; seed < n; seed++) {
 *			struct shim_disk *s = disk_crash_state(c, k, seed);
 *			... open s, look, close; it may be written to ...
 *		}
 *	disk_crash_end(c);
 */
#ifndef SHIM_DISK_H
#define SHIM_DISK_H

#include "disk-io.h"

enum disk_op {
	DISK_READ,
	DISK_WRITE,
	DISK_FLUSH,
	NR_DISK_OPS,
};

struct disk_event {
	enum disk_op op;	/* DISK_WRITE or DISK_FLUSH */
	u64 seq;		/* order over all disks of the process */
	u64 sector;
	u32 nr_sectors;
	u8 *data;
};

struct shim_disk {
	struct block_device bdev;
	u64 nr_sectors;
	u8 *data;
	bool read_only;		/* writes give -EPERM */

	unsigned long count[NR_DISK_OPS];	/* operations so far, failed ones included */
	unsigned long fail_at[NR_DISK_OPS];	/* the operation that will fail, 0 = none */
	bool fail_on[NR_DISK_OPS];		/* and all after it */
	int fail_with;				/* negative; 0: another each time */
	bool failed[NR_DISK_OPS];		/* it happened */
	bool tear_failed_writes;		/* a failed write leaves its first 512 bytes */

	bool logging;
	u8 *base;		/* content when logging started */
	struct disk_event *log;
	unsigned long nr_events, max_events;

	/* crash states: blocks (of 4096 bytes) written since the state was made */
	bool track;
	u32 *touched;
	unsigned long nr_touched, max_touched;
};

struct shim_disk *disk_create(u64 nr_sectors);
/* Content: a copy of @data, cut or extended with zeroes to @nr_sectors. */
struct shim_disk *disk_create_from(const void *data, size_t bytes, u64 nr_sectors);
void disk_free(struct shim_disk *d);
struct shim_disk *disk_clone(struct shim_disk *d);	/* content only */
static inline struct block_device *disk_bdev(struct shim_disk *d)
{
	return &d->bdev;
}

/*
 * The @n-th @op from now (1 = the next) fails; all later ones too if @on.  n = 0: never.  With what
 * error varies, as that of a real disk does, unless d->fail_with says.
 */
void disk_fail(struct shim_disk *d, enum disk_op op, unsigned long n, bool on);

void disk_log_start(struct shim_disk *d);	/* everything so far is durable */
void disk_log_stop(struct shim_disk *d);

struct disk_crash;
struct disk_crash *disk_crash_begin(struct shim_disk *d);
void disk_crash_end(struct disk_crash *c);
unsigned long disk_crash_events(struct disk_crash *c);
u64 disk_crash_seq(struct disk_crash *c, unsigned long k);	/* of event k (1 = the first) */
/*
 * The disk after a power cut right after the @k-th event (0 = before the first).  Unflushed
 * writes: seed 0 loses them all, 1 keeps them all, 2 keeps all with the last one torn in the
 * middle; others keep a random subset, one write in eight of it torn.  The disk belongs to @c and
 * is valid until the next call.
 */
struct shim_disk *disk_crash_state(struct disk_crash *c, unsigned long k, u64 seed);
/* Likewise after all events with a sequence number of at most @seq: for several disks at once. */
struct shim_disk *disk_crash_state_at(struct disk_crash *c, u64 seq, u64 seed);
u64 disk_now(void);	/* sequence number of the last event of any disk */

#endif
