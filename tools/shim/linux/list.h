/* SPDX-License-Identifier: GPL-2.0-only */
/* Doubly linked rings and hash chains under the kernel's names. */
#ifndef SHIM_LINUX_LIST_H
#define SHIM_LINUX_LIST_H

struct list_head {
	struct list_head *next, *prev;
};

#define LIST_HEAD_INIT(n) { &(n), &(n) }
#define LIST_HEAD(n) struct list_head n = LIST_HEAD_INIT(n)
#define LIST_POISON ((struct list_head *)0x100)

static inline void INIT_LIST_HEAD(struct list_head *l) { l->next = l->prev = l; }
static inline void shim_list_link(struct list_head *e, struct list_head *p, struct list_head *n)
{
	p->next = e;
	e->prev = p;
	e->next = n;
	n->prev = e;
}
static inline void list_add(struct list_head *e, struct list_head *h)
{
	shim_list_link(e, h, h->next);
}
static inline void list_add_tail(struct list_head *e, struct list_head *h)
{
	shim_list_link(e, h->prev, h);
}
static inline void shim_list_unlink(struct list_head *e)
{
	shim_assert(e->next != LIST_POISON && e->prev->next == e && e->next->prev == e);
	e->prev->next = e->next;
	e->next->prev = e->prev;
}
static inline void list_del(struct list_head *e)
{
	shim_list_unlink(e);
	e->next = e->prev = LIST_POISON;
}
static inline void list_del_init(struct list_head *e)
{
	shim_list_unlink(e);
	INIT_LIST_HEAD(e);
}
static inline bool list_empty(const struct list_head *h) { return h->next == h; }
static inline bool list_empty_careful(const struct list_head *h) { return list_empty(h); }
static inline bool list_is_singular(const struct list_head *h)
{
	return !list_empty(h) && h->next == h->prev;
}
static inline bool list_is_last(const struct list_head *e, const struct list_head *h)
{
	return e->next == h;
}
static inline bool list_is_first(const struct list_head *e, const struct list_head *h)
{
	return e->prev == h;
}
static inline bool list_is_head(const struct list_head *e, const struct list_head *h)
{
	return e == h;
}
static inline void list_move(struct list_head *e, struct list_head *h)
{
	shim_list_unlink(e);
	list_add(e, h);
}
static inline void list_move_tail(struct list_head *e, struct list_head *h)
{
	shim_list_unlink(e);
	list_add_tail(e, h);
}
static inline void list_splice(struct list_head *l, struct list_head *h)
{
	if (list_empty(l))
		return;
	l->next->prev = h;
	l->prev->next = h->next;
	h->next->prev = l->prev;
	h->next = l->next;
}
static inline void list_splice_init(struct list_head *l, struct list_head *h)
{
	list_splice(l, h);
	INIT_LIST_HEAD(l);
}
static inline void list_splice_tail(struct list_head *l, struct list_head *h)
{
	if (list_empty(l))
		return;
	l->prev->next = h;
	l->next->prev = h->prev;
	h->prev->next = l->next;
	h->prev = l->prev;
}
static inline void list_splice_tail_init(struct list_head *l, struct list_head *h)
{
	list_splice_tail(l, h);
	INIT_LIST_HEAD(l);
}
static inline size_t list_count_nodes(struct list_head *h)
{
	size_t n = 0;

	for (struct list_head *e = h->next; e != h; e = e->next)
		n++;
	return n;
}

#define list_entry(p, t, m) container_of(p, t, m)
#define list_first_entry(h, t, m) list_entry((h)->next, t, m)
#define list_last_entry(h, t, m) list_entry((h)->prev, t, m)
#define list_first_entry_or_null(h, t, m) (list_empty(h) ? NULL : list_first_entry(h, t, m))
#define list_next_entry(p, m) list_entry((p)->m.next, __typeof__(*(p)), m)
#define list_prev_entry(p, m) list_entry((p)->m.prev, __typeof__(*(p)), m)
#define list_entry_is_head(p, h, m) (&(p)->m == (h))
#define list_for_each(p, h) for (p = (h)->next; p != (h); p = p->next)
#define list_for_each_prev(p, h) for (p = (h)->prev; p != (h); p = p->prev)
#define list_for_each_safe(p, n, h) for (p = (h)->next, n = p->next; p != (h); p = n, n = p->next)
#define list_for_each_entry(p, h, m) \
	for (p = list_first_entry(h, __typeof__(*p), m); &p->m != (h); p = list_next_entry(p, m))
#define list_for_each_entry_reverse(p, h, m) \
	for (p = list_last_entry(h, __typeof__(*p), m); &p->m != (h); p = list_prev_entry(p, m))
#define list_for_each_entry_safe(p, n, h, m) \
	for (p = list_first_entry(h, __typeof__(*p), m), n = list_next_entry(p, m); \
	     &p->m != (h); p = n, n = list_next_entry(n, m))
#define list_for_each_entry_safe_reverse(p, n, h, m) \
	for (p = list_last_entry(h, __typeof__(*p), m), n = list_prev_entry(p, m); \
	     &p->m != (h); p = n, n = list_prev_entry(n, m))

struct hlist_node {
	struct hlist_node *next, **pprev;
};
struct hlist_head {
	struct hlist_node *first;
};
#define HLIST_HEAD_INIT { NULL }
#define HLIST_HEAD(n) struct hlist_head n = { NULL }
#define INIT_HLIST_HEAD(h) ((h)->first = NULL)
static inline void INIT_HLIST_NODE(struct hlist_node *n) { n->next = NULL; n->pprev = NULL; }
static inline bool hlist_unhashed(const struct hlist_node *n) { return !n->pprev; }
static inline bool hlist_empty(const struct hlist_head *h) { return !h->first; }
static inline void hlist_add_head(struct hlist_node *n, struct hlist_head *h)
{
	n->next = h->first;
	if (n->next)
		n->next->pprev = &n->next;
	h->first = n;
	n->pprev = &h->first;
}
static inline void hlist_del(struct hlist_node *n)
{
	*n->pprev = n->next;
	if (n->next)
		n->next->pprev = n->pprev;
	n->next = (struct hlist_node *)LIST_POISON;
	n->pprev = (struct hlist_node **)LIST_POISON;
}
static inline void hlist_del_init(struct hlist_node *n)
{
	if (hlist_unhashed(n))
		return;
	hlist_del(n);
	INIT_HLIST_NODE(n);
}
#define hlist_entry(p, t, m) container_of(p, t, m)
#define hlist_entry_safe(p, t, m)                    \
	({                                           \
		__typeof__(p) __p = (p);             \
		__p ? hlist_entry(__p, t, m) : NULL; \
	})
#define hlist_for_each_entry(p, h, m) \
	for (p = hlist_entry_safe((h)->first, __typeof__(*p), m); p; \
	     p = hlist_entry_safe(p->m.next, __typeof__(*p), m))
#define hlist_for_each_entry_safe(p, n, h, m) \
	for (p = hlist_entry_safe((h)->first, __typeof__(*p), m); p && ({ n = p->m.next; 1; }); \
	     p = hlist_entry_safe(n, __typeof__(*p), m))

#endif
