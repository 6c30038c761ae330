/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * superblock.h - block 0 of the metadata device: its layout, and when it is to be trusted.
 *
 * Nowhere on a bio's path.  Used by metadata.c (open, commit, abort, needs_check) only; may sleep;
 * no locks of its own (the caller serialises all metadata work).
 *
 * The metadata device is an array of 4096-byte blocks.  Block 0 is the only one overwritten in
 * place; everything else hangs below it and is copied on write:
 *
 *	superblock --- mapping_root ---> btree -> array of u64: oblock << 16 | flags, one a cblock
 *	           |-- dirty_root -----> btree -> bitset, one bit a cblock     (format 2 only)
 *	           |-- discard_root ---> btree -> bitset, one bit a dblock
 *	           |-- hint_root ------> btree -> array of u32, one a cblock
 *	           |-- partial.root ---> btree: cblock -> map of its valid granules (if any)
 *	           `-- sm_root --------> index -> bitmaps; btree of big reference counts
 *
 * All integers are little-endian.
 *
 * When the flag CLEAN is set
 *
 * CLEAN says that the dirty bits and the discard bits below this superblock can be trusted, and
 * that the array of hints has the right length.  (Hints are opinions: nothing depends on them.)
 *
 * The kernel's module clears the flag in place when it opens the device, and sets it at a clean
 * shutdown.  Our module goes further: while the cache runs ("tracking") each committed state may be
 * taken for a clean shutdown.  The dirty bit of a block is durable before the first write to the
 * block is sent, and cleared only when cache and origin durably agree; no discard bit is set.  So
 * the flag stays set while the cache runs.  After a crash every reader, the kernel's module and the
 * tools too, can trust what it finds.
 *
 * Our module also writes struct dmc_sb_mark, in bytes that have no other use.  Only our module
 * reads it.  It says two things:
 *
 *  - whether the cache runs.  That tells a crash from a clean shutdown: after a crash the counters
 *    are old, and more blocks count as dirty than are.
 *  - that all mapped blocks are whole blocks of the origin.  Earlier versions cached a last,
 *    partial block, which must not be taken for a whole one when the origin has grown.
 *
 * If the kernel's module used the metadata in between, CLEAN tells, not the mark.  That module
 * clears the flag before anything else, and its commits wipe the mark.  A crash under it leaves the
 * flag clear, and then every block is dirty; a clean shutdown under it sets the flag, rightly.
 *
 * If tracking is impossible (no room left on the metadata device), the flag is cleared durably
 * before the first change, as the kernel's module does.
 *
 * Partial blocks (valid-maps.c): struct dmc_sb_partial leads to the tree of their maps.  As long as
 * there is one, an incompatible feature says so.  Then the kernel's module, and older versions of
 * ours, refuse to open the device.
 */
#ifndef DMC_SUPERBLOCK_H
#define DMC_SUPERBLOCK_H

#include <linux/types.h>

#include "metadata.h"
#include "persistent-data/block-manager.h"

#define DMC_SB_BLOCK 0
#define DMC_SB_MAGIC 06142003
#define DMC_SB_SALT 9031977
/* Largest metadata a space map can cover: 255 bitmaps. */
#define DMC_SB_BLOCKS_PER_BITMAP 16320
#define DMC_SB_MAX_MD_BLOCKS (255ULL * DMC_SB_BLOCKS_PER_BITMAP)

/*
 * flags.  CLEAN: dirty bits, hints and discards on disk can be trusted, see above.
 * NEEDS_CHECK: the metadata failed while in use; only the tools clear it.
 */
#define DMC_SB_CLEAN (1U << 0)
#define DMC_SB_NEEDS_CHECK (1U << 1)

/* The space map's root: dmc_tm_copy_sm_root() fills it, dmc_tm_open() takes it. */
struct dmc_sb_sm_root {
	__le64 nr_blocks;		/* metadata blocks covered */
	__le64 nr_allocated;
	__le64 bitmap_root;
	__le64 ref_count_root;
} __packed;

/*
 * Written with every commit, in the unused part of the space map root's field: the kernel's
 * module fills that part with zeroes when it commits.  @csum is of the superblock without csum
 * and itself, so it vouches for all other fields, whichever module rewrote the block.
 */
struct dmc_sb_mark {
	__le64 magic;			/* LIVE: the cache runs; REST: not, or CLEAN is clear */
	__le32 version;			/* 1: LIVE only, blocks may be partial; 2: all are whole */
	__le32 csum;
} __packed;

/* incompat_flags: there are partial blocks. */
#define DMC_SB_HAS_PARTIAL (1U << 31)

/*
 * What messages about damage end in.  The tools take partial blocks for whole ones: what they made
 * of these would be read as data.
 */
#define DMC_SB_REPAIR "run cache_check, then cache_repair onto another metadata device"
#define DMC_SB_SETTLE "use dmcache settle; cache_repair would take its partial blocks for whole ones"
#define DMC_SB_MEND(has_partial, what) \
	((has_partial) ? what ": " DMC_SB_SETTLE : what ": " DMC_SB_REPAIR)

/* All zero unless DMC_SB_HAS_PARTIAL. */
struct dmc_sb_partial {
	__le64 root;			/* of the tree of valid maps */
	__le32 nr;			/* entries in it; not 0 */
	__le32 granule_sectors;
} __packed;

#define DMC_SB_TRACKING_MAGIC 0x6c69766563616368ULL
#define DMC_SB_REST_MAGIC 0x7265737463616368ULL
#define DMC_SB_MARK_PARTIAL 1
#define DMC_SB_MARK_WHOLE 2

struct dmc_superblock {
	/*   0 */ __le32 csum;			/* of all that follows, to the end of the block */
	/*   4 */ __le32 flags;
	/*   8 */ __le64 blocknr;		/* 0 */
	/*  16 */ u8 uuid[16];			/* zero; kept as found */
	/*  32 */ __le64 magic;
	/*  40 */ __le32 version;		/* 1 or 2 */
	/*  44 */ u8 policy_name[DMC_MD_POLICY_NAME_LEN]; /* whose hints; may lack its NUL */
	/*  60 */ __le32 policy_hint_size;	/* 0 or 4 */
	/*  64 */ struct dmc_sb_sm_root sm_root;
	/*  96 */ struct dmc_sb_mark mark;
	/* 112 */ struct dmc_sb_partial partial;
	/* 128 */ u8 sm_root_unused[64];	/* the field has room for other space maps' roots */
	/* 192 */ __le64 mapping_root;
	/* 200 */ __le64 hint_root;		/* 0: never written */
	/* 208 */ __le64 discard_root;
	/* 216 */ __le64 discard_block_sectors;	/* 0 until first written */
	/* 224 */ __le64 discard_nr_blocks;	/* likewise */
	/* 232 */ __le32 block_sectors;		/* a cache block */
	/* 236 */ __le32 metadata_block_sectors;
	/* 240 */ __le32 nr_cblocks;		/* length of the mapping array */
	/* 244 */ __le32 compat_flags;
	/* 248 */ __le32 compat_ro_flags;
	/* 252 */ __le32 incompat_flags;
	/* 256 */ __le32 read_hits;
	/* 260 */ __le32 read_misses;
	/* 264 */ __le32 write_hits;
	/* 268 */ __le32 write_misses;
	/* 272 */ __le32 policy_version[3];	/* major, minor, patch */
	/* 284 */ __le64 dirty_root;		/* format 2; note: not aligned */
	/* 292 */ u8 unused[3804];		/* kept as found */
} __packed;

extern const struct dmc_validator dmc_sb_validator;

/*
 * Reads block 0 of @bm's device into @sb without judging it.  @bm should be short-lived: it must
 * not be asked for block 0 under a validator afterwards.  0 or -errno.
 */
int dmc_sb_read(struct dmc_bm *bm, struct dmc_superblock *sb);

/* All zero: the device was never formatted. */
bool dmc_sb_is_blank(const struct dmc_superblock *sb);

/*
 * May metadata with this superblock be opened for writing, with parameters @p, on a device of
 * @device_blocks metadata blocks?  0, or -errno and *@why for the user.  @out (not NULL) tells
 * what the superblock says, as far as it can be believed.
 */
int dmc_sb_check(const struct dmc_superblock *sb, const struct dmc_md_params *p, u64 device_blocks,
		 struct dmc_md_summary *out, dmc_md_reason_t *why);

/* The superblock of freshly formatted metadata, but for its roots. */
void dmc_sb_init(struct dmc_superblock *sb, const struct dmc_md_params *p);

/* Is @root, from a superblock, the number of a block that the space map covers? */
bool dmc_sb_root_ok(const struct dmc_superblock *sb, __le64 root);

/* Partial blocks: the root of their tree, or 0; their number.  And what to say of those. */
bool dmc_sb_has_partial(const struct dmc_superblock *sb);
u64 dmc_sb_valid_root(const struct dmc_superblock *sb);
u32 dmc_sb_nr_partial(const struct dmc_superblock *sb);
void dmc_sb_set_partial(struct dmc_superblock *sb, u64 root, u32 nr);

/*
 * Can @nr_blocks metadata blocks hold the mappings and discard bits that @sb claims?  Array blocks
 * can be shared, but no dm-cache and no tool makes metadata that needs that.
 */
bool dmc_sb_arrays_fit(const struct dmc_superblock *sb, u64 nr_blocks);

/* The mark: set last, for it depends on all other fields.  Neither @tracking nor @whole: none. */
void dmc_sb_set_mark(struct dmc_superblock *sb, bool tracking, bool whole);
/* Is the mark there, and right, and does it say so? */
bool dmc_sb_is_tracking(const struct dmc_superblock *sb);
bool dmc_sb_is_whole(const struct dmc_superblock *sb);

/* What csum must be.  Writing fills it in; this tells it without reading back. */
__le32 dmc_sb_checksum(const struct dmc_superblock *sb);

/* The policy that stored the hints on disk; an empty name if there are none. */
void dmc_sb_get_policy(const struct dmc_superblock *sb, struct dmc_md_policy *policy);
/* They belong to @policy: same name, major version and hint size. */
bool dmc_sb_policy_matches(const struct dmc_superblock *sb, const struct dmc_md_policy *policy);

#endif
