/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_ATOMIC_H
#define SHIM_LINUX_ATOMIC_H

typedef struct {
	int counter;
} atomic_t;
typedef struct {
	s64 counter;
} atomic64_t;
typedef struct {
	long counter;
} atomic_long_t;
#define ATOMIC_INIT(i) { (i) }
#define ATOMIC64_INIT(i) { (i) }

#define SHIM_ATOMIC(P, T, A)								\
static inline T P##_read(const A *v) { return __atomic_load_n(&v->counter, __ATOMIC_RELAXED); }	\
static inline T P##_read_acquire(const A *v)						\
{ return __atomic_load_n(&v->counter, __ATOMIC_ACQUIRE); }				\
static inline void P##_set(A *v, T i) { __atomic_store_n(&v->counter, i, __ATOMIC_RELAXED); }	\
static inline void P##_set_release(A *v, T i)						\
{ __atomic_store_n(&v->counter, i, __ATOMIC_RELEASE); }					\
static inline void P##_add(T i, A *v) { __atomic_add_fetch(&v->counter, i, __ATOMIC_RELAXED); }	\
static inline void P##_sub(T i, A *v) { __atomic_sub_fetch(&v->counter, i, __ATOMIC_RELAXED); }	\
static inline void P##_inc(A *v) { P##_add(1, v); }					\
static inline void P##_dec(A *v) { P##_sub(1, v); }					\
static inline void P##_or(T i, A *v) { __atomic_or_fetch(&v->counter, i, __ATOMIC_RELAXED); }	\
static inline void P##_and(T i, A *v) { __atomic_and_fetch(&v->counter, i, __ATOMIC_RELAXED); }	\
static inline void P##_andnot(T i, A *v) { P##_and(~i, v); }				\
static inline T P##_fetch_or(T i, A *v)							\
{ return __atomic_fetch_or(&v->counter, i, __ATOMIC_SEQ_CST); }				\
static inline T P##_fetch_and(T i, A *v)						\
{ return __atomic_fetch_and(&v->counter, i, __ATOMIC_SEQ_CST); }			\
static inline T P##_fetch_andnot(T i, A *v) { return P##_fetch_and(~i, v); }		\
static inline T P##_add_return(T i, A *v)						\
{ return __atomic_add_fetch(&v->counter, i, __ATOMIC_SEQ_CST); }			\
static inline T P##_sub_return(T i, A *v)						\
{ return __atomic_sub_fetch(&v->counter, i, __ATOMIC_SEQ_CST); }			\
static inline T P##_fetch_add(T i, A *v)						\
{ return __atomic_fetch_add(&v->counter, i, __ATOMIC_SEQ_CST); }			\
static inline T P##_fetch_sub(T i, A *v)						\
{ return __atomic_fetch_sub(&v->counter, i, __ATOMIC_SEQ_CST); }			\
static inline T P##_fetch_inc(A *v) { return P##_fetch_add(1, v); }			\
static inline T P##_inc_return(A *v) { return P##_add_return(1, v); }			\
static inline T P##_dec_return(A *v) { return P##_sub_return(1, v); }			\
static inline bool P##_dec_and_test(A *v) { return P##_sub_return(1, v) == 0; }		\
static inline bool P##_inc_and_test(A *v) { return P##_add_return(1, v) == 0; }		\
static inline bool P##_sub_and_test(T i, A *v) { return P##_sub_return(i, v) == 0; }	\
static inline T P##_xchg(A *v, T i)							\
{ return __atomic_exchange_n(&v->counter, i, __ATOMIC_SEQ_CST); }			\
static inline T P##_cmpxchg(A *v, T o, T n) { return cmpxchg(&v->counter, o, n); }	\
static inline bool P##_try_cmpxchg(A *v, T *o, T n) { return try_cmpxchg(&v->counter, o, n); } \
static inline bool P##_add_unless(A *v, T a, T u)					\
{ if (v->counter == u) return false; P##_add(a, v); return true; }			\
static inline bool P##_inc_not_zero(A *v) { return P##_add_unless(v, 1, 0); }

SHIM_ATOMIC(atomic, int, atomic_t)
SHIM_ATOMIC(atomic64, s64, atomic64_t)
SHIM_ATOMIC(atomic_long, long, atomic_long_t)
#define atomic_cmpxchg_relaxed atomic_cmpxchg
#define atomic_fetch_or_relaxed atomic_fetch_or
#define atomic_xchg_relaxed atomic_xchg

typedef struct {
	int refs;
} refcount_t;
#define refcount_set(r, n) ((r)->refs = (n))
#define refcount_read(r) ((r)->refs)
#define refcount_inc(r) ((void)(r)->refs++)
#define refcount_dec_and_test(r) (--(r)->refs == 0)

#endif
