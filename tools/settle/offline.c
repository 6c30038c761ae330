// SPDX-License-Identifier: GPL-2.0-only
/*
 * offline.c - settles a cache that is not active: the partial blocks go.
 *
 * On no bio's path: this is userspace.  The metadata is read and changed by the module's own
 * sources, over the shim.
 *
 * Of a partial block only the valid granules are in the cache, and they are newer than the origin.
 * So, for a batch of blocks at a time, in the origin's order:
 *
 *	1. copy the valid granules to the origin
 *	2. flush the origin
 *	3. remove the mappings, commit
 *
 * Nothing is removed before the origin has it durably (rule R2).  After a power cut the blocks of
 * the last batch are still there, or gone, and the origin has their data in both cases.  The commit
 * that removes the last one takes the incompatible feature away (rule R17).
 *
 * What cannot be read or written stays: its block keeps its mapping and its map.  Full blocks stay
 * as they are, dirty ones too: any module can open those.
 *
 * If metadata with partial blocks wants a check, that is done here, since cache_check does not know
 * such blocks: if all of it that names data can be read, and makes sense, needs_check goes.
 */
#include <linux/kernel.h>
#include <linux/string.h>

#include "disk-io.h"
#include "metadata/superblock.h"
#include "offline.h"

#define CHUNK_SECTORS 2048U		/* copied at a time */
#define PIECE_SECTORS 8U		/* at a time, where that cannot be read */
#define MAX_BATCH 128U			/* blocks that one commit removes */
#define METADATA_RESERVE 64
#define MIN_BLOCK_SECTORS 64U
#define MAX_BLOCK_SECTORS (1U << 21)

struct partial {
	u64 oblock;
	u32 cblock;
	bool copied;			/* all that is valid */
	u64 valid[DMC_VALID_WORDS];
};

struct job {
	struct offline *o;
	struct dmc_md_params p;
	struct dmc_md *md;
	u64 *oblocks;			/* of each cblock; NO_OBLOCK: not mapped, or not dirty */
	struct partial *blocks;
	u32 nr, room;			/* of blocks */
	u8 *buffer;
	struct dmc_superblock *sb;	/* as it was, if needs_check was cleared */
};

static int fails(struct job *job, int error, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(job->o->why, sizeof(job->o->why), fmt, args);
	va_end(args);
	return error;
}

static void tell(struct job *job, const char *fmt, ...)
{
	char line[256];
	va_list args;

	if (!job->o->tell)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	job->o->tell(job->o->ctx, line);
}

static const char *reason(int error)
{
	return dmc_is_damage(error) ? "the metadata is damaged" : strerror(-error);
}

/*----- what is there -----*/

static bool block_size_ok(u32 sectors)
{
	return sectors >= MIN_BLOCK_SECTORS && sectors <= MAX_BLOCK_SECTORS &&
	       !(sectors % MIN_BLOCK_SECTORS);
}

static int write_superblock(struct job *job, const struct dmc_superblock *sb)
{
	struct shim_disk *d = job->o->metadata->disk;
	int r = disk_write(d, 0, DMC_MD_BLOCK_SECTORS, sb);

	return r ? r : disk_flush(d);
}

/*
 * All blocks count as dirty from then on.  If loading fails, keep_needs_check() sets it again: from
 * job->sb, which so must not be there before it holds what the disk has.
 */
static int clear_needs_check(struct job *job)
{
	struct dmc_superblock sb;
	bool whole;
	int r;

	r = disk_read(job->o->metadata->disk, 0, DMC_MD_BLOCK_SECTORS, &sb);
	if (r)
		return r;
	job->sb = malloc(sizeof(*job->sb));
	if (!job->sb)
		return -ENOMEM;
	*job->sb = sb;
	whole = dmc_sb_is_whole(&sb);
	sb.flags &= ~cpu_to_le32(DMC_SB_NEEDS_CHECK | DMC_SB_CLEAN);
	dmc_sb_set_mark(&sb, false, whole);
	sb.csum = dmc_sb_checksum(&sb);
	return write_superblock(job, &sb);
}

static void keep_needs_check(struct job *job)
{
	if (job->sb && write_superblock(job, job->sb))
		tell(job, "the superblock cannot be written: needs_check may not be set any more");
}

static bool has_partial(struct job *job)
{
	struct dmc_superblock sb;

	return !disk_read(job->o->metadata->disk, 0, DMC_MD_BLOCK_SECTORS, &sb) &&
	       dmc_sb_nr_partial(&sb);
}

/* The block size is known from the superblock only, and all else is judged by it. */
static int open_metadata(struct job *job)
{
	const u64 sectors = bdev_nr_sectors(job->o->origin);
	struct dmc_md_summary summary;
	dmc_md_reason_t why;
	int r;

	job->p.bdev = job->o->metadata;
	job->p.dev_name = "metadata";
	r = dmc_md_probe(&job->p, &summary, &why);
	if (summary.blank)
		return fails(job, -ENODATA, "the metadata device is blank: this is no cache");
	if (!block_size_ok(summary.block_sectors))
		return r ? fails(job, r, "%s", why) :
			   fails(job, -EINVAL, "the superblock's block size makes no sense");
	job->o->block_sectors = job->p.block_sectors = summary.block_sectors;
	job->p.origin_blocks = sectors / summary.block_sectors;
	job->p.origin_partial = sectors % summary.block_sectors;
	if (summary.needs_check && has_partial(job)) {
		r = clear_needs_check(job);
		if (r)
			return fails(job, r, "needs_check cannot be cleared: %s", reason(r));
	}
	job->md = dmc_md_open(&job->p, &why);
	if (!IS_ERR(job->md))
		return 0;
	r = PTR_ERR(job->md);
	job->md = NULL;
	return fails(job, r, "%s", why);
}

static int note_run(void *ctx, const struct dmc_run *run)
{
	struct job *job = ctx;
	u32 i;

	for (i = 0; i < run->nr; i++) {
		if (!dmc_run_maps(run, i) || !dmc_run_dirty(run, i))
			continue;
		job->oblocks[from_cblock(run->first) + i] = from_oblock(run->oblocks[i]);
		job->o->nr_dirty++;
	}
	return 0;
}

static u32 nr_sectors_of(const struct job *job, const struct partial *b)
{
	const u32 granule = dmc_granule_sectors(job->p.block_sectors);
	const u32 nr = dmc_nr_granules(job->p.block_sectors);
	u32 i, sectors = 0;

	for (i = 0; i < nr; i++)
		if (b->valid[i / 64] >> (i % 64) & 1)
			sectors += min(granule, job->p.block_sectors - i * granule);
	return sectors;
}

static int note_partial(void *ctx, cblock_t cb, const u64 *valid)
{
	struct job *job = ctx;
	const u64 end = ((u64)from_cblock(cb) + 1) * job->p.block_sectors;
	struct partial *b;

	if (job->nr == job->room)
		return fails(job, DMC_DAMAGED, "there are more partial blocks than there should be");
	b = &job->blocks[job->nr++];
	b->cblock = from_cblock(cb);
	b->oblock = job->oblocks[b->cblock];
	memcpy(b->valid, valid, sizeof(b->valid));
	if (b->oblock == NO_OBLOCK)
		return fails(job, DMC_DAMAGED, "cache block %u is partial, but not dirty",
			     b->cblock);
	if (end > bdev_nr_sectors(job->o->cache))
		return fails(job, -ENOSPC, "cache block %u ends at sector %llu, the cache device has %llu: it is another one, or shorter than it was",
			     b->cblock, end, bdev_nr_sectors(job->o->cache));
	job->o->nr_sectors += nr_sectors_of(job, b);
	return 0;
}

static int by_oblock(const void *a, const void *b)
{
	const struct partial *x = a, *y = b;

	return x->oblock < y->oblock ? -1 : x->oblock > y->oblock;
}

/* What the library has logged tells more than its error does. */
static int cannot_load(struct job *job, int r)
{
	if (job->o->why[0])
		return r;
	if (r == -EFBIG)
		return fails(job, r, "a dirty block lies beyond the end of the origin: it is another one, or shorter than it was");
	return fails(job, r, "the metadata cannot be loaded: %s", reason(r));
}

/* All of the metadata that names data is read, and so checked, before anything is changed. */
static int load(struct job *job)
{
	const u32 nr_cblocks = dmc_md_nr_cblocks(job->md);
	struct dmc_md_policy policy;
	u32 i;
	int r;

	job->room = dmc_md_nr_partial(job->md);
	job->oblocks = malloc(max(nr_cblocks, 1U) * sizeof(*job->oblocks));
	job->blocks = calloc(max(job->room, 1U), sizeof(*job->blocks));
	job->buffer = aligned_alloc(4096, CHUNK_SECTORS * SECTOR_SIZE);
	if (!job->oblocks || !job->blocks || !job->buffer)
		return fails(job, -ENOMEM, "out of memory");
	for (i = 0; i < nr_cblocks; i++)
		job->oblocks[i] = NO_OBLOCK;
	dmc_md_get_policy(job->md, &policy);
	r = dmc_md_load_mappings(job->md, &policy, NULL, note_run, job);
	if (!r)
		r = dmc_md_load_valid(job->md, U32_MAX, note_partial, job);
	if (r)
		return cannot_load(job, r);
	job->o->nr_partial = job->nr;
	job->o->nr_dirty -= job->nr;
	qsort(job->blocks, job->nr, sizeof(*job->blocks), by_oblock);
	return 0;
}

/*----- copies -----*/

/* 0 or -errno; *@at: the sector of the device that it is about, *@dev: which one. */
static int copy_piece(struct job *job, u64 from, u64 to, u32 nr, u64 *at, const char **dev)
{
	int r;

	*dev = "cache device";
	*at = from;
	r = disk_read(job->o->cache->disk, from, nr, job->buffer);
	if (r)
		return r;
	*dev = "origin";
	*at = to;
	return disk_write(job->o->origin->disk, to, nr, job->buffer);
}

/* Goes on behind what fails; tells of the first only. */
static bool copy_run(struct job *job, const struct partial *b, u32 offset, u32 nr, bool told)
{
	const u64 from = (u64)b->cblock * job->p.block_sectors + offset;
	const u64 to = b->oblock * job->p.block_sectors + offset;
	u32 done = 0, n, step = CHUNK_SECTORS;
	bool ok = true;
	const char *dev;
	u64 at;
	int r;

	while (done < nr) {
		n = min(step, nr - done);
		r = copy_piece(job, from + done, to + done, n, &at, &dev);
		if (r && n > PIECE_SECTORS) {
			step = PIECE_SECTORS;
			continue;
		}
		if (!r)
			job->o->nr_copied += n;
		else if (!told && ok)
			tell(job, "cache block %u (origin block %llu): sector %llu of the %s: %s; the block stays",
			     b->cblock, b->oblock, at, dev, strerror(-r));
		ok &= !r;
		done += n;
	}
	return ok;
}

static void copy_block(struct job *job, struct partial *b)
{
	const u32 granule = dmc_granule_sectors(job->p.block_sectors);
	const u32 nr = dmc_nr_granules(job->p.block_sectors);
	bool ok = true;
	u32 i, end;

	for (i = 0; i < nr; i = end) {
		const bool valid = b->valid[i / 64] >> (i % 64) & 1;

		for (end = i + 1; end < nr; end++)
			if ((b->valid[end / 64] >> (end % 64) & 1) != valid)
				break;
		if (valid)
			ok &= copy_run(job, b, i * granule,
				       min(end * granule, job->p.block_sectors) - i * granule, !ok);
	}
	b->copied = ok;
}

/*----- batches -----*/

/*
 * Leaves the clean-shutdown flag set if it is, so that a cut here makes no clean block count as
 * dirty.  Discard bits are an opinion, and go.
 */
static int begin_changes(struct job *job)
{
	struct dmc_superblock sb;
	struct dmc_md_tracking tracking;
	cblock_t busy;
	int r;

	if (!dmc_md_was_clean(job->md))
		return dmc_md_begin_changes(job->md);
	r = disk_read(job->o->metadata->disk, 0, DMC_MD_BLOCK_SECTORS, &sb);
	if (r)
		return r;
	tracking.nr_cblocks = dmc_md_nr_cblocks(job->md);
	tracking.nr_dblocks = le64_to_cpu(sb.discard_nr_blocks);
	tracking.discard_block_sectors = le64_to_cpu(sb.discard_block_sectors);
	return dmc_md_start_tracking(job->md, &tracking, &busy);
}

/* Each removal may copy a block of three trees. */
static u32 batch_size(struct job *job)
{
	u64 used, total, room;

	dmc_md_get_usage(job->md, &used, &total);
	room = total - used;
	room = room > METADATA_RESERVE ? (room - METADATA_RESERVE) / 4 : 1;
	return clamp_t(u64, room, 1, MAX_BATCH);
}

static int settle_batch(struct job *job, struct partial *first, u32 nr)
{
	u32 i, settled = 0;
	int r;

	for (i = 0; i < nr; i++) {
		copy_block(job, &first[i]);
		if (job->o->progress)
			job->o->progress(job->o->ctx, job->o);
	}
	r = disk_flush(job->o->origin->disk);
	if (r)
		return fails(job, r, "the origin cannot be flushed: %s", strerror(-r));
	for (i = 0; i < nr && !r; i++) {
		if (!first[i].copied)
			continue;
		r = dmc_md_remove(job->md, to_cblock(first[i].cblock));
		settled++;
	}
	if (!r)
		r = dmc_md_commit(job->md, NULL);
	if (r)
		return fails(job, r, "the metadata cannot be changed: %s", reason(r));
	job->o->nr_settled += settled;
	return 0;
}

static int settle_all(struct job *job)
{
	u32 i, nr;
	int r;

	if (!job->nr)
		return 0;
	r = begin_changes(job);
	if (r)
		return fails(job, r, "the metadata cannot be changed: %s", reason(r));
	for (i = 0; i < job->nr; i += nr) {
		nr = min(batch_size(job), job->nr - i);
		r = settle_batch(job, &job->blocks[i], nr);
		if (r)
			return r;
	}
	if (job->o->nr_settled == job->nr)
		return 0;
	return fails(job, -EIO, "%u partial blocks stay, for the errors above",
		     job->nr - job->o->nr_settled);
}

int offline_settle(struct offline *o)
{
	struct job job = { .o = o };
	int r;

	o->nr_partial = o->nr_settled = o->nr_dirty = o->block_sectors = 0;
	o->nr_sectors = o->nr_copied = 0;
	o->why[0] = 0;
	r = open_metadata(&job);
	if (!r)
		r = load(&job);
	if (r)
		keep_needs_check(&job);
	else
		r = settle_all(&job);
	if (job.md)
		dmc_md_close(job.md);
	free(job.sb);
	free(job.oblocks);
	free(job.blocks);
	free(job.buffer);
	return r;
}
