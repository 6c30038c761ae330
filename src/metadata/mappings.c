// SPDX-License-Identifier: GPL-2.0-only
/*
 * mappings.c - the array that says which origin block each cache block holds.
 *
 * On a bio's path only through the commit worker, which records promotions and demotions here
 * before it commits them.  Loading runs at activation, resizing before it.  Everything may sleep
 * and do I/O; no locks (the caller serialises all metadata work).
 *
 * In format 1 a mapping carries its own dirty flag, in format 2 the dirty bits are a bitset beside
 * the array.  While the cache is tracking (tracking.c) they change with dmc_md_set_dirty(), else at
 * a clean shutdown only (metadata/shutdown.c).
 */
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "private.h"

/* A bitmap over the origin may take as much memory as a hash table of the cache's blocks would. */
#define SEEN_BITS_PER_CBLOCK 128
#define SEEN_BITS_ALWAYS (1ULL << 20)

static u64 map_get(const void *value)
{
	__le64 v;

	memcpy(&v, value, sizeof(v));
	return le64_to_cpu(v);
}

static void map_put(void *value, u64 map)
{
	__le64 v = cpu_to_le64(map);

	memcpy(value, &v, sizeof(v));
}

/* A long loop over a million blocks gives up the CPU now and then. */
static void mappings_cond_resched(u32 index)
{
	if (!(index & 1023))
		cond_resched();
}

/*
 * Zeroed memory for a table that grows with the cache.  Bios of the cache may be waiting for what
 * is being done here, so the allocation must not wait for bios.
 */
static void *alloc_table(u64 bytes)
{
	unsigned int noio;
	void *p;

	if (bytes != (size_t)bytes)
		return NULL;
	noio = memalloc_noio_save();
	p = vzalloc(bytes);
	memalloc_noio_restore(noio);
	return p;
}

/*----- dirty bits, stored -----*/

/*
 * The dirty bits as stored, held in memory while the mappings are walked.  The bitset is read,
 * and so checked, even where its bits are not to be believed: a damaged one would make the next
 * shutdown fail.
 */
struct stored_dirty {
	u64 *words;		/* format 2 */
	u64 nr_set;		/* bits in them */
};

static int keep_dirty_word(void *ctx, u32 index, u64 word)
{
	struct stored_dirty *sd = ctx;

	sd->words[index] = word;
	sd->nr_set += hweight64(word);
	return 0;
}

static int stored_dirty_read(struct dmc_md *md, struct stored_dirty *sd)
{
	int r;

	sd->words = NULL;
	sd->nr_set = 0;
	if (!md_format2(md))
		return 0;

	sd->words = alloc_table(sizeof(u64) * ((u64)md->nr_cblocks / DMC_MD_WORD_BITS + 1));
	if (!sd->words)
		return -ENOMEM;
	r = dmc_bitset_walk_words(&md->dirty, keep_dirty_word, sd);
	if (r) {
		vfree(sd->words);
		DMERR("%s: the dirty bits cannot be read (%d)%s", md->name, r,
		      md_mend(md, r));
	}
	return r;
}

static void stored_dirty_free(struct stored_dirty *sd)
{
	vfree(sd->words);
	sd->words = NULL;
}

static bool stored_dirty_test(const struct stored_dirty *sd, u32 cblock, u64 map)
{
	if (!sd->words)
		return map & MAP_DIRTY;
	return sd->words[cblock / DMC_MD_WORD_BITS] >> (cblock % DMC_MD_WORD_BITS) & 1;
}

/*----- one mapping -----*/

/* Sets array element @cblock within a transaction that md_change_begin() let us change. */
static int set_map(struct dmc_md *md, u32 cblock, u64 map)
{
	u8 value[sizeof(__le64)];

	map_put(value, map);
	md->changed = true;
	return dmc_array_set(&md->maps_info, md->maps_root, cblock, value, &md->maps_root);
}

/* An unmapped block with its dirty bit set is an error to some checkers. */
static int clear_stored_dirty(struct dmc_md *md, u32 cblock)
{
	bool dirty;
	int r;

	if (!md_format2(md))
		return 0;
	r = dmc_bitset_test(&md->dirty, cblock, &dirty);
	if (!r && dirty) {
		md->changed = true;
		r = dmc_bitset_clear(&md->dirty, cblock);
	}
	return r;
}

int dmc_md_insert(struct dmc_md *md, cblock_t cblock, oblock_t oblock)
{
	u32 cb = from_cblock(cblock);
	u64 ob = from_oblock(oblock);
	int r;

	if (cb >= md->nr_cblocks || ob >= DMC_MAX_OBLOCKS)
		return -EINVAL;
	r = md_change_begin(md);
	if (r)
		return r;
	md->inserted = true;
	r = md_valid_forget(md, cb);
	if (r)
		return md_change_end(md, r);
	if (md->tracking) {
		/* What the block held before may have left its bit. */
		r = clear_stored_dirty(md, cb);
		if (r)
			return md_change_end(md, r);
	} else {
		/* Clean on disk; whatever the core does with it next, the bit is stale. */
		md->dirty_bits_valid = false;
	}
	return md_change_end(md, set_map(md, cb, ob << MAP_OBLOCK_SHIFT | MAP_VALID));
}

int md_is_mapped(struct dmc_md *md, u32 cblock, bool *mapped)
{
	u8 value[sizeof(__le64)];
	int r;

	r = dmc_array_get(&md->maps_info, md->maps_root, cblock, value);
	if (!r)
		*mapped = map_get(value) & MAP_VALID;
	return r;
}

/* Changes the stored state of @cblock, which is known to be mapped as @map says. */
static int set_stored_dirty(struct dmc_md *md, u32 cblock, u64 map, bool dirty)
{
	bool was = map & MAP_DIRTY;
	int r = 0;

	if (md_format2(md))
		r = dmc_bitset_test(&md->dirty, cblock, &was);
	if (r || was == dirty)
		return r;
	if (!md_format2(md))
		return set_map(md, cblock, map ^ MAP_DIRTY);
	md->changed = true;
	return dirty ? dmc_bitset_set(&md->dirty, cblock) : dmc_bitset_clear(&md->dirty, cblock);
}

int dmc_md_set_dirty(struct dmc_md *md, cblock_t cblock, bool dirty)
{
	u8 value[sizeof(__le64)];
	int r;

	if (from_cblock(cblock) >= md->nr_cblocks)
		return -EINVAL;
	r = md_change_begin(md);
	if (r)
		return r;
	r = dmc_array_get(&md->maps_info, md->maps_root, from_cblock(cblock), value);
	if (!r && !(map_get(value) & MAP_VALID))
		return DMC_NO_ENTRY;
	if (!r)
		r = set_stored_dirty(md, from_cblock(cblock), map_get(value), dirty);
	return md_change_end(md, r == DMC_NO_ENTRY ? DMC_DAMAGED : r);
}

static int check_cblocks(const struct dmc_md *md, const u32 *cblocks, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (cblocks[i] >= md->nr_cblocks)
			return -EINVAL;
	return 0;
}

static void change_flag(void *ctx, u32 cblock, void *value)
{
	const bool *dirty = ctx;
	__le64 *map = value;

	if (!(*map & cpu_to_le64(MAP_VALID)))
		return;
	if (*dirty)
		*map |= cpu_to_le64(MAP_DIRTY);
	else
		*map &= cpu_to_le64(~MAP_DIRTY);
}

/* Changes many mappings, an array block at a time. */
static int change_maps(struct dmc_md *md, const u32 *cblocks, u32 nr, dmc_array_change_fn fn,
		       void *ctx)
{
	const struct dmc_array_keys which = { .keys = cblocks, .nr = nr, .per_element = 1 };
	mblock_t old_root = md->maps_root;
	int r;

	r = dmc_array_change(&md->maps_info, md->maps_root, md->nr_cblocks, &which, fn, ctx,
			     &md->maps_root);
	if (md->maps_root != old_root)
		md->changed = true;
	return r;
}

int dmc_md_set_dirty_many(struct dmc_md *md, const u32 *cblocks, u32 nr, bool dirty)
{
	int r = check_cblocks(md, cblocks, nr);

	if (!r)
		r = md_change_begin(md);
	if (r || !nr)
		return r;
	if (md_format2(md)) {
		md->changed = true;
		r = dmc_bitset_change(&md->dirty, cblocks, nr, dirty);
	} else {
		r = change_maps(md, cblocks, nr, change_flag, &dirty);
	}
	return md_change_end(md, r);
}

static void clear_map(void *ctx, u32 cblock, void *value)
{
	map_put(value, 0);
}

/* They are not mapped any more.  A dirty bit of such a block is an error to some checkers. */
static int remove_maps(struct dmc_md *md, const u32 *cblocks, u32 nr)
{
	mblock_t dirty_root = md->dirty.root;
	u32 i;
	int r;

	r = change_maps(md, cblocks, nr, clear_map, NULL);
	if (!r && md_format2(md))
		r = dmc_bitset_change(&md->dirty, cblocks, nr, false);
	md->changed |= md->dirty.root != dirty_root;
	for (i = 0; i < nr && !r && md->valid_root; i++)
		r = md_valid_forget(md, cblocks[i]);
	return r;
}

int dmc_md_remove_many(struct dmc_md *md, const u32 *cblocks, u32 nr)
{
	int r = check_cblocks(md, cblocks, nr);

	if (!r && nr)
		r = md_change_begin(md);
	if (r || !nr)
		return r;
	return md_change_end(md, remove_maps(md, cblocks, nr));
}

int dmc_md_remove(struct dmc_md *md, cblock_t cblock)
{
	const u32 cb = from_cblock(cblock);

	return dmc_md_remove_many(md, &cb, 1);
}

/*----- resize -----*/

struct cut {
	struct dmc_md *md;
	struct stored_dirty dirty;
	u32 end;		/* the new length */
	u32 busy;
};

static int check_cut_block(void *ctx, u32 index, const void *value)
{
	struct cut *cut = ctx;
	u64 map = map_get(value);

	mappings_cond_resched(index);
	if (index < cut->end || !(map & MAP_VALID))
		return 0;
	if (cut->md->dirty_bits_valid && !stored_dirty_test(&cut->dirty, index, map))
		return 0;
	cut->busy = index;
	return -EBUSY;
}

/* -EBUSY if a block from @end on is dirty, or has to be taken for it. */
static int check_cut(struct dmc_md *md, u32 end, cblock_t *busy)
{
	struct cut cut = { .md = md, .end = end };
	int r;

	r = stored_dirty_read(md, &cut.dirty);
	if (r)
		return r;
	r = dmc_array_walk(&md->maps_info, md->maps_root, md->nr_cblocks, check_cut_block, &cut);
	stored_dirty_free(&cut.dirty);
	if (r == -EBUSY)
		*busy = to_cblock(cut.busy);
	return r;
}

/* Room for the longer arrays, hints included, and for the copies that making them takes. */
static int check_growth(struct dmc_md *md, u32 nr)
{
	u64 need = dmc_md_growth(md->nr_cblocks, nr, md_format2(md));
	u64 nr_free = dmc_tm_nr_free(md->tm);

	if (nr_free >= need)
		return 0;
	DMERR("%s: too small for %u cache blocks: about %llu KiB more are needed",
	      md->name, nr, (need - nr_free) * (DMC_MD_BLOCK_SIZE / 1024));
	return DMC_NO_ROOM;
}

int md_change_length(struct dmc_md *md, u32 nr)
{
	u8 unmapped[sizeof(__le64)];
	int r;

	map_put(unmapped, 0);
	md->changed = true;
	r = dmc_array_resize(&md->maps_info, md->maps_root, md->nr_cblocks, nr, unmapped,
			     &md->maps_root);
	if (!r && md_format2(md))
		r = dmc_bitset_resize(&md->dirty, nr, false);
	if (!r)
		md->nr_cblocks = nr;
	return r;
}

int md_check_length(struct dmc_md *md, u32 nr, cblock_t *busy)
{
	if (!md->tm || md->failed)
		return -EIO;
	if (nr > DMC_MAX_CBLOCKS)
		return -EINVAL;
	if (nr == md->nr_cblocks)
		return 0;
	return nr < md->nr_cblocks ? check_cut(md, nr, busy) : check_growth(md, nr);
}

int dmc_md_resize(struct dmc_md *md, u32 nr, cblock_t *busy)
{
	int r;

	/* A refusal leaves everything as it was, the clean-shutdown flag included. */
	r = md_check_length(md, nr, busy);
	if (r || nr == md->nr_cblocks)
		return r;
	r = md_change_begin(md);
	if (r)
		return r;
	return md_change_end(md, md_change_length(md, nr));
}

/*----- which origin blocks were seen -----*/

/*
 * Finds an oblock that comes twice: by a bitmap over the origin where that is no bigger than a
 * hash table of cache blocks, else by that table.  The table's multiplier is random, so that no
 * disk can make its chains long.
 */
struct seen {
	unsigned long *bits;
	u64 *slots;		/* oblock + 1; 0: free */
	u64 mask;
	u64 multiplier;
	unsigned int shift;
};

static int seen_init(struct seen *seen, u32 nr_cblocks, u64 origin_blocks)
{
	unsigned int order = max(fls64(nr_cblocks + (u64)nr_cblocks / 2), 6);

	memset(seen, 0, sizeof(*seen));
	if (origin_blocks <= max_t(u64, SEEN_BITS_ALWAYS, (u64)nr_cblocks * SEEN_BITS_PER_CBLOCK)) {
		seen->bits = alloc_table((origin_blocks / BITS_PER_LONG + 1) * sizeof(long));
		return seen->bits ? 0 : -ENOMEM;
	}

	/* At most two thirds full. */
	seen->slots = alloc_table((u64)sizeof(u64) << order);
	if (!seen->slots)
		return -ENOMEM;
	seen->mask = (1ULL << order) - 1;
	seen->shift = 64 - order;
	get_random_bytes(&seen->multiplier, sizeof(seen->multiplier));
	seen->multiplier |= 1;
	return 0;
}

static void seen_free(struct seen *seen)
{
	vfree(seen->bits);
	vfree(seen->slots);
}

/* Notes @ob, which is below origin_blocks; true if it was there. */
static bool seen_before(struct seen *seen, u64 ob)
{
	u64 slot;

	if (seen->bits)
		return __test_and_set_bit(ob, seen->bits);

	for (slot = ob * seen->multiplier >> seen->shift; seen->slots[slot];
	     slot = (slot + 1) & seen->mask)
		if (seen->slots[slot] == ob + 1)
			return true;
	seen->slots[slot] = ob + 1;
	return false;
}

/*----- load -----*/

#define RUN_MAX DMC_MD_MAPPINGS_PER_BLOCK

struct load {
	struct dmc_md *md;
	struct stored_dirty dirty;
	u32 *hints;		/* NULL: none that this policy could use */
	struct seen seen;
	u64 nr_dirty;		/* mapped blocks whose stored bit is set */
	u32 nr_beyond;
	bool refused;		/* by @fn */
	u64 partial_from;	/* below this no block is partial */
	u64 highest;		/* the last mapped block, which may be partial; NO_OBLOCK: none */
	u32 nr_partial;
	dmc_md_hints_fn hints_fn;
	dmc_md_run_fn fn;
	void *ctx;
	/* of the run under way */
	oblock_t oblocks[RUN_MAX];
	unsigned long dirty_bits[BITS_TO_LONGS(RUN_MAX)];
};

static int keep_hints(void *ctx, u32 first, u32 count, const void *values)
{
	struct load *load = ctx;
	const __le32 *stored = values;
	u32 i;

	for (i = 0; i < count; i++)
		load->hints[first + i] = le32_to_cpu(stored[i]);
	cond_resched();
	return 0;
}

/*
 * The hints are a convenience: if anything is wrong with them, the cache loads without.  A damaged
 * array is remembered, since it cannot be updated at shutdown.
 */
static void load_hints(struct load *load, const struct dmc_md_policy *policy)
{
	struct dmc_md *md = load->md;
	int r = -ENOMEM;

	if (!md->was_clean || policy->hint_size != sizeof(__le32) ||
	    !dmc_sb_policy_matches(md->sb, policy))
		return;
	/* Those of the last shutdown are as long as the mappings were then. */
	if (md->nr_cblocks != md->opened_cblocks || md->hints == MD_HINTS_NONE)
		return;

	if (md->hints == MD_HINTS_DAMAGED)
		r = DMC_DAMAGED;
	else
		load->hints = alloc_table(sizeof(u32) * ((u64)md->nr_cblocks + 1));
	if (load->hints)
		r = dmc_array_walk_blocks(&md->hints_info, md->hint_root, md->nr_cblocks,
					  keep_hints, load);
	if (!r) {
		md->hints = MD_HINTS_SOUND;
		md->hints_len = md->nr_cblocks;
		if (load->hints_fn)
			load->hints_fn(load->ctx, load->hints, md->nr_cblocks);
		return;
	}

	DMWARN("%s: the policy's hints cannot be read (%d): continuing without", md->name, r);
	if (dmc_is_damage(r))
		md->hints = MD_HINTS_DAMAGED;
	vfree(load->hints);
	load->hints = NULL;
}

/*
 * Partial blocks.  If an origin ended within a block, an earlier version cached that part as if it
 * were a whole block.  What lies behind the part on the cache device is not the origin's: that
 * matters once the origin has grown.  And the kernel's module, which never caches the part, may
 * have changed the origin since.  So such a mapping is dropped.  That loses nothing: its writes
 * went to both devices, and only a crash leaves its dirty bit set.
 *
 * If the superblock's mark says that all mapped blocks are whole, there is none.  If there is no
 * such mark: the origin ended in the last discard block of those stored, and the partial block was
 * the origin's last.  So it is the highest block mapped there, if any.  If that is clean, it is
 * dropped, since it costs little to copy a whole one again.  If it is dirty, it is dropped only if
 * the origin still ends within it.
 */
static int find_highest(void *ctx, u32 first, u32 count, const void *values)
{
	struct load *load = ctx;
	const __le64 *maps = values;
	u32 i;

	cond_resched();
	for (i = 0; i < count; i++) {
		u64 map = le64_to_cpu(maps[i]), ob = map >> MAP_OBLOCK_SHIFT;

		if (map & MAP_VALID && (load->highest == NO_OBLOCK || ob > load->highest))
			load->highest = ob;
	}
	return 0;
}

static int load_partial(struct load *load)
{
	struct dmc_md *md = load->md;
	u64 nr = md->discards.nr_bits;

	load->highest = NO_OBLOCK;
	if (md->was_whole || !nr || !md->discard_block_sectors)
		return 0;
	load->partial_from = div64_u64((nr - 1) * md->discard_block_sectors, md->p.block_sectors);
	return dmc_array_walk_blocks(&md->maps_info, md->maps_root, md->nr_cblocks, find_highest,
				     load);
}

static bool may_be_partial(const struct load *load, u64 ob)
{
	return unlikely(ob == load->highest) && ob >= load->partial_from;
}

static bool is_clean(const struct load *load, u32 cblock, u64 map)
{
	return load->md->was_clean && !stored_dirty_test(&load->dirty, cblock, map);
}

static void drop_partial(struct load *load, u32 cblock, u64 ob, bool dirty)
{
	load->nr_partial++;
	load->md->drop_oblock = ob;
	if (dirty)
		load->md->drop_dirty = cblock;
	DMWARN("%s: the mapping of origin block %llu is dropped: the origin may have ended within it",
	       load->md->name, ob);
}

/* A mapping that leads nowhere.  0 if it can be dropped. */
static int load_beyond(struct load *load, u32 cblock, u64 map)
{
	struct dmc_md *md = load->md;
	const u64 ob = map >> MAP_OBLOCK_SHIFT;
	bool crashed = !md->was_clean || md->was_tracking;

	if (is_clean(load, cblock, map)) {
		load->nr_beyond++;
		return 0;
	}
	if (crashed && ob == md->p.origin_blocks && md->p.origin_partial &&
	    may_be_partial(load, ob)) {
		drop_partial(load, cblock, ob, true);
		return 0;
	}
	DMERR("%s: cache block %u holds unwritten data of origin block %llu, but the origin has only %llu: give the origin its former size",
	       md->name, cblock, ob, md->p.origin_blocks);
	return -EFBIG;
}

/* Fills load->oblocks.  *@flags: those of all valid mappings together. */
static int load_oblocks(struct load *load, u32 first, u32 count, const __le64 *maps, u64 *flags)
{
	struct dmc_md *md = load->md;
	const u64 end = md->p.origin_blocks;
	u32 i;
	int r;

	for (i = 0; i < count; i++) {
		u64 map = le64_to_cpu(maps[i]), ob = map >> MAP_OBLOCK_SHIFT;

		load->oblocks[i] = to_oblock(NO_OBLOCK);
		if (!(map & MAP_VALID))
			continue;
		if (unlikely(ob >= end)) {
			r = load_beyond(load, first + i, map);
			if (r)
				return r;
			continue;
		}
		if (may_be_partial(load, ob) && is_clean(load, first + i, map)) {
			drop_partial(load, first + i, ob, false);
			continue;
		}
		if (unlikely(seen_before(&load->seen, ob))) {
			DMERR("%s: origin block %llu is mapped twice, the second time by cache block %u%s",
			      md->name, ob, first + i, md_mend(md, DMC_DAMAGED));
			return DMC_DAMAGED;
		}
		*flags |= map;
		load->oblocks[i] = to_oblock(ob);
	}
	return 0;
}

/* Could a block of these be dirty? */
static bool some_dirty(const struct load *load, u32 first, u32 count, u64 flags)
{
	const u64 *words = load->dirty.words;
	u32 i;

	if (!load->md->was_clean)
		return true;
	if (!words)
		return flags & MAP_DIRTY;
	for (i = first / DMC_MD_WORD_BITS; i <= (first + count - 1) / DMC_MD_WORD_BITS; i++)
		if (words[i])
			return true;
	return false;
}

static void mappings_load_dirty(struct load *load, u32 first, u32 count, const __le64 *maps)
{
	bool all = !load->md->was_clean;
	u32 i;

	memset(load->dirty_bits, 0, sizeof(load->dirty_bits));
	for (i = 0; i < count; i++) {
		bool dirty;

		if (from_oblock(load->oblocks[i]) == NO_OBLOCK)
			continue;
		dirty = stored_dirty_test(&load->dirty, first + i, le64_to_cpu(maps[i]));
		load->nr_dirty += dirty;
		if (dirty || all)
			__set_bit(i, load->dirty_bits);
	}
}

/* One array block of mappings: all of it is checked before any of it is shown. */
static int mappings_load_run(void *ctx, u32 first, u32 count, const void *values)
{
	struct load *load = ctx;
	struct dmc_run run = {
		.first = to_cblock(first),
		.nr = count,
		.oblocks = load->oblocks,
		.hints = load->hints ? load->hints + first : NULL,
	};
	u64 flags = 0;
	int r;

	cond_resched();
	r = load_oblocks(load, first, count, values, &flags);
	if (r || !flags)
		return r;
	if (some_dirty(load, first, count, flags)) {
		mappings_load_dirty(load, first, count, values);
		run.dirty = load->dirty_bits;
	}
	r = load->fn(load->ctx, &run);
	load->refused = r;
	return r;
}

static int load_walk(struct load *load, const struct dmc_md_policy *policy)
{
	struct dmc_md *md = load->md;
	int r;

	r = seen_init(&load->seen, md->nr_cblocks, md->p.origin_blocks);
	if (r)
		return r;
	load_hints(load, policy);
	r = load_partial(load);
	if (!r)
		r = dmc_array_walk_blocks(&md->maps_info, md->maps_root, md->nr_cblocks,
					  mappings_load_run, load);
	/* Why the caller does not want what is stored is for the caller to say. */
	if (r && !load->refused)
		DMERR("%s: loading the mappings failed (%d)%s", md->name, r,
		      md_mend(md, r));
	vfree(load->hints);
	seen_free(&load->seen);
	return r;
}

static int load_all(struct load *load, const struct dmc_md_policy *policy)
{
	struct dmc_md *md = load->md;
	int r;

	r = stored_dirty_read(md, &load->dirty);
	if (r)
		return r;
	r = load_walk(load, policy);
	stored_dirty_free(&load->dirty);
	if (r)
		return r;
	md->stray_dirty = md_format2(md) && load->nr_dirty != load->dirty.nr_set;
	md->whole = true;
	if (!load->nr_beyond && !load->nr_partial)
		return 0;

	if (load->nr_beyond)
		DMWARN("%s: %u clean mappings lie beyond the end of the origin: dropped",
		       md->name, load->nr_beyond);
	/* Nothing may be written yet. */
	md->drop_beyond = true;
	return 0;
}

int dmc_md_load_mappings(struct dmc_md *md, const struct dmc_md_policy *policy,
			 dmc_md_hints_fn hints_fn, dmc_md_run_fn fn, void *ctx)
{
	struct load *load;
	int r;

	if (!md->tm || md->failed)
		return -EIO;
	load = kzalloc(sizeof(*load), GFP_NOIO);
	if (!load)
		return -ENOMEM;
	load->md = md;
	md->drop_oblock = NO_OBLOCK;
	md->drop_dirty = U32_MAX;
	load->hints_fn = hints_fn;
	load->fn = fn;
	load->ctx = ctx;
	r = load_all(load, policy);
	kfree(load);
	return r;
}

/*----- the dirty bits again -----*/

struct collect {
	struct stored_dirty dirty;
	bool all;
	u64 *words;
};

static int collect_one(void *ctx, u32 index, const void *value)
{
	struct collect *collect = ctx;
	u64 map = map_get(value);

	mappings_cond_resched(index);
	if (map & MAP_VALID && (collect->all || stored_dirty_test(&collect->dirty, index, map)))
		collect->words[index / DMC_MD_WORD_BITS] |= 1ULL << (index % DMC_MD_WORD_BITS);
	return 0;
}

int md_dirty_words(struct dmc_md *md, bool all, u64 **words)
{
	struct collect collect = { .all = all };
	int r;

	r = stored_dirty_read(md, &collect.dirty);
	if (r)
		return r;
	collect.words = alloc_table(sizeof(u64) * ((u64)md->nr_cblocks / DMC_MD_WORD_BITS + 1));
	r = -ENOMEM;
	if (collect.words)
		r = dmc_array_walk(&md->maps_info, md->maps_root, md->nr_cblocks, collect_one,
				   &collect);
	stored_dirty_free(&collect.dirty);
	if (r) {
		vfree(collect.words);
		return r;
	}
	*words = collect.words;
	return 0;
}

/*----- drop -----*/

static int drop_some(void *ctx, u32 first, u32 count, void *values)
{
	const struct dmc_md *md = ctx;
	__le64 *v = values;
	u32 i;

	for (i = 0; i < count; i++) {
		u64 map = le64_to_cpu(v[i]), ob = map >> MAP_OBLOCK_SHIFT;

		if (map & MAP_VALID && (ob >= md->p.origin_blocks || ob == md->drop_oblock))
			v[i] = 0;
	}
	return 0;
}

/*
 * If there is no room to drop all of them in one commit, it takes several, which leave the flags as
 * they were.  The mappings that go are clean, so the state after each commit is a good one.
 */
int md_drop_beyond(struct dmc_md *md)
{
	u32 first, per_block = dmc_array_per_block(&md->maps_info);
	mblock_t old_root;
	int r = 0;

	md->keep_flags = true;
	/* The dirty bit goes first: a clean partial block is as good as none. */
	if (md->drop_dirty != U32_MAX)
		r = clear_stored_dirty(md, md->drop_dirty);
	for (first = 0; !r && first < md->nr_cblocks; first += per_block) {
		cond_resched();
		old_root = md->maps_root;
		r = md_make_room(md, 1);
		if (!r)
			r = dmc_array_update_block(&md->maps_info, md->maps_root, md->nr_cblocks,
						   first, drop_some, md, &md->maps_root);
		if (md->maps_root != old_root)
			md->changed = true;
	}
	md->keep_flags = false;
	md->dropped = !r;
	return r;
}
