/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * flush.h - has anything been written to a device that a FLUSH has not made durable?
 *
 * Where: every completed write notes itself (map.c, copy.c); FLUSH bios and commits ask (flush.c).
 * Any context, no lock, nothing sleeps.  Also compiled in userspace, for its stress test.
 *
 * The answer is one word a device: bit 0 "written since", the rest counts flushes in flight.
 *
 *   write completed    sets bit 0, if clear, before the write is reported complete
 *   flush starts       in one step: clears bit 0, counts itself
 *   flush succeeded    uncounts itself
 *   flush failed       counts in @lost; then in one step: sets bit 0, uncounts itself
 *   needless?          the word is 0
 *
 * A write that finds bit 0 set and leaves it alone completed before a later flush clears it, so
 * that flush covers it.  While a flush is in flight the word is not 0, so a second one does not
 * overtake the first and report success for it.
 *
 * A drive that lost its write cache may say so once, to whichever FLUSH comes next, and do all
 * later ones: those make nothing durable that was written before.  So whatever relies on a flush
 * notes flush_lost() before its write is sent, and finds it changed after the flush if any FLUSH
 * failed in between.  A FLUSH that was sent before ours has told its failure when ours is done:
 * the block layer does those of a hardware queue one after the other, or several as one and ends
 * them together.
 */
#ifndef DM_CACHE_FLUSH_H
#define DM_CACHE_FLUSH_H

#include <linux/atomic.h>

struct bio;
struct block_device;
struct cache;

#define FLUSH_WRITTEN	1
#define FLUSH_ONE	2

struct flush_state {
	struct block_device *bdev;
	atomic_t word;
	atomic_t lost;		/* flushes that failed */
};

/* Called when a write to the device has completed, before that is reported. */
static inline void flush_note_write(struct flush_state *f)
{
	if (!(atomic_read(&f->word) & FLUSH_WRITTEN))
		atomic_or(FLUSH_WRITTEN, &f->word);
}

/*
 * False: nothing to flush, and flush_lost() is up to date.  True: started, and the FLUSH is sent
 * afterwards; flush_ended() must follow.
 */
static inline bool flush_begin(struct flush_state *f)
{
	int old = atomic_read_acquire(&f->word);

	do {
		if (!old)
			return false;
	} while (!atomic_try_cmpxchg(&f->word, &old, (old & ~FLUSH_WRITTEN) + FLUSH_ONE));
	return true;
}

static inline void flush_ended(struct flush_state *f, bool ok)
{
	int old = atomic_read(&f->word);

	if (!ok)
		atomic_inc(&f->lost);	/* before a later flush can find nothing to do */
	while (!atomic_try_cmpxchg(&f->word, &old, (old - FLUSH_ONE) | (ok ? 0 : FLUSH_WRITTEN)))
		;
}

/* Changes with each flush that fails, before that one is over for flush_begin(). */
static inline u32 flush_lost(const struct flush_state *f)
{
	return atomic_read(&f->lost);
}

/* flush.c */
void flush_init(struct flush_state *f, struct block_device *bdev);
int flush_map(struct cache *c, struct bio *bio);
int flush_device(struct flush_state *f);

#endif
