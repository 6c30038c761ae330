// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz-table.c - table lines: what is accepted is within its limits and says what its words say;
 * what is refused has a reason.
 *
 * Input: the line, after "0 N cache".
 */
#include "parse.h"
#include "words.h"

static void check_line(const struct table_line *line, const struct words *w)
{
	CHECK(w->nr >= 7);
	CHECK(line->metadata_path == w->word[0] && line->cache_path == w->word[1] &&
	      line->origin_path == w->word[2]);
	CHECK(line->block_sectors >= CACHE_MIN_BLOCK_SECTORS &&
	      line->block_sectors <= CACHE_MAX_BLOCK_SECTORS &&
	      line->block_sectors % CACHE_MIN_BLOCK_SECTORS == 0);
	CHECK(line->io_mode <= IO_PASSTHROUGH);
	CHECK(line->policy_name);
	CHECK(line->nr_policy_args % 2 == 0);
	/* Nothing is left over, and nothing is beyond the end. */
	CHECK(line->policy_args + line->nr_policy_args == w->word + w->nr || !line->nr_policy_args);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct table_line line;
	char *error = NULL;
	struct words w;

	fuzz_begin();
	words_init(&w, data, size);
	if (parse_table_line(&line, w.nr, w.word, &error))
		CHECK(error && error[0]);
	else
		check_line(&line, &w);
	words_free(&w);
	fuzz_end();
	return 0;
}
