// SPDX-License-Identifier: GPL-2.0-only
/*
 * device.c - a block device or a file as the shim's disk.
 *
 * I/O goes past the page cache: device-mapper's did, so what the page cache has may be older.  A
 * file's filesystem may not let it; there is no such trap then.
 */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dmc-pdata.h"
#include "disk-io.h"

#define ALIGNMENT 4096
#define BOUNCE (64 * 1024)
/* Of linux/fs.h, which the shim has no room for. */
#define BLK_GET_SIZE64 _IOR(0x12, 114, size_t)

struct shim_disk {
	struct block_device bdev;
	int fd;
	bool read_only;
	u64 nr_sectors;
	u8 *bounce;			/* for what is not aligned */
};

static int size_of(int fd, const struct stat *st, u64 *bytes)
{
	unsigned long long size;

	if (!S_ISBLK(st->st_mode)) {
		*bytes = st->st_size;
		return 0;
	}
	if (ioctl(fd, BLK_GET_SIZE64, &size))
		return -1;
	*bytes = size;
	return 0;
}

/* O_EXCL is about block devices, the lock about files. */
static int open_alone(const char *path, bool write, struct stat *st)
{
	const int flags = (write ? O_RDWR : O_RDONLY) | O_CLOEXEC;
	int fd;

	if (stat(path, st))
		return -1;
	if (S_ISBLK(st->st_mode))
		return open(path, flags | O_EXCL | O_DIRECT);
	if (!S_ISREG(st->st_mode)) {
		errno = ENOTBLK;
		return -1;
	}
	fd = open(path, flags | O_DIRECT);
	if (fd < 0 && errno == EINVAL)
		fd = open(path, flags);
	if (fd >= 0 && flock(fd, (write ? LOCK_EX : LOCK_SH) | LOCK_NB)) {
		close(fd);
		errno = EBUSY;
		return -1;
	}
	return fd;
}

struct block_device *dmc_device_open(const char *path, bool write)
{
	struct shim_disk *d = calloc(1, sizeof(*d));
	struct stat st;
	u64 bytes;
	int err;

	if (!d)
		return NULL;
	d->bdev.disk = d;
	d->read_only = !write;
	d->bounce = aligned_alloc(ALIGNMENT, BOUNCE);
	d->fd = open_alone(path, write, &st);
	if (!d->bounce || d->fd < 0 || size_of(d->fd, &st, &bytes)) {
		err = errno;
		dmc_device_close(&d->bdev);
		errno = err;
		return NULL;
	}
	d->nr_sectors = bytes >> SECTOR_SHIFT;
	return &d->bdev;
}

void dmc_device_close(struct block_device *bdev)
{
	struct shim_disk *d = bdev ? bdev->disk : NULL;

	if (!d)
		return;
	if (d->fd >= 0)
		close(d->fd);
	free(d->bounce);
	free(d);
}

/* An end of the file within the range is an error: it was checked before. */
static int transfer(struct shim_disk *d, bool write, u64 at, u8 *buf, size_t n)
{
	ssize_t done;

	while (n) {
		done = write ? pwrite(d->fd, buf, n, at) : pread(d->fd, buf, n, at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done ? -errno : -EIO;
		at += done;
		buf += done;
		n -= done;
	}
	return 0;
}

static int bounce(struct shim_disk *d, bool write, u64 at, u8 *buf, size_t n)
{
	size_t step;
	int r = 0;

	for (; n && !r; at += step, buf += step, n -= step) {
		step = min_t(size_t, n, BOUNCE);
		if (write)
			memcpy(d->bounce, buf, step);
		r = transfer(d, write, at, d->bounce, step);
		if (!r && !write)
			memcpy(buf, d->bounce, step);
	}
	return r;
}

static int disk_io(struct shim_disk *d, bool write, u64 sector, u32 nr, void *buf)
{
	const u64 at = sector << SECTOR_SHIFT;
	const size_t n = (size_t)nr << SECTOR_SHIFT;

	if (sector > d->nr_sectors || nr > d->nr_sectors - sector)
		return -EIO;
	if ((uintptr_t)buf % ALIGNMENT)
		return bounce(d, write, at, buf, n);
	return transfer(d, write, at, buf, n);
}

int disk_read(struct shim_disk *d, u64 sector, u32 nr, void *buf)
{
	return disk_io(d, false, sector, nr, buf);
}

int disk_write(struct shim_disk *d, u64 sector, u32 nr, const void *buf)
{
	return disk_io(d, true, sector, nr, (void *)buf);
}

int disk_flush(struct shim_disk *d)
{
	return fdatasync(d->fd) ? -errno : 0;
}

sector_t bdev_nr_sectors(struct block_device *bdev)
{
	return bdev->disk->nr_sectors;
}

int bdev_read_only(struct block_device *bdev)
{
	return bdev->disk->read_only;
}
