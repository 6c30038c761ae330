/* SPDX-License-Identifier: GPL-2.0-only */
void probe(struct dm_target *ti)
{
	ti->max_discard_granularity = true;
}
