// SPDX-License-Identifier: GPL-2.0-only
/*
 * bugs.c - a module with one bug for each detector of the debug kernel, all harmless to what
 * follows. It loads and unloads, so that only the detectors can tell.
 */
#include <linux/delay.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static DEFINE_SPINLOCK(spin);

static volatile int sink;
static volatile unsigned int too_far = 64;

/* KASAN */
static void use_after_free(void)
{
	volatile int *p = kzalloc(64, GFP_KERNEL);

	kfree((void *)p);
	sink = p[3];
}

/* UBSAN */
static void shift_out_of_bounds(void)
{
	sink = 1 << too_far;
}

/* DEBUG_LIST */
static void add_twice(void)
{
	LIST_HEAD(head);
	struct list_head entry;

	list_add(&entry, &head);
	list_add(&entry, &head);
}

/* DEBUG_ATOMIC_SLEEP */
static void sleep_under_spinlock(void)
{
	spin_lock(&spin);
	might_sleep();
	spin_unlock(&spin);
}

/* DEBUG_OBJECTS_WORK */
static void free_queued_work(void)
{
	struct delayed_work *work = kzalloc(sizeof(*work), GFP_KERNEL);

	INIT_DELAYED_WORK(work, NULL);
	schedule_delayed_work(work, HZ * 1000);
	/* debugobjects takes the timer out before it warns. */
	kfree(work);
}

/* kmemleak */
static noinline void lose_memory(void)
{
	int i;

	/* One pointer may by chance stay somewhere on a stack; not all of them. */
	for (i = 0; i < 10; i++)
		memset(kmalloc(200, GFP_KERNEL), i, 200);
}

/* PROVE_LOCKING; the last, since lockdep turns itself off after a report. */
static void lock_both_ways(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);

	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static int __init bugs_init(void)
{
	lose_memory();
	add_twice();
	shift_out_of_bounds();
	sleep_under_spinlock();
	free_queued_work();
	lock_both_ways();
	use_after_free();
	return 0;
}

static void __exit bugs_exit(void)
{
}

module_init(bugs_init);
module_exit(bugs_exit);
MODULE_DESCRIPTION("deliberate bugs, for a test of bug detectors");
MODULE_LICENSE("GPL");
