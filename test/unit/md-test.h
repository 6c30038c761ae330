/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * md-test.h - what the tests of the metadata share: a model of a cache's contents that is loaded
 * from metadata, stored as a clean shutdown, and compared with it.
 */
#ifndef MD_TEST_H
#define MD_TEST_H

#include "metadata/metadata.h"
#include "md-fsck.h"
#include "unit.h"

struct model {
	u32 nr;			/* cblocks */
	u64 *oblock;		/* NO_OBLOCK: unmapped */
	u8 *dirty;
	struct model_map {
		u64 words[DMC_VALID_WORDS];
	} *valid;		/* of a partial block; all zero: full */
	u32 *hint;
	u8 *hint_valid;
	u64 nr_dblocks, discard_sectors;
	u8 *discard;
	struct dmc_md_policy policy;
	struct dmc_md_stats stats;
	u64 nr_mapped, nr_dirty;
	s64 last;		/* cblock seen last while loading */
	u32 block_sectors;	/* of a loader that has to know it */
};

/* Block size 64, policy "smq" 2.0.0 with hints of 4 bytes, no discards. */
struct model *model_create(u32 nr);
void model_free(struct model *m);
struct model *model_clone(const struct model *m);
void model_resize(struct model *m, u32 nr);		/* grown part unmapped */
void model_set_dblocks(struct model *m, u64 nr, u64 sectors);
void model_map(struct model *m, u32 cblock, u64 oblock, bool dirty);
void model_unmap(struct model *m, u32 cblock);
/* Of a mapped block: another random map than it has, if it has one; it is dirty. */
void model_make_partial(struct model *m, u32 cblock);
void model_make_full(struct model *m, u32 cblock);
bool model_is_partial(const struct model *m, u32 cblock);
/* Random mappings on @percent of the cblocks, random dirty bits, hints and discards. */
void model_fill(struct model *m, u64 origin_blocks, unsigned int percent);

void model_new_hints(struct model *m);

/* The model as the clean shutdown wants it; valid as long as @m. */
struct dmc_md_shutdown model_shutdown(struct model *m);

/* dmc_md_load_mappings(), a mapped block at a time. */
typedef int (*md_mapping_fn)(void *ctx, cblock_t cblock, oblock_t oblock, bool dirty, u32 hint,
			     bool hint_valid);
int md_load_each(struct dmc_md *md, const struct dmc_md_policy *policy, md_mapping_fn fn,
		 void *ctx);

/* A new model of what @md loads for @policy, discards included; NULL and *@error if it does not. */
struct model *model_load(struct dmc_md *md, const struct dmc_md_policy *policy, int *error);

/* NULL if both map the same, are dirty alike, and hint alike (where @b's hints are valid). */
const char *model_differs(const struct model *a, const struct model *b);

struct dmc_md_params md_params(struct shim_disk *d);	/* format 1, no limit to the origin */
struct dmc_md *md_open_ok(const struct dmc_md_params *p);
/* @d, opened: *@p is what it was opened with. */
struct dmc_md *md_on(struct shim_disk *d, bool format2, struct dmc_md_params *p);
/* The end of a test: closes and frees all three. */
void md_done(struct dmc_md *md, struct shim_disk *d, struct model *m);
/* Every cblock that @m maps is inserted. */
int md_insert_all(struct dmc_md *md, const struct model *m);

/* A round of changes (oblocks from 1000 on) and a shutdown; the first error, or 0. */
int md_cycle(struct dmc_md *md, struct model *m);
/*
 * After a failure: back to the last commit, needs_check set, and refused from then on.  Closes @md.
 */
void md_give_up(struct dmc_md *md, const struct dmc_md_params *p);

/*
 * Fails the test unless the raw disk is in perfect order; returns what it holds, to be freed with
 * md_content_free().
 */
struct md_content fsck_ok(struct shim_disk *d, unsigned int flags);
/* NULL if @c holds the mappings of @m, and if @c is clean also its dirty bits, hints, discards. */
const char *content_differs(const struct md_content *c, const struct model *m);

/* Most tests: a disk of so many metadata blocks, an origin of so many cache blocks. */
#define DISK_BLOCKS 512
#define ORIGIN_BLOCKS 100000

struct shim_disk *blank_disk(u64 blocks);
struct dmc_md_params params(struct shim_disk *d, bool format2);
void resize_ok(struct dmc_md *md, u32 nr);
void shutdown_ok(struct dmc_md *md, struct model *m);
/* The raw disk is in order and holds @m; its superblock has just these flags. */
void expect_disk(struct shim_disk *d, const struct model *m, u32 flags);
/* @md loads for @m's policy what @m holds. */
void expect_load(struct dmc_md *md, struct model *m);
/* A cache with what @m says, shut down and closed. */
struct shim_disk *disk_of(struct model *m, bool format2, u64 blocks);

/*
 * The power goes at every write and flush that @d's log holds, with @seeds ways to lose what was not
 * flushed.  @seq(ctx, i) tells the number of the event at which state i of @nr_states was reached;
 * @check is given the disk, and the last state that was.  @replay, in front of unit_note()'s words.
 */
struct md_cuts {
	struct shim_disk *d;
	unsigned int seeds, nr_states;
	u64 (*seq)(void *ctx, unsigned int state);
	void (*check)(void *ctx, struct shim_disk *cut, unsigned int state, u64 seed);
	void *ctx;
	const char *replay;
};

/* Returns how many disks were checked. */
unsigned long md_cut_everywhere(const struct md_cuts *cuts);

/* test/vectors/NAME.img.gz as a disk. */
struct shim_disk *vector_disk(const char *name);
/* test/vectors/NAME.xml.gz: dirty as stored, hints where there are some. */
struct model *vector_model(const char *name);

#endif
