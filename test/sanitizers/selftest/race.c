// SPDX-License-Identifier: GPL-2.0-only
/*
 * race.c - two threads add to one number without a lock: a data race, and harmless. Built as two
 * modules: only one of them bears a name of ours.
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>

static unsigned long raced;
static struct task_struct *racer[2];

static int race(void *unused)
{
	while (!kthread_should_stop()) {
		int i;

		for (i = 0; i < 1000; i++)
			raced++;
		cond_resched();
	}
	return 0;
}

static void race_stop(void)
{
	int i;

	for (i = 0; i < 2; i++)
		if (!IS_ERR_OR_NULL(racer[i]))
			kthread_stop(racer[i]);
}

static int __init race_init(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		racer[i] = kthread_run(race, NULL, "race%d", i);
		if (IS_ERR(racer[i])) {
			race_stop();
			return PTR_ERR(racer[i]);
		}
	}
	return 0;
}

static void __exit race_exit(void)
{
	race_stop();
}

module_init(race_init);
module_exit(race_exit);
MODULE_DESCRIPTION("a deliberate data race, for a test of its detector");
MODULE_LICENSE("GPL");
