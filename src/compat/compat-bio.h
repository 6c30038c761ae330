/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Part of compat.h, which says how it works: bios.
 *
 * How a bio says what it is, how it went, and how far it got has changed more often than anything
 * else that we use; what no macro can hide is behind these:
 *
 *   compat_bio_sector(), compat_bio_set_sector()     where it goes
 *   compat_bio_save(), compat_bio_restore()          to send a bio that failed once more
 *   compat_bio_copy_to(bio, to)                      what it is to write
 *   compat_bio_end(bio, status)                      ends it
 *   compat_bio_end_again(bio, status)                the same for one that came back
 *   COMPAT_BIO_END_IO(name, bio, status) { ... }     defines a bi_end_io
 *   compat_bio_own(bio)                              it is not its submitter's any more
 *   struct compat_clone, compat_init_clone()         a second, embedded bio for the same data
 *   compat_clone_trim()                              and for a part of it
 *   struct compat_write, compat_write_init()         an embedded bio that writes from memory
 */
#ifndef DMC_COMPAT_BIO_H
#define DMC_COMPAT_BIO_H

/*----- what it is -----*/

/* Since 6.0; drop when 5.10 goes. */
#ifndef HAVE_BLK_OPF_T
typedef unsigned int blk_opf_t;
#endif

/* Since 4.8; drop when 4.4 goes. RHEL 7 has operations, but no bi_opf. */
#ifndef HAVE_BI_OPF
#define bi_opf bi_rw
#endif
#ifndef HAVE_REQ_PREFLUSH
#define REQ_PREFLUSH REQ_FLUSH
#endif

/* Since 4.13; drop when 4.4 goes. */
#ifndef REQ_NOWAIT
#define REQ_NOWAIT 0
#endif

/* Operations of their own since 4.8, flags before; drop when 4.4 goes. */
#ifndef HAVE_BIO_OP
#define REQ_OP_READ	0
#define REQ_OP_WRITE	REQ_WRITE
#define REQ_OP_DISCARD	REQ_DISCARD
#define bio_op(bio)	((bio)->bi_rw & REQ_DISCARD ? REQ_DISCARD : (bio)->bi_rw & REQ_WRITE)
#define op_is_write(op)	((op) != REQ_OP_READ)
#endif

/*----- where it goes -----*/

/* Since 4.14; drop when 4.4 goes. */
#ifndef HAVE_BIO_SET_DEV
#define bio_set_dev(bio, bdev)	((void)((bio)->bi_bdev = (bdev)))
#endif

/* Since 5.9; drop when RHEL 8 goes. */
#ifndef HAVE_SUBMIT_BIO_NOACCT
#define submit_bio_noacct generic_make_request
#endif

/*
 * bi_iter: since 3.14; drop when RHEL 7 goes. Before, the position is in the bio itself, and a
 * driver that ends part of one moves the start of a bio_vec. Its end stays, so its length is all
 * that has to be remembered.
 */
#ifdef HAVE_BI_ITER

static inline sector_t compat_bio_sector(const struct bio *bio)
{
	return bio->bi_iter.bi_sector;
}

static inline void compat_bio_set_sector(struct bio *bio, sector_t sector)
{
	bio->bi_iter.bi_sector = sector;
}

static inline void compat_bio_save(const struct bio *bio, struct bvec_iter *saved)
{
	*saved = bio->bi_iter;
}

static inline void compat_bio_rewind(struct bio *bio, const struct bvec_iter *saved)
{
	bio->bi_iter = *saved;
}

#else

struct bvec_iter {
	sector_t bi_sector;
	unsigned int bi_size;
	unsigned short bi_idx;
	/* length - 1 of each bio_vec from bi_idx on: a page may be 64 KiB */
	u16 last[BIO_MAX_PAGES];
};

static inline sector_t compat_bio_sector(const struct bio *bio)
{
	return bio->bi_sector;
}

static inline void compat_bio_set_sector(struct bio *bio, sector_t sector)
{
	bio->bi_sector = sector;
}

/* The bio_vecs that carry data; a discard may have one that means nothing. */
static inline unsigned int compat_bio_vecs(const struct bio *bio)
{
	if (!bio->bi_size || bio->bi_rw & REQ_DISCARD || WARN_ON_ONCE(bio->bi_vcnt < bio->bi_idx))
		return 0;
	return min_t(unsigned int, bio->bi_vcnt - bio->bi_idx, BIO_MAX_PAGES);
}

static inline void compat_bio_save(const struct bio *bio, struct bvec_iter *saved)
{
	unsigned int i, n = compat_bio_vecs(bio);

	saved->bi_sector = bio->bi_sector;
	saved->bi_size = bio->bi_size;
	saved->bi_idx = bio->bi_idx;
	for (i = 0; i < n; i++)
		saved->last[i] = bio->bi_io_vec[bio->bi_idx + i].bv_len - 1;
}

static inline void compat_bio_rewind(struct bio *bio, const struct bvec_iter *saved)
{
	struct bio_vec *v;
	unsigned int i, n;

	bio->bi_sector = saved->bi_sector;
	bio->bi_size = saved->bi_size;
	bio->bi_idx = saved->bi_idx;
	bio->bi_flags &= ~(1UL << BIO_SEG_VALID);
	n = compat_bio_vecs(bio);
	for (i = 0; i < n; i++) {
		v = bio->bi_io_vec + bio->bi_idx + i;
		v->bv_offset -= saved->last[i] + 1 - v->bv_len;
		v->bv_len = saved->last[i] + 1;
	}
}

#endif

/*----- its data -----*/

/* For a whole page some CPUs have a faster way than memcpy(). */
static inline void compat_copy_vec(char *to, const struct bio_vec *v)
{
	char *from = kmap_local_page(v->bv_page);

	if (v->bv_len == PAGE_SIZE && !v->bv_offset && IS_ALIGNED((unsigned long)to, PAGE_SIZE))
		copy_page(to, from);
	else
		memcpy(to, from + v->bv_offset, v->bv_len);
	kunmap_local(from);
}

/* Copies what @bio is to write to @to.  Any context. */
static inline void compat_bio_copy_to(struct bio *bio, char *to)
{
#ifdef HAVE_BI_ITER
	struct bvec_iter i;
	struct bio_vec v;

	bio_for_each_segment(v, bio, i) {
		compat_copy_vec(to, &v);
		to += v.bv_len;
	}
#else
	struct bio_vec *v;
	int i;

	bio_for_each_segment(v, bio, i) {
		compat_copy_vec(to, v);
		to += v->bv_len;
	}
#endif
}

/*----- how it went -----*/

/* Since 4.13; before, an errno. Drop when 4.4 goes. */
#ifndef HAVE_BLK_STATUS_T
typedef int blk_status_t;
#define BLK_STS_OK		0
#define BLK_STS_IOERR		(-EIO)
#define BLK_STS_RESOURCE	(-ENOMEM)
#define BLK_STS_AGAIN		(-EAGAIN)
#define blk_status_to_errno(status)	(status)
#define errno_to_blk_status(error)	(error)
#endif

/* bi_status since 4.13, bi_error since 4.3, an argument before; drop when 4.4 goes. */
static inline void compat_bio_end(struct bio *bio, blk_status_t status)
{
#if defined(HAVE_BI_STATUS)
	bio->bi_status = status;
	bio_endio(bio);
#elif defined(HAVE_BI_ERROR)
	bio->bi_error = status;
	bio_endio(bio);
#else
	bio_endio(bio, status);
#endif
}

/*
 * bio_endio() has been there: what it gave back for the device below must not be given back twice,
 * so the owner of the bio is told directly.
 */
static inline void compat_bio_end_again(struct bio *bio, blk_status_t status)
{
#if defined(HAVE_BI_STATUS)
	bio->bi_status = status;
	bio->bi_end_io(bio);
#elif defined(HAVE_BI_ERROR)
	bio->bi_error = status;
	bio->bi_end_io(bio);
#else
	if (!status)
		set_bit(BIO_UPTODATE, &bio->bi_flags);
	bio->bi_end_io(bio, status);
#endif
}

/*
 * @bio is ours from here on: sent as one of two, or by the engine, or waiting for more than the
 * device that had it.
 *   not polled   no submitter polls for the second of two. A place in a queue that is polled
 *                becomes free when a submitter polls, and we must not wait for that
 *   no queue     a submitter that polls for a bio looks up the number of the queue that is in it:
 *                it must not be one of another device, and one to which nothing more will come is
 *                polled for as long as nothing else is to run
 *   may wait     we do
 * Since 5.16; before, no device of device-mapper was polled. Drop when 5.10 goes.
 */
static inline void compat_bio_own(struct bio *bio)
{
	bio->bi_opf &= ~REQ_NOWAIT;
#ifdef REQ_POLLED
	bio->bi_opf &= ~REQ_POLLED;
	WRITE_ONCE(bio->bi_cookie, BLK_QC_T_NONE);
#endif
}

/*
 * For another try. If a driver had split the bio, its count of parts is used up; the next split,
 * and from 3.14 to 4.2 even the next end, would then end it too early. Before 3.14 there was none.
 */
static inline void compat_bio_restore(struct bio *bio, const struct bvec_iter *saved)
{
	compat_bio_rewind(bio, saved);
#if defined(HAVE_BI_STATUS)
	bio->bi_status = BLK_STS_OK;
#elif defined(HAVE_BI_ERROR)
	bio->bi_error = 0;
#else
	set_bit(BIO_UPTODATE, &bio->bi_flags);
#endif
#if defined(HAVE___BI_REMAINING)
	atomic_set(&bio->__bi_remaining, 1);
#elif defined(HAVE_BI_REMAINING)
	atomic_set(&bio->bi_remaining, 1);
#endif
}

#if defined(HAVE_BI_STATUS) || defined(HAVE_BI_ERROR)
#ifdef HAVE_BI_STATUS
#define compat_bio_status(bio) ((bio)->bi_status)
#else
#define compat_bio_status(bio) ((bio)->bi_error)
#endif
#define COMPAT_BIO_END_IO(name, b, st) \
static void name##_status(struct bio *b, blk_status_t st); \
static void name(struct bio *ended) \
{ \
	name##_status(ended, compat_bio_status(ended)); \
} \
static void name##_status(struct bio *b, blk_status_t st)
#else
#define COMPAT_BIO_END_IO(name, b, st) static void name(struct bio *b, int st)
#endif

/*----- clones -----*/

/* Since 4.15; there was nothing to undo before. Drop when 4.4 goes. */
#ifndef HAVE_BIO_UNINIT
#define bio_uninit(bio) ((void)(bio))
#endif

/* @vecs: until bi_iter came, drivers changed the bio_vecs, so that two bios cannot share them. */
struct compat_clone {
	struct bio bio;
#ifndef HAVE_BI_ITER
	struct bio_vec vecs[BIO_MAX_PAGES];
#endif
};

/* bio_init_clone() since 5.18; drop when 5.10 goes. 0 or -errno. */
static inline int compat_init_clone(struct block_device *bdev, struct compat_clone *c,
				    struct bio *src)
{
#if defined(HAVE_BIO_INIT_CLONE)
	return bio_init_clone(bdev, &c->bio, src, GFP_NOIO);
#elif defined(HAVE_BI_ITER)
#ifdef HAVE_BIO_INIT_3_ARGS
	bio_init(&c->bio, NULL, 0);
#else
	bio_init(&c->bio);
#endif
	__bio_clone_fast(&c->bio, src);
	bio_set_dev(&c->bio, bdev);
	return 0;
#else
	unsigned int n = compat_bio_vecs(src);

	memcpy(c->vecs, src->bi_io_vec + src->bi_idx, n * sizeof(*c->vecs));
	bio_init(&c->bio);
	c->bio.bi_io_vec = c->vecs;
	c->bio.bi_max_vecs = n;
	c->bio.bi_vcnt = n;
	c->bio.bi_rw = src->bi_rw;
	c->bio.bi_flags |= 1UL << BIO_CLONED;
	c->bio.bi_sector = src->bi_sector;
	c->bio.bi_size = src->bi_size;
	bio_set_dev(&c->bio, bdev);
	return 0;
#endif
}

/* Leaves @sectors of the clone's data, from @skip sectors on.  The caller sets where it goes. */
static inline void compat_clone_trim(struct compat_clone *c, u32 skip, u32 sectors)
{
#ifdef HAVE_BI_ITER
	bio_advance(&c->bio, skip << SECTOR_SHIFT);
	c->bio.bi_iter.bi_size = sectors << SECTOR_SHIFT;
#else
	struct bio *bio = &c->bio;
	u32 left = skip << SECTOR_SHIFT, size = sectors << SECTOR_SHIFT, i;

	/* The bio_vecs are the clone's own. */
	while (left && bio->bi_idx < bio->bi_vcnt) {
		struct bio_vec *v = bio->bi_io_vec + bio->bi_idx;
		u32 n = min_t(u32, left, v->bv_len);

		v->bv_offset += n;
		v->bv_len -= n;
		left -= n;
		bio->bi_idx += !v->bv_len;
	}
	bio->bi_size = size;
	for (i = bio->bi_idx; i < bio->bi_vcnt && size; i++) {
		bio->bi_io_vec[i].bv_len = min_t(u32, bio->bi_io_vec[i].bv_len, size);
		size -= bio->bi_io_vec[i].bv_len;
	}
	bio->bi_vcnt = i;
#endif
}

/*----- writes of our own -----*/

/*
 * A bio may have so many bytes, whatever the device: since 4.3 the block layer splits what a device
 * cannot take; before, a page is what every device takes.  Drop the second when RHEL 7 goes.
 */
#if defined(HAVE_BI_STATUS) || defined(HAVE_BI_ERROR)
#define COMPAT_WRITE_BYTES 16384U
#else
#define COMPAT_WRITE_BYTES ((u32)PAGE_SIZE)
#endif
#define COMPAT_WRITE_VECS DIV_ROUND_UP(COMPAT_WRITE_BYTES, PAGE_SIZE)

struct compat_write {
	struct bio bio;
	struct bio_vec vecs[COMPAT_WRITE_VECS];
};

/*
 * @bytes at @data, which is page-aligned kernel memory.  When the bio has ended, bio_uninit().
 * REQ_SYNC and REQ_IDLE make it what a direct write is: the sender is not throttled (blk-wbt).
 * bio_init() has five arguments since 5.18, and three since 4.10; drop when 5.10 goes.
 */
static inline void compat_write_init(struct compat_write *w, struct block_device *bdev,
				     sector_t sector, char *data, u32 bytes)
{
	struct bio *bio = &w->bio;
	u32 i, nr = DIV_ROUND_UP(bytes, PAGE_SIZE);

#if defined(HAVE_BIO_INIT_CLONE)
	bio_init(bio, bdev, w->vecs, COMPAT_WRITE_VECS, REQ_OP_WRITE | REQ_SYNC | REQ_IDLE);
#else
#ifdef HAVE_BIO_INIT_3_ARGS
	bio_init(bio, w->vecs, COMPAT_WRITE_VECS);
	bio->bi_opf = REQ_OP_WRITE | REQ_SYNC | REQ_IDLE;
#else
	bio_init(bio);
	bio->bi_io_vec = w->vecs;
	bio->bi_max_vecs = COMPAT_WRITE_VECS;
#ifdef HAVE_BI_OPF
	bio_set_op_attrs(bio, REQ_OP_WRITE, REQ_SYNC);
#else
	bio->bi_rw = REQ_WRITE | REQ_SYNC;
#endif
#endif
	bio_set_dev(bio, bdev);
#endif
	compat_bio_set_sector(bio, sector);
	for (i = 0; i < nr; i++) {
		w->vecs[i].bv_page = virt_to_page(data + i * PAGE_SIZE);
		w->vecs[i].bv_len = min_t(u32, bytes - i * PAGE_SIZE, PAGE_SIZE);
		w->vecs[i].bv_offset = 0;
	}
	bio->bi_vcnt = nr;
#ifdef HAVE_BI_ITER
	bio->bi_iter.bi_size = bytes;
#else
	bio->bi_size = bytes;
#endif
}

#endif
