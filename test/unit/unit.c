// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <time.h>

#include "unit.h"

static jmp_buf out;
static const char *skip_reason;
void unit_fail(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	unit_report(stdout, file, line, fmt, args);
	va_end(args);
	longjmp(out, 1);
}

void unit_skip(const char *why)
{
	skip_reason = why;
	longjmp(out, 2);
}

/* True if it did not fail. */
static bool run_test(const struct unit_test *t)
{
	struct unit_alive before = unit_begin();
	struct timespec a, b;
	const char *left;

	clock_gettime(CLOCK_MONOTONIC, &a);
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
	left = unit_left(&before);
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
