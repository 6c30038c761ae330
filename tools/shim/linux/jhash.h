/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_JHASH_H
#define SHIM_LINUX_JHASH_H

/* Another mix than the kernel's: only its being spread out matters. */
static inline u32 jhash_2words(u32 a, u32 b, u32 seed)
{
	u64 x = (((u64)a << 32) | b) + seed * 0x9E3779B97F4A7C15ull;

	x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
	x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
	return x ^ (x >> 31);
}
#define jhash_1word(a, seed) jhash_2words(a, 0, seed)

#endif
