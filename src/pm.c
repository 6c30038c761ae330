// SPDX-License-Identifier: GPL-2.0-only
/*
 * pm.c - the machine hibernates, or is suspended to RAM.
 *
 * device-mapper is told of neither, and work items go on while devices are put to sleep.  Two
 * things must not happen then:
 *
 *   - I/O of ours to a disk that sleeps already.  The request waits in the disk's queue, and the
 *     kernel, when it takes the other CPUs down, waits for that queue: the machine hangs.
 *   - a copy or a commit after the image of hibernation was made.  While the image is written the
 *     disks are awake again.  But the resume brings back the memory of before: to that memory,
 *     metadata with later transactions is damaged metadata, and a cblock that was used again
 *     holds another block's data.
 *
 * So there is a platform device, whose only purpose is to be asked to prepare for sleep.  At that
 * time all processes and all freezable kernel threads stand still, and all disks are still awake.
 * cache_pm_prepare() waits for the migrations; from there on engine and commit do nothing until the
 * machine is back.  After a hibernation a notifier tells that, not the wake-up of devices: devices
 * are woken to write the image, too.
 *
 * A freezable workqueue (WQ_FREEZABLE) would be stopped too early and too late.  Too early: it
 * stops together with kernel threads that may wait for it, and a journal that waits for a dirty bit
 * to be committed would never stand still.  Too late: a copy has two halves, and kcopyd would send
 * the second one to a disk that sleeps.
 *
 * Hits, and misses that wait for nothing, go on all the while.  The image itself cannot be on a
 * cache: to read it, the next kernel would have to activate the cache, and so change it.  So writes
 * by the task that hibernates get an error, which undoes the hibernation, and a kernel with an
 * active cache refuses to be replaced by an image.  If another system changed the metadata all the
 * same, that is found before anything is committed on top of it.
 *
 * Locks: sleepers.lock, then md_mutex.
 */
#include "dm-cache.h"
#include "activate.h"
#include "pm.h"
#include <linux/platform_device.h>
#include <linux/pm.h>
#include <linux/sched.h>
#include <linux/suspend.h>

static struct {
	struct mutex lock;
	struct list_head list;		/* struct cache.sleeper, while its engine runs */
	bool hibernating;
} sleepers = {
	.lock = __MUTEX_INITIALIZER(sleepers.lock),
	.list = LIST_HEAD_INIT(sleepers.list),
};

void pm_enter(struct cache *c)
{
	mutex_lock(&sleepers.lock);
	if (list_empty(&c->sleeper))
		list_add_tail(&c->sleeper, &sleepers.list);
	mutex_unlock(&sleepers.lock);
}

void pm_leave(struct cache *c)
{
	mutex_lock(&sleepers.lock);
	list_del_init(&c->sleeper);
	mutex_unlock(&sleepers.lock);
}

/* Is @bio a part of the image?  Other processes stand still by now. */
bool pm_refuses(struct cache *c, const struct bio *bio)
{
	if (!test_bit(GATE_IMAGE, &c->gate) || !(current->flags & PF_SUSPEND_TASK) ||
	    !op_is_write(bio_op(bio)))
		return false;
	DMERR_LIMIT("%s: hibernation is refused: its swap is on this cache; use swap on another device",
		    cache_name(c));
	return true;
}

/*
 * A bio needs the engine, which does nothing now.  That may be a page that the kernel writes out,
 * or the image on its way through dm-crypt, whose threads are not the task that hibernates.
 */
void pm_note_waiting(struct cache *c)
{
	if (test_bit(GATE_IMAGE, &c->gate))
		DMWARN_LIMIT("%s: I/O waits until the hibernation is over; if that hangs, its swap is above this cache",
			     cache_name(c));
}

static void wake_all(void)
{
	struct cache *c;

	lockdep_assert_held(&sleepers.lock);
	list_for_each_entry(c, &sleepers.list, sleeper) {
		if (!READ_ONCE(c->held))
			continue;
		if (test_and_clear_bit(GATE_IMAGE, &c->gate))
			activate_check_woken(c);
		engine_release(c);
	}
}

static int cache_pm_prepare(struct device *dev)
{
	struct cache *c;
	int r = 0;

	mutex_lock(&sleepers.lock);
	list_for_each_entry(c, &sleepers.list, sleeper) {
		r = engine_hold(c);
		if (r) {
			DMERR("%s: the machine cannot go to sleep: copies do not come to an end",
			      cache_name(c));
			wake_all();
			break;
		}
		if (sleepers.hibernating)
			set_bit(GATE_IMAGE, &c->gate);
	}
	mutex_unlock(&sleepers.lock);
	return r;
}

static void cache_pm_complete(struct device *dev)
{
	mutex_lock(&sleepers.lock);
	if (!sleepers.hibernating)
		wake_all();
	mutex_unlock(&sleepers.lock);
}

/* Another kernel's image is about to replace this kernel's memory. */
static int refuse_image(void)
{
	struct cache *c;

	lockdep_assert_held(&sleepers.lock);
	list_for_each_entry(c, &sleepers.list, sleeper) {
		DMERR("%s: is active, so this machine cannot be resumed from hibernation any more: what is on its disks is newer",
		      cache_name(c));
		return notifier_from_errno(-EBUSY);
	}
	return NOTIFY_DONE;
}

static int cache_pm_notify(struct notifier_block *nb, unsigned long event, void *unused)
{
	int r = NOTIFY_DONE;

	mutex_lock(&sleepers.lock);
	switch (event) {
	case PM_HIBERNATION_PREPARE:
		sleepers.hibernating = true;
		break;
	case PM_POST_HIBERNATION:
		sleepers.hibernating = false;
		wake_all();
		break;
	case PM_RESTORE_PREPARE:
		r = refuse_image();
		break;
	}
	mutex_unlock(&sleepers.lock);
	return r;
}

static struct notifier_block cache_pm_notifier = {
	.notifier_call = cache_pm_notify,
};

static const struct dev_pm_ops cache_pm_ops = {
	.prepare = cache_pm_prepare,
	.complete = cache_pm_complete,
};

static struct platform_driver cache_pm_driver = {
	.driver = {
		.name = "dm-cache",
		.pm = &cache_pm_ops,
		.suppress_bind_attrs = true,
	},
};

static struct platform_device *cache_pm_device;

int __init pm_init(void)
{
	int r = platform_driver_register(&cache_pm_driver);

	if (r)
		return r;
	cache_pm_device = platform_device_register_simple("dm-cache", -1, NULL, 0);
	if (IS_ERR(cache_pm_device)) {
		r = PTR_ERR(cache_pm_device);
		goto err_driver;
	}
	r = register_pm_notifier(&cache_pm_notifier);
	if (r)
		goto err_device;
	return 0;

err_device:
	platform_device_unregister(cache_pm_device);
err_driver:
	platform_driver_unregister(&cache_pm_driver);
	return r;
}

void pm_exit(void)
{
	unregister_pm_notifier(&cache_pm_notifier);
	platform_device_unregister(cache_pm_device);
	platform_driver_unregister(&cache_pm_driver);
}
