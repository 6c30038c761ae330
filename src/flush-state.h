/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * flush-state.h - has anything been written to a device that a FLUSH has not made durable?
 *
 * Where: every completed write notes itself (map.c, copy.c); FLUSH bios and commits ask (flush.c).
 * Any context, no lock, nothing sleeps.  Also compiled in userspace, for its stress test.
 *
 * The answer is one word a device: bit 0 "written since", the rest counts flushes in flight.
 *
 *   write completed    sets bit 0, if clear, before anyone learns of the completion
 *   flush starts       in one step: clears bit 0, counts itself
 *   flush succeeded    uncounts itself
 *   flush failed       in one step: sets bit 0, uncounts itself
 *   needless?          the word is 0
 *
 * A write that finds bit 0 set and leaves it alone completed before a later flush clears it, so
 * that flush covers it.  While a flush is in flight the word is not 0, so a second one does not
 * overtake the first and report success for it.
 */
#ifndef DM_CACHE_FLUSH_STATE_H
#define DM_CACHE_FLUSH_STATE_H

#include <linux/atomic.h>

struct block_device;

#define FLUSH_WRITTEN	1
#define FLUSH_ONE	2

struct flush_state {
	struct block_device *bdev;
	atomic_t word;
};

/* Called when a write to the device has completed, before anyone is told. */
static inline void flush_note_write(struct flush_state *f)
{
	if (!(atomic_read(&f->word) & FLUSH_WRITTEN))
		atomic_or(FLUSH_WRITTEN, &f->word);
}

/* False: nothing to flush.  True: started, and the FLUSH is sent afterwards; flush_ended() must follow. */
static inline bool flush_begin(struct flush_state *f)
{
	int old = atomic_read(&f->word);

	do {
		if (!old)
			return false;
	} while (!atomic_try_cmpxchg(&f->word, &old, (old & ~FLUSH_WRITTEN) + FLUSH_ONE));
	return true;
}

static inline void flush_ended(struct flush_state *f, bool ok)
{
	int old = atomic_read(&f->word);

	while (!atomic_try_cmpxchg(&f->word, &old, (old - FLUSH_ONE) | (ok ? 0 : FLUSH_WRITTEN)))
		;
}

#endif
