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
 *     flush.c     FLUSH: only to a device that has something to make durable
 *     discard.c   DISCARD: remember it, pass it down
 *     invalidate.c the cache device failed it: the blocks are dropped, or stay dirty
 *   target.c    cache_end_io(): count it out
 *
 * The path of a block
 *
 *   engine.c    asks the policy what to do, within limits
 *     migrate.c   claim the block -> wait for its bios -> copy -> commit -> publish -> release
 *       copy.c      kcopyd, or the very bio that overwrites the whole block
 *       settle.c    written back is not yet clean: the origin is flushed before
 *       commit.c    change the metadata, one commit for many migrations
 *       write-intent.c dirty bits are on disk before the first write
 *     errors.c    I/O errors: counted, told, not repeated at once
 *     mode.c      a metadata failure: read-only, or fail
 *   pm.c        the machine hibernates, or is suspended to RAM: nothing of this goes on
 *
 * Contexts: map and end_io run on any CPU, end_io also in interrupts.  Engine and commit are two
 * work items of the cache's own workqueue, each running once at a time.  The mapping table is
 * changed by the engine alone (and by activation, when no bio can be there).
 *
 * Lock order, outermost first; the spin locks are taken with interrupts disabled
 *
 *   live_caches.lock (activate.c)   mutex: which cache has which metadata device open
 *   sleepers.lock (pm.c)            mutex: the caches that run
 *   cache.md_mutex                  mutex: every use of cache.md
 *   cache.mg_lock                   the running migrations, their parked bios, the ready list
 *   settle.lock                     which blocks are volatile
 *   cache.free_lock                 which cblocks are free
 *   cache.deferred_lock             bios for the engine
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
#include "broken-blocks.h"
#include "engine-work.h"
#include "flush.h"
#include "metadata/metadata.h"
#include "parse.h"
#include "policies/policy.h"
#include "table.h"

#define DM_MSG_PREFIX "cache"

struct migration;

#define CACHE_MAX_DBLOCKS (1 << 14)		/* discard bits over the origin, at most (about) */
#define CACHE_MAX_MIGRATIONS 128		/* at once; the mempool holds as many */
#define CACHE_MIGRATION_THRESHOLD 2048		/* sectors being copied at once; what LVM expects */
#define CACHE_COMMIT_BATCH 32		/* finished copies that no longer wait for more to join them */
#define CACHE_MG_BUCKETS 64

/* How far the metadata can be used.  It only ever goes down; mode.c. */
enum md_mode {
	MD_WRITE,
	MD_READ_ONLY,
	MD_FAIL,
};

/* Why map.c has to look twice; bits of struct cache.gate. */
enum cache_gate {
	GATE_FAILED,		/* MD_FAIL */
	GATE_IMAGE,		/* the image of hibernation is being written; pm.c */
};

/* Which I/O went wrong; errors.c. */
enum cache_error {
	ERR_CACHE,		/* any on the cache device; reads of clean blocks went to the origin */
	ERR_ORIGIN,
	ERR_DIRTY,		/* a read of a dirty block: the data may be lost; also counted in ERR_CACHE */
	NR_CACHE_ERRORS,
};

/* Work that failed is left alone for a while, ever longer; errors.c. */
struct error_pause {
	unsigned long pause;		/* jiffies; 0: all is well */
	unsigned long over_at, failed_at;
};

struct io_errors {
	atomic_t nr[NR_CACHE_ERRORS];
	u32 dirty_block;		/* the last of ERR_DIRTY */
	atomic_t retired_now;		/* since the last tick */
	u32 seen[NR_CACHE_ERRORS];	/* the tick's: with an event... */
	u32 said[NR_CACHE_ERRORS];	/* ... and in the log */
	struct error_pause promoting, cleaning;
	bool serialize;			/* one copy at a time... */
	unsigned long serialize_until;	/* ... till then, in jiffies */
};

/* cblocks that are not used for now: the device failed there; free-blocks.c.  Under free_lock. */
#define RETIRED_MOST 256
struct retired {
	u32 first, nr;			/* of the ring @cblocks */
	u32 cblocks[RETIRED_MOST];
	unsigned long retry_at, interval;	/* jiffies */
	bool more;			/* some came since the last retry */
};

/* Blocks that are to be dropped; invalidate.c.  What is not said to be shared is the engine's. */
struct drops {
	struct broken_blocks broken;	/* shared */
	atomic_t nr_waiting;		/* bios that wait for it; shared */
	u32 hand;			/* where the search goes on */
	u32 left;			/* bits until it has been everywhere */
	bool paused;			/* the last ones could not be dropped... */
	unsigned long not_before;	/* ... and are tried again then; jiffies */
	struct bio *leader;		/* a FLUSH that failed, and finds out for... */
	struct bio_list followers;	/* ... these, too */
	struct bio_list next;		/* failed since it began */
	u32 put_back;			/* of its marks, when it began; engine only */
};

struct cache_stats {
	u64 read_hits;
	u64 read_misses;
	u64 write_hits;
	u64 write_misses;
};

struct cache {
	/* --- what every bio reads; written at load only, but for the two modes --- */
	struct dm_target *ti;
	struct mapping_table table;
	atomic_t *slots;		/* write misses in flight; block-lock.h */
	u32 slot_mask;
	int block_shift;		/* -1: the block size is no power of two */
	u32 block_sectors;
	enum io_mode io_mode;
	unsigned long gate;		/* GATE_*: some bios, or all, are refused */
	enum md_mode md_mode;		/* WRITE_ONCE by mode.c */
	u64 nr_oblocks;			/* whole ones: what lies behind them is never cached */
	struct dmc_policy *policy;
	struct dmc_policy_type *hints_from;	/* until loaded: a policy whose hints may be stored, or NULL */
	struct dmc_mappings mappings;	/* the policy's view of @table */
	struct cache_stats __percpu *stats;
	unsigned long *discarded;	/* one bit a dblock */
	int dblock_shift;		/* dblock = oblock >> dblock_shift */
	struct flush_state origin_flush, cache_flush;

	/* --- devices and the table line --- */
	struct dm_dev *metadata_dev, *cache_dev, *origin_dev;
	sector_t origin_sectors;	/* the target's length, whatever the device's */
	sector_t cache_sectors;
	u32 nr_cblocks;
	u64 nr_dblocks;
	bool metadata2;			/* feature: format 2 when formatting */
	bool no_discard_passdown;	/* feature */
	bool discard_passdown;		/* in effect */
	unsigned int nr_ctr_args;
	char **ctr_args;		/* after the three devices, for the table line */
	unsigned int migration_threshold;	/* sectors */

	/* --- dirty blocks; dirty.c --- */
	atomic_t nr_dirty;		/* not clean: the volatile ones are counted, too */
	atomic_t nr_volatile;
	struct settle *settle;		/* these; settle.h */
	struct write_intent *intent;		/* which have it on disk; write-intent.h */

	/* --- free cblocks --- */
	spinlock_t free_lock;
	unsigned long *allocated;	/* bit set: mapped, being filled, or retired */
	u32 nr_free;			/* under free_lock; a glance may be stale */
	u32 free_hint;
	struct retired retired;

	/* --- migrations --- */
	spinlock_t mg_lock;
	struct hlist_head mg_hash[CACHE_MG_BUCKETS];	/* by slot; under mg_lock */
	struct list_head mg_ready;	/* wait for the engine; under mg_lock */
	struct list_head mg_commit;	/* wait for the commit; under mg_lock */
	u32 nr_commit;			/* those, and the batch being committed; under mg_lock */
	atomic_t nr_mg;
	atomic_t nr_write_allocs;		/* those of them that hold a write back */
	wait_queue_head_t mg_wait;	/* nr_mg fell to 0 */
	mempool_t *mg_pool;
	struct dm_kcopyd_client *copier;
	struct drops drops;
	struct io_errors errors;
	atomic64_t nr_promotions, nr_demotions, nr_writebacks;

	/* --- engine and commit --- */
	struct workqueue_struct *wq;
	struct engine_work engine;
	struct delayed_work commit_work;
	struct delayed_work tick_work;
	bool quiescing;			/* from presuspend to resume; also while held */
	bool held;			/* no work does anything: the machine sleeps; pm.c */
	struct list_head sleeper;	/* pm.c */
	spinlock_t deferred_lock;
	struct bio_list deferred;	/* to be mapped again; under deferred_lock */
	struct bio_list reread;		/* failed on a clean cblock, to be read from the origin */
	u64 seen_bios;			/* engine only: for idleness */
	unsigned long busy_at;		/* jiffies; engine only */

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
	HELD_SLOT,		/* a write miss counted in a slot */
	HELD_FLUSH_ORIGIN,
	HELD_FLUSH_CACHE,
	HELD_DISCARD,
	HELD_OVERWRITE,		/* this bio is the copy of a promotion */
	HELD_READS,		/* map-multi.c: reads counted in @nr cblocks from @index */
	HELD_WRITES,		/* writes there */
	HELD_SLOTS,		/* write misses of @nr oblocks from @oblock, each counted in its slot */
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
	oblock_t oblock;		/* HELD_SLOTS: the first; invalidate.c: of @index, or none */
	bool paired;			/* also written to the other device through @clone */
	bool retried;			/* failed on the cache once: goes to the origin now */
	bool cache_failed;		/* which half of the pair did */
	bool origin_failed;
	bool dropping;			/* invalidate.c: waits until cblocks are dropped, @nr from @index on */
	bool named;			/* invalidate.c: a FLUSH has said which... */
	bool all;			/* ... and that may be any */
	bool piecewise;			/* map-multi.c: a run is read again, block by block... */
	bool piece_sent;		/* ... @piece of them now... */
	bool piece_failed;
	bool elsewhere;			/* ... from the origin */
	u32 piece;
	bool waited;			/* waited once for its block to come or go: is in the statistics; waits for none to come again */
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
	return (sector_t)from_oblock(ob) * c->block_sectors;
}

static inline sector_t cblock_to_sector(struct cache *c, cblock_t cb)
{
	return (sector_t)from_cblock(cb) * c->block_sectors;
}

/* Where a bio begins, as it came in: its first block, and *@offset sectors into it. */
static inline oblock_t oblock_of(struct cache *c, const struct bio *bio, u32 *offset)
{
	sector_t sector = dm_target_offset(c->ti, compat_bio_sector(bio));

	if (likely(c->block_shift >= 0)) {
		*offset = sector & (c->block_sectors - 1);
		return to_oblock(sector >> c->block_shift);
	}
	*offset = sector_div(sector, c->block_sectors);
	return to_oblock(sector);
}

/*
 * The rest of an origin that ends within a block: never cached, for what is stored does not tell
 * where it ended.
 */
static inline bool is_partial(const struct cache *c, oblock_t ob)
{
	return from_oblock(ob) >= c->nr_oblocks;
}

static inline enum md_mode cache_md_mode(struct cache *c)
{
	return READ_ONCE(c->md_mode);
}

/* ctr.c */
int cache_ctr(struct dm_target *ti, unsigned int argc, char **argv);
void cache_dtr(struct dm_target *ti);

/* map.c */
int map_bio(struct cache *c, struct bio *bio);
void map_again(struct cache *c, struct bio *bio);
int map_end_io(struct cache *c, struct bio *bio, blk_status_t *status);

/* invalidate.c */
int drop_init(struct cache *c);
void drop_exit(struct cache *c);
void block_broke(struct cache *c, u32 cblock, bool sure);
bool drop_after_write(struct cache *c, struct bio *bio, u32 first, u32 nr);
bool drop_after_flush(struct cache *c, struct bio *bio);
void drop_broken(struct cache *c);
void drop_step(struct cache *c, struct bio *bio);
void drop_failed(struct migration *mg);
void drop_parked(struct cache *c, struct bio *bio);
int drop_broken_now(struct cache *c);
int drop_unflushed(struct cache *c, bool *gone);

/* errors.c */
void errors_note(struct cache *c, enum cache_error e);
void errors_note_dirty(struct cache *c, u32 cblock);
bool errors_retire(struct cache *c);
void errors_tell(struct cache *c);
void errors_origin_unwritten(struct cache *c);
bool errors_serialize_copies(struct cache *c);
bool errors_may_promote(struct cache *c);
void errors_promoting(struct cache *c);
void errors_promoted(struct cache *c, bool failed);
bool errors_may_clean(struct cache *c);
void errors_origin_flushed(struct cache *c, bool ok);

/* remap.c */
int remap_to_origin(struct cache *c, struct bio *bio);
int remap_to_cache(struct cache *c, struct bio *bio, cblock_t cb);
int remap_to_both(struct cache *c, struct bio *bio, cblock_t cb);

/* free-blocks.c */
int free_blocks_init(struct cache *c);
void free_blocks_exit(struct cache *c);
bool free_block_take(struct cache *c, cblock_t *cb);
void free_blocks_occupy(struct cache *c, const struct dmc_run *run, u32 mapped);
void free_block_return(struct cache *c, cblock_t cb);
void free_block_retire(struct cache *c, cblock_t cb);
void free_blocks_retry(struct cache *c);

/* dirty.c */
void dirty_set(struct cache *c, cblock_t cb);
bool dirty_clear(struct cache *c, cblock_t cb);
void dirty_written(struct cache *c, cblock_t cb);
bool dirty_settled(struct cache *c, cblock_t cb);
bool dirty_lost(struct cache *c, cblock_t cb);
void dirty_load(struct cache *c, cblock_t cb);
u64 dirty_word(void *ctx, u32 index);

/* discard.c */
int discard_init(struct cache *c);
void discard_exit(struct cache *c);
int discard_map(struct cache *c, struct bio *bio);
void discard_done(struct cache *c, struct bio_ctx *x);
int discard_load(void *ctx, u64 begin, u64 end);
u64 discard_word(void *ctx, u64 index);
void discard_limits(struct cache *c, struct queue_limits *limits);

static inline bool discarded(struct cache *c, oblock_t ob)
{
	return test_bit(from_oblock(ob) >> c->dblock_shift, c->discarded);
}

/* Tested first: the bit is nearly always clear, and a read can be shared by all CPUs. */
static inline void discard_forget(struct cache *c, oblock_t ob)
{
	if (unlikely(discarded(c, ob)))
		clear_bit(from_oblock(ob) >> c->dblock_shift, c->discarded);
}

/* flush.c */
void flush_init(struct flush_state *f, struct block_device *bdev);
int flush_map(struct cache *c, struct bio *bio);
int flush_device(struct flush_state *f);

/* stats.c */
int stats_init(struct cache *c);
void stats_exit(struct cache *c);
void stats_sum(struct cache *c, struct cache_stats *sum);
void stats_for_disk(struct cache *c, struct dmc_md_stats *out);

/* engine.c */
int engine_init(struct cache *c);
void engine_exit(struct cache *c);
void engine_kick(struct cache *c);
void engine_defer(struct cache *c, struct bio *bio, bool later);
void engine_reread(struct cache *c, struct bio *bio);
void engine_start(struct cache *c);
void engine_stop(struct cache *c);
int engine_hold(struct cache *c);
void engine_release(struct cache *c);

/* mode.c */
void mode_metadata_failed(struct cache *c, const char *what, int error);
void mode_metadata_foreign(struct cache *c);
const char *mode_name(enum md_mode mode);

/* activate.c */
int activate_check_table(struct cache *c, char **error);
void activate_forget_hints(struct cache *c);
int activate(struct cache *c);
void deactivate(struct cache *c);
void activate_check_woken(struct cache *c);

/* pm.c */
int pm_init(void);
void pm_exit(void);
void pm_enter(struct cache *c);
void pm_leave(struct cache *c);
void pm_note_waiting(struct cache *c);
bool pm_refuses(struct cache *c, const struct bio *bio);

/* status.c, message.c */
void cache_status(struct dm_target *ti, status_type_t type, unsigned int flags,
		  char *result, unsigned int maxlen);
int cache_message(struct dm_target *ti, unsigned int argc, char **argv,
		  char *result, unsigned int maxlen);
int cache_set_config(struct cache *c, const char *key, const char *value);

/* policy-registry.c */
struct dmc_policy_type *policy_type_get(const char *name);
void policy_type_put(struct dmc_policy_type *type);

#endif
