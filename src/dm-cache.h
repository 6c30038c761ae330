/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dm-cache.h - what the files of the core share.
 *
 * Words
 *
 *   origin, cache, metadata device   slow, fast, and bookkeeping
 *   oblock, cblock, dblock           block index on the origin, the cache, in the discard bitset
 *   promotion, demotion              copy origin -> cache, evict cache -> origin
 *   writeback (verb: clean)          copy a dirty cblock to the origin; the mapping stays
 *   invalidation                     drop a mapping without a copy
 *   migration                        any of these four
 *   clean shutdown                   dirty bits, hints and discards on disk can be trusted
 *
 * The path of a bio
 *
 *   target.c    cache_map()
 *     map.c       which oblock? look it up; hit, miss, or wait for a migration
 *       table.c     oblock -> cblock, without a lock
 *       block-lock.h  count the bio in: the block cannot move while it is counted
 *       dirty.c     first write to a clean block (writeback)
 *       remap.c     point the bio at a device; writethrough: at both
 *     map-multi.c the same for a bio that reaches beyond one block
 *     map-partial.c a block of which only a part is cached; which: partial.c
 *     flush.c     FLUSH: only to a device that has something to make durable
 *     discard.c   DISCARD: remember it, pass it down
 *     invalidate.c if the cache device failed it, its blocks are dropped, or stay dirty
 *   target.c    cache_end_io(): count it out
 *
 * The path of a block
 *
 *   engine.c    asks the policy what to do, within limits
 *     migrate.c   claim the block -> wait for its bios -> copy -> commit -> publish -> release
 *       copy.c      kcopyd, or the very bio that overwrites the whole block
 *       settle.c    a block that was written back is clean only after a flush of the origin
 *       commit.c    change the metadata, one commit for many migrations
 *       write-intent.c dirty bits are on disk before the first write
 *     errors.c    I/O errors: counted, reported, not repeated at once
 *     mode.c      a metadata failure: read-only, or fail
 *   pm.c        the machine hibernates, or is suspended to RAM: all of this stops
 *
 * Contexts: map and end_io run on any CPU, end_io also in interrupts.  Engine and commit are two
 * work items of the cache's own workqueue, each running once at a time.  The mapping table is
 * changed by the engine alone (and by activation, when no bio can be there).
 *
 * Lock order, outermost first; the spin locks are taken with interrupts disabled, but for
 * settle.lock, which no interrupt takes
 *
 *   live_caches.lock (activate.c)   mutex: which cache has which metadata device open
 *   sleepers.lock (pm.c)            mutex: the caches that run
 *   cache.md_mutex                  mutex: every use of cache.md
 *   partials.making                 mutex: the table of partial blocks is being made
 *   cache.mg.lock                   the running migrations, their parked bios, the ready list
 *   partials.lock                   which granules of partial blocks are valid
 *   settle.lock                     which blocks are volatile
 *   cache.free.lock                 which cblocks are free
 *   cache.engine.deferred_lock      bios for the engine
 *   the policy's own locks
 */
#ifndef DM_CACHE_H
#define DM_CACHE_H

#include <linux/atomic.h>
#include <linux/bio.h>
#include <linux/device-mapper.h>
#include <linux/dm-kcopyd.h>
#include <linux/list.h>
#include <linux/mempool.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "block-types.h"
#include "commit.h"
#include "discard.h"
#include "engine.h"
#include "errors.h"
#include "flush.h"
#include "free-blocks.h"
#include "geometry.h"
#include "invalidate.h"
#include "metadata/metadata.h"
#include "migrate.h"
#include "mode.h"
#include "parse.h"
#include "policies/policy.h"
#include "posted.h"
#include "reserve.h"
#include "stats.h"
#include "table.h"

#define DM_MSG_PREFIX "cache"

#define CACHE_MAX_DBLOCKS (1 << 14)		/* discard bits over the origin, at most (about) */
#define CACHE_MAX_MIGRATIONS 128		/* at once; the mempool holds as many */
#define CACHE_MIGRATION_THRESHOLD 2048		/* sectors being copied at once; what LVM expects */
#define CACHE_COMMIT_BATCH 32	/* finished copies that no longer wait for more to join them */

/* Reasons why a bio may be refused; bits of struct cache.gate. */
enum cache_gate {
	GATE_FAILED,		/* MD_FAIL */
	GATE_IMAGE,		/* the image of hibernation is being written; pm.c */
};

struct cache {
	/* --- what every bio reads; written at load only, but for the two modes --- */
	struct dm_target *ti;
	struct mapping_table table;
	atomic_t *slots;		/* write misses in flight; block-lock.h */
	u32 slot_mask;
	struct geometry geo;
	enum io_mode io_mode;
	unsigned long gate;		/* GATE_*: some bios, or all, are refused */
	enum md_mode md_mode;		/* WRITE_ONCE by mode.c */
	struct dmc_policy *policy;
	/* until loaded: a policy whose hints may be stored, or NULL */
	struct dmc_policy_type *hints_from;
	struct dmc_mappings mappings;	/* the policy's view of @table */
	struct cache_stats __percpu *stats;
	struct discards discards;
	struct flush_state origin_flush, cache_flush;

	/* --- devices and the table line --- */
	struct dm_dev *metadata_dev, *cache_dev, *origin_dev;
	bool metadata2;			/* feature: format 2 when formatting */
	unsigned int nr_ctr_args;
	char **ctr_args;		/* after the three devices, for the table line */
	unsigned int migration_threshold;	/* sectors */

	/* --- dirty blocks; dirty.c --- */
	atomic_t nr_dirty;		/* not clean: the volatile ones are counted, too */
	atomic_t nr_volatile;
	struct settle *settle;		/* which blocks are volatile; settle.h */
	struct write_intent *intent;	/* which dirty bits are on disk; write-intent.h */
	struct partials *partials;	/* only a part of these is in the cache; partial.h */
	struct posted posted;		/* writes that wait for a mark in memory; posted.h */

	/* --- blocks on the move --- */
	struct free_blocks free;
	struct reserve reserve;
	struct migrations mg;
	struct invalidation invalidation;
	struct io_errors errors;
	struct engine engine;
	struct commit commit;
	bool quiescing;			/* from presuspend to resume; also while held */
	bool held;			/* no work does anything: the machine sleeps; pm.c */
	struct list_head sleeper;	/* pm.c */

	/* --- metadata --- */
	struct mutex md_mutex;
	struct dmc_md *md;		/* NULL while suspended */
	bool load_tried;
	bool loaded;			/* mappings are in the table */
	u32 md_fingerprint;		/* of the superblock written at suspend */
	u32 md_version;
	bool needs_check;
	u64 md_used, md_total;		/* blocks, at the last commit; for status */
	struct list_head live;		/* activate.c */
	struct dmc_md_stats base_stats;	/* from the superblock */
};

/* What a bio holds, to be given back in end_io. */
enum held {
	HELD_NOTHING,		/* sent to the origin, or nowhere */
	HELD_REFUSED,		/* ended without being sent */
	HELD_READ,		/* a read counted in a cblock's entry */
	HELD_WRITE,		/* a write counted there */
	HELD_PARTIAL,		/* a write of @nr sectors counted there, @piece sectors into it */
	HELD_PARTIAL_ORIGIN,	/* a write counted there, but sent to the origin */
	HELD_SLOT,		/* a write miss counted in a slot */
	HELD_FLUSH_ORIGIN,
	HELD_FLUSH_CACHE,
	HELD_DISCARD,
	HELD_OVERWRITE,		/* this bio is the copy of a promotion */
	HELD_READS,		/* map-multi.c: reads counted in @nr cblocks from @index */
	HELD_WRITES,		/* writes there */
	HELD_SLOTS,	/* write misses of @nr oblocks from @oblock, each counted in its slot */
};

/*
 * Per-bio data.  @saved is the bio as it came in: a bio that failed on the cache is sent to the
 * origin from it.  @clone is the second half of a writethrough pair, embedded so that a write never
 * waits for memory; while both are under way, the bio's own bi_end_io is kept in @end_io.
 */
struct bio_ctx {
	enum held held;
	u32 index;			/* cblock, or slot */
	u32 nr;				/* of a run */
	u32 lost;			/* HELD_PARTIAL: flush_lost() when it was sent */
	oblock_t oblock;	/* HELD_SLOTS: the first; invalidate.c: of @index, or none */
	bool paired;			/* also written to the other device through @clone */
	bool retried;			/* failed on the cache once: goes to the origin now */
	bool cache_failed;		/* a half of the pair failed: that to the cache */
	bool origin_failed;		/* that to the origin */
	bool dropping;	/* invalidate.c: waits until cblocks are dropped, @nr from @index on */
	bool named;			/* invalidate.c: a FLUSH has named the blocks to drop */
	bool all;			/* invalidate.c: that may be any block */
	bool piecewise;			/* map-multi.c: a run is read again, block by block */
	bool piece_sent;		/* block @piece of the run is being read */
	bool piece_failed;
	bool elsewhere;			/* it is read from the origin */
	u32 piece;
	bool deferred;			/* mapped by the engine: it cannot be cut any more */
	u8 tries;			/* map-partial.c: what it waited for in vain */
	bool none_posted;		/* a FLUSH: what was posted before it is written */
	/*
	 * It has waited once for its block to come or go.  So it is in the statistics already, and
	 * must not wait for a promotion again.
	 */
	bool waited;
	bool room_awaited;		/* reserve.c: it has waited for a free cblock */
	struct migration *mg;		/* HELD_OVERWRITE */
	atomic_t halves;		/* of a pair, not ended yet */
	blk_status_t pair_status;	/* of whichever half failed */
	bio_end_io_t *end_io;
	struct bvec_iter saved;
	struct compat_clone clone;
};

static inline struct bio_ctx *bio_ctx(struct bio *bio)
{
	return dm_per_bio_data(bio, sizeof(struct bio_ctx));
}

/* Ends @bio, which was sent nowhere.  Returns what a map function does then. */
static inline int bio_refuse(struct bio *bio, blk_status_t status)
{
	bio_ctx(bio)->held = HELD_REFUSED;
	compat_bio_end(bio, status);
	return DM_MAPIO_SUBMITTED;
}

/*
 * Has the device failed that @bio was sent to?  If it had no place for one that must not wait, it
 * did nothing, and that tells nothing of it.
 */
static inline bool bio_failed(const struct bio *bio, blk_status_t status)
{
	return unlikely(status != BLK_STS_OK) &&
	       !(status == BLK_STS_AGAIN && bio->bi_opf & REQ_NOWAIT);
}

static inline struct bio *bio_of_ctx(struct bio_ctx *x)
{
	return dm_bio_from_per_bio_data(x, sizeof(*x));
}

/* A bio that has ended is sent once more, as it came in. */
static inline void bio_rewind(struct bio *bio)
{
	struct bio_ctx *x = bio_ctx(bio);

	compat_bio_restore(bio, &x->saved);
	x->retried = true;
	x->paired = false;
}

static inline struct cblock_entry *entry_of(struct cache *c, cblock_t cb)
{
	return c->table.entries + from_cblock(cb);
}

static inline cblock_t cblock_of(struct cache *c, const struct cblock_entry *e)
{
	return to_cblock(e - c->table.entries);
}

static inline const char *cache_name(struct cache *c)
{
	return dm_table_device_name(c->ti->table);
}

/* First sector of a block; 64 bits, whatever the block's number. */
static inline sector_t oblock_to_sector(struct cache *c, oblock_t ob)
{
	return (sector_t)from_oblock(ob) * c->geo.block_sectors;
}

static inline sector_t cblock_to_sector(struct cache *c, cblock_t cb)
{
	return (sector_t)from_cblock(cb) * c->geo.block_sectors;
}

/* Where a bio begins, as it came in: its first block, and *@offset sectors into it. */
static inline oblock_t oblock_of(struct cache *c, const struct bio *bio, u32 *offset)
{
	sector_t sector = dm_target_offset(c->ti, compat_bio_sector(bio));

	if (likely(c->geo.block_shift >= 0)) {
		*offset = sector & (c->geo.block_sectors - 1);
		return to_oblock(sector >> c->geo.block_shift);
	}
	*offset = sector_div(sector, c->geo.block_sectors);
	return to_oblock(sector);
}

/*
 * Is @ob the partial block at the end of the origin?  It is never cached, since the metadata does
 * not say where in the block the origin ended.
 */
static inline bool is_origin_tail(const struct cache *c, oblock_t ob)
{
	return from_oblock(ob) >= c->geo.nr_oblocks;
}

static inline enum md_mode cache_md_mode(struct cache *c)
{
	return READ_ONCE(c->md_mode);
}

#endif
