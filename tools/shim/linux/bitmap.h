/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_BITMAP_H
#define SHIM_LINUX_BITMAP_H

#define BIT(n)		(1UL << (n))
#define BIT_ULL(n)	(1ULL << (n))
#define BIT_MASK(n)	(1UL << ((n) % BITS_PER_LONG))
#define BIT_WORD(n)	((n) / BITS_PER_LONG)
#define BITS_TO_LONGS(n) DIV_ROUND_UP(n, BITS_PER_LONG)
#define GENMASK(h, l)	((~0UL << (l)) & (~0UL >> (63 - (h))))
#define GENMASK_ULL(h, l) ((~0ULL << (l)) & (~0ULL >> (63 - (h))))
#define DECLARE_BITMAP(n, bits) unsigned long n[BITS_TO_LONGS(bits)]

static inline bool test_bit(unsigned long n, const volatile unsigned long *p)
{
	return (p[BIT_WORD(n)] >> (n % BITS_PER_LONG)) & 1;
}
static inline void set_bit(unsigned long n, volatile unsigned long *p)
{
	__atomic_or_fetch(&p[BIT_WORD(n)], BIT_MASK(n), __ATOMIC_RELAXED);
}
static inline void clear_bit(unsigned long n, volatile unsigned long *p)
{
	__atomic_and_fetch(&p[BIT_WORD(n)], ~BIT_MASK(n), __ATOMIC_RELAXED);
}
static inline bool test_and_set_bit(unsigned long n, volatile unsigned long *p)
{
	return __atomic_fetch_or(&p[BIT_WORD(n)], BIT_MASK(n), __ATOMIC_SEQ_CST) & BIT_MASK(n);
}
static inline bool test_and_clear_bit(unsigned long n, volatile unsigned long *p)
{
	return __atomic_fetch_and(&p[BIT_WORD(n)], ~BIT_MASK(n), __ATOMIC_SEQ_CST) & BIT_MASK(n);
}
#define __set_bit set_bit
#define __clear_bit clear_bit
#define __test_and_set_bit test_and_set_bit
#define __test_and_clear_bit test_and_clear_bit
#define set_bit_unlock set_bit
#define clear_bit_unlock clear_bit
#define assign_bit(n, p, v) ((v) ? set_bit(n, p) : clear_bit(n, p))
#define __assign_bit assign_bit
#define test_and_set_bit_lock test_and_set_bit

static inline unsigned long shim_find(const unsigned long *p, unsigned long size,
				      unsigned long start, unsigned long flip)
{
	while (start < size) {
		unsigned long w = (p[BIT_WORD(start)] ^ flip) >> (start % BITS_PER_LONG);

		if (w) {
			start += __ffs(w);
			return start < size ? start : size;
		}
		start = (start | (BITS_PER_LONG - 1)) + 1;
	}
	return size;
}
#define find_next_bit(p, size, start) shim_find(p, size, start, 0)
#define find_next_zero_bit(p, size, start) shim_find(p, size, start, ~0UL)
#define find_first_bit(p, size) find_next_bit(p, size, 0)
#define find_first_zero_bit(p, size) find_next_zero_bit(p, size, 0)
#define for_each_set_bit(b, p, size) \
	for ((b) = find_first_bit(p, size); (b) < (size); (b) = find_next_bit(p, size, (b) + 1))

static inline void bitmap_zero(unsigned long *p, unsigned long n)
{
	memset(p, 0, BITS_TO_LONGS(n) * 8);
}
static inline void bitmap_fill(unsigned long *p, unsigned long n)
{
	memset(p, 0xff, BITS_TO_LONGS(n) * 8);
}
static inline unsigned long bitmap_weight(const unsigned long *p, unsigned long n)
{
	unsigned long i, w = 0;

	for (i = 0; i < n; i++)
		w += test_bit(i, p);
	return w;
}
static inline bool bitmap_empty(const unsigned long *p, unsigned long n)
{
	return find_first_bit(p, n) >= n;
}
static inline bool bitmap_full(const unsigned long *p, unsigned long n)
{
	return find_first_zero_bit(p, n) >= n;
}
static inline void bitmap_set(unsigned long *p, unsigned long start, unsigned long n)
{
	for (; n; n--)
		set_bit(start++, p);
}
static inline void bitmap_clear(unsigned long *p, unsigned long start, unsigned long n)
{
	for (; n; n--)
		clear_bit(start++, p);
}
#define bitmap_zalloc(n, g) ((unsigned long *)kcalloc(BITS_TO_LONGS(n), 8, g))
#define bitmap_alloc(n, g) ((unsigned long *)kmalloc_array(BITS_TO_LONGS(n), 8, g))
#define bitmap_free(p) kfree(p)

#endif
