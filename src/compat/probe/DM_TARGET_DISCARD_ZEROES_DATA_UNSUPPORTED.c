/* SPDX-License-Identifier: GPL-2.0-only */
void probe(struct dm_target *ti)
{
	ti->discard_zeroes_data_unsupported = true;
}
