// SPDX-License-Identifier: GPL-2.0-only
/*
 * parse.c - words to structs: table lines and messages.
 *
 *   <metadata dev> <cache dev> <origin dev> <block size>
 *   <#feature args> [<feature arg>]* <policy> <#policy args> [<key> <value>]*
 *
 *   migration_threshold N          sectors being copied at once, at most
 *   write_allocate N               percent of the cache blocks that may be partial
 *   <policy tunable> <value>       also as: set_config <tunable> <value>
 *   invalidate_cblocks B|B-E ...   E is one past the end
 *
 * Nowhere on a bio's path.  Called by ctr.c when a table is loaded and by message.c, in process
 * context, without locks.  Whether what the words say can be done is the callers' business: nothing
 * here knows a device or a policy.
 */
#include <linux/device-mapper.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/stddef.h>
#include <linux/string.h>

#include "parse.h"

static int parse_bad(char **error, char *why)
{
	*error = why;
	return -EINVAL;
}

/*----- table line -----*/

static const struct feature {
	const char *name;
	bool is_mode;
	enum io_mode mode;
	size_t flag;		/* offset of a bool in struct table_line */
} features[] = {
	{ "writeback", true, IO_WRITEBACK },
	{ "writethrough", true, IO_WRITETHROUGH },
	{ "passthrough", true, IO_PASSTHROUGH },
	{ "metadata2", .flag = offsetof(struct table_line, metadata2) },
	{ "no_discard_passdown", .flag = offsetof(struct table_line, no_discard_passdown) },
};

static const struct feature *find_feature(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(features); i++)
		if (!strcasecmp(name, features[i].name))
			return features + i;
	return NULL;
}

static int parse_features(struct table_line *line, struct dm_arg_set *as, char **error)
{
	static const struct dm_arg limit = { 0, 3, "Invalid number of cache feature arguments" };
	const struct feature *f;
	unsigned int n, nr_modes = 0;
	int r;

	line->io_mode = IO_WRITEBACK;
	r = dm_read_arg_group(&limit, as, &n, error);
	if (r)
		return r;
	while (n--) {
		f = find_feature(dm_shift_arg(as));
		if (!f)
			return parse_bad(error, "Unrecognised cache feature requested");
		if (f->is_mode && nr_modes++)
			return parse_bad(error, "Duplicate cache io_mode features requested");
		if (f->is_mode)
			line->io_mode = f->mode;
		else
			*(bool *)((char *)line + f->flag) = true;
	}
	return 0;
}

static int parse_policy(struct table_line *line, struct dm_arg_set *as, char **error)
{
	static const struct dm_arg limit = { 0, 1024, "Invalid number of policy arguments" };
	int r;

	line->policy_name = dm_shift_arg(as);
	if (!line->policy_name)
		return parse_bad(error, "Insufficient args: no policy");
	r = dm_read_arg_group(&limit, as, &line->nr_policy_args, error);
	if (r)
		return r;
	if (line->nr_policy_args % 2)
		return parse_bad(error, "Policy arguments must be pairs of a key and a value");
	line->policy_args = as->argv;
	dm_consume_args(as, line->nr_policy_args);
	if (as->argc)
		return parse_bad(error, "Too many arguments after the policy's");
	return 0;
}

int parse_table_line(struct table_line *line, unsigned int argc, char **argv, char **error)
{
	struct dm_arg_set as = { argc, argv };
	int r;

	memset(line, 0, sizeof(*line));
	if (argc < 7)
		return parse_bad(error, "Insufficient args: <metadata dev> <cache dev> <origin dev> <block size> <#features> [<feature>]* <policy> <#policy args> [<key> <value>]*");
	line->metadata_path = dm_shift_arg(&as);
	line->cache_path = dm_shift_arg(&as);
	line->origin_path = dm_shift_arg(&as);

	if (kstrtouint(dm_shift_arg(&as), 10, &line->block_sectors) ||
	    line->block_sectors < CACHE_MIN_BLOCK_SECTORS ||
	    line->block_sectors > CACHE_MAX_BLOCK_SECTORS ||
	    line->block_sectors % CACHE_MIN_BLOCK_SECTORS)
		return parse_bad(error, "Invalid data block size: must be a multiple of 64 sectors (32 KiB), up to 2097152 (1 GiB)");

	r = parse_features(line, &as, error);
	return r ? r : parse_policy(line, &as, error);
}

/*----- messages -----*/

int parse_message(struct message_words *m, unsigned int argc, char **argv)
{
	memset(m, 0, sizeof(*m));
	if (!argc)
		return -EINVAL;
	if (!strcasecmp(argv[0], "invalidate_cblocks")) {
		m->invalidate = true;
		m->nr_ranges = argc - 1;
		m->ranges = argv + 1;
		return 0;
	}
	if (!strcasecmp(argv[0], "set_config")) {
		argc--;
		argv++;
	}
	if (argc != 2)
		return -EINVAL;
	m->key = argv[0];
	m->value = argv[1];
	return 0;
}

int parse_cblock_range(const char *word, u32 nr_cblocks, u32 *begin, u32 *end)
{
	char copy[32], *second;
	u64 b, e;

	if (strscpy(copy, word, sizeof(copy)) < 0)
		return -EINVAL;
	second = strchr(copy, '-');
	if (second)
		*second++ = '\0';
	if (kstrtou64(copy, 10, &b))
		return -EINVAL;
	e = b + 1;
	if (second && kstrtou64(second, 10, &e))
		return -EINVAL;
	if (b >= e || e > nr_cblocks)
		return -ERANGE;
	*begin = b;
	*end = e;
	return 0;
}

int parse_migration_threshold(const char *word, u32 *sectors)
{
	return kstrtouint(word, 10, sectors) || *sectors > INT_MAX ? -EINVAL : 0;
}

int parse_write_allocate(const char *word, u32 *percent)
{
	return kstrtouint(word, 10, percent) || *percent > CACHE_MAX_WRITE_ALLOCATE ? -EINVAL : 0;
}
