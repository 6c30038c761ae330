// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz-message.c - messages: ranges stay within the cache, numbers within their bounds.
 *
 * Input: 4 bytes, the number of cache blocks; then the message.
 */
#include "parse.h"
#include "words.h"

static void check_ranges(const struct message_words *m, const struct words *w, u32 nr_cblocks)
{
	unsigned int i;
	u32 begin, end;
	int r;

	CHECK(m->ranges + m->nr_ranges == w->word + w->nr);
	for (i = 0; i < m->nr_ranges; i++) {
		r = parse_cblock_range(m->ranges[i], nr_cblocks, &begin, &end);
		CHECK(r == -EINVAL || r == -ERANGE || (!r && begin < end && end <= nr_cblocks));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = { data, size };
	u32 nr_cblocks = take(&b, 4), sectors, percent;
	struct message_words m;
	struct words w;

	fuzz_begin();
	words_init(&w, b.at, b.left);
	if (!parse_message(&m, w.nr, w.word)) {
		if (m.invalidate) {
			check_ranges(&m, &w, nr_cblocks);
		} else {
			CHECK(m.key && m.value && m.value == w.word[w.nr - 1]);
			CHECK(parse_migration_threshold(m.value, &sectors) || sectors <= INT_MAX);
			CHECK(parse_write_allocate(m.value, &percent) ||
			      percent <= CACHE_MAX_WRITE_ALLOCATE);
		}
	}
	words_free(&w);
	fuzz_end();
	return 0;
}
