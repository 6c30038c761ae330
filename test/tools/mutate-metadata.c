// SPDX-License-Identifier: GPL-2.0-only
/*
 * mutate-metadata.c - damages a metadata image the way a checksum does not show.
 *
 *   mutate-metadata IMAGE OUT SEED   OUT, a device or file, gets IMAGE with 1 to 3 fields changed
 *
 * Where: in the guest of a VM test, with an image of test/vectors. Fields of any block in use are
 * changed: header fields and first entries more often than the rest, to numbers that are likely to
 * hurt (0, the limits of the formats, other blocks' numbers, one bit turned). The block's checksum
 * is then made right, so that what reads it has to look at the contents. One in eight blocks keeps
 * a wrong checksum. Says what it did. SEED decides all.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 4096
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* What each kind of block mixes into its checksum: superblock, node, array, index, bitmap. */
static const struct { uint32_t salt; const char *name; } kinds[] = {
	{ 9031977, "superblock" }, { 121107, "node" }, { 595846735, "array" }, { 160478, "index" }, { 240779, "bitmap" },
};

static uint32_t crc_table[256];
static uint64_t rnd;
static uint8_t *image;
static size_t size;
static uint32_t used[4096], kind[4096];
static unsigned int nr_used;

static uint32_t below(uint32_t n)
{
	rnd ^= rnd << 13;
	rnd ^= rnd >> 7;
	rnd ^= rnd << 17;
	return (rnd >> 32) % n;
}

static uint32_t checksum(const uint8_t *block)
{
	uint32_t c = ~0U;
	int i;

	for (i = 4; i < BLOCK; i++)
		c = crc_table[(c ^ block[i]) & 255] ^ c >> 8;
	return c;
}

static void make_table(void)
{
	uint32_t i, k, c;

	for (i = 0; i < 256; i++) {
		for (c = i, k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0x82F63B78 : c >> 1;
		crc_table[i] = c;
	}
}

static void find_used(void)
{
	uint32_t b, k, stored;

	for (b = 0; b < size / BLOCK && nr_used < COUNT(used); b++) {
		memcpy(&stored, image + (size_t)b * BLOCK, 4);
		for (k = 0; k < COUNT(kinds); k++) {
			if ((stored ^ checksum(image + (size_t)b * BLOCK)) != kinds[k].salt)
				continue;
			kind[nr_used] = k;
			used[nr_used++] = b;
			break;
		}
	}
}

static uint64_t bad_number(const uint8_t *field, unsigned int bytes)
{
	static const uint64_t numbers[] = {
		0, 1, 2, 3, 63, 64, 65, 83, 84, 126, 252, 253, 508, 509, 510, 511, 512, 1018, 4096,
		16320, 65535, 1 << 29, 0x7fffffff, 0x80000000, 0xffffffff, 1ULL << 40, ~0ULL,
	};
	uint64_t n = 0;

	switch (below(4)) {
	case 0: return numbers[below(COUNT(numbers))];
	case 1: return below(520);
	case 2: return used[below(nr_used)];
	}
	memcpy(&n, field, bytes);
	return n ^ 1ULL << below(8 * bytes);
}

static void damage(void)
{
	unsigned int i = below(4) ? below(nr_used) : 0, bytes = 1 << below(4);
	uint32_t at = below(3) ? 4 + 4 * below(12) : 4 + below(BLOCK - 16), c;
	uint8_t *block = image + (size_t)used[i] * BLOCK;
	uint64_t n;

	/* The superblock's roots and counts are further in. */
	if (!kind[i] && below(2))
		at = 64 + 8 * below(28);
	n = bad_number(block + at, bytes);
	memcpy(block + at, &n, bytes);
	if (below(8)) {
		c = checksum(block) ^ kinds[kind[i]].salt;
		memcpy(block, &c, 4);
	}
	printf("%s %u: %u bytes at %u = %llx; ", kinds[kind[i]].name, used[i], bytes, at, (unsigned long long)n);
}

int main(int argc, char **argv)
{
	struct stat st;
	unsigned int i, n;
	int fd;

	if (argc != 4) {
		fprintf(stderr, "usage: mutate-metadata IMAGE OUT SEED\n");
		return 2;
	}
	fd = open(argv[1], O_RDONLY);
	if (fd < 0 || fstat(fd, &st) || !(image = malloc(st.st_size)) ||
	    read(fd, image, st.st_size) != st.st_size) {
		perror(argv[1]);
		return 2;
	}
	close(fd);
	size = st.st_size;
	make_table();
	find_used();
	if (nr_used < 4) {
		fprintf(stderr, "%s: no metadata\n", argv[1]);
		return 2;
	}
	rnd = strtoull(argv[3], NULL, 0) * 0x9e3779b97f4a7c15ULL | 1;
	for (i = 0; i < 10; i++)
		below(2);
	for (i = 0, n = 1 + below(3); i < n; i++)
		damage();
	printf("\n");
	fd = open(argv[2], O_WRONLY);
	if (fd < 0 || write(fd, image, size) != (ssize_t)size || fsync(fd)) {
		perror(argv[2]);
		return 2;
	}
	return 0;
}
