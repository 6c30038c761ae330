/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * parse.h - what users type, table lines and messages, taken apart; see parse.c.
 *
 * Called by ctr.c and message.c, in process context.  No locks; nothing is allocated, the results
 * point into the caller's words.  Also compiled in userspace, to be fuzzed.
 */
#ifndef DM_CACHE_PARSE_H
#define DM_CACHE_PARSE_H

#include <linux/types.h>

#define CACHE_MIN_BLOCK_SECTORS 64		/* 32 KiB; block sizes are multiples of it */
#define CACHE_MAX_BLOCK_SECTORS (1 << 21)	/* 1 GiB */
#define CACHE_MAX_WRITE_ALLOCATE 50		/* percent of the cache blocks */

/* What the table line asks for. */
enum io_mode {
	IO_WRITEBACK,
	IO_WRITETHROUGH,
	IO_PASSTHROUGH,
};

/* What the words of the table line say, before anything is opened. */
struct table_line {
	const char *metadata_path, *cache_path, *origin_path;
	u32 block_sectors;
	enum io_mode io_mode;
	bool metadata2;
	bool no_discard_passdown;
	const char *policy_name;
	unsigned int nr_policy_args;
	char **policy_args;		/* key, value, key, value... */
};

/* 0, or -EINVAL with *@error: what dmsetup's user reads in the log. */
int parse_table_line(struct table_line *line, unsigned int argc, char **argv, char **error);

struct message_words {
	bool invalidate;	/* the words are cblocks and ranges of them; else a tunable */
	unsigned int nr_ranges;
	char **ranges;
	const char *key, *value;
};

/* 0, or -EINVAL: neither. */
int parse_message(struct message_words *m, unsigned int argc, char **argv);

/*
 * "7" is [7, 8); "7-9" is [7, 9).  -EINVAL: neither a block nor a range; -ERANGE: not within
 * @nr_cblocks, or empty.
 */
int parse_cblock_range(const char *word, u32 nr_cblocks, u32 *begin, u32 *end);

/* 0, or -EINVAL: no number of sectors. */
int parse_migration_threshold(const char *word, u32 *sectors);

/* 0, or -EINVAL: no percentage, or more than CACHE_MAX_WRITE_ALLOCATE. */
int parse_write_allocate(const char *word, u32 *percent);

#endif
