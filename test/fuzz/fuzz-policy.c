// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz-policy.c - policy arguments: every policy takes or refuses any pair of words, prints what it
 * took so that it can be given again, and works with whatever it was given.
 *
 * Input: which policy (1 byte), how it is driven (1 byte), then keys and values.
 */
#include "policy-model.h"
#include "words.h"

#define NR_CBLOCKS 24
#define NR_OBLOCKS 100

/* What is printed as "<count> <key> <value>..." is accepted, and then printed alike. */
static void check_printed(struct dmc_policy_type *t, struct dmc_policy *p)
{
	char first[1000], again[1000];
	struct words w;
	unsigned int i;

	if (!t->emit_config)
		return;
	CHECK_EQ(t->emit_config(p, first, sizeof(first)), strlen(first));
	words_init(&w, (const uint8_t *)first, strlen(first));
	CHECK(w.nr % 2 == 1 && w.nr == 1 + strtoul(w.word[0], NULL, 10));
	for (i = 1; i < w.nr; i += 2)
		CHECK_OK(t->set_config(p, w.word[i], w.word[i + 1]));
	words_free(&w);
	t->emit_config(p, again, sizeof(again));
	CHECK(!strcmp(first, again));
}

static void set_all(struct dmc_policy_type *t, struct dmc_policy *p, const struct words *w)
{
	unsigned int i;
	int r;

	for (i = 0; t->set_config && i + 1 < w->nr; i += 2) {
		r = t->set_config(p, w->word[i], w->word[i + 1]);
		CHECK(!r || r == -EINVAL);
	}
}

/* The model checks each answer against the contract. */
static void drive(struct model *m, unsigned int how)
{
	u32 i;

	unit_srand(how);
	m->surprises = how & 1;
	m->fail_percent = how & 2 ? 20 : 0;
	for (i = 0; i < 300; i++) {
		enum dmc_dir dir = unit_below(3) ? DMC_READ : DMC_WRITE;

		model_access(m, how & 4 ? model_zipf(m->nr_oblocks) : unit_below(m->nr_oblocks),
			     dir, dir == DMC_WRITE && unit_below(2));
		if (i % 4 == 0)
			model_pump(m, how & 8, 4);
		if (i % 50 == 0)
			model_tick(m);
	}
	model_complete_all(m);
	model_check(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = { data, size };
	struct dmc_policy_type *t;
	unsigned int how;
	struct model *m;
	struct words w;

	if (!model_nr_types)
		CHECK_OK(shim_modules_init());
	fuzz_begin();
	t = model_types[take(&b, 1) % model_nr_types];
	how = take(&b, 1);
	unit_note("%s", t->name);
	words_init(&w, b.at, b.left);
	m = model_new(t, NR_CBLOCKS, NR_OBLOCKS);
	set_all(t, m->p, &w);
	check_printed(t, m->p);
	drive(m, how);
	set_all(t, m->p, &w);
	drive(m, how);
	model_free(m);
	words_free(&w);
	fuzz_end();
	return 0;
}
