/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * policy.h - the contract between the core and a replacement policy.
 *
 * The core owns the mapping table, every bio and every byte that moves; a policy only holds an
 * opinion about what should be cached.  It never sees a bio, a time stamp or a dm_target, so the
 * same source runs in the kernel, in the unit tests and in the trace simulator.
 *
 * Words: an *oblock* is a block of the origin, a *cblock* a block of the cache device.  A cblock
 * is *resident* when it maps an oblock.  *Free* cblocks are kept by the core.
 *
 * Locking and contexts
 *
 *   method           caller                          may sleep   locks held by the caller
 *   create, destroy  table load / removal            yes         none; nothing else is running
 *   load_mapping,
 *   load_run         activation, before any bio      yes         none; nothing else is running
 *   hit              every cached bio                no          none; many CPUs at once
 *   miss             every uncached bio              no          none; many CPUs at once
 *   next_work        migration engine                no          none; one caller at a time
 *   work_done        migration engine                no          none; one caller at a time
 *   set_dirty,
 *   clear_dirty      bio path / migration engine     no          none; many CPUs at once
 *   invalidate       migration engine                no          none
 *   tick             about once a second, worker     no          none; one caller at a time
 *   get_hints,
 *   hints_changed,
 *   hints_saved      clean shutdown                  yes         none; no bio, no migration
 *   residency,
 *   emit_config      status                          yes         none
 *   set_config       message, table load             yes         none
 *
 * hit() must not take a lock and must not write to memory shared by hits on different cblocks:
 * leave a relaxed mark beside the block and read the marks in next_work().  The other "no"
 * methods may take the policy's own spin locks, with interrupts disabled if shared with miss():
 * bios are also submitted from contexts that have them off.
 */
#ifndef DMC_POLICY_H
#define DMC_POLICY_H

#include "../block-types.h"

struct module;
struct dmc_policy;

#define DMC_POLICY_NAME_LEN 16	/* with the NUL; what the superblock can hold */

enum dmc_dir {
	DMC_READ,
	DMC_WRITE,
};

/* The answer of miss(). */
enum dmc_advice {
	DMC_LEAVE,	/* serve it from the origin, nothing more to do */
	DMC_WORK,	/* serve it from the origin; next_work() now has something */
	DMC_PROMOTE,	/* only if @cheap: bring the block in now, for this very bio */
};

enum dmc_op {
	DMC_OP_PROMOTE,		/* bring @oblock in; the core chooses a free cblock */
	DMC_OP_DEMOTE,		/* evict @cblock, which holds @oblock; written back first if dirty */
	DMC_OP_WRITEBACK,	/* clean @cblock, which holds @oblock; the mapping stays */
};

#define DMC_GRADES 16		/* of warmth; see grade_hint() */

struct dmc_work {
	enum dmc_op op;
	oblock_t oblock;
	cblock_t cblock;	/* PROMOTE: filled in by the core before work_done() */
};

/*
 * What the core tells about its mappings, so that a policy need not keep them too.  Given to create(),
 * there until destroy() returns.  Any context, also under the policy's locks; many CPUs at once.
 *
 * A resident block is mapped from before load_mapping() or load_run(), or from soon after work_done(PROMOTE); until
 * before work_done(DEMOTE) or invalidate().  So next_work() finds all resident blocks mapped.
 */
struct dmc_mappings {
	/* What a mapped @cblock holds; beyond DMC_MAX_OBLOCKS if it is not mapped. */
	oblock_t (*oblock_of)(const struct dmc_mappings *map, cblock_t cblock);
	/* Is @oblock mapped?  Then *@cblock says where. */
	bool (*lookup)(const struct dmc_mappings *map, oblock_t oblock, cblock_t *cblock);
};

/*
 * One policy implementation, registered by its module.  All methods are required unless marked.
 */
struct dmc_policy_type {
	const char *name;		/* < DMC_POLICY_NAME_LEN; what the table line says */
	const char *real_name;		/* optional: what is stored with the hints; aliases set it */
	u32 version[3];			/* major, minor, patch; hints survive minor changes */
	u32 hint_size;			/* bytes: 0 or 4 */
	struct module *owner;

	/*
	 * A new policy for a cache of @nr_cblocks blocks over an origin of @origin_sectors
	 * sectors, @block_sectors sectors a block.  Returns ERR_PTR(-ENOMEM) or another errno,
	 * never NULL, and sets ->type of what it returns.  All blocks are free until
	 * load_mapping() says otherwise.
	 */
	struct dmc_policy *(*create)(const struct dmc_mappings *map, u32 nr_cblocks,
				     u64 origin_sectors, u64 block_sectors);
	void (*destroy)(struct dmc_policy *p);

	/*
	 * @cblock holds @oblock since before the activation.  @hint is what get_hints() said
	 * at the last clean shutdown under the same policy name and major version, if
	 * @hint_valid.  The core has checked ranges and that nothing comes twice.  0 or -errno.
	 */
	int (*load_mapping)(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, bool dirty,
			    u32 hint, bool hint_valid);

	/*
	 * Optional: the same for all blocks of @run that hold something, in their order, in one call.  A
	 * cache of millions of blocks is up sooner by that.
	 */
	int (*load_run)(struct dmc_policy *p, const struct dmc_run *run);

	/* A bio found @oblock at @cblock.  @sectors: length of the bio. */
	void (*hit)(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, enum dmc_dir dir,
		    u32 sectors);

	/*
	 * A bio did not find @oblock.  @sector is the bio's offset in the target, @sectors its
	 * length.  @cheap: a promotion now costs the origin no more than this bio: it covers the
	 * whole block, or the block is discarded, or it is a write that can wait for the copy.
	 * @nr_free: cblocks that are neither resident nor being filled, at a glance; stale by the
	 * time it is read.
	 *
	 * After DMC_PROMOTE the core may still decline (no free block, throttled); it calls
	 * work_done(PROMOTE) in every case, with success or not.
	 */
	enum dmc_advice (*miss)(struct dmc_policy *p, oblock_t oblock, enum dmc_dir dir,
				u64 sector, u32 sectors, bool cheap, u32 nr_free);

	/*
	 * The next thing worth doing, in @work: 0, or -ENODATA.  @idle: the device has little
	 * else to do, so background writeback is welcome.  @nr_free as above but exact.  A
	 * policy returns PROMOTE only if @nr_free > 0; otherwise it makes room with DEMOTE
	 * first.  A block named in work is busy until work_done(): the policy must not name it
	 * again.  The core may refuse (work_done with success false) at any time; the policy must not
	 * then offer the same work for ever: drop it, or put it to the back.
	 */
	int (*next_work)(struct dmc_policy *p, bool idle, u32 nr_free, struct dmc_work *work);

	/*
	 * PROMOTE, success: @work->cblock is resident with @work->oblock.  It may also be one
	 * that the policy never asked for in next_work() (DMC_PROMOTE).
	 * DEMOTE, success: @work->cblock is free again.
	 * WRITEBACK: clear_dirty() was called before, if it worked.
	 */
	void (*work_done)(struct dmc_policy *p, const struct dmc_work *work, bool success);

	/*
	 * The core unmapped @cblock on its own (message, passthrough write, failed device).  If it is
	 * named in work, the policy does not name it again before work_done() for that.
	 */
	void (*invalidate)(struct dmc_policy *p, cblock_t cblock);

	/* Called on the transition only, never twice in the same direction. */
	void (*set_dirty)(struct dmc_policy *p, cblock_t cblock);
	void (*clear_dirty)(struct dmc_policy *p, cblock_t cblock);

	/* Optional: time passes (about 1 Hz). */
	void (*tick)(struct dmc_policy *p);

	/*
	 * These three are required if hint_size is 4.
	 *
	 * get_hints(): what to store for the @nr cblocks from @first on, into @out; 0 for those that
	 * are not resident.
	 *
	 * hints_changed(): false only if get_hints() for those of them that are resident gives
	 * just what load_mapping() was told with @hint_valid, or what it gave at the last
	 * hints_saved(): then it need not be written again.  True is always allowed, but a policy
	 * that nobody used since should say false, and one that was used in a few places should say
	 * true in few others.
	 *
	 * hints_saved(): all hints that had changed are on the disk now.
	 */
	void (*get_hints)(struct dmc_policy *p, cblock_t first, u32 nr, u32 *out);
	bool (*hints_changed)(struct dmc_policy *p, cblock_t first, u32 nr);
	void (*hints_saved)(struct dmc_policy *p);

	/*
	 * Optional, no instance: what hint would a block of this warmth have?  @grade: 0 for blocks of which
	 * another policy knew no good, the rest is spread evenly over 1 to DMC_GRADES - 1 by the order
	 * of its hints.  A type that has this promises such an order: of two hints of its own, the
	 * larger is of the warmer block, and 0 of the coldest.  Then a switch from or to another such type
	 * takes along what is known (hint-grades.h); without, the new policy starts with no hints.
	 */
	u32 (*grade_hint)(u32 grade);

	/* Number of resident cblocks as the policy counts them. */
	u32 (*residency)(struct dmc_policy *p);

	/*
	 * Optional: set a tunable; -EINVAL if the key is unknown or the value no good.
	 * emit_config() writes "<count> <key> <value>..." into @buf (NUL-terminated, at most
	 * @len bytes) and returns the bytes written, excluding the NUL; without it "0".
	 */
	int (*set_config)(struct dmc_policy *p, const char *key, const char *value);
	int (*emit_config)(struct dmc_policy *p, char *buf, size_t len);
};

/* A run of one block, for a load_mapping() that is written as a load_run().  The others stay where they are. */
static inline struct dmc_run dmc_run_of_one(cblock_t cblock, const oblock_t *oblock,
					    const unsigned long *dirty, const u32 *hint,
					    bool hint_valid)
{
	return (struct dmc_run) {
		.first = cblock,
		.nr = 1,
		.oblocks = oblock,
		.dirty = dirty,
		.hints = hint_valid ? hint : NULL,
	};
}

/* A policy embeds this as its first member or reaches it with container_of(). */
struct dmc_policy {
	const struct dmc_policy_type *type;
};

/* What is stored on disk beside the hints: real_name, or name. */
static inline const char *dmc_policy_stored_name(const struct dmc_policy_type *t)
{
	return t->real_name ? t->real_name : t->name;
}

/*
 * Exported by dm-cache.ko.  register: 0, -EEXIST (name taken), -EINVAL (name or hint size).
 * unregister: only from module exit, when no cache can hold the type (its module is pinned while
 * one does).
 */
int dmc_policy_register(struct dmc_policy_type *type);
void dmc_policy_unregister(struct dmc_policy_type *type);

#endif
