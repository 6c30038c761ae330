// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-md-fuzz.c - metadata with random damage under right checksums: whatever it does, it is
 * refused, or fails cleanly, or works; nothing crashes, loops, leaks or stays locked.
 */
#include "md-test.h"

#define BLOCK 4096

static const u32 salts[] = { 9031977, 121107, 595846735, 160478, 240779 };

static u32 checksum(const u8 *block)
{
	u32 c = ~0U, i, k;

	for (i = 4; i < BLOCK; i++) {
		c ^= block[i];
		for (k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0x82F63B78 : c >> 1;
	}
	return c;
}

/* The salt of the block's kind; 0 if it is none of metadata's. */
static u32 salt_of(const u8 *block)
{
	u32 salt = *(const u32 *)block ^ checksum(block);
	int i;

	for (i = 0; i < ARRAY_SIZE(salts); i++)
		if (salts[i] == salt)
			return salt;
	return 0;
}

struct base {
	struct shim_disk *d;
	u32 blocks[600];	/* those in use */
	u32 salt[600];
	unsigned int nr;
};

static void base_init(struct base *b, const char *name)
{
	u64 i;

	memset(b, 0, sizeof(*b));
	b->d = vector_disk(name);
	for (i = 0; i < b->d->nr_sectors / 8 && b->nr < ARRAY_SIZE(b->blocks); i++) {
		u32 salt = salt_of(b->d->data + i * BLOCK);

		if (!salt)
			continue;
		b->salt[b->nr] = salt;
		b->blocks[b->nr++] = i;
	}
	CHECK(b->nr > 5);
}

/* Mostly in headers and first entries; a number that is likely to hurt, or any. */
static void damage(struct base *b, struct shim_disk *d)
{
	static const u64 numbers[] = {
		0, 1, 2, 3, 83, 84, 126, 252, 253, 508, 509, 510, 511, 512, 1018, 4096, 16320,
		65535, 1 << 29, 0x7fffffff, 0x80000000, 0xffffffff, 1ULL << 40, ~0ULL
	};
	unsigned int k = unit_below(b->nr), size = 1 << unit_below(4);
	u8 *block = d->data + (u64)b->blocks[k] * BLOCK;
	u32 offset = unit_below(3) ? unit_below(12) * 4 + 4 : unit_below(BLOCK - 16) + 4;
	u64 n;

	if (!b->blocks[k] && unit_below(2))
		offset = 64 + 8 * unit_below(28);
	switch (unit_below(4)) {
	case 0:
		n = numbers[unit_below(ARRAY_SIZE(numbers))];
		break;
	case 1:
		n = unit_below(520);
		break;
	case 2:
		n = b->blocks[unit_below(b->nr)];
		break;
	default:
		memcpy(&n, block + offset, 8);
		n ^= 1ULL << unit_below(8 * size);
	}
	memcpy(block + offset, &n, size);
	/* Own numbers are made right as well, now and then wrong. */
	*(u32 *)block = checksum(block) ^ b->salt[k];
}

static void one(struct base *b, bool *loaded, bool *worked)
{
	struct shim_disk *d = disk_clone(b->d);
	struct dmc_md_params p = md_params(d);
	struct dmc_md_policy policy = { .name = "smq", .version = { 2 }, .hint_size = 4 };
	struct dmc_md_summary s;
	dmc_md_reason_t why;
	struct dmc_md *md;
	struct model *m;
	unsigned int i;
	int r;

	p.origin_blocks = 1 << 20;
	for (i = 0; i < 1 + unit_below(3); i++)
		damage(b, d);
	dmc_md_probe(&p, &s, &why);
	md = dmc_md_open(&p, &why);
	if (IS_ERR(md)) {
		CHECK(why[0]);
		disk_free(d);
		return;
	}
	m = model_load(md, &policy, &r);
	*loaded |= !!m;
	if (m) {
		/* A wrong number of cblocks may be large. */
		r = m->nr < 1 << 20 ? md_cycle(md, m) : -EFBIG;
		*worked |= !r;
		if (r == -EFBIG)
			dmc_md_close(md);
		else if (r)
			md_give_up(md, &p);
		else
			dmc_md_close(md);
	} else {
		dmc_md_close(md);
	}
	CHECK(!shim_bufio_held());
	model_free(m);
	disk_free(d);
}

static void fuzz(const char *name, unsigned int rounds)
{
	bool loaded = false, worked = false;
	struct base b;
	unsigned int i;

	base_init(&b, name);
	for (i = 0; i < rounds; i++) {
		unit_note("%s, round %u", name, i);
		unit_srand(i * 1000003ULL + 17);
		one(&b, &loaded, &worked);
	}
	CHECK(loaded && worked);
	disk_free(b.d);
}

static void test_format1(void)
{
	fuzz("g13-kernel-dirty-discards-clean-v1", 1500);
}

static void test_format2(void)
{
	fuzz("g14-kernel-dirty-discards-clean-v2", 1500);
}

static void test_shared(void)
{
	fuzz("g28-shared-array-block-v1", 800);
}

static void test_large(void)
{
	fuzz("g25-restore-200k-v2", 60);
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "random damage, format 1", test_format1 },
		{ "random damage, format 2", test_format2 },
		{ "random damage, shared blocks", test_shared },
		{ "random damage, trees of two levels", test_large },
		{ }
	};

	return unit_main(argc, argv, tests);
}
