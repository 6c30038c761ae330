/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_CRC32C_H
#define SHIM_LINUX_CRC32C_H

/* CRC-32C of @n bytes from register @crc; no complement at either end. */
u32 crc32c(u32 crc, const void *p, size_t n);

#endif
