/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dmc-pdata.h - the persistent-data library for programs: libdmc-pdata.a, which is made of the
 * sources of dm-cache-persistent-data.ko.  The contracts are in the headers of persistent-data/.
 *
 * It comes before anything else: compile with
 *
 *	-std=gnu11 -I/usr/include/dmc-pdata -include dmc-pdata.h
 *
 * and a file that is written for the kernel, and uses no more of it than lists, kzalloc() and
 * ERR_PTR(), compiles here unmodified.
 *
 * One thread.  A call that sleeps in the kernel blocks.  What the library would write to the kernel
 * log is kept for dmc_last_message().
 */
#ifndef DMC_PDATA_H
#define DMC_PDATA_H

#include "kernel.h"
#include "shim.h"
#include <linux/blkdev.h>
#include <linux/err.h>
#include <persistent-data/array.h>
#include <persistent-data/bitset.h>
#include <persistent-data/btree.h>
#include <persistent-data/transaction.h>

/**
 * dmc_device_open() - Opens a block device or a file, for dmc_bm_create().
 * @path: of it
 * @write: for writing, too; otherwise writes give -EIO
 *
 * Opens it alone: no filesystem, no other program and no device-mapper device may use it.
 *
 * Return: the device, to be given to dmc_device_close().  NULL, and errno: EBUSY: something uses
 * it; ENOTBLK: it is neither a block device nor a file; or what open() and the like say.
 */
struct block_device *dmc_device_open(const char *path, bool write);

/**
 * dmc_device_close() - Closes a device.
 * @bdev: from dmc_device_open(), with no block manager on it; gone afterwards.  May be NULL.
 *
 * What was not committed is not durable, and may or may not have been written.
 */
void dmc_device_close(struct block_device *bdev);

/**
 * dmc_last_message() - What went wrong, in words: device, block, cause.
 *
 * Return: the last line that the library said, without a newline; "" if none.
 */
static inline const char *dmc_last_message(void)
{
	return shim_last_message();
}

#endif
