// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-flush.c - may a FLUSH be left out? The rule of flush.h against a device that forgets.
 *
 * The device numbers the writes it completes; a flush makes durable what had completed when it was
 * sent, takes its time, and sometimes fails.  Threads write and flush as fast as they can.  A
 * thread that is told that its write is durable, by a flush or since none was needed, looks whether
 * it is.
 *
 * Another device loses its cache now and then, and reports that once: by the next flush of any
 * thread.  Then flushes of the cache's own may be that one: a thread that flushes as the user does
 * has to hear of it.
 */
#include <pthread.h>
#include <sched.h>

#include "flush.h"
#include "unit.h"

#define ROUNDS 1000000
#define THREADS 4

static struct flush_state state;
static atomic_t completed;	/* writes the device has done */
static atomic_t durable;	/* of these, the first so many survive a power cut */
static atomic_t lies;		/* writes that were reported durable, and were not */
static atomic_t skipped, sent, failed;

static int device_write(void)
{
	int id = atomic_fetch_add(1, &completed) + 1;

	flush_note_write(&state);
	return id;
}

static bool device_flush(u32 x)
{
	int upto = atomic_read(&completed);
	int old = atomic_read(&durable);

	/* Seldom: beside busy processes each one costs a time slice. */
	if (x % 64 == 0)
		sched_yield();
	if (x % 17 == 0)
		return false;
	while (old < upto && !atomic_try_cmpxchg(&durable, &old, upto))
		;
	return true;
}

/* True: told that all that was written before is durable. */
static bool ask(u32 x)
{
	bool ok;

	if (!flush_begin(&state)) {
		atomic_inc(&skipped);
		return true;
	}
	ok = device_flush(x);
	flush_ended(&state, ok);
	atomic_inc(ok ? &sent : &failed);
	return ok;
}

static void *user(void *seed)
{
	u32 i, x = (unsigned long)seed * 2654435761U + 1;
	int id = 0;

	for (i = 0; i < ROUNDS; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		/* Time between a write and the question, for others to flush in. */
		if (x % 8 == 0)
			id = device_write();
		else if (x % 8 == 1 && ask(x >> 3) && atomic_read(&durable) < id)
			atomic_inc(&lies);
		else if (x % 1024 == 2)
			sched_yield();
	}
	return NULL;
}

static void test_no_lies(void)
{
	pthread_t threads[THREADS];
	unsigned long i;

	atomic_set(&state.word, FLUSH_WRITTEN);
	for (i = 0; i < THREADS; i++)
		CHECK_OK(pthread_create(&threads[i], NULL, user, (void *)(i + 1)));
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);

	unit_note("%d sent, %d failed, %d left out", atomic_read(&sent), atomic_read(&failed),
		  atomic_read(&skipped));
	CHECK_EQ(atomic_read(&lies), 0);
	CHECK_EQ(atomic_read(&state.word) & ~FLUSH_WRITTEN, 0);
	/* All three ways were taken, often. */
	CHECK(atomic_read(&skipped) > 100);
	CHECK(atomic_read(&sent) > 100);
	CHECK(atomic_read(&failed) > 100);
}

/*----- a device that loses its cache -----*/

#define FORGETFUL_ROUNDS 200000

static struct flush_state forgetful;
static pthread_mutex_t device = PTHREAD_MUTEX_INITIALIZER;	/* one flush after the other */
static u8 *gone;		/* for each write: it was in the cache when that was lost */
static int nr_written, nr_durable;	/* under device */
static atomic_t forgotten, believed, doubted;

static int forgetful_write(void)
{
	int id;

	pthread_mutex_lock(&device);
	id = nr_written++;
	pthread_mutex_unlock(&device);
	flush_note_write(&forgetful);
	return id;
}

static bool forgetful_ask(u32 x)
{
	bool ok;

	if (!flush_begin(&forgetful))
		return true;
	pthread_mutex_lock(&device);
	ok = x % 5;
	if (!ok) {
		memset(gone + nr_durable, 1, nr_written - nr_durable);
		atomic_inc(&forgotten);
	}
	nr_durable = nr_written;
	/* The next one is begun when this one is over. */
	flush_ended(&forgetful, ok);
	pthread_mutex_unlock(&device);
	return ok;
}

static void *forgetful_user(void *seed)
{
	u32 i, lost = 0, x = (unsigned long)seed * 2654435761U + 1;
	int id = -1;

	for (i = 0; i < FORGETFUL_ROUNDS; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		if (id < 0 || x % 8 == 0) {
			lost = flush_lost(&forgetful);
			id = forgetful_write();
		} else if (x % 8 == 1 && forgetful_ask(x >> 3)) {
			if (flush_lost(&forgetful) != lost) {
				atomic_inc(&doubted);
			} else {
				atomic_inc(&believed);
				if (gone[id])
					atomic_inc(&lies);
			}
			id = -1;
		} else if (x % 1024 == 2) {
			sched_yield();
		}
	}
	return NULL;
}

static void test_what_a_failed_flush_lost(void)
{
	pthread_t threads[THREADS];
	unsigned long i;

	gone = calloc(THREADS * FORGETFUL_ROUNDS, 1);
	CHECK(gone != NULL);
	atomic_set(&forgetful.word, FLUSH_WRITTEN);
	for (i = 0; i < THREADS; i++)
		CHECK_OK(pthread_create(&threads[i], NULL, forgetful_user, (void *)(i + 1)));
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	free(gone);

	unit_note("%d times lost, %d writes believed, %d doubted", atomic_read(&forgotten),
		  atomic_read(&believed), atomic_read(&doubted));
	CHECK_EQ(atomic_read(&lies), 0);
	CHECK(atomic_read(&forgotten) > 100);
	CHECK(atomic_read(&believed) > 100);
	CHECK(atomic_read(&doubted) > 100);
}

/*----- the cache's own flushes, and what the user hears of them -----*/

#define SHARED_ROUNDS 50000

static struct flush_state shared;
static atomic_t user_is_done, own_failures;

static u32 next_random(u32 *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x >> 3;
}

static int users_write(void)
{
	int id;

	flush_note_sent(&shared);
	pthread_mutex_lock(&device);
	id = nr_written++;
	pthread_mutex_unlock(&device);
	if (id % 64 == 0)
		sched_yield();
	flush_note_write(&shared);
	return id;
}

/* Now and then the device has lost what was not flushed, and says so. */
static bool shared_flush(u32 x)
{
	const bool ok = x % 16;

	if (!ok)
		memset(gone + nr_durable, 1, nr_written - nr_durable);
	nr_durable = nr_written;
	return ok;
}

/* As the commit worker does: one after the other, for copies as well. */
static void *own_flushes(void *unused)
{
	u32 x = 12345;
	int begun;
	bool ok;

	while (!atomic_read(&user_is_done)) {
		if (next_random(&x) % 4 == 0)
			flush_note_copy(&shared);
		begun = flush_begin(&shared);
		if (!begun) {
			sched_yield();
			continue;
		}
		/* The next one of the device is begun when this one is over. */
		pthread_mutex_lock(&device);
		ok = shared_flush(next_random(&x));
		if (!ok) {
			atomic_inc(&own_failures);
			flush_own_failed(&shared, begun);
		}
		flush_ended(&shared, ok);
		pthread_mutex_unlock(&device);
	}
	return NULL;
}

/* As map_end_io() does. */
static bool users_flush(u32 x)
{
	bool ok, failed;

	if (!flush_begin(&shared))
		return true;
	pthread_mutex_lock(&device);
	ok = shared_flush(x);
	failed = flush_failed(&shared, ok);
	if (failed)
		flush_told(&shared);
	flush_ended(&shared, ok);
	pthread_mutex_unlock(&device);
	return !failed;
}

static void shared_user(void)
{
	int first = -1, last = -1, id;
	u32 x = 54321, i;

	for (i = 0; i < SHARED_ROUNDS; i++) {
		if (next_random(&x) % 8) {
			last = users_write();
			first = first < 0 ? last : first;
			continue;
		}
		if (users_flush(next_random(&x))) {
			atomic_inc(&believed);
			for (id = first; id >= 0 && id <= last; id++)
				if (gone[id])
					atomic_inc(&lies);
		} else {
			atomic_inc(&doubted);
		}
		first = -1;
	}
}

static void test_what_our_own_lost(void)
{
	pthread_t thread;

	gone = calloc(SHARED_ROUNDS, 1);
	CHECK(gone != NULL);
	nr_written = 0;
	nr_durable = 0;
	atomic_set(&believed, 0);
	atomic_set(&doubted, 0);
	CHECK_OK(pthread_create(&thread, NULL, own_flushes, NULL));
	shared_user();
	atomic_set(&user_is_done, 1);
	pthread_join(thread, NULL);
	free(gone);

	unit_note("%d of the cache's own failed, %d FLUSHes believed, %d failed",
		  atomic_read(&own_failures), atomic_read(&believed), atomic_read(&doubted));
	CHECK_EQ(atomic_read(&lies), 0);
	CHECK(atomic_read(&own_failures) > 10);
	CHECK(atomic_read(&believed) > 1000);
	CHECK(atomic_read(&doubted) > 20);
}

/* A flush of the cache's own that fails is told once, and only if the user has written. */
static void test_told_once(void)
{
	struct flush_state f = { };

	flush_note_copy(&f);
	flush_own_failed(&f, flush_begin(&f));
	flush_ended(&f, false);
	CHECK(!flush_untold(&f));

	/* Sent before that flush began, or while it was under way; or completed before. */
	flush_note_sent(&f);
	flush_own_failed(&f, flush_begin(&f));
	flush_ended(&f, false);
	CHECK(flush_untold(&f));
	flush_told(&f);
	CHECK(flush_begin(&f));
	flush_note_sent(&f);
	flush_own_failed(&f, FLUSH_ONE);
	flush_ended(&f, false);
	CHECK(flush_untold(&f));
	flush_told(&f);
	flush_note_write(&f);
	flush_own_failed(&f, flush_begin(&f));
	flush_ended(&f, false);

	/* A later one that goes well does not make it needless to ask. */
	CHECK(flush_begin(&f));
	flush_ended(&f, true);
	CHECK(!flush_needed(&f));
	CHECK(flush_begin(&f));
	CHECK(flush_untold(&f));
	flush_told(&f);
	flush_ended(&f, true);
	CHECK(!flush_begin(&f));
}

static void test_one_after_the_other(void)
{
	atomic_set(&state.word, FLUSH_WRITTEN);
	CHECK(flush_begin(&state));
	/* One is in flight: another must not be left out. */
	CHECK(flush_begin(&state));
	flush_ended(&state, true);
	CHECK(flush_begin(&state));
	flush_ended(&state, true);
	flush_ended(&state, true);
	CHECK(!flush_begin(&state));

	/* A write during a flush is not covered by it. */
	flush_note_write(&state);
	CHECK(flush_begin(&state));
	flush_note_write(&state);
	flush_ended(&state, true);
	CHECK(flush_begin(&state));

	/* A failed one has to be repeated. */
	flush_ended(&state, false);
	CHECK(flush_begin(&state));
	flush_ended(&state, true);
	CHECK(!flush_begin(&state));
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "flush: needed after a write, beside a flush, after a failure", test_one_after_the_other },
		{ "flush: what is reported durable is, under four threads", test_no_lies },
		{ "flush: a device that loses its cache and says so once, under four threads", test_what_a_failed_flush_lost },
		{ "flush: one of the cache's own that fails is told once", test_told_once },
		{ "flush: what one of the cache's own lost is told, beside a thread of them", test_what_our_own_lost },
		{ }
	};

	return unit_main(argc, argv, tests);
}
