// SPDX-License-Identifier: GPL-2.0-only
/*
 * bufio.c - dm-bufio over a disk (disk-io.h).
 *
 * What callers may rely on in the kernel holds here, and what they may not rely on is made
 * visible: a released buffer's memory is poisoned (under ASAN), dirty buffers are written early,
 * also while held (shim_bufio_set_early_writes()), more buffers held than reserved end the test,
 * as does a client destroyed with a buffer held.
 */
#include <linux/dm-bufio.h>
#include <linux/list.h>

#include "bufio.h"
#include "disk-io.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif
#ifdef HAVE_ASAN
void __asan_poison_memory_region(void const volatile *addr, size_t size);
void __asan_unpoison_memory_region(void const volatile *addr, size_t size);
#define POISON(p, n) __asan_poison_memory_region(p, n)
#define UNPOISON(p, n) __asan_unpoison_memory_region(p, n)
#else
#define POISON(p, n) ((void)0)
#define UNPOISON(p, n) ((void)0)
#endif

#define NR_BUCKETS 1024

struct dm_buffer {
	struct list_head lru;		/* least recently used first */
	struct hlist_node hash;
	struct dm_bufio_client *c;
	sector_t block;
	unsigned int hold;
	bool dirty;
	u8 *data;
	u8 aux[] __aligned(16);
};

struct dm_bufio_client {
	struct block_device *bdev;
	unsigned int block_size, aux_size, reserved, limit;
	void (*alloc_cb)(struct dm_buffer *b);
	void (*write_cb)(struct dm_buffer *b);
	sector_t start;
	struct list_head lru;
	struct hlist_head buckets[NR_BUCKETS];
	unsigned int nr, held;
	unsigned int calls;
	int write_error;
};

static unsigned int cache_buffers = 64, early_writes, all_held, nr_clients;

void shim_bufio_set_cache(unsigned int buffers)
{
	cache_buffers = buffers;
}

void shim_bufio_set_early_writes(unsigned int every)
{
	early_writes = every;
}

unsigned int shim_bufio_held(void)
{
	return all_held;
}

unsigned int shim_bufio_clients(void)
{
	return nr_clients;
}

struct dm_bufio_client *
dm_bufio_client_create(struct block_device *bdev, unsigned int block_size,
		       unsigned int reserved_buffers, unsigned int aux_size,
		       void (*alloc_callback)(struct dm_buffer *),
		       void (*write_callback)(struct dm_buffer *), unsigned int flags)
{
	struct dm_bufio_client *c = kzalloc(sizeof(*c), GFP_KERNEL);

	(void)flags;
	if (!c)
		return ERR_PTR(-ENOMEM);
	shim_assert(block_size >= 512 && block_size % 512 == 0);
	c->bdev = bdev;
	c->block_size = block_size;
	c->aux_size = aux_size;
	c->reserved = reserved_buffers;
	c->limit = cache_buffers;
	c->alloc_cb = alloc_callback;
	c->write_cb = write_callback;
	INIT_LIST_HEAD(&c->lru);
	nr_clients++;
	return c;
}

static u32 sectors(struct dm_bufio_client *c)
{
	return c->block_size / SECTOR_SIZE;
}

static void buffer_write(struct dm_buffer *b)
{
	struct dm_bufio_client *c = b->c;
	int r;

	UNPOISON(b->data, c->block_size);
	b->dirty = false;
	if (c->write_cb)
		c->write_cb(b);
	r = disk_write(c->bdev->disk, c->start + b->block * sectors(c), sectors(c), b->data);
	if (r)
		c->write_error = r;
	if (!b->hold)
		POISON(b->data, c->block_size);
}

static void buffer_free(struct dm_buffer *b)
{
	shim_assert(!b->hold && !b->dirty);
	list_del(&b->lru);
	hlist_del(&b->hash);
	b->c->nr--;
	UNPOISON(b->data, b->c->block_size);
	free(b->data);
	free(b);
}

static struct hlist_head *bucket(struct dm_bufio_client *c, sector_t block)
{
	return &c->buckets[block % NR_BUCKETS];
}

static struct dm_buffer *buffer_find(struct dm_bufio_client *c, sector_t block)
{
	struct dm_buffer *b;

	hlist_for_each_entry(b, bucket(c, block), hash)
		if (b->block == block)
			return b;
	return NULL;
}

static void evict(struct dm_bufio_client *c)
{
	struct dm_buffer *b, *n;

	list_for_each_entry_safe(b, n, &c->lru, lru) {
		if (c->nr < c->limit)
			return;
		if (b->hold)
			continue;
		if (b->dirty)
			buffer_write(b);
		buffer_free(b);
	}
}

static void write_early(struct dm_bufio_client *c)
{
	struct dm_buffer *b;

	if (!early_writes || ++c->calls % early_writes)
		return;
	list_for_each_entry(b, &c->lru, lru) {
		if (b->dirty) {
			buffer_write(b);
			return;
		}
	}
}

static struct dm_buffer *buffer_alloc(struct dm_bufio_client *c, sector_t block)
{
	struct dm_buffer *b;

	evict(c);
	b = calloc(1, sizeof(*b) + c->aux_size);
	shim_assert(b);
	memset(b->aux, 0xa5, c->aux_size);
	b->data = malloc(c->block_size);
	shim_assert(b->data);
	memset(b->data, 0xa5, c->block_size);
	b->c = c;
	b->block = block;
	list_add_tail(&b->lru, &c->lru);
	hlist_add_head(&b->hash, bucket(c, block));
	c->nr++;
	if (c->alloc_cb)
		c->alloc_cb(b);
	return b;
}

static void *buffer_hold(struct dm_buffer *b, struct dm_buffer **bp)
{
	struct dm_bufio_client *c = b->c;

	b->hold++;
	c->held++;
	all_held++;
	if (c->held > c->reserved)
		shim_panic(__FILE__, __LINE__, "%u buffers held, %u reserved", c->held, c->reserved);
	list_move_tail(&b->lru, &c->lru);
	UNPOISON(b->data, c->block_size);
	*bp = b;
	return b->data;
}

void *dm_bufio_get(struct dm_bufio_client *c, sector_t block, struct dm_buffer **bp)
{
	struct dm_buffer *b = buffer_find(c, block);

	return b ? buffer_hold(b, bp) : NULL;
}

static int buffer_fill(struct dm_buffer *b)
{
	int r = disk_read(b->c->bdev->disk, b->c->start + b->block * sectors(b->c), sectors(b->c),
			  b->data);

	if (r)
		buffer_free(b);
	return r;
}

void *dm_bufio_read(struct dm_bufio_client *c, sector_t block, struct dm_buffer **bp)
{
	struct dm_buffer *b = buffer_find(c, block);
	int r;

	might_sleep();
	write_early(c);
	if (!b) {
		b = buffer_alloc(c, block);
		r = buffer_fill(b);
		if (r)
			return ERR_PTR(r);
	}
	return buffer_hold(b, bp);
}

void *dm_bufio_new(struct dm_bufio_client *c, sector_t block, struct dm_buffer **bp)
{
	struct dm_buffer *b = buffer_find(c, block);

	might_sleep();
	write_early(c);
	return buffer_hold(b ? b : buffer_alloc(c, block), bp);
}

void dm_bufio_prefetch(struct dm_bufio_client *c, sector_t block, unsigned int n_blocks)
{
	for (; n_blocks--; block++) {
		struct dm_buffer *b;

		if (buffer_find(c, block))
			continue;
		b = buffer_alloc(c, block);
		if (!buffer_fill(b))
			POISON(b->data, c->block_size);
	}
}

void dm_bufio_release(struct dm_buffer *b)
{
	shim_assert(b->hold && b->c->held);
	b->c->held--;
	all_held--;
	if (!--b->hold)
		POISON(b->data, b->c->block_size);
}

void dm_bufio_mark_buffer_dirty(struct dm_buffer *b)
{
	shim_assert(b->hold);
	b->dirty = true;
}

void dm_bufio_mark_partial_buffer_dirty(struct dm_buffer *b, unsigned int start, unsigned int end)
{
	shim_assert(start < end && end <= b->c->block_size);
	dm_bufio_mark_buffer_dirty(b);
}

void dm_bufio_write_dirty_buffers_async(struct dm_bufio_client *c)
{
	struct dm_buffer *b;

	list_for_each_entry(b, &c->lru, lru)
		if (b->dirty)
			buffer_write(b);
}

int dm_bufio_issue_flush(struct dm_bufio_client *c)
{
	might_sleep();
	return disk_flush(c->bdev->disk);
}

int dm_bufio_write_dirty_buffers(struct dm_bufio_client *c)
{
	int r, f;

	might_sleep();
	dm_bufio_write_dirty_buffers_async(c);
	r = c->write_error;
	c->write_error = 0;
	f = dm_bufio_issue_flush(c);
	return r ? r : f;
}

int dm_bufio_issue_discard(struct dm_bufio_client *c, sector_t block, sector_t count)
{
	(void)c;
	(void)block;
	(void)count;
	return 0;
}

void dm_bufio_release_move(struct dm_buffer *b, sector_t new_block)
{
	struct dm_buffer *old = buffer_find(b->c, new_block);

	if (old) {
		old->dirty = false;
		buffer_free(old);
	}
	hlist_del(&b->hash);
	b->block = new_block;
	hlist_add_head(&b->hash, bucket(b->c, new_block));
	b->dirty = true;
	dm_bufio_release(b);
}

void dm_bufio_forget(struct dm_bufio_client *c, sector_t block)
{
	struct dm_buffer *b = buffer_find(c, block);

	if (b && !b->hold && !b->dirty)
		buffer_free(b);
}

void dm_bufio_forget_buffers(struct dm_bufio_client *c, sector_t block, sector_t n_blocks)
{
	for (; n_blocks--; block++)
		dm_bufio_forget(c, block);
}

void dm_bufio_set_minimum_buffers(struct dm_bufio_client *c, unsigned int n)
{
	if (c->limit < n)
		c->limit = n;
}

void dm_bufio_set_sector_offset(struct dm_bufio_client *c, sector_t start)
{
	c->start = start;
}

unsigned int dm_bufio_get_block_size(struct dm_bufio_client *c)
{
	return c->block_size;
}

sector_t dm_bufio_get_device_size(struct dm_bufio_client *c)
{
	sector_t s = bdev_nr_sectors(c->bdev);

	return s > c->start ? (s - c->start) / sectors(c) : 0;
}

sector_t dm_bufio_get_block_number(struct dm_buffer *b)
{
	return b->block;
}

void *dm_bufio_get_block_data(struct dm_buffer *b)
{
	return b->data;
}

void *dm_bufio_get_aux_data(struct dm_buffer *b)
{
	return b->aux;
}

struct dm_bufio_client *dm_bufio_get_client(struct dm_buffer *b)
{
	return b->c;
}

static void drop_all(struct dm_bufio_client *c)
{
	if (c->held)
		shim_panic(__FILE__, __LINE__, "%u buffers still held", c->held);
	while (!list_empty(&c->lru))
		buffer_free(list_first_entry(&c->lru, struct dm_buffer, lru));
}

/* As in the kernel, what is dirty is written. */
void dm_bufio_client_destroy(struct dm_bufio_client *c)
{
	dm_bufio_write_dirty_buffers_async(c);
	drop_all(c);
	nr_clients--;
	kfree(c);
}

/* As in the kernel: write, then forget. */
void dm_bufio_client_reset(struct dm_bufio_client *c)
{
	dm_bufio_write_dirty_buffers_async(c);
	drop_all(c);
}
