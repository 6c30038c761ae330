/* SPDX-License-Identifier: GPL-2.0-only */
void probe(struct queue_limits *limits)
{
	limits->max_hw_discard_sectors = 0;
}
