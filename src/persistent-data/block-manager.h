/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DMC_BLOCK_MANAGER_H
#define DMC_BLOCK_MANAGER_H

#include <linux/types.h>

#define DMC_MD_BLOCK_SIZE 4096

typedef u64 mblock_t;		/* index of a 4096-byte metadata block */

struct block_device;
struct dmc_bm;
struct dmc_block;		/* a held (locked) block */

/* A kind of block: where its checksum salt and own number are, and what else must hold. */
struct dmc_validator {
	const char *name;
	u32 salt;
	u32 blocknr_offset;
	/* Structure of a block just read whose checksum and number are right; may be NULL. 0 or -errno. */
	int (*check)(const struct dmc_validator *v, const void *data, mblock_t b);
};

struct dmc_bm *dmc_bm_create(struct block_device *bdev, const char *dev_name);
void dmc_bm_destroy(struct dmc_bm *bm);
mblock_t dmc_bm_nr_blocks(struct dmc_bm *bm);	/* whole blocks of the device */

int dmc_bm_read_lock(struct dmc_bm *bm, mblock_t b, const struct dmc_validator *v, struct dmc_block **blk);
int dmc_bm_write_lock(struct dmc_bm *bm, mblock_t b, const struct dmc_validator *v, struct dmc_block **blk);
int dmc_bm_write_lock_zero(struct dmc_bm *bm, mblock_t b, const struct dmc_validator *v, struct dmc_block **blk);
void dmc_bm_unlock(struct dmc_block *blk);

mblock_t dmc_block_location(struct dmc_block *blk);
void *dmc_block_data(struct dmc_block *blk);	/* writable only under a write lock */

int dmc_bm_flush(struct dmc_bm *bm);		/* write every changed block, wait, flush the device */
void dmc_bm_prefetch(struct dmc_bm *bm, mblock_t b);

#endif
