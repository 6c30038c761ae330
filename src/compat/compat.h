/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The newest kernel's interfaces, on older kernels.
 *
 * Force-included in front of every file of every module. The files themselves are written for the
 * newest kernel and hold no feature test: what an older kernel lacks is supplied here, under the
 * upstream name and with upstream's newest arguments. Whether it lacks it is found by compiling
 * probe/NAME.c (-> HAVE_NAME in the generated config.h), never by version number.
 *
 * Each entry says since when upstream has it, and which kernel's end lets the entry go.
 * What has no upstream form that an old kernel could take is a compat_ helper, at the end.
 */
#ifndef DMC_COMPAT_H
#define DMC_COMPAT_H

#include "config.h"

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/dm-bufio.h>
#include <linux/dm-io.h>
#include <linux/dm-kcopyd.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

/*----- types and constants -----*/

/* Since 6.0; drop when 5.10 goes. */
#ifndef HAVE_BLK_OPF_T
typedef unsigned int blk_opf_t;
#endif

/* Since 6.17; drop when 6.12 goes. Always give WQ_PERCPU or WQ_UNBOUND. */
#ifndef HAVE_WQ_PERCPU
#define WQ_PERCPU 0
#endif

/*----- block devices -----*/

/* Since 5.16; drop when 5.10 goes. */
#ifndef HAVE_BDEV_NR_SECTORS
static inline sector_t bdev_nr_sectors(struct block_device *bdev)
{
	return i_size_read(bdev->bd_inode) >> SECTOR_SHIFT;
}
#endif

/* Since 5.19; drop when 5.10 goes. */
#ifndef HAVE_BDEV_MAX_DISCARD_SECTORS
static inline unsigned int bdev_max_discard_sectors(struct block_device *bdev)
{
	struct request_queue *q = bdev_get_queue(bdev);

	return blk_queue_discard(q) ? q->limits.max_discard_sectors : 0;
}
#endif

/* Since 5.19; drop when 5.10 goes. */
#ifndef HAVE_BDEV_WRITE_CACHE
static inline bool bdev_write_cache(struct block_device *bdev)
{
	return test_bit(QUEUE_FLAG_WC, &bdev_get_queue(bdev)->queue_flags);
}
#endif

/* One argument since 5.12, two since 5.8; drop when 5.10 goes. */
#ifndef HAVE_BLKDEV_ISSUE_FLUSH_1_ARG
static inline int compat_blkdev_issue_flush(struct block_device *bdev)
{
#ifdef HAVE_BLKDEV_ISSUE_FLUSH_2_ARGS
	return blkdev_issue_flush(bdev, GFP_NOIO);
#else
	return blkdev_issue_flush(bdev, GFP_NOIO, NULL);
#endif
}
#define blkdev_issue_flush compat_blkdev_issue_flush
#endif

/*----- bios -----*/

/* Five arguments since 5.18; drop when 5.10 goes. */
#ifndef HAVE_BIO_INIT_WITH_BDEV
static inline void compat_bio_init(struct bio *bio, struct block_device *bdev,
				   struct bio_vec *table, unsigned short max_vecs, blk_opf_t opf)
{
	bio_init(bio, table, max_vecs);
	if (bdev)
		bio_set_dev(bio, bdev);
	bio->bi_opf = opf;
}
#define bio_init compat_bio_init
#endif

/* Since 5.18; drop when 5.10 goes. */
#ifndef HAVE_BIO_INIT_CLONE
static inline int bio_init_clone(struct block_device *bdev, struct bio *bio, struct bio *src,
				 gfp_t gfp)
{
	bio_init(bio, NULL, NULL, 0, 0);
	__bio_clone_fast(bio, src);
	if (bdev)
		bio_set_dev(bio, bdev);
	return 0;
}
#endif

/* Since 5.9; drop when RHEL 8 goes. */
#ifndef HAVE_SUBMIT_BIO_NOACCT
#define submit_bio_noacct generic_make_request
#endif

/* Since 5.11; drop when 5.10 goes. Nested maps must be undone in reverse order, as upstream asks. */
#ifndef HAVE_KMAP_LOCAL_PAGE
#define kmap_local_page(page)	kmap_atomic(page)
#define kunmap_local(addr)	kunmap_atomic(addr)
#endif

/*----- device mapper -----*/

/* The flags are there since 6.0; drop when 5.10 goes. */
#ifndef HAVE_DM_BUFIO_CLIENT_CREATE_FLAGS
#define DM_BUFIO_CLIENT_NO_SLEEP 0
#define dm_bufio_client_create(bdev, size, reserved, aux, alloc_cb, write_cb, flags) \
	dm_bufio_client_create(bdev, size, reserved, aux, alloc_cb, write_cb)
#endif

/*
 * Six arguments since 7.2; five (with the priority) since 6.9 and in some stable series before; drop
 * when 6.12 goes. Older kernels do not tell "unsupported" from an error.
 */
#if !defined(HAVE_DM_IO_6_ARGS) && defined(HAVE_DM_IO_5_ARGS)
#define dm_io(req, nr, where, error_bits, unsup_bits, ioprio) \
	((void)(unsup_bits), dm_io(req, nr, where, error_bits, ioprio))
#elif !defined(HAVE_DM_IO_6_ARGS)
#define dm_io(req, nr, where, error_bits, unsup_bits, ioprio) \
	((void)(unsup_bits), (void)(ioprio), dm_io(req, nr, where, error_bits))
#endif

/*
 * Since 5.15; drop when 5.10 goes. An older kernel never asks for it. The type is widened so that a case
 * for it is no warning; the enum itself is compatible with unsigned int.
 */
#ifndef HAVE_STATUSTYPE_IMA
#define STATUSTYPE_IMA 2u
#define status_type_t unsigned int
#define DMEMIT_TARGET_NAME_VERSION(type) \
	DMEMIT("target_name=%s,target_version=%u.%u.%u", (type)->name, (type)->version[0], \
	       (type)->version[1], (type)->version[2])
#endif

/*----- the rest -----*/

/* Since 6.2; drop when 6.1 goes. */
#ifndef HAVE_GET_RANDOM_U32_BELOW
static inline u32 get_random_u32_below(u32 ceil)
{
	return ((u64)get_random_u32() * ceil) >> 32;
}
#endif

/*----- helpers for what a macro cannot supply -----*/

/* ti->limit_swap_bios: since 5.12; older kernels have no such limit. Drop when 5.10 goes. */
static inline void compat_ti_limit_swap_bios(struct dm_target *ti)
{
#ifdef HAVE_DM_TARGET_LIMIT_SWAP_BIOS
	ti->limit_swap_bios = true;
#endif
}

/*
 * The target cuts its bios by itself, with dm_accept_partial_bio(): since 3.16; without it they
 * come cut at every multiple of @sectors.  0 or -errno.  Drop when 3.10 goes.
 */
static inline int compat_ti_cut_bios(struct dm_target *ti, u32 sectors)
{
#ifdef HAVE_DM_ACCEPT_PARTIAL_BIO
	return 0;
#else
	return dm_set_target_max_io_len(ti, sectors);
#endif
}

#ifndef HAVE_DM_ACCEPT_PARTIAL_BIO
static inline void dm_accept_partial_bio(struct bio *bio, unsigned int sectors)
{
	WARN_ON_ONCE(1);
}
#endif

/*
 * ti->max_discard_granularity: discards come split at limits->max_discard_sectors. Since 6.4 or so;
 * older kernels split them by themselves at ti->max_io_len. Drop when 6.1 goes.
 */
static inline void compat_ti_split_discards(struct dm_target *ti)
{
#ifdef HAVE_DM_TARGET_MAX_DISCARD_GRANULARITY
	ti->max_discard_granularity = true;
#endif
}

/*
 * The mode of a device opened for reading and writing: blk_mode_t since 6.5, fmode_t before.  Drop when
 * 6.1 goes.
 */
#ifdef BLK_OPEN_READ
#define COMPAT_OPEN_RW (BLK_OPEN_READ | BLK_OPEN_WRITE)
#else
#define COMPAT_OPEN_RW (FMODE_READ | FMODE_WRITE)
#endif

/*
 * The longest discard, in sectors: since 6.9 the block layer derives max_discard_sectors from
 * max_hw_discard_sectors; before, both count.
 */
static inline void compat_set_max_discard(struct queue_limits *limits, unsigned int sectors)
{
	limits->max_hw_discard_sectors = sectors;
	limits->max_discard_sectors = sectors;
}

#endif /* DMC_COMPAT_H */
