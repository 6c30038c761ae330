/* SPDX-License-Identifier: GPL-2.0-only */
/* Part of compat.h, which says how it works: atomics, memory, arithmetic, strings. */
#ifndef DMC_COMPAT_LIB_H
#define DMC_COMPAT_LIB_H

#include <linux/atomic.h>
#include <linux/percpu.h>
#include <linux/sched.h>

/*----- the compiler and memory ordering -----*/

/*
 * Since 3.19; drop when RHEL 7 goes. For what a machine word holds, which is all that we use it
 * for.
 */
#ifndef READ_ONCE
#define READ_ONCE(x)	(*(const volatile typeof(x) *)&(x))
#endif
#ifndef WRITE_ONCE
#define WRITE_ONCE(x, val) \
	do { *(volatile typeof(x) *)&(x) = (val); } while (0)
#endif

/* Since 5.4; drop when 4.19 goes. */
#ifndef fallthrough
#define fallthrough	do { } while (0)	/* fall through */
#endif

/* Since 3.14; drop when RHEL 7 goes. */
#ifndef smp_store_release
#define smp_store_release(p, v) \
	do { smp_mb(); WRITE_ONCE(*(p), v); } while (0)
#endif
#ifndef smp_load_acquire
#define smp_load_acquire(p) \
	({ typeof(*(p)) compat_v = READ_ONCE(*(p)); smp_mb(); compat_v; })
#endif

/* Since 3.16; drop when RHEL 7 goes. A full barrier is as good as any. */
#ifndef HAVE_SMP_MB_AROUND_ATOMIC
#undef smp_mb__before_atomic
#undef smp_mb__after_atomic
#define smp_mb__before_atomic()	smp_mb()
#define smp_mb__after_atomic()	smp_mb()
#endif

/*----- atomics -----*/

/* Since 4.20 or so; drop when 4.19 goes. */
#ifndef HAVE_ATOMIC_TRY_CMPXCHG
#undef atomic_try_cmpxchg
static inline bool compat_atomic_try_cmpxchg(atomic_t *v, int *old, int new)
{
	int seen = atomic_cmpxchg(v, *old, new);

	if (likely(seen == *old))
		return true;
	*old = seen;
	return false;
}
#define atomic_try_cmpxchg compat_atomic_try_cmpxchg
#endif

/*
 * Since 4.8; drop when 4.4 goes. Until then the name could mean something with the arguments the
 * other way round. Fully ordered, as those that return a value are.
 */
#ifndef HAVE_ATOMIC_FETCH_OR
#undef atomic_fetch_or
static inline int compat_atomic_fetch_or(int bits, atomic_t *v)
{
	int old = atomic_read(v);

	while (!atomic_try_cmpxchg(v, &old, old | bits))
		;
	return old;
}
#define atomic_fetch_or compat_atomic_fetch_or
#endif

/* Since 4.8; drop when 4.4 goes. */
#ifndef HAVE_ATOMIC_FETCH_ANDNOT
#undef atomic_fetch_andnot
static inline int compat_atomic_fetch_andnot(int bits, atomic_t *v)
{
	int old = atomic_read(v);

	while (!atomic_try_cmpxchg(v, &old, old & ~bits))
		;
	return old;
}
#define atomic_fetch_andnot compat_atomic_fetch_andnot
#endif

/* Since 4.3; drop when RHEL 7 goes. A full barrier is as good as any. */
#ifndef HAVE_ATOMIC_READ_ACQUIRE
#undef atomic_read_acquire
#define atomic_read_acquire(v) \
	({ int compat_v = atomic_read(v); smp_mb(); compat_v; })
#endif

/* Since 4.3; drop when RHEL 7 goes. */
#ifndef HAVE_ATOMIC_OR
#undef atomic_or
#define atomic_or(bits, v)	((void)atomic_fetch_or(bits, v))
#endif

/* Since 4.3; drop when RHEL 7 goes. */
#ifndef HAVE_ATOMIC_ANDNOT
#undef atomic_andnot
#define atomic_andnot(bits, v)	((void)atomic_fetch_andnot(bits, v))
#endif

/*----- per CPU -----*/

/* Since 3.15; drop when RHEL 7 goes. */
#ifndef raw_cpu_ptr
#define raw_cpu_ptr(ptr) __this_cpu_ptr(ptr)
#endif

/*----- memory -----*/

/* Since 3.15; drop when RHEL 7 goes. */
#ifndef HAVE_KVFREE
static inline void kvfree(const void *p)
{
	if (is_vmalloc_addr(p))
		vfree(p);
	else
		kfree(p);
}
#endif

/* Since 4.12; drop when 4.4 goes. A large kmalloc is only tried; its failure is no news. */
#ifndef HAVE_KVMALLOC
static inline void *kvmalloc(size_t size, gfp_t gfp)
{
	void *p = kmalloc(size, size > PAGE_SIZE ? gfp | __GFP_NORETRY | __GFP_NOWARN : gfp);

	if (p || size <= PAGE_SIZE)
		return p;
	return __vmalloc(size, gfp | __GFP_HIGHMEM, PAGE_KERNEL);
}
#endif

/* Since 4.12; drop when 4.4 goes. */
#ifndef HAVE_KVZALLOC
#define kvzalloc(size, gfp)	kvmalloc(size, (gfp) | __GFP_ZERO)
#endif

/* Since 4.18; drop when 4.14 goes. Too much for any allocator, if it does not fit. */
#ifndef HAVE_ARRAY_SIZE_FN
static inline size_t array_size(size_t n, size_t size)
{
	return size && n > SIZE_MAX / size ? SIZE_MAX : n * size;
}
#endif

/* Since 4.18; drop when 4.14 goes. */
#ifndef HAVE_KVCALLOC
static inline void *kvcalloc(size_t n, size_t size, gfp_t gfp)
{
	if (size && n > SIZE_MAX / size)
		return NULL;
	return kvmalloc(n * size, gfp | __GFP_ZERO);
}
#endif

/*----- page contents -----*/

/*
 * Since 5.11; drop when 5.10 goes. Nested maps must be undone in reverse order, as upstream asks.
 */
#ifndef HAVE_KMAP_LOCAL_PAGE
#define kmap_local_page(page)	kmap_atomic(page)
#define kunmap_local(addr)	kunmap_atomic(addr)
#endif

/*----- arithmetic -----*/

/* Since 5.6; drop when 5.4 goes. */
#ifndef DIV64_U64_ROUND_UP
#define DIV64_U64_ROUND_UP(ll, d) \
	({ u64 compat_d = (d); div64_u64((ll) + compat_d - 1, compat_d); })
#endif

/* Since 3.14 and 3.17; drop when vanilla 3.10 goes. */
#ifndef SIZE_MAX
#define SIZE_MAX	(~(size_t)0)
#endif
#ifndef U8_MAX
#define U8_MAX		((u8)~0U)
#endif
#ifndef U16_MAX
#define U16_MAX		((u16)~0U)
#endif
#ifndef U32_MAX
#define U32_MAX		((u32)~0U)
#endif
#ifndef U64_MAX
#define U64_MAX		((u64)~0ULL)
#endif

/* Since 4.11; drop when 4.4 goes. */
#ifndef HAVE_GET_RANDOM_U32
static inline u32 get_random_u32(void)
{
	u32 r;

	get_random_bytes(&r, sizeof(r));
	return r;
}
#endif

/* Since 6.2; drop when 6.1 goes. */
#ifndef HAVE_GET_RANDOM_U32_BELOW
static inline u32 get_random_u32_below(u32 ceil)
{
	return ((u64)get_random_u32() * ceil) >> 32;
}
#endif

/*----- strings -----*/

/* Since 4.3; until 4.7 or so with a result that had to be used. Drop when 4.4 goes. */
#ifndef HAVE_STRSCPY
static inline ssize_t compat_strscpy(char *to, const char *from, size_t size)
{
	size_t n = strnlen(from, size);

	if (!size)
		return -E2BIG;
	if (n == size) {
		memcpy(to, from, size - 1);
		to[size - 1] = '\0';
		return -E2BIG;
	}
	memcpy(to, from, n + 1);
	return n;
}
#define strscpy compat_strscpy
#endif

/*----- work -----*/

/* Since 6.17; drop when 6.12 goes. Always give WQ_PERCPU or WQ_UNBOUND. */
#ifndef HAVE_WQ_PERCPU
#define WQ_PERCPU 0
#endif

/*
 * Since 3.11; drop when vanilla 3.10 goes. There the task that hibernates cannot be told from
 * others.
 */
#ifndef PF_SUSPEND_TASK
#define PF_SUSPEND_TASK 0
#endif

#endif
