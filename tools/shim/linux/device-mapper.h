/* SPDX-License-Identifier: GPL-2.0-only */
/* The messages, and the words of a table line. */
#ifndef SHIM_LINUX_DEVICE_MAPPER_H
#define SHIM_LINUX_DEVICE_MAPPER_H

#define DMERR(fmt, ...) shim_printk("err", DM_MSG_PREFIX ": " fmt, ##__VA_ARGS__)
#define DMERR_LIMIT DMERR
#define DMWARN(fmt, ...) shim_printk("warn", DM_MSG_PREFIX ": " fmt, ##__VA_ARGS__)
#define DMWARN_LIMIT DMWARN
#define DMINFO(fmt, ...) shim_printk("info", DM_MSG_PREFIX ": " fmt, ##__VA_ARGS__)
#define DMINFO_LIMIT DMINFO
#define DMDEBUG(fmt, ...) do { if (0) shim_printk("debug", DM_MSG_PREFIX ": " fmt, ##__VA_ARGS__); } while (0)

struct dm_arg_set {
	unsigned int argc;
	char **argv;
};

struct dm_arg {
	unsigned int min, max;
	char *error;
};

/* The next word, NULL at the end. */
const char *dm_shift_arg(struct dm_arg_set *as);
void dm_consume_args(struct dm_arg_set *as, unsigned int n);
/* A number within @arg's limits, and no larger than the number of words behind it. */
int dm_read_arg_group(const struct dm_arg *arg, struct dm_arg_set *as, unsigned int *value,
		      char **error);

#endif
