// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-broken-blocks.c - a block that is to be dropped is found, whatever goes on meanwhile.
 *
 * Threads add blocks and kick an engine, as the ends of bios do.  The engine runs when it was
 * kicked, looks at the bits if there is reason to (broken_any()), and takes out what it finds.
 * When it rests after a kick, the block for which it was kicked has to be gone: else nothing would
 * look for it, and a bio that waits for it would wait for ever.
 */
#include <pthread.h>
#include <sched.h>

#include "broken-blocks.h"
#include "unit.h"

#define NR 256
#define THREADS 3
#define ROUNDS 2000	/* each waits for the engine: a turn of each thread on a busy CPU */

static unsigned long bits[BITS_TO_LONGS(NR)], suspect[BITS_TO_LONGS(NR)];
static struct broken_blocks broken = { .bits = bits, .suspect = suspect };
static atomic_t kicked, resting, stop, searches;
static atomic_t begun, ended;	/* additions, the kick behind each included */
static atomic_t lost;

static void search(void)
{
	unsigned long bit;

	if (!broken_any(&broken))
		return;
	atomic_inc(&searches);
	for_each_set_bit(bit, broken.bits, NR)
		broken_remove(&broken, bit);
}

static void *engine(void *unused)
{
	while (!atomic_read(&stop)) {
		atomic_xchg(&resting, 0);
		if (atomic_xchg(&kicked, 0))
			search();
		atomic_xchg(&resting, 1);
		if (!atomic_read(&kicked))
			sched_yield();
	}
	return NULL;
}

static void add(u32 cblock, bool is_suspect)
{
	atomic_fetch_add(1, &begun);
	broken_add(&broken, cblock, is_suspect);
	atomic_xchg(&kicked, 1);
	atomic_fetch_add(1, &ended);
}

/* Every kick has been followed, and nothing was being added meanwhile. */
static bool at_rest(void)
{
	int so_far = atomic_fetch_add(0, &begun);

	return atomic_fetch_add(0, &ended) == so_far && !atomic_fetch_add(0, &kicked) &&
	       atomic_fetch_add(0, &resting) && atomic_fetch_add(0, &begun) == so_far;
}

static void *adder(void *arg)
{
	u32 i, me = (unsigned long)arg, x = me * 2654435761U + 1, cblock;

	for (i = 0; i < ROUNDS && !atomic_read(&lost); i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		/* One that all add, now and then; and those that are its own. */
		if (x % 4 == 0)
			add(NR - 1, x & 1024);
		cblock = THREADS * (x % 80) + me;
		add(cblock, x & 1024);
		while (test_bit(cblock, broken.bits)) {
			if (at_rest() && test_bit(cblock, broken.bits)) {
				atomic_inc(&lost);
				break;
			}
			sched_yield();
		}
	}
	return NULL;
}

static void test_none_is_lost(void)
{
	pthread_t threads[THREADS], e;
	unsigned long i;

	CHECK_OK(pthread_create(&e, NULL, engine, NULL));
	for (i = 0; i < THREADS; i++)
		CHECK_OK(pthread_create(&threads[i], NULL, adder, (void *)i));
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	atomic_set(&stop, 1);
	pthread_join(e, NULL);

	unit_note("%d searches", atomic_read(&searches));
	CHECK_EQ(atomic_read(&lost), 0);
	/* The last kick may not have been followed. */
	search();
	CHECK_EQ(atomic_read(&broken.nr), 0);
	CHECK(bitmap_empty(bits, NR) && bitmap_empty(suspect, NR));
	CHECK(atomic_read(&searches) > 100);
}

static void test_one_by_one(void)
{
	CHECK(!broken_any(&broken));
	broken_add(&broken, 7, true);
	broken_add(&broken, 7, false);
	broken_add(&broken, 9, true);
	CHECK(broken_any(&broken));
	CHECK(!test_bit(7, suspect) && test_bit(9, suspect));
	broken_remove(&broken, 7);
	broken_remove(&broken, 7);
	CHECK(broken_any(&broken));
	broken_remove(&broken, 9);
	CHECK(!broken_any(&broken));
	CHECK(bitmap_empty(bits, NR) && bitmap_empty(suspect, NR));
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "broken blocks: none is lost to a search, under three threads", test_none_is_lost },
		{ "broken blocks: counted once each", test_one_by_one },
		{ }
	};

	return unit_main(argc, argv, tests);
}
