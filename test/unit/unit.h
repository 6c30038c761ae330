/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * unit.h - a test program:
 *
 *	static void test_something(void)
 *	{
 *		CHECK_EQ(f(1), 2);
 *	}
 *
 *	int main(int argc, char **argv)
 *	{
 *		static const struct unit_test tests[] = {
 *			{ "does something", test_something },
 *			{ }
 *		};
 *		return unit_main(argc, argv, tests);
 *	}
 *
 * A failed check ends the test, not the program.  After each test no allocation, lock, buffer or
 * bufio client may be left.  Arguments select tests by a part of their name; -v shows the log.
 */
#ifndef UNIT_H
#define UNIT_H

#include "../../tools/shim/bufio.h"
#include "../../tools/shim/disk.h"
#include "../../tools/shim/shim.h"

struct unit_test {
	const char *name;
	void (*fn)(void);
};

int unit_main(int argc, char **argv, const struct unit_test *tests);
void unit_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
void unit_skip(const char *why) __attribute__((noreturn));
/* Adds to the message of a failure: what was being tried. */
void unit_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define CHECK(x) do { if (!(x)) unit_fail(__FILE__, __LINE__, "%s", #x); } while (0)
#define CHECK_MSG(x, ...) do { if (!(x)) unit_fail(__FILE__, __LINE__, __VA_ARGS__); } while (0)
#define CHECK_EQ(a, b) do {								\
	long long __ca = (long long)(a), __cb = (long long)(b);				\
	if (__ca != __cb)								\
		unit_fail(__FILE__, __LINE__, "%s is %lld, not %s (%lld)", #a, __ca, #b, __cb); \
} while (0)
#define CHECK_OK(x) CHECK_EQ(x, 0)

/* A failed check, in words. */
void unit_report(FILE *to, const char *file, int line, const char *fmt, va_list args)
	__attribute__((format(printf, 4, 0)));

/* What is alive; a test that failed before may have left some of it. */
struct unit_alive {
	unsigned int held, clients;
	int locks;
	unsigned long allocs;
};

/* Chance, notes and messages as at the start; gives what is alive. */
struct unit_alive unit_begin(void);
/* What is left of a test that began so; NULL if nothing. */
const char *unit_left(const struct unit_alive *before);

/* Repeatable chance, apart from the shim's. */
u64 unit_rand(void);
u64 unit_below(u64 n);
void unit_srand(u64 seed);

#endif
