/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim.h - what a test can ask of the userspace kernel.  The disk is in disk.h.
 */
#ifndef SHIM_SHIM_H
#define SHIM_SHIM_H

/*
 * The @n-th allocation from now (1 = the next) returns NULL, once; 0 = none.  True again: it
 * happened.
 */
void shim_fail_alloc(unsigned long n);
bool shim_alloc_failed(void);
unsigned long shim_nr_allocs(void);	/* allocations so far */
unsigned long shim_live_allocs(void);	/* not yet freed */
/* The most bytes that were asked for and not yet freed, at any time since this was last asked. */
unsigned long long shim_peak_bytes(void);
/* Lists where the live ones came from, at most @max, on stderr. */
void shim_print_live_allocs(unsigned int max);

/* "" if none since shim_clear_messages(). */
const char *shim_last_message(void);
unsigned long shim_nr_messages(void);
/* In any message since the clear (the last 64 are kept). */
bool shim_message_seen(const char *part);
void shim_clear_messages(void);

void shim_srandom(u64 seed);
/* The next of a sequence of one's own (splitmix64). */
u64 shim_next_random(u64 *state);

/* Locks held now: spinlocks count as "atomic", mutexes and rwsems do not. */
int shim_locks_held(void);
/* Called when a spinlock was taken, and when one was released. */
extern void (*shim_lock_hook)(bool held);
/* Possible CPUs, for what is allocated from now on.  All code runs on the first. */
extern unsigned int shim_nr_cpus;
int shim_atomic_depth(void);

#endif
