// SPDX-License-Identifier: GPL-2.0-only
/*
 * shim.c - what the userspace kernel is made of, bar the disk and dm-bufio.
 */
#include <linux/crc32c.h>
#include <linux/device-mapper.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <ctype.h>
#include <execinfo.h>
#include <time.h>

#include "shim.h"

/*----- failing a test -----*/

void shim_panic(const char *file, int line, const char *fmt, ...)
{
	void *frames[32];
	va_list args;

	fprintf(stderr, "%s:%d: ", file, line);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\n");
	backtrace_symbols_fd(frames, backtrace(frames, 32), 2);
	abort();
}

/*----- allocation -----*/

struct alloc_head {
	struct alloc_head *next, *prev;
	const char *file;
	int line;
	size_t size;
} __attribute__((aligned(16)));

static struct alloc_head live = { .next = &live, .prev = &live };
static unsigned long nr_allocs, nr_live, fail_countdown;
static unsigned long long live_bytes, peak_bytes;
static bool alloc_failed;
static int atomic_depth, locks_held;
unsigned int shim_nr_cpus = 1;

void shim_fail_alloc(unsigned long n)
{
	fail_countdown = n;
	alloc_failed = false;
}

bool shim_alloc_failed(void)
{
	return alloc_failed;
}

unsigned long shim_nr_allocs(void)
{
	return nr_allocs;
}

unsigned long shim_live_allocs(void)
{
	return nr_live;
}

unsigned long long shim_peak_bytes(void)
{
	unsigned long long peak = peak_bytes;

	peak_bytes = live_bytes;
	return peak;
}

void shim_print_live_allocs(unsigned int max)
{
	struct alloc_head *h;

	for (h = live.prev; h != &live && max--; h = h->prev)
		fprintf(stderr, "  not freed: %zu bytes from %s:%d\n", h->size, h->file, h->line);
}

void *shim_alloc(size_t n, gfp_t gfp, const char *file, int line)
{
	struct alloc_head *h;

	if (atomic_depth && !(gfp & GFP_ATOMIC))
		shim_panic(file, line, "may sleep, with a spinlock held");
	nr_allocs++;
	if (fail_countdown && --fail_countdown == 0) {
		alloc_failed = true;
		return NULL;
	}
	if (n > SIZE_MAX / 2)
		return NULL;
	peak_bytes = max(peak_bytes, live_bytes + n);
	/* A large one that is never used costs no memory. */
	h = gfp & __GFP_ZERO ? calloc(1, sizeof(*h) + n) : malloc(sizeof(*h) + n);
	shim_assert(h);
	h->file = file;
	h->line = line;
	h->size = n;
	h->next = live.next;
	h->prev = &live;
	h->next->prev = h;
	live.next = h;
	nr_live++;
	live_bytes += n;
	if (!(gfp & __GFP_ZERO))
		memset(h + 1, 0xa5, n);
	return h + 1;
}

void shim_free(const void *p)
{
	struct alloc_head *h;

	if (!p)
		return;
	h = (struct alloc_head *)p - 1;
	h->next->prev = h->prev;
	h->prev->next = h->next;
	nr_live--;
	live_bytes -= h->size;
	free(h);
}

void *shim_realloc(const void *p, size_t n, gfp_t gfp, const char *file, int line)
{
	void *q = shim_alloc(n, gfp, file, line);

	if (q && p) {
		memcpy(q, p, min(n, ((const struct alloc_head *)p)[-1].size));
		shim_free(p);
	}
	return q;
}

char *kstrndup(const char *s, size_t max, gfp_t gfp)
{
	size_t n;
	char *p;

	if (!s)
		return NULL;
	n = strnlen(s, max);
	p = kmalloc(n + 1, gfp);
	if (p) {
		memcpy(p, s, n);
		p[n] = 0;
	}
	return p;
}

void *kmemdup(const void *src, size_t n, gfp_t gfp)
{
	void *p = kmalloc(n, gfp);

	return p ? memcpy(p, src, n) : NULL;
}

char *kstrdup(const char *s, gfp_t gfp)
{
	return s ? kmemdup(s, strlen(s) + 1, gfp) : NULL;
}

char *kasprintf(gfp_t gfp, const char *fmt, ...)
{
	char buf[4096];
	va_list args;

	va_start(args, fmt);
	vsnprintf(buf, sizeof(buf), fmt, args);
	va_end(args);
	return kstrdup(buf, gfp);
}

struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align,
				     unsigned long flags, void (*ctor)(void *))
{
	struct kmem_cache *c = kmalloc(sizeof(*c), GFP_KERNEL);

	(void)name;
	(void)align;
	(void)flags;
	(void)ctor;
	if (c)
		c->size = size;
	return c;
}

void kmem_cache_destroy(struct kmem_cache *c)
{
	kfree(c);
}

/*----- locks -----*/

int shim_locks_held(void)
{
	return locks_held;
}

int shim_atomic_depth(void)
{
	return atomic_depth;
}

void shim_might_sleep(const char *file, int line)
{
	if (atomic_depth)
		shim_panic(file, line, "may sleep, with a spinlock held");
}

void (*shim_lock_hook)(bool held);

static void note_lock(bool atomic, int n)
{
	locks_held += n;
	if (!atomic)
		return;
	atomic_depth += n;
	if (shim_lock_hook)
		shim_lock_hook(n > 0);
}

void shim_spin_lock(int *held, const char *file, int line)
{
	if (*held)
		shim_panic(file, line, "spinlock taken twice");
	*held = 1;
	note_lock(true, 1);
}

void shim_spin_unlock(int *held, const char *file, int line)
{
	if (!*held)
		shim_panic(file, line, "spinlock released that is not held");
	*held = 0;
	note_lock(true, -1);
}

void shim_mutex_lock(int *held, const char *file, int line)
{
	shim_might_sleep(file, line);
	if (*held)
		shim_panic(file, line, "mutex taken twice");
	*held = 1;
	note_lock(false, 1);
}

void shim_mutex_unlock(int *held, const char *file, int line)
{
	if (!*held)
		shim_panic(file, line, "mutex released that is not held");
	*held = 0;
	note_lock(false, -1);
}

void shim_rw_read(int *readers, int *writer, bool atomic, const char *file, int line)
{
	if (!atomic)
		shim_might_sleep(file, line);
	if (*writer)
		shim_panic(file, line, "read lock while held for writing");
	++*readers;
	note_lock(atomic, 1);
}

void shim_rw_read_end(int *readers, bool atomic, const char *file, int line)
{
	if (!*readers)
		shim_panic(file, line, "read lock released that is not held");
	--*readers;
	note_lock(atomic, -1);
}

void shim_rw_write(int *readers, int *writer, bool atomic, const char *file, int line)
{
	if (!atomic)
		shim_might_sleep(file, line);
	if (*writer || *readers)
		shim_panic(file, line, "write lock while held");
	*writer = 1;
	note_lock(atomic, 1);
}

void shim_rw_write_end(int *writer, bool atomic, const char *file, int line)
{
	if (!*writer)
		shim_panic(file, line, "write lock released that is not held");
	*writer = 0;
	note_lock(atomic, -1);
}

static struct task_struct main_task = { .pid = 1, .comm = "test" };
struct task_struct *shim_current = &main_task;

/*----- messages -----*/

#define KEPT 64
static char messages[KEPT][512];
static unsigned long nr_messages;

int shim_printk(const char *level, const char *fmt, ...)
{
	char *m = messages[nr_messages++ % KEPT];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(m, sizeof(messages[0]), fmt, args);
	va_end(args);
	if (getenv("SHIM_VERBOSE"))
		fprintf(stderr, "[%s] %s%s", level, m, strchr(m, '\n') ? "" : "\n");
	return n;
}

const char *shim_last_message(void)
{
	return nr_messages ? messages[(nr_messages - 1) % KEPT] : "";
}

unsigned long shim_nr_messages(void)
{
	return nr_messages;
}

bool shim_message_seen(const char *part)
{
	unsigned long i;

	for (i = 0; i < KEPT && i < nr_messages; i++)
		if (strstr(messages[i], part))
			return true;
	return false;
}

void shim_clear_messages(void)
{
	nr_messages = 0;
}

/*----- modules -----*/

#define MAX_MODULES 32
static struct {
	const char *file;
	int (*init)(void);
	void (*exit)(void);
	bool up;
} modules[MAX_MODULES];
static unsigned int nr_modules;

void shim_register_module(const char *file, int (*init)(void), void (*exit)(void))
{
	unsigned int i;

	for (i = 0; i < nr_modules; i++)
		if (!strcmp(modules[i].file, file))
			break;
	shim_assert(i < MAX_MODULES);
	modules[i].file = file;
	if (init)
		modules[i].init = init;
	if (exit)
		modules[i].exit = exit;
	if (i == nr_modules)
		nr_modules++;
}

int shim_modules_init(void)
{
	unsigned int i;

	for (i = 0; i < nr_modules; i++) {
		int r = modules[i].init ? modules[i].init() : 0;

		if (r)
			return r;
		modules[i].up = true;
	}
	return 0;
}

void shim_modules_exit(void)
{
	unsigned int i = nr_modules;

	while (i--) {
		if (modules[i].up && modules[i].exit)
			modules[i].exit();
		modules[i].up = false;
	}
}

/*----- strings and numbers -----*/

int vscnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
	int n = vsnprintf(buf, size, fmt, args);

	if (!size)
		return 0;
	return n < (int)size ? n : (int)size - 1;
}

int scnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vscnprintf(buf, size, fmt, args);
	va_end(args);
	return n;
}

ssize_t strscpy(char *dst, const char *src, size_t size)
{
	size_t n = strnlen(src, size);

	if (!size)
		return -E2BIG;
	if (n == size) {
		memcpy(dst, src, size - 1);
		dst[size - 1] = 0;
		return -E2BIG;
	}
	memcpy(dst, src, n + 1);
	return n;
}

ssize_t strscpy_pad(char *dst, const char *src, size_t size)
{
	ssize_t n = strscpy(dst, src, size);

	if (n >= 0)
		memset(dst + n, 0, size - n);
	return n;
}

void *memchr_inv(const void *p, int c, size_t n)
{
	const u8 *b = p;

	for (; n; n--, b++)
		if (*b != (u8)c)
			return (void *)b;
	return NULL;
}

char *skip_spaces(const char *s)
{
	while (isspace((unsigned char)*s))
		s++;
	return (char *)s;
}

char *strim(char *s)
{
	size_t n = strlen(s);

	while (n && isspace((unsigned char)s[n - 1]))
		s[--n] = 0;
	return skip_spaces(s);
}

bool sysfs_streq(const char *a, const char *b)
{
	size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");

	return n == m && !memcmp(a, b, n);
}

int match_string(const char * const *array, size_t n, const char *string)
{
	size_t i;

	for (i = 0; i < n && array[i]; i++)
		if (!strcmp(array[i], string))
			return i;
	return -EINVAL;
}

int kstrtoull(const char *s, unsigned int base, unsigned long long *res)
{
	unsigned long long v;
	char *end;

	if (*s == '+')
		s++;
	if (!isxdigit((unsigned char)*s))
		return -EINVAL;
	errno = 0;
	v = strtoull(s, &end, base);
	if (end == s)
		return -EINVAL;
	if (*end == '\n')
		end++;
	if (*end)
		return -EINVAL;
	if (errno == ERANGE)
		return -ERANGE;
	*res = v;
	return 0;
}

int kstrtoul(const char *s, unsigned int base, unsigned long *res)
{
	unsigned long long v;
	int r = kstrtoull(s, base, &v);

	if (!r)
		*res = v;
	return r;
}

int kstrtouint(const char *s, unsigned int base, unsigned int *res)
{
	unsigned long long v;
	int r = kstrtoull(s, base, &v);

	if (r)
		return r;
	if (v > UINT_MAX)
		return -ERANGE;
	*res = v;
	return 0;
}

int kstrtoint(const char *s, unsigned int base, int *res)
{
	bool minus = *s == '-';
	unsigned long long v;
	int r = kstrtoull(s + minus, base, &v);

	if (r)
		return r;
	if (v > (unsigned long long)INT_MAX + minus)
		return -ERANGE;
	*res = minus ? -(long long)v : (long long)v;
	return 0;
}

int kstrtobool(const char *s, bool *res)
{
	if (s && strchr("yY1", *s) && *s)
		*res = true;
	else if (s && strchr("nN0", *s) && *s)
		*res = false;
	else
		return -EINVAL;
	return 0;
}

/*----- time and chance -----*/

unsigned long jiffies = 1000;

u64 ktime_get_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static u64 random_state = 1;

void shim_srandom(u64 seed)
{
	random_state = seed;
}

u64 shim_next_random(u64 *state)
{
	u64 x = *state += 0x9E3779B97F4A7C15ull;

	x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
	x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
	return x ^ (x >> 31);
}

u64 get_random_u64(void)
{
	return shim_next_random(&random_state);
}

u32 get_random_u32(void)
{
	return get_random_u64() >> 32;
}

u32 get_random_u32_below(u32 ceil)
{
	return ((u64)get_random_u32() * ceil) >> 32;
}

void get_random_bytes(void *p, size_t n)
{
	u8 *b = p;

	while (n--)
		*b++ = get_random_u32();
}

/*----- CRC-32C -----*/

#ifdef __x86_64__
__attribute__((target("sse4.2")))
static u32 crc32c_fast(u32 crc, const u8 *p, size_t n)
{
	u64 c = crc;

	for (; n && ((uintptr_t)p & 7); n--)
		c = __builtin_ia32_crc32qi(c, *p++);
	for (; n >= 8; n -= 8, p += 8)
		c = __builtin_ia32_crc32di(c, *(const u64 *)p);
	for (; n; n--)
		c = __builtin_ia32_crc32qi(c, *p++);
	return c;
}
#endif

u32 crc32c(u32 crc, const void *data, size_t n)
{
	static u32 table[256];
	const u8 *p = data;

#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2"))
		return crc32c_fast(crc, p, n);
#endif
	if (!table[1]) {
		u32 i, k, c;

		for (i = 0; i < 256; i++) {
			for (c = i, k = 0; k < 8; k++)
				c = (c >> 1) ^ (c & 1 ? 0x82F63B78 : 0);
			table[i] = c;
		}
	}
	while (n--)
		crc = table[(crc ^ *p++) & 0xff] ^ (crc >> 8);
	return crc;
}

/*----- trees -----*/

static void rb_set_child(struct rb_node *parent, struct rb_node *old, struct rb_node *n,
			 struct rb_root *r)
{
	if (!parent)
		r->rb_node = n;
	else if (parent->rb_left == old)
		parent->rb_left = n;
	else
		parent->rb_right = n;
	if (n)
		n->parent = parent;
}

void rb_erase(struct rb_node *n, struct rb_root *r)
{
	struct rb_node *s;

	if (!n->rb_left || !n->rb_right) {
		rb_set_child(n->parent, n, n->rb_left ? n->rb_left : n->rb_right, r);
		return;
	}
	s = rb_next(n);
	if (s->parent != n) {
		rb_set_child(s->parent, s, s->rb_right, r);
		s->rb_right = n->rb_right;
		s->rb_right->parent = s;
	}
	s->rb_left = n->rb_left;
	s->rb_left->parent = s;
	rb_set_child(n->parent, n, s, r);
}

void rb_replace_node(struct rb_node *old, struct rb_node *n, struct rb_root *r)
{
	*n = *old;
	rb_set_child(old->parent, old, n, r);
	if (n->rb_left)
		n->rb_left->parent = n;
	if (n->rb_right)
		n->rb_right->parent = n;
}

static struct rb_node *leftmost(struct rb_node *n)
{
	while (n && n->rb_left)
		n = n->rb_left;
	return n;
}

static struct rb_node *rightmost(struct rb_node *n)
{
	while (n && n->rb_right)
		n = n->rb_right;
	return n;
}

struct rb_node *rb_first(const struct rb_root *r)
{
	return leftmost(r->rb_node);
}

struct rb_node *rb_last(const struct rb_root *r)
{
	return rightmost(r->rb_node);
}

struct rb_node *rb_next(const struct rb_node *n)
{
	if (n->rb_right)
		return leftmost(n->rb_right);
	while (n->parent && n == n->parent->rb_right)
		n = n->parent;
	return n->parent;
}

struct rb_node *rb_prev(const struct rb_node *n)
{
	if (n->rb_left)
		return rightmost(n->rb_left);
	while (n->parent && n == n->parent->rb_left)
		n = n->parent;
	return n->parent;
}

static struct rb_node *first_leaf(struct rb_node *n)
{
	while (n && (n->rb_left || n->rb_right))
		n = n->rb_left ? n->rb_left : n->rb_right;
	return n;
}

struct rb_node *shim_rb_first_leaf(const struct rb_root *r)
{
	return first_leaf(r->rb_node);
}

struct rb_node *shim_rb_next_post(const struct rb_node *n)
{
	struct rb_node *p = n->parent;

	if (p && n == p->rb_left && p->rb_right)
		return first_leaf(p->rb_right);
	return p;
}

/*----- words of a table line -----*/

const char *dm_shift_arg(struct dm_arg_set *as)
{
	if (!as->argc)
		return NULL;
	as->argc--;
	return *as->argv++;
}

void dm_consume_args(struct dm_arg_set *as, unsigned int n)
{
	shim_assert(n <= as->argc);
	as->argc -= n;
	as->argv += n;
}

int dm_read_arg_group(const struct dm_arg *arg, struct dm_arg_set *as, unsigned int *value,
		      char **error)
{
	const char *word = dm_shift_arg(as);
	char rest;

	*value = 0;
	if (!word || sscanf(word, "%u%c", value, &rest) != 1 || *value < arg->min || *value > arg->max ||
	    *value > as->argc) {
		*error = arg->error;
		return -EINVAL;
	}
	return 0;
}
