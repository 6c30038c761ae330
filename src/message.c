// SPDX-License-Identifier: GPL-2.0-only
/*
 * message.c - "dmsetup message", and the tunables of the table line.
 *
 *   migration_threshold N          sectors being copied at once, at most
 *   write_allocate N               percent of the cache blocks that may be partial
 *   <policy tunable> <value>       also as: set_config <tunable> <value>
 *   invalidate_cblocks B|B-E ...   passthrough only; E is one past the end
 *
 * Called in process context, against bios, other messages and a resume at the same time.  A suspend
 * waits for the message.
 */
#include "block-lock.h"
#include "migrate.h"
#include "partial.h"
#include "target.h"
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

static int set_migration_threshold(struct cache *c, const char *value)
{
	u32 sectors;

	if (parse_migration_threshold(value, &sectors)) {
		DMERR("%s: migration_threshold: '%s' is no number of sectors", cache_name(c), value);
		return -EINVAL;
	}
	WRITE_ONCE(c->migration_threshold, sectors);
	/* If it was raised, waiting candidates may come in at once. */
	if (!READ_ONCE(c->quiescing))
		engine_kick(c);
	return 0;
}

static int set_write_allocate(struct cache *c, const char *value)
{
	u32 percent;

	if (parse_write_allocate(value, &percent)) {
		DMERR("%s: write_allocate: '%s' is no percentage up to %u", cache_name(c), value,
		      CACHE_MAX_WRITE_ALLOCATE);
		return -EINVAL;
	}
	return partial_set_limit(c, percent);
}

/* A core tunable, or one of the policy. 0 or -EINVAL, with a log line that says what. */
int cache_set_config(struct cache *c, const char *key, const char *value)
{
	const struct dmc_policy_type *t = c->policy->type;
	int r = -EINVAL;

	if (!strcasecmp(key, "migration_threshold"))
		return set_migration_threshold(c, value);
	if (!strcasecmp(key, "write_allocate"))
		return set_write_allocate(c, value);
	if (t->set_config)
		r = t->set_config(c->policy, key, value);
	if (r)
		DMERR("%s: policy '%s' does not take '%s %s'", cache_name(c), t->name, key, value);
	return r;
}

static int read_range(struct cache *c, const char *arg, u32 *begin, u32 *end)
{
	int r = parse_cblock_range(arg, c->geo.nr_cblocks, begin, end);

	if (r == -ERANGE)
		DMERR("%s: invalidate_cblocks: '%s' is not within the %u blocks of the cache",
		      cache_name(c), arg, c->geo.nr_cblocks);
	else if (r)
		DMERR("%s: invalidate_cblocks: '%s' is neither a block nor a range BEGIN-END",
		      cache_name(c), arg);
	return r ? -EINVAL : 0;
}

/* Starts the removal of one mapping; true if there is nothing (more) to start. */
static bool start_invalidation(struct cache *c, cblock_t cb)
{
	u64 oblock = table_oblock(&c->table, cb);

	if (oblock == NO_OBLOCK)
		return true;
	drop_start(c, cb, to_oblock(oblock), false);
	return false;	/* look again: started, or not possible yet, or another migration has it */
}

/*
 * Each block is looked at until it is unmapped.  The pool of migrations may be exhausted for a
 * moment; the metadata may fail, and then nothing can be invalidated any more.  A suspend has begun
 * when it waits for this, and bios wait for it: so the rest of the range is left.
 */
static int invalidate_range(struct cache *c, u32 begin, u32 end)
{
	u32 started = begin, b;

	for (b = begin; b < end; b++) {
		/* Keep many in flight: they share a commit. */
		while (started < end && started < b + CACHE_MAX_MIGRATIONS / 2) {
			start_invalidation(c, to_cblock(started));
			started++;
		}
		while (!start_invalidation(c, to_cblock(b))) {
			if (cache_md_mode(c) != MD_WRITE)
				return -EIO;
			if (fatal_signal_pending(current))
				return -EINTR;
			if (READ_ONCE(c->quiescing)) {
				DMERR("%s: invalidate_cblocks: stopped at block %u, since the cache is being suspended: send the message again when it is resumed",
				      cache_name(c), b);
				return -EAGAIN;
			}
			schedule_timeout_uninterruptible(1);
		}
	}
	return 0;
}

static int invalidate_cblocks(struct cache *c, unsigned int argc, char **argv)
{
	u32 begin, end;
	unsigned int i;
	int r;

	if (c->io_mode != IO_PASSTHROUGH) {
		DMERR("%s: invalidate_cblocks: only in passthrough mode; reload the table with it",
		      cache_name(c));
		return -EPERM;
	}
	if (READ_ONCE(c->quiescing) || cache_md_mode(c) != MD_WRITE) {
		DMERR("%s: invalidate_cblocks: the cache is suspended or its metadata read-only",
		      cache_name(c));
		return -EINVAL;
	}
	/* If one range is not understood, none is dropped. */
	for (i = 0; i < argc; i++) {
		r = read_range(c, argv[i], &begin, &end);
		if (r)
			return r;
	}
	for (i = 0; i < argc; i++) {
		r = read_range(c, argv[i], &begin, &end);
		if (!r)
			r = invalidate_range(c, begin, end);
		if (r)
			return r;
	}
	return 0;
}

int cache_message(struct dm_target *ti, unsigned int argc, char **argv,
		  char *result, unsigned int maxlen)
{
	struct cache *c = ti->private;
	struct message_words m;
	unsigned int noio;
	int r;

	if (parse_message(&m, argc, argv)) {
		DMERR("%s: message '%s': expected <tunable> <value>", cache_name(c), argc ? argv[0] : "");
		return -EINVAL;
	}
	/* A suspend waits for the message; so the message must not wait for I/O on the device. */
	noio = memalloc_noio_save();
	r = m.invalidate ? invalidate_cblocks(c, m.nr_ranges, m.ranges) :
			   cache_set_config(c, m.key, m.value);
	memalloc_noio_restore(noio);
	return r;
}
