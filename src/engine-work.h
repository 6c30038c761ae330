/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * engine-work.h - runs the engine: at once, or after a moment.
 *
 * Where: whatever has something for the engine (engine.c), in any context.  No lock, nothing
 * sleeps.  Also compiled in userspace, for its test.
 *
 * There are two works, since a delayed work that waits for its time cannot be queued for now: a bio
 * that may wait a moment would make all else that is due wait, too.  So the engine's own work is
 * queued without a delay only.  The other one, when its time has come, only queues the first.
 */
#ifndef DM_CACHE_ENGINE_WORK_H
#define DM_CACHE_ENGINE_WORK_H

#include <linux/workqueue.h>

struct engine_work {
	struct workqueue_struct *wq;
	struct work_struct now;
	struct delayed_work later;
};

static inline void engine_work_now(struct engine_work *w)
{
	queue_work(w->wq, &w->now);
}

/* In a jiffy, unless that is due already. */
static inline void engine_work_later(struct engine_work *w)
{
	queue_delayed_work(w->wq, &w->later, 1);
}

static inline void engine_work_later_fn(struct work_struct *work)
{
	engine_work_now(container_of(to_delayed_work(work), struct engine_work, later));
}

static inline void engine_work_init(struct engine_work *w, struct workqueue_struct *wq,
				    work_func_t fn)
{
	w->wq = wq;
	INIT_WORK(&w->now, fn);
	INIT_DELAYED_WORK(&w->later, engine_work_later_fn);
}

#endif
