/* SPDX-License-Identifier: GPL-2.0-only */
unsigned int probe(void)
{
	return WQ_PERCPU;
}
