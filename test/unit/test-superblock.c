// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-superblock.c - a superblock with one thing wrong, under a right checksum, is refused for
 * that thing, by probing and by opening, and the device is as it was (rule R7).
 */
#include "md-test.h"
#include "metadata/superblock.h"

static const struct {
	const char *what;
	u32 offset, size;
	u64 value;
	int error;
} wrongs[] = {
	{ "block number", 8, 8, 1, -ENOTBLK },
	{ "magic", 32, 8, 06142004, -EILSEQ },
	{ "version 0", 40, 4, 0, -EINVAL },
	{ "version 3", 40, 4, 3, -EINVAL },
	{ "block size", 232, 4, 128, -EINVAL },
	{ "block size 0", 232, 4, 0, -EINVAL },
	{ "incompatible feature", 252, 4, 1, -EINVAL },
	{ "incompatible feature, not ours", 252, 4, 1U << 30, -EINVAL },
	{ "feature that forbids writing", 248, 4, 1, -EINVAL },
	{ "needs_check", 4, 4, DMC_SB_NEEDS_CHECK, -EPERM },
	{ "space map larger than the device", 64, 8, 129, -ENOSPC },
	{ "space map of no blocks", 64, 8, 0, -EILSEQ },
	{ "space map larger than any", 64, 8, ~0ULL, -EILSEQ },
	{ "more allocated than there are", 72, 8, 129, -EILSEQ },
	{ "mapping root 0", 192, 8, 0, -EILSEQ },
	{ "mapping root beyond the end", 192, 8, 128, -EILSEQ },
	{ "discard root 0", 208, 8, 0, -EILSEQ },
	{ "discard root beyond the end", 208, 8, 128, -EILSEQ },
	{ "dirty root 0", 284, 8, 0, -EILSEQ },
	{ "dirty root beyond the end", 284, 8, 1ULL << 40, -EILSEQ },
	{ "too many cache blocks", 240, 4, 1U << 31, -EFBIG },
	{ "more cache blocks than 128 blocks can map", 240, 4, 128 * 509 + 1, -EILSEQ },
	{ "more cache blocks than the blocks in use can map", 240, 4, 128 * 509, -EILSEQ },
	{ "more discard bits than fit", 224, 8, 128 * 509 * 64ULL + 1, -EILSEQ },
	{ "more discard bits than fit into the blocks in use", 224, 8, 128 * 509 * 64ULL, -EILSEQ },
	{ "too many discard blocks", 224, 8, 1ULL << 32, -EILSEQ },
	{ "discard blocks of size 0", 216, 8, 0, -EILSEQ },
	{ "discard blocks that reach beyond 2^64", 216, 8, 1ULL << 60, -EILSEQ },
};

static struct dmc_superblock *sb_of(struct shim_disk *d)
{
	return (void *)d->data;
}

static void expect_refused(struct shim_disk *d, const struct dmc_md_params *p, int error)
{
	struct shim_disk *before = disk_clone(d);
	struct dmc_md_summary s;
	dmc_md_reason_t why = "";
	struct dmc_md *md;

	CHECK_EQ(dmc_md_probe(p, &s, &why), error);
	CHECK(why[0]);
	why = "";
	md = dmc_md_open(p, &why);
	CHECK_EQ(PTR_ERR(md), error);
	CHECK(why[0]);
	CHECK(!memcmp(before->data, d->data, d->nr_sectors * SECTOR_SIZE));
	disk_free(before);
}

static void test_one_thing_wrong(void)
{
	struct model *m = model_create(100);
	struct shim_disk *d;
	struct dmc_md_params p;
	unsigned int i;

	model_set_dblocks(m, 100, 64);
	model_fill(m, ORIGIN_BLOCKS, 50);
	d = disk_of(m, true, 128);
	p = params(d, true);
	for (i = 0; i < ARRAY_SIZE(wrongs); i++) {
		struct dmc_superblock good = *sb_of(d);
		__le64 value = cpu_to_le64(wrongs[i].value);

		unit_note("%s", wrongs[i].what);
		memcpy(d->data + wrongs[i].offset, &value, wrongs[i].size);
		sb_of(d)->csum = dmc_sb_checksum(sb_of(d));
		expect_refused(d, &p, wrongs[i].error);
		*sb_of(d) = good;
	}
	/* It was that thing. */
	unit_note("nothing wrong");
	dmc_md_close(md_open_ok(&p));

	unit_note("another block size in the table");
	p.block_sectors = 128;
	expect_refused(d, &p, -EINVAL);
	disk_free(d);
	model_free(m);
}

static int nothing(void *ctx, const struct dmc_run *run)
{
	return 0;
}

static int no_discards(void *ctx, u64 begin, u64 end)
{
	return 0;
}

/*
 * Everything that an activation reads, of a disk that claims to hold @nr cache and discard blocks.
 */
static void load_claim(struct shim_disk *d, const struct dmc_md_params *p, u32 nr)
{
	struct dmc_md_policy policy = { .name = "smq", .version = { 2 }, .hint_size = 4 };
	struct dmc_md_tracking live = { .nr_cblocks = p->nr_cblocks };
	struct dmc_md_summary s;
	dmc_md_reason_t why;
	struct dmc_md *md;
	cblock_t busy;

	unit_note("%u cache blocks", nr);
	sb_of(d)->nr_cblocks = cpu_to_le32(nr);
	sb_of(d)->discard_nr_blocks = cpu_to_le64(nr);
	sb_of(d)->csum = dmc_sb_checksum(sb_of(d));
	dmc_md_probe(p, &s, &why);
	md = dmc_md_open(p, &why);
	if (IS_ERR(md))
		return;
	if (!dmc_md_load_mappings(md, &policy, NULL, nothing, NULL) &&
	    !dmc_md_load_discards(md, no_discards, NULL))
		dmc_md_start_tracking(md, &live, &busy);
	dmc_md_close(md);
}

/*
 * Memory is in proportion to the metadata device, whatever is claimed there: more than the largest
 * cache has on so large a device, and no more.
 */
static void test_memory_is_bounded(void)
{
	const u64 blocks = 512;
	struct dmc_md_params p;
	struct shim_disk *d, *again;
	struct model *m;
	unsigned int format2;
	u64 nr;

	for (format2 = 0; format2 < 2; format2++) {
		m = model_create(1000);
		model_fill(m, ORIGIN_BLOCKS, 50);
		d = disk_of(m, format2, blocks);
		for (nr = 1; nr <= DMC_MAX_CBLOCKS; nr = nr * 2 + 1) {
			again = disk_clone(d);
			p = params(again, format2);
			p.origin_blocks = 1ULL << 40;
			p.nr_cblocks = 1000;
			shim_peak_bytes();
			load_claim(again, &p, nr);
			CHECK_MSG(shim_peak_bytes() < 3 * blocks * DMC_MD_BLOCK_SIZE,
				  "so much memory for %llu blocks", nr);
			disk_free(again);
		}
		disk_free(d);
		model_free(m);
	}
}

static void test_each_bit_of_the_checksum(void)
{
	struct model *m = model_create(10);
	struct shim_disk *d = disk_of(m, false, 128);
	struct dmc_md_params p = params(d, false);
	unsigned int bit;

	for (bit = 0; bit < 32; bit++) {
		unit_note("bit %u", bit);
		sb_of(d)->csum ^= cpu_to_le32(1U << bit);
		expect_refused(d, &p, -EILSEQ);
		sb_of(d)->csum ^= cpu_to_le32(1U << bit);
	}
	dmc_md_close(md_open_ok(&p));
	disk_free(d);
	model_free(m);
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "superblock: each wrong field is refused, by its own error", test_one_thing_wrong },
		{ "superblock: what it claims does not decide how much memory is taken", test_memory_is_bounded },
		{ "superblock: each wrong bit of the checksum is refused", test_each_bit_of_the_checksum },
		{ }
	};

	return unit_main(argc, argv, tests);
}
