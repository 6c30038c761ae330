// SPDX-License-Identifier: GPL-2.0-only
#include "md-fsck.h"

#define BLOCK 4096
#define BITMAP_ENTRIES 16320
#define MAX_DEPTH 16

enum kind { SUPERBLOCK, NODE, ARRAY, INDEX, BITMAP };
static const u32 salts[] = { 9031977, 121107, 595846735, 160478, 240779 };

struct fsck {
	const u8 *data;
	u64 device_blocks;
	u64 nr_blocks;
	unsigned int flags;
	u32 *refs;		/* found */
	u32 *counts;		/* stored */
	struct md_content *c;
	char text[160];		/* "" as long as all is well */
};

static u32 le32(const u8 *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (u32)p[3] << 24;
}

static u64 le64(const u8 *p)
{
	return le32(p) | (u64)le32(p + 4) << 32;
}

static bool bad(struct fsck *f, const char *fmt, ...)
{
	va_list args;

	if (!f->text[0]) {
		va_start(args, fmt);
		vsnprintf(f->text, sizeof(f->text), fmt, args);
		va_end(args);
	}
	return false;
}

#define NEED(cond, ...) do { if (!(cond)) return bad(f, __VA_ARGS__); } while (0)

static u32 crc(const u8 *p, size_t n)
{
	static u32 table[256];
	u32 c = ~0U, i, k;

	if (!table[1])
		for (i = 0; i < 256; i++) {
			for (c = i, k = 0; k < 8; k++)
				c = c & 1 ? c >> 1 ^ 0x82F63B78 : c >> 1;
			table[i] = c;
		}
	for (c = ~0U; n--; p++)
		c = c >> 8 ^ table[(c ^ *p) & 0xff];
	return c;
}

/* The block, checked, and one more reference to it; NULL if bad. */
static const u8 *block(struct fsck *f, u64 b, enum kind kind, const char *what)
{
	const u8 *p = f->data + b * BLOCK;

	if (b >= f->nr_blocks || (!b && kind != SUPERBLOCK)) {
		bad(f, "%s: block %llu is out of range", what, b);
		return NULL;
	}
	if (le64(p + (kind == ARRAY ? 16 : 8)) != b ||
	    le32(p) != (crc(p + 4, BLOCK - 4) ^ salts[kind])) {
		bad(f, "%s: block %llu has a wrong number or checksum", what, b);
		return NULL;
	}
	f->refs[b]++;
	return p;
}

/*----- btree -----*/

typedef bool (*leaf_fn)(struct fsck *f, void *ctx, u64 key, const u8 *value);

struct walk {
	const char *what;
	u32 value_size;
	bool exact;		/* a child's first key equals its parent's, nodes are filled enough */
	leaf_fn fn;
	void *ctx;
	int leaf_depth;
	bool any;
	u64 last;
};

static bool node(struct fsck *f, struct walk *w, u64 b, int depth, u64 lo, u64 hi)
{
	const u8 *p = block(f, b, NODE, w->what);
	u32 nr, max, size, i;
	bool leaf;

	if (!p)
		return false;
	nr = le32(p + 16), max = le32(p + 20), size = le32(p + 24);
	NEED(le32(p + 4) == 1 || le32(p + 4) == 2, "%s: node %llu: flags", w->what, b);
	leaf = le32(p + 4) == 2;
	NEED(size == (leaf ? w->value_size : 8), "%s: node %llu: value size", w->what, b);
	NEED(max == (BLOCK - 32) / (8 + size) / 3 * 3, "%s: node %llu: max_entries", w->what, b);
	NEED(nr <= max && (nr || (leaf && !depth)), "%s: node %llu: nr_entries", w->what, b);
	NEED(!depth || !w->exact || nr >= max / 3, "%s: node %llu is too empty", w->what, b);
	NEED(depth < MAX_DEPTH, "%s: too deep", w->what);
	if (leaf) {
		NEED(w->leaf_depth < 0 || w->leaf_depth == depth, "%s: uneven", w->what);
		w->leaf_depth = depth;
	}
	for (i = 0; i < nr; i++) {
		u64 key = le64(p + 32 + 8 * i), end = i + 1 < nr ? le64(p + 40 + 8 * i) : hi;
		const u8 *value = p + 32 + 8 * max + size * i;

		NEED(key < end && key >= lo, "%s: node %llu: key %llu is out of order", w->what, b, key);
		NEED(!depth || i || !w->exact || key == lo, "%s: node %llu: first key", w->what, b);
		if (!leaf && !node(f, w, le64(value), depth + 1, key, end))
			return false;
		if (leaf && !w->fn(f, w->ctx, key, value))
			return false;
	}
	return true;
}

static bool btree(struct fsck *f, u64 root, u32 value_size, const char *what, leaf_fn fn, void *ctx)
{
	struct walk w = { .what = what, .value_size = value_size, .exact = value_size == 8,
			  .fn = fn, .ctx = ctx, .leaf_depth = -1 };

	return node(f, &w, root, 0, 0, ~0ULL);
}

/*----- arrays -----*/

struct array {
	const char *what;
	u32 value_size;
	bool known;		/* @want says how many elements there must be */
	u64 want, next, nr;
	u8 *values;
};

static bool array_block(struct fsck *f, void *ctx, u64 key, const u8 *value)
{
	struct array *a = ctx;
	u32 max = (BLOCK - 24) / a->value_size, nr;
	u64 begin = key * max, need = 0;
	const u8 *p = block(f, le64(value), ARRAY, a->what);

	if (!p)
		return false;
	nr = le32(p + 8);
	NEED(le32(p + 4) == max && nr <= max && le32(p + 12) == a->value_size,
	     "%s: array block %llu: header", a->what, key);
	if (a->known && begin >= a->want) {
		NEED(f->flags & FSCK_STALE_OK, "%s: array block %llu is past the end", a->what, key);
		return true;
	}
	NEED(key == a->next++, "%s: array block %llu is missing", a->what, a->next);
	if (a->known) {
		need = min_t(u64, max, a->want - begin);
		NEED(nr >= need, "%s: array block %llu is too short", a->what, key);
		NEED(nr == need || f->flags & FSCK_STALE_OK, "%s: array block %llu is too long", a->what, key);
		nr = need;
	}
	a->values = realloc(a->values, (a->nr + nr + 1) * a->value_size);
	memcpy(a->values + a->nr * a->value_size, p + 24, nr * a->value_size);
	a->nr += nr;
	return true;
}

static bool array(struct fsck *f, u64 root, struct array *a)
{
	a->values = malloc(8);
	if (!btree(f, root, 8, a->what, array_block, a))
		return false;
	NEED(!a->known || a->nr == a->want, "%s: %llu elements, not %llu", a->what, a->nr, a->want);
	return true;
}

/* One byte a bit. */
static bool bitset(struct fsck *f, u64 root, u64 nr, const char *what, u8 **bits)
{
	struct array a = { .what = what, .value_size = 8, .known = true, .want = (nr + 63) / 64 };
	bool ok = array(f, root, &a);
	u64 i;

	*bits = calloc(nr + 1, 1);
	for (i = 0; ok && i < a.nr * 64; i++) {
		bool set = a.values[i / 8] >> (i % 8) & 1;

		if (i < nr)
			(*bits)[i] = set;
		else if (set && !(f->flags & FSCK_STALE_OK))
			ok = bad(f, "%s: bit %llu of %llu is set", what, i, nr);
	}
	free(a.values);
	return ok;
}

/*----- space map -----*/

static bool big_count(struct fsck *f, void *ctx, u64 key, const u8 *value)
{
	NEED(key < f->nr_blocks && f->counts[key] == 3 && le32(value) >= 3, "reference count of %llu", key);
	f->counts[key] = le32(value) | 1U << 31;
	return true;
}

static bool bitmap(struct fsck *f, u64 i, const u8 *entry)
{
	const u8 *p = block(f, le64(entry), BITMAP, "bitmap");
	u64 first = i * BITMAP_ENTRIES, in_use = 0, k, first_free = BITMAP_ENTRIES;
	u64 here = min_t(u64, BITMAP_ENTRIES, f->nr_blocks - first);
	u32 nr_free = le32(entry + 8);

	if (!p)
		return false;
	for (k = 0; k < BITMAP_ENTRIES; k++) {
		u32 two = p[16 + k / 4] >> (2 * (k % 4)) & 3;

		two = (two & 1) << 1 | two >> 1;
		NEED(!two || k < here, "bitmap %llu: entry past the end", i);
		in_use += two != 0;
		if (!two && first_free == BITMAP_ENTRIES)
			first_free = k;
		if (k < here)
			f->counts[first + k] = two;
	}
	NEED(nr_free == BITMAP_ENTRIES - in_use || nr_free == here - in_use, "bitmap %llu: nr_free %u", i, nr_free);
	NEED(le32(entry + 12) <= first_free, "bitmap %llu: none_free_before", i);
	f->c->nr_used += in_use;
	return true;
}

static bool space_map(struct fsck *f, const u8 *root)
{
	u64 nr = le64(root), i, bitmaps = (nr + BITMAP_ENTRIES - 1) / BITMAP_ENTRIES;
	const u8 *index;

	NEED(nr && nr <= f->device_blocks && bitmaps <= 255, "space map: %llu blocks", nr);
	f->nr_blocks = nr;
	index = block(f, le64(root + 16), INDEX, "index");
	if (!index)
		return false;
	for (i = 0; i < 255; i++) {
		const u8 *entry = index + 16 + 16 * i;

		if (i >= bitmaps)
			NEED(!le64(entry) && !le64(entry + 8), "index: entry %llu is not zero", i);
		else if (!bitmap(f, i, entry))
			return false;
	}
	NEED(le64(root + 8) == f->c->nr_used, "space map: %llu allocated, but %llu are", le64(root + 8),
	     f->c->nr_used);
	if (!btree(f, le64(root + 24), 4, "reference counts", big_count, NULL))
		return false;
	for (i = 0; i < nr; i++) {
		NEED(f->counts[i] != 3, "block %llu: no big reference count", i);
		f->counts[i] &= ~(1U << 31);
	}
	return true;
}

static bool compare_counts(struct fsck *f)
{
	u64 i;

	for (i = 0; i < f->nr_blocks; i++) {
		if (f->counts[i] == f->refs[i])
			continue;
		if (f->counts[i] == 1 && !f->refs[i] && f->flags & FSCK_LEAKS_OK)
			continue;
		return bad(f, "block %llu: count %u, references %u", i, f->counts[i], f->refs[i]);
	}
	return true;
}

/*----- all of it -----*/

static bool mappings(struct fsck *f, const u8 *sb)
{
	struct md_content *c = f->c;
	struct array a = { .what = "mappings", .value_size = 8, .known = true, .want = c->nr_cblocks };
	bool ok = array(f, le64(sb + 192), &a);
	u64 i;

	c->maps = calloc(c->nr_cblocks + 1, 8);
	for (i = 0; ok && i < a.nr; i++)
		c->maps[i] = le64(a.values + 8 * i);
	free(a.values);
	if (!ok)
		return false;

	if (c->version == 2) {
		if (!bitset(f, le64(sb + 284), c->nr_cblocks, "dirty bits", &c->dirty))
			return false;
	} else {
		c->dirty = calloc(c->nr_cblocks + 1, 1);
		for (i = 0; i < c->nr_cblocks; i++)
			c->dirty[i] = c->maps[i] >> 1 & 1;
	}
	for (i = 0; i < c->nr_cblocks; i++) {
		u64 m = c->maps[i];

		NEED(!(m & 0xffff & ~(c->version == 2 ? 1ULL : 3ULL)), "mapping %llu: flags %llx", i, m & 0xffff);
		NEED(m & 1 || !m, "mapping %llu: not valid, not zero", i);
		NEED(m & 1 || !c->dirty[i] || f->flags & FSCK_UNMAPPED_DIRTY_OK, "%llu: unmapped but dirty", i);
	}
	return true;
}

static int compare_u64(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static bool no_oblock_twice(struct fsck *f)
{
	u64 *sorted = calloc(f->c->nr_cblocks + 1, 8), i, n = 0;
	bool ok = true;

	for (i = 0; i < f->c->nr_cblocks; i++)
		if (f->c->maps[i] & 1)
			sorted[n++] = f->c->maps[i] >> 16;
	qsort(sorted, n, 8, compare_u64);
	for (i = 1; i < n && ok; i++)
		if (sorted[i] == sorted[i - 1])
			ok = bad(f, "origin block %llu is mapped twice", sorted[i]);
	free(sorted);
	return ok;
}

/* Maps of whole granules of partial blocks, all of them mapped and, where that is stored, dirty. */
static bool valid_map(struct fsck *f, void *ctx, u64 key, const u8 *value)
{
	struct md_content *c = f->c;
	u32 granules = (c->block_sectors + *(u32 *)ctx - 1) / *(u32 *)ctx, set = 0, i;

	NEED(key < c->nr_cblocks && c->maps[key] & 1, "valid map of %llu, which is not mapped", key);
	NEED(c->dirty[key] || !(c->flags & 1), "valid map of %llu, which is clean", key);
	for (i = 0; i < 256; i++) {
		bool bit = value[i / 8] >> (i % 8) & 1;

		NEED(!bit || i < granules, "valid map of %llu: granule %u", key, i);
		set += bit;
	}
	NEED(set && set < granules, "valid map of %llu: %u granules of %u", key, set, granules);
	for (i = 0; i < 4; i++)
		c->valid[key][i] = le64(value + 8 * i);
	c->nr_partial++;
	return true;
}

static bool partial(struct fsck *f, const u8 *sb)
{
	u32 granule = le32(sb + 124);
	int i;

	f->c->valid = calloc(f->c->nr_cblocks + 1, 32);
	for (i = 128; i < 192; i++)
		NEED(!sb[i], "superblock: byte %d is not zero", i);
	if (!le32(sb + 252)) {
		for (i = 112; i < 128; i++)
			NEED(!sb[i], "superblock: byte %d is not zero", i);
		return true;
	}
	/* 4 KiB, or as many of them as make 256 a block at most. */
	NEED(granule == (f->c->block_sectors + 2047) / 2048 * 8, "superblock: granules of %u", granule);
	if (!btree(f, le64(sb + 112), 32, "valid maps", valid_map, &granule))
		return false;
	NEED(f->c->nr_partial && f->c->nr_partial == le32(sb + 120), "%llu partial blocks", f->c->nr_partial);
	return true;
}

static bool hints(struct fsck *f, const u8 *sb)
{
	struct md_content *c = f->c;
	struct array a = { .what = "hints", .value_size = 4, .want = c->nr_cblocks };
	bool ok;
	u64 i;

	if (!le64(sb + 200))
		return true;
	a.known = c->flags & 1 && c->hint_size;
	ok = array(f, le64(sb + 200), &a);
	c->hints = calloc(a.nr + 1, 4);
	c->nr_hints = a.nr;
	for (i = 0; ok && i < a.nr; i++)
		c->hints[i] = le32(a.values + 4 * i);
	free(a.values);
	return ok;
}

static bool all(struct fsck *f)
{
	const u8 *sb = f->data;
	struct md_content *c = f->c;
	int i;

	NEED(f->device_blocks, "no superblock");
	f->nr_blocks = f->device_blocks;
	NEED(le64(sb + 32) == 06142003, "superblock: magic");
	if (!block(f, 0, SUPERBLOCK, "superblock"))
		return false;
	c->version = le32(sb + 40);
	NEED(c->version == 1 || c->version == 2, "superblock: version");
	c->flags = le32(sb + 4);
	NEED(c->flags <= 3, "superblock: flags");
	memcpy(c->policy, sb + 44, 16);
	NEED(memchr(c->policy, 0, 16), "superblock: policy name");
	c->hint_size = le32(sb + 60);
	NEED(c->hint_size == 0 || c->hint_size == 4, "superblock: hint size");
	c->discard_block_sectors = le64(sb + 216);
	c->nr_dblocks = le64(sb + 224);
	c->block_sectors = le32(sb + 232);
	NEED(le32(sb + 236) == 8, "superblock: metadata block size");
	c->nr_cblocks = le32(sb + 240);
	NEED(!le32(sb + 244) && !le32(sb + 248) && !(le32(sb + 252) & ~(1U << 31)), "superblock: features");
	for (i = 0; i < 4; i++)
		c->stats[i] = le32(sb + 256 + 4 * i);
	for (i = 0; i < 3; i++)
		c->policy_version[i] = le32(sb + 272 + 4 * i);
	for (i = 292; i < BLOCK; i++)
		NEED(!sb[i], "superblock: byte %d is not zero", i);

	return space_map(f, sb + 64) && mappings(f, sb) && no_oblock_twice(f) &&
	       partial(f, sb) && hints(f, sb) &&
	       bitset(f, le64(sb + 208), c->nr_dblocks, "discard bits", &c->discards) &&
	       compare_counts(f);
}

const char *md_fsck(const u8 *data, u64 bytes, unsigned int flags, struct md_content *c)
{
	static char text[160];
	struct md_content own;
	struct fsck f = { .data = data, .device_blocks = bytes / BLOCK, .flags = flags };
	bool ok;

	f.c = c ? c : &own;
	memset(f.c, 0, sizeof(*f.c));
	f.refs = calloc(f.device_blocks + 1, sizeof(u32));
	f.counts = calloc(f.device_blocks + 1, sizeof(u32));
	ok = all(&f);
	f.c->nr_blocks = f.nr_blocks;
	free(f.refs);
	free(f.counts);
	if (!c)
		md_content_free(&own);
	strcpy(text, f.text);
	return ok ? NULL : text;
}

void md_content_free(struct md_content *c)
{
	free(c->maps);
	free(c->dirty);
	free(c->valid);
	free(c->hints);
	free(c->discards);
	memset(c, 0, sizeof(*c));
}
