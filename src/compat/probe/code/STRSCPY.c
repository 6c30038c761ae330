/* SPDX-License-Identifier: GPL-2.0-only */
#pragma GCC diagnostic error "-Wunused-result"

void probe(char *to, const char *from)
{
	strscpy(to, from, 8);
}
