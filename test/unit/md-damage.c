// SPDX-License-Identifier: GPL-2.0-only
/*
 * md-damage.c - random damage under right checksums; md-damage.h.
 */
#include "md-damage.h"

#define BLOCK 4096

static const struct {
	u32 salt;
	const char *name;
} kinds[] = {
	{ 9031977, "superblock" },
	{ 121107, "tree" },
	{ 595846735, "array" },
	{ 160478, "index" },
	{ 240779, "bitmap" },
};

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

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].salt == salt)
			return salt;
	return 0;
}

static const char *kind_of(u32 salt)
{
	int i = 0;

	while (kinds[i].salt != salt)
		i++;
	return kinds[i].name;
}

void damage_init(struct damage_base *b, struct shim_disk *d)
{
	u64 i;

	memset(b, 0, sizeof(*b));
	b->d = d;
	for (i = 0; i < b->d->nr_sectors / 8 && b->nr < ARRAY_SIZE(b->blocks); i++) {
		u32 salt = salt_of(b->d->data + i * BLOCK);

		if (!salt)
			continue;
		b->salt[b->nr] = salt;
		b->blocks[b->nr++] = i;
	}
	CHECK(b->nr > 5);
}

void damage_once(struct damage_base *b, struct shim_disk *d)
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
	b->kind = kind_of(b->salt[k]);
	b->offset = offset;
	b->size = size;
	/* Own numbers are made right as well, now and then wrong. */
	*(u32 *)block = checksum(block) ^ b->salt[k];
}
