// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-engine-work.c - what is due at once does not wait for what may wait a moment; engine-work.h,
 * in virtual time.
 */
#include "engine-work.h"
#include "unit.h"

static struct workqueue_struct wq;
static struct engine_work engine;
static int rounds;

static void round_fn(struct work_struct *work)
{
	CHECK(work == &engine.now);
	rounds++;
}

static void begin(void)
{
	wq = (struct workqueue_struct){ .now = 1000 };
	rounds = 0;
	engine_work_init(&engine, &wq, round_fn);
}

/* Runs what is due; how many rounds of the engine that was. */
static int rounds_now(void)
{
	int before = rounds;

	while (shim_run_work(&wq))
		;
	return rounds - before;
}

static void test_now(void)
{
	begin();
	CHECK_EQ(rounds_now(), 0);
	engine_work_now(&engine);
	engine_work_now(&engine);
	CHECK_EQ(rounds_now(), 1);
	engine_work_now(&engine);
	CHECK_EQ(rounds_now(), 1);
}

static void test_later(void)
{
	begin();
	engine_work_later(&engine);
	engine_work_later(&engine);
	CHECK_EQ(rounds_now(), 0);
	wq.now++;
	CHECK_EQ(rounds_now(), 1);
	wq.now += 100;
	CHECK_EQ(rounds_now(), 0);
}

/* In either order, and again. */
static void test_now_while_later(void)
{
	int i;

	begin();
	for (i = 0; i < 3; i++) {
		engine_work_later(&engine);
		engine_work_now(&engine);
		CHECK_EQ(rounds_now(), 1);
		engine_work_now(&engine);
		CHECK_EQ(rounds_now(), 1);
		/* And what may wait is not forgotten for that. */
		wq.now++;
		CHECK_EQ(rounds_now(), 1);

		engine_work_now(&engine);
		engine_work_later(&engine);
		CHECK_EQ(rounds_now(), 1);
		wq.now++;
		CHECK_EQ(rounds_now(), 1);
	}
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "engine: at once, however often it is asked for", test_now },
		{ "engine: after a moment", test_later },
		{ "engine: at once, with something that waits a moment", test_now_while_later },
		{ }
	};

	return unit_main(argc, argv, tests);
}
