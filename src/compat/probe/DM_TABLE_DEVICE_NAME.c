/* SPDX-License-Identifier: GPL-2.0-only */
const char *probe(struct dm_table *table)
{
	return dm_table_device_name(table);
}
