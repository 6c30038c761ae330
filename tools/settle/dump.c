// SPDX-License-Identifier: GPL-2.0-only
/*
 * dump.c - dmcache-dump METADATA: what this module adds to the metadata of a cache that is not
 * active, which cache_dump does not show.  Writes nothing.
 *
 *	format 2 block 64 blocks 1024 flags clean
 *	mark live whole		the cache runs, or crashed; mapped blocks are whole blocks of the
 *				origin.  "rest whole": it was shut down.  "none": the mark is of
 *				another writer, or damaged
 *	dirty 12		mapped blocks with their dirty bit.  While the mark is live: those
 *				that are dirty, and those that may be (write intents)
 *	partial 2 granule 8	so many partial blocks; sectors of a granule.  Each:
 *	valid 17 00...003f	cache block 17 has granules 0 to 5: the map, 64 digits
 *
 * Exit status: 0, or 1: it cannot be read, or what was read contradicts itself; 2: usage.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "dmc-pdata.h"
#include "metadata/superblock.h"

#define DIRTY_FLAG 2			/* of a mapping, format 1; bit 0: it is one */

struct dump {
	struct dmc_superblock sb;
	struct dmc_tm *tm;
	u64 *mapped;			/* a bit for each cblock */
	u32 nr_cblocks, nr_dirty, nr_valid;
	bool format2;
};

static bool is_mapped(const struct dump *d, u32 i)
{
	return d->mapped[i / 64] >> i % 64 & 1;
}

static int see_mapping(void *ctx, u32 index, const void *value)
{
	struct dump *d = ctx;
	__le64 stored;
	u64 m;

	memcpy(&stored, value, sizeof(stored));
	m = le64_to_cpu(stored);
	if (!(m & 1))
		return 0;
	d->mapped[index / 64] |= 1ULL << index % 64;
	d->nr_dirty += !d->format2 && m & DIRTY_FLAG;
	return 0;
}

static int see_dirty(void *ctx, u32 index, u64 word)
{
	struct dump *d = ctx;

	d->nr_dirty += hweight64(word & d->mapped[index]);
	return 0;
}

/* The highest granule first. */
static int print_map(void *ctx, const u64 *keys, const void *value)
{
	struct dump *d = ctx;
	__le64 words[DMC_VALID_WORDS];
	int i;

	memcpy(words, value, sizeof(words));
	printf("valid %llu ", keys[0]);
	for (i = DMC_VALID_WORDS - 1; i >= 0; i--)
		printf("%016llx", (u64)le64_to_cpu(words[i]));
	putchar('\n');
	d->nr_valid++;
	return keys[0] < d->nr_cblocks && is_mapped(d, keys[0]) ? 0 : DMC_DAMAGED;
}

static int dump_blocks(struct dump *d)
{
	struct dmc_btree_value_type mapping = { .size = sizeof(__le64) };
	struct dmc_array_info info;
	struct dmc_bitset dirty;
	int r;

	dmc_array_info_init(&info, d->tm, &mapping);
	r = dmc_array_walk(&info, le64_to_cpu(d->sb.mapping_root), d->nr_cblocks, see_mapping, d);
	if (r || !d->format2)
		return r;
	dmc_bitset_init(&dirty, d->tm);
	dmc_bitset_open(&dirty, le64_to_cpu(d->sb.dirty_root), d->nr_cblocks);
	return dmc_bitset_walk_words(&dirty, see_dirty, d);
}

static int dump_maps(struct dump *d)
{
	struct dmc_btree_info info = {
		.tm = d->tm,
		.levels = 1,
		.value_type = { .size = DMC_VALID_WORDS * sizeof(__le64) },
	};
	const u64 root = dmc_sb_valid_root(&d->sb);
	int r;

	printf("partial %u granule %u\n", dmc_sb_nr_partial(&d->sb),
	       le32_to_cpu(d->sb.partial.granule_sectors));
	if (!root)
		return 0;
	r = dmc_btree_walk(&info, root, print_map, d);
	return r ? r : d->nr_valid == dmc_sb_nr_partial(&d->sb) ? 0 : DMC_DAMAGED;
}

static void print_superblock(const struct dump *d)
{
	const u32 flags = le32_to_cpu(d->sb.flags);
	const bool live = dmc_sb_is_tracking(&d->sb), whole = dmc_sb_is_whole(&d->sb);

	printf("format %u block %u blocks %u flags%s%s\n", d->format2 ? 2 : 1,
	       le32_to_cpu(d->sb.block_sectors), d->nr_cblocks,
	       flags & DMC_SB_CLEAN ? " clean" : "",
	       flags & DMC_SB_NEEDS_CHECK ? " needs_check" : "");
	printf("mark %s%s\n", live ? "live" : whole ? "rest" : "none", whole ? " whole" : "");
}

static int dump(struct dump *d, struct block_device *bdev, const char *name)
{
	struct dmc_bm *bm = dmc_bm_create(bdev, name);
	struct dmc_block *blk;
	int r;

	if (IS_ERR(bm))
		return PTR_ERR(bm);
	r = dmc_bm_read_lock(bm, DMC_SB_BLOCK, &dmc_sb_validator, &blk);
	if (r)
		goto out;
	memcpy(&d->sb, dmc_block_data(blk), sizeof(d->sb));
	dmc_bm_unlock(blk);
	d->nr_cblocks = le32_to_cpu(d->sb.nr_cblocks);
	d->format2 = le32_to_cpu(d->sb.version) >= 2;
	print_superblock(d);
	/* It may claim any number of blocks. */
	r = dmc_sb_arrays_fit(&d->sb, dmc_bm_nr_blocks(bm)) ? 0 : DMC_NO_ROOM;
	if (!r)
		r = dmc_tm_open(bm, DMC_SB_BLOCK, &d->sb.sm_root, &d->tm);
	if (r)
		goto out;
	d->mapped = calloc(d->nr_cblocks / 64 + 1, sizeof(u64));
	r = d->mapped ? dump_blocks(d) : -ENOMEM;
	if (!r) {
		printf("dirty %u\n", d->nr_dirty);
		r = dump_maps(d);
	}
	free(d->mapped);
	dmc_tm_destroy(d->tm);
out:
	dmc_bm_destroy(bm);
	return r;
}

int main(int argc, char **argv)
{
	struct dump d = { };
	struct block_device *bdev;
	int r;

	if (argc != 2 || argv[1][0] == '-') {
		fprintf(stderr, "dmcache-dump METADATA\n");
		return 2;
	}
	bdev = dmc_device_open(argv[1], false);
	if (!bdev) {
		fprintf(stderr, "dmcache-dump: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	r = dump(&d, bdev, argv[1]);
	dmc_device_close(bdev);
	if (r)
		fprintf(stderr, "dmcache-dump: %s (%d) %s\n", argv[1], r, dmc_last_message());
	return r ? 1 : 0;
}
