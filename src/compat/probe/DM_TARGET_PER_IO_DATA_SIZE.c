/* SPDX-License-Identifier: GPL-2.0-only */
void probe(struct dm_target *ti)
{
	ti->per_io_data_size = 8;
}
