/* SPDX-License-Identifier: GPL-2.0-only */
status_type_t probe(void)
{
	return STATUSTYPE_IMA;
}
