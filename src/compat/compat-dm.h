/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Part of compat.h, which says how it works: device-mapper.
 *
 * A target's methods whose arguments changed: COMPAT_DEFINE_X(method) outside of functions makes
 * what COMPAT_X(method) puts into struct target_type.
 */
#ifndef DMC_COMPAT_DM_H
#define DMC_COMPAT_DM_H

/*----- targets -----*/

/* Since 4.13; before, a negative error did it. Drop when 4.4 goes. */
#ifndef HAVE_DM_MAPIO_KILL
#define DM_MAPIO_KILL (-EIO)
#endif
#ifndef HAVE_DM_ENDIO_DONE
#define DM_ENDIO_DONE 0
#endif

/* Since 4.6, and in RHEL 7; drop when 4.4 goes. */
#ifndef HAVE_DM_TARGET_PER_IO_DATA_SIZE
#define per_io_data_size per_bio_data_size
#endif

/* A pointer to a status since 4.13, to an errno in 4.12, an errno before; drop when 4.4 goes. */
#if defined(HAVE_TARGET_END_IO_STATUS)
#define COMPAT_DEFINE_END_IO(method)
#define COMPAT_END_IO(method) method
#elif defined(HAVE_TARGET_END_IO_ERROR_POINTER)
#define COMPAT_DEFINE_END_IO(method) \
static int method##_compat(struct dm_target *ti, struct bio *bio, int *error) \
{ \
	return method(ti, bio, error); \
}
#define COMPAT_END_IO(method) method##_compat
#else
#define COMPAT_DEFINE_END_IO(method) \
static int method##_compat(struct dm_target *ti, struct bio *bio, int error) \
{ \
	int r = method(ti, bio, &error); \
	\
	return r == DM_ENDIO_DONE ? error : r; \
}
#define COMPAT_END_IO(method) method##_compat
#endif

/* Can answer since 4.17; drop when 4.4 goes. */
#ifdef HAVE_TARGET_MESSAGE_RESULT
#define COMPAT_DEFINE_MESSAGE(method)
#define COMPAT_MESSAGE(method) method
#else
#define COMPAT_DEFINE_MESSAGE(method) \
static int method##_compat(struct dm_target *ti, unsigned int argc, char **argv) \
{ \
	return method(ti, argc, argv, NULL, 0); \
}
#define COMPAT_MESSAGE(method) method##_compat
#endif

/*
 * presuspend_undo: since 3.19; drop when vanilla 3.10 goes. What presuspend stops would stay
 * stopped after a suspend that failed, so without the one the other is not called; postsuspend has
 * to do.
 */
#ifdef HAVE_TARGET_PRESUSPEND_UNDO
#define COMPAT_PRESUSPEND(method, undo) .presuspend = method, .presuspend_undo = undo,
#else
#define COMPAT_PRESUSPEND(method, undo)
#endif

/* Since 4.6; drop when 4.4 goes. */
#ifndef HAVE_DM_TABLE_DEVICE_NAME
#define dm_table_device_name(table) dm_device_name(dm_table_get_md(table))
#endif

/* Takes its limits const since 4.12 or so; drop when 4.4 goes. It never changed them. */
#ifndef HAVE_DM_READ_ARG_GROUP_CONST
#define dm_read_arg_group(arg, set, n, error) \
	dm_read_arg_group((struct dm_arg *)(arg), set, n, error)
#endif

/* What a target passes on: since 5.10; before, it is sent no bio that must not wait. */
#ifndef DM_TARGET_NOWAIT
#define DM_TARGET_NOWAIT 0
#endif

/* ti->limit_swap_bios: since 5.12; older kernels have no such limit. Drop when 5.10 goes. */
static inline void compat_ti_limit_swap_bios(struct dm_target *ti)
{
#ifdef HAVE_DM_TARGET_LIMIT_SWAP_BIOS
	ti->limit_swap_bios = true;
#endif
}

/*
 * The target cuts its bios by itself, with dm_accept_partial_bio(): since 3.16; without it they
 * come cut at every multiple of @sectors.  0 or -errno.  Drop when RHEL 7 goes.
 */
static inline int compat_ti_cut_bios(struct dm_target *ti, u32 sectors)
{
#ifdef HAVE_DM_ACCEPT_PARTIAL_BIO
	return 0;
#else
	return dm_set_target_max_io_len(ti, sectors);
#endif
}

/* Can a bio be cut anywhere?  Drop when RHEL 7 goes. */
static inline bool compat_can_cut(void)
{
#ifdef HAVE_DM_ACCEPT_PARTIAL_BIO
	return true;
#else
	return false;
#endif
}

#ifndef HAVE_DM_ACCEPT_PARTIAL_BIO
static inline void dm_accept_partial_bio(struct bio *bio, unsigned int sectors)
{
	WARN_ON_ONCE(1);
}
#endif

/*
 * Until 4.17 or so a discarded block could promise to read as zeroes. Ours does not, even where the
 * origin's does: the cache device keeps what it had. Drop when RHEL 8 goes.
 */
static inline void compat_ti_no_zeroes_after_discard(struct dm_target *ti)
{
#ifdef HAVE_DM_TARGET_DISCARD_ZEROES_DATA_UNSUPPORTED
	ti->discard_zeroes_data_unsupported = true;
#endif
}

/*
 * Since 5.15; drop when 5.10 goes. An older kernel never asks for it. The type is widened so that a
 * case for it is no warning; the enum itself is compatible with unsigned int.
 */
#ifndef HAVE_STATUSTYPE_IMA
#define STATUSTYPE_IMA 2u
#define status_type_t unsigned int
#define DMEMIT_TARGET_NAME_VERSION(type) \
	DMEMIT("target_name=%s,target_version=%u.%u.%u", (type)->name, (type)->version[0], \
	       (type)->version[1], (type)->version[2])
#endif

/*----- dm-bufio; fallback/linux/dm-bufio.h where the kernel's header is private -----*/

/* The flags are there since 6.0; drop when 5.10 goes. */
#ifndef HAVE_DM_BUFIO_CLIENT_CREATE_FLAGS
#define DM_BUFIO_CLIENT_NO_SLEEP 0
#define dm_bufio_client_create(bdev, size, reserved, aux, alloc_cb, write_cb, flags) \
	dm_bufio_client_create(bdev, size, reserved, aux, alloc_cb, write_cb)
#endif

/* Since 3.14, and in RHEL 7; drop when vanilla 3.10 goes. See the head of compat.h. */
#ifndef HAVE_EXPORT_dm_bufio_forget
#define dm_bufio_forget(client, block) ((void)(client), (void)(block))
#endif

/*----- another mapped device -----*/

/*
 * dm_internal_suspend_noflush() and dm_internal_resume(): exported since 3.19, and declared in no
 * header that is shipped.  Whether a device stands on another is known from sysfs, which can be
 * asked since 3.14.  Where one of them is missing, nothing is ever said to stand on another, and
 * the others are not called.  Drop when 3.10 goes.
 */
#if defined(HAVE_EXPORT_dm_internal_suspend_noflush) && defined(HAVE_KERNFS_FIND_AND_GET)
void dm_internal_suspend_noflush(struct mapped_device *md);
void dm_internal_resume(struct mapped_device *md);

static inline bool compat_stands_on(struct mapped_device *md, struct mapped_device *below)
{
	struct kernfs_node *link;

	link = kernfs_find_and_get(dm_disk(md)->slave_dir->sd, dm_disk(below)->disk_name);
	kernfs_put(link);
	return link;
}
#else
static inline void dm_internal_suspend_noflush(struct mapped_device *md)
{
}

static inline void dm_internal_resume(struct mapped_device *md)
{
}

static inline bool compat_stands_on(struct mapped_device *md, struct mapped_device *below)
{
	return false;
}
#endif

#endif
