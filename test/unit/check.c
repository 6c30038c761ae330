// SPDX-License-Identifier: GPL-2.0-only
/*
 * check.c - what unit tests and fuzz targets share: chance that can be repeated, the report of a
 * failure, and what must not be left behind.
 */
#include "unit.h"

static char note[256];
static u64 rnd = 1;

void unit_srand(u64 seed)
{
	rnd = seed;
}

u64 unit_rand(void)
{
	return shim_next_random(&rnd);
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

void unit_report(FILE *to, const char *file, int line, const char *fmt, va_list args)
{
	fprintf(to, "  %s:%d: ", file, line);
	vfprintf(to, fmt, args);
	fprintf(to, "%s%s%s\n", note[0] ? " (" : "", note, note[0] ? ")" : "");
	if (shim_last_message()[0])
		fprintf(to, "  last message: %s\n", shim_last_message());
}

struct unit_alive unit_begin(void)
{
	note[0] = 0;
	unit_srand(1);
	shim_srandom(1);
	shim_clear_messages();
	return (struct unit_alive) { shim_bufio_held(), shim_bufio_clients(), shim_locks_held(),
				     shim_live_allocs() };
}

const char *unit_left(const struct unit_alive *before)
{
	if (shim_bufio_held() != before->held)
		return "a buffer is still held";
	if (shim_locks_held() != before->locks)
		return "a lock is still held";
	if (shim_bufio_clients() != before->clients)
		return "a bufio client is left";
	if (shim_live_allocs() != before->allocs) {
		shim_print_live_allocs(5);
		return "memory is left";
	}
	return NULL;
}
