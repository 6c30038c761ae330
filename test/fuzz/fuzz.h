/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fuzz.h - what the fuzz targets share.
 *
 * A target is one fuzz-NAME.c with LLVMFuzzerTestOneInput(), and, where it works on disk images,
 * with the mutator below.  The targets are built with the shim and without unit.c: a failed CHECK,
 * a BUG or WARN, a sanitizer's finding, a buffer, lock or allocation left behind abort the process.
 *
 * Damage to an image, as an input says it: a list of edits of EDIT_BYTES each, see struct edit.
 * The mutator knows which blocks are in use and what numbers hurt there; checksums are made right
 * after all edits, unless an edit says not to.  So an input stays small, and gets past the
 * checksums.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "unit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* Called around each input; the second aborts if anything is left of it. */
void fuzz_begin(void);
void fuzz_end(void);

/* Bytes of an input, consumed one after another; zeroes at its end. */
struct bytes {
	const uint8_t *at;
	size_t left;
};

u64 take(struct bytes *b, unsigned int nr);		/* so many bytes, little-endian */
u64 take_below(struct bytes *b, u64 n);

#define EDIT_BYTES 12

struct edit {
	u8 block;	/* index into the blocks in use, modulo their number */
	/* bits 0, 1: 1 << so many bytes; 2: leave the checksum wrong; 3: value is a block in use */
	u8 how;
	u16 offset;	/* modulo what fits the block */
	u64 value;
};

#define IMAGE_MAX_BLOCKS 256

/* An image and which of its blocks are metadata, of what kind. */
struct image {
	struct shim_disk *disk;
	unsigned int nr;
	u32 blocks[IMAGE_MAX_BLOCKS];
	u32 salts[IMAGE_MAX_BLOCKS];
};

void image_init(struct image *im, struct shim_disk *disk);	/* takes @disk over */
/* A copy of the image with the edits of @b applied, as many as its next byte says. */
struct shim_disk *image_damaged(const struct image *im, struct bytes *b);

/*
 * Changes one edit, adds or drops one of an input that has @skip bytes before the number of edits.
 */
size_t mutate_edits(const struct image *im, uint8_t *data, size_t size, size_t max,
		    unsigned int skip, u64 seed);

#endif
