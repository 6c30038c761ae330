// SPDX-License-Identifier: GPL-2.0-only
#include <linux/crc32c.h>

#include "fuzz.h"

#define BLOCK 4096

/*----- what unit.c gives to tests -----*/

void unit_fail(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	unit_report(stderr, file, line, fmt, args);
	va_end(args);
	abort();
}

void unit_skip(const char *why)
{
	unit_fail(__FILE__, __LINE__, "%s", why);
}

/*----- around an input -----*/

static struct unit_alive alive;

void fuzz_begin(void)
{
	alive = unit_begin();
}

void fuzz_end(void)
{
	const char *left = unit_left(&alive);

	CHECK_MSG(!left, "%s", left);
}

/*----- bytes -----*/

u64 take(struct bytes *b, unsigned int nr)
{
	u64 v = 0;
	unsigned int i;

	for (i = 0; i < nr && b->left; i++, b->left--)
		v |= (u64)*b->at++ << 8 * i;
	return v;
}

u64 take_below(struct bytes *b, u64 n)
{
	return take(b, n > 1 << 16 ? 4 : n > 1 << 8 ? 2 : 1) % n;
}

/*----- images -----*/

static u32 checksum(const u8 *block)
{
	return crc32c(~0U, block + 4, BLOCK - 4);
}

/* Of a superblock, a btree node, an array block, an index, a bitmap. */
static u32 salt_of(const u8 *block)
{
	static const u32 salts[] = { 9031977, 121107, 595846735, 160478, 240779 };
	u32 salt = *(const u32 *)block ^ checksum(block);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(salts); i++)
		if (salts[i] == salt)
			return salt;
	return 0;
}

void image_init(struct image *im, struct shim_disk *disk)
{
	u64 i;

	memset(im, 0, sizeof(*im));
	im->disk = disk;
	for (i = 0; i < disk->nr_sectors / 8 && im->nr < IMAGE_MAX_BLOCKS; i++) {
		u32 salt = salt_of(disk->data + i * BLOCK);

		if (!salt)
			continue;
		im->salts[im->nr] = salt;
		im->blocks[im->nr++] = i;
	}
	CHECK(im->nr > 5);
}

static struct edit take_edit(struct bytes *b)
{
	struct edit e = { .block = take(b, 1), .how = take(b, 1), .offset = take(b, 2) };

	e.value = take(b, 8);
	return e;
}

static void apply(const struct image *im, struct shim_disk *d, const struct edit *e)
{
	unsigned int k = e->block % im->nr, size = 1 << (e->how & 3);
	u8 *block = d->data + (u64)im->blocks[k] * BLOCK;
	u64 v = e->how & 8 ? im->blocks[e->value % im->nr] : e->value;

	memcpy(block + e->offset % (BLOCK - size + 1), &v, size);
	if (!(e->how & 4))
		*(u32 *)block = checksum(block) ^ im->salts[k];
}

struct shim_disk *image_damaged(const struct image *im, struct bytes *b)
{
	struct shim_disk *d = disk_clone(im->disk);
	unsigned int n = take(b, 1) % 16;

	while (n--) {
		struct edit e = take_edit(b);

		apply(im, d, &e);
	}
	return d;
}

/*----- the mutator -----*/

/* A number that is likely to hurt where numbers of entries, sizes, blocks and keys are. */
static u64 bad_number(void)
{
	static const u64 numbers[] = {
		0, 1, 2, 3, 83, 84, 126, 252, 253, 508, 509, 510, 511, 512, 1018, 4096, 16320,
		65535, 1 << 29, 0x7fffffff, 0x80000000, 0xffffffff, 1ULL << 40, 1ULL << 48, ~0ULL
	};

	return unit_below(2) ? numbers[unit_below(ARRAY_SIZE(numbers))] : unit_below(520);
}

static void put_edit(u8 *at, const struct edit *e)
{
	at[0] = e->block;
	at[1] = e->how;
	memcpy(at + 2, &e->offset, 2);
	memcpy(at + 4, &e->value, 8);
}

/* Mostly in headers and first entries, or where the superblock has its roots and sizes. */
static struct edit random_edit(const struct image *im)
{
	struct edit e = {
		.block = unit_below(im->nr), .how = unit_below(4), .value = bad_number()
	};

	if (!im->blocks[e.block] && unit_below(2))
		e.offset = 64 + 4 * unit_below(60);
	else
		e.offset = unit_below(3) ? 4 + 4 * unit_below(14) : 4 + unit_below(BLOCK - 4);
	if (!unit_below(16))
		e.how |= 4;
	if (!unit_below(4))
		e.how = 3 | 8;
	if (e.how & 8)
		e.value = unit_below(im->nr);
	return e;
}

size_t mutate_edits(const struct image *im, uint8_t *data, size_t size, size_t max,
		    unsigned int skip, u64 seed)
{
	uint8_t *edits = data + skip + 1;
	unsigned int n;
	struct edit e;

	unit_srand(seed);
	if (max < skip + 1 + EDIT_BYTES)
		return LLVMFuzzerMutate(data, size, max);
	if (size < skip + 1) {
		memset(data + size, 0, skip + 1 - size);
		size = skip + 1;
	}
	n = data[skip] % 16;
	while (n && skip + 1 + n * EDIT_BYTES > size)
		n--;
	switch (unit_below(8)) {
	case 0:
	case 1:		/* the rest of the input is not edits, or this is what no edit covers */
		return LLVMFuzzerMutate(data, size, max);
	case 2:		/* one less */
		if (n) {
			memmove(edits, edits + EDIT_BYTES, size - skip - 1 - EDIT_BYTES);
			size -= EDIT_BYTES;
			n--;
		}
		break;
	case 3:
	case 4:
	case 5:		/* one more */
		if (n < 15 && size + EDIT_BYTES <= max) {
			e = random_edit(im);
			memmove(edits + EDIT_BYTES, edits, size - skip - 1);
			put_edit(edits, &e);
			size += EDIT_BYTES;
			n++;
			break;
		}
		/* fall through */
	default:	/* another in its place */
		if (n) {
			e = random_edit(im);
			put_edit(edits + unit_below(n) * EDIT_BYTES, &e);
		}
	}
	data[skip] = n;
	return size;
}
