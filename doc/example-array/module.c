// SPDX-License-Identifier: GPL-2.0-only
/*
 * module.c - counters.c as a device-mapper target, one a device:
 *
 *	dmsetup create c --table "0 1 counters /dev/sdX 1000"	formats the device if it is blank
 *	dmsetup message c 0 add 7 5				counter 7 grows by 5
 *	dmsetup message c 0 commit				what was added is durable
 *	dmsetup message c 0 get 7				prints 5
 *
 * There is no I/O to the target itself.
 */
#include <linux/device-mapper.h>
#include <linux/err.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "counters.h"

struct target {
	struct list_head list;		/* in all_targets */
	struct mutex lock;		/* one caller at a time, says counters.h */
	struct dm_dev *dev;
	u32 nr;
	struct counters *counters;	/* or ERR_PTR() */
};

/* dm_get_device() lets several tables have a device; these counters are for one. */
static LIST_HEAD(all_targets);
static DEFINE_MUTEX(all_targets_lock);

static int target_enter(struct target *t)
{
	struct target *other;
	int r = 0;

	mutex_lock(&all_targets_lock);
	list_for_each_entry(other, &all_targets, list)
		if (other->dev->bdev->bd_dev == t->dev->bdev->bd_dev)
			r = -EBUSY;
	if (!r)
		list_add(&t->list, &all_targets);
	mutex_unlock(&all_targets_lock);
	return r;
}

static void target_leave(struct target *t)
{
	mutex_lock(&all_targets_lock);
	list_del(&t->list);
	mutex_unlock(&all_targets_lock);
}

static int reopen(struct target *t)
{
	if (!IS_ERR_OR_NULL(t->counters))
		counters_close(t->counters);
	t->counters = counters_open(t->dev->bdev, t->dev->name, t->nr);
	return PTR_ERR_OR_ZERO(t->counters);
}

/* 0, or -errno with *@error; t->dev is then NULL or to be put. */
static int target_open(struct target *t, struct dm_target *ti, char **argv, char **error)
{
	int r = kstrtou32(argv[1], 10, &t->nr);

	*error = "Expected: DEVICE NUMBER-OF-COUNTERS";
	if (r)
		return r;
	*error = "Cannot open the device";
	r = dm_get_device(ti, argv[0], dm_table_get_mode(ti->table), &t->dev);
	if (r)
		return r;
	*error = "Another table has the counters of this device";
	r = target_enter(t);
	if (r)
		return r;
	*error = "Cannot open the counters";
	r = reopen(t);
	if (r)
		target_leave(t);
	return r;
}

static int target_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct target *t;
	int r;

	if (argc != 2)
		return -EINVAL;
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t)
		return -ENOMEM;
	mutex_init(&t->lock);
	r = target_open(t, ti, argv, &ti->error);
	if (r) {
		if (t->dev)
			dm_put_device(ti, t->dev);
		kfree(t);
		return r;
	}
	ti->private = t;
	return 0;
}

static void target_dtr(struct dm_target *ti)
{
	struct target *t = ti->private;

	if (!IS_ERR(t->counters))
		counters_close(t->counters);
	target_leave(t);
	dm_put_device(ti, t->dev);
	kfree(t);
}

/* The last commit stays, whatever fails: it is what reopen() finds. */
static int change(struct target *t, unsigned int argc, char **argv)
{
	u32 i, n;
	int r;

	if (argc == 1 && !strcmp(argv[0], "commit"))
		r = counters_commit(t->counters);
	else if (argc == 3 && !strcmp(argv[0], "add") &&
		 !kstrtou32(argv[1], 10, &i) && !kstrtou32(argv[2], 10, &n))
		r = counters_add(t->counters, i, n);
	else
		return -EINVAL;
	if (r && r != -EINVAL)
		reopen(t);
	return r;
}

static int get(struct target *t, char **argv, char *result, unsigned int maxlen)
{
	u64 value;
	u32 i;
	int r = kstrtou32(argv[1], 10, &i);

	if (!r)
		r = counters_get(t->counters, i, &value);
	if (r)
		return r;
	scnprintf(result, maxlen, "%llu", value);
	return 1;			/* there is a result */
}

static int target_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
			  unsigned int maxlen)
{
	struct target *t = ti->private;
	int r;

	mutex_lock(&t->lock);
	if (IS_ERR(t->counters))
		r = -EIO;
	else if (argc == 2 && !strcmp(argv[0], "get"))
		r = get(t, argv, result, maxlen);
	else
		r = change(t, argc, argv);
	mutex_unlock(&t->lock);
	return r;
}

static int target_map(struct dm_target *ti, struct bio *bio)
{
	return DM_MAPIO_KILL;
}

static struct target_type counters_target = {
	.name = "counters",
	.version = { 1, 0, 0 },
	.module = THIS_MODULE,
	.ctr = target_ctr,
	.dtr = target_dtr,
	.map = target_map,
	.message = target_message,
};

static int __init counters_init(void)
{
	return dm_register_target(&counters_target);
}

static void __exit counters_exit(void)
{
	dm_unregister_target(&counters_target);
}

module_init(counters_init);
module_exit(counters_exit);

MODULE_DESCRIPTION("counters that survive a crash: an example of dm-cache-persistent-data");
MODULE_AUTHOR("dm-cache maintainers");
MODULE_LICENSE("GPL");
