// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-parse.c - table lines and messages: what each word comes to, and what is refused.
 */
#include "parse.h"
#include "unit.h"

#define MAX_WORDS 64

static char text[1000];
static char *words[MAX_WORDS];

static unsigned int split(const char *s)
{
	unsigned int n = 0;
	char *word, *save = NULL;

	strcpy(text, s);
	for (word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
		words[n++] = word;
	return n;
}

static int parse(struct table_line *line, const char *s, char **error)
{
	*error = NULL;
	unit_note("%s", s);
	return parse_table_line(line, split(s), words, error);
}

static void test_good_lines(void)
{
	struct table_line line;
	char *error;

	CHECK_OK(parse(&line, "/dev/m 8:1 o 64 0 default 0", &error));
	CHECK(!strcmp(line.metadata_path, "/dev/m") && !strcmp(line.cache_path, "8:1") &&
	      !strcmp(line.origin_path, "o") && !strcmp(line.policy_name, "default"));
	CHECK(line.block_sectors == 64 && line.io_mode == IO_WRITEBACK && !line.nr_policy_args);
	CHECK(!line.metadata2 && !line.no_discard_passdown && !error);

	CHECK_OK(parse(&line, "m c o 2097152 3 METADATA2 no_discard_passdown WriteThrough mq 4 a 1 b 2", &error));
	CHECK(line.block_sectors == 2097152 && line.io_mode == IO_WRITETHROUGH);
	CHECK(line.metadata2 && line.no_discard_passdown && line.nr_policy_args == 4);
	CHECK(!strcmp(line.policy_args[0], "a") && !strcmp(line.policy_args[3], "2"));

	CHECK_OK(parse(&line, "m c o 192 1 passthrough cleaner 0", &error));
	CHECK(line.block_sectors == 192 && line.io_mode == IO_PASSTHROUGH && !line.metadata2);
}

static void test_bad_lines(void)
{
	static const char *const lines[] = {
		"", "m c o 64 0 mq", "m c o 0 0 mq 0", "m c o 63 0 mq 0", "m c o 65 0 mq 0", "m c o 32 0 mq 0",
		"m c o 2097216 0 mq 0", "m c o 4294967360 0 mq 0", "m c o -64 0 mq 0", "m c o 64k 0 mq 0",
		"m c o 0x40 0 mq 0", "m c o 64 x mq 0", "m c o 64 -1 mq 0", "m c o 64 4 a b c d mq 0",
		"m c o 64 1 nosuch mq 0", "m c o 64 2 writeback writethrough mq 0", "m c o 64 1 mq 0",
		"m c o 64 2 writeback writeback mq 0", "m c o 64 3 metadata2 mq 0", "m c o 64 1 metadata2 mq",
		"m c o 64 3 a b c", "m c o 64 0 mq 1 a", "m c o 64 0 mq 3 a 1 b", "m c o 64 0 mq 4 a 1 b",
		"m c o 64 0 mq 2 a 1 b", "m c o 64 0 mq 0 0", "m c o 64 0 mq x", "m c o 64 0 mq 4294967295",
	};
	struct table_line line;
	unsigned int i;
	char *error;

	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		CHECK_EQ(parse(&line, lines[i], &error), -EINVAL);
		CHECK(error && error[0]);
	}
}

static void test_messages(void)
{
	struct message_words m;

	CHECK_OK(parse_message(&m, split("migration_threshold 7"), words));
	CHECK(!m.invalidate && !strcmp(m.key, "migration_threshold") && !strcmp(m.value, "7"));
	CHECK_OK(parse_message(&m, split("Set_Config a b"), words));
	CHECK(!m.invalidate && !strcmp(m.key, "a") && !strcmp(m.value, "b"));
	CHECK_OK(parse_message(&m, split("invalidate_cblocks 1 2-3"), words));
	CHECK(m.invalidate && m.nr_ranges == 2 && !strcmp(m.ranges[1], "2-3"));
	CHECK_OK(parse_message(&m, split("invalidate_cblocks"), words));
	CHECK(m.invalidate && !m.nr_ranges);

	CHECK_EQ(parse_message(&m, 0, words), -EINVAL);
	CHECK_EQ(parse_message(&m, split("a"), words), -EINVAL);
	CHECK_EQ(parse_message(&m, split("a b c"), words), -EINVAL);
	CHECK_EQ(parse_message(&m, split("set_config"), words), -EINVAL);
	CHECK_EQ(parse_message(&m, split("set_config a"), words), -EINVAL);
}

static void test_numbers(void)
{
	static const struct {
		const char *word;
		int r;
		u32 begin, end;
	} ranges[] = {
		{ "0", 0, 0, 1 }, { "99", 0, 99, 100 }, { "0-100", 0, 0, 100 }, { "7-9", 0, 7, 9 },
		{ "100", -ERANGE }, { "0-101", -ERANGE }, { "5-5", -ERANGE }, { "7-3", -ERANGE },
		{ "4294967296", -ERANGE }, { "0-4294967297", -ERANGE }, { "18446744073709551615", -ERANGE },
		{ "", -EINVAL }, { "-", -EINVAL }, { "1-", -EINVAL }, { "-1", -EINVAL }, { "x", -EINVAL },
		{ "3-x", -EINVAL }, { "1-2-3", -EINVAL }, { "1 ", -EINVAL }, { "18446744073709551616", -EINVAL },
		{ "0000000000000000000000000000000000000000001", -EINVAL },
	};
	static const char *const bad[] = { "", "x", "-1", "1x", "2147483648", "4294967296", "0x1" };
	u32 begin, end, sectors, percent;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		unit_note("%s", ranges[i].word);
		CHECK_EQ(parse_cblock_range(ranges[i].word, 100, &begin, &end), ranges[i].r);
		CHECK(ranges[i].r || (begin == ranges[i].begin && end == ranges[i].end));
	}
	CHECK_OK(parse_migration_threshold("2147483647", &sectors));
	CHECK_EQ(sectors, INT_MAX);
	CHECK_OK(parse_write_allocate("50", &percent));
	CHECK_EQ(percent, 50);
	CHECK_OK(parse_write_allocate("0", &percent));
	CHECK_EQ(percent, 0);
	CHECK_EQ(parse_write_allocate("51", &percent), -EINVAL);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(parse_migration_threshold(bad[i], &sectors), -EINVAL);
		CHECK_EQ(parse_write_allocate(bad[i], &percent), -EINVAL);
	}
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "parse: good table lines", test_good_lines },
		{ "parse: bad table lines, each with a reason", test_bad_lines },
		{ "parse: messages", test_messages },
		{ "parse: ranges and numbers", test_numbers },
		{ }
	};

	return unit_main(argc, argv, tests);
}
