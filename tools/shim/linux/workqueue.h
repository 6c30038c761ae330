/* SPDX-License-Identifier: GPL-2.0-only */
/* Works that run when the test says so, in the order in which they became due. */
#ifndef SHIM_LINUX_WORKQUEUE_H
#define SHIM_LINUX_WORKQUEUE_H

struct work_struct;
typedef void (*work_func_t)(struct work_struct *work);

struct work_struct {
	work_func_t func;
	bool pending;
	unsigned long due;		/* time */
	struct work_struct *next;	/* of those that are pending, by @due */
};

struct delayed_work {
	struct work_struct work;
};

struct workqueue_struct {
	unsigned long now;
	struct work_struct *first;
};

#define to_delayed_work(w) container_of(w, struct delayed_work, work)
#define INIT_WORK(w, fn) (*(w) = (struct work_struct){ .func = (fn) })
#define INIT_DELAYED_WORK(d, fn) INIT_WORK(&(d)->work, fn)

/* As the kernel's: false, and nothing has changed, if it is pending already, whenever it is due. */
static inline bool shim_queue(struct workqueue_struct *wq, struct work_struct *w,
			      unsigned long delay)
{
	struct work_struct **p = &wq->first;

	if (w->pending)
		return false;
	w->pending = true;
	w->due = wq->now + delay;
	while (*p && (*p)->due <= w->due)
		p = &(*p)->next;
	w->next = *p;
	*p = w;
	return true;
}
#define queue_work(wq, w) shim_queue(wq, w, 0)
#define queue_delayed_work(wq, d, delay) shim_queue(wq, &(d)->work, delay)

/* Runs the next one that is due at this time.  False: there is none. */
static inline bool shim_run_work(struct workqueue_struct *wq)
{
	struct work_struct *w = wq->first;

	if (!w || w->due > wq->now)
		return false;
	wq->first = w->next;
	w->pending = false;
	w->func(w);
	return true;
}

#endif
