/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_MUTEX_H
#define SHIM_LINUX_MUTEX_H

struct mutex {
	int held;
};
struct rw_semaphore {
	int readers, writer;
};

void shim_mutex_lock(int *held, const char *file, int line);
void shim_mutex_unlock(int *held, const char *file, int line);

#define DEFINE_MUTEX(x) struct mutex x = { 0 }
#define mutex_init(l) ((l)->held = 0)
#define mutex_destroy(l) shim_assert(!(l)->held)
#define mutex_lock(l) shim_mutex_lock(&(l)->held, __FILE__, __LINE__)
#define mutex_lock_nested(l, s) mutex_lock(l)
#define mutex_unlock(l) shim_mutex_unlock(&(l)->held, __FILE__, __LINE__)
#define mutex_trylock(l) ((l)->held ? 0 : (mutex_lock(l), 1))
#define mutex_is_locked(l) ((l)->held)

#define DECLARE_RWSEM(x) struct rw_semaphore x = { 0, 0 }
#define init_rwsem(l) ((l)->readers = (l)->writer = 0)
#define down_read(l) shim_rw_read(&(l)->readers, &(l)->writer, false, __FILE__, __LINE__)
#define up_read(l) shim_rw_read_end(&(l)->readers, false, __FILE__, __LINE__)
#define down_write(l) shim_rw_write(&(l)->readers, &(l)->writer, false, __FILE__, __LINE__)
#define up_write(l) shim_rw_write_end(&(l)->writer, false, __FILE__, __LINE__)

#include <linux/spinlock.h>

#endif
