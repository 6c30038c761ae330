/* SPDX-License-Identifier: GPL-2.0-only */
unsigned long probe(void)
{
	return REQ_PREFLUSH;
}
