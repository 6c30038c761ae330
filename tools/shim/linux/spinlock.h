/* SPDX-License-Identifier: GPL-2.0-only */
/* Locks as counters: taking one twice, or releasing one not held, ends the test. */
#ifndef SHIM_LINUX_SPINLOCK_H
#define SHIM_LINUX_SPINLOCK_H

typedef struct spinlock {
	int held;
} spinlock_t;
typedef spinlock_t raw_spinlock_t;
typedef struct {
	int readers, writer;
} rwlock_t;

void shim_spin_lock(int *held, const char *file, int line);
void shim_spin_unlock(int *held, const char *file, int line);
void shim_rw_read(int *readers, int *writer, bool atomic, const char *file, int line);
void shim_rw_read_end(int *readers, bool atomic, const char *file, int line);
void shim_rw_write(int *readers, int *writer, bool atomic, const char *file, int line);
void shim_rw_write_end(int *writer, bool atomic, const char *file, int line);

#define __SPIN_LOCK_UNLOCKED(x) { 0 }
#define DEFINE_SPINLOCK(x) spinlock_t x = { 0 }
#define spin_lock_init(l) ((l)->held = 0)
#define spin_lock(l) shim_spin_lock(&(l)->held, __FILE__, __LINE__)
#define spin_unlock(l) shim_spin_unlock(&(l)->held, __FILE__, __LINE__)
#define spin_lock_irq spin_lock
#define spin_unlock_irq spin_unlock
#define spin_lock_bh spin_lock
#define spin_unlock_bh spin_unlock
#define spin_lock_irqsave(l, f) do { (f) = 0; spin_lock(l); } while (0)
#define spin_unlock_irqrestore(l, f) do { (void)(f); spin_unlock(l); } while (0)
#define spin_trylock(l) ((l)->held ? 0 : (spin_lock(l), 1))
#define spin_lock_nested(l, s) spin_lock(l)
#define spin_is_locked(l) ((l)->held)
#define assert_spin_locked(l) shim_assert((l)->held)
#define raw_spin_lock_init spin_lock_init
#define raw_spin_lock spin_lock
#define raw_spin_unlock spin_unlock
#define raw_spin_lock_irqsave spin_lock_irqsave
#define raw_spin_unlock_irqrestore spin_unlock_irqrestore

#define DEFINE_RWLOCK(x) rwlock_t x = { 0, 0 }
#define rwlock_init(l) ((l)->readers = (l)->writer = 0)
#define read_lock(l) shim_rw_read(&(l)->readers, &(l)->writer, true, __FILE__, __LINE__)
#define read_unlock(l) shim_rw_read_end(&(l)->readers, true, __FILE__, __LINE__)
#define write_lock(l) shim_rw_write(&(l)->readers, &(l)->writer, true, __FILE__, __LINE__)
#define write_unlock(l) shim_rw_write_end(&(l)->writer, true, __FILE__, __LINE__)

/* Any of the lock types here: the first int of a mutex and a spinlock is "held". */
#define lockdep_assert_held(l) shim_assert(shim_lock_held(l))
#define lockdep_assert_held_write(l) shim_assert((l)->writer)
#define lockdep_assert_held_read(l) shim_assert((l)->readers)
#define lockdep_assert_not_held(l) shim_assert(!shim_lock_held(l))
#define lockdep_is_held(l) shim_lock_held(l)
#define shim_lock_held(l) _Generic(*(l), \
	spinlock_t: *(int *)(l), \
	struct mutex: *(int *)(l), \
	default: ((int *)(l))[0] || ((int *)(l))[1])

#include <linux/mutex.h>

#endif
