// SPDX-License-Identifier: GPL-2.0-only
#include <linux/crc32c.h>

#include "pd-world.h"

#define BLOCK 4096

struct toy_superblock {
	__le32 csum;
	__le32 flags;
	__le64 blocknr;
	u8 padding[48];
	u8 sm_root[128];
	struct {
		__le64 kind, block, word;
	} roots[NR_ROOTS];
};

const struct dmc_validator world_sb_validator = {
	.name = "superblock",
	.salt = 9031977,
	.blocknr_offset = 8,
};

/*----- opening, committing -----*/

static int write_superblock(struct world *w)
{
	struct toy_superblock *sb;
	struct dmc_block *blk;
	int r, i;

	r = dmc_tm_pre_commit(w->tm);
	if (r)
		return r;
	r = dmc_bm_write_lock_zero(w->bm, 0, &world_sb_validator, &blk);
	if (r)
		return r;
	sb = dmc_block_data(blk);
	dmc_tm_copy_sm_root(w->tm, sb->sm_root);
	for (i = 0; i < NR_ROOTS; i++) {
		sb->roots[i].kind = cpu_to_le64(w->roots[i].kind);
		sb->roots[i].block = cpu_to_le64(w->roots[i].block);
		sb->roots[i].word = cpu_to_le64(w->roots[i].word);
	}
	return dmc_tm_commit(w->tm, blk);
}

int world_commit(struct world *w)
{
	return write_superblock(w);
}

static int is_blank(struct world *w, bool *blank)
{
	struct dmc_block *blk;
	int r = dmc_bm_read_lock(w->bm, 0, NULL, &blk);

	if (r)
		return r;
	*blank = !memchr_inv(dmc_block_data(blk), 0, BLOCK);
	dmc_bm_unlock(blk);
	return 0;
}

static int open_tm(struct world *w)
{
	struct toy_superblock *sb;
	struct dmc_block *blk;
	int r, i;

	r = dmc_bm_read_lock(w->bm, 0, &world_sb_validator, &blk);
	if (r)
		return r;
	sb = dmc_block_data(blk);
	for (i = 0; i < NR_ROOTS; i++) {
		w->roots[i].kind = le64_to_cpu(sb->roots[i].kind);
		w->roots[i].block = le64_to_cpu(sb->roots[i].block);
		w->roots[i].word = le64_to_cpu(sb->roots[i].word);
	}
	r = dmc_tm_open(w->bm, 0, sb->sm_root, &w->tm);
	dmc_bm_unlock(blk);
	return r;
}

int world_open(struct world *w, struct shim_disk *disk)
{
	bool blank;
	int r;

	memset(w, 0, sizeof(*w));
	w->disk = disk;
	w->bm = dmc_bm_create(disk_bdev(disk), "test");
	if (IS_ERR(w->bm))
		return PTR_ERR(w->bm);
	r = is_blank(w, &blank);
	if (!r && blank) {
		r = dmc_tm_create(w->bm, 0, &w->tm);
		if (!r)
			r = world_commit(w);
	} else if (!r) {
		r = open_tm(w);
	}
	if (r)
		world_close(w);
	return r;
}

void world_close(struct world *w)
{
	dmc_tm_destroy(w->tm);
	w->tm = NULL;
	if (!IS_ERR_OR_NULL(w->bm))
		dmc_bm_destroy(w->bm);
	w->bm = NULL;
}

void world_create(struct world *w, u64 blocks)
{
	struct shim_disk *disk = disk_create(blocks * 8);

	CHECK_OK(world_open(w, disk));
	w->own_disk = true;
}

void world_reopen(struct world *w)
{
	bool own = w->own_disk;

	world_close(w);
	CHECK_OK(world_open(w, w->disk));
	w->own_disk = own;
}

void world_destroy(struct world *w)
{
	const char *wrong;

	if (w->bm)
		world_close(w);
	wrong = world_check_disk(w->disk);
	CHECK_MSG(!wrong, "%s", wrong);
	if (w->own_disk)
		disk_free(w->disk);
}

void world_check(struct world *w)
{
	const char *wrong;

	CHECK_OK(world_commit(w));
	wrong = world_check_disk(w->disk);
	CHECK_MSG(!wrong, "%s", wrong);
}

/*----- an independent look at the disk -----*/

struct look {
	struct shim_disk *disk;
	u64 nr;			/* blocks covered */
	u32 *counts;		/* references found */
	bool *visited;
	char why[256];
};

static char verdict[256];

static u32 le32(const u8 *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (u32)p[3] << 24;
}

static u64 le64(const u8 *p)
{
	return le32(p) | (u64)le32(p + 4) << 32;
}

static bool wrong(struct look *l, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(l->why, sizeof(l->why), fmt, args);
	va_end(args);
	return false;
}

static const u8 *block(struct look *l, u64 b, u32 salt, u32 nr_at)
{
	const u8 *p = l->disk->data + b * BLOCK;

	if (!b || b >= l->nr) {
		wrong(l, "block %llu out of range", b);
		return NULL;
	}
	if (le64(p + nr_at) != b || le32(p) != (crc32c(~0u, p + 4, BLOCK - 4) ^ salt)) {
		wrong(l, "block %llu: checksum or number wrong for salt %u", b, salt);
		return NULL;
	}
	return p;
}

static const u8 *node(struct look *l, u64 b, u32 *nr, u32 *max, bool *leaf, const u8 **values)
{
	const u8 *p = block(l, b, 121107, 8);
	u32 i;

	if (!p)
		return NULL;
	*nr = le32(p + 16);
	*max = le32(p + 20);
	*leaf = le32(p + 4) == 2;
	*values = p + 32 + 8 * *max;
	if (le32(p + 4) != 1 && le32(p + 4) != 2)
		wrong(l, "block %llu: flags", b);
	else if (*max % 3 || *nr > *max || 32 + (u64)*max * (8 + le32(p + 24)) > BLOCK)
		wrong(l, "block %llu: entries %u of %u", b, *nr, *max);
	for (i = 1; i < *nr; i++)
		if (le64(p + 32 + 8 * i) <= le64(p + 32 + 8 * (i - 1)))
			wrong(l, "block %llu: key order", b);
	return l->why[0] ? NULL : p;
}

static bool look_tree(struct look *l, u64 b, int levels, bool arrays, u32 depth, u64 lo, u64 hi,
		      bool root, bool refcounts);

static bool look_array_block(struct look *l, u64 b)
{
	const u8 *p;

	if (b < l->nr && l->counts[b]++)
		return true;
	p = block(l, b, 595846735, 16);
	if (!p)
		return false;
	if (le32(p + 4) != (BLOCK - 24) / le32(p + 12) || le32(p + 8) > le32(p + 4))
		return wrong(l, "block %llu: array block", b);
	return true;
}

static bool look_entries(struct look *l, const u8 *p, u32 nr, bool leaf, const u8 *values,
			 int levels, bool arrays, u32 depth, u64 hi, bool refcounts)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		u64 key = le64(p + 32 + 8 * i), v = le64(values + 8 * (u64)i);
		u64 last = i + 1 < nr ? le64(p + 32 + 8 * (i + 1)) - 1 : hi;

		if (!leaf &&
		    !look_tree(l, v, levels, arrays, depth - 1, key, last, false, refcounts))
			return false;
		if (leaf && levels > 1 &&
		    !look_tree(l, v, levels - 1, arrays, 16, 0, ~0ull, true, false))
			return false;
		if (leaf && levels == 1 && arrays && !look_array_block(l, v))
			return false;
	}
	return true;
}

static bool look_tree(struct look *l, u64 b, int levels, bool arrays, u32 depth, u64 lo, u64 hi,
		      bool root, bool refcounts)
{
	const u8 *p, *values;
	u32 nr, max;
	bool leaf;

	if (!depth)
		return wrong(l, "block %llu: too deep", b);
	if (b && b < l->nr && l->counts[b]++)
		return true;
	p = node(l, b, &nr, &max, &leaf, &values);
	if (!p)
		return false;
	if (!root && nr < max / 3)
		return wrong(l, "block %llu: %u entries of %u", b, nr, max);
	if (nr && ((!root && le64(p + 32) != lo) || le64(p + 32 + 8 * (nr - 1)) > hi))
		return wrong(l, "block %llu: keys out of their range", b);
	return look_entries(l, p, nr, leaf, values, levels, arrays, depth, hi, refcounts);
}

/* The count of block @b according to the map, 3 = look in the tree. */
static u32 small_count(struct look *l, const u8 *index, u64 b)
{
	const u8 *bitmap = l->disk->data + le64(index + 16 + 16 * (b / 16320)) * BLOCK;
	u32 k = b % 16320, two = bitmap[16 + k / 4] >> 2 * (k % 4) & 3;

	return (two & 1) << 1 | two >> 1;
}

static bool raw_tree(struct look *l, u64 b, u64 key, u32 size, void *value)
{
	const u8 *p, *values;
	u32 nr, max, depth;
	bool leaf;

	for (depth = 0; depth < 16; depth++) {
		int i = -1;

		p = node(l, b, &nr, &max, &leaf, &values);
		if (!p)
			return false;
		while (i + 1 < (int)nr && le64(p + 32 + 8 * (i + 1)) <= key)
			i++;
		if (i < 0)
			return false;
		if (leaf) {
			memcpy(value, values + (u64)i * size, size);
			return le64(p + 32 + 8 * i) == key;
		}
		b = le64(values + 8 * (u64)i);
	}
	return false;
}

static u64 tree_entries(struct look *l, u64 b)
{
	const u8 *p, *values;
	u32 nr, max, i;
	bool leaf;
	u64 n = 0;

	p = node(l, b, &nr, &max, &leaf, &values);
	if (!p || leaf)
		return p ? nr : 0;
	for (i = 0; i < nr; i++)
		n += tree_entries(l, le64(values + 8 * (u64)i));
	return n;
}

static bool compare_counts(struct look *l, const u8 *index, u64 ref_root, u64 nr_allocated)
{
	u64 b, allocated = 0, big = 0;
	u32 i, free[255] = { 0 };

	for (b = 0; b < l->nr; b++) {
		u32 c = small_count(l, index, b), full = c;

		if (c == 3) {
			u8 v[4];

			if (!raw_tree(l, ref_root, b, 4, v))
				return wrong(l, "block %llu: count missing in the tree", b);
			full = le32(v);
			if (full < 3)
				return wrong(l, "block %llu: count %u in the tree", b, full);
			big++;
		}
		allocated += !!c;
		free[b / 16320] += !c;
		if (full != l->counts[b])
			return wrong(l, "block %llu: count %u, %u references", b, full, l->counts[b]);
	}
	if (allocated != nr_allocated)
		return wrong(l, "%llu allocated, %llu in the root", allocated, nr_allocated);
	if (big != tree_entries(l, ref_root))
		return wrong(l, "%llu counts of three and more, %llu in the tree", big,
			     tree_entries(l, ref_root));
	for (i = 0; i < (l->nr + 16319) / 16320; i++) {
		u32 tail = i == (l->nr - 1) / 16320 ? (16320 - l->nr % 16320) % 16320 : 0;
		u32 said = le32(index + 24 + 16 * i), before = le32(index + 28 + 16 * i), k;

		if (said != free[i] && said != free[i] + tail)
			return wrong(l, "bitmap %u: %u free, index says %u", i, free[i], said);
		for (k = 0; k < before && i * 16320ull + k < l->nr; k++)
			if (!small_count(l, index, i * 16320ull + k))
				return wrong(l, "bitmap %u: none free before %u, but %u is", i, before, k);
	}
	return true;
}

static bool look_superblock(struct look *l)
{
	const u8 *sb = l->disk->data, *index, *roots = sb + 192;
	u64 index_block = le64(sb + 80), ref_root = le64(sb + 88);
	u32 i;

	if (le32(sb) != (crc32c(~0u, sb + 4, BLOCK - 4) ^ 9031977))
		return wrong(l, "superblock checksum");
	l->counts[0]++;
	index = block(l, index_block, 160478, 8);
	if (!index)
		return false;
	l->counts[index_block]++;
	for (i = 0; i < (l->nr + 16319) / 16320; i++) {
		if (!block(l, le64(index + 16 + 16 * i), 240779, 8))
			return false;
		l->counts[le64(index + 16 + 16 * i)]++;
	}
	if (!look_tree(l, ref_root, 1, false, 16, 0, ~0ull, true, true))
		return false;
	for (i = 0; i < NR_ROOTS; i++) {
		u64 kind = le64(roots + 24 * i), root = le64(roots + 24 * i + 8);

		if (kind && !look_tree(l, root, kind == ROOT_TREE2 ? 2 : kind == ROOT_TREE3 ? 3 : 1,
				       kind == ROOT_ARRAY, 16, 0, ~0ull, true, false))
			return false;
	}
	return compare_counts(l, index, ref_root, le64(sb + 72));
}

const char *world_check_disk(struct shim_disk *disk)
{
	struct look l = { .disk = disk, .nr = le64(disk->data + 64) };

	if (!l.nr || l.nr > disk->nr_sectors / 8)
		return "space map size";
	l.counts = calloc(l.nr, sizeof(*l.counts));
	look_superblock(&l);
	free(l.counts);
	strcpy(verdict, l.why);
	return verdict[0] ? verdict : NULL;
}

bool world_raw_lookup(struct shim_disk *disk, const struct world_root *root, const u64 *keys,
		      void *value)
{
	struct look l = { .disk = disk, .nr = le64(disk->data + 64) };
	u64 b = root->block;
	int levels = root->kind == ROOT_TREE2 ? 2 : root->kind == ROOT_TREE3 ? 3 : 1;
	u8 inner[8];

	for (; levels > 1; levels--, keys++) {
		if (!raw_tree(&l, b, *keys, 8, inner))
			return false;
		b = le64(inner);
	}
	return raw_tree(&l, b, *keys, 8, value);
}
