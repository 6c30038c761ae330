// SPDX-License-Identifier: GPL-2.0-only
/*
 * superblock.c - reads and judges block 0 of the metadata device.
 *
 * Nowhere on a bio's path.  Called by metadata.c while a cache is constructed, activated or
 * committed; may sleep; takes no locks.
 *
 * The rules for refusing a superblock are a table, in the order in which they are tried: a later
 * rule may rely on the earlier ones.
 */
#include <linux/bug.h>
#include <linux/crc32c.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/stddef.h>
#include <linux/string.h>

#include "superblock.h"
#include "persistent-data/bitset.h"
#include "persistent-data/transaction.h"

const struct dmc_validator dmc_sb_validator = {
	.name = "superblock",
	.salt = DMC_SB_SALT,
	.blocknr_offset = offsetof(struct dmc_superblock, blocknr),
};

int dmc_sb_read(struct dmc_bm *bm, struct dmc_superblock *sb)
{
	struct dmc_block *blk;
	int r;

	BUILD_BUG_ON(sizeof(*sb) != DMC_MD_BLOCK_SIZE);
	BUILD_BUG_ON(sizeof(sb->sm_root) != DMC_SM_ROOT_SIZE);
	BUILD_BUG_ON(offsetof(struct dmc_superblock, mark) != 96);
	BUILD_BUG_ON(offsetof(struct dmc_superblock, partial) != 112);
	BUILD_BUG_ON(offsetof(struct dmc_superblock, mapping_root) != 192);
	BUILD_BUG_ON(offsetof(struct dmc_superblock, dirty_root) != 284);

	if (!dmc_bm_nr_blocks(bm))
		return DMC_NO_ROOM;
	r = dmc_bm_read_lock(bm, DMC_SB_BLOCK, NULL, &blk);
	if (r)
		return r;
	memcpy(sb, dmc_block_data(blk), sizeof(*sb));
	dmc_bm_unlock(blk);
	return 0;
}

bool dmc_sb_is_blank(const struct dmc_superblock *sb)
{
	return !memchr_inv(sb, 0, sizeof(*sb));
}

__le32 dmc_sb_checksum(const struct dmc_superblock *sb)
{
	const u8 *after_csum = (const u8 *)sb + sizeof(sb->csum);

	return cpu_to_le32(crc32c(~0U, after_csum, sizeof(*sb) - sizeof(sb->csum)) ^ DMC_SB_SALT);
}

static __le32 mark_checksum(const struct dmc_superblock *sb)
{
	const u8 *begin = (const u8 *)sb + sizeof(sb->csum), *end = (const u8 *)(sb + 1);
	const u8 *self = (const u8 *)&sb->mark.csum, *after = self + sizeof(sb->mark.csum);
	u32 crc = crc32c(~0U, begin, self - begin);

	return cpu_to_le32(crc32c(crc, after, end - after) ^ DMC_SB_SALT);
}

void dmc_sb_set_mark(struct dmc_superblock *sb, bool tracking, bool whole)
{
	memset(&sb->mark, 0, sizeof(sb->mark));
	if (!tracking && !whole)
		return;
	sb->mark.magic = cpu_to_le64(tracking ? DMC_SB_TRACKING_MAGIC : DMC_SB_REST_MAGIC);
	sb->mark.version = cpu_to_le32(whole ? DMC_SB_MARK_WHOLE : DMC_SB_MARK_PARTIAL);
	sb->mark.csum = mark_checksum(sb);
}

static bool has_mark(const struct dmc_superblock *sb, u64 magic, u32 min_version)
{
	const u32 version = le32_to_cpu(sb->mark.version);

	return le64_to_cpu(sb->mark.magic) == magic &&
	       version >= min_version && version <= DMC_SB_MARK_WHOLE &&
	       sb->mark.csum == mark_checksum(sb);
}

bool dmc_sb_is_tracking(const struct dmc_superblock *sb)
{
	return le32_to_cpu(sb->flags) & DMC_SB_CLEAN &&
	       has_mark(sb, DMC_SB_TRACKING_MAGIC, DMC_SB_MARK_PARTIAL);
}

bool dmc_sb_is_whole(const struct dmc_superblock *sb)
{
	return has_mark(sb, DMC_SB_TRACKING_MAGIC, DMC_SB_MARK_WHOLE) ||
	       has_mark(sb, DMC_SB_REST_MAGIC, DMC_SB_MARK_WHOLE);
}

bool dmc_sb_has_partial(const struct dmc_superblock *sb)
{
	return le32_to_cpu(sb->incompat_flags) & DMC_SB_HAS_PARTIAL;
}

u64 dmc_sb_valid_root(const struct dmc_superblock *sb)
{
	return dmc_sb_has_partial(sb) ? le64_to_cpu(sb->partial.root) : 0;
}

u32 dmc_sb_nr_partial(const struct dmc_superblock *sb)
{
	return dmc_sb_has_partial(sb) ? le32_to_cpu(sb->partial.nr) : 0;
}

void dmc_sb_set_partial(struct dmc_superblock *sb, u64 root, u32 nr)
{
	memset(&sb->partial, 0, sizeof(sb->partial));
	sb->incompat_flags &= cpu_to_le32(~DMC_SB_HAS_PARTIAL);
	if (!root)
		return;
	sb->incompat_flags |= cpu_to_le32(DMC_SB_HAS_PARTIAL);
	sb->partial.root = cpu_to_le64(root);
	sb->partial.nr = cpu_to_le32(nr);
	sb->partial.granule_sectors =
		cpu_to_le32(dmc_granule_sectors(le32_to_cpu(sb->block_sectors)));
}

static u64 sm_nr_blocks(const struct dmc_superblock *sb)
{
	return le64_to_cpu(sb->sm_root.nr_blocks);
}

bool dmc_sb_root_ok(const struct dmc_superblock *sb, __le64 root)
{
	u64 b = le64_to_cpu(root);

	return b != DMC_SB_BLOCK && b < sm_nr_blocks(sb);
}

/*----- the rules -----*/

/* What the rules judge by. */
struct sb_judged {
	const struct dmc_superblock *sb;
	const struct dmc_md_params *p;
	u64 device_blocks;
};

static bool bad_blocknr(const struct sb_judged *j)
{
	return le64_to_cpu(j->sb->blocknr) != DMC_SB_BLOCK;
}

static bool bad_magic(const struct sb_judged *j)
{
	return le64_to_cpu(j->sb->magic) != DMC_SB_MAGIC;
}

static bool bad_checksum(const struct sb_judged *j)
{
	return j->sb->csum != dmc_sb_checksum(j->sb);
}

static bool bad_version(const struct sb_judged *j)
{
	u32 version = le32_to_cpu(j->sb->version);

	return version != 1 && version != 2;
}

static bool bad_block_size(const struct sb_judged *j)
{
	return le32_to_cpu(j->sb->block_sectors) != j->p->block_sectors;
}

static bool has_incompat(const struct sb_judged *j)
{
	return le32_to_cpu(j->sb->incompat_flags) & ~DMC_SB_HAS_PARTIAL;
}

/* A cache always writes its metadata, so what must not be written is not opened at all. */
static bool has_compat_ro(const struct sb_judged *j)
{
	return j->sb->compat_ro_flags != 0;
}

static bool has_needs_check(const struct sb_judged *j)
{
	return le32_to_cpu(j->sb->flags) & DMC_SB_NEEDS_CHECK;
}

static bool device_shrank(const struct sb_judged *j)
{
	u64 nr = sm_nr_blocks(j->sb);

	return nr <= DMC_SB_MAX_MD_BLOCKS && nr > j->device_blocks;
}

static bool bad_space_map(const struct sb_judged *j)
{
	u64 nr = sm_nr_blocks(j->sb);

	return !nr || nr > DMC_SB_MAX_MD_BLOCKS || le64_to_cpu(j->sb->sm_root.nr_allocated) > nr;
}

/* hint_root is not among them: hints are a convenience, and ignored when damaged. */
static bool sb_bad_root(const struct sb_judged *j)
{
	const struct dmc_superblock *sb = j->sb;

	return !dmc_sb_root_ok(sb, sb->mapping_root) || !dmc_sb_root_ok(sb, sb->discard_root) ||
	       (le32_to_cpu(sb->version) == 2 && !dmc_sb_root_ok(sb, sb->dirty_root));
}

/* Whose granules they are follows from the block size, so that is stored to be compared. */
static bool bad_partial(const struct sb_judged *j)
{
	const struct dmc_sb_partial *p = &j->sb->partial;

	if (!dmc_sb_has_partial(j->sb))
		return false;
	return !dmc_sb_root_ok(j->sb, p->root) || !p->nr ||
	       le32_to_cpu(p->nr) > le32_to_cpu(j->sb->nr_cblocks) ||
	       le32_to_cpu(p->granule_sectors) != dmc_granule_sectors(j->p->block_sectors);
}

static bool too_many_cblocks(const struct sb_judged *j)
{
	return le32_to_cpu(j->sb->nr_cblocks) > DMC_MAX_CBLOCKS;
}

bool dmc_sb_arrays_fit(const struct dmc_superblock *sb, u64 nr_blocks)
{
	return le32_to_cpu(sb->nr_cblocks) <= nr_blocks * DMC_MD_MAPPINGS_PER_BLOCK &&
	       le64_to_cpu(sb->discard_nr_blocks) <= nr_blocks * DMC_BITSET_PER_BLOCK;
}

/* Memory is allocated by these numbers: so no more is believed than could be stored. */
static bool arrays_too_long(const struct sb_judged *j)
{
	return !dmc_sb_arrays_fit(j->sb, sm_nr_blocks(j->sb));
}

static bool bad_discards(const struct sb_judged *j)
{
	u64 nr = le64_to_cpu(j->sb->discard_nr_blocks);
	u64 size = le64_to_cpu(j->sb->discard_block_sectors);

	return nr && (nr > U32_MAX || !size || size > div64_u64(U64_MAX, nr));
}

/* No metadata device could hold what the larger cache needs. */
static bool too_many_for_any(const struct sb_judged *j)
{
	return j->p->nr_cblocks > le32_to_cpu(j->sb->nr_cblocks) &&
	       dmc_md_min_blocks(j->p->nr_cblocks, j->p->nr_dblocks, false) > DMC_SB_MAX_MD_BLOCKS;
}

/* A cache that has grown needs longer arrays, and the space map never grows. */
static bool no_room_to_grow(const struct sb_judged *j)
{
	u32 nr = le32_to_cpu(j->sb->nr_cblocks);
	bool format2 = le32_to_cpu(j->sb->version) == 2;
	u64 nr_free = sm_nr_blocks(j->sb) - le64_to_cpu(j->sb->sm_root.nr_allocated);

	return j->p->nr_cblocks > nr && nr_free < dmc_md_growth(nr, j->p->nr_cblocks, format2);
}

#define SB_NOT_OURS "block 0 is no dm-cache superblock, nor all zero, so nothing was formatted: to give " \
	"up what is there, zero its first 4 KiB (dd if=/dev/zero bs=4096 count=1 oflag=direct of=...)"
/* Both texts of a rule: without partial blocks, and with them. */
#define SB_SAYS(text) text, text
#define SB_MEND(text) text ": " DMC_SB_REPAIR, text ": " DMC_SB_SETTLE

static const struct {
	bool (*refuses)(const struct sb_judged *j);
	int error;
	const char *why, *why_partial;
} sb_rules[] = {
	{ bad_blocknr, DMC_MISPLACED, SB_SAYS(SB_NOT_OURS) },
	{ bad_magic, DMC_DAMAGED, SB_SAYS(SB_NOT_OURS) },
	{ bad_checksum, DMC_DAMAGED, SB_MEND("the superblock's checksum is wrong") },
	{ bad_version, -EINVAL,
	  SB_SAYS("metadata version is neither 1 nor 2: use the dm-cache module that made it") },
	{ bad_block_size, -EINVAL, SB_SAYS("the table's block size is not that of the metadata: give the "
	  "block_size that cache_dump shows") },
	{ has_incompat, -EINVAL,
	  SB_SAYS("unknown incompatible features (incompat_flags): use the dm-cache module that made it") },
	{ has_compat_ro, -EINVAL, SB_SAYS("unknown features that forbid writing (compat_ro_flags): use the "
	  "dm-cache module that made it") },
	{ has_needs_check, -EPERM, "needs_check is set: run cache_check, then cache_check "
	  "--clear-needs-check-flag, or cache_repair onto another metadata device",
	  "needs_check is set: " DMC_SB_SETTLE },
	{ device_shrank, DMC_NO_ROOM, "the metadata device is smaller than the metadata on it: give it "
	  "its former size, or run cache_check, then cache_repair onto another metadata device",
	  "the metadata device is smaller than the metadata on it: give it its former size" },
	{ bad_space_map, DMC_DAMAGED, SB_MEND("the space map's root is damaged") },
	{ sb_bad_root, DMC_DAMAGED, SB_MEND("a root in the superblock is not a metadata block") },
	{ bad_partial, DMC_DAMAGED,
	  SB_MEND("what the superblock says of partial blocks makes no sense") },
	{ too_many_cblocks, -EFBIG, SB_MEND("more cache blocks than a cache can have") },
	{ arrays_too_long, DMC_DAMAGED,
	  SB_MEND("more cache or discard blocks than the metadata has room for") },
	{ bad_discards, DMC_DAMAGED, SB_MEND("the size of the discard bitset makes no sense") },
	{ too_many_for_any, DMC_NO_ROOM, SB_SAYS("so many cache blocks need more metadata than its format can hold, "
	  "15.9 GiB: use a smaller cache device, or make the cache anew with a larger block_size") },
	{ no_room_to_grow, DMC_NO_ROOM, "the metadata device has no room for so many more cache blocks: "
	  "use cache_repair onto a larger metadata device, then load the table with that",
	  "the metadata device has no room for so many more cache blocks: load the cache in its former "
	  "size with write_allocate 0, wait for 0 partial blocks, then use cache_repair onto a larger one" },
};

/* The first rules establish that this is a superblock at all. */
#define SB_RULES_TO_BELIEVE 3

int dmc_sb_check(const struct dmc_superblock *sb, const struct dmc_md_params *p, u64 device_blocks,
		 struct dmc_md_summary *out, dmc_md_reason_t *why)
{
	struct sb_judged j = { .sb = sb, .p = p, .device_blocks = device_blocks };
	u32 flags = le32_to_cpu(sb->flags);
	unsigned int i;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < ARRAY_SIZE(sb_rules); i++) {
		if (i == SB_RULES_TO_BELIEVE) {
			out->version = le32_to_cpu(sb->version);
			out->block_sectors = le32_to_cpu(sb->block_sectors);
			out->nr_cblocks = le32_to_cpu(sb->nr_cblocks);
			out->clean = flags & DMC_SB_CLEAN;
			out->needs_check = flags & DMC_SB_NEEDS_CHECK;
			out->fingerprint = le32_to_cpu(sb->csum);
		}
		if (sb_rules[i].refuses(&j)) {
			*why = dmc_sb_has_partial(sb) ? sb_rules[i].why_partial : sb_rules[i].why;
			return sb_rules[i].error;
		}
	}
	return 0;
}

void dmc_sb_init(struct dmc_superblock *sb, const struct dmc_md_params *p)
{
	memset(sb, 0, sizeof(*sb));
	sb->magic = cpu_to_le64(DMC_SB_MAGIC);
	sb->version = cpu_to_le32(p->format2 ? 2 : 1);
	sb->block_sectors = cpu_to_le32(p->block_sectors);
	sb->metadata_block_sectors = cpu_to_le32(DMC_MD_BLOCK_SECTORS);
}

void dmc_sb_get_policy(const struct dmc_superblock *sb, struct dmc_md_policy *policy)
{
	const size_t len = strnlen((const char *)sb->policy_name, sizeof(sb->policy_name));
	int i;

	/* A stored name without NUL is longer than any of ours, so it is as good as none. */
	memset(policy, 0, sizeof(*policy));
	if (len < sizeof(policy->name))
		memcpy(policy->name, sb->policy_name, len);
	for (i = 0; i < 3; i++)
		policy->version[i] = le32_to_cpu(sb->policy_version[i]);
	policy->hint_size = le32_to_cpu(sb->policy_hint_size);
}

bool dmc_sb_policy_matches(const struct dmc_superblock *sb, const struct dmc_md_policy *policy)
{
	struct dmc_md_policy stored;

	dmc_sb_get_policy(sb, &stored);
	return stored.name[0] && !strcmp(stored.name, policy->name) &&
	       stored.version[0] == policy->version[0] &&
	       stored.hint_size == policy->hint_size;
}
