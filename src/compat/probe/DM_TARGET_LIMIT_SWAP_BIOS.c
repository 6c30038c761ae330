/* SPDX-License-Identifier: GPL-2.0-only */
void probe(struct dm_target *ti)
{
	ti->limit_swap_bios = true;
}
