/* SPDX-License-Identifier: GPL-2.0-only */
static int probe_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *status)
{
	return 0;
}

struct target_type probe_target = { .end_io = probe_end_io };
