/* SPDX-License-Identifier: GPL-2.0-only */
blk_status_t probe(void)
{
	return errno_to_blk_status(blk_status_to_errno(BLK_STS_RESOURCE));
}
