// SPDX-License-Identifier: GPL-2.0-only
/*
 * mode.c - the only place where a metadata failure is turned into less service.
 *
 * Called by commit.c and activate.c with md_mutex held, after a metadata call failed.
 *
 *   write      everything works
 *   read-only  hits and misses go on; nothing is promoted, demoted or dropped any more.  On disk:
 *              the last commit, with needs_check
 *   fail       all I/O fails: what is on disk is not known, so acknowledging a write could lose it
 *
 * After a failed commit the disk may have the old superblock or the new one.  So the old one is
 * written again, with needs_check.  If even that fails, the mode is "fail".
 */
#include "dm-cache.h"

const char *mode_name(enum md_mode mode)
{
	static const char * const names[] = {
		[MD_WRITE] = "rw",
		[MD_READ_ONLY] = "ro",
		[MD_FAIL] = "Fail",
	};

	return names[mode];
}

static void mode_set(struct cache *c, enum md_mode mode)
{
	if (c->md_mode >= mode)
		return;
	WRITE_ONCE(c->md_mode, mode);
	if (mode == MD_FAIL)
		set_bit(GATE_FAILED, &c->gate);
	dm_table_event(c->ti->table);
}

void mode_metadata_failed(struct cache *c, const char *what, int error)
{
	int r;

	lockdep_assert_held(&c->md_mutex);
	DMERR("%s: metadata device %s: %s failed (%d)%s", cache_name(c), c->metadata_dev->name,
	      what, error, error == DMC_NO_ROOM ? ", it is full" : "");

	r = dmc_md_abort(c->md);
	if (!r)
		r = dmc_md_set_needs_check(c->md);
	if (!r) {
		c->needs_check = true;
		DMERR("%s: cached blocks stay usable, nothing moves any more; remove the cache, then run cache_check or cache_repair on %s",
		      cache_name(c), c->metadata_dev->name);
		mode_set(c, MD_READ_ONLY);
		return;
	}
	DMERR("%s: metadata cannot be brought back to the last commit (%d): failing all I/O; replace or repair %s, then run cache_check",
	      cache_name(c), r, c->metadata_dev->name);
	mode_set(c, MD_FAIL);
}

/* Another system has changed the metadata: what is known of it here is void, nothing is written. */
void mode_metadata_foreign(struct cache *c)
{
	lockdep_assert_held(&c->md_mutex);
	DMERR("%s: metadata device %s was changed while this machine hibernated: failing all I/O; reboot, without resuming again",
	      cache_name(c), c->metadata_dev->name);
	mode_set(c, MD_FAIL);
}
