/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * disk-io.h - what dm-bufio asks of a disk: that in RAM of disk.c, for tests; or a real one
 * (../pdata/device.c).
 */
#ifndef SHIM_DISK_IO_H
#define SHIM_DISK_IO_H

#include <linux/blkdev.h>

int disk_read(struct shim_disk *d, u64 sector, u32 nr_sectors, void *buf);
int disk_write(struct shim_disk *d, u64 sector, u32 nr_sectors, const void *buf);

#endif
