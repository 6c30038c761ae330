/* SPDX-License-Identifier: GPL-2.0-only */
/* device.h - a block device or a file as the shim's disk. */
#ifndef SETTLE_DEVICE_H
#define SETTLE_DEVICE_H

#include <linux/blkdev.h>

/*
 * Opens it alone: no filesystem, no other program and no device-mapper device may use it.  NULL,
 * and errno: EBUSY: something does.
 */
struct block_device *device_open(const char *path, bool write);

#endif
