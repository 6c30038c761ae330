// SPDX-License-Identifier: GPL-2.0-only
/*
 * watch-words.c - which words of the core's struct cache, and of its policy, do requests write?
 *
 *   watch-words POLICY_SYMBOL DEV read|write FIRST_BLOCK BLOCKS BLOCK_BYTES
 *
 * With the processor's own debug registers (perf_event_open(2), PERF_TYPE_BREAKPOINT), four words at a time,
 * while this very process sends requests: so an atomic that comes back to its old value is seen too.  In the
 * guest only, as root, on a kernel as it is: the one cache of the machine is found by the symbol live_caches
 * in /proc/kallsyms, and what it points to is read from /proc/kcore.  The device must complete a
 * request in the context of the one who sends it (a RAM disk).
 *
 * Prints "cache OFFSET WRITES" or "policy OFFSET WRITES" for each word that was written, and at last
 * "WORDS words watched, REQUESTS requests for each".
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REQUESTS 24
#define AT_A_TIME 4
#define POLICY_BYTES 512	/* its hot part, its lock among that */

static void die(const char *what)
{
	fprintf(stderr, "watch-words: %s: %s\n", what, errno ? strerror(errno) : "not found");
	exit(1);
}

static uint64_t symbol(const char *name)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	char line[512], n[256];
	unsigned long addr;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx %*c %255s", &addr, n) == 2 && !strcmp(n, name)) {
			fclose(f);
			return addr;
		}
	errno = 0;
	die(name);
	return 0;
}

/* One word of kernel memory; 0 if it is not there. */
static uint64_t word_at(uint64_t addr)
{
	static Elf64_Phdr ph[64];
	static int fd = -1, nr;
	Elf64_Ehdr eh;
	uint64_t w;
	int i;

	if (fd < 0) {
		fd = open("/proc/kcore", O_RDONLY);
		if (fd < 0 || pread(fd, &eh, sizeof(eh), 0) != sizeof(eh))
			die("/proc/kcore");
		nr = eh.e_phnum < 64 ? eh.e_phnum : 64;
		if (pread(fd, ph, nr * sizeof(*ph), eh.e_phoff) != (ssize_t)(nr * sizeof(*ph)))
			die("/proc/kcore");
	}
	for (i = 0; i < nr; i++)
		if (ph[i].p_type == PT_LOAD && addr >= ph[i].p_vaddr && addr - ph[i].p_vaddr < ph[i].p_memsz)
			return pread(fd, &w, 8, ph[i].p_offset + (addr - ph[i].p_vaddr)) == 8 ? w : 0;
	return 0;
}

/* live_caches is a mutex and a list head; the list has one entry, within a struct cache. */
static uint64_t list_entry(void)
{
	uint64_t s = symbol("live_caches"), i, w;

	for (i = 0; i < 256; i += 8) {
		w = word_at(s + i);
		/* One that leads to itself is an empty one, of waiters for the mutex. */
		if (w != s + i && w == word_at(s + i + 8) && word_at(w) == s + i)
			return w;
	}
	errno = 0;
	die("an entry of live_caches");
	return 0;
}

/* struct cache begins with its dm_target, one of whose words leads back; kmalloc aligns it to its size. */
static uint64_t find_cache(uint64_t *size)
{
	uint64_t entry = list_entry(), base, i;

	for (*size = 512; *size <= 8192; *size *= 2) {
		base = entry & ~(*size - 1);
		for (i = 0; i < 256; i += 8)
			if (word_at(base) >> 63 && word_at(word_at(base) + i) == base)
				return base;
	}
	errno = 0;
	die("struct cache");
	return 0;
}

static uint64_t find_policy(uint64_t cache, uint64_t size, const char *type)
{
	uint64_t t = symbol(type), i, p;

	for (i = 0; i < size; i += 8) {
		p = word_at(cache + i);
		if (p >> 63 && word_at(p) == t)
			return p;
	}
	errno = 0;
	die("the policy");
	return 0;
}

static int dev, writes;
static uint64_t first, blocks, block_bytes;
static char *buf;

static void requests(void)
{
	static uint64_t n;
	ssize_t r;
	int i;

	for (i = 0; i < REQUESTS; i++, n++) {
		uint64_t at = (first + n % blocks) * block_bytes;

		r = writes ? pwrite(dev, buf, 4096, at) : pread(dev, buf, 4096, at);
		if (r != 4096)
			die("I/O");
	}
}

static int watch(uint64_t addr)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_BREAKPOINT,
		.size = sizeof(attr),
		.bp_type = HW_BREAKPOINT_W,
		.bp_addr = addr,
		.bp_len = HW_BREAKPOINT_LEN_8,
		.exclude_user = 1,
		.exclude_hv = 1,
	};
	int fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);

	if (fd < 0)
		die("perf_event_open");
	return fd;
}

static uint64_t watch_all(const char *name, uint64_t base, uint64_t size)
{
	uint64_t at, n;
	int fd[AT_A_TIME], i;

	for (at = 0; at < size; at += 8 * AT_A_TIME) {
		for (i = 0; i < AT_A_TIME; i++)
			fd[i] = watch(base + at + 8 * i);
		requests();
		for (i = 0; i < AT_A_TIME; i++) {
			if (read(fd[i], &n, 8) != 8)
				die("read");
			if (n)
				printf("%s %lu %lu\n", name, at + 8 * i, n);
			close(fd[i]);
		}
	}
	return size / 8;
}

int main(int argc, char **argv)
{
	uint64_t cache, size, policy, words;

	if (argc != 7)
		return 2;
	writes = argv[3][0] == 'w';
	first = strtoull(argv[4], NULL, 0);
	blocks = strtoull(argv[5], NULL, 0);
	block_bytes = strtoull(argv[6], NULL, 0);
	dev = open(argv[2], O_RDWR | O_DIRECT);
	if (dev < 0)
		die(argv[2]);
	if (posix_memalign((void **)&buf, 4096, 4096))
		die("memory");
	cache = find_cache(&size);
	policy = find_policy(cache, size, argv[1]);
	words = watch_all("cache", cache, size) + watch_all("policy", policy, POLICY_BYTES);
	printf("%lu words watched, %d requests for each\n", words, REQUESTS);
	return 0;
}
