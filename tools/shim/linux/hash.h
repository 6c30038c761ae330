/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_HASH_H
#define SHIM_LINUX_HASH_H

#define GOLDEN_RATIO_32 0x61C88647u
#define GOLDEN_RATIO_64 0x61C8864680B583EBull
static inline u32 hash_32(u32 v, unsigned int bits) { return (v * GOLDEN_RATIO_32) >> (32 - bits); }
static inline u32 hash_64(u64 v, unsigned int bits) { return (v * GOLDEN_RATIO_64) >> (64 - bits); }
#define hash_long(v, b) hash_64(v, b)
#define hash_ptr(p, b) hash_64((unsigned long)(p), b)

#endif
