/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An ordered binary tree with the kernel's interface.  rb_insert_color() does not balance: the
 * shape is the callers' insertion order, which the tests here can afford.
 */
#ifndef SHIM_LINUX_RBTREE_H
#define SHIM_LINUX_RBTREE_H

struct rb_node {
	struct rb_node *parent, *rb_left, *rb_right;
};
struct rb_root {
	struct rb_node *rb_node;
};
struct rb_root_cached {
	struct rb_root rb_root;
};
#define RB_ROOT (struct rb_root) { NULL }
#define RB_ROOT_CACHED (struct rb_root_cached) { { NULL } }
#define RB_EMPTY_ROOT(r) (!(r)->rb_node)
#define RB_CLEAR_NODE(n) ((n)->parent = (n))
#define RB_EMPTY_NODE(n) ((n)->parent == (n))
#define rb_entry(p, t, m) container_of(p, t, m)
#define rb_entry_safe(p, t, m) ({ __typeof__(p) __p = (p); __p ? rb_entry(__p, t, m) : NULL; })
#define rb_parent(n) ((n)->parent)
static inline void rb_link_node(struct rb_node *n, struct rb_node *parent, struct rb_node **link)
{
	n->parent = parent;
	n->rb_left = n->rb_right = NULL;
	*link = n;
}
static inline void rb_insert_color(struct rb_node *n, struct rb_root *r) { (void)n; (void)r; }
static inline void rb_insert_color_cached(struct rb_node *n, struct rb_root_cached *r,
					  bool leftmost)
{
	(void)n; (void)r; (void)leftmost;
}
void rb_erase(struct rb_node *n, struct rb_root *r);
#define rb_erase_cached(n, r) rb_erase(n, &(r)->rb_root)
void rb_replace_node(struct rb_node *old, struct rb_node *n, struct rb_root *r);
struct rb_node *rb_first(const struct rb_root *r);
struct rb_node *rb_last(const struct rb_root *r);
struct rb_node *rb_next(const struct rb_node *n);
struct rb_node *rb_prev(const struct rb_node *n);
#define rb_first_cached(r) rb_first(&(r)->rb_root)
#define rbtree_postorder_for_each_entry_safe(p, n, root, m) \
	for (p = rb_entry_safe(shim_rb_first_leaf(root), __typeof__(*p), m); \
	     p && ({ n = rb_entry_safe(shim_rb_next_post(&p->m), __typeof__(*p), m); 1; }); p = n)
struct rb_node *shim_rb_first_leaf(const struct rb_root *r);
struct rb_node *shim_rb_next_post(const struct rb_node *n);

#endif
