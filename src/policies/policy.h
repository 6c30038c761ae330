/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * policy.h - the contract between the core and a replacement policy.
 *
 * The core owns the mapping table, every bio and every byte that moves.  A policy only has an
 * opinion about what should be cached.  It never sees a bio, a time stamp or a dm_target, so the
 * same source runs in the kernel, in the unit tests and in the trace simulator.
 *
 * Words: an *oblock* is a block of the origin, a *cblock* a block of the cache device.  A cblock
 * is *resident* when it maps an oblock.  *Free* cblocks are kept by the core.
 *
 * Locking and contexts
 *
 *   method           caller                          may sleep   beside each other, and locks held
 *   create, destroy  table load / removal            yes         nothing else is running
 *   load_mapping,
 *   load_run         activation, before any bio      yes         under the core's metadata mutex
 *   hit              most cached bios                no          many CPUs at once
 *   miss             most uncached bios              no          many CPUs at once
 *   allocated        uncached writes                 no          many CPUs at once, and under a
 *                                                                spin lock of the core
 *   next_work,
 *   make_room,
 *   work_done,
 *   invalidate       migration engine                no          one call at a time of these four
 *   invalidate       clean shutdown                  no          under the metadata mutex
 *   set_dirty        bio path, migration engine      no          many CPUs at once
 *   clear_dirty      migration engine                no          one call at a time
 *   tick             about once a second, worker     no          one call at a time
 *   get_hints,
 *   hints_changed,
 *   hints_saved      clean shutdown, after the       yes         under the metadata mutex
 *                    last bio and migration
 *   grade_hint       activation                      yes         under the metadata mutex
 *   residency        tests                           yes
 *   emit_config      status                          yes         at any time after create
 *   set_config       message, table load             yes         at any time after create
 *
 * Unless the table says otherwise no lock is held, and methods run beside each other.  hit, miss,
 * allocated and set_dirty are called wherever bios are submitted, also with interrupts disabled;
 * the others in process context with interrupts enabled.
 *
 * hit() must not take a lock and must not write to memory shared by hits on different cblocks:
 * leave a relaxed mark beside the block and read the marks in next_work().  The other methods that
 * may not sleep may take the policy's own spin locks, with interrupts disabled if shared with
 * miss() or set_dirty().  What activation and clean shutdown allocate must be GFP_NOIO: the device
 * waits for it.
 */
#ifndef DMC_POLICY_H
#define DMC_POLICY_H

#include "../block-types.h"

struct module;
struct dmc_policy;

/*
 * The number of this interface.  It is raised when a module that was built against it would no
 * longer fit: such a module is refused when it is loaded, whatever the kernel's configuration, and
 * the log says "Unknown symbol dmc_policy_register_abi1".
 */
#define dmc_policy_register dmc_policy_register_abi1

#define DMC_POLICY_NAME_LEN 16	/* with the NUL; what the superblock can hold */

/**
 * enum dmc_dir - Direction of a bio.
 * @DMC_READ: from the device
 * @DMC_WRITE: to the device
 */
enum dmc_dir {
	DMC_READ,
	DMC_WRITE,
};

/**
 * enum dmc_advice - The answer of miss().
 * @DMC_LEAVE: serve it from the origin, nothing more to do
 * @DMC_WORK: serve it from the origin; next_work() now has something
 * @DMC_PROMOTE: only if cheap: bring the block in now, for this very bio
 */
enum dmc_advice {
	DMC_LEAVE,
	DMC_WORK,
	DMC_PROMOTE,
};

/**
 * enum dmc_op - What next_work() can ask for.
 * @DMC_OP_PROMOTE: bring the oblock in; the core chooses a free cblock
 * @DMC_OP_DEMOTE: evict the cblock, which holds the oblock; written back first if dirty
 * @DMC_OP_WRITEBACK: clean the cblock, which holds the oblock; the mapping stays
 * @DMC_OP_MAKE_ROOM: only make_room() asks for this: evict the cblock, which holds the oblock, if
 *	it is clean
 */
enum dmc_op {
	DMC_OP_PROMOTE,
	DMC_OP_DEMOTE,
	DMC_OP_WRITEBACK,
	DMC_OP_MAKE_ROOM,
};

#define DMC_GRADES 16		/* of warmth; see grade_hint() */
#define DMC_NO_WORK (-ENODATA)	/* the answer of next_work() when nothing is worth doing */

/**
 * struct dmc_work - A piece of work: what the policy asks for, and what was done.
 * @op: what to do
 * @oblock: with which block of the origin
 * @cblock: in which block of the cache.  PROMOTE: filled in by the core before work_done(), if it
 *	succeeded.
 */
struct dmc_work {
	enum dmc_op op;
	oblock_t oblock;
	cblock_t cblock;
};

/**
 * struct dmc_mappings - What the core tells of its mappings, so that a policy need not keep them
 * too.
 *
 * Given to create(), valid until destroy() returns.  Both functions may be called in any context,
 * also under the policy's locks, on many CPUs at once.
 *
 * A resident block is mapped from before load_mapping() or load_run(), or from soon after
 * work_done(PROMOTE) (and after the set_dirty() that may follow); until before work_done(DEMOTE) or
 * invalidate().  So next_work() finds all resident blocks mapped.
 */
struct dmc_mappings {
	/**
	 * @oblock_of: what the cblock holds; not below DMC_MAX_OBLOCKS if it is not mapped.  The
	 * cblock must be one of the cache.
	 */
	oblock_t (*oblock_of)(const struct dmc_mappings *map, cblock_t cblock);
	/**
	 * @lookup: is the oblock mapped?  Then true, and *cblock says where; else *cblock means
	 * nothing.
	 */
	bool (*lookup)(const struct dmc_mappings *map, oblock_t oblock, cblock_t *cblock);
};

/**
 * struct dmc_policy_type - One policy implementation, registered by its module.
 *
 * All methods are required unless marked.  The table above says from where each is called.
 */
struct dmc_policy_type {
	/**
	 * @name: what the table line says.  1 to DMC_POLICY_NAME_LEN - 1 letters, digits, '_' or
	 * '-'; the module dm-cache-NAME, or an alias of that name, is loaded for it.
	 */
	const char *name;
	/**
	 * @real_name: optional: what is stored with the hints instead of @name; aliases set it.  As
	 * long as @name may be.
	 */
	const char *real_name;
	/** @version: major, minor, patch; stored with the hints, which survive minor changes. */
	u32 version[3];
	/** @hint_size: bytes that are stored for a cblock: 0 or 4. */
	u32 hint_size;
	/** @owner: the module, THIS_MODULE; pinned while a cache uses the type. */
	struct module *owner;

	/**
	 * @create: a new policy for a cache of @nr_cblocks blocks over an origin of @origin_sectors
	 * sectors of 512 bytes, @block_sectors sectors a block.  Returns ERR_PTR(-ENOMEM) or
	 * another errno, never NULL, and sets ->type of what it returns.  All blocks are free until
	 * load_mapping() says otherwise.
	 */
	struct dmc_policy *(*create)(const struct dmc_mappings *map, u32 nr_cblocks,
				     u64 origin_sectors, u64 block_sectors);
	/** @destroy: frees the policy; called once, also if activation failed. */
	void (*destroy)(struct dmc_policy *p);

	/**
	 * @load_mapping: @cblock holds @oblock since before the activation.  @hint is what
	 * get_hints() said at the last clean shutdown under the same stored name and major version,
	 * if @hint_valid; or what grade_hint() made of another policy's.  The core has checked
	 * ranges, and that no block comes twice; any hint is possible.  Returns 0 or -errno, which
	 * ends the activation: this policy is destroyed without another load.
	 */
	int (*load_mapping)(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, bool dirty,
			    u32 hint, bool hint_valid);

	/**
	 * @load_run: optional: as load_mapping(), for all blocks of @run that hold something, in
	 * their order.  A cache of millions of blocks is activated sooner by that.
	 */
	int (*load_run)(struct dmc_policy *p, const struct dmc_run *run);

	/**
	 * @hit: a bio found @oblock at @cblock, which stays resident during the call.  @sectors:
	 * length of the bio within this block, in sectors of 512 bytes.  Not called in passthrough
	 * mode, nor for a write that brought its block in: that was a miss.
	 */
	void (*hit)(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, enum dmc_dir dir,
		    u32 sectors);

	/**
	 * @miss: a bio did not find @oblock.  @sector: where in the target the part of the bio
	 * within this block starts, @sectors: its length; sectors of 512 bytes.  @cheap: a
	 * promotion now costs the origin no more than this bio: it covers the whole block, or the
	 * block is discarded, or it is a write that can wait for the copy, or that gets a partial
	 * block.  @nr_free: cblocks that are neither resident nor being filled, at a glance; stale
	 * by the time it is read.  For what may not have them, those of the reserve (make_room())
	 * do not count.  Not called in passthrough mode.  A write that had to wait may come here
	 * again.
	 *
	 * A partial block is a cblock that has only what was written to it.  For a policy it is a
	 * newcomer like any other, and dirty: it costs nothing to bring in.  When a writeback of it
	 * is asked for, the core removes it instead, and says so by invalidate().
	 *
	 * After DMC_PROMOTE the core may still decline (the block came in by another way); it calls
	 * work_done(PROMOTE) in every case, or allocated(), with success or not.
	 */
	enum dmc_advice (*miss)(struct dmc_policy *p, oblock_t oblock, enum dmc_dir dir,
				u64 sector, u32 sectors, bool cheap, u32 nr_free);

	/**
	 * @allocated: optional: what became, already, of miss() with DMC_PROMOTE: instead of
	 * work_done().  With @success @cblock is resident with @oblock, and dirty; set_dirty() does
	 * not follow.  Without it all is as before.  Without this method each write that gets a
	 * partial block waits for the engine.
	 */
	void (*allocated)(struct dmc_policy *p, cblock_t cblock, oblock_t oblock, bool success);

	/**
	 * @next_work: the next thing worth doing, in @work: 0, or DMC_NO_WORK for nothing.  @idle:
	 * the device has little else to do, so background writeback is welcome.  @nr_free as for
	 * miss(), without the reserve.
	 *
	 * A policy returns PROMOTE only if @nr_free > 0; otherwise it makes room with DEMOTE first.
	 * A block named in work is busy until work_done(): the policy must not name it again.  The
	 * core may refuse (work_done() with success false) at any time, also before this call is
	 * repeated; the policy must not then offer the same work for ever: drop it, or put it to
	 * the back.
	 */
	int (*next_work)(struct dmc_policy *p, bool idle, u32 nr_free, struct dmc_work *work);

	/**
	 * @make_room: optional: the block that is worth least, in @work, with DMC_OP_MAKE_ROOM: 0;
	 * or DMC_NO_WORK.  It must be clean, and next_work() would evict it, or one as cold, for a
	 * newcomer.  While write_allocate is on, the core keeps a reserve of free cblocks, for
	 * writes that miss; this is how it is filled, a hundred blocks and more at a time.  Without
	 * this method there is no reserve.
	 */
	int (*make_room)(struct dmc_policy *p, struct dmc_work *work);

	/**
	 * @work_done: what became of work that next_work() or make_room() named, or miss() with
	 * DMC_PROMOTE, unless allocated() was called; once for each.  @work is borrowed.  Without
	 * @success all is as before the work.  With it:
	 *
	 * PROMOTE: @work->cblock is resident with @work->oblock, and clean; set_dirty() may follow.
	 * DEMOTE, MAKE_ROOM: @work->cblock is free again; clear_dirty() was called before, if it
	 * was dirty.
	 * WRITEBACK: clear_dirty() was called before.
	 */
	void (*work_done)(struct dmc_policy *p, const struct dmc_work *work, bool success);

	/**
	 * @invalidate: the core unmapped @cblock on its own (message, passthrough write, failed
	 * device); clear_dirty() was called before, if it was dirty.  If the cblock is named in
	 * work, the policy does not name it again before work_done() for that; meanwhile it may
	 * become resident again with another oblock.  No effect on a cblock that is not resident.
	 */
	void (*invalidate)(struct dmc_policy *p, cblock_t cblock);

	/**
	 * @set_dirty: the clean @cblock, which is resident, becomes dirty.  Called on the
	 * transition only; never beside clear_dirty() of the same cblock.
	 */
	void (*set_dirty)(struct dmc_policy *p, cblock_t cblock);
	/** @clear_dirty: the dirty @cblock becomes clean; likewise. */
	void (*clear_dirty)(struct dmc_policy *p, cblock_t cblock);

	/** @tick: optional: time passes (about 1 Hz, while the device is not suspended). */
	void (*tick)(struct dmc_policy *p);

	/**
	 * @get_hints: required if hint_size is 4: what to store for the @nr cblocks from @first on,
	 * into @out; 0 for those that are not resident.
	 */
	void (*get_hints)(struct dmc_policy *p, cblock_t first, u32 nr, u32 *out);
	/**
	 * @hints_changed: required if hint_size is 4: false only if get_hints() for those of the
	 * @nr cblocks from @first on that are resident gives just what load_mapping() was told with
	 * @hint_valid, or what it gave at the last hints_saved(): then they need not be written
	 * again.  True is always allowed.  But a policy that was not used since should say false,
	 * and one that was used in a few places should say true in few others.
	 */
	bool (*hints_changed)(struct dmc_policy *p, cblock_t first, u32 nr);
	/**
	 * @hints_saved: required if hint_size is 4: all hints that had changed are on the disk now.
	 * Not called if the shutdown failed.
	 */
	void (*hints_saved)(struct dmc_policy *p);

	/**
	 * @grade_hint: optional, no instance: what hint would a block of this warmth have?  @grade:
	 * 0 for blocks that another policy had no reason to keep; the rest is spread evenly over 1
	 * to DMC_GRADES - 1 by the order of its hints.  A type that has this promises such an
	 * order: of two hints of its own, the larger is of the warmer block, and 0 of the coldest.
	 * Then a switch from or to another such type takes along what is known (hint-grades.h).
	 * Without, the new policy starts with no hints.
	 */
	u32 (*grade_hint)(u32 grade);

	/** @residency: number of resident cblocks as the policy counts them; tests compare. */
	u32 (*residency)(struct dmc_policy *p);

	/**
	 * @set_config: optional: sets a tunable.  Returns 0, or -EINVAL if the key is unknown or
	 * the value no good: then nothing changed.  Called after create() for each pair of the
	 * table line that is not the core's, and for messages.
	 */
	int (*set_config)(struct dmc_policy *p, const char *key, const char *value);
	/**
	 * @emit_config: optional: writes "<count> <key> <value>..." into @buf, where count is that
	 * of the words after it; NUL-terminated, at most @len bytes, cut off if that is too few.
	 * Returns the bytes written without the NUL, never an error.  Without this method the core
	 * writes "0".
	 */
	int (*emit_config)(struct dmc_policy *p, char *buf, size_t len);
};

/**
 * dmc_run_of_one() - A run of one block, for a load_mapping() that is written as a load_run().
 * @cblock: the block
 * @oblock: what it holds
 * @dirty: bit 0: is it dirty?
 * @hint: its hint
 * @hint_valid: there is one
 *
 * Context: Any.
 * Return: the run.  It borrows what the three pointers point at.
 */
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

/**
 * struct dmc_policy - A policy at work for one cache.
 * @type: its implementation; set by create()
 *
 * A policy embeds this as its first member or reaches it with container_of().
 */
struct dmc_policy {
	const struct dmc_policy_type *type;
};

/**
 * dmc_policy_stored_name() - What is stored on disk beside the hints of a policy.
 * @t: its type
 *
 * Context: Any.
 * Return: real_name, or name if there is none.
 */
static inline const char *dmc_policy_stored_name(const struct dmc_policy_type *t)
{
	return t->real_name ? t->real_name : t->name;
}

/**
 * dmc_policy_register() - Makes a policy known by its name.
 * @type: the policy; borrowed until dmc_policy_unregister()
 *
 * Exported by dm-cache.ko; called from module init.
 *
 * Context: May sleep.
 * Return:
 * * 0 - tables can name it
 * * -EINVAL - a name is empty or too long, or the hint size is neither 0 nor 4
 * * -EEXIST - the name is taken
 * * -ENOMEM - no memory
 *
 * After an error the type is not known, and must not be unregistered.
 */
int dmc_policy_register(struct dmc_policy_type *type);

/**
 * dmc_policy_unregister() - Makes a policy's name unknown again.
 * @type: the policy; registered
 *
 * Exported by dm-cache.ko.  Only from module exit: no cache can hold the type then, since its
 * module is pinned while one does.
 *
 * Context: Does not wait.
 */
void dmc_policy_unregister(struct dmc_policy_type *type);

/**
 * dmc_policies_unregister() - Makes the names of several policies unknown again.
 * @types: the policies; registered
 * @nr: so many
 *
 * Context: Does not wait.
 */
static inline void dmc_policies_unregister(struct dmc_policy_type *const *types, unsigned int nr)
{
	while (nr--)
		dmc_policy_unregister(types[nr]);
}

/**
 * dmc_policies_register() - Makes several policies known by their names, or none.
 * @types: the policies; borrowed until dmc_policies_unregister()
 * @nr: so many
 *
 * Context: May sleep.
 * Return: 0, or the first error of dmc_policy_register().
 */
static inline int dmc_policies_register(struct dmc_policy_type *const *types, unsigned int nr)
{
	unsigned int i;
	int err;

	for (i = 0; i < nr; i++) {
		err = dmc_policy_register(types[i]);
		if (err) {
			dmc_policies_unregister(types, i);
			return err;
		}
	}
	return 0;
}

/**
 * module_dmc_policies() - The init and exit functions of a module of several policies.
 * @types: the name of an array of pointers to their types
 */
#define module_dmc_policies(types)						\
	static int __init types##_module_init(void)				\
	{									\
		return dmc_policies_register(types, ARRAY_SIZE(types));		\
	}									\
	static void __exit types##_module_exit(void)				\
	{									\
		dmc_policies_unregister(types, ARRAY_SIZE(types));		\
	}									\
	module_init(types##_module_init);					\
	module_exit(types##_module_exit)

/**
 * module_dmc_policy() - The init and exit functions of a module of one policy.
 * @type: the name of its type, a static variable
 */
#define module_dmc_policy(type)							\
	static struct dmc_policy_type *const type##_list[] = { &(type) };	\
	module_dmc_policies(type##_list)

#endif
