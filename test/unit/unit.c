// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <time.h>

#include "unit.h"

static jmp_buf out;
static const char *skip_reason;
static char note[256];
static u64 rnd = 1;

void unit_srand(u64 seed)
{
	rnd = seed;
}

u64 unit_rand(void)
{
	u64 z = rnd += 0x9E3779B97F4A7C15ull;

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
	return z ^ (z >> 31);
}

u64 unit_below(u64 n)
{
	return unit_rand() % n;
}

void unit_note(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(note, sizeof(note), fmt, args);
	va_end(args);
}

void unit_fail(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	printf("  %s:%d: ", file, line);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("%s%s%s\n", note[0] ? " (" : "", note, note[0] ? ")" : "");
	if (shim_last_message()[0])
		printf("  last message: %s\n", shim_last_message());
	longjmp(out, 1);
}

void unit_skip(const char *why)
{
	skip_reason = why;
	longjmp(out, 2);
}

/* What is alive; a test that failed before may have left some of it. */
struct alive {
	unsigned int held, clients;
	int locks;
	unsigned long allocs;
};

static struct alive alive_now(void)
{
	return (struct alive) { shim_bufio_held(), shim_bufio_clients(), shim_locks_held(),
				shim_live_allocs() };
}

static const char *what_is_left(const struct alive *before)
{
	struct alive now = alive_now();

	if (now.held != before->held)
		return "a buffer is still held";
	if (now.locks != before->locks)
		return "a lock is still held";
	if (now.clients != before->clients)
		return "a bufio client is left";
	if (now.allocs != before->allocs) {
		shim_print_live_allocs(5);
		return "memory is left";
	}
	return NULL;
}

/* True if it did not fail. */
static bool run_test(const struct unit_test *t)
{
	struct alive before = alive_now();
	struct timespec a, b;
	const char *left;

	clock_gettime(CLOCK_MONOTONIC, &a);
	note[0] = 0;
	unit_srand(1);
	shim_srandom(1);
	shim_clear_messages();
	shim_fail_alloc(0);
	switch (setjmp(out)) {
	case 0:
		t->fn();
		break;
	case 1:
		printf("FAIL %s\n", t->name);
		return false;
	default:
		printf("skip %s (%s)\n", t->name, skip_reason);
		return true;
	}
	left = what_is_left(&before);
	if (left) {
		printf("FAIL %s: %s\n", t->name, left);
		return false;
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("ok %s (%.2f s)\n", t->name, b.tv_sec - a.tv_sec + (b.tv_nsec - a.tv_nsec) / 1e9);
	return true;
}

static bool wanted(int argc, char **argv, const char *name)
{
	bool any = false;
	int i;

	for (i = 1; i < argc; i++) {
		if (argv[i][0] == '-')
			continue;
		any = true;
		if (strstr(name, argv[i]))
			return true;
	}
	return !any;
}

int unit_main(int argc, char **argv, const struct unit_test *tests)
{
	int failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1 && !strcmp(argv[1], "-v"))
		setenv("SHIM_VERBOSE", "1", 1);
	for (; tests->name; tests++)
		if (wanted(argc, argv, tests->name))
			failed += !run_test(tests);
	/* What a failed test left behind is not worth a second report. */
	if (failed)
		_Exit(1);
	return 0;
}
