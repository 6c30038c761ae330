/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel.h - the kernel, as far as src/persistent-data, src/policies and the metadata need it, for
 * a userspace process.
 *
 * Force-included in front of every file (-include tools/shim/kernel.h -I tools/shim).  Names that
 * belong to a kernel header which has a uapi namesake (types.h, kernel.h, string.h, module.h,
 * wait.h, ...) are defined here, because a file of that name in linux/ would hide the uapi one
 * from the C library; all others are in tools/shim/linux.
 *
 * One thread, one CPU.  Locks are counters that abort the test when misused; allocations can be
 * made to fail (shim.h); messages are kept so that a test can look at them.
 */
#ifndef SHIM_KERNEL_H
#define SHIM_KERNEL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <asm/byteorder.h>
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/types.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

/*----- types -----*/

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef unsigned long long u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef long long s64;
typedef u64 sector_t;
typedef unsigned int gfp_t;
typedef unsigned int blk_opf_t;
typedef unsigned short umode_t;

_Static_assert(sizeof(u64) == 8, "u64");

#define U8_MAX		((u8)~0U)
#define U16_MAX		((u16)~0U)
#define U32_MAX		((u32)~0U)
#define S32_MAX		((s32)(U32_MAX >> 1))
#define U64_MAX		((u64)~0ULL)
#define S64_MAX		((s64)(U64_MAX >> 1))

#ifndef SECTOR_SHIFT
#define SECTOR_SHIFT	9
#define SECTOR_SIZE	(1 << SECTOR_SHIFT)
#endif
#define PAGE_SHIFT	12
#define PAGE_SIZE	(1UL << PAGE_SHIFT)
#define BITS_PER_BYTE	8
#define BITS_PER_LONG	(8 * __SIZEOF_LONG__)
#define BITS_PER_LONG_LONG 64
#define SMP_CACHE_BYTES	64
#define L1_CACHE_BYTES	64
#define HZ		250

/*----- attributes -----*/

#ifdef __force
#undef __force
#endif
#define __force
#define __user
#define __iomem
#define __rcu
#define __percpu
#define __must_hold(x)
#define __acquires(x)
#define __releases(x)
#define __acquire(x)	((void)0)
#define __release(x)	((void)0)
#define __init
#define __exit
#define __initdata
#define __always_unused	__attribute__((unused))
#define __maybe_unused	__attribute__((unused))
#define __must_check	__attribute__((warn_unused_result))
#define __packed	__attribute__((packed))
#define __aligned(x)	__attribute__((aligned(x)))
#define __cold		__attribute__((cold))
#define __printf(a, b)	__attribute__((format(printf, a, b)))
#define ____cacheline_aligned_in_smp __attribute__((aligned(SMP_CACHE_BYTES)))
#define ____cacheline_aligned ____cacheline_aligned_in_smp
#define noinline	__attribute__((noinline))
#define __always_inline_shim inline __attribute__((always_inline))
#ifndef __always_inline
#define __always_inline	inline __attribute__((always_inline))
#endif
#if __has_attribute(__fallthrough__)
#define fallthrough	__attribute__((__fallthrough__))
#else
#define fallthrough	do {} while (0)
#endif
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define barrier()	__asm__ __volatile__("" : : : "memory")
#define cpu_relax()	barrier()
#define prefetch(x)	__builtin_prefetch(x)
#define prefetchw(x)	__builtin_prefetch(x, 1)

#define READ_ONCE(x)	(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) do { *(volatile __typeof__(x) *)&(x) = (v); } while (0)
#define data_race(x)	(x)
#define smp_mb()	__sync_synchronize()
#define smp_rmb()	__sync_synchronize()
#define smp_wmb()	__sync_synchronize()
#define smp_mb__before_atomic() __sync_synchronize()
#define smp_mb__after_atomic() __sync_synchronize()
#define smp_load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define smp_store_mb(x, v) do { WRITE_ONCE(x, v); smp_mb(); } while (0)
#define cmpxchg(p, o, n) ({						\
	__typeof__(*(p)) __old = (o);					\
	__atomic_compare_exchange_n(p, &__old, n, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
	__old; })
#define try_cmpxchg(p, o, n) \
	__atomic_compare_exchange_n(p, o, n, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#define xchg(p, v) __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)

#define EXPORT_SYMBOL(x)	extern int shim_export_##x
#define EXPORT_SYMBOL_GPL(x)	extern int shim_export_##x
#define MODULE_LICENSE(x)	extern int shim_module_info
#define MODULE_AUTHOR(x)	extern int shim_module_info
#define MODULE_DESCRIPTION(x)	extern int shim_module_info
#define MODULE_VERSION(x)	extern int shim_module_info
#define MODULE_ALIAS(x)		extern int shim_module_info
#define MODULE_SOFTDEP(x)	extern int shim_module_info
#define MODULE_PARM_DESC(a, b)	extern int shim_module_info
#define MODULE_IMPORT_NS(x)	extern int shim_module_info
#define module_param(a, b, c)	static const void *const shim_##a __attribute__((unused)) = &a
#define module_param_named(a, b, c, d) extern int shim_module_info

struct module;
#define THIS_MODULE	((struct module *)NULL)
#define try_module_get(m) ((void)(m), true)
#define __module_get(m)	((void)(m))
#define module_put(m)	((void)(m))
/* No module of the kernel's is loaded here. */
static inline void *__symbol_get(const char *name) { (void)name; return NULL; }
static inline void __symbol_put(const char *name) { (void)name; }
static inline int request_module(const char *fmt, ...) { (void)fmt; return -ENOENT; }

/* Recorded before main(): shim_modules_init() runs them in link order. */
void shim_register_module(const char *file, int (*init)(void), void (*exit)(void));
#define module_init(f) \
	static __attribute__((constructor)) void shim_init_##f(void) \
	{ shim_register_module(__FILE__, f, NULL); } extern int shim_module_info
#define module_exit(f) \
	static __attribute__((constructor)) void shim_exit_##f(void) \
	{ shim_register_module(__FILE__, NULL, f); } extern int shim_module_info
int shim_modules_init(void);	/* 0 or the first error */
void shim_modules_exit(void);

/*----- checks -----*/

/* Prints the reason and a place, and ends the test program. */
void shim_panic(const char *file, int line, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
#define shim_assert(x) do { if (!(x)) shim_panic(__FILE__, __LINE__, "%s", #x); } while (0)

#undef static_assert
#define static_assert(expr, ...) __shim_static_assert(expr, ##__VA_ARGS__, #expr)
#define __shim_static_assert(expr, msg, ...) _Static_assert(expr, msg)
#define BUILD_BUG_ON(x)	_Static_assert(!(x), #x)
#define BUILD_BUG_ON_MSG(x, m) _Static_assert(!(x), m)
#define BUG()		shim_panic(__FILE__, __LINE__, "BUG")
#define BUG_ON(x)	do { if (unlikely(x)) shim_panic(__FILE__, __LINE__, "BUG_ON(%s)", #x); } while (0)
/* A kernel only warns; here it is a failed test. */
#define WARN_ON(x)	({ bool __w = !!(x); if (__w) shim_panic(__FILE__, __LINE__, "WARN_ON(%s)", #x); __w; })
#define WARN_ON_ONCE(x)	WARN_ON(x)
#define WARN(x, ...)                                                 \
	({                                                           \
		bool __w = !!(x);                                    \
		if (__w)                                             \
			shim_panic(__FILE__, __LINE__, __VA_ARGS__); \
		__w;                                                 \
	})
#define WARN_ONCE(x, ...) WARN(x, __VA_ARGS__)
#define might_sleep()	shim_might_sleep(__FILE__, __LINE__)
#define might_sleep_if(x) do { if (x) might_sleep(); } while (0)
#define cond_resched()	might_sleep()
void shim_might_sleep(const char *file, int line);
#define lockdep_assert(x) shim_assert(x)

/*----- small helpers -----*/

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define __stringify_1(x...) #x
#define __stringify(x...) __stringify_1(x)
#undef offsetof
#define offsetof(t, m)	__builtin_offsetof(t, m)
#define offsetofend(t, m) (offsetof(t, m) + sizeof(((t *)0)->m))
#define sizeof_field(t, m) sizeof(((t *)0)->m)
#define container_of(ptr, type, member) \
	((type *)((char *)(__typeof__(((type *)0)->member) *)(ptr) - offsetof(type, member)))
#define typeof __typeof__

#define min(a, b) ({ __typeof__(a) __a = (a); __typeof__(b) __b = (b); \
	(void)(&__a == (__typeof__(&__a))&__b); __a < __b ? __a : __b; })
#define max(a, b) ({ __typeof__(a) __a = (a); __typeof__(b) __b = (b); \
	(void)(&__a == (__typeof__(&__a))&__b); __a > __b ? __a : __b; })
#define min_t(t, a, b)	({ t __a = (a); t __b = (b); __a < __b ? __a : __b; })
#define max_t(t, a, b)	({ t __a = (a); t __b = (b); __a > __b ? __a : __b; })
#define min3(a, b, c)	min(min(a, b), c)
#define max3(a, b, c)	max(max(a, b), c)
#define clamp(v, lo, hi) min(max(v, lo), hi)
#define clamp_t(t, v, lo, hi) min_t(t, max_t(t, v, lo), hi)
#define clamp_val(v, lo, hi) clamp_t(__typeof__(v), v, lo, hi)
#define swap(a, b) do { __typeof__(a) __t = (a); (a) = (b); (b) = __t; } while (0)
#define abs_diff(a, b)	((a) > (b) ? (a) - (b) : (b) - (a))

#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define DIV_ROUND_UP_ULL(n, d) DIV_ROUND_UP((unsigned long long)(n), (d))
#define DIV_ROUND_UP_SECTOR_T(n, d) DIV_ROUND_UP_ULL(n, d)
#define round_up(x, y)	((((x) - 1) | ((__typeof__(x))((y) - 1))) + 1)
#define round_down(x, y) ((x) & ~((__typeof__(x))((y) - 1)))
#define roundup(x, y)	((((x) + ((y) - 1)) / (y)) * (y))
#define rounddown(x, y)	((x) - ((x) % (y)))
#define ALIGN(x, a)	round_up(x, a)
#define IS_ALIGNED(x, a) (((x) & ((__typeof__(x))(a) - 1)) == 0)
#define lower_32_bits(n) ((u32)(n))
#define upper_32_bits(n) ((u32)((u64)(n) >> 32))

#define do_div(n, base) ({ u32 __base = (base); u32 __rem = (u64)(n) % __base; \
	(n) = (u64)(n) / __base; __rem; })
#define sector_div(n, base) do_div(n, base)
static inline u64 div_u64(u64 a, u32 b) { return a / b; }
static inline u64 div64_u64(u64 a, u64 b) { return a / b; }
static inline s64 div_s64(s64 a, s32 b) { return a / b; }
static inline s64 div64_s64(s64 a, s64 b) { return a / b; }
static inline u64 div_u64_rem(u64 a, u32 b, u32 *rem) { *rem = a % b; return a / b; }
static inline u64 div64_u64_rem(u64 a, u64 b, u64 *rem) { *rem = a % b; return a / b; }
/* Without a 128 bit type, as on 32 bit machines: bit by bit. */
static inline u64 mul_u64_u64_div_u64(u64 a, u64 m, u64 d)
{
#ifdef __SIZEOF_INT128__
	return (unsigned __int128)a * m / d;
#else
	u64 q = 0, r = 0, qa = a / d, ra = a % d;

	/* q * d + r = a * (the bits of m so far) */
	for (int i = 63; i >= 0; i--) {
		bool carry = r >> 63;

		q <<= 1;
		r <<= 1;
		if (carry || r >= d) {
			r -= d;
			q++;
		}
		if (!(m >> i & 1))
			continue;
		q += qa;
		carry = r + ra < r;
		r += ra;
		if (carry || r >= d) {
			r -= d;
			q++;
		}
	}
	return q;
#endif
}
static inline u64 mul_u64_u32_div(u64 a, u32 m, u32 d) { return mul_u64_u64_div_u64(a, m, d); }
static inline u64 mul_u32_u32(u32 a, u32 b) { return (u64)a * b; }

static inline int fls(unsigned int x) { return x ? 32 - __builtin_clz(x) : 0; }
static inline int fls64(u64 x) { return x ? 64 - __builtin_clzll(x) : 0; }
static inline unsigned long __fls(unsigned long x) { return BITS_PER_LONG - 1 - __builtin_clzl(x); }
static inline unsigned long __ffs(unsigned long x) { return __builtin_ctzl(x); }
static inline unsigned long __ffs64(u64 x) { return __builtin_ctzll(x); }
static inline unsigned long ffz(unsigned long x) { return __builtin_ctzl(~x); }
static inline unsigned int hweight32(u32 x) { return __builtin_popcount(x); }
static inline unsigned int hweight16(u16 x) { return __builtin_popcount(x); }
static inline unsigned int hweight8(u8 x) { return __builtin_popcount(x); }
static inline unsigned long hweight64(u64 x) { return __builtin_popcountll(x); }
static inline unsigned long hweight_long(unsigned long x) { return __builtin_popcountl(x); }
#define ilog2(n)	(fls64(n) - 1)
static inline bool is_power_of_2(unsigned long n) { return n && !(n & (n - 1)); }
static inline unsigned long roundup_pow_of_two(unsigned long n) { return 1UL << fls64(n - 1); }
static inline unsigned long rounddown_pow_of_two(unsigned long n) { return 1UL << (fls64(n) - 1); }
static inline int order_base_2(unsigned long n) { return n > 1 ? fls64(n - 1) : 0; }
static inline unsigned int get_count_order(unsigned int n) { return order_base_2(n); }

static inline unsigned long int_sqrt(unsigned long x)
{
	unsigned long r = 0, bit = 1UL << (BITS_PER_LONG - 2);

	while (bit > x)
		bit >>= 2;
	for (; bit; bit >>= 2) {
		if (x >= r + bit) {
			x -= r + bit;
			r = (r >> 1) + bit;
		} else {
			r >>= 1;
		}
	}
	return r;
}

#define check_add_overflow(a, b, d) __builtin_add_overflow(a, b, d)
#define check_sub_overflow(a, b, d) __builtin_sub_overflow(a, b, d)
#define check_mul_overflow(a, b, d) __builtin_mul_overflow(a, b, d)
static inline size_t array_size(size_t a, size_t b)
{
	size_t r;

	return __builtin_mul_overflow(a, b, &r) ? SIZE_MAX : r;
}
#define array3_size(a, b, c) array_size(array_size(a, b), c)
static inline size_t size_add(size_t a, size_t b)
{
	size_t r;

	return __builtin_add_overflow(a, b, &r) ? SIZE_MAX : r;
}
#define size_mul(a, b) array_size(a, b)
#define struct_size(p, m, n) size_add(sizeof(*(p)), array_size(sizeof((p)->m[0]), n))

/*----- byte order -----*/

#define cpu_to_le16 __cpu_to_le16
#define cpu_to_le32 __cpu_to_le32
#define cpu_to_le64 __cpu_to_le64
#define le16_to_cpu __le16_to_cpu
#define le32_to_cpu __le32_to_cpu
#define le64_to_cpu __le64_to_cpu
#define le32_to_cpup(p) le32_to_cpu(*(p))
#define le64_to_cpup(p) le64_to_cpu(*(p))
static inline void le32_add_cpu(__le32 *p, u32 v) { *p = cpu_to_le32(le32_to_cpu(*p) + v); }
static inline void le64_add_cpu(__le64 *p, u64 v) { *p = cpu_to_le64(le64_to_cpu(*p) + v); }
static inline u16 get_unaligned_le16(const void *p)
{
	__le16 v;
	memcpy(&v, p, 2);
	return le16_to_cpu(v);
}
static inline u32 get_unaligned_le32(const void *p)
{
	__le32 v;
	memcpy(&v, p, 4);
	return le32_to_cpu(v);
}
static inline u64 get_unaligned_le64(const void *p)
{
	__le64 v;
	memcpy(&v, p, 8);
	return le64_to_cpu(v);
}
static inline void put_unaligned_le16(u16 v, void *p)
{
	__le16 l = cpu_to_le16(v);
	memcpy(p, &l, 2);
}
static inline void put_unaligned_le32(u32 v, void *p)
{
	__le32 l = cpu_to_le32(v);
	memcpy(p, &l, 4);
}
static inline void put_unaligned_le64(u64 v, void *p)
{
	__le64 l = cpu_to_le64(v);
	memcpy(p, &l, 8);
}
#define get_unaligned(p) ({ __typeof__(*(p)) __v; memcpy(&__v, p, sizeof(__v)); __v; })
#define put_unaligned(v, p) ({ __typeof__(*(p)) __v = (v); memcpy(p, &__v, sizeof(__v)); })

/*----- errors in pointers -----*/

#ifndef ENOTSUPP
#define ENOTSUPP 524
#endif
#define MAX_ERRNO	4095
#define IS_ERR_VALUE(x)	unlikely((unsigned long)(void *)(x) >= (unsigned long)-MAX_ERRNO)
static inline void *ERR_PTR(long e) { return (void *)e; }
static inline long PTR_ERR(const void *p) { return (long)p; }
static inline bool IS_ERR(const void *p) { return IS_ERR_VALUE((unsigned long)p); }
static inline bool IS_ERR_OR_NULL(const void *p) { return !p || IS_ERR(p); }
static inline void *ERR_CAST(const void *p) { return (void *)p; }
static inline int PTR_ERR_OR_ZERO(const void *p) { return IS_ERR(p) ? PTR_ERR(p) : 0; }

/*----- strings -----*/

int scnprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
int vscnprintf(char *buf, size_t size, const char *fmt, va_list args);
ssize_t strscpy(char *dst, const char *src, size_t size);
ssize_t strscpy_pad(char *dst, const char *src, size_t size);
void *memchr_inv(const void *p, int c, size_t n);
char *strim(char *s);
char *skip_spaces(const char *s);
bool sysfs_streq(const char *a, const char *b);
int match_string(const char * const *array, size_t n, const char *string);
int kstrtoull(const char *s, unsigned int base, unsigned long long *res);
int kstrtoul(const char *s, unsigned int base, unsigned long *res);
int kstrtouint(const char *s, unsigned int base, unsigned int *res);
int kstrtoint(const char *s, unsigned int base, int *res);
int kstrtobool(const char *s, bool *res);
#define kstrtou64 kstrtoull
#define kstrtou32 kstrtouint
#define memzero_explicit(p, n) memset(p, 0, n)

/*----- messages -----*/

/* The last one is kept (shim_last_message()); all go to stderr if SHIM_VERBOSE is set. */

#define KERN_ERR	""
#define KERN_WARNING	""
#define KERN_NOTICE	""
#define KERN_INFO	""
#define KERN_DEBUG	""
#define KERN_CONT	""
int shim_printk(const char *level, const char *fmt, ...) __printf(2, 3);
#ifndef pr_fmt
#define pr_fmt(fmt) fmt
#endif
#define printk(fmt, ...)	shim_printk("", fmt, ##__VA_ARGS__)
#define pr_err(fmt, ...)	shim_printk("err", pr_fmt(fmt), ##__VA_ARGS__)
#define pr_alert pr_err
#define pr_crit pr_err
#define pr_warn(fmt, ...)	shim_printk("warn", pr_fmt(fmt), ##__VA_ARGS__)
#define pr_notice(fmt, ...)	shim_printk("notice", pr_fmt(fmt), ##__VA_ARGS__)
#define pr_info(fmt, ...)	shim_printk("info", pr_fmt(fmt), ##__VA_ARGS__)
#define pr_debug(fmt, ...)	do { if (0) shim_printk("debug", pr_fmt(fmt), ##__VA_ARGS__); } while (0)
#define pr_err_ratelimited pr_err
#define pr_warn_ratelimited pr_warn
#define pr_info_ratelimited pr_info
#define pr_err_once pr_err
#define pr_warn_once pr_warn
#define pr_info_once pr_info

/*----- tasks, waiting: one thread, so a wait that is not over at once never ends -----*/

struct task_struct {
	int pid;
	char comm[16];
};
extern struct task_struct *shim_current;	/* a test may play another task */
#define current shim_current
#define task_pid_nr(t) ((t)->pid)

typedef struct wait_queue_head {
	int unused;
} wait_queue_head_t;
#define DECLARE_WAIT_QUEUE_HEAD(n) wait_queue_head_t n
#define init_waitqueue_head(q) ((void)(q))
#define wake_up(q)	((void)(q))
#define wake_up_all(q)	((void)(q))
#define wait_event(q, cond) do { \
	if (!(cond)) shim_panic(__FILE__, __LINE__, "waits for ever: %s", #cond); } while (0)
#define wq_has_sleeper(q) ((void)(q), false)

extern unsigned long jiffies;
#define time_after(a, b)	((long)((b) - (a)) < 0)
#define time_before(a, b)	time_after(b, a)
#define time_after_eq(a, b)	((long)((a) - (b)) >= 0)
#define msecs_to_jiffies(m)	((unsigned long)(m) * HZ / 1000)
#define jiffies_to_msecs(j)	((unsigned int)((j) * 1000 / HZ))
u64 ktime_get_ns(void);

/* Repeatable: shim_srandom(). */
u32 get_random_u32(void);
u64 get_random_u64(void);
u32 get_random_u32_below(u32 ceil);
#define prandom_u32 get_random_u32
void get_random_bytes(void *p, size_t n);

static inline unsigned int memalloc_noio_save(void) { return 0; }
static inline void memalloc_noio_restore(unsigned int f) { (void)f; }

#include <linux/slab.h>

#endif
