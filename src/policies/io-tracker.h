/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * io-tracker.h - is the stream of bios sequential or random?
 *
 * A disk serves a sequential stream well, and what streams past is seldom wanted again: it should
 * neither be promoted nor push candidates aside.  After @sequential bios that each start where the
 * one before ended, the stream is sequential; one that does not starts the count again.  After
 * @random others in a row, it is random.
 *
 * Fed by miss() for each uncached bio, under the policy's lock.  One stream is recognised; what a
 * caller needs to know is only the answer of io_tracker_sequential().
 */
#ifndef DMC_IO_TRACKER_H
#define DMC_IO_TRACKER_H

#include <linux/types.h>

struct io_tracker {
	u64 next_sector;	/* where a contiguous bio would start */
	u32 contiguous;		/* bios in a row that did; while sequential: that did not */
	bool sequential;
};

/* Takes note of a bio.  Is it part of a sequential stream?  @sequential 0: never. */
static inline bool io_tracker_sequential(struct io_tracker *t, u64 sector, u32 sectors,
					 u32 sequential, u32 random)
{
	bool follows = sector == t->next_sector;

	t->next_sector = sector + sectors;

	if (!t->sequential) {
		t->contiguous = follows ? t->contiguous + 1 : 1;
		if (sequential && t->contiguous > sequential) {
			t->sequential = true;
			t->contiguous = 0;
		}
		return t->sequential;
	}

	t->contiguous = follows ? 0 : t->contiguous + 1;
	if (!sequential || t->contiguous >= random) {
		t->sequential = false;
		t->contiguous = 1;
	}
	return t->sequential;
}

#endif
