/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * flush.h - has anything been written to a device that a FLUSH has not made durable?
 *
 * Where: every completed write notes itself (map.c, copy.c); FLUSH bios and commits ask (flush.c).
 * Any context, no lock, nothing sleeps.  Also compiled in userspace, for its stress test.
 *
 * The answer is one word a device: bit 0 "written since", bit 1 "the user writes", the rest counts
 * flushes in flight.
 *
 *   the user's write is sent   sets bit 1, if clear
 *   write completed            sets bit 0, the user's both, before it is reported complete
 *   flush starts               in one step: clears both, counts itself
 *   flush succeeded            uncounts itself
 *   flush failed               counts in @lost; then in one step: sets bit 0, uncounts itself
 *   needless?                  but for bit 1 the word is 0, and nothing is left to tell
 *
 * A write that finds its bits set and leaves them alone completed before a later flush clears them,
 * so that flush covers it.  While a flush is in flight the word is not 0, so a second one does not
 * overtake the first and report success for it.
 *
 * A drive that lost its write cache may say so once, to whichever FLUSH comes next, and do all
 * later ones: those make nothing durable that was written before.  So whatever relies on a flush
 * notes flush_lost() before its write is sent, and finds it changed after the flush if any FLUSH
 * failed in between.  A FLUSH that was sent before ours has told its failure when ours is done:
 * the block layer does those of a hardware queue one after the other, or several as one and ends
 * them together.
 *
 * So too if the flush that fails is one of the cache's own, for a commit: the user has to know of
 * it, whose writes it was for as well.  If there were any (bit 1, at its start or its end), it is
 * @untold then, and the next FLUSH of the user's fails, whatever the device says of that one.
 */
#ifndef DM_CACHE_FLUSH_H
#define DM_CACHE_FLUSH_H

#include <linux/atomic.h>

struct bio;
struct block_device;
struct cache;

#define FLUSH_WRITTEN	1
#define FLUSH_OF_USER	2
#define FLUSH_ONE	4

struct flush_state {
	struct block_device *bdev;
	atomic_t word;
	atomic_t lost;		/* flushes that failed */
	atomic_t untold;	/* 1: one of the cache's own did, and the next FLUSH is to fail */
};

/* Called when a write of the user's is about to be sent to the device. */
static inline void flush_note_sent(struct flush_state *f)
{
	if (!(atomic_read(&f->word) & FLUSH_OF_USER))
		atomic_or(FLUSH_OF_USER, &f->word);
}

/* Called when it has completed, before that is reported. */
static inline void flush_note_write(struct flush_state *f)
{
	const int bits = FLUSH_WRITTEN | FLUSH_OF_USER;

	if ((atomic_read(&f->word) & bits) != bits)
		atomic_or(bits, &f->word);
}

/* The same for what the cache has copied to it. */
static inline void flush_note_copy(struct flush_state *f)
{
	if (!(atomic_read(&f->word) & FLUSH_WRITTEN))
		atomic_or(FLUSH_WRITTEN, &f->word);
}

/* The next FLUSH of the user's is to fail. */
static inline void flush_untell(struct flush_state *f)
{
	atomic_set(&f->untold, 1);
}

/* Is it? */
static inline bool flush_untold(const struct flush_state *f)
{
	return unlikely(atomic_read_acquire(&f->untold));
}

/*
 * A FLUSH of the user's went well on the device if @ok.  Has it failed?  It does so too for one of
 * the cache's own.  Then flush_told() is next, before flush_ended().
 */
static inline bool flush_failed(const struct flush_state *f, bool ok)
{
	return unlikely(!ok) || flush_untold(f);
}

/* One has failed, or is about to: what is done about it is seen to have begun. */
static inline void flush_told(struct flush_state *f)
{
	if (flush_untold(f)) {
		smp_wmb();	/* pairs with flush_untold() */
		atomic_set(&f->untold, 0);
	}
}

/* Has anything completed that is not durable?  The answer may be stale. */
static inline bool flush_needed(const struct flush_state *f)
{
	return atomic_read_acquire(&f->word) & ~FLUSH_OF_USER;
}

/*
 * 0: nothing to flush or to tell, and flush_lost() is up to date.  Else FLUSH_ONE and the bits that
 * were set: it has started, and the FLUSH is sent afterwards; flush_ended() must follow.
 */
static inline int flush_begin(struct flush_state *f)
{
	const int bits = FLUSH_WRITTEN | FLUSH_OF_USER;
	int old = atomic_read_acquire(&f->word);

	do {
		/* In this order: a later flush, which went well, may have cleared the word. */
		if (!(old & ~FLUSH_OF_USER) && !flush_untold(f))
			return 0;
	} while (!atomic_try_cmpxchg(&f->word, &old, (old & ~bits) + FLUSH_ONE));
	return (old & bits) | FLUSH_ONE;
}

/* One of the cache's own, of which flush_begin() said @begun, has failed; flush_ended() is next. */
static inline void flush_own_failed(struct flush_state *f, int begun)
{
	if ((begun | atomic_read(&f->word)) & FLUSH_OF_USER)
		flush_untell(f);
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
