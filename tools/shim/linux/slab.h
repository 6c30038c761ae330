/* SPDX-License-Identifier: GPL-2.0-only */
/* Allocation: counted, and made to fail on demand (shim_fail_alloc() in shim.h). */
#ifndef SHIM_LINUX_SLAB_H
#define SHIM_LINUX_SLAB_H

#define GFP_KERNEL	0x1u
#define GFP_NOIO	0x2u
#define GFP_NOFS	0x4u
#define GFP_ATOMIC	0x8u	/* the only one that may be used where sleeping is forbidden */
#define GFP_NOWAIT	0x8u
#define __GFP_ZERO	0x100u
#define __GFP_NOWARN	0x200u
#define __GFP_NORETRY	0x400u
#define __GFP_NOFAIL	0x800u
#define __GFP_NOMEMALLOC 0x1000u

void *shim_alloc(size_t n, gfp_t gfp, const char *file, int line);
void *shim_realloc(const void *p, size_t n, gfp_t gfp, const char *file, int line);
void shim_free(const void *p);

#define kmalloc(n, g)	shim_alloc(n, g, __FILE__, __LINE__)
#define kzalloc(n, g)	shim_alloc(n, (g) | __GFP_ZERO, __FILE__, __LINE__)
#define kmalloc_array(n, s, g) shim_alloc(array_size(n, s), g, __FILE__, __LINE__)
#define kcalloc(n, s, g) shim_alloc(array_size(n, s), (g) | __GFP_ZERO, __FILE__, __LINE__)
#define krealloc(p, n, g) shim_realloc(p, n, g, __FILE__, __LINE__)
#define kmalloc_node(n, g, node) ((void)(node), kmalloc(n, g))
#define kzalloc_node(n, g, node) ((void)(node), kzalloc(n, g))
/* As in the kernel, nothing above INT_MAX comes from these. */
#define shim_kvalloc(n, g) ((n) > INT_MAX ? NULL : shim_alloc(n, g, __FILE__, __LINE__))
#define kvmalloc(n, g)	shim_kvalloc(n, g)
#define kvzalloc(n, g)	shim_kvalloc(n, (g) | __GFP_ZERO)
#define kvmalloc_array(n, s, g) shim_kvalloc(array_size(n, s), g)
#define kvcalloc(n, s, g) shim_kvalloc(array_size(n, s), (g) | __GFP_ZERO)
#define vmalloc(n)	kmalloc(n, GFP_KERNEL)
#define vzalloc(n)	kzalloc(n, GFP_KERNEL)
#define kfree(p)	shim_free(p)
#define kvfree(p)	shim_free(p)
#define vfree(p)	shim_free(p)
#define kfree_sensitive(p) shim_free(p)
#define kvfree_rcu_mightsleep(p) shim_free(p)

char *kstrdup(const char *s, gfp_t gfp);
char *kstrndup(const char *s, size_t max, gfp_t gfp);
void *kmemdup(const void *p, size_t n, gfp_t gfp);
char *kasprintf(gfp_t gfp, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct kmem_cache {
	size_t size;
};
struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align,
				     unsigned long flags, void (*ctor)(void *));
void kmem_cache_destroy(struct kmem_cache *c);
#define KMEM_CACHE(s, flags) \
	kmem_cache_create(#s, sizeof(struct s), __alignof__(struct s), flags, NULL)
#define kmem_cache_alloc(c, g) kmalloc((c)->size, g)
#define kmem_cache_zalloc(c, g) kzalloc((c)->size, g)
#define kmem_cache_free(c, p) ((void)(c), shim_free(p))

#endif
