/* SPDX-License-Identifier: GPL-2.0-only */
#pragma GCC diagnostic error "-Wdiscarded-qualifiers"

int probe(const struct dm_arg *arg, struct dm_arg_set *set, char **error)
{
	unsigned int n;

	return dm_read_arg_group(arg, set, &n, error);
}
