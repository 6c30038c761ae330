// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-policy-behaviour.c - what the policies are for: hot blocks in, scans out, all written back.
 *
 * The model core (policy-model.h) does at once whatever a policy asks for.  Nothing is compared
 * with a figure from an earlier run: the yardsticks are computed here.
 */
#include "policies/lib/policy-queues.h"
#include "policies/lib/mq-common.h"
#include "policy-model.h"
#include "unit.h"

static const char *const caching[] = { "mq", "default", "smq" };
/* Those of mq-common.h. */
static const char *const residents[] = { "mq", "smq" };

/* Reads block @ob, and lets the policy have what it wants. */
static void touch(struct model *m, u64 ob)
{
	model_access(m, ob, DMC_READ, false);
	model_pump(m, false, 4);
}

static void fill(struct model *m)
{
	u64 ob;

	/* So many one after the other would be a sequential stream. */
	for (ob = 0; m->nr_free; ob++)
		touch(m, m->nr > 500 ? ob * 7 % m->nr : ob);
	CHECK_EQ(ob, m->nr);
	model_tick(m);
}

static u32 resident_of(const struct model *m, u64 first, u64 nr)
{
	u32 n = 0;
	u64 ob;

	for (ob = first; ob < first + nr; ob++)
		n += m->cblock[ob] != MODEL_NONE;
	return n;
}

/*----- mq by its rules -----*/

static void test_mq_fills_at_first_touch(void)
{
	struct model *m = model_new(model_type("mq"), 100, 1000);
	u64 ob;

	for (ob = 0; ob < 100; ob++) {
		/* Scattered, and small writes too. */
		model_access(m, ob * 7, ob % 2 ? DMC_READ : DMC_WRITE, false);
		model_pump(m, false, 1);
		CHECK(m->cblock[ob * 7] != MODEL_NONE);
	}
	CHECK_EQ(m->demotions, 0);
	/* Now it is full: one touch moves nothing. */
	for (ob = 1; ob < 900; ob += 7)
		touch(m, ob);
	CHECK_EQ(m->demotions, 0);
	CHECK_EQ(m->promotions, 100);
	model_free(m);
}

/* In a full cache of blocks touched once, in how many ticks with a touch does @ob come in? */
static u32 ticks_to_promote(struct model *m, u64 ob, enum dmc_dir dir, u32 touches_a_tick)
{
	u32 ticks, i;

	for (ticks = 1; ticks < 100; ticks++) {
		for (i = 0; i < touches_a_tick; i++)
			model_access(m, ob, dir, false);
		model_pump(m, false, 10);
		if (m->cblock[ob] != MODEL_NONE)
			return ticks;
		model_tick(m);
	}
	return 0;
}

static void test_mq_promotes_after(void)
{
	struct model *m = model_new(model_type("mq"), 64, 1000);

	fill(m);
	CHECK_EQ(ticks_to_promote(m, 500, DMC_READ, 1), 4);
	CHECK_EQ(m->demotions, 1);
	/* Many bios in a tick count once. */
	CHECK_EQ(ticks_to_promote(m, 510, DMC_READ, 50), 4);
	CHECK_EQ(ticks_to_promote(m, 520, DMC_WRITE, 3), 8);
	CHECK_OK(m->type->set_config(m->p, "read_promote_adjustment", "2"));
	CHECK_EQ(ticks_to_promote(m, 530, DMC_READ, 1), 2);
	CHECK_OK(m->type->set_config(m->p, "write_promote_adjustment", "3"));
	CHECK_EQ(ticks_to_promote(m, 540, DMC_WRITE, 1), 3);
	model_free(m);
}

/* The evicted block starts over with one hit: three more, not four. */
static void test_mq_evicted_block_has_one_hit(void)
{
	struct model *m = model_new(model_type("mq"), 64, 1000);

	fill(m);
	CHECK_EQ(ticks_to_promote(m, 500, DMC_READ, 1), 4);
	CHECK_EQ(m->cblock[0], MODEL_NONE);	/* the oldest of the coldest */
	model_tick(m);
	CHECK_EQ(ticks_to_promote(m, 0, DMC_READ, 1), 3);
	model_free(m);
}

/* The oldest one was hit this very moment: the next one goes. */
static void test_mq_victim_is_not_marked(void)
{
	struct model *m = model_new(model_type("mq"), 64, 1000);
	u32 tick;

	fill(m);
	for (tick = 0; tick < 3; tick++) {
		touch(m, 500);
		model_tick(m);
	}
	touch(m, 0);
	touch(m, 500);
	CHECK(m->cblock[500] != MODEL_NONE);
	CHECK(m->cblock[0] != MODEL_NONE);
	CHECK_EQ(m->cblock[1], MODEL_NONE);
	model_free(m);
}

/* Ageing moves whole lists: each entry must be where half its hits belong. */
static void check_places(struct mq_common *r, struct levels *l)
{
	u8 level;
	u32 i;

	for (level = 0; level < l->nr; level++)
		for (i = queue_oldest(&r->q, l->head[level]); i != l->head[level];
		     i = r->q.e[i].next)
			CHECK_EQ(levels_of(l, mqc_hits_locked(r, i)), level);
}

static void test_ageing(void)
{
	struct mqc_shape shape = { .nr_levels = 64, .linear = true, .max_hits = 63 };
	int linear;
	u32 i, tick, epochs;

	for (linear = 0; linear < 2; linear++) {
		struct mq_common r;

		unit_note("%s", linear ? "linear" : "logarithmic");
		shape.linear = linear;
		shape.nr_levels = linear ? 64 : 16;
		shape.max_hits = linear ? 63 : HEAT_HITS;
		CHECK_OK(mqc_init(&r, &model_no_mappings, 500, &shape));
		for (i = 0; i < 500; i++)
			CHECK_OK(dmc_mqc_load_mapping(&r.policy, to_cblock(i), to_oblock(i), i % 2,
					  linear ? i % 64 : min(i * i, HEAT_HITS), true));
		for (tick = 0, epochs = 0; tick < 6 * 64; tick++) {
			for (i = 0; i < 1024; i++)
				mqc_access(&r);
			epochs += mqc_tick(&r);
			spin_lock_irq(&r.lock);
			check_places(&r, &r.clean);
			check_places(&r, &r.dirty);
			spin_unlock_irq(&r.lock);
			for (i = 0; i < 500; i++)
				CHECK_EQ(r.heat[i] & HEAT_HITS,
					 (linear ? i % 64 : min(i * i, HEAT_HITS)) >> epochs);
		}
		CHECK_EQ(epochs, 6);
		mqc_exit(&r);
	}
}

/*
 * Blocks that are not cached: counted once a tick, halved by epochs, the coldest forgotten first.
 */
static void test_ghosts(void)
{
	struct ghost_time now = { .tick = 250 };
	struct ghost_counts g;
	u32 n, hits = 0, known = 0;
	bool first;

	CHECK_OK(ghost_counts_init(&g, 5000));
	for (n = 1; n <= 31; n++, now.tick++) {
		CHECK_EQ(ghost_count_touch(&g, to_oblock(1ULL << 40), now, &first), n);
		CHECK(first);
		CHECK_EQ(ghost_count_touch(&g, to_oblock(1ULL << 40), now, &first), n);
		CHECK(!first);
	}
	now.epoch++;
	CHECK_EQ(ghost_count_touch(&g, to_oblock(1ULL << 40), now, &first), 16);
	now.epoch += 4;
	CHECK_EQ(ghost_count_touch(&g, to_oblock(1ULL << 40), now, &first), 2);

	/* About right where they are counted by eights. */
	for (n = 0; n < 200; n++, now.tick++)
		hits = ghost_count_touch(&g, to_oblock(7), now, &first);
	CHECK_MSG(hits >= 190 && hits <= 210, "%u hits of 200", hits);
	for (n = 0; n < 200; n++, now.tick++)
		hits = ghost_count_touch(&g, to_oblock(7), now, &first);
	CHECK_EQ(hits, 280);

	/* Four times as many pass by: the warm one stays, of the others the latest. */
	for (n = 0; n < 20000; n++)
		ghost_count_touch(&g, to_oblock(1000 + n), now, &first);
	ghost_count_put(&g, to_oblock(21000), 5, now);
	now.tick++;
	CHECK_EQ(ghost_count_touch(&g, to_oblock(21000), now, &first), 6);
	CHECK_EQ(ghost_count_touch(&g, to_oblock(7), now, &first), 280);
	for (n = 17500; n < 20000; n++)
		known += ghost_count_touch(&g, to_oblock(1000 + n), now, &first) > 1;
	CHECK_MSG(known >= 2300, "%u of the last 2500 known", known);
	ghost_count_put(&g, to_oblock(21000), 0, now);
	CHECK_EQ(ghost_count_touch(&g, to_oblock(21000), now, &first), 1);
	ghost_counts_exit(&g);
}

/* A generation of warm blocks raises the bar for newcomers. */
static void test_mq_threshold_follows_the_cache(void)
{
	struct model *m = model_new(model_type("mq"), 64, 1000);
	u32 tick, ob;

	fill(m);
	for (tick = 0; tick < 40; tick++) {
		for (ob = 0; ob < 64; ob++)
			touch(m, ob);
		model_tick(m);
	}
	/* Of about 40 hits each; 64 ticks are an epoch, which halves them. */
	CHECK(ticks_to_promote(m, 500, DMC_READ, 1) >= 20);
	model_free(m);
}

/* The next bio of a stream, of @sectors; then the policy has what it wants. */
static void stream_on(struct model *m, u64 *sector, u32 sectors, enum dmc_dir dir)
{
	model_access_at(m, *sector / MODEL_BLOCK_SECTORS, dir,
			dir == DMC_WRITE && sectors == MODEL_BLOCK_SECTORS, *sector, sectors);
	*sector += sectors;
	model_pump(m, false, 10);
}

/* Streams are told from the rest by both, if asked to. */
static struct model *model_with_streams(const char *name, u32 nr, u64 nr_oblocks)
{
	struct model *m = model_new(model_type(name), nr, nr_oblocks);

	unit_note("%s", name);
	CHECK_OK(m->type->set_config(m->p, "sequential_threshold", "512"));
	return m;
}

static void test_sequential(void)
{
	static const char *const types[] = { "mq", "default", "smq", "s3fifo", "sieve", "tinylfu",
		"lru", "twoqueue", "random" };
	unsigned int i;
	u32 n, before;
	u64 sector;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		struct model *m = model_with_streams(types[i], 2000, 10000);

		/* From the 513th bio on, nothing comes in. */
		for (n = 0, sector = 0; n < 512; n++)
			stream_on(m, &sector, MODEL_BLOCK_SECTORS, DMC_READ);
		CHECK_EQ(m->promotions, 512);
		for (n = 0; n < 500; n++)
			stream_on(m, &sector, MODEL_BLOCK_SECTORS, n % 2 ? DMC_READ : DMC_WRITE);
		CHECK_EQ(m->promotions, 512);

		/* Others are not taken for a part of it, however many, and do not end it. */
		for (n = 0; n < 100; n++) {
			before = m->promotions;
			touch(m, 9000 - n * 3);
			CHECK_EQ(m->promotions, before + 1);
			stream_on(m, &sector, MODEL_BLOCK_SECTORS, DMC_READ);
			CHECK_EQ(m->promotions, before + 1);
		}
		/* Where it goes on elsewhere it is another one. */
		sector += 2 * MODEL_BLOCK_SECTORS;
		stream_on(m, &sector, MODEL_BLOCK_SECTORS, DMC_READ);
		CHECK_EQ(m->promotions, before + 2);
		model_free(m);
	}
}

/* Sixteen at a time, of bios of different sizes, and others among them. */
static void test_many_streams(void)
{
	const u32 nr = 16, blocks = 2000;
	u32 n, k, part, came, missed;
	unsigned int i;
	u64 sector[16];

	for (i = 0; i < ARRAY_SIZE(caching); i++) {
		struct model *m = model_with_streams(caching[i], 40000, nr * blocks + 40000);

		for (k = 0; k < nr; k++)
			sector[k] = (u64)k * blocks * MODEL_BLOCK_SECTORS;
		for (n = 0, came = 0, missed = 0; n < 1000; n++) {
			for (k = 0; k < nr; k++) {
				u64 before = m->promotions;

				/* A block of it: one miss, then hits, while it comes in. */
				for (part = 0; part < 128; part += 8 << k % 5)
					stream_on(m, &sector[k], 8 << k % 5, DMC_READ);
				if (n >= 512)
					came += m->promotions - before;
			}
			for (k = 0; k < nr; k++) {
				u64 ob = nr * blocks + unit_below(40000);

				missed += m->cblock[ob] == MODEL_NONE;
				touch(m, ob);
			}
		}
		/* The others all came in, of the streams nothing any more. */
		CHECK_EQ(resident_of(m, nr * blocks, 40000), missed);
		CHECK_EQ(came, 0);
		model_free(m);
	}
}

/* Streams that ended, however many, do not keep new ones from being recognised. */
static void test_ended_streams(void)
{
	const u32 nr = 400;
	unsigned int i;
	u32 n, k;

	for (i = 0; i < ARRAY_SIZE(caching); i++) {
		struct model *m = model_with_streams(caching[i], nr * 600, nr * 2000);

		for (k = 0; k < nr; k++) {
			u64 sector = k * 2000ULL * MODEL_BLOCK_SECTORS;

			for (n = 0; n < 600; n++)
				stream_on(m, &sector, MODEL_BLOCK_SECTORS, DMC_READ);
			CHECK_EQ(m->promotions, (k + 1) * 512);
		}
		model_free(m);
	}
}

/* Nor do pairs of bios that look like the beginning of a stream. */
static void test_false_starts(void)
{
	unsigned int i;
	u64 sector;
	u32 n, k;

	for (i = 0; i < ARRAY_SIZE(caching); i++) {
		struct model *m = model_with_streams(caching[i], 40000, 10000000);

		for (k = 0; k < 2000; k++) {
			sector = k * 2000ULL * MODEL_BLOCK_SECTORS;
			for (n = 0; n < 3; n++)
				stream_on(m, &sector, MODEL_BLOCK_SECTORS, DMC_READ);
		}
		CHECK_EQ(m->promotions, 6000);
		for (n = 0, sector = 5000000ULL * MODEL_BLOCK_SECTORS; n < 1000; n++)
			stream_on(m, &sector, MODEL_BLOCK_SECTORS, DMC_READ);
		CHECK_MSG(m->promotions >= 6512 && m->promotions <= 6550, "%llu came in of 1000",
			  m->promotions - 6000);
		model_free(m);
	}
}

/* Then the cache fills at first touch, whatever touches it. */
static void test_sequential_off(void)
{
	unsigned int i;
	u64 ob;

	for (i = 0; i < ARRAY_SIZE(caching); i++) {
		struct model *m = model_with_streams(caching[i], 2000, 10000);

		CHECK_OK(m->type->set_config(m->p, "sequential_threshold", "0"));
		for (ob = 0; ob < 1500; ob++)
			touch(m, ob);
		CHECK_EQ(m->promotions, 1500);
		model_free(m);
	}
}

static void test_cheap_writes_promote_at_once(void)
{
	unsigned int i;
	u64 ob;

	for (i = 0; i < ARRAY_SIZE(caching); i++) {
		struct model *m = model_new(model_type(caching[i]), 100, 1000);

		unit_note("%s", caching[i]);
		for (ob = 0; ob < 200; ob++) {
			model_access(m, ob * 5 % 1000, DMC_WRITE, true);
			/* No need to ask: the bio itself did it. */
			CHECK_EQ(m->nr_work, ob < 100);
			model_complete_all(m);
		}
		CHECK_EQ(m->promotions, 100);
		CHECK_EQ(m->demotions, 0);
		model_free(m);
	}
}

/* But the block that was freed for another is not theirs. */
static void test_cheap_writes_take_no_freed_block(void)
{
	static const char *const names[] = { "mq", "smq", "default", "lru" };
	unsigned int i;
	u32 tick;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		struct model *m = model_new(model_type(names[i]), 100, 1000);

		unit_note("%s", names[i]);
		fill(m);
		for (tick = 0; tick < 100 && !m->nr_work; tick++) {
			model_access(m, 500, DMC_READ, false);
			model_ask(m, false);
			model_tick(m);
		}
		CHECK_EQ(m->nr_work, 1);
		CHECK_EQ(m->work[0].op, DMC_OP_DEMOTE);
		model_complete_all(m);
		CHECK_EQ(m->nr_free, 1);
		model_access(m, 700, DMC_WRITE, true);
		CHECK_EQ(m->nr_work, 0);
		model_pump(m, false, 1);
		CHECK(m->cblock[500] != MODEL_NONE);
		model_free(m);
	}
}

/* Candidates from a time when there was room, which is gone, do not evict any block. */
static void test_late_candidates(void)
{
	unsigned int i;
	u64 ob;

	for (i = 0; i < ARRAY_SIZE(caching); i++) {
		struct model *m = model_new(model_type(caching[i]), 100, 1000);

		unit_note("%s", caching[i]);
		/* The policy learns late that there are but few free blocks left. */
		for (ob = 0; ob < 300; ob++)
			m->type->miss(m->p, to_oblock(ob), DMC_READ, ob * 1000, 8, false, 400);
		model_pump(m, false, 1000);
		CHECK_EQ(m->promotions, 100);
		CHECK_EQ(m->demotions, 0);
		model_free(m);
	}
}

/* Nor does one that is beaten by the coldest cached block. */
static void test_candidate_must_beat_its_victim(void)
{
	struct model *m = model_new(model_type("mq"), 16, 1000);
	u32 tick, ob;

	fill(m);
	/* Too few accesses for a generation, so the threshold stays 4. */
	for (tick = 0; tick < 12; tick++) {
		for (ob = 0; ob < 16; ob++)
			touch(m, ob);
		model_tick(m);
	}
	CHECK_EQ(ticks_to_promote(m, 500, DMC_READ, 1), 14);
	model_free(m);
}

/*----- what is good for caching -----*/

/* Hot blocks that fit stay, while ten times the cache streams or scatters past. */
static void test_hot_set_survives_scan(void)
{
	const u32 nr = 1000, hot = 800;
	unsigned int i;
	u32 n, scan;

	for (i = 0; i < ARRAY_SIZE(caching); i++) {
		for (scan = 0; scan < 2; scan++) {
			struct model *m = model_new(model_type(caching[i]), nr, 20000);

			unit_note("%s, %s scan", caching[i], scan ? "scattered" : "linear");
			for (n = 0; n < 20 * nr; n++) {
				touch(m, unit_below(hot));
				if (n % 200 == 0)
					model_tick(m);
			}
			CHECK(resident_of(m, 0, hot) >= hot * 99 / 100);
			for (n = 0; n < 10 * nr; n++) {
				touch(m, unit_below(hot));
				touch(m, hot + (scan ? n * 7919 % (20000 - hot) : n));
				if (n % 200 == 0)
					model_tick(m);
			}
			CHECK_MSG(resident_of(m, 0, hot) >= hot * 97 / 100, "%u of %u left",
				  resident_of(m, 0, hot), hot);
			model_free(m);
		}
	}
}

/* When the load moves to other blocks, the cache follows. */
static void test_adapts(void)
{
	const u32 nr = 1000, hot = 500;
	unsigned int i;
	u32 n;

	for (i = 0; i < ARRAY_SIZE(caching); i++) {
		struct model *m = model_new(model_type(caching[i]), nr, 4000);

		unit_note("%s", caching[i]);
		for (n = 0; n < 50 * nr; n++) {
			touch(m, unit_below(10) ? unit_below(hot) : unit_below(4000));
			if (n % 200 == 0)
				model_tick(m);
		}
		for (n = 0; n < 50 * nr; n++) {
			touch(m, unit_below(10) ? 2000 + unit_below(hot) : unit_below(4000));
			if (n % 200 == 0)
				model_tick(m);
		}
		CHECK_MSG(resident_of(m, 2000, hot) >= hot * 95 / 100, "%u of %u came",
			  resident_of(m, 2000, hot), hot);
		model_free(m);
	}
}

/* Copies are made where they pay: under a uniform load, after a while, hardly any. */
static void test_uniform_load_does_not_churn(void)
{
	const u32 nr = 1000;
	unsigned int i, write;
	u64 promotions, misses;
	u32 n;

	for (i = 0; i < ARRAY_SIZE(caching); i++) {
		for (write = 0; write < 2; write++) {
			struct model *m = model_new(model_type(caching[i]), nr, 4 * nr);

			unit_note("%s, %s", caching[i], write ? "writes" : "reads");
			promotions = misses = 0;
			for (n = 0; n < 200 * nr; n++) {
				model_access(m, unit_below(4 * nr), write ? DMC_WRITE : DMC_READ,
					     false);
				model_pump(m, false, 4);
				if (n % 500 == 0)
					model_tick(m);
				if (n == 100 * nr) {
					promotions = m->promotions;
					misses = m->misses;
				}
			}
			promotions = m->promotions - promotions;
			misses = m->misses - misses;
			CHECK_MSG(promotions * 50 < misses, "%llu promotions in %llu misses",
				  promotions, misses);
			model_free(m);
		}
	}
}

/* The hits, of the second half of @steps, of a cache that evicts by chance and admits all. */
static u64 random_replacement_hits(u32 nr, u64 nr_oblocks, u32 steps)
{
	u32 *where = calloc(nr_oblocks, sizeof(*where));	/* slot + 1 */
	u64 *slot = calloc(nr, sizeof(*slot));
	u32 n, used = 0;
	u64 hits = 0;

	for (n = 0; n < steps; n++) {
		u64 ob = model_zipf(nr_oblocks);
		u32 s;

		if (where[ob]) {
			hits += n >= steps / 2;
			continue;
		}
		s = used < nr ? used++ : unit_below(nr);
		where[slot[s]] = 0;
		slot[s] = ob;
		where[ob] = s + 1;
	}
	free(where);
	free(slot);
	return hits;
}

static void test_zipf_beats_chance(void)
{
	const u32 nr = 1000, steps = 200000;
	u64 by_chance, hits;
	unsigned int i;
	u32 n;

	unit_srand(1);
	by_chance = random_replacement_hits(nr, 4 * nr, steps);
	for (i = 0; i < ARRAY_SIZE(caching); i++) {
		struct model *m = model_new(model_type(caching[i]), nr, 4 * nr);

		unit_note("%s", caching[i]);
		unit_srand(1);
		hits = 0;
		for (n = 0; n < steps; n++) {
			touch(m, model_zipf(4 * nr));
			if (n % 500 == 0)
				model_tick(m);
			if (n == steps / 2)
				hits = m->hits;
		}
		hits = m->hits - hits;
		printf("  %s: %.1f%% hits; random replacement %.1f%%; %llu promotions\n",
		       caching[i], 200.0 * hits / steps, 200.0 * by_chance / steps, m->promotions);
		CHECK(hits * 100 > by_chance * 105);
		model_free(m);
	}
}

/* A restart with hints leaves the cache as good as it was: the hot stay when newcomers come. */
static void test_hints_keep_the_order(void)
{
	const u32 nr = 1000, hot = 500;
	unsigned int i;
	u32 n, round;

	for (i = 0; i < ARRAY_SIZE(caching); i++) {
		struct model *m = model_new(model_type(caching[i]), nr, 20000);

		unit_note("%s", caching[i]);
		fill(m);
		for (n = 0; n < 10 * nr; n++) {
			touch(m, nr - hot + unit_below(hot));
			if (n % 200 == 0)
				model_tick(m);
		}
		model_restart(m, true);
		/* Three hundred new blocks, each wanted for twelve ticks; the old ones are not. */
		for (round = 0; round < 12; round++) {
			for (n = 0; n < 300; n++)
				touch(m, 10000 + n);
			model_tick(m);
		}
		CHECK(resident_of(m, 10000, 300) >= 250);
		CHECK_MSG(resident_of(m, nr - hot, hot) >= hot * 95 / 100, "%u of %u left",
			  resident_of(m, nr - hot, hot), hot);
		model_free(m);
	}
}

/* Else a queue would be thought short, and never shrink. */
static void test_loaded_blocks_are_counted(void)
{
	struct model *m = model_new(model_type("default"), 1000, 20000);
	const struct policy_queues *pq;
	u32 n, q, sum = 0, used = 0;

	fill(m);
	for (n = 0; n < 10000; n++) {
		touch(m, n % 3 ? unit_below(500) : 1000 + unit_below(15000));
		if (n % 200 == 0)
			model_tick(m);
	}
	model_restart(m, true);
	pq = to_pq(m->p);
	for (q = 0; q < pq->nr_heads; q++) {
		sum += pq->length[q];
		used += pq->length[q] > 0;
	}
	CHECK_EQ(sum, pq->nr_resident);
	CHECK_EQ(sum, resident_of(m, 0, 20000));
	CHECK_MSG(used >= 2, "all are in one queue: nothing was tested");
	model_free(m);
}

/*----- writeback -----*/

static void test_cleaner(void)
{
	struct model *m = model_new(model_type("cleaner"), 1000, 100000);
	u64 last = 0, backwards = 0;
	struct dmc_work w;
	u32 cb;

	for (cb = 0; cb < m->nr; cb++)
		model_load(m, cb, (cb * 48271ULL) % 99991, cb % 4, cb % 64, true);

	/* Busy or not, all of it, and upwards. */
	while (!m->type->next_work(m->p, false, 0, &w)) {
		CHECK_EQ(w.op, DMC_OP_WRITEBACK);
		backwards += from_oblock(w.oblock) < last;
		last = from_oblock(w.oblock);
		cb = from_cblock(w.cblock);
		CHECK(m->dirty[cb]);
		m->dirty[cb] = 0;
		m->nr_dirty--;
		m->type->clear_dirty(m->p, w.cblock);
		m->type->work_done(m->p, &w, true);
	}
	CHECK_EQ(m->nr_dirty, 0);
	CHECK_EQ(backwards, 0);

	/* A miss never promotes, a new dirty block is written. */
	model_access(m, 99999, DMC_WRITE, true);
	CHECK(!model_ask(m, true));
	model_access(m, m->oblock[5], DMC_WRITE, false);
	CHECK_EQ(m->nr_dirty, 1);
	CHECK_EQ(model_pump(m, false, 10), 1);
	CHECK_EQ(m->nr_dirty, 0);
	model_free(m);
}

/* Idle: all is cleaned.  Busy: only what is beyond half of the cache. */
static void test_writeback_when_idle_or_pressed(void)
{
	unsigned int i;
	u64 ob;

	for (i = 0; i < ARRAY_SIZE(residents); i++) {
		struct model *m = model_new(model_type(residents[i]), 1000, 4000);

		unit_note("%s", residents[i]);
		fill(m);
		for (ob = 0; ob < 400; ob++)
			model_access(m, ob, DMC_WRITE, false);
		CHECK_EQ(model_pump(m, false, 1000), 0);
		for (; ob < 1000; ob++)
			model_access(m, ob, DMC_WRITE, false);
		CHECK_EQ(m->nr_dirty, 1000);
		CHECK_EQ(model_pump(m, false, 5000), 500);
		CHECK_EQ(m->nr_dirty, 500);
		CHECK_EQ(model_pump(m, true, 5000), 500);
		CHECK_EQ(m->nr_dirty, 0);
		CHECK_EQ(m->nr_resident, 1000);
		model_free(m);
	}
}

/* What was dirty when it was loaded counts, what was lost does not. */
static void test_dirty_blocks_are_counted(void)
{
	unsigned int i;
	u32 cb, n;
	u64 ob;

	for (i = 0; i < ARRAY_SIZE(residents); i++) {
		struct model *m = model_new(model_type(residents[i]), 1000, 4000);

		unit_note("%s", residents[i]);
		for (cb = 0; cb < 1000; cb++)
			model_load(m, cb, cb, cb % 10, 1, true);
		CHECK_EQ(model_pump(m, false, 1000), 400);
		for (n = 0; n < 300; n++)
			model_invalidate_some(m);
		for (ob = 0; ob < 1000 && m->nr_dirty < 500; ob++)
			if (m->cblock[ob] != MODEL_NONE)
				model_access(m, ob, DMC_WRITE, false);
		CHECK_EQ(m->nr_dirty, 500);
		CHECK(!model_ask(m, false));
		model_free(m);
	}
}

/* Promotions that never end do not keep a full cache from being cleaned. */
static void test_pressure_is_shared(void)
{
	unsigned int i;
	u64 ob;
	u32 n;

	for (i = 0; i < ARRAY_SIZE(residents); i++) {
		struct model *m = model_new(model_type(residents[i]), 1000, 40000);

		unit_note("%s", residents[i]);
		for (ob = 0; ob < 600; ob++)
			model_load(m, ob, ob, true, 1, true);
		for (n = 0; n < 150; n++) {
			model_access(m, 1000 + n * 2, DMC_READ, false);
			model_access(m, 1001 + n * 2, DMC_READ, false);
			CHECK(model_ask(m, false));
			model_complete_all(m);
		}
		CHECK(m->promotions >= 40);
		CHECK(m->writebacks >= 40);
		model_free(m);
	}
}

/* Neighbours on the origin are written one after the other. */
static void test_writeback_runs(void)
{
	unsigned int i;
	struct dmc_work w;
	u64 last, follows = 0;
	u32 n;

	for (i = 0; i < ARRAY_SIZE(residents); i++) {
		struct model *m = model_new(model_type(residents[i]), 1000, 4000);

		unit_note("%s", residents[i]);
		/* Cached, and written, in scattered order. */
		for (n = 0; n < 1000; n++)
			touch(m, n * 373 % 1000);
		for (n = 0; n < 1000; n++)
			model_access(m, n * 619 % 1000, DMC_WRITE, false);
		for (last = U64_MAX - 1, follows = 0, n = 0; n < 1000; n++) {
			CHECK_OK(m->type->next_work(m->p, true, 0, &w));
			follows += from_oblock(w.oblock) == last + 1;
			last = from_oblock(w.oblock);
			m->type->clear_dirty(m->p, w.cblock);
			m->type->work_done(m->p, &w, true);
		}
		CHECK_MSG(follows > 500, "%llu of 1000 follow", follows);
		model_free(m);
	}
}

/* A full, dirty cache under load still lets new blocks in. */
static void test_full_of_dirty_blocks(void)
{
	unsigned int i;
	u32 n, tick;
	u64 ob;

	for (i = 0; i < ARRAY_SIZE(residents); i++) {
		struct model *m = model_new(model_type(residents[i]), 1000, 4000);

		unit_note("%s", residents[i]);
		fill(m);
		for (ob = 0; ob < 1000; ob++)
			model_access(m, ob, DMC_WRITE, false);
		for (tick = 0; tick < 30; tick++) {
			for (n = 0; n < 100; n++)
				touch(m, 2000 + n);
			model_tick(m);
		}
		CHECK(resident_of(m, 2000, 100) >= 95);
		CHECK(m->nr_dirty <= 500);
		model_free(m);
	}
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "mq: a free block is filled at the first touch", test_mq_fills_at_first_touch },
		{ "mq: hits that promote into a full cache", test_mq_promotes_after },
		{ "mq: an evicted block has one hit", test_mq_evicted_block_has_one_hit },
		{ "mq: the victim is not one just hit", test_mq_victim_is_not_marked },
		{ "ageing halves and keeps the order", test_ageing },
		{ "blocks that are not cached are counted", test_ghosts },
		{ "mq: the threshold follows the cache", test_mq_threshold_follows_the_cache },
		{ "sequential streams pass by", test_sequential },
		{ "many streams at a time", test_many_streams },
		{ "streams that ended are forgotten", test_ended_streams },
		{ "false starts are forgotten too", test_false_starts },
		{ "unless that is switched off", test_sequential_off },
		{ "cheap writes promote at once", test_cheap_writes_promote_at_once },
		{ "they take no block that was freed for another", test_cheap_writes_take_no_freed_block },
		{ "late candidates evict no block", test_late_candidates },
		{ "mq: a candidate must beat its victim", test_candidate_must_beat_its_victim },
		{ "a hot set survives a scan", test_hot_set_survives_scan },
		{ "the cache follows the load", test_adapts },
		{ "uniform load does not churn", test_uniform_load_does_not_churn },
		{ "zipf: better than chance", test_zipf_beats_chance },
		{ "hints keep the order", test_hints_keep_the_order },
		{ "loaded blocks are counted in their queues", test_loaded_blocks_are_counted },
		{ "cleaner: everything, upwards", test_cleaner },
		{ "writeback when idle, or under pressure", test_writeback_when_idle_or_pressed },
		{ "dirty blocks are counted", test_dirty_blocks_are_counted },
		{ "pressure is shared with promotions", test_pressure_is_shared },
		{ "writeback in runs", test_writeback_runs },
		{ "full of dirty blocks", test_full_of_dirty_blocks },
		{ }
	};

	if (shim_modules_init())
		return 1;
	return unit_main(argc, argv, tests);
}
