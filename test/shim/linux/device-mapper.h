/* SPDX-License-Identifier: GPL-2.0-only */
/* Only the messages. */
#ifndef SHIM_LINUX_DEVICE_MAPPER_H
#define SHIM_LINUX_DEVICE_MAPPER_H

#define DMERR(fmt, ...) shim_printk("err", DM_MSG_PREFIX ": " fmt, ##__VA_ARGS__)
#define DMERR_LIMIT DMERR
#define DMWARN(fmt, ...) shim_printk("warn", DM_MSG_PREFIX ": " fmt, ##__VA_ARGS__)
#define DMWARN_LIMIT DMWARN
#define DMINFO(fmt, ...) shim_printk("info", DM_MSG_PREFIX ": " fmt, ##__VA_ARGS__)
#define DMINFO_LIMIT DMINFO
#define DMDEBUG(fmt, ...) do { if (0) shim_printk("debug", DM_MSG_PREFIX ": " fmt, ##__VA_ARGS__); } while (0)

#endif
